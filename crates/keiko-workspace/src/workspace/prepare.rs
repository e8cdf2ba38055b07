//! Dependencies: installed once by a jail with a way to registries, kept by source and lock-file key, read-only ever after.
//!
//! Each source (a folder of the user's) and key has its own folder, so that what one project's install scripts did is seen
//! by no other project, also not by one with the very same manifests.
//!
//! | toolchain | `<cache>/deps/...` | inside |
//! |---|---|---|
//! | Python | `python/<key>-<source>` | `/cache/python/<key>` with `venv`, and `kernel` where cells need one |
//! | Node | `node/<key>-<source>` | `/cache/node/<key>` with `node_modules`, also bound where the project is |
//! | Rust | `rust/<key>-<source>` | `/cache/cargo` (`CARGO_HOME`) |
//! | Go | `go/<key>-<source>` | `/cache/go` with `mod` (`GOMODCACHE`) |

use super::registry::Registries;
use super::{Meta, Place, copy, io_fault, write_atomically};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{PYTHON_KERNEL, Toolchain};
use keiko_contracts::say;
use keiko_sandbox::foreign;
use keiko_sandbox::jail::Identity;
use keiko_sandbox::spec::Mount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A folder of a set for what installers keep meanwhile: on disk, where memory is not what it costs.
pub(crate) const SCRATCH: &str = ".tmp";

/// What tools of a build keep among modules.
const MODULE_CACHE: &str = ".cache";
/// Longest notes of a set, bytes.
const NOTES_BYTES_MAX: u64 = 64 << 10;
/// An archive of what an installation built in the workspace and git ignores, in the folder of its set.
pub(crate) const BUILT: &str = "built.tar";

/// One set of dependencies that a run uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Set {
    pub(crate) toolchain: Toolchain,
    pub(crate) key: String,
    /// Whose it is: see [`Origin`].
    #[serde(default)]
    origin: Origin,
    /// The projects that it belongs to, relative.
    pub(crate) dirs: Vec<PathBuf>,
}

/// Which source a set was installed for: nothing else ever uses it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin(String);

impl Origin {
    /// The user's folder without symlinks, or else the run itself.
    pub(crate) fn of(meta: &Meta, run: RunId) -> Origin {
        let identity = meta.root.as_ref().map_or_else(
            || format!("run {run}").into_bytes(),
            |root| root.as_os_str().as_bytes().to_vec(),
        );
        Origin(
            Digest::of(&identity)
                .to_string()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(32)
                .collect(),
        )
    }
}

/// What a run has prepared, in order. Kept beside the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared(Vec<Set>);

