//! The private workspace of a run.
//!
//! ```text
//! <data>/workspaces/<run>/
//!   repo.git    ours, bare: what was fetched from the user and out of the jail. Never visible to the jail's commands.
//!   tree/       the private clone with its own .git, owned by the jail: git, commits and hooks in there are the agent's.
//!   state.git   the jail's, but only mounted while Keiko's own git looks at the files: the trees before and after each
//!               operation do not depend on what the agent did to its own .git.
//!   out/        what leaves the jail: bundles of objects.
//!   meta.json   written last: the workspace is there exactly when this is.
//! ```
//! The user's folder is read, by `fetch` and by our own walk; nothing here writes to it or runs in it.

pub(crate) mod copy;
pub(crate) mod deps;
pub(crate) mod export;
pub(crate) mod git;
pub(crate) mod gitops;
pub(crate) mod inside;
mod interpreter;
pub(crate) mod open;
pub(crate) mod own;
pub(crate) mod prepare;
pub(crate) mod pruned;
pub(crate) mod registry;
pub(crate) mod source;
pub(crate) mod submodules;
pub(crate) mod toolchain;
pub(crate) mod tree;

pub use source::{is_system, read_small};

use git::HostGit;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{Opened, Source};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// File names that hold credentials: never taken along untracked, and masked wherever a folder of the user's is bound.
pub(crate) const CREDENTIALS: [&str; 8] = [
    ".npmrc",
    ".netrc",
    ".pypirc",
    ".env",
    "pip.conf",
    ".git-credentials",
    ".yarnrc.yml",
    "auth.json",
];

/// The workspaces of all runs.
#[derive(Debug, Clone)]
pub struct Workspaces {
    root: PathBuf,
    pub(crate) git: HostGit,
    /// Keiko's folders, on which no run works.
    pub(crate) own: own::Own,
}

/// The places of one workspace.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
}

impl Place {
    /// The run that it belongs to.
    pub(crate) fn run(&self) -> Option<RunId> {
        self.dir.file_name()?.to_str()?.parse().ok()
    }
    pub(crate) fn repo(&self) -> PathBuf {
        self.dir.join("repo.git")
    }
    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state.git")
    }
    pub(crate) fn out(&self) -> PathBuf {
        self.dir.join("out")
    }
    pub(crate) fn results(&self) -> PathBuf {
        self.dir.join("results")
    }
    /// What builds keep among modules that are read-only otherwise.
    pub(crate) fn module_cache(&self) -> PathBuf {
        self.dir.join("module-cache")
    }
    /// Keiko's reporters of tests, as the next command sees them.
    pub(crate) fn harness(&self) -> PathBuf {
        self.dir.join("harness")
    }
    pub(crate) fn meta(&self) -> PathBuf {
        self.dir.join("meta.json")
    }
    /// An empty file that is bound over credential files.
    pub(crate) fn mask(&self) -> PathBuf {
        self.dir.join("mask")
    }
}

/// What is known of a workspace beside its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) version: u32,
    pub(crate) source: Source,
    pub(crate) opened: Opened,
    /// The user's folder without symlinks.
    pub(crate) root: Option<PathBuf>,
    /// Ignored dependency folders of the user's, relative.
    pub(crate) deps: Vec<PathBuf>,
    /// What people should know about how it was made, as sentences: from before `opened` had notes.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

impl Workspaces {
    /// Workspaces below `<data>/workspaces`, which is made if it is not there.
    ///
    /// # Errors
    /// KEI-5105 without git, KEI-5109 when the folder cannot be made.
    pub fn new(data: &Path) -> Result<Workspaces, Fault> {
        let root = data.join("workspaces");
        let mut private = std::fs::DirBuilder::new();
        private
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|e| io_fault("make a folder", &root, &e))?;
        // One from before may be open to others.
        let closed = std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o700));
        closed.map_err(|e| io_fault("set the mode of", &root, &e))?;
        let root = root
            .canonicalize()
            .map_err(|e| io_fault("look at", &root, &e))?;
        let git = HostGit::new(&root)?;
        let own = own::Own::of(data, &[]);
        Ok(Workspaces { root, git, own })
    }

    /// The same, which opens none of these folders either, nor one above them: Keiko's settings and caches.
    #[must_use]
    pub fn guarding(self, folders: &[PathBuf]) -> Workspaces {
        let data = self.root.parent().unwrap_or(&self.root);
        Workspaces {
            own: own::Own::of(data, folders),
            ..self
        }
    }

    pub(crate) fn place(&self, run: RunId) -> Place {
        Place {
            dir: self.root.join(run.to_string()),
        }
    }

    /// The workspace of a run, if it has been made.
    pub(crate) fn meta(&self, run: RunId) -> Result<Option<Meta>, Fault> {
        let path = self.place(run).meta();
        match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(meta) => Ok(Some(meta)),
                Err(e) => Err(Fault::new(
                    Code::WORKSPACE_RECORD,
                    say!("the workspace's record cannot be read: {e}", e),
                )
                .at(path.display())),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_fault("read", &path, &e)),
        }
    }

    /// The same, where it must be there.
    pub(crate) fn must(&self, run: RunId) -> Result<(Place, Meta), Fault> {
        let meta = self.meta(run)?.ok_or_else(|| {
            self.pruned(run).unwrap_or_else(|| {
                Fault::new(Code::RUN_WITHOUT_WORKSPACE, "this run has no workspace")
                    .at(run)
                    .hint(say!(
                        "see how far it came: {step}",
                        step = Step::of_run(OfRun::Show, run)
                    ))
            })
        })?;
        Ok((self.place(run), meta))
    }

    /// The fault for a run whose workspace was given back.
    pub(crate) fn pruned(&self, run: RunId) -> Option<Fault> {
        pruned::of(&self.root, run).map(|pruned| pruned.fault())
    }
}

/// A fault of the file system in the places of a workspace.
pub(crate) fn io_fault(what: &str, path: &Path, e: &std::io::Error) -> Fault {
    let fault = Fault::new(
        Code::WORKSPACE_IO,
        say!(
            "could not {what}: {e}",
            what = Said::words(what.to_string()),
            e
        ),
    )
    .at(path.display());
    match e.kind() {
        std::io::ErrorKind::StorageFull => fault.hint("free some space: df -h"),
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            fault.hint("check who may write there: ls -ld")
        }
        _ => fault,
    }
}

/// Writes a file so that it is there as a whole or not at all, also after a power cut.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let write = || -> std::io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        std::fs::File::open(parent)?.sync_all()
    };
    write().map_err(|e| io_fault("write", path, &e))
}
