//! A repository in a folder of its own, and the binary that examines it.

pub(crate) use crate::cheats::has;
use keiko_native::doctor::DoctorReport;
use keiko_testkit::cases::{Found, lay_out};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What the binary said of a repository.
pub(crate) struct Examined {
    pub(crate) report: DoctorReport,
    /// The same, as cases speak of it.
    pub(crate) found: Found,
    pub(crate) markdown: String,
    /// The run's difference, empty when it left nothing behind.
    pub(crate) diff: String,
    /// What people see while it works.
    pub(crate) seen: String,
    /// The run's id.
    pub(crate) run: String,
}

/// A repository and a home of Keiko's, both gone at the end.
pub(crate) struct Yard {
    folder: tempfile::TempDir,
    /// The virtual environment whose programs the run may use.
    pub(crate) venv: Option<PathBuf>,
}

impl Yard {
    pub(crate) fn new() -> Yard {
        let yard = Yard {
            folder: tempfile::tempdir().unwrap(),
            venv: None,
        };
        fs::create_dir(yard.repo()).unwrap();
        yard.git(&["init", "-q", "-b", "main"]);
        for (name, value) in [
            ("user.name", "Test"),
            ("user.email", "test@example.invalid"),
            ("commit.gpgsign", "false"),
        ] {
            yard.git(&["config", name, value]);
        }
        yard
    }

    /// The repository of a case: its history, then its files as they are.
    pub(crate) fn of_case(case: &Path) -> Yard {
        let yard = Yard::new();
        lay_out(case, &yard.repo(), |subject| yard.commit(subject)).unwrap();
        yard
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// Writes a file of the repository.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn commit(&self, subject: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", subject]);
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(words)
            .current_dir(self.repo())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the binary.
    pub(crate) fn keiko(&self, words: &[&str]) -> Output {
        let mut keiko = Command::new(env!("CARGO_BIN_EXE_keiko"));
        keiko
            .args(words)
            .env("KEIKO_HOME", self.folder.path().join("home"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        if let Some(venv) = &self.venv {
            let path = std::env::var("PATH").unwrap_or_default();
            keiko
                .env("VIRTUAL_ENV", venv)
                .env("PATH", format!("{}:{path}", venv.join("bin").display()));
        }
        keiko.output().unwrap()
    }

    /// Bisection moved the private clone about; it must not have left its HEAD detached.
    fn is_on_its_branch(&self, run: &str) {
        let found = Command::new("find")
            .arg(self.folder.path().join("home"))
            .args(["-path", &format!("*/{run}/tree/.git/HEAD")])
            .output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        let head =
            fs::read_to_string(found.trim()).unwrap_or_else(|error| panic!("{found:?}: {error}"));
        assert_eq!(head.trim(), "ref: refs/heads/main");
    }

    /// Has the repository examined.
    pub(crate) fn examine(&self) -> Examined {
        let repo = self.repo().to_string_lossy().into_owned();
        let before = self.git(&["status", "--porcelain", "--ignored"]);
        let output = self.keiko(&[
            "run",
            "Examine",
            "--agent",
            "repo-doctor",
            "--workspace",
            &repo,
            "--install",
            "no",
            "--json",
        ]);
        let (out, seen) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        let end: serde_json::Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{seen}"));
        assert_eq!(end["status"], "examined", "{out}\n{seen}");
        let text = |name: &str| {
            end["end"][name]["$text"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(
            self.git(&["status", "--porcelain", "--ignored"]),
            before,
            "the user's own folder was touched"
        );
        let run = end["run"].as_str().unwrap();
        self.is_on_its_branch(run);
        Examined {
            report: serde_json::from_str(&text("data")).unwrap(),
            found: serde_json::from_str(&text("data")).unwrap(),
            markdown: text("report"),
            diff: text("diff"),
            seen,
            run: run.to_owned(),
        }
    }
}

/// Says that a test cannot run here, and how it can.
pub(crate) fn skipped(test: &str, why: &str, enable: &str) {
    eprintln!("SKIPPED: {test}: {why}: {enable}");
}
