//! Where the work of a run is: a folder of somebody's, checked.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::Source;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::path::{Path, PathBuf};

/// Where somebody wants the work to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: a goal about text.
    Nowhere,
    /// The project around the current folder, if there is one.
    Around,
    /// This folder.
    At(PathBuf),
}

impl Place {
    /// The source of a run there, with uncommitted and untracked files in a snapshot.
    ///
    /// # Errors
    /// When the folder is no workspace.
    pub fn source(&self, home: Option<&Path>, snapshot: bool) -> Result<Option<Source>, Fault> {
        match self {
            Place::Nowhere => Ok(None),
            Place::At(dir) => folder(dir, home, snapshot).map(Some),
            Place::Around => match project(home) {
                Some(root) => folder(&root, home, snapshot).map(Some),
                None => Ok(None),
            },
        }
    }
}

/// This folder holds files, so that somebody may expect them to be worked on.
#[must_use]
pub fn holds_files() -> bool {
    std::fs::read_dir(".").is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        })
    })
}

/// The repository around the current folder, or this folder if it holds a manifest; never the home folder or the root.
pub(crate) fn project(home: Option<&Path>) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let project = std::iter::successors(Some(here.as_path()), |dir| dir.parent())
        .find(|dir| dir.join(".git").exists());
    let manifest = [
        "pyproject.toml",
        "package.json",
        "Cargo.toml",
        "go.mod",
        "setup.py",
        "requirements.txt",
    ]
    .iter()
    .any(|name| here.join(name).is_file());
    match (project, manifest) {
        (Some(root), _) if Some(root) != home && root != Path::new("/") => Some(root.to_owned()),
        (_, true) if Some(here.as_path()) != home => Some(here),
        _ => None,
    }
}

/// Checks a folder to work on.
pub(crate) fn folder(dir: &Path, home: Option<&Path>, snapshot: bool) -> Result<Source, Fault> {
    let wrong = |code, why: Said, hint: &'static str| {
        Err(Fault::new(code, why).at(dir.display()).hint(hint))
    };
    let path: PathBuf = match std::fs::canonicalize(dir) {
        Ok(path) => path,
        Err(error) => {
            return wrong(
                Code::FOLDER_NOT_OPENED,
                say!("the workspace cannot be opened: {error}", error),
                "check the path: --workspace DIR",
            );
        }
    };
    if !path.is_dir() {
        return wrong(
            Code::FOLDER_IS_NONE,
            "the workspace is no folder".into(),
            "give the folder that the file is in",
        );
    }
    if home
        .and_then(|home| std::fs::canonicalize(home).ok())
        .is_some_and(|home| home == path)
    {
        return wrong(
            Code::FOLDER_IS_HOME,
            "your whole home folder is no workspace".into(),
            "give the folder of one project: --workspace DIR",
        );
    }
    if keiko_workspace::workspace::is_system(&path) {
        return wrong(
            Code::FOLDER_OF_SYSTEM,
            "this folder belongs to the system, not to a project".into(),
            "give the folder of one project: --workspace DIR",
        );
    }
    if let Err(error) = std::fs::read_dir(&path) {
        return wrong(
            Code::FOLDER_UNREADABLE,
            say!("the workspace cannot be read: {error}", error),
            "check who may read it: ls -ld",
        );
    }
    match path.into_os_string().into_string() {
        Ok(path) => Ok(Source::Folder { path, snapshot }),
        Err(_) => wrong(
            Code::FOLDER_NOT_UTF8,
            "the workspace's path is not UTF-8".into(),
            "rename the folder, or reach it through a symbolic link",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_no_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "").unwrap();
        let link = dir.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        let code = |path: &Path| folder(path, Some(dir.path()), true).unwrap_err().code;
        for system in ["/", "/etc", "/proc/self", "/usr/lib", "/tmp", "/home"] {
            assert_eq!(code(Path::new(system)), "KEI-1222", "{system}");
        }
        assert_eq!(code(dir.path()), "KEI-1223");
        assert_eq!(code(&file), "KEI-1221");
        assert_eq!(code(&link), "KEI-1220");
        assert_eq!(code(&dir.path().join("missing")), "KEI-1220");
        let umlaut = dir.path().join("Grüße aus Köln");
        std::fs::create_dir(&umlaut).unwrap();
        assert!(folder(&umlaut, None, true).is_ok());
    }
}
