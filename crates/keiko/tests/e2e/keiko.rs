//! The real binary in a home of its own, and small repositories for it to work on.

use keiko_testkit::models::{FakeModelServer, Family, Request, Script, Turn};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that one command may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A home with an environment in which the binary is run.
pub(crate) struct Keiko {
    root: TempDir,
    env: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    model: Option<&'static str>,
}

impl Keiko {
    /// A new home without any model.
    pub(crate) fn new() -> Keiko {
        let root = tempfile::Builder::new()
            .prefix("keiko-e2e-")
            .tempdir()
            .unwrap();
        let user = root.path().join("user");
        std::fs::create_dir(&user).unwrap();
        let mut keiko = Keiko {
            cwd: user.clone(),
            env: BTreeMap::new(),
            root,
            model: None,
        };
        keiko.set("PATH", std::env::var_os("PATH").unwrap());
        keiko.set("HOME", &user);
        keiko.set("USER", "tester");
        keiko.set("KEIKO_HOME", keiko.home());
        // No machine of a developer has its own Ollama asked.
        keiko.set("OLLAMA_HOST", "127.0.0.1:9");
        // Toolchains stay where they are, although the home is another.
        let real = std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        for (name, below) in [
            ("CARGO_HOME", ".cargo"),
            ("RUSTUP_HOME", ".rustup"),
            ("PYENV_ROOT", ".pyenv"),
        ] {
            let folder = std::env::var_os(name).map_or_else(|| real.join(below), PathBuf::from);
            if folder.is_dir() {
                keiko.set(name, folder);
            }
        }
        keiko
    }

    /// One that asks this server, in the words of this family.
    pub(crate) fn with(server: &FakeModelServer, family: Family) -> Keiko {
        let mut keiko = Keiko::new();
        let (model, base, key, url) = match family {
            Family::Chat => (
                "openai/gpt-5",
                "OPENAI_BASE_URL",
                "OPENAI_API_KEY",
                server.chat_url(),
            ),
            Family::Messages => (
                "anthropic/claude-sonnet-4-5",
                "ANTHROPIC_BASE_URL",
                "ANTHROPIC_API_KEY",
                server.messages_url(),
            ),
        };
        keiko.model = Some(model);
        keiko.set(base, url);
        keiko.set(key, "sk-test-4711");
        keiko
    }

