//! What tests need besides cargo: system packages, when we may install them, and a private Python environment.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Programs, and the Debian packages they come in.
const PROGRAMS: &[(&str, &str)] = &[
    ("bwrap", "bubblewrap"),
    ("git", "git"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("go", "golang-go"),
    ("shellcheck", "shellcheck"),
];

/// Python packages that tests of the sandbox, the kernel and the native agents use.
const PYTHON_PACKAGES: &[&str] = &["pytest", "ipykernel", "ruff", "typos"];

/// Variables of the user that tests must not see: real keys, real servers, another repository.
const HIDDEN: &[&str] = &[
    "OPENAI_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "KEIKO_HOME",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
];

/// Where things are, and what tests find in their environment.
pub(super) struct Environment {
    /// Cargo's target folder.
    pub(super) target: PathBuf,
    /// The file that tests may append skips to.
    pub(super) skips: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

impl Environment {
    /// Gives a command the environment of tests.
    pub(super) fn apply(&self, command: &mut Command) {
        let keys = std::env::vars_os()
            .map(|(name, _)| name)
            .filter(|name| name.to_string_lossy().ends_with("_API_KEY"));
        for name in keys.chain(HIDDEN.iter().map(OsString::from)) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// Installs what is missing, as far as that is possible without asking, and builds the environment of the tests.
///
/// # Errors
/// When the target folder cannot be written.
pub(super) fn run(root: &Path) -> Result<Environment> {
    system_packages();
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |folder| root.join(folder));
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot write {}", target.display()))?;
    let skips = target.join("test-skips.txt");
    std::fs::write(&skips, "").with_context(|| format!("cannot write {}", skips.display()))?;
    let mut variables = vec![("KEIKO_TEST_SKIPS", skips.clone().into_os_string())];
    let folder = target.join("test-env");
    match python_environment(&folder) {
        Ok(()) => {
            variables.push((
                "KEIKO_TEST_PYTHON",
                folder.join("bin/python").into_os_string(),
            ));
            variables.push(("KEIKO_TEST_BIN", folder.join("bin").into_os_string()));
        }
        Err(error) => eprintln!("prepare: no Python environment for tests: {error:#}"),
    }
    Ok(Environment {
        target,
        skips,
        variables,
    })
}

/// Where a program is.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn system_packages() {
    let mut missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| on_path(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if python().is_some_and(|python| {
        !succeeds(Command::new(python).args(["-c", "import venv, ensurepip"]))
    }) {
        missing.push("python3-venv");
    }
    // The kernel of a workspace without an environment of its own is the system's.
    if !succeeds(Command::new("/usr/bin/python3").args(["-c", "import ipykernel"])) {
        missing.push("python3-ipykernel");
    }
    if missing.is_empty() {
        return;
    }
    let install = format!("apt-get install -y {}", missing.join(" "));
    if !is_root() || on_path("apt-get").is_none() {
        eprintln!(
            "prepare: not installed: {}; tests that need them are skipped. To install them: sudo {install}",
            missing.join(", ")
        );
        return;
    }
    eprintln!("prepare: {install}");
    if !(apt(&missing) || (succeeds(quiet_apt().arg("update")) && apt(&missing))) {
        eprintln!(
            "prepare: that failed; tests that need {} are skipped. Try: apt-get update && {install}",
            missing.join(", ")
        );
    }
}

fn apt(packages: &[&str]) -> bool {
    succeeds(
        quiet_apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
}

fn quiet_apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet=2")
        .args(["-o", "Acquire::Retries=3"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The system's Python before any other: a jail sees `/usr`, but not the user's home.
fn python() -> Option<PathBuf> {
    let system = PathBuf::from("/usr/bin/python3");
    if system.is_file() {
        Some(system)
    } else {
        on_path("python3")
    }
}

/// Creates the environment once; a marker written last says that it is whole and holds these packages.
fn python_environment(folder: &Path) -> Result<()> {
    let marker = folder.join("keiko-ready");
    let wanted = PYTHON_PACKAGES.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|ready| ready == wanted) {
        return Ok(());
    }
    eprintln!(
        "prepare: Python environment for tests ({})",
        PYTHON_PACKAGES.join(", ")
    );
    let python =
        python().context("python3 is not installed; apt-get install -y python3 python3-venv")?;
    create(&python, folder)?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let installed = Command::new(folder.join("bin/python"))
        .args(pip)
        .args(PYTHON_PACKAGES)
        .stdin(Stdio::null())
        .status()?;
    anyhow::ensure!(
        installed.success(),
        "pip could not install {}; is there a network?",
        PYTHON_PACKAGES.join(", ")
    );
    std::fs::write(&marker, wanted).with_context(|| format!("cannot write {}", marker.display()))
}

fn create(python: &Path, folder: &Path) -> Result<()> {
    for module in ["venv", "virtualenv"] {
        // A half-made environment of an earlier try would be taken for a whole one.
        if folder.exists() {
            std::fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        if succeeds(Command::new(python).args(["-m", module]).arg(folder)) {
            return Ok(());
        }
    }
    let tool = folder.with_extension("virtualenv");
    let target = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(&tool)
        .arg("virtualenv")
        .status()?;
    anyhow::ensure!(
        target.success(),
        "neither venv nor pip works; apt-get install -y python3-venv"
    );
    anyhow::ensure!(
        succeeds(
            Command::new(python)
                .args(["-m", "virtualenv"])
                .arg(folder)
                .env("PYTHONPATH", &tool)
        ),
        "virtualenv could not create {}",
        folder.display()
    );
    Ok(())
}