impl Set {
    pub(crate) fn new(
        toolchain: Toolchain,
        key: &str,
        origin: Origin,
        dirs: Vec<PathBuf>,
    ) -> Result<Set, Fault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if key.is_empty() || key.len() > 128 || !key.bytes().all(good) {
            return Err(Fault::new(
                Code::NOT_INSTALLABLE,
                "this is not the key of a dependency cache",
            )
            .at(key.chars().take(80).collect::<String>()));
        }
        Ok(Set {
            toolchain,
            key: key.to_owned(),
            origin,
            dirs,
        })
    }

    /// The name of the folder on the host.
    fn name(&self) -> String {
        format!("{}-{}", self.key, self.origin.0)
    }

    /// The folder on the host.
    pub(crate) fn host(&self, cache: &Path) -> PathBuf {
        cache
            .join("deps")
            .join(name(self.toolchain))
            .join(self.name())
    }

    /// The folder inside.
    pub(crate) fn inside(&self) -> String {
        match self.toolchain {
            Toolchain::Python => format!("/cache/python/{}", self.key),
            Toolchain::Node => format!("/cache/node/{}", self.key),
            Toolchain::Rust => "/cache/cargo".into(),
            Toolchain::Go => "/cache/go".into(),
        }
    }

    /// Where it is filled by one run, until everything is installed: what is half done is seen by nobody.
    pub(crate) fn unfinished(&self, cache: &Path, run: RunId) -> PathBuf {
        cache
            .join("deps")
            .join(name(self.toolchain))
            .join(format!("{}.{run}.unfinished", self.name()))
    }

    /// Where it is written down that everything was installed: beside the folder, where install scripts cannot write.
    fn done(&self, cache: &Path) -> PathBuf {
        cache
            .join("deps")
            .join(name(self.toolchain))
            .join(format!("{}.done", self.name()))
    }

    pub(crate) fn is_done(&self, cache: &Path) -> bool {
        self.done(cache).is_file() && self.host(cache).is_dir()
    }

    /// Writes down that it is used now: what nothing has used for long is given back when somebody asks for space.
    pub(crate) fn used(&self, cache: &Path) {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .open(self.done(cache));
        // A cache that cannot be written to is none that can be given back.
        let _ = file.and_then(|file| file.set_modified(std::time::SystemTime::now()));
    }

    /// Whether it is a kernel for cells and nothing else: commands of the project see nothing of it.
    pub(crate) fn is_kernel_only(&self, cache: &Path) -> bool {
        let there = |name: &str| {
            self.host(cache)
                .join(name)
                .symlink_metadata()
                .is_ok_and(|about| about.is_dir())
        };
        self.toolchain == Toolchain::Python && there(PYTHON_KERNEL) && !there("venv")
    }

    /// The archive of what was built in the workspace, if anything was.
    pub(crate) fn built(&self, cache: &Path) -> Option<PathBuf> {
        let archive = self.host(cache).join(BUILT);
        // Not through a link, which the installation may have left.
        archive
            .symlink_metadata()
            .is_ok_and(|about| about.is_file())
            .then_some(archive)
    }

    /// Puts what was installed in its place, with what is to be said of it. Another run may have been faster: then its result
    /// stands.
    pub(crate) fn finish(&self, cache: &Path, run: RunId, notes: &str) -> Result<(), Fault> {
        let (unfinished, host) = (self.unfinished(cache, run), self.host(cache));
        if self.is_done(cache) {
            return copy::wipe(&unfinished);
        }
        copy::wipe(&host)?;
        if self.toolchain == Toolchain::Node {
            // Builds keep something there: see [`Prepared::mounts`].
            let cache = unfinished.join("node_modules").join(MODULE_CACHE);
            std::fs::create_dir(&cache)
                .or_else(|e| {
                    if e.kind() == std::io::ErrorKind::AlreadyExists {
                        Ok(())
                    } else {
                        Err(e)
                    }
                })
                .map_err(|e| io_fault("make a folder", &cache, &e))?;
        }
        copy::seal(&unfinished)?;
        std::fs::rename(&unfinished, &host).map_err(|e| io_fault("move", &unfinished, &e))?;
        write_atomically(&self.done(cache), notes.as_bytes())
    }

    /// What was said of it when it was installed: what was left out.
    pub(crate) fn notes(&self, cache: &Path) -> String {
        foreign::read_text(&self.done(cache), NOTES_BYTES_MAX).unwrap_or_default()
    }

    /// Makes an empty folder for the installer to fill.
    pub(crate) fn make(
        &self,
        cache: &Path,
        run: RunId,
        owner: Identity,
        registries: &Registries,
    ) -> Result<PathBuf, Fault> {
        let host = self.unfinished(cache, run);
        copy::wipe(&host)?;
        std::fs::create_dir_all(&host).map_err(|e| io_fault("make a folder", &host, &e))?;
        std::fs::set_permissions(&host, std::fs::Permissions::from_mode(0o755))
            .map_err(|e| io_fault("set the mode of", &host, &e))?;
        match self.toolchain {
            // Cargo wants the same sources offline as online.
            Toolchain::Rust if !registries.cargo.is_empty() => {
                write_atomically(&host.join("config.toml"), registries.cargo.as_bytes())?
            }
            // Packages may be built with Rust.
            Toolchain::Python => {
                let cargo = host.join(SCRATCH).join("cargo");
                std::fs::create_dir_all(&cargo)
                    .map_err(|e| io_fault("make a folder", &cargo, &e))?;
                write_atomically(&cargo.join("config.toml"), registries.cargo.as_bytes())?;
            }
            Toolchain::Node => write_atomically(&host.join("npmrc"), registries.npmrc.as_bytes())?,
            _ => {}
        }
        let modules = self
            .dirs
            .iter()
            .filter(|_| self.toolchain == Toolchain::Node)
            .map(|dir| self.modules_name(dir));
        for folder in modules.chain([SCRATCH.into()]) {
            std::fs::create_dir_all(host.join(&folder))
                .map_err(|e| io_fault("make a folder", &host.join(&folder), &e))?;
        }
        copy::give(&host, owner.uid, owner.gid)?;
        Ok(host)
    }

    /// Where the modules of one of its folders are, in its own folder: those of the first at its top.
    fn modules_name(&self, dir: &Path) -> PathBuf {
        if self.dirs.first().is_none_or(|first| first == dir) {
            return "node_modules".into();
        }
        Path::new("members").join(dir.to_string_lossy().replace('+', "++").replace('/', "+"))
    }

    /// Its modules where the projects are.
    pub(crate) fn modules(&self, host: &Path, place: &Place, writable: bool) -> Vec<Mount> {
        let mut out = Vec::new();
        for dir in self
            .dirs
            .iter()
            .filter(|_| self.toolchain == Toolchain::Node)
        {
            let modules = host.join(self.modules_name(dir));
            // An install script may have left a link to anywhere: on the host it must not be followed.
            let is_real = modules.symlink_metadata().is_ok_and(|about| about.is_dir());
            let path = dir.join("node_modules");
            let point = place.tree().join(&path);
            let usable = is_real
                && point.symlink_metadata().is_ok_and(|m| m.is_dir())
                && !copy::behind_a_link(&place.tree(), &path);
            if let (true, Some(path)) = (usable, path.to_str()) {
                out.push(Mount {
                    host: modules,
                    inside: format!("/workspace/{path}"),
                    writable,
                });
            }
        }
        out
    }

    /// The environment of the installer.
    pub(crate) fn install_env(&self, registries: &Registries) -> BTreeMap<String, String> {
        let mut env = registries.env.clone();
        let mut set = |key: &str, value: String| env.insert(key.to_owned(), value);
        let scratch = format!("{}/{SCRATCH}", self.inside());
        // Git must not touch the workspace's own files when it is asked for a version.
        set("GIT_OPTIONAL_LOCKS", "0".into());
        set("TMPDIR", scratch.clone());
        match self.toolchain {
            Toolchain::Python => {
                set("PIP_RETRIES", "2".into());
                set("PIP_DISABLE_PIP_VERSION_CHECK", "1".into());
                set("PIP_NO_CACHE_DIR", "1".into());
                set("PIP_NO_INPUT", "1".into());
                set("UV_CACHE_DIR", format!("{scratch}/uv"));
                set("UV_PYTHON_DOWNLOADS", "never".into());
                set("CARGO_HOME", format!("{scratch}/cargo"));
            }
            Toolchain::Node => {
                set("NPM_CONFIG_USERCONFIG", format!("{}/npmrc", self.inside()));
                set("NPM_CONFIG_CACHE", format!("{scratch}/npm"));
                set("NPM_CONFIG_FETCH_RETRIES", "2".into());
                set("npm_config_store_dir", format!("{scratch}/pnpm"));
                set("YARN_CACHE_FOLDER", format!("{scratch}/yarn"));
                set("YARN_ENABLE_TELEMETRY", "0".into());
                set("YARN_NODE_LINKER", "node-modules".into());
                set("YARN_ENABLE_GLOBAL_CACHE", "false".into());
                set("COREPACK_ENABLE_STRICT", "0".into());
                set("CI", "true".into());
                // What browsers and applications bring along comes from places that are no registries.
                set("PUPPETEER_SKIP_DOWNLOAD", "1".into());
                set("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1".into());
                set("CYPRESS_INSTALL_BINARY", "0".into());
                set("ELECTRON_SKIP_BINARY_DOWNLOAD", "1".into());
                set("HUSKY", "0".into());
                set("NPM_CONFIG_UPDATE_NOTIFIER", "false".into());
                set("NPM_CONFIG_AUDIT", "false".into());
                set("NPM_CONFIG_FUND", "false".into());
            }
            Toolchain::Rust => {
                set("CARGO_HOME", self.inside());
            }
            Toolchain::Go => {
                set("GOMODCACHE", format!("{}/mod", self.inside()));
                set("GOTOOLCHAIN", "local".into());
            }
        }
        env
    }

    /// The environment of later commands; `path` is what `PATH` is without it.
    fn use_env(&self, env: &mut BTreeMap<String, String>, path: &mut String) {
        let inside = self.inside();
        let mut set = |key: &str, value: String| env.insert(key.to_owned(), value);
        match self.toolchain {
            Toolchain::Python => {
                *path = format!("{inside}/venv/bin:{path}");
                set("VIRTUAL_ENV", format!("{inside}/venv"));
                set("PIP_NO_INDEX", "1".into());
            }
            Toolchain::Node => {
                *path =
                    format!("{inside}/node_modules/.bin:{inside}/tools/node_modules/.bin:{path}");
                set("YARN_NODE_LINKER", "node-modules".into());
                set("NODE_PATH", format!("{inside}/node_modules"));
            }
            Toolchain::Rust => {
                set("CARGO_HOME", inside);
                set("CARGO_NET_OFFLINE", "true".into());
            }
            Toolchain::Go => {
                set("GOMODCACHE", format!("{inside}/mod"));
                set("GOTOOLCHAIN", "local".into());
                set("GOPROXY", "off".into());
            }
        }
    }
}

