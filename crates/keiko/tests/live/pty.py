"""Runs a program on a terminal of its own and plays a person: waits for text, types, changes the size, runs another program.

Reads one JSON object from standard input, writes one to standard output.
"""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    plan = json.load(sys.stdin)
    master, slave = pty.openpty()
    resize(slave, *plan["size"])
    before = termios.tcgetattr(slave)
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR", "CLICOLOR_FORCE")}
    environment.update({"TERM": "xterm-256color"}, **plan["env"])

    def own_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(
        plan["argv"], stdin=slave, stdout=slave, stderr=slave, env=environment, preexec_fn=own_terminal, close_fds=True
    )
    output, seen = b"", 0

    def read_for(seconds, wanted):
        """Reads until the text has come; false when it does not come in time or the program has ended."""
        nonlocal output, seen
        end = time.monotonic() + seconds
        while True:
            if wanted is not None:
                at = output.find(wanted, seen)
                if at >= 0:
                    seen = at + len(wanted)
                    return True
            if time.monotonic() > end:
                return False
            if select.select([master], [], [], 0.05)[0]:
                output += os.read(master, 65536)
            elif child.poll() is not None:
                return False

    missed = None
    for step in plan["steps"]:
        if "expect" in step and not read_for(step.get("seconds", 60), step["expect"].encode()):
            missed = step["expect"]
            break
        if "run" in step:
            subprocess.run(step["run"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        if "size" in step:
            resize(slave, *step["size"])
        if "signal" in step:
            child.send_signal(step["signal"])
        if "send" in step:
            os.write(master, step["send"].encode())
    if missed is None:
        read_for(plan.get("seconds", 90), None)
    else:
        child.kill()
    status = child.wait()
    while select.select([master], [], [], 0.1)[0]:
        output += os.read(master, 65536)
    after = termios.tcgetattr(slave)
    text = output.decode("utf-8", "replace")
    json.dump({"status": status, "output": text, "missed": missed, "restored": before == after}, sys.stdout)


main()
