//! Repositories that come with Keiko, unpacked with a history of their own: the same commits everywhere.

use crate::home::private_dir;
use crate::random::random;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

include!(concat!(env!("OUT_DIR"), "/bundles.rs"));

/// Says what a repository was unpacked from; lies beside git's own files.
const STAMP: &str = "keiko-bundle";
/// The first commit: 1 March 2025, nine in the morning; each further one a day later.
const FIRST_COMMIT: u64 = 1_740_819_600;
const DAY: u64 = 86_400;

/// A repository and how it came about. Each step is the whole repository with some files as they were then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bundle {
    repo: &'static [(&'static str, &'static str)],
    history: &'static [(&'static str, &'static [(&'static str, &'static str)])],
}

/// Unpacks the sample below `dir` and returns the folder. What is there already and sound stays as it is; what is not is
/// set aside.
///
/// # Errors
/// When git is missing, or the folder cannot be written.
pub(crate) fn unpack(dir: &Path) -> Result<PathBuf, Fault> {
    SAMPLE.unpack(dir)
}

impl Bundle {
    /// As [`unpack`], for any bundle.
    pub(crate) fn unpack(&self, dir: &Path) -> Result<PathBuf, Fault> {
        let stamp = self.stamp();
        if is_sound(dir, &stamp) {
            return Ok(dir.to_owned());
        }
        let above = dir.parent().unwrap_or(dir);
        private_dir(above)?;
        let fresh = sibling(dir, "new")?;
        self.build(&fresh, &stamp)?;
        if dir.exists() {
            let aside = sibling(dir, "set-aside")?;
            std::fs::rename(dir, &aside).map_err(|error| unwritten(dir, &error))?;
        }
        let moved = std::fs::rename(&fresh, dir);
        if moved.is_err() {
            let _ = std::fs::remove_dir_all(&fresh);
        }
        match moved {
            // Another process was quicker.
            Err(_) if is_sound(dir, &stamp) => Ok(dir.to_owned()),
            Err(error) => Err(unwritten(dir, &error)),
            Ok(()) => Ok(dir.to_owned()),
        }
    }

    fn stamp(&self) -> String {
        let mut all = Vec::new();
        for (title, files) in self.history.iter().copied().chain([("", self.repo)]) {
            for part in
                std::iter::once(title).chain(files.iter().flat_map(|(path, text)| [*path, *text]))
            {
                all.extend_from_slice(part.as_bytes());
                all.push(0);
            }
        }
        Digest::of(&all).to_string()
    }

    /// The whole history as `git fast-import` reads it: one process, no index, no hooks.
    fn stream(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let last = if self.history.is_empty() {
            "Everything"
        } else {
            "Prepare the next version"
        };
        let none: &[(&str, &str)] = &[];
        for (n, (title, differing)) in self
            .history
            .iter()
            .copied()
            .chain([(last, none)])
            .enumerate()
        {
            let files: BTreeMap<&str, &str> = self.repo.iter().chain(differing).copied().collect();
            let at = FIRST_COMMIT + n as u64 * DAY;
            let head = format!(
                "commit refs/heads/main\ncommitter Keiko <keiko@localhost> {at} +0000\ndata {}\n{title}\n",
                title.len()
            );
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(b"deleteall\n");
            for (path, text) in files {
                out.extend_from_slice(
                    format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()).as_bytes(),
                );
            }
            out.push(b'\n');
        }
        out
    }

    fn build(&self, dir: &Path, stamp: &str) -> Result<(), Fault> {
        private_dir(dir)?;
        git(
            dir,
            &["init", "--quiet", "--template=", "--initial-branch=main"],
            &[],
        )?;
        git(
            dir,
            &["fast-import", "--quiet", "--date-format=raw"],
            &self.stream(),
        )?;
        git(dir, &["reset", "--quiet", "--hard", "main"], &[])?;
        std::fs::write(dir.join(".git").join(STAMP), stamp).map_err(|error| unwritten(dir, &error))
    }
}

fn unwritten(dir: &Path, error: &std::io::Error) -> Fault {
    Fault::new(
        Code::OWN_FOLDER,
        say!("the folder cannot be written: {error}", error),
    )
    .at(dir.display())
    .hint("check the place: df, ls -ld")
}