impl Prepared {
    fn file(place: &Place) -> PathBuf {
        place.dir.join("prepared.json")
    }

    pub(crate) fn read(place: &Place) -> Prepared {
        std::fs::read(Self::file(place))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Adds a set; the newest of Rust and of Go replaces older ones, which would be bound to the same place.
    pub(crate) fn add(&mut self, set: Set, place: &Place) -> Result<(), Fault> {
        let same_place = set.inside();
        self.0.retain(|s| s.inside() != same_place);
        self.0.push(set);
        let bytes = serde_json::to_vec(self).map_err(|e| {
            Fault::new(
                Code::WORKSPACE_RECORD,
                say!("the workspace's record cannot be written: {e}", e),
            )
        })?;
        write_atomically(&Self::file(place), &bytes)
    }

    /// The sets, as they are called below the cache: `python/KEY-SOURCE`.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|set| format!("{}/{}", name(set.toolchain), set.name()))
    }

    /// Whether the set is in use.
    pub(crate) fn holds(&self, set: &Set) -> bool {
        self.0.contains(set)
    }

    /// Folders of the user's that ours stand in for.
    pub(crate) fn replaced_folders(&self) -> Vec<PathBuf> {
        self.0
            .iter()
            .filter(|s| s.toolchain == Toolchain::Node)
            .flat_map(|s| s.dirs.iter().map(|d| d.join("node_modules")))
            .collect()
    }

