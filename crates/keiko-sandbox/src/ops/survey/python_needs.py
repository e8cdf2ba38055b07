# Reads {"files": [[name, text]], "imports": [word], "runner": name, "pythons": ["3.11"], "itself": bool} and says what is
# declared, which of it is missing, and how it is installed. Everything read here was written by others.
import configparser
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
    from packaging.specifiers import SpecifierSet
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
        from pip._vendor.packaging.specifiers import SpecifierSet
    except ImportError:
        Requirement = SpecifierSet = None

# Groups, extras, sessions and files for tests; those for development and for everything count where there are none.
TEST = re.compile(r"(^|[-_. ])(unit|py|hatch-)?tests?(ing)?([-_. ]|$)|^pytest", re.I)
NOT_TEST = re.compile(r"lint|mypy|typing|types|docs?\b|bench|perf|gpu|cuda|min|nightly|integration|e2e|external|downstream", re.I)
LESSER = [re.compile(r"^(dev|develop|development)$", re.I), re.compile(r"^ci$", re.I), re.compile(r"^all$", re.I)]
# Options and settings of pytest that only a plugin knows.
PLUGINS = [
    (r"--(no-)?cov(-[a-z]+)?\b", "pytest-cov"),
    (r"(^|\s)(-n[\s=]*(\d|auto|logical)|--numprocesses|--dist\b)", "pytest-xdist"),
    (r"--timeout\b|^timeout(_method|_func_only)?\s*=", "pytest-timeout"),
    (r"^asyncio_(mode|default)", "pytest-asyncio"),
    (r"^trio_mode", "pytest-trio"),
    (r"--benchmark-", "pytest-benchmark"),
    (r"--reruns\b", "pytest-rerunfailures"),
    (r"--(disable|allow|force-enable)-(socket|hosts|unix-socket)", "pytest-socket"),
    (r"--doctest-(plus|rst|cython)|^doctest_plus|^text_file_format", "pytest-doctestplus"),
    (r"--remote-data|^remote_data", "pytest-remotedata"),
    (r"--randomly-|-p no:randomly", "pytest-randomly"),
    (r"--random-order", "pytest-random-order"),
    (r"--forked\b", "pytest-forked"),
    (r"--html=|--self-contained-html", "pytest-html"),
    (r"--snapshot-(update|warn|details)", "syrupy"),
    (r"--hypothesis-", "hypothesis"),
    (r"--flake8\b", "pytest-flake8"),
    (r"--mypy\b", "pytest-mypy"),
    (r"--ruff\b", "pytest-ruff"),
    (r"--black\b", "pytest-black"),
    (r"--isort\b", "pytest-isort"),
    (r"--mpl\b", "pytest-mpl"),
    (r"--ds=|^DJANGO_SETTINGS_MODULE|--reuse-db|--no-migrations", "pytest-django"),
    (r"^env(_files)?\s*=", "pytest-env"),
    (r"^qt_api", "pytest-qt"),
    (r"--nunit-xml", "pytest-nunit"),
    (r"--picked\b", "pytest-picked"),
    (r"--check-links", "pytest-check-links"),
]
# What only tests use and is imported, or asked for as a fixture, without being declared.
FOUND = {
    "pytest": "pytest", "hypothesis": "hypothesis", "freezegun": "freezegun", "time_machine": "time-machine", "mock": "mock",
    "responses": "responses", "requests_mock": "requests-mock", "respx": "respx", "parameterized": "parameterized",
    "ddt": "ddt", "pretend": "pretend", "pytest_asyncio": "pytest-asyncio", "pytest_mock": "pytest-mock",
    "pytest_httpserver": "pytest-httpserver", "pytest_lazyfixture": "pytest-lazy-fixture", "pytest_cases": "pytest-cases",
    "pytest_subtests": "pytest-subtests", "testfixtures": "testfixtures", "syrupy": "syrupy", "flaky": "flaky",
    "django": "django", "factory": "factory-boy", "faker": "faker", "vcr": "vcrpy", "moto": "moto", "pyfakefs": "pyfakefs",
    "dirty_equals": "dirty-equals", "inline_snapshot": "inline-snapshot", "asynctest": "asynctest", "testpath": "testpath",
    "fixture:mocker": "pytest-mock", "fixture:benchmark": "pytest-benchmark", "fixture:httpserver": "pytest-httpserver",
    "fixture:httpbin": "pytest-httpbin", "fixture:requests_mock": "requests-mock", "fixture:subtests": "pytest-subtests",
    "fixture:snapshot": "syrupy", "fixture:data_regression": "pytest-regressions", "fixture:file_regression": "pytest-regressions",
    "fixture:fs": "pyfakefs", "fixture:freezer": "pytest-freezer", "fixture:datadir": "pytest-datadir",
    "fixture:script_runner": "pytest-console-scripts", "fixture:aiohttp_client": "pytest-aiohttp",
    "fixture:live_server": "pytest-django", "mark:asyncio": "pytest-asyncio", "mark:trio": "pytest-trio",
    "mark:timeout": "pytest-timeout", "mark:flaky": "pytest-rerunfailures", "mark:django_db": "pytest-django",
    "mark:parametrize_with_cases": "pytest-cases", "mark:forked": "pytest-forked", "mark:benchmark": "pytest-benchmark",
}
# What is not brought in beside another that does the same: both would claim one fixture or option.
SAME = {
    "pytest-benchmark": {"pytest-speed", "pytest-codspeed"}, "pytest-rerunfailures": {"flaky", "pytest-retry"},
    "syrupy": {"snapshottest", "pytest-snapshot", "pytest-insta"},
    "pytest-asyncio": {"pytest-aiohttp", "pytest-tornasync"}, "pytest-freezer": {"pytest-freezegun"},
    "pytest-lazy-fixture": {"pytest-lazy-fixtures"}, "pytest-datadir": {"pytest-shared-datadir", "pytest-regressions"},
}
# Factors of tox's that hold here.
MINOR = sys.version_info[1]
FACTORS = {"py", "py3", "test", "tests", "pytest", f"py3{MINOR}", f"py3.{MINOR}", f"3.{MINOR}"}
# What starts an environment and is not part of one.
TOOLS = {"poetry", "tox", "nox", "uv", "pdm", "hatch", "pre-commit", "tox-uv", "pip", "build", "twine", "poetry-core"}
ONLY_WITH_PYTEST = re.compile(r"^(fixture|mark):|^pytest")


