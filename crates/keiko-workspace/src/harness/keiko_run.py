"""Keiko's reporter for pytest and unittest: started instead of `python -m`, with a secret on its standard input.

Everything lives in closures of one function: nothing of it stands in a module that other code can import. Records are
`number code payload`, where the code is an HMAC under a key that is replaced after each record, so that what was written
cannot be changed by whoever learns a later key.
"""


def _start():
    import os
    import sys

    # Before anything of the environment or the workspace is loaded.
    secret = b""
    while len(secret) < 65:
        piece = os.read(0, 65 - len(secret))
        if not piece:
            break
        secret += piece
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place not in ("", here, os.getcwd())]

    import _json
    import _signal
    import _thread
    import hmac
    import re
    import time

    digest, quote, write, now, getpid = hmac.digest, _json.encode_basestring_ascii, os.write, time.monotonic, os.getpid
    lock = _thread.allocate_lock()
    open_, flags = os.open, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    report = "/results/keiko.report"
    state = {"key": bytes.fromhex(secret[:64].decode("ascii")), "number": 0, "target": open_(report, flags, 0o600)}
    owner = getpid()
    del secret

    def text(value, most):
        value = value if type(value) is str else str(value)
        return value if len(value) <= most else value[:most] + "\u2026"

    def emit(**fields):
        # A forked child of a test is not the reporter.
        if getpid() != owner:
            return
        parts = []
        for name, value in fields.items():
            if value is None:
                continue
            shown = str(value) if type(value) is int else quote(text(value, 4000))
            parts.append(quote(name) + ":" + shown)
        payload = ("{" + ",".join(parts) + "}").encode("ascii")
        with lock:
            number = state["number"]
            line = b"%d " % number + payload
            code = digest(state["key"], line, "sha256").hex().encode("ascii")
            state["key"] = digest(state["key"], b"next", "sha256")
            state["number"] = number + 1
            line = b"%d %s %s\n" % (number, code, payload)
            while line:
                try:
                    line = line[write(state["target"], line):]
                except OSError:
                    # A test closed whatever is open.
                    state["target"] = open_(report, flags, 0o600)
                    line = line[write(state["target"], line):]

    workspace = os.path.realpath(os.getcwd())
    root = "/workspace/" if workspace.startswith("/workspace") else workspace + "/"
    environment = tuple(os.path.realpath(place) for place in {sys.prefix, sys.base_prefix, here})

    def of_workspace(function):
        """Whether a function was written in the workspace, and not in the environment that may lie in it."""
        code = getattr(function, "__code__", None)
        if code is None:
            return not getattr(function, "__module__", None) in (None, "builtins") and not callable(function)
        place = code.co_filename
        if "site-packages" in place or "dist-packages" in place or place.startswith("<frozen"):
            return False
        if place.startswith("<"):
            return True
        place = os.path.realpath(place)
        return place.startswith(root) and not place.startswith(environment)

    kept = []

    def keep(owner_, *names):
        for name in names:
            found = getattr(owner_, name, None)
            if found is not None:
                kept.append((owner_, name, found, getattr(found, "__code__", None)))

    def replaced():
        """What of the runner is not what it was at the start, by the workspace's doing."""
        for owner_, name, found, code in kept:
            current = getattr(owner_, name, None)
            same = current is found or current == found
            if same and getattr(current, "__code__", None) is code:
                continue
            if current is None or of_workspace(current) or (same and code is not None):
                return "%s.%s" % (getattr(owner_, "__name__", owner_), name)
        return None

    def shadowed(thing, beginnings):
        """What of one object hides what its class has, by the workspace's doing."""
        for name, value in list(getattr(thing, "__dict__", {}).items()):
            if name.startswith(beginnings) and hasattr(type(thing), name) and of_workspace(value):
                return name
        return None

    def place_of(trace):
        """The innermost frame in the workspace: file and line."""
        found, count = None, 0
        while trace is not None and count < 1000:
            file = trace.tb_frame.f_code.co_filename
            if file.startswith(workspace + "/") and "site-packages" not in file:
                found = (file, trace.tb_lineno)
            trace, count = trace.tb_next, count + 1
        return found

    def relative(file):
        return os.path.relpath(file, workspace) if os.path.isabs(file) else file

    canary = os.path.join(here, "keiko_canary.py")

    def checks():
        """The canaries: name, function, whether it must fail."""
        import importlib.util as finder

        spec = finder.spec_from_file_location("keiko_canary", canary)
        module = finder.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.checks(os.urandom(4).hex(), sys.modules)

    def sing():
        """Why the run is void, if it is: an assertion that must fail held, or the other way round."""
        stopped = replaced()
        if stopped:
            return "%s was replaced by code of the workspace" % stopped
        for name, check, must_fail in checks():
            try:
                check()
            except BaseException as error:
                if not must_fail:
                    return "%s does not hold where it must: %s" % (name, text(repr(error), 200))
                continue
            if must_fail:
                return "%s holds where it must fail" % name
        return None

    limit = int(os.environ.pop("KEIKO_TEST_SECONDS", "0") or "0")
    alarm, timer, default, real = _signal.signal, _signal.setitimer, _signal.SIG_DFL, _signal.ITIMER_REAL

    def watch(fail):
        """Ends a test that does not end, where nobody else uses the alarm."""
        if not limit or _thread.get_ident() != main_thread or _signal.getsignal(_signal.SIGALRM) is not default:
            return False

        def rang(*_):
            fail("no end within %d s: this test hangs" % limit)

        alarm(_signal.SIGALRM, rang)
        timer(real, limit, 5)
        return True

    def unwatch(watched):
        if watched:
            timer(real, 0)
            alarm(_signal.SIGALRM, default)

    main_thread = _thread.get_ident()

    def end(code, counted, why):
        if why:
            emit(kind="void", why=why)
        emit(kind="end", code=int(code), cases=counted)

    def missing(name):
        sys.stderr.write("%s: No module named %s\n" % (sys.executable, name))
        raise SystemExit(1)

    def give_way():
        """The workspace comes first for what it tests, as with `python -m`; the runner is loaded already."""
        own = set(sys.stdlib_module_names) if hasattr(sys, "stdlib_module_names") else set()
        for name in list(sys.modules):
            top = name.partition(".")[0]
            if top in own or top in ("pytest", "_pytest", "pluggy", "unittest", "__main__", "py", "exceptiongroup", "tomli"):
                continue
            file = getattr(sys.modules[name], "__file__", None) or ""
            here_ = os.path.isfile(os.path.join(workspace, top, "__init__.py")) or os.path.isfile(os.path.join(workspace, top + ".py"))
            if here_ and not file.startswith(workspace + "/") and ("site-packages" in file or "dist-packages" in file):
                del sys.modules[name]
        read_sources()
        sys.path.insert(0, os.getcwd())

    def read_sources():
        """What stands in the workspace is compiled anew: byte code beside it, which git ignores, may say something else."""
        loaders = sys.modules["_frozen_importlib_external"]
        cached = loaders.cache_from_source

        def cache_from_source(path, *rest, **more):
            place = os.path.realpath(os.fspath(path))
            if place.startswith(workspace + "/") and "-packages/" not in place:
                raise NotImplementedError
            return cached(path, *rest, **more)

        loaders.cache_from_source = cache_from_source
        rewrite = sys.modules.get("_pytest.assertion.rewrite")
        if hasattr(rewrite, "_read_pyc"):
            rewrite._read_pyc = lambda *_arguments, **_more: None

    # ---------------------------------------------------------------- pytest

    def run_pytest(arguments):
        try:
            import pytest
        except ModuleNotFoundError:
            missing("pytest")
        import unittest

        import _pytest.outcomes as outcomes
        import _pytest.python as python
        import _pytest.runner as runner
        import _pytest.unittest as of_unittest

        for name in ("_pytest.assertion.rewrite", "_pytest.reports", "_pytest.skipping", "_pytest.fixtures"):
            __import__(name)
        keep(python.Function, "runtest", "setup")
        keep(python, "pytest_pyfunc_call")
        keep(runner, "runtestprotocol", "call_runtest_hook", "pytest_runtest_call", "pytest_runtest_makereport", "call_and_report")
        keep(runner.CallInfo, "from_call")
        keep(of_unittest.TestCaseFunction, "runtest", "addFailure", "addError", "addSuccess")
        keep(sys.modules["_pytest.reports"].TestReport, "from_item_and_call")
        keep(pytest, "raises", "fail", "approx")
        keep(unittest.TestCase, "run", "__call__", *[name for name in dir(unittest.TestCase) if name.startswith(("assert", "fail"))])
        try:
            from importlib.util import find_spec

            if find_spec("xdist"):
                arguments = arguments + ["-n", "0"]
        except (ImportError, ValueError):
            pass
        harmless = (outcomes.Skipped, unittest.SkipTest)
        xfailed = getattr(outcomes, "XFailed", outcomes.Skipped)
        running, counts = {}, {"cases": 0, "void": None, "session": None}

        def names(nodeid, root):
            file, sep, rest = nodeid.partition("::")
            if root and os.path.realpath(root) != workspace:
                file = os.path.relpath(os.path.join(root, file), workspace)
            return file, file + sep + rest

        def root_of(config):
            return str(getattr(config, "rootpath", None) or getattr(config, "rootdir", "") or "")

        def rank(status):
            return ("passed", "skipped", "failed", "error").index(status)

        def note(case, status, message=None, place=None, lacks=None):
            if "status" not in case or rank(status) > rank(case["status"]):
                case["status"], case["message"], case["place"] = status, message, place

        def explained(report, info):
            """The message and the place of what went wrong."""
            crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
            message = getattr(crash, "message", None)
            if message is None:
                said = text(report.longrepr if report.longrepr is not None else "", 20000)
                marked = [line[2:].strip() for line in said.splitlines() if line.startswith("E ")]
                message = "\n".join(marked) or "\n".join(said.strip().splitlines()[-5:])
            place = place_of(info) if info is not None else None
            return message, place

        def swapped(item):
            """Whether something else than what its module or class has is to be run."""
            function = vars(item).get("_obj")
            own = getattr(getattr(item.parent, "obj", None), getattr(item, "originalname", None) or "", None)
            if function is None or own is None:
                return False
            function, own = getattr(function, "__func__", function), getattr(own, "__func__", own)
            return function is not own and of_workspace(function)

        class Reporter:
            @pytest.hookimpl(hookwrapper=True, tryfirst=True)
            def pytest_runtest_protocol(self, item):
                counts["session"] = item.session
                file, name = names(item.nodeid, root_of(item.config))
                line = item.location[1]
                case = running[item.nodeid] = {"name": name, "file": file, "line": line + 1 if type(line) is int else None}
                emit(kind="start", name=name)
                if "runtest" in vars(item) and of_workspace(vars(item)["runtest"]):
                    counts["void"] = "how %s is run was replaced by code of the workspace" % name
                if swapped(item):
                    counts["void"] = "%s itself was replaced by code of the workspace" % name
                began = now()
                watched = watch(lambda why: (_ for _ in ()).throw(outcomes.Failed(why)))
                try:
                    yield
                finally:
                    unwatch(watched)
                running.pop(item.nodeid, None)
                if "status" not in case:
                    return
                place = case.get("place")
                counts["cases"] += 1
                emit(
                    kind="case",
                    name=name,
                    file=file,
                    line=case["line"],
                    status=case["status"],
                    message=case.get("message"),
                    at_file=relative(place[0]) if place else None,
                    at_line=place[1] if place else None,
                    ms=int((now() - began) * 1000),
                )

            @pytest.hookimpl(hookwrapper=True, trylast=True)
            def pytest_runtest_call(self, item):
                outcome = yield
                case = running.get(item.nodeid)
                if case is None:
                    return
                raised = outcome.excinfo
                if raised is None:
                    gathered = getattr(item, "_excinfo", None)
                    first = gathered[0] if gathered else None
                    raised = (getattr(first, "type", None), getattr(first, "value", None), getattr(first, "tb", None)) if first else None
                case["raised"] = raised if raised and raised[0] and not issubclass(raised[0], harmless + (xfailed,)) else None

            @pytest.hookimpl(hookwrapper=True, tryfirst=True)
            def pytest_runtest_makereport(self, item, call):
                info = call.excinfo
                case = running.get(item.nodeid)
                if case is not None and info is not None:
                    case["trace"] = info.tb
                yield

            def pytest_runtest_logreport(self, report):
                case = running.get(report.nodeid)
                if case is None:
                    return
                xfail = hasattr(report, "wasxfail")
                if report.outcome == "rerun":
                    case.pop("raised", None)
                elif report.failed:
                    message, place = explained(report, case.pop("trace", None))
                    note(case, "failed" if report.when == "call" else "error", message, place)
                elif report.skipped:
                    why = report.wasxfail if xfail else report.longrepr
                    if type(why) is tuple and len(why) == 3:
                        why = str(why[2]).replace("Skipped: ", "", 1)
                    note(case, "skipped", text(why or "", 500))
                elif report.when == "call":
                    raised = case.pop("raised", None)
                    if raised and not xfail:
                        message = "a hook of the workspace turned this failure into a pass: %s" % text(repr(raised[1]), 500)
                        note(case, "failed", message, place_of(raised[2]))
                    else:
                        note(case, "passed")

            def pytest_collectreport(self, report):
                session = counts["config"]
                if report.passed:
                    return
                file, name = names(report.nodeid, root_of(session) if session else "")
                if report.skipped:
                    why = report.longrepr
                    why = str(why[2]).replace("Skipped: ", "", 1) if type(why) is tuple and len(why) == 3 else text(why, 500)
                    counts["cases"] += 1
                    emit(kind="case", name=name, file=file, status="skipped", message=why)
                    return
                said = text(report.longrepr, 40000)
                message, _ = explained(report, None)
                found = re.findall(r'^([^\s:][^:\n]*\.py):(\d+): ', said, re.M) or re.findall(r'File "([^"]+)", line (\d+)', said)
                found = [one for one in found if "site-packages" not in one[0] and "/lib/python" not in one[0]]
                place = found[-1] if found else (None, None)
                emit(kind="broken", name=name, file=file, message=message, at_file=place[0] and relative(place[0]), at_line=place[1] and int(place[1]))

            @pytest.hookimpl(tryfirst=True)
            def pytest_configure(self, config):
                counts["config"] = config

            @pytest.hookimpl(hookwrapper=True, tryfirst=True)
            def pytest_sessionfinish(self, session):
                # While the capturing, the rewriting and the workspace's hooks still stand.
                try:
                    counts["void"] = counts["void"] or sing() or of_hooks(session)
                except Exception as error:
                    counts["void"] = "the canary could not be run: %s" % text(repr(error), 300)
                counts["sung"] = True
                yield

        def of_hooks(session):
            """A test that fails, taken through the runner and the workspace's hooks."""
            for name, must_fail in (("test_that_must_fail", True), ("test_that_must_hold", False)):
                spec = {}
                exec(compile("def %s():\n    assert %s == 2\n" % (name, 1 if must_fail else 2), canary, "exec"), spec)
                try:
                    parent = session.items[0].getparent(pytest.Module) if session.items else None
                    if parent is None:
                        return None
                    item = pytest.Function.from_parent(parent, name=name, callobj=spec[name])
                    call = runner.CallInfo.from_call(item.runtest, when="call")
                except Exception:
                    # It cannot be made with this version or these plugins: what was checked directly stands.
                    return None
                if (call.excinfo is not None) != must_fail:
                    return "a test that must %s does not" % ("fail" if must_fail else "hold")
            return None

        keep(Reporter, *[name for name in vars(Reporter) if name.startswith("pytest_")])
        give_way()
        counts["config"] = None
        code = pytest.main(arguments, plugins=[Reporter()])
        void = counts["void"] or (replaced() and "%s was replaced by code of the workspace" % replaced())
        if not counts.get("sung") and int(code) in (0, 1):
            void = void or "the session did not come to its end"
        end(int(code), counts["cases"], void)
        return int(code)

    # -------------------------------------------------------------- unittest

    def of_unittest():
        """The runner of unittest with Keiko's results, and their counts."""
        import unittest
        import unittest.case
        import unittest.loader
        import unittest.main
        import unittest.runner
        import unittest.suite
        import unittest.mock
        import traceback

        keep(unittest.TestCase, "run", "__call__", *[name for name in dir(unittest.TestCase) if name.startswith(("assert", "fail", "_base", "_call"))])
        keep(unittest.suite.BaseTestSuite, "run", "__iter__", "__call__")
        keep(unittest.suite.TestSuite, "run")
        keep(unittest.loader.TestLoader, "discover", "loadTestsFromModule", "loadTestsFromTestCase", "getTestCaseNames")
        keep(unittest.case._Outcome, "testPartExecutor")
        counts = {"cases": 0, "void": None, "current": None, "started": 0}
        base, holder = unittest.TextTestResult, unittest.suite._ErrorHolder
        last = traceback.format_exception_only

        def explain(error):
            kind, value, trace = error
            place = place_of(trace)
            said = "".join(last(kind, value)).strip()
            return said, place

        class Result(base):
            def startTest(self, test):
                name = test.id()
                counts["current"] = {"name": name, "status": None, "began": now()}
                counts["started"] += 1
                emit(kind="start", name=name)

                def hangs(why):
                    raise AssertionError(why)

                counts["current"]["watched"] = watch(hangs)
                super().startTest(test)

            def stopTest(self, test):
                super().stopTest(test)
                case = counts["current"]
                counts["current"] = None
                if case is None:
                    return
                unwatch(case["watched"])
                hidden = shadowed(test, ("assert", "fail", "_base", "_getAssert", "run", "_call", getattr(test, "_testMethodName", "run")))
                module_file = getattr(sys.modules.get(type(test).__module__), "__file__", None)
                if hidden and getattr(getattr(vars(test)[hidden], "__code__", None), "co_filename", None) != module_file:
                    counts["tampered"] = "%s of %s was replaced by code of the workspace" % (hidden, case["name"])
                method = getattr(type(test), getattr(test, "_testMethodName", ""), None)
                code = getattr(method, "__code__", None)
                module = sys.modules.get(type(test).__module__)
                file = getattr(module, "__file__", None)
                line = code.co_firstlineno if code is not None and code.co_filename == file else None
                self.tell(case, case["status"] or "error", file, line)

            def tell(self, case, status, file, line):
                place = case.get("place")
                name, message = case["name"], case.get("message") or ("the test has no result" if status == "error" else None)
                broken = "_FailedTest" in name
                counts["cases"] += 1
                emit(
                    kind="broken" if broken else "case",
                    name=name.replace("unittest.loader._FailedTest.", "") if broken else name,
                    file=relative(file) if file and not broken else None,
                    line=line,
                    status=status,
                    message=message,
                    at_file=relative(place[0]) if place else None,
                    at_line=place[1] if place else None,
                    ms=int((now() - case["began"]) * 1000),
                )

            def settle(self, test, status, error=None, message=None):
                case = counts["current"]
                place = None
                if error is not None:
                    message, place = explain(error)
                    if "_FailedTest" in test.id():
                        found = re.findall(r'File "([^"]+)", line (\d+)', str(error[1]))
                        found = [one for one in found if one[0].startswith(workspace) and "site-packages" not in one[0]]
                        place = (found[-1][0], int(found[-1][1])) if found else None
                        message = str(error[1]).strip().splitlines()[-1]
                if case is None:
                    # A class or a module whose setting up failed, or that is skipped as a whole.
                    self.tell({"name": test.id(), "began": now(), "message": message, "place": place}, status, None, None)
                    return
                order = (None, "passed", "skipped", "failed", "error")
                if order.index(status) > order.index(case["status"]):
                    case["status"], case["message"], case["place"] = status, message, place

            def addSuccess(self, test):
                self.settle(test, "passed")
                super().addSuccess(test)

            def addFailure(self, test, err):
                self.settle(test, "failed", err)
                super().addFailure(test, err)

            def addError(self, test, err):
                self.settle(test, "error", err)
                super().addError(test, err)

            def addSkip(self, test, reason):
                self.settle(test, "skipped", None, reason)
                super().addSkip(test, reason)

            def addExpectedFailure(self, test, err):
                self.settle(test, "skipped", None, "expected failure")
                super().addExpectedFailure(test, err)

            def addUnexpectedSuccess(self, test):
                self.settle(test, "failed", None, "it passes, though it is marked as an expected failure")
                super().addUnexpectedSuccess(test)

            def addSubTest(self, test, subtest, err):
                if err is not None:
                    self.settle(test, "failed" if issubclass(err[0], test.failureException) else "error", err)
                super().addSubTest(test, subtest, err)

        keep(Result, *[name for name in vars(Result) if name.startswith(("add", "start", "stop", "tell", "settle"))])

        class Runner(unittest.TextTestRunner):
            resultclass = Result

        keep(Runner, "run")
        keep(unittest.TextTestRunner, "run")
        return unittest, Runner, Result, counts

    def canaries(counts, result=None):
        try:
            hidden = shadowed(result, ("add", "start", "stop", "tell", "settle", "was")) if result is not None else None
            return sing() or counts.get("tampered") or (hidden and "%s of the result was replaced by code of the workspace" % hidden)
        except Exception as error:
            return "the canary could not be run: %s" % text(repr(error), 300)

    def apart():
        """Folders with tests that are no part of a package below the current folder: unittest does not look into them."""
        found = []
        for folder, folders, files in os.walk("."):
            folders[:] = sorted(name for name in folders if name[0] != "." and name not in ("node_modules", "site-packages", "build", "dist"))
            if folder.count(os.sep) > 5 or os.path.exists(os.path.join(folder, "pyvenv.cfg")):
                folders[:] = []
                continue
            if not any(name.startswith("test") and name.endswith(".py") for name in files):
                continue
            top = folder
            while top != "." and os.path.exists(os.path.join(top, "__init__.py")):
                top = os.path.dirname(top)
            if top != "." and top not in found:
                found.append(top)
        return found[:20]

    def run_unittest(arguments):
        unittest, runner, _, counts = of_unittest()
        program, loader = unittest.main, unittest.TestLoader
        aside = apart()
        sys.path.extend(os.path.abspath(folder) for folder in aside)

        class Loader(loader):
            def discover(self, start_dir, pattern="test*.py", top_level_dir=None):
                found = [loader().discover(start_dir, pattern, top_level_dir)]
                if start_dir == "." and not found[0].countTestCases():
                    found += [loader().discover(folder, pattern, folder) for folder in aside]
                return self.suiteClass(found)

        keep(Loader, "discover")
        give_way()
        found = Loader()
        result = program(module=None, argv=["python3 -m unittest"] + arguments, testLoader=found, testRunner=runner, exit=False).result
        counts["void"] = canaries(counts, result)
        ok = result is not None and result.wasSuccessful()
        end(0 if ok else 1, counts["cases"], counts["void"])
        return 0 if ok else 1

    def run_script(arguments):
        """A script of the project's, or a module after `-m`, that starts unittest in its own way, as Django's does."""
        import runpy

        unittest, _, results, counts = of_unittest()
        unittest.TextTestRunner.resultclass = results
        keep(unittest.TextTestRunner, "resultclass", "__init__", "_makeResult")
        start, module = runpy.run_path, arguments[0] == "-m"
        if module:
            start, arguments = runpy.run_module, arguments[1:]
        else:
            sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        sys.argv[:] = arguments
        give_way()
        code = 0
        try:
            start(arguments[0], run_name="__main__", **({"alter_sys": True} if module else {}))
        except SystemExit as left:
            code = left.code if type(left.code) is int else 0 if left.code is None else 1
            if type(left.code) is str:
                sys.stderr.write(left.code + "\n")
        counts["void"] = canaries(counts)
        end(code, counts["cases"], counts["void"])
        return code

    runners = {"pytest": run_pytest, "unittest": run_unittest, "script": run_script}
    which, arguments = sys.argv[1], sys.argv[2:]
    sys.argv[:] = [which] + arguments
    code = runners[which](arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    raise SystemExit(code)


if __name__ == "__main__":
    _start()
