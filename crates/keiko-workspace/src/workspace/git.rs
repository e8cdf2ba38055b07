//! Git on the host, in repositories that are ours, and for fetching objects out of one that is not.
//!
//! What a hostile repository could make git run, and what stands against it (each has a canary in the tests):
//! - hooks, fsmonitor, aliases, pagers, ssh and merge commands of its configuration: git never runs *in* it. The one
//!   process that opens it is `git upload-pack`, started by `git fetch`; it runs no hooks, never refreshes an index and
//!   takes `uploadpack.packObjectsHook` from protected configuration only (system, global, command line: ours).
//! - lazy fetches of a "partial" repository, which would run `remote.*.uploadpack`: `GIT_NO_LAZY_FETCH` and
//!   `GIT_ALLOW_PROTOCOL=file`, as environment, because git drops `-c` settings on the way to upload-pack.
//! - clean and smudge filters, external diffs and merge drivers: only named by attributes; no driver is defined in our
//!   configuration, so they fall back to plain content.
//! - the machine's own configuration: `GIT_CONFIG_NOSYSTEM`, and a global configuration file written by us.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use keiko_ports::Cancel;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest call.
const LIMIT: Duration = Duration::from_secs(600);

/// The whole global configuration of git on the host.
const CONFIG: &str = "\
[safe]\n\tdirectory = *\n\
[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tattributesFile = /dev/null\n\texcludesFile = /dev/null\n\tautocrlf = false\n\
[protocol]\n\tallow = never\n[protocol \"file\"]\n\tallow = always\n\
[core]\n\tcompression = 0\n\tlooseCompression = 0\n\
[pack]\n\tcompression = 0\n\twindow = 0\n\
[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
[init]\n\tdefaultBranch = main\n\
[user]\n\tname = Keiko\n\temail = keiko@localhost\n";

/// Bytes kept of git's output: enough for the file list of the largest workspace.
const OUTPUT_CAP: u64 = 64 << 20;

/// Author and committer of commits that Keiko itself makes. The date is fixed, so that the same files make the same commit.
pub(crate) const IDENTITY: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "Keiko"),
    ("GIT_AUTHOR_EMAIL", "keiko@localhost"),
    ("GIT_AUTHOR_DATE", "@946684800 +0000"),
    ("GIT_COMMITTER_NAME", "Keiko"),
    ("GIT_COMMITTER_EMAIL", "keiko@localhost"),
    ("GIT_COMMITTER_DATE", "@946684800 +0000"),
];

/// Hardened git.
#[derive(Debug, Clone)]
pub(crate) struct HostGit {
    program: PathBuf,
    home: PathBuf,
    config: PathBuf,
    /// Ends whatever runs.
    cancel: Cancel,
}

/// What git said.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) ok: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Printed {
    /// Standard output as text without the line end.
    pub(crate) fn line(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

impl HostGit {
    /// Finds git and writes its configuration below `dir`, which must exist.
    pub(crate) fn new(dir: &Path) -> Result<HostGit, Fault> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .map(|p| p.join("git"))
            .find(|p| p.is_file())
            .ok_or_else(missing)?;
        let config = dir.join("git.config");
        if std::fs::read(&config).ok().as_deref() != Some(CONFIG.as_bytes()) {
            super::write_atomically(&config, CONFIG.as_bytes())?;
        }
        Ok(HostGit {
            program,
            home: dir.to_owned(),
            config,
            cancel: Cancel::new(),
        })
    }

    /// The same, whose calls end when somebody stops them.
    pub(crate) fn stopped_by(&self, cancel: &Cancel) -> HostGit {
        HostGit {
            cancel: cancel.clone(),
            ..self.clone()
        }
    }

    /// A call in one of our own repositories.
    pub(crate) fn call<I, S>(&self, git_dir: &Path, args: I) -> Call<'_>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut call = Call {
            git: self,
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
        };
        call.args.push("--git-dir".into());
        call.args.push(git_dir.into());
        call.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        call
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &self.config)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_ALLOW_PROTOCOL", "file")
            .current_dir(&self.home);
        for (key, value) in IDENTITY {
            command.env(key, value);
        }
        // Printed again on the command line, because a repository's own configuration outranks the global file.
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "protocol.allow=never",
            "protocol.file.allow=always",
        ] {
            command.arg("-c").arg(setting);
        }
        command
    }
}

fn missing() -> Fault {
    Fault::new(Code::NO_GIT, "git is not installed").hint("apt-get install git")
}

/// One call of git, being put together.
#[must_use]
pub(crate) struct Call<'a> {
    git: &'a HostGit,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
}