    /// One that asks this server by Chat Completions.
    pub(crate) fn chat(server: &FakeModelServer) -> Keiko {
        Keiko::with(server, Family::Chat)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.env.insert(name.into(), value.as_ref().to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.env.remove(OsStr::new(name));
    }

    /// Where commands are run from.
    pub(crate) fn stand_in(&mut self, dir: &Path) {
        dir.clone_into(&mut self.cwd);
    }

    /// A folder for whatever a test needs.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// `KEIKO_HOME`.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// `HOME`.
    pub(crate) fn user(&self) -> PathBuf {
        self.root.path().join("user")
    }

    /// Writes the user's configuration.
    pub(crate) fn configure(&self, toml: &str) {
        put(&self.home().join("config"), "config.toml", toml);
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keiko"));
        command
            .args(args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.cwd)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Done {
        self.spawn(args).wait()
    }

    /// Starts a command.
    #[track_caller]
    pub(crate) fn spawn<S: AsRef<OsStr>>(&self, args: &[S]) -> Live {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = reader(child.stdout.take().unwrap());
        let stderr = reader(child.stderr.take().unwrap());
        Live {
            child,
            stdout: Some(stdout),
            stderr: Some(stderr),
        }
    }

    /// Runs a command with `--json` that must succeed.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[&["--json"], args].concat());
        done.expect(0).json()
    }

    /// Starts a run on a repository and waits for its rest.
    #[track_caller]
    pub(crate) fn goal(&self, repo: &Path, goal: &str, more: &[&str]) -> Done {
        self.begin(repo, goal, more).wait()
    }

    /// Starts a run on a repository.
    #[track_caller]
    pub(crate) fn begin(&self, repo: &Path, goal: &str, more: &[&str]) -> Live {
        let mut args = vec!["run", goal, "--workspace", repo.to_str().unwrap()];
        if !more.contains(&"--model") {
            args.extend(self.model.iter().flat_map(|model| ["--model", model]));
        }
        args.extend(more);
        self.spawn(&args)
    }

    /// Starts a run without a workspace and waits for its rest.
    #[track_caller]
    pub(crate) fn ask(&self, goal: &str, more: &[&str]) -> Done {
        let mut args = vec!["run", goal, "--no-workspace"];
        if !more.contains(&"--model") {
            args.extend(self.model.iter().flat_map(|model| ["--model", model]));
        }
        args.extend(more);
        self.run(&args)
    }

    /// The newest run.
    #[track_caller]
    pub(crate) fn newest(&self) -> String {
        self.json(&["runs", "list"])["runs"][0]["run"]
            .as_str()
            .expect("a run")
            .to_owned()
    }

    /// The events of a run, as `runs events --json` shows them.
    #[track_caller]
    pub(crate) fn events(&self, run: &str) -> Vec<Value> {
        let done = self.run(&["--json", "runs", "events", run]);
        done.expect(0)
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// How a run ended.
    #[track_caller]
    pub(crate) fn end(&self, run: &str) -> Value {
        self.json(&["runs", "show", run])["end"].clone()
    }

    /// What waits for a person.
    #[track_caller]
    pub(crate) fn approvals(&self) -> Vec<Value> {
        self.json(&["approvals", "list"])["approvals"]
            .as_array()
            .expect("a list")
            .clone()
    }

    /// The id of the only open approval.
    #[track_caller]
    pub(crate) fn approval(&self) -> String {
        let rows = self.approvals();
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows[0]["request"]["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Keiko) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(
                begun.elapsed() < Duration::from_secs(45),
                "waited in vain for {what}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// A process that has been started. Ends it when dropped.
pub(crate) struct Live {
    pub(crate) child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Live {
    /// Waits for its end; after [`PATIENCE`] it is killed and the test fails.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Done {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = |handle: Option<JoinHandle<Vec<u8>>>| {
            String::from_utf8(handle.unwrap().join().unwrap()).unwrap()
        };
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        let status = status.unwrap_or_else(|| {
            panic!("did not end in {PATIENCE:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
        });
        let done = Done {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr,
        };
        assert!(!done.stderr.contains("panicked"), "{done}");
        done
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code {}\nstdout:\n{}\nstderr:\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Done {
    #[track_caller]
    pub(crate) fn expect(&self, code: i32) -> &Done {
        assert_eq!(self.code, code, "another exit code was expected: {self}");
        self
    }
    /// stdout as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON value: {error}\n{self}"))
    }
    /// stderr holds this text.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Done {
        assert!(
            self.stderr.contains(text),
            "stderr should say {text:?}: {self}"
        );
        self
    }
    /// stdout holds this text.
    #[track_caller]
    pub(crate) fn gives(&self, text: &str) -> &Done {
        assert!(
            self.stdout.contains(text),
            "stdout should hold {text:?}: {self}"
        );
        self
    }
    /// It failed with this code, and says what to type next.
    #[track_caller]
    pub(crate) fn fails(&self, exit: i32, code: &str) -> &Done {
        self.expect(exit)
            .says(&format!("error[{code}]:"))
            .says("hint:")
    }
}

/// A server that plays these turns by how far the conversation has come, so that a repeated request gets the same answer.
pub(crate) fn playing(turns: Vec<Turn>) -> FakeModelServer {
    deciding(move |request| {
        turns
            .get(request.turn())
            .cloned()
            .unwrap_or_else(|| finish("the script is over"))
    })
}

/// A server that decides from each request.
pub(crate) fn deciding(
    policy: impl Fn(&Request) -> Turn + Send + Sync + 'static,
) -> FakeModelServer {
    FakeModelServer::start(Script::policy(policy)).unwrap()
}

/// A call of a tool.
pub(crate) fn call(tool: &str, arguments: Value) -> Turn {
    Turn::call(tool, &arguments.to_string())
}

pub(crate) fn finish(summary: &str) -> Turn {
    call("finish", serde_json::json!({ "summary": summary }))
}

/// An edit of one place in a file.
pub(crate) fn edit(path: &str, old: &str, new: &str) -> Turn {
    call(
        "edit_file",
        serde_json::json!({"path": path, "edits": [{"old": old, "new": new}]}),
    )
}

pub(crate) fn write(path: &str, text: &str) -> Turn {
    call(
        "write_file",
        serde_json::json!({"path": path, "text": text}),
    )
}

pub(crate) fn execute(command: &str) -> Turn {
    call("execute", serde_json::json!({ "command": command }))
}

pub(crate) fn run_tests() -> Turn {
    Turn::call("run_tests", "{}")
}

/// The results that the model was given for the turn before, in each request.
pub(crate) fn results(server: &FakeModelServer) -> Vec<String> {
    server
        .requests()
        .iter()
        .map(|request| request.last_results().join("\n"))
        .collect()
}

/// Whether the programs are there that these tests need; otherwise says which test is left out.
pub(crate) fn ready(test: &str) -> bool {
    let missing = ["bwrap", "git", "python3"].into_iter().find(|name| {
        !Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if let Some(name) = missing {
        eprintln!("SKIPPED: {test}: {name} is not there: apt-get install bubblewrap git python3");
    }
    missing.is_none()
}

/// Writes a file, with its folders.
pub(crate) fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Runs git as somebody without any settings.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let who = [
        "-c",
        "user.name=Tess",
        "-c",
        "user.email=tess@example.org",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
    ];
    let output = Command::new("git")
        .args(who)
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "git {args:?}: {out}{err}");
    out.trim().to_owned()
}

/// A Python project with a fault in leap years and a green test that does not see it, committed.
pub(crate) fn leap_years(keiko: &Keiko) -> PathBuf {
    let repo = keiko.root().join("dates");
    put(&repo, "dates.py", LEAP);
    put(&repo, "tests/__init__.py", "");
    put(&repo, "tests/test_dates.py", LEAP_TEST);
    put(&repo, "AGENTS.md", "Use single quotes in this project.\n");
    commit_all(&repo);
    repo
}

pub(crate) const LEAP: &str = "def is_leap(year):\n    return year % 4 == 0\n";
pub(crate) const LEAP_TEST: &str = "import unittest\n\nfrom dates import is_leap\n\n\nclass Leap(unittest.TestCase):\n    def test_common(self):\n        self.assertFalse(is_leap(2023))\n";
pub(crate) const CENTURY_TEST: &str =
    "\n    def test_century(self):\n        self.assertFalse(is_leap(1900))\n";

/// Adds the failing test, below the last line of the existing one.
pub(crate) fn add_century_test() -> Turn {
    let last = "        self.assertFalse(is_leap(2023))\n";
    edit(
        "tests/test_dates.py",
        last,
        &format!("{last}{CENTURY_TEST}"),
    )
}

/// Mends the fault.
pub(crate) fn mend() -> Turn {
    edit(
        "dates.py",
        "year % 4 == 0",
        "year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
    )
}

/// Makes a repository of a folder.
pub(crate) fn commit_all(repo: &Path) {
    git(repo, &["init", "-q"]);
    git(repo, &["add", "-A"]);
    git(repo, &["commit", "-q", "-m", "begin"]);
}

/// All files below a folder with their contents, without git's own.
pub(crate) fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name() != Some(OsStr::new(".git")) {
                    folders.push(path);
                }
            } else {
                files.insert(
                    path.strip_prefix(dir).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}
