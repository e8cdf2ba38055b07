# Writes what a lock file pins as constraints for pip: python pins.py LOCK CONSTRAINTS
import json
import re
import sys

try:
    import tomllib
except ImportError:
    try:
        from pip._vendor import tomli as tomllib
    except ImportError:
        tomllib = None

lock, out = sys.argv[1:]
pins = {}
try:
    text = open(lock, encoding="utf-8").read()
    if lock.endswith("Pipfile.lock"):
        data = json.loads(text)
        for part in ("develop", "default"):
            for name, wanted in data.get(part, {}).items():
                if re.match(r"^==[\w.!+-]+$", str(wanted.get("version", ""))):
                    pins.setdefault(name, set()).add(wanted["version"][2:])
    else:
        for package in tomllib.loads(text).get("package", []):
            source = package.get("source")
            plain = not isinstance(source, dict) or "registry" in source or source.get("type") == "legacy"
            if plain and re.match(r"^[\w.!+-]+$", str(package.get("version", ""))):
                pins.setdefault(package["name"], set()).add(package["version"])
except Exception as error:
    print(f"keiko: {lock} cannot be read: {error}")
with open(out, "w", encoding="utf-8") as file:
    # A package in several versions, for several platforms, is left to the resolver.
    file.writelines(f"{name}=={min(versions)}\n" for name, versions in sorted(pins.items()) if len(versions) == 1 and re.match(r"^[\w.-]+$", name))