    /// Read-only, and only what is still there.
    pub(crate) fn mounts(&self, place: &Place, cache: &Path) -> Vec<Mount> {
        let mut out = Vec::new();
        for set in self.0.iter().filter(|s| s.is_done(cache)) {
            let host = set.host(cache);
            out.push(Mount {
                host: host.clone(),
                inside: set.inside(),
                writable: false,
            });
            let modules = set.modules(&host, place, false);
            // The one folder among modules that tools of a build write to, where no module is looked for.
            let is_real = |path: &Path| path.symlink_metadata().is_ok_and(|about| about.is_dir());
            if let Some(first) = modules.first().filter(|first| {
                is_real(&first.host.join(MODULE_CACHE)) && is_real(&place.module_cache())
            }) {
                let inside = format!("{}/{MODULE_CACHE}", first.inside);
                out.extend(modules.iter().cloned());
                out.push(Mount {
                    host: place.module_cache(),
                    inside,
                    writable: true,
                });
            } else {
                out.extend(modules);
            }
        }
        out
    }

    /// What a command in a folder needs to find it: what belongs to the project there comes first. `base_path` is the jail's
    /// own `PATH`.
    pub(crate) fn env_in(
        &self,
        dir: &str,
        cache: &Path,
        base_path: &str,
    ) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let mut path = base_path.to_owned();
        let depth = |own: &PathBuf| {
            if Path::new(dir).starts_with(own) {
                own.components().count() + 1
            } else {
                0
            }
        };
        let mut sets: Vec<&Set> = self
            .0
            .iter()
            .filter(|s| s.is_done(cache) && !s.is_kernel_only(cache))
            .collect();
        sets.sort_by_key(|set| set.dirs.iter().map(depth).max().unwrap_or_default());
        for set in sets {
            set.use_env(&mut env, &mut path);
        }
        if path != base_path {
            env.insert("PATH".into(), path);
        }
        env
    }

    /// The interpreter of the newest prepared Python, if any.
    pub(crate) fn python(&self, cache: &Path) -> Option<String> {
        let set = self.pythons(cache).find(|set| !set.is_kernel_only(cache))?;
        Some(format!("{}/venv/bin/python", set.inside()))
    }

    /// The folder of the kernel for cells that came with a prepared Python, as seen inside: with the newest, if with any.
    pub(crate) fn kernel(&self, cache: &Path) -> Option<String> {
        let set = self.pythons(cache).next()?;
        let there = set
            .host(cache)
            .join(PYTHON_KERNEL)
            .symlink_metadata()
            .is_ok_and(|about| about.is_dir());
        there.then(|| format!("{}/{PYTHON_KERNEL}", set.inside()))
    }

    /// Whether Python packages are prepared.
    pub(crate) fn has_python(&self, cache: &Path) -> bool {
        self.pythons(cache).next().is_some()
    }

    /// Prepared Pythons, the newest first.
    fn pythons(&self, cache: &Path) -> impl Iterator<Item = &Set> {
        self.0
            .iter()
            .rev()
            .filter(|set| set.toolchain == Toolchain::Python && set.is_done(cache))
    }
}

