# Reads {"files": [[name, text]], "extra": [name]} and says which requirements are declared, and which are missing.
import importlib.metadata as metadata
import json
import re
import sys

try:
    import tomllib
except ImportError:
    try:
        import tomli as tomllib
    except ImportError:
        try:
            from pip._vendor import tomli as tomllib
        except ImportError:
            tomllib = None
try:
    from packaging.requirements import Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        Requirement = None

DEVELOPMENT = re.compile(r"^(dev|develop|development|test|tests|testing)$", re.I)


def load(text):
    try:
        return tomllib.loads(text) if tomllib else {}
    except ValueError:
        return {}


def strings(value):
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def table(value, *keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def pinned(packages):
    """Name and version tables of Pipfile and Poetry."""
    out = []
    for name, wanted in packages.items():
        if name.lower() == "python":
            continue
        version = wanted if isinstance(wanted, str) else wanted.get("version", "*") if isinstance(wanted, dict) else "*"
        exact = isinstance(version, str) and re.match(r"^[<>=!~]=?", version)
        out.append(name + version if exact else name)
    return out


def of_pyproject(text):
    data = load(text)
    project = table(data, "project")
    wanted = strings(project.get("dependencies"))
    groups = [*table(project, "optional-dependencies").items(), *table(data, "dependency-groups").items()]
    for name, items in groups:
        if DEVELOPMENT.match(name):
            wanted += strings(items)
    poetry = table(data, "tool", "poetry")
    wanted += pinned(table(poetry, "dependencies")) + pinned(table(poetry, "dev-dependencies"))
    for name, group in table(poetry, "group").items():
        if DEVELOPMENT.match(name):
            wanted += pinned(table(group, "dependencies"))
    return wanted, "dependencies" in strings(project.get("dynamic"))


def of_requirements(text):
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.replace("\\\n", " ").splitlines())
    return [re.split(r"\s--", line)[0].strip() for line in lines if line and not line.startswith("-")]


def parsed(requirement):
    try:
        return Requirement(requirement) if Requirement else None
    except Exception:
        return None


def applies(requirement):
    """Whether it is a requirement, and one for this platform."""
    if not re.match(r"^[A-Za-z0-9]", requirement):
        return False
    if ";" not in requirement:
        return True
    known = parsed(requirement)
    try:
        return known is not None and (known.marker is None or known.marker.evaluate({"extra": ""}))
    except Exception:
        return False


def lacking(requirement):
    """The name of a requirement that is not installed, or only in a version that it does not take."""
    name = re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*", requirement).group(0)
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return name
    except Exception:
        return None
    known = parsed(requirement)
    if known is not None:
        fits = known.specifier.contains(version, prereleases=True)
    else:
        # Without the library for versions, only a plain pin can be told.
        pin = re.match(r"^[^=<>!~;@]*===?\s*([^\s;,*]+)\s*(;|$)", requirement)
        fits = pin is None or pin.group(1) == version
    return None if fits else name


question = json.load(sys.stdin)
requirements, checked, dynamic = [], [], False
for name, text in question["files"]:
    if name == "pyproject.toml":
        wanted, unknown = of_pyproject(text)
        requirements += wanted
        dynamic = dynamic or unknown
    elif name == "Pipfile":
        data = load(text)
        requirements += pinned(table(data, "packages")) + pinned(table(data, "dev-packages"))
    elif name.startswith("requirements"):
        checked += of_requirements(text)
    elif name == "setup.py":
        listed = re.search(r"install_requires\s*=\s*\[([^\]]*)\]", text)
        found = re.findall(r"""["']([A-Za-z0-9][^"']*)["']""", listed.group(1)) if listed else []
        requirements += found
        dynamic = dynamic or ("install_requires" in text and not found and not listed)
    elif name == "setup.cfg":
        listed = re.search(r"^install_requires\s*=((?:\s*\n[ \t]+[^\n]+)+)", text, re.M)
        requirements += [line.strip() for line in listed.group(1).splitlines() if line.strip()] if listed else []
for name in question["extra"]:
    if not any(re.match(rf"{name}\b", item) for item in requirements + checked):
        requirements.append(name)
requirements = list(dict.fromkeys(requirements))
names = [lacking(item) for item in requirements + checked if applies(item)]
missing = sorted({name for name in names if name})
if dynamic and not missing:
    missing = ["(declared in code)"]
json.dump({"requirements": requirements, "missing": missing, "dynamic": dynamic}, sys.stdout)
