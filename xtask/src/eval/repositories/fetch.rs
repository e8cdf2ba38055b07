//! Brings a project's files here: once, and only as pinned.

use super::project::{Project, Source};
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where sources are kept.
pub(super) struct Sources {
    /// One folder a project and pin.
    pub(super) folder: PathBuf,
    /// Git mirrors that are there already.
    pub(super) mirrors: Option<PathBuf>,
}

impl Sources {
    /// The project's files, never to be written to.
    pub(super) fn get(&self, project: &Project) -> Result<PathBuf> {
        let pin = match &project.source {
            Source::Git { commit, .. } => &commit[..12],
            Source::Pypi { sha256, .. } | Source::Crates { sha256, .. } => &sha256[..12],
        };
        let there = self.folder.join(format!("{}-{pin}", project.name));
        if there.is_dir() {
            return Ok(there);
        }
        fs::create_dir_all(&self.folder)?;
        let new = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(&self.folder)?;
        let tree = new.path().join("tree");
        match &project.source {
            Source::Git { repository, commit } => self.clone(repository, commit, &tree),
            Source::Pypi {
                package,
                version,
                sha256,
            } => unpack(&python(new.path(), package, version)?, sha256, &tree),
            Source::Crates {
                package,
                version,
                sha256,
            } => unpack(&rust(new.path(), package, version)?, sha256, &tree),
        }
        .with_context(|| format!("{} cannot be fetched", project.name))?;
        fs::rename(&tree, &there)?;
        Ok(there)
    }

    fn clone(&self, repository: &str, commit: &str, tree: &Path) -> Result<()> {
        let mirror = self
            .mirrors
            .as_ref()
            .map(|folder| folder.join(repository.replace('/', "+")).join("repo"));
        let from = match mirror.filter(|mirror| mirror.is_dir()) {
            Some(mirror) => mirror.to_string_lossy().into_owned(),
            None => format!("https://github.com/{repository}"),
        };
        let tree = tree.to_string_lossy();
        call(Command::new("git").args(["clone", "--quiet", "--no-checkout", &from, &tree]))?;
        call(Command::new("git").args(["-C", &tree, "checkout", "--quiet", "-B", "main", commit]))?;
        call(Command::new("git").args(["-C", &tree, "remote", "remove", "origin"]))
    }
}

/// The source package of a version, as the Python registry has it.
fn python(folder: &Path, package: &str, version: &str) -> Result<PathBuf> {
    let wanted = format!("{package}=={version}");
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-binary",
        ":all:",
        "--no-deps",
        &wanted,
        "--dest",
    ])
    .arg(folder);
    call(&mut pip)?;
    let files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(".tar.gz"))
        .context("there is no source package")
}

/// The package of a version, as cargo keeps it.
fn rust(folder: &Path, package: &str, version: &str) -> Result<PathBuf> {
    let asks = folder.join("asks");
    fs::create_dir_all(asks.join("src"))?;
    fs::write(asks.join("src/lib.rs"), "")?;
    let head = "[package]\nname = \"asks\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n";
    fs::write(
        asks.join("Cargo.toml"),
        format!("{head}{package} = \"={version}\"\n"),
    )?;
    let home = folder.join("home");
    call(
        Command::new("cargo")
            .args(["fetch", "--quiet"])
            .env("CARGO_HOME", &home)
            .current_dir(&asks),
    )?;
    let name = format!("{package}-{version}.crate");
    for registry in fs::read_dir(home.join("registry/cache"))? {
        let file = registry?.path().join(&name);
        if file.is_file() {
            return Ok(file);
        }
    }
    bail!("cargo did not fetch {name}")
}

/// Unpacks an archive that is the pinned one.
fn unpack(archive: &Path, sha256: &str, tree: &Path) -> Result<()> {
    let found = Sha256::digest(fs::read(archive)?)
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    ensure!(
        found == sha256,
        "{} has the SHA-256 {found}, not {sha256}",
        archive.display()
    );
    fs::create_dir_all(tree)?;
    call(
        Command::new("tar")
            .arg("xzf")
            .arg(archive)
            .arg("--strip-components=1")
            .arg("-C")
            .arg(tree),
    )
}

/// Runs a program that has to succeed, with what it said when it does not.
pub(super) fn call(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} could not be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        said.trim().lines().last().unwrap_or_default()
    );
    Ok(())
}