fn name(toolchain: Toolchain) -> &'static str {
    match toolchain {
        Toolchain::Python => "python",
        Toolchain::Node => "node",
        Toolchain::Rust => "rust",
        Toolchain::Go => "go",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_names() {
        assert!(Set::new(Toolchain::Python, "abc-1", Origin::default(), vec![]).is_ok());
        for bad in ["", "..", "a/b", "a b", &"x".repeat(129)] {
            assert_eq!(
                Set::new(Toolchain::Rust, bad, Origin::default(), vec![])
                    .unwrap_err()
                    .code,
                "KEI-5130",
                "{bad}"
            );
        }
    }

    #[test]
    fn what_is_not_finished_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            dir: dir.path().join("run"),
        };
        std::fs::create_dir_all(place.tree()).unwrap();
        let owner = Identity {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        };
        let set = Set::new(Toolchain::Python, "k", Origin::default(), vec![]).unwrap();
        let run = RunId::from_bytes([1; 10]);
        set.make(dir.path(), run, owner, &Registries::default())
            .unwrap();
        let mut prepared = Prepared::default();
        prepared.add(set.clone(), &place).unwrap();
        assert!(
            prepared.mounts(&place, dir.path()).is_empty()
                && prepared.env_in("", dir.path(), "/bin").is_empty()
        );
        set.finish(dir.path(), run, "keiko: left out").unwrap();
        assert_eq!(set.notes(dir.path()), "keiko: left out");
        assert!(!set.unfinished(dir.path(), run).exists());
        assert_eq!(Prepared::read(&place), prepared);
        assert_eq!(
            prepared.env_in("", dir.path(), "/bin")["PATH"],
            "/cache/python/k/venv/bin:/bin"
        );
        assert_eq!(
            prepared.mounts(&place, dir.path())[0].inside,
            "/cache/python/k"
        );
        assert_eq!(
            prepared.python(dir.path()).as_deref(),
            Some("/cache/python/k/venv/bin/python")
        );
    }

    #[test]
    fn a_kernel_stands_beside_the_project_and_changes_nothing_of_its_commands() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            dir: dir.path().join("run"),
        };
        std::fs::create_dir_all(place.tree()).unwrap();
        let run = RunId::from_bytes([1; 10]);
        let set = Set::new(Toolchain::Python, "k", Origin::default(), vec![]).unwrap();
        let mut prepared = Prepared::default();
        prepared.add(set.clone(), &place).unwrap();
        std::fs::create_dir_all(set.unfinished(dir.path(), run).join(PYTHON_KERNEL)).unwrap();
        set.finish(dir.path(), run, "").unwrap();
        assert_eq!(
            prepared.kernel(dir.path()).as_deref(),
            Some("/cache/python/k/kernel")
        );
        assert_eq!(
            (
                prepared.python(dir.path()),
                prepared.env_in("", dir.path(), "/bin").len()
            ),
            (None, 0)
        );
        std::fs::create_dir(set.host(dir.path()).join("venv")).unwrap();
        assert_eq!(
            prepared.env_in("", dir.path(), "/bin")["PATH"],
            "/cache/python/k/venv/bin:/bin"
        );
        assert_eq!(
            prepared.python(dir.path()).as_deref(),
            Some("/cache/python/k/venv/bin/python")
        );
    }

    #[test]
    fn a_newer_lock_file_takes_the_place_of_an_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            dir: dir.path().to_owned(),
        };
        let mut prepared = Prepared::default();
        for key in ["old", "new"] {
            prepared
                .add(
                    Set::new(Toolchain::Rust, key, Origin::default(), vec![]).unwrap(),
                    &place,
                )
                .unwrap();
        }
        assert_eq!(prepared.0.len(), 1);
        assert_eq!(prepared.0[0].key, "new");
    }
}
