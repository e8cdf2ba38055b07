#!/usr/bin/env python3
"""Plants one small bug in one of five commits of a project, and counts what `keiko up` says of it.

    plant.py --keiko KEIKO --work DIR [--each N] [--seed N] PROJECT...

A PROJECT is a folder or a bare git directory of a project whose tests run without being prepared, by pytest, Go or Cargo
(for pytest activate a virtual environment that has it). Its newest state becomes five commits, four of them harmless; the
bug is one that its own tests notice. One line of JSON is printed for each bug, and the counts at the end.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

LANGUAGES = {
    ".py": ("python3 -m pytest -q -x -p no:cacheprovider", "#"),
    ".go": ("go test ./...", "//"),
    ".rs": ("cargo test --offline", "//"),
}
SWAPS = [("<=", "<"), ("<", "<="), (">=", ">"), (">", ">="), ("==", "!="), ("!=", "=="), ("+", "-"), ("-", "+"), ("*", "+"),
         ("and", "or"), ("or", "and"), ("&&", "||"), ("||", "&&"), ("is not", "is"), ("not in", "in")]


def is_source(path, suffix):
    parts = path.parts
    name = path.name
    return path.suffix == suffix and not any(p in ("test", "tests", "testing", "docs", "doc", "examples", "benches", "bench", "fuzz", "vendor") for p in parts) \
        and "test" not in name and name not in ("setup.py", "conftest.py", "build.rs", "__main__.py")


def mutants(line, suffix):
    """Kind and text of each realistic mistake in a line of code."""
    body = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    if not body or body.startswith(("#", "//", "*", "import ", "from ", "use ", "package ", '"', "'", "@", "///")):
        return
    for old, new in SWAPS:
        if f" {old} " in line and not (suffix == ".rs" and old in "<>"):
            yield ("operator", line.replace(f" {old} ", f" {new} ", 1))
    for found in re.finditer(r"(?<![\w.])\d(?![\w.])", line):
        yield ("off by one", line[: found.start()] + str(int(found.group()) + 1) + line[found.end():])
    if suffix == ".py":
        if found := re.match(r"(if|elif|while) (.+):$", body):
            yield ("inverted condition", f"{indent}{found[1]} not ({found[2]}):")
        if re.match(r"(self\.)?\w+(\[.*\])? [-+]?= .+[^\\({\[,]$", body) or re.match(r"[\w.]+\(.*\)$", body):
            yield ("dropped statement", f"{indent}pass")
        for old, new in (("True", "False"), ("False", "True"), ("None", "0")):
            if re.match(r"def ", body) and f"={old}" in body:
                yield ("wrong default", line.replace(f"={old}", f"={new}", 1))
    else:
        if found := re.match(r"(\} else )?if ([^{;:=]+) \{$", body):
            yield ("inverted condition", f"{indent}{found[1] or ''}if !({found[2]}) {{")
    if found := re.search(r"\w\((\w+), (\w+)\)", body):
        yield ("swapped arguments", line.replace(f"({found[1]}, {found[2]})", f"({found[2]}, {found[1]})", 1))
    if found := re.match(r"return (.+?)(;?)$", body):
        names = re.findall(r"(?<![\w.\"'])[a-z_]\w*(?![\w(\"'])", found[1])
        if len(set(names)) > 1 and suffix == ".py":
            yield ("wrong variable", re.sub(rf"\b{names[0]}\b", names[-1], line, count=1))


def run(words, cwd, timeout=240, **more):
    return subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, text=True, errors="replace", **more)


def git(repo, *words):
    done = run(["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.invalid", "-c", "commit.gpgsign=false", *words], repo)
    if done.returncode:
        raise RuntimeError(f"git {words}: {done.stdout}")
    return done.stdout.strip()


def unpack(project, into):
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    if (project / "HEAD").is_file():
        archive = subprocess.run(["git", "-C", str(project), "archive", "HEAD"], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "x"], input=archive, cwd=into, check=True)
    else:
        shutil.copytree(project, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))


def green(repo, command):
    try:
        return run(command.split(), repo).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def note(path, comment, text):
    """A harmless change of a source file: a comment at its end."""
    path.write_text(path.read_text().rstrip("\n") + f"\n\n{comment} {text}\n")


def plant(project, repo, rng):
    unpack(project, repo)
    files = [path.relative_to(repo) for path in repo.rglob("*") if path.is_file()]
    suffix = max(LANGUAGES, key=lambda suffix: sum(is_source(path, suffix) for path in files))
    sources = sorted(path for path in files if is_source(path, suffix))
    command, comment = LANGUAGES[suffix]
    git(repo, "init", "-q", "-b", "main")
    if not green(repo, command):
        return "its own tests do not pass by hand"
    git(repo, "clean", "-fdqx")
    for _ in range(40):
        file = rng.choice(sources)
        lines = (repo / file).read_text().split("\n")
        places = [(n, kind, new) for n, line in enumerate(lines) for kind, new in mutants(line, suffix) if new != line]
        # Go and Rust keep tests in the file itself.
        cut = next((n for n, line in enumerate(lines) if "#[cfg(test)]" in line), len(lines))
        places = [place for place in places if place[0] < cut]
        if not places:
            continue
        kind = rng.choice(sorted({place[1] for place in places}))
        at, kind, new = rng.choice([place for place in places if place[1] == kind])
        broken = lines[:at] + [new] + lines[at + 1:]
        (repo / file).write_text("\n".join(broken))
        compiles = suffix == ".py" or run(["go", "vet", "./..."] if suffix == ".go" else ["cargo", "check", "--offline"], repo).returncode == 0
        noticed = compiles and not green(repo, command)
        (repo / file).write_text("\n".join(lines))
        git(repo, "clean", "-fdqx") if (repo / ".git/index").exists() else None
        if noticed:
            break
    else:
        return "no bug was found that its tests notice"
    guilty = rng.randint(2, 5)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "Begin")
    other = rng.choice(sources)
    for commit in range(2, 6):
        if commit == guilty:
            text = (repo / file).read_text().split("\n")
            text[at] = new
            (repo / file).write_text("\n".join(text))
            if rng.random() < 0.5:
                note(repo / other, comment, "Looked over.")
        else:
            note(repo / rng.choice([other, file]), comment, f"Reviewed in round {commit}.")
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", "Tidy up" if commit == guilty else f"Review, round {commit}")
    return {"project": project.parent.name if (project / "HEAD").is_file() else project.name, "file": str(file), "line": at + 1, "kind": kind,
            "old": lines[at].strip(), "new": new.strip(), "guilty": guilty, "commits": 5, "command": command}


def examine(keiko, repo, work, bug):
    env = {**os.environ, "KEIKO_HOME": str(work / "home"), "LANG": "C.UTF-8"}
    begun = time.time()
    try:
        seen = run([keiko, "up", "--workspace", str(repo)], work, timeout=1500, env=env).stdout
        report = json.loads(run([keiko, "--json", "runs", "report", "last"], work, env=env).stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        return {**bug, "error": str(error)[:300]}
    named = [found["commit"]["subject"] for found in report["guilty"]]
    repairs = [candidate for candidate in report["candidates"]]
    failing = [test["name"] for suite in report["suites"] for test in suite["failing"]]
    aside = [test for one in report.get("set_aside", []) for test in one["tests"]]
    wrong = [f"guilty: {subject}" for subject in named if subject != "Tidy up"]
    wrong += [f"flaky: {flaky['test']}" for flaky in report["flaky"]]
    wrong += [f"set aside: {test}" for test in aside]
    restores = [c for c in repairs if c["file"] == bug["file"] and any(line[1:].strip() == bug["old"] for line in c["diff"].split("\n") if line[:1] == "+")]
    return {**bug, "seconds": round(time.time() - begun), "failing": len(failing), "ran": bool(report["suites"]), "named": "Tidy up" in named,
            "first_suspect": bool(report["suspects"]) and (report["suspects"][0]["file"], report["suspects"][0]["line"]) == (bug["file"], bug["line"]),
            "candidate": bool(repairs), "restores": bool(restores), "wrong": wrong,
            "left_out": [f"{left['what']}: {left['why']}" for left in report["not_looked_at"] if "guilty" in left["what"] or left["what"].startswith("tests")],
            "findings": [f"{f['file']}:{f['line']} {f['rule']}" for f in report["findings"] if f["tool"] == "keiko"][:10], "lines": len(seen.split("\n"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keiko", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("projects", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    results = []
    for project in args.projects:
        for n in range(args.each):
            rng = random.Random(f"{args.seed} {project.name} {n}")
            name = project.parent.name if (project / "HEAD").is_file() else project.name
            repo = args.work / f"{name}-{n}"
            try:
                bug = plant(project.resolve(), repo, rng)
            except Exception as error:  # a project that cannot be used is told, and the next one taken
                bug = str(error)[:300]
            result = {"project": name, "skipped": bug} if isinstance(bug, str) else examine(str(pathlib.Path(args.keiko).resolve()), repo, args.work, bug)
            print(json.dumps(result), flush=True)
            results.append(result)
    done = [result for result in results if "skipped" not in result and "error" not in result]
    count = lambda key: sum(bool(result[key]) for result in done)
    print(f"{len(done)} bugs: tests ran {count('ran')}, commit named {count('named')}, first suspect {count('first_suspect')}, "
          f"candidate {count('candidate')}, of them the old line {count('restores')}, with wrong statements {count('wrong')}; skipped {len(results) - len(done)}")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
