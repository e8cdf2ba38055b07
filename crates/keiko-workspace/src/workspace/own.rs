//! Keiko's own folders: the journal of all runs, their workspaces, settings and caches. No run works on them.

use keiko_contracts::code::{Code, Fault};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What Keiko itself unpacks in its data folder to be worked on: the sample and the demonstrations.
const MADE_TO_WORK_ON: [&str; 2] = ["sample", "demo"];

/// The folders, told apart by what they are: a link or a mount makes no other folder of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    paths: Vec<PathBuf>,
    /// Nobody works on them.
    these: BTreeSet<(u64, u64)>,
    /// Nor in them.
    within: BTreeSet<(u64, u64)>,
}

fn id(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Own {
    #[cfg(test)]
    pub(crate) const fn none() -> Own {
        Own {
            paths: Vec::new(),
            these: BTreeSet::new(),
            within: BTreeSet::new(),
        }
    }

    /// Takes the data folder and those of the others that are there.
    pub(crate) fn of(data: &Path, others: &[PathBuf]) -> Own {
        let real = |folder: &PathBuf| folder.canonicalize().ok();
        let (data, others) = (
            real(&data.to_owned()),
            others.iter().filter_map(real).collect::<Vec<_>>(),
        );
        let below = |path: &Path| {
            std::fs::read_dir(path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .take(1024)
                .collect()
        };
        let closed = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.is_dir() && !MADE_TO_WORK_ON.iter().any(|made| name.starts_with(made))
        };
        let in_data: Vec<PathBuf> = data
            .iter()
            .flat_map(|data| -> Vec<PathBuf> { below(data) })
            .filter(closed)
            .collect();
        // What lies right in them is theirs as well, also where it is mounted alone.
        let in_others = others
            .iter()
            .flat_map(|path| -> Vec<PathBuf> { below(path) })
            .filter(|path| path.is_dir());
        let within = in_data
            .iter()
            .cloned()
            .chain(others.iter().cloned())
            .chain(in_others)
            .filter_map(|path| id(&path))
            .collect();
        Own {
            these: data.iter().filter_map(|path| id(path)).collect(),
            paths: data.into_iter().chain(others).collect(),
            within,
        }
    }

    /// Whether a folder is one of them.
    pub(crate) fn is(&self, folder: &Path) -> bool {
        !self.paths.is_empty()
            && id(folder).is_some_and(|id| self.these.contains(&id) || self.within.contains(&id))
    }

    fn holds(&self, folder: &Path) -> bool {
        folder
            .ancestors()
            .filter_map(id)
            .any(|id| self.within.contains(&id))
    }
}

/// Refuses a folder, given without links, that is one of Keiko's own, lies in one or holds one.
pub(crate) fn refuse(root: &Path, own: &Own) -> Result<(), Fault> {
    let lies_in = own.is(root) || own.holds(root);
    let holds = id(root).is_some_and(|root| {
        own.paths
            .iter()
            .flat_map(|path| path.ancestors())
            .any(|dir| id(dir) == Some(root))
    });
    if !lies_in && !holds {
        return Ok(());
    }
    let what = if lies_in {
        "this folder is Keiko's own"
    } else {
        "this folder holds Keiko's own: the journal and the copies of all runs"
    };
    let hint = "choose the folder of one project: --workspace DIR; KEIKO_HOME says where Keiko keeps its own";
    Err(Fault::new(Code::WORKSPACE_IS_OWN, what)
        .at(root.display())
        .hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folders_are_known_by_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in [
            "home/keiko/data/workspaces/run/tree",
            "home/keiko/data/sample/src",
            "home/project/sub",
            "other",
        ] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::os::unix::fs::symlink(at("home/keiko/data"), at("link")).unwrap();
        let own = Own::of(
            &at("home/keiko/data"),
            &[at("home/keiko/config-that-is-not-there")],
        );
        let code = |path: &str| {
            refuse(&at(path).canonicalize().unwrap(), &own).map_err(|fault| fault.code.to_string())
        };
        for bad in [
            "home/keiko/data",
            "home/keiko",
            "home",
            "home/keiko/data/workspaces/run/tree",
            "link",
            "link/workspaces",
            "",
        ] {
            assert_eq!(code(bad), Err("KEI-5160".to_owned()), "{bad}");
        }
        for good in [
            "home/project",
            "home/project/sub",
            "other",
            "home/keiko/data/sample",
            "home/keiko/data/sample/src",
        ] {
            assert_eq!(code(good), Ok(()), "{good}");
        }
        assert!(own.is(&at("link/workspaces")) && !own.is(&at("other")));
    }
}
