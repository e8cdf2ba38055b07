//! The commands of a row, carried out once more for their time. Their counts are read by people.

use super::fetch::call;
use super::project::Project;
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How long people wait.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Took {
    pub(super) install_seconds: f64,
    pub(super) test_seconds: f64,
}

impl Took {
    pub(super) fn recorded(project: &Project) -> Took {
        Took {
            install_seconds: project.by_hand.install_seconds,
            test_seconds: project.by_hand.test_seconds,
        }
    }

    pub(super) fn whole(self) -> f64 {
        self.install_seconds + self.test_seconds
    }
}

/// Installs and tests on a copy, with nothing in any cache and a home of its own; tests have no network but loopback.
pub(super) fn time(project: &Project, source: &Path, folder: &Path) -> Result<Took> {
    std::fs::create_dir_all(folder)?;
    let place = tempfile::Builder::new()
        .prefix("hand-")
        .tempdir_in(folder)?;
    let (tree, home) = (place.path().join("tree"), place.path().join("home"));
    call(Command::new("cp").arg("-a").arg(source).arg(&tree))?;
    std::fs::create_dir(&home)?;
    let started = Instant::now();
    for command in &project.by_hand.install {
        shell(Command::new("bash").args(["-c", command]), &tree, &home);
    }
    let install_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let inner =
        "ip link set lo up; exec unshare -U --map-user=1000 --map-group=1000 bash -c \"$1\"";
    for command in &project.by_hand.test {
        shell(
            Command::new("unshare").args(["-n", "sh", "-c", inner, "sh", command]),
            &tree,
            &home,
        );
    }
    Ok(Took {
        install_seconds,
        test_seconds: started.elapsed().as_secs_f64(),
    })
}

/// Whether it succeeds does not matter here: tests may fail by hand, too.
fn shell(command: &mut Command, tree: &Path, home: &Path) {
    // Toolchains in the real home stay reachable; only caches are to be empty.
    for (name, folder) in [("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")] {
        if let (None, Some(real)) = (std::env::var_os(name), std::env::var_os("HOME")) {
            command.env(name, Path::new(&real).join(folder));
        }
    }
    for name in [
        "VIRTUAL_ENV",
        "CARGO_TARGET_DIR",
        "CARGO_HOME",
        "CARGO_MANIFEST_DIR",
    ] {
        command.env_remove(name);
    }
    command
        .env("HOME", home)
        .current_dir(tree)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _ = command.status();
}
