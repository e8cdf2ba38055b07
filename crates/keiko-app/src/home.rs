//! Where Keiko keeps things: the XDG folders, or everything below `KEIKO_HOME`.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use std::path::{Path, PathBuf};

/// Keiko's folders. None of them is made before it is needed.
#[derive(Debug, Clone)]
pub struct Home {
    /// Configuration.
    pub config: PathBuf,
    /// The journal and the workspaces.
    pub data: PathBuf,
    /// What can be made again: dependency caches.
    pub cache: PathBuf,
    /// The user's own home folder, if it is known.
    pub user: Option<PathBuf>,
}

impl Home {
    /// Finds the folders.
    ///
    /// # Errors
    /// KEI-1101 when there is no place for them.
    pub fn find() -> Result<Home, Fault> {
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let user = absolute("HOME");
        if let Some(home) = absolute("KEIKO_HOME") {
            return Ok(Home {
                config: home.join("config"),
                data: home.join("data"),
                cache: home.join("cache"),
                user,
            });
        }
        let under = |name: &str, rest: &str| {
            absolute(name)
                .or_else(|| user.as_ref().map(|home| home.join(rest)))
                .map(|path| path.join("keiko"))
        };
        match (under("XDG_CONFIG_HOME", ".config"), under("XDG_DATA_HOME", ".local/share"), under("XDG_CACHE_HOME", ".cache")) {
            (Some(config), Some(data), Some(cache)) => Ok(Home { config, data, cache, user }),
            _ => Err(Fault::new(Code::NO_PLACE, "HOME is not set, so there is no place to keep runs")
                .hint("set HOME, or KEIKO_HOME to a folder of its own: KEIKO_HOME=/var/lib/keiko keiko up")),
        }
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.data.join("journal.db")
    }

    /// The user's configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The risk policy.
    #[must_use]
    pub fn risk_file(&self) -> PathBuf {
        self.config.join("risk.toml")
    }
}

/// Makes a folder that only its owner can enter.
pub(crate) fn private_dir(path: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| {
            Fault::new(
                Code::OWN_FOLDER,
                say!("the folder cannot be made: {error}", error),
            )
            .at(path.display())
            .hint("choose another place: KEIKO_HOME=/some/folder keiko …")
        })
}
