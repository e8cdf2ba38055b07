# Compiles every Python file below the current folder without running it, and prints syntax errors and warnings as
# JSON lines. At most 2000 files.
import json
import os
import warnings

SKIP = {".git", ".tox", ".venv", "venv", "node_modules", "target", "build", "dist", "__pycache__", "vendor"}


def say(file, line, rule, message, severity):
    print(json.dumps({"file": file, "line": line or 0, "rule": rule, "message": message, "severity": severity}))


seen = 0
for folder, folders, names in os.walk("."):
    folders[:] = sorted(f for f in folders if f not in SKIP)
    for name in sorted(names):
        if not name.endswith(".py") or seen >= 2000:
            continue
        seen += 1
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                text = file.read()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                compile(text, path, "exec", dont_inherit=True)
            for warning in caught:
                say(path, warning.lineno, "syntax-warning", str(warning.message), "warning")
        except SyntaxError as error:
            say(path, error.lineno, "syntax-error", error.msg, "error")
        except (OSError, ValueError, RecursionError) as error:
            say(path, 0, "unreadable", str(error), "warning")
