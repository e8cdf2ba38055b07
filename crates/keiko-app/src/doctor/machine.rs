//! Programs of this machine: those that Keiko needs, and those that the repo-doctor uses if they are there.

use super::{Row, State};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// The oldest git with everything that workspaces use.
const GIT: (u32, u32) = (2, 31);

/// Programs without which work ends.
pub(super) fn needed() -> Vec<Row> {
    vec![git(), python(), kernel()]
}

fn git() -> Row {
    let Some(program) = find("git", &search_path()) else {
        return Row::new("git", State::Broken, "not found on the search path").package("git");
    };
    let Some(said) = say(&program, &["--version"]) else {
        return Row::new(
            "git",
            State::Broken,
            say!(
                "{program} does not say its version",
                program = program.display()
            ),
        )
        .todo(Step::shell(format!("{} --version", program.display())));
    };
    match version(&said) {
        Some(found) if found >= GIT => Row::ok(
            "git",
            say!("{said} ({program})", said, program = program.display()),
        ),
        Some(_) => Row::new(
            "git",
            State::Broken,
            say!(
                "{said} is older than {major}.{minor}",
                said,
                major = GIT.0,
                minor = GIT.1
            ),
        )
        .package("git"),
        None => Row::new(
            "git",
            State::Warn,
            say!("its version is not understood: {said}", said),
        ),
    }
}

fn python() -> Row {
    match find("python3", &search_path())
        .and_then(|program| Some((say(&program, &["--version"])?, program)))
    {
        Some((said, program)) => Row::ok(
            "python3",
            say!("{said} ({program})", said, program = program.display()),
        ),
        None => Row::new(
            "python3",
            State::Missing,
            "needed for repositories in Python, and for execute_python",
        )
        .package("python3"),
    }
}

fn kernel() -> Row {
    let name = "ipykernel";
    // Isolated: a module of that name in this folder must not be run.
    let asks = ["-I", "-c", "import ipykernel; print(ipykernel.__version__)"];
    let pythons = [PathBuf::from("/usr/bin/python3")]
        .into_iter()
        .chain(find("python3", &search_path()));
    for program in pythons {
        if let Some(said) = say(&program, &asks) {
            return Row::ok(
                name,
                say!("{said} ({program})", said, program = program.display()),
            );
        }
    }
    Row::new(name, State::Missing, "for execute_python; where it is missing, it is installed beside the packages of a Python project")
        .package("python3-ipykernel")
}

/// Programs that the repo-doctor uses, with what they are for. Looked for where a jail looks.
pub(super) fn programs(jail: &[String]) -> Vec<Row> {
    let all = [
        (
            "ruff",
            "ruff",
            "Python: lints and formats",
            "pipx install ruff",
        ),
        (
            "cargo clippy",
            "cargo-clippy",
            "Rust: lints",
            "rustup component add clippy",
        ),
        (
            "eslint",
            "eslint",
            "JavaScript: lints (a repository's own is found, too)",
            "npm install --global eslint",
        ),
        ("gofmt", "gofmt", "Go: formats", "apt-get install golang-go"),
        (
            "typos",
            "typos",
            "all languages: spelling",
            "cargo install typos-cli",
        ),
    ];
    let path: Vec<PathBuf> = if jail.is_empty() {
        search_path()
    } else {
        jail.iter().map(PathBuf::from).collect()
    };
    let row = |(name, program, purpose, todo): (&'static str, &str, &str, &'static str)| match find(
        program, &path,
    ) {
        Some(found) => Row::ok(name, found.display().to_string()),
        None => Row::new(
            name,
            State::Missing,
            say!(
                "for repo-doctor; {purpose}",
                purpose = Said::words(purpose.to_string())
            ),
        )
        .todo(todo),
    };
    all.into_iter().map(row).collect()
}

/// The search path, without what depends on the current folder.
fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .collect()
}

pub(super) fn find(program: &str, path: &[PathBuf]) -> Option<PathBuf> {
    path.iter()
        .map(|dir| dir.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The first line that a program writes, if it ends well and in time.
fn say(program: &Path, args: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(args)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                // It may have ended by now; either way it is gone.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut std::io::Read::take(child.stdout.take()?, 4096),
        &mut text,
    )
    .ok()?;
    status.success().then(|| {
        text.lines()
            .next()
            .unwrap_or_default()
            .trim()
            .chars()
            .take(120)
            .collect()
    })
}

/// Major and minor of `git version 2.39.5 (…)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = word.split('.').map(|part| {
        part.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse::<u32>()
    });
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert!(
            version("git version 2.9.0").unwrap() < GIT
                && version("git version 2.31.0-rc1").unwrap() >= GIT
        );
        assert_eq!(version("no version"), None);
        assert_eq!(version("99999999999.1"), None);
    }

    #[test]
    fn a_program_that_hangs_floods_or_fails_is_no_answer() {
        let sh = Path::new("/bin/sh");
        assert_eq!(
            say(sh, &["-c", "echo one; echo two"]).as_deref(),
            Some("one")
        );
        assert_eq!(say(sh, &["-c", "echo one; exit 3"]), None);
        assert_eq!(say(Path::new("/does/not/exist"), &[]), None);
    }

    #[test]
    fn only_what_can_be_run_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("plain"), "").unwrap();
        assert_eq!(find("plain", &[dir.path().to_owned()]), None);
        assert!(find("sh", &["/does/not/exist".into(), "/bin".into()]).is_some());
    }
}