fn sibling(dir: &Path, word: &str) -> Result<PathBuf, Fault> {
    let name = dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let number = u32::from_le_bytes(random()?);
    Ok(dir.with_file_name(format!("{name}.{word}-{number:08x}")))
}

/// Unpacked from this very bundle, with its history, and no file is gone. Changed files are the user's business.
fn is_sound(dir: &Path, stamp: &str) -> bool {
    let found = std::fs::read_to_string(dir.join(".git").join(STAMP));
    found.is_ok_and(|found| found == stamp)
        && git(dir, &["rev-list", "--objects", "--quiet", "HEAD"], &[]).is_ok()
        && git(dir, &["ls-files", "--deleted"], &[]).is_ok_and(|gone| gone.is_empty())
}

/// Runs the host's git with nobody's configuration and no hooks.
///
/// # Errors
/// When git is missing, or says no.
pub(crate) fn git(dir: &Path, args: &[&str], input: &[u8]) -> Result<String, Fault> {
    let failed = |why: String| {
        Fault::new(
            Code::NO_GIT,
            say!(
                "git {what} failed: {line}",
                what = args.first().unwrap_or(&""),
                line = Said::words(why.to_string())
            ),
        )
        .at(dir.display())
    };
    let mut command = Command::new("git");
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs([
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
    ]);
    // The folder may belong to another user than the one that runs Keiko: it is our own all the same.
    command
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "safe.directory=*",
            "-C",
        ])
        .arg(dir)
        .args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        Fault::new(
            Code::NO_GIT,
            say!("git could not be started: {e}", e = error),
        )
        .hint("apt-get install git")
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A git that ended early says why below.
        let _ = stdin.write_all(input);
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(
            said.lines()
                .next()
                .unwrap_or("no reason given")
                .chars()
                .take(300)
                .collect(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(dir: &Path) -> String {
        git(dir, &["rev-parse", "HEAD"], &[]).unwrap()
    }

    #[test]
    fn the_same_commits_everywhere_and_only_once() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (a, b) = (one.path().join("sample"), two.path().join("sample"));
        unpack(&a).unwrap();
        unpack(&b).unwrap();
        assert_eq!(head(&a), head(&b));
        let subjects = git(&a, &["log", "--format=%s"], &[]).unwrap();
        assert_eq!(subjects.lines().count(), SAMPLE.history.len() + 1);
        assert!(
            subjects.contains("Ask for leap years in one line"),
            "{subjects}"
        );
        assert_eq!(git(&a, &["status", "--porcelain"], &[]).unwrap(), "");
        std::fs::write(a.join("README.md"), "mine\n").unwrap();
        unpack(&a).unwrap();
        assert_eq!(
            std::fs::read_to_string(a.join("README.md")).unwrap(),
            "mine\n",
            "a changed file is the user's business"
        );
        assert_eq!(std::fs::read_dir(one.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_damaged_is_set_aside() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("sample");
        for damage in [".git/HEAD", "README.md", ".git/objects"] {
            unpack(&dir).unwrap();
            let before = head(&dir);
            let path = dir.join(damage);
            if path.is_dir() {
                std::fs::remove_dir_all(&path).unwrap()
            } else {
                std::fs::remove_file(&path).unwrap()
            }
            unpack(&dir).unwrap();
            assert_eq!(head(&dir), before, "{damage}");
            assert!(dir.join("README.md").is_file());
        }
    }

    #[test]
    fn the_tour_begins_with_one_failing_test() {
        let home = tempfile::tempdir().unwrap();
        let dir = TOUR.unpack(&home.path().join("tour")).unwrap();
        let ran = Command::new("python3")
            .args(["-m", "unittest"])
            .current_dir(&dir)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output();
        let Ok(ran) = ran else {
            eprintln!(
                "SKIPPED: the_tour_begins_with_one_failing_test: python3 is missing: apt-get install python3"
            );
            return;
        };
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(
            said.contains("Ran 5 tests")
                && said.contains("errors=1")
                && said.contains("test_leap_day"),
            "{said}"
        );
    }
}
