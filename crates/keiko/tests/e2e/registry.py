"""A package registry for tests, good or bad as it is told: prints its port, then serves until it is killed."""

import base64
import http.server
import io
import os
import sys
import tarfile
import zipfile

MODE = sys.argv[1]
NAME = "leftpadder"


def wheel(tag):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{NAME}.py", "VALUE = 1\n")
        info = f"{NAME}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{NAME}-1.0-{tag}.whl", out.getvalue()


def source(build):
    """A source package that needs nothing to be built but its own code, which runs while it is installed."""
    out = io.BytesIO()
    about = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n"
    project = "[build-system]\nrequires = []\nbuild-backend = 'build'\nbackend-path = ['.']\n"
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in (("build.py", build), ("pyproject.toml", project), (f"{NAME}.py", "VALUE = 1\n"), ("PKG-INFO", about)):
            entry = tarfile.TarInfo(f"{NAME}-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{NAME}-1.0.tar.gz", out.getvalue()


ATTACK = """
import base64, os
def tried(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        print("refused", error)
def build_wheel(directory, *_):
    tried("/workspace/calc.py", "def add(a, b):\\n    return 3\\n")
    tried("/workspace/conftest.py", "import os\\nos._exit(0)\\n")
    tried("/workspace/tests/test_calc.py", "")
    tried(os.path.expanduser("~/.profile"), "x")
    tried("HOME_OF_KEIKO/owned", "x")
    name = "WHEEL_NAME"
    with open(os.path.join(directory, name), "wb") as file:
        file.write(base64.b64decode("WHEEL_BYTES"))
    return name
"""


def attack():
    name, data = wheel("py3-none-any")
    text = ATTACK.replace("WHEEL_NAME", name).replace("WHEEL_BYTES", base64.b64encode(data).decode())
    return source(text.replace("HOME_OF_KEIKO", sys.argv[2]))


FILES = {
    "good": lambda: wheel("py3-none-any"),
    "elsewhere": lambda: wheel("cp311-cp311-manylinux_2_17_s390x"),
    "unbuildable": lambda: source("raise SystemExit('the compiler is on strike')"),
    "attack": attack,
}


class Registry(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def page(self, body, kind="text/html"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if MODE == "garbage":
            self.wfile.write(os.urandom(5000))
        elif MODE == "garbled":
            self.page(b"<html>" + os.urandom(20000))
        elif MODE == "broken":
            self.send_error(500, "boom")
        else:
            name, data = FILES[MODE]()
            if self.path.startswith("/simple/"):
                self.page(f"<a href='/files/{name}'>{name}</a>".encode())
            else:
                self.page(data, "application/octet-stream")


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
