//! `--fix`: installs packages when root, and takes permissions away. Never touches package sources.

use super::{Meanwhile, Remedy, Row, State};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const APT: &str = "/usr/bin/apt-get";

/// The command that installs packages, for root or not.
pub(super) fn install_command(packages: &[&str]) -> String {
    let sudo = if rustix::process::geteuid().is_root() {
        ""
    } else {
        "sudo "
    };
    format!("{sudo}apt-get install {}", packages.join(" "))
}

/// Mends what can be mended; says what was done.
pub(super) fn mend(tell: &mut (dyn FnMut(Meanwhile) + Send), rows: &[Row]) -> Vec<Said> {
    let (packages, folders) = plan(rows);
    let mut mended = Vec::new();
    for path in folders {
        match take_away(&path) {
            Ok(()) => mended.push(say!("{path} is yours alone now", path = path.display())),
            Err(error) => tell(Meanwhile::NotPrivate {
                path: path.display().to_string(),
                why: error.to_string(),
            }),
        }
    }
    if packages.is_empty() {
        return mended;
    }
    if !rustix::process::geteuid().is_root() {
        tell(Meanwhile::NeedsRoot(install_command(&packages)));
    } else if !Path::new(APT).exists() {
        tell(Meanwhile::NoApt(packages.join(" ")));
    } else if install(tell, &packages) {
        mended.push(say!("installed {packages}", packages = packages.join(" ")));
    } else {
        tell(Meanwhile::NotInstalled(install_command(&packages)));
    }
    mended
}

/// What is to be installed, and what is to become private, each once.
fn plan(rows: &[Row]) -> (Vec<&'static str>, Vec<PathBuf>) {
    let (mut packages, mut folders) = (Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| row.state != State::Ok) {
        match &row.remedy {
            Some(Remedy::Package(package)) if !packages.contains(package) => {
                packages.push(*package)
            }
            Some(Remedy::Private(path)) if !folders.contains(path) => folders.push(path.clone()),
            _ => {}
        }
    }
    (packages, folders)
}

fn take_away(path: &Path) -> std::io::Result<()> {
    let mode = path.metadata()?.permissions().mode();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700))
}

/// Installs with what the machine knows of its sources; asks them once for news if that is not enough.
fn install(tell: &mut (dyn FnMut(Meanwhile) + Send), packages: &[&str]) -> bool {
    let apt = |args: &[&str]| {
        // Its words are progress, so they go where progress goes; stdout is for data.
        let stdout = std::io::stderr()
            .as_fd()
            .try_clone_to_owned()
            .map_or_else(|_| Stdio::null(), Stdio::from);
        let mut command = Command::new(APT);
        command
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(stdout);
        command.status().is_ok_and(|status| status.success())
    };
    let install: Vec<&str> = ["install", "--yes", "--no-install-recommends"]
        .iter()
        .chain(packages)
        .copied()
        .collect();
    tell(Meanwhile::Installing(packages.join(" ")));
    apt(&install) || (apt(&["update"]) && apt(&install))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_and_folder_once_and_nothing_that_is_fine() {
        let rows = [
            Row::new("a", State::Missing, "").package("git"),
            Row::new("b", State::Broken, "").package("git"),
            Row::ok("c", "").package("python3"),
            Row::new("d", State::Warn, "").private(Path::new("/x")),
        ];
        assert_eq!(plan(&rows), (vec!["git"], vec![PathBuf::from("/x")]));
        assert!(install_command(&["git", "python3"]).ends_with("apt-get install git python3"));
    }

    #[test]
    fn others_lose_what_the_owner_keeps() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o775)).unwrap();
        take_away(dir.path()).unwrap();
        assert_eq!(
            dir.path().metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}
