# Keeps what an installation built in the workspace and git ignores, for later copies of it: python built.py HOME
import os
import subprocess
import sys
import tarfile

home = sys.argv[1]
APART = {"node_modules", ".venv", "venv", "env", "__pycache__", "target", ".tox", ".nox", ".git"}
FILES_MAX, BYTES_MAX = 5000, 256 << 20


def built():
    began = os.stat(os.path.join(home, "venv", "pyvenv.cfg")).st_mtime - 2
    listed = subprocess.run(["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard"], stdout=subprocess.PIPE, check=True)
    found, total = [], 0
    for name in listed.stdout.split(b"\0"):
        path = os.fsdecode(name)
        parts = path.split("/")
        if not path or APART & set(parts) or (parts[0] == "build" and len(parts) > 1 and parts[1].startswith(("temp.", "lib.", "bdist."))):
            continue
        about = os.lstat(path)
        # What lay there before was not built by this.
        if about.st_ctime < began or not os.path.isfile(path) or os.path.islink(path):
            continue
        total += about.st_size
        if len(found) >= FILES_MAX or total > BYTES_MAX:
            print("keiko: more was built in the workspace than is kept for later")
            return []
        found.append(path)
    return found


try:
    paths = built()
    if paths:
        with tarfile.open(os.path.join(home, "built.tar"), "w") as archive:
            for path in paths:
                archive.add(path, recursive=False)
except Exception as error:
    print("keiko: what was built in the workspace is not kept for later: %s" % error)