impl Call<'_> {
    /// Adds an environment variable.
    pub(crate) fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }
    /// Gives standard input.
    pub(crate) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }
    /// Runs it; anything but success is a fault with the first line of what git said.
    pub(crate) fn run(self) -> Result<Printed, Fault> {
        let what = self
            .args
            .get(2)
            .map(|a| a.to_string_lossy().into_owned())
            .unwrap_or_default();
        let said = self.try_run()?;
        if said.ok {
            Ok(said)
        } else {
            Err(refused(&what, &said.stderr))
        }
    }
    /// Runs it, whatever comes of it.
    pub(crate) fn try_run(self) -> Result<Printed, Fault> {
        let mut command = self.git.command();
        command
            .args(&self.args)
            .envs(self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // What git itself starts must end with it.
        command.process_group(0);
        let child = command.spawn().map_err(|e| {
            if e.kind() == std::io::ErrorKind::NotFound {
                missing()
            } else {
                Fault::new(Code::GIT_FAILED, say!("git could not be started: {e}", e))
            }
        })?;
        attend(child, self.stdin, LIMIT, &self.git.cancel)
    }
}

/// What git refused to do, without the noise before it.
pub(crate) fn refused(what: &str, stderr: &str) -> Fault {
    Fault::new(
        Code::GIT_FAILED,
        say!(
            "git {what} failed: {line}",
            what,
            line = keiko_contracts::said::Said::words(reason(stderr).to_string())
        ),
    )
}

/// The line of what git said that tells why.
pub(crate) fn reason(stderr: &str) -> String {
    let line = stderr
        .lines()
        .find(|l| l.starts_with("fatal:") || l.starts_with("error:") || l.contains("[rejected]"))
        .or_else(|| stderr.lines().find(|l| !l.trim().is_empty()))
        .unwrap_or("no reason given");
    keiko_governance::redact::redact(line)
        .chars()
        .take(300)
        .collect()
}

fn end(child: &mut Child) {
    if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Feeds a child, reads what it says up to the cap, and ends it at the limit, or when somebody stops it.
fn attend(
    mut child: Child,
    input: Vec<u8>,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Printed, Fault> {
    let read = |pipe: Option<Box<dyn Read + Send>>, cap: u64| {
        std::thread::spawn(move || {
            let mut out = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.by_ref().take(cap).read_to_end(&mut out);
                let _ = std::io::copy(&mut pipe, &mut std::io::sink());
            }
            out
        })
    };
    let stdout = read(
        child
            .stdout
            .take()
            .map(|p| Box::new(p) as Box<dyn Read + Send>),
        OUTPUT_CAP,
    );
    let stderr = read(
        child
            .stderr
            .take()
            .map(|p| Box::new(p) as Box<dyn Read + Send>),
        64 << 10,
    );
    let stdin = child.stdin.take();
    let writer = std::thread::spawn(move || {
        if let Some(mut pipe) = stdin {
            let _ = pipe.write_all(&input);
        }
    });
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(500);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if cancel.is_cancelled() => {
                end(&mut child);
                return Err(Fault::new(Code::GIT_FAILED, "git was stopped"));
            }
            Ok(None) if Instant::now() < deadline => std::thread::sleep(pause),
            Ok(None) => {
                end(&mut child);
                return Err(Fault::new(
                    Code::GIT_FAILED,
                    say!("git did not end within {n} s", n = limit.as_secs()),
                ));
            }
            Err(e) => return Err(Fault::new(Code::GIT_FAILED, say!("git was lost: {e}", e))),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let _ = writer.join();
    let stdout = stdout.join().unwrap_or_default();
    let stderr = String::from_utf8_lossy(&stderr.join().unwrap_or_default()).into_owned();
    Ok(Printed {
        ok: status.success(),
        stdout,
        stderr,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_reports_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let git = HostGit::new(dir.path()).unwrap();
        let repo = dir.path().join("r.git");
        git.call(&repo, ["init", "-q", "--bare"]).run().unwrap();
        assert_eq!(
            git.call(&repo, ["config", "--global", "safe.directory"])
                .run()
                .unwrap()
                .line(),
            "*"
        );
        let fault = git
            .call(&repo, ["rev-parse", "--verify", "nothing"])
            .run()
            .unwrap_err();
        assert_eq!(fault.code, "KEI-5107");
        assert!(
            fault
                .message
                .to_string()
                .starts_with("git rev-parse failed: fatal:"),
            "{fault}"
        );
    }

    #[test]
    fn a_hanging_git_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("sleep")
            .arg("30")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        assert!(attend(child, Vec::new(), Duration::from_millis(50), &Cancel::new()).is_err());
        let child = Command::new("sleep")
            .arg("30")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stopped = Cancel::new();
        stopped.cancel();
        assert!(attend(child, Vec::new(), LIMIT, &stopped).is_err());
        assert!(start.elapsed() < Duration::from_secs(5));
        drop(dir);
    }
}