def load(text):
    try:
        return tomllib.loads(text) if tomllib else {}
    except (ValueError, RecursionError):
        return {}


def ini(text):
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        pass
    return parser


def option(parser, section, name):
    try:
        return parser.get(section, name) or ""
    except configparser.Error:
        return ""


def applying(text):
    """Lines of a setting of tox's that hold for tests: one for certain factors only begins with their names."""
    out = []
    for line in (line.strip() for line in text.replace("\\\n", " ").splitlines()):
        named = re.match(r"^([\w{},.!-]+)\s*:\s+(.*)$", line)
        if named and FACTORS & set(spread(named.group(1))):
            out.append(named.group(2).strip())
        elif line and not named and not line.startswith("#"):
            out.append(line)
    return out


def spread(names):
    """`py{310,311},x` is `py310`, `py311` and `x`."""
    out = []
    for name in re.findall(r"(?:[^{},]|\{[^{}]*\})+", names)[:50]:
        before, _, rest = name.partition("{")
        inner, _, after = rest.partition("}")
        out += [before + part + after for part in inner.split(",")[:50]]
    return out


def strings(value):
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def table(value, *keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def key(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement):
    found = re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return key(found.group(0)) if found else ""


def pinned(packages):
    """Name and version tables of Pipfile and Poetry."""
    out = []
    for name, wanted in packages.items():
        if name.lower() == "python" or (isinstance(wanted, dict) and (wanted.get("path") or wanted.get("optional"))):
            continue
        if isinstance(wanted, dict) and wanted.get("git"):
            out.append(f"{name} @ git+{wanted['git']}" + (f"@{wanted['rev']}" if wanted.get("rev") else ""))
            continue
        version = wanted if isinstance(wanted, str) else wanted.get("version", "*") if isinstance(wanted, dict) else "*"
        extras = ",".join(strings(wanted.get("extras"))) if isinstance(wanted, dict) else ""
        full = f"{name}[{extras}]" if extras else name
        exact = isinstance(version, str) and re.match(r"^[<>=!~]=?", version)
        caret = re.match(r"^\^(\d+)(\.(\d+))?", version) if isinstance(version, str) else None
        if exact:
            full += version
        elif caret:
            major, minor = int(caret.group(1)), int(caret.group(3) or 0)
            full += f">={version[1:]},<{major + 1}" if major else f">={version[1:]},<0.{minor + 1}"
        elif isinstance(version, str) and re.match(r"^\d[\d.]*$", version):
            full += "==" + version
        out.append(full)
    return out


class Needs:
    def __init__(self, files):
        self.files = files
        self.base, self.wanted, self.extras, self.groups, self.lists = [], [], [], [], []
        self.name, self.python, self.builds, self.itself, self.dynamic = None, "", False, False, False
        self.settings, self.all_extras, self.rust = "", [], False
        self.optional = {}
        # Groups, extras, requirement files and test environments, as kind and name; tests go before development.
        self.choices = {}

    def offer(self, kind, name, take):
        self.choices[(kind, name)] = take

    def pyproject(self, text):
        data = load(text)
        project, poetry = table(data, "project"), table(data, "tool", "poetry")
        self.name = project.get("name") or poetry.get("name") or self.name
        self.python = project.get("requires-python") or self.python
        self.base += strings(project.get("dependencies"))
        dynamic = strings(project.get("dynamic"))
        self.dynamic = self.dynamic or "dependencies" in dynamic or "optional-dependencies" in dynamic
        uv, hatch = table(data, "tool", "uv"), table(data, "tool", "hatch", "envs")
        packaged = uv.get("package") is not False and poetry.get("package-mode") is not False
        self.builds = (self.builds or bool(table(data, "build-system"))) and packaged
        scripts = [table(project, name) for name in ("scripts", "gui-scripts", "entry-points")] + [table(poetry, "scripts"), table(poetry, "plugins")]
        backend = str(table(data, "build-system").get("build-backend", "")) + " ".join(strings(table(data, "build-system").get("requires")))
        compiled = re.search(r"maturin|scikit.build|mesonpy|meson-python|cython|setuptools.rust|pybind11|cffi|nanobind|numpy", backend, re.I)
        self.rust = self.rust or bool(re.search(r"maturin|setuptools[-_]rust", backend, re.I))
        # A version out of git is written into a file, or asked of the installed package.
        self.itself = self.itself or any(scripts) or bool(compiled) or ("version" in dynamic and "scm" in text + backend) or "vcs" in backend
        for name, items in table(project, "optional-dependencies").items():
            self.extra(name, strings(items))
        for name in table(poetry, "extras"):
            self.extra(name, [])
        groups = table(data, "dependency-groups")
        for name in groups:
            self.offer("group", name, lambda name=name: self.take(self.group(groups, name, ())))
        for name, items in table(data, "tool", "pdm", "dev-dependencies").items():
            self.offer("group", name, lambda items=items: self.take(strings(items)))
        if strings(uv.get("dev-dependencies")):
            self.offer("group", "dev", lambda: self.take(strings(uv.get("dev-dependencies"))))
        if not project.get("dependencies"):
            self.base += pinned(table(poetry, "dependencies"))
        # Poetry installs these by default.
        if table(poetry, "dev-dependencies"):
            self.offer("group", "test dev", lambda: self.take(pinned(table(poetry, "dev-dependencies"))))
        for name, group in table(poetry, "group").items():
            self.offer("group", "test dev" if LESSER[0].match(name) else name, lambda group=group: self.take(pinned(table(group, "dependencies"))))
        flit = table(data, "tool", "flit", "metadata")
        self.base += strings(flit.get("requires"))
        for name, items in table(flit, "requires-extra").items():
            self.extra(name, strings(items))
        for name, env in hatch.items():
            if name in ("default", "hatch-test") or TEST.search(name):
                listed = strings(env.get("dependencies")) + strings(env.get("extra-dependencies")) if isinstance(env, dict) else []
                features = strings(env.get("features")) if isinstance(env, dict) else []
                label = "test" if name != "default" else "dev"
                self.offer("environment", f"{label} {name}", lambda listed=listed, features=features: (self.take(listed), self.extras.extend(features)))
        tox = table(data, "tool", "tox")
        if isinstance(tox.get("legacy_tox_ini"), str):
            self.tox(tox["legacy_tox_ini"])
        for name, env in [("", table(tox, "env_run_base")), *table(tox, "env").items()]:
            if not name or TEST.search(name):
                self.environment(name, strings(env.get("deps")), strings(env.get("extras")), strings(env.get("dependency_groups")), groups)
        pytest = table(data, "tool", "pytest", "ini_options") or table(data, "tool", "pytest")
        self.settings += "".join(f"{k} = {' '.join(strings(v)) if isinstance(v, list) else v}\n" for k, v in pytest.items())
        self.required(pytest.get("required_plugins"))
        self.itself = self.itself or bool(table(data, "tool", "setuptools").get("ext-modules"))

    def group(self, groups, name, above):
        found = {key(other): items for other, items in groups.items()}.get(key(name))
        out = []
        for item in found if isinstance(found, list) and name not in above and len(above) < 20 else []:
            if isinstance(item, str):
                out.append(item)
            elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
                out += self.group(groups, item["include-group"], (*above, name))
        return out

    def extra(self, name, items):
        self.all_extras.append(name)
        self.optional[key(name)] = items
        self.offer("extra", name, lambda: self.extras.append(name))

    def environment(self, name, deps, extras, wanted_groups=(), groups=None):
        def take():
            for line in deps:
                included = re.match(r"^(?:-r|--requirement)[\s=]*(?:\{toxinidir\}/|\{tox_root\}/)?(\S+)$", line)
                if included:
                    self.list(included.group(1))
                elif not line.startswith("-") and name_of(line) not in TOOLS:
                    self.take([line])
            self.extras.extend(extra for extra in extras if re.match(r"^[A-Za-z0-9._-]+$", extra))
            for group in wanted_groups:
                self.take(self.group(groups or {}, group, ()))
        self.offer("environment", f"test {name}", take)

    def tox(self, text):
        parser = ini(text)
        groups = table(load(self.files.get("pyproject.toml", "")), "dependency-groups")
        for section in parser.sections():
            name = section.partition(":")[2]
            if section == "testenv" or (section.startswith("testenv:") and TEST.search(name)):
                lines = [line for line in applying(option(parser, section, "deps")) if "{" not in line or line.startswith("-r")]
                words = lambda name: [word for line in applying(option(parser, section, name)) for word in re.split(r"[\s,]+", line) if word]
                self.environment(name, lines, words("extras"), words("dependency_groups"), groups)
        if parser.has_section("pytest"):
            self.pytest_ini(parser, "pytest")

    def nox(self, text):
        for block in re.split(r"^(?=@nox|def )", text, flags=re.M):
            named = re.match(r"(?:.*\n)*?def (\w+)", block)
            if not named or not TEST.search(named.group(1).replace("_", " ")):
                continue
            words = [word for call in re.findall(r"\.install\(([^)]*)\)", block) for word in re.findall(r"""["']([^"']+)["']""", call)]
            extras = [part.strip() for word in words for inner in re.findall(r"^\.\[([^\]]*)\]", word) for part in inner.split(",")]
            files = ["-r " + after for word, after in zip(words, words[1:]) if word in ("-r", "--requirement")]
            plain = [word for before, word in zip(["", *words], words) if re.match(r"^[A-Za-z0-9]", word) and not before.startswith("-")]
            self.environment("nox " + named.group(1), files + plain, extras)

    def pytest_ini(self, parser, section):
        for name, value in parser.items(section):
            self.settings += f"{name} = {' '.join((value or '').split())}\n"
        self.required(option(parser, section, "required_plugins"))

    def required(self, value):
        listed = strings(value) or (value.split() if isinstance(value, str) else [])
        self.take([item for item in listed if re.match(r"^[A-Za-z0-9][\w.\[\]=<>!~,-]*$", item)])

    def setup_cfg(self, text):
        parser = ini(text)
        self.name = option(parser, "metadata", "name") or self.name
        self.python = self.python or option(parser, "options", "python_requires")
        self.base += [line.strip() for line in option(parser, "options", "install_requires").splitlines() if line.strip()]
        self.take([line.strip() for line in option(parser, "options", "tests_require").splitlines() if line.strip()])
        if parser.has_section("options.extras_require"):
            for name, value in parser.items("options.extras_require"):
                self.extra(name, [line.strip() for line in (value or "").splitlines() if line.strip()])
        self.itself = self.itself or parser.has_section("options.entry_points")
        if parser.has_section("tool:pytest"):
            self.pytest_ini(parser, "tool:pytest")

    def setup_py(self, text):
        self.builds = True
        named = re.search(r"""\bname\s*=\s*["']([A-Za-z0-9._-]+)["']""", text)
        self.name = self.name or (named.group(1) if named else None)
        python = re.search(r"""python_requires\s*=\s*["']([^"']+)["']""", text)
        self.python = self.python or (python.group(1) if python else "")
        quoted = lambda text: re.findall(r"""["']([A-Za-z0-9][^"'\n]*)["']""", text)
        for kind, into in (("install_requires", self.base), ("tests_require", self.wanted)):
            listed = re.search(kind + r"\s*=\s*\[([^\]]*)\]", text)
            into += quoted(listed.group(1)) if listed else []
            self.dynamic = self.dynamic or (kind == "install_requires" and kind in text and not listed)
        extras = re.search(r"(?:extras_require|extras)\s*=\s*\{(.*)", text, re.S)
        for name in re.findall(r"""["']([A-Za-z0-9._-]+)["']\s*:""", extras.group(1)[:4000]) if extras else []:
            self.extra(name, [])
        self.rust = self.rust or "rust_extensions" in text
        self.itself = self.itself or bool(re.search(r"ext_modules|cythonize|cffi_modules|rust_extensions|entry_points|use_scm_version|package_dir", text))

    def list(self, path):
        path = re.sub(r"^\./", "", path)
        if path in self.files and path not in self.lists:
            self.lists.append(path)

    def take(self, items):
        self.wanted += items

    def read(self):
        for name, text in self.files.items():
            if name == "pyproject.toml":
                self.pyproject(text)
            elif name == "setup.cfg":
                self.setup_cfg(text)
            elif name == "setup.py":
                self.setup_py(text)
            elif name == "tox.ini":
                self.tox(text)
            elif name == "noxfile.py":
                self.nox(text)
            elif name in ("pytest.ini", ".pytest.ini") and ini(text).has_section("pytest"):
                self.pytest_ini(ini(text), "pytest")
            elif name == "Pipfile":
                data = load(text)
                self.base += pinned(table(data, "packages"))
                self.take(pinned(table(data, "dev-packages")))
            elif name.endswith((".txt", ".in")):
                self.requirement_file(name)
        tests = [choice for choice in self.choices if TEST.search(choice[1]) and not NOT_TEST.search(choice[1])]
        for names in (tests, *([choice for choice in self.choices if lesser.match(choice[1])] for lesser in LESSER)):
            before = (len(self.wanted), len(self.extras), len(self.lists))
            for choice in names:
                self.choices[choice]()
            if (len(self.wanted), len(self.extras), len(self.lists)) != before:
                break

    def settle(self):
        """Extras of what cannot be installed itself are what they name."""
        if not self.builds:
            self.wanted += [item for name in self.extras for item in self.optional.get(key(name), [])]
            self.extras = []

    def requirement_file(self, path):
        word = re.sub(r"requirements?", "", re.sub(r"\.(txt|in)$", "", path)).strip("-_./")
        if path.endswith(".in") and path[:-3] + ".txt" in self.files:
            return
        if word in ("", "base", "main", "common", "prod", "production", "core", "default", "install"):
            self.list(path)
        else:
            self.offer("file", word.replace("/", " "), lambda: self.list(path))

    def plugins(self, runner, imports):
        known = {name_of(item) for item in self.base + self.wanted}
        for path in self.lists:
            known |= {name_of(item) for item in lines_of(self.files, path)}
        for name in self.extras:
            known |= {name_of(item) for item in self.optional.get(key(name), [])}
        found = []
        if runner == "pytest":
            found += ["pytest"] + [plugin for pattern, plugin in PLUGINS if re.search(pattern, self.settings, re.M)]
        for word in imports:
            if word in FOUND and (runner == "pytest" or not ONLY_WITH_PYTEST.match(word)):
                found.append(FOUND[word])
        there = known | set(found)
        found = [name for name in found if not SAME.get(name, set()) & there]
        return [name for name in dict.fromkeys(found) if key(name) not in known and key(name) != key(self.name or "")]


def lines_of(files, path, above=()):
    """The requirements of a file and of those that it includes."""
    if path in above or len(above) > 10 or path not in files:
        return []
    out = []
    for line in (re.sub(r"(^|\s)#.*$", "", line).strip() for line in files[path].replace("\\\n", " ").splitlines()):
        included = re.match(r"^(?:-r|--requirement)[\s=]*(\S+)$", line)
        if included:
            folder = path.rpartition("/")[0]
            below = f"{folder}/{included.group(1)}" if folder else included.group(1)
            parts = []
            for part in below.split("/"):
                parts = parts[:-1] if part == ".." else parts + [part] * (part != ".")
            out += lines_of(files, "/".join(parts), (*above, path))
        elif line and not line.startswith("-"):
            out.append(re.split(r"\s--", line)[0].strip())
    return out


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


def needed(item):
    """Names of what a package in a lock file needs."""
    wanted = item.get("dependencies")
    if isinstance(wanted, dict):
        return [key(name) for name in wanted]
    named = [entry.get("name") if isinstance(entry, dict) else entry for entry in wanted or []]
    return [name_of(name) for name in named if isinstance(name, str)]


def locked(files, wanted):
    """The lock file, and how many packages and bytes of it what is wanted comes to."""
    for name in ("uv.lock", "poetry.lock", "pdm.lock"):
        if name not in files:
            continue
        packages = {key(str(item.get("name"))): item for item in load(files[name]).get("package") or [] if isinstance(item, dict)}
        reached, open_names = set(), [name for name in wanted if name in packages]
        while open_names:
            at = open_names.pop()
            if at not in reached:
                reached.add(at)
                open_names += [name for name in needed(packages[at]) if name in packages]
        foreign = [packages[at] for at in reached if not {"editable", "virtual", "directory"} & set(table(packages[at], "source"))]
        sizes = [size_of(item) for item in foreign]
        complete = bool(foreign) and wanted <= set(packages)
        return name, len(foreign), sum(sizes) if complete and all(sizes) else None, complete
    if "Pipfile.lock" in files:
        try:
            data = json.loads(files["Pipfile.lock"])
            names = {**table(data, "default"), **table(data, "develop")}
            return "Pipfile.lock", len(names), None, bool(names)
        except (ValueError, RecursionError):
            pass
    return None, 0, None, False


def size_of(package):
    files = [item for item in package.get("wheels") or [] if isinstance(item, dict) and isinstance(item.get("size"), int)]
    fitting = [item["size"] for item in files if re.search(r"none-any|manylinux.*x86_64", str(item.get("url", "")))]
    source = table(package, "sdist").get("size")
    return (fitting or [source if isinstance(source, int) else 0])[0]


def interpreter(wanted, version_file, there):
    """The version that is asked for, out of those that are there; nothing for the usual one."""
    asked = re.match(r"^\s*(?:cpython-)?(3\.\d+)", version_file or "")
    usual = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        fits = SpecifierSet(wanted).contains if SpecifierSet and wanted else lambda version: True
        exact = [f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"]
        if asked and asked.group(1) in there:
            return asked.group(1)
        if fits(exact[0]):
            return None
        return next((version for version in there if version != usual and (fits(version + ".99") or fits(version))), None)
    except Exception:
        return None


question = json.load(sys.stdin)
files = dict(question["files"])
needs = Needs(files)
needs.read()
# An extra whose package the tests import is one that they need.
for name, items in needs.optional.items():
    if name not in map(key, needs.extras) and any(name_of(item).replace("-", "_") in question["imports"] for item in items):
        needs.extras.append(name)
needs.settle()
found = needs.plugins(question["runner"], question["imports"])
wanted = [item for item in dict.fromkeys(needs.wanted) if item.strip()]
# The project names itself to have its own extras.
own = [item for item in wanted if needs.name and name_of(item) == key(needs.name)]
for item in own:
    inner = re.search(r"\[([^\]]*)\]", item)
    needs.extras += [part.strip() for part in inner.group(1).split(",")] if inner else []
wanted = [item for item in wanted if item not in own]
extras = [item for item in dict.fromkeys(needs.extras) if re.match(r"^[A-Za-z0-9._-]+$", item)]
listed = [item for path in needs.lists for item in lines_of(files, path)]
checked = needs.base + wanted + found + listed + [item for name in extras for item in needs.optional.get(key(name), [])]
names = [lacking(item) for item in checked if applies(item)]
missing = sorted({name for name in names if name and key(name) != key(needs.name or "")})
itself = needs.builds and (needs.itself or question["itself"])
if needs.builds and needs.name and (itself or needs.dynamic):
    name = lacking(needs.name)
    missing += [name] if name else []
elif needs.dynamic and not missing:
    missing = ["(declared in code)"]
lock, count, size, complete = locked(files, {name_of(item) for item in checked if applies(item)})
json.dump(
    {
        "base": list(dict.fromkeys(needs.base)), "wanted": wanted, "found": found, "extras": extras, "lists": needs.lists,
        "missing": missing, "builds": needs.builds, "pytest": any(name_of(item) == "pytest" for item in checked if item not in found),
        "kernel": any(name_of(item) == "ipykernel" for item in checked),
        "lock": lock, "complete": complete, "count": count or len({name_of(item) for item in checked}), "bytes": size,
        "rust": needs.builds and needs.rust, "python": interpreter(needs.python, files.get(".python-version"), question["pythons"]),
    },
    sys.stdout,
)
