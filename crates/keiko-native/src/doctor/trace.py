# Runs the tests below the current folder one by one and prints, after a mark, which lines of the project each ran.
# Arguments: unittest|pytest, lines|reverse|forward. Needs nothing beyond Python 3.8 and the runner itself.
import json
import os
import sys
import threading

RUNNER, MODE = sys.argv[1], sys.argv[2]
ROOT = os.getcwd() + os.sep
SKIP = (os.sep + ".venv" + os.sep, os.sep + "venv" + os.sep, "site-packages" + os.sep, os.sep + "node_modules" + os.sep)
sys.path.insert(0, os.getcwd())
sys.argv = [RUNNER]
tests, wanted, current = [], {}, None


def is_wanted(name):
    if name not in wanted:
        path = os.path.abspath(name)
        base = os.path.basename(path)
        inside = name[:1] != "<" and path.startswith(ROOT) and not any(part in path for part in SKIP)
        folders = path[len(ROOT):].split(os.sep)[:-1] if inside else []
        is_test = base.startswith("test_") or base.endswith("_test.py") or base == "conftest.py"
        is_test = is_test or any(folder in ("tests", "test") for folder in folders)
        wanted[name] = path[len(ROOT):].replace(os.sep, "/") if inside and not is_test else None
    return wanted[name]


def trace(frame, event, arg):
    # Imports run module bodies; they belong to no test.
    if frame.f_code.co_name == "<module>":
        return None
    path = is_wanted(frame.f_code.co_filename)
    if path is None or current is None:
        return None
    lines = current["lines"].setdefault(path, set())

    def local(frame, event, arg):
        if event == "line":
            lines.add(frame.f_lineno)
        return local

    return local


def blame(traceback):
    # Where the project itself raised: the innermost two of its frames.
    frames = []
    while traceback is not None:
        path = is_wanted(traceback.tb_frame.f_code.co_filename)
        if path is not None:
            frames.append([path, traceback.tb_lineno])
        traceback = traceback.tb_next
    if current is not None:
        current["raised"] = frames[-2:]


def begin(name):
    global current
    current = {"name": name, "failed": False, "lines": {}, "raised": []}
    if MODE == "lines":
        threading.settrace(trace)
        sys.settrace(trace)


def end(failed):
    global current
    sys.settrace(None)
    threading.settrace(None)
    if current is not None and len(tests) < 2000:
        current["failed"] = failed
        tests.append(current)
    current = None


def run_unittest():
    import unittest

    class Result(unittest.TestResult):
        red = False
        skipped_one = False

        def startTest(self, test):
            super().startTest(test)
            self.red = self.skipped_one = False
            begin(test.id())

        def addError(self, test, err):
            super().addError(test, err)
            self.red = True
            blame(err[2])

        def addFailure(self, test, err):
            super().addFailure(test, err)
            self.red = True

        def addSubTest(self, test, subtest, err):
            super().addSubTest(test, subtest, err)
            if err is not None:
                self.red = True
                blame(err[2])

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            self.skipped_one = True

        def addUnexpectedSuccess(self, test):
            super().addUnexpectedSuccess(test)
            self.red = True

        def stopTest(self, test):
            global current
            if self.skipped_one:
                current = None
            end(self.red)
            super().stopTest(test)

    def flat(suite):
        for item in suite:
            if isinstance(item, unittest.TestSuite):
                yield from flat(item)
            else:
                yield item

    suite = unittest.defaultTestLoader.discover(".", top_level_dir=None)
    if MODE == "reverse":
        # Classes stay together, so that what a class prepares is prepared once.
        suite = unittest.TestSuite(reversed(list(flat(suite))))
    suite.run(Result())


def run_pytest():
    import pytest

    class Plugin:
        def pytest_collection_modifyitems(self, items):
            if MODE == "reverse":
                items.reverse()

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(self, item, nextitem):
            self.red = self.skipped = False
            begin(item.nodeid)
            yield
            global current
            if self.skipped:
                current = None
            end(self.red)

        def pytest_exception_interact(self, node, call, report):
            blame(call.excinfo.tb)

        def pytest_runtest_logreport(self, report):
            self.red = self.red or report.failed
            self.skipped = self.skipped or report.skipped

    pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly"], plugins=[Plugin()])


real, sys.stdout = sys.stdout, sys.stderr
try:
    run_pytest() if RUNNER == "pytest" else run_unittest()
except SystemExit:
    pass
finally:
    sys.settrace(None)
    for test in tests:
        test["lines"] = {path: sorted(lines) for path, lines in test["lines"].items()}
    real.write("\n@@@keiko-trace@@@" + json.dumps({"tests": tests}) + "\n")
    real.flush()
    os._exit(0)
