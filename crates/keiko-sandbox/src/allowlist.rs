//! What of the host a jail may see: a short list of system files and the toolchains found on the search path.
//!
//! Nothing is seen because it was forgotten: no home, no `/run`, no `/var`, no `/etc` beyond the list. Credential files
//! beside toolchains (`~/.cargo/credentials.toml`, `.npmrc`, uv's and pip's settings) are never under a bound folder.

use crate::launch::INSIDE_ID;
use crate::plan::{Layer, SELF_INSIDE};
use crate::spec::Mount;
use keiko_contracts::jail::Limits;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Home inside: memory-backed, gone with the jail.
pub(crate) const HOME: &str = "/home/keiko";
/// Folders of the root that a distribution keeps as links into `/usr`, or as real folders.
const ROOT_FOLDERS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Files and folders of `/etc` that programs need and that hold no secret.
const ETC: [&str; 14] = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "timezone",
    "mime.types",
    "services",
    "protocols",
    "ssl/certs",
    "ssl/openssl.cnf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "ca-certificates",
];
/// Settings of npm and pip within a toolchain.
const CREDENTIALS: [&str; 4] = ["etc/npmrc", "pip.conf", ".npmrc", ".pypirc"];
/// Files of `/proc` that tell about the whole machine.
const PROC_MASKED: [&str; 8] = [
    "keys",
    "timer_list",
    "sched_debug",
    "kcore",
    "kallsyms",
    "cmdline",
    "latency_stats",
    "kmsg",
];

/// Where uv and pipx keep what the links in `~/.local/bin` lead to.
const SHARED: [&str; 3] = [
    ".local/share/uv/python",
    ".local/share/uv/tools",
    ".local/share/pipx/venvs",
];
/// Programs of one folder that are shown, and entries that are looked at for them.
const PROGRAMS_MOST: usize = 128;
const ENTRIES_MOST: usize = 1024;

/// What was found on the host's search path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Toolchains {
    pub(crate) mounts: Vec<Mount>,
    /// Further names of programs that are mounted: name, and what it leads to. A link costs nothing, a mount does.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) path: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
}

/// Sizes of the memory-backed folders, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) tmp: u64,
    pub(crate) home: u64,
}

/// The part of the file system that is the same for every command, up to where the caller's mounts go.
pub(crate) fn system_layers(
    this_binary: &Path,
    toolchains: &[Mount],
    links: &[(String, String)],
    sizes: Sizes,
    limits: &Limits,
) -> Vec<Layer> {
    let mut layers = vec![bind("/usr", "/usr")];
    for name in ROOT_FOLDERS {
        let inside = format!("/{name}");
        match std::fs::read_link(&inside) {
            Ok(target) => layers.push(Layer::Symlink {
                target: target.to_string_lossy().into_owned(),
                inside,
            }),
            Err(_) if Path::new(&inside).is_dir() => layers.push(bind(&inside, &inside)),
            Err(_) => {}
        }
    }
    let shown = ETC
        .iter()
        .map(|name| format!("/etc/{name}"))
        .filter(|path| Path::new(path).exists());
    layers.extend(shown.map(|path| bind(&path, &path)));
    layers.extend(made_up().into_iter().map(|(inside, text)| Layer::File {
        inside: inside.into(),
        text,
    }));
    // Settings of the jail's own namespaces belong to its user and could be written.
    layers.extend([Layer::Proc, bind("/proc/sys", "/proc/sys")]);
    let masked = PROC_MASKED
        .iter()
        .map(|name| format!("/proc/{name}"))
        .filter(|path| Path::new(path).exists());
    layers.extend(masked.map(|inside| Layer::File {
        inside,
        text: String::new(),
    }));
    let processors = std::fs::read_to_string("/proc/cpuinfo")
        .map(|text| without_names(&text))
        .unwrap_or_default();
    let machine = [
        ("/proc/meminfo", memory_of(limits)),
        ("/proc/cpuinfo", processors),
    ];
    layers.extend(machine.into_iter().map(|(inside, text)| Layer::File {
        inside: inside.into(),
        text,
    }));
    // The folder for shared memory that comes with /dev has no size of its own.
    layers.extend([
        Layer::Dev,
        Layer::Tmpfs {
            inside: "/dev/shm".into(),
            bytes: sizes.tmp,
        },
        Layer::Seal {
            inside: "/dev".into(),
        },
    ]);
    layers.push(Layer::Tmpfs {
        inside: "/tmp".into(),
        bytes: sizes.tmp,
    });
    layers.push(Layer::Symlink {
        target: "/tmp".into(),
        inside: "/var/tmp".into(),
    });
    layers.push(Layer::Tmpfs {
        inside: HOME.into(),
        bytes: sizes.home,
    });
    layers.push(Layer::Bind {
        host: this_binary.into(),
        inside: SELF_INSIDE.into(),
        writable: false,
    });
    layers.extend(toolchains.iter().map(layer));
    layers.extend(links.iter().map(|(inside, target)| Layer::Symlink {
        target: target.clone(),
        inside: inside.clone(),
    }));
    layers.extend(
        credentials(toolchains)
            .into_iter()
            .map(|inside| Layer::File {
                inside,
                text: String::new(),
            }),
    );
    layers
}

/// What programs that size themselves by the machine's memory shall see: what they may use.
fn memory_of(limits: &Limits) -> String {
    let kib = u64::from(limits.memory_mib) << 10;
    let lines = [
        ("MemTotal", kib),
        ("MemFree", kib),
        ("MemAvailable", kib),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
    ];
    lines
        .iter()
        .map(|(name, kib)| format!("{:<16}{kib:>8} kB\n", format!("{name}:")))
        .collect()
}

/// Programs count the processors and read what these can do; which machine it is, and how busy, is nobody's business.
fn without_names(text: &str) -> String {
    let hidden = [
        "model name",
        "microcode",
        "cpu mhz",
        "bogomips",
        "serial",
        "hardware",
        "revision",
        "model\t",
        "stepping",
        "apicid",
        "initial apicid",
    ];
    let kept = text.lines().filter(|line| {
        !hidden
            .iter()
            .any(|name| line.to_lowercase().starts_with(name))
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// Settings of package managers that stand inside a toolchain, where `npm config set -g` and `pip config --site` write
/// registry tokens: their paths inside the jail, to be hidden.
fn credentials(toolchains: &[Mount]) -> Vec<String> {
    let system = ["/usr", "/usr/local"].map(|folder| (PathBuf::from(folder), folder.to_owned()));
    let mut prefixes: Vec<(PathBuf, String)> = system.into_iter().collect();
    for mount in toolchains {
        prefixes.push((mount.host.clone(), mount.inside.clone()));
        // A folder of versions: each of them is a prefix of its own.
        for entry in std::fs::read_dir(&mount.host)
            .into_iter()
            .flatten()
            .flatten()
            .take(256)
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            prefixes.push((entry.path(), format!("{}/{name}", mount.inside)));
        }
    }
    let mut hidden: Vec<String> = prefixes
        .iter()
        .flat_map(|(host, inside)| {
            CREDENTIALS
                .iter()
                .filter(|name| host.join(name).is_file())
                .map(move |name| format!("{inside}/{name}"))
        })
        .collect();
    hidden.sort();
    hidden.dedup();
    hidden
}

/// A mount as a layer.
pub(crate) fn layer(mount: &Mount) -> Layer {
    Layer::Bind {
        host: mount.host.clone(),
        inside: mount.inside.clone(),
        writable: mount.writable,
    }
}

fn bind(host: &str, inside: &str) -> Layer {
    Layer::Bind {
        host: host.into(),
        inside: inside.into(),
        writable: false,
    }
}

/// Files that name nobody and nothing of the host.
fn made_up() -> Vec<(&'static str, String)> {
    vec![
        (
            "/etc/passwd",
            format!("keiko:x:{INSIDE_ID}:{INSIDE_ID}:Keiko:{HOME}:/bin/sh\n"),
        ),
        ("/etc/group", format!("keiko:x:{INSIDE_ID}:\n")),
        (
            "/etc/hosts",
            "127.0.0.1 localhost keiko\n::1 localhost\n".into(),
        ),
        ("/etc/hostname", "keiko\n".into()),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n".into(),
        ),
    ]
}

/// What the search for toolchains starts from.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchFrom {
    pub(crate) path: String,
    pub(crate) home: Option<PathBuf>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl SearchFrom {
    pub(crate) fn environment() -> Self {
        let names = [
            "CARGO_HOME",
            "RUSTUP_HOME",
            "PYENV_ROOT",
            "PYENV_VERSION",
            "VIRTUAL_ENV",
        ];
        SearchFrom {
            path: std::env::var("PATH").unwrap_or_default(),
            home: std::env::var_os("HOME").map(PathBuf::from),
            variables: names
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
                .collect(),
        }
    }

    fn folder(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.variables.get(variable).map(PathBuf::from);
        named
            .or_else(|| Some(self.home.as_ref()?.join(below_home)))
            .filter(|p| p.is_dir())
    }
}

/// Where this machine's rustup keeps its toolchains, which every jail sees; nothing where there is none.
#[must_use]
pub fn rustup() -> Option<PathBuf> {
    SearchFrom::environment().folder("RUSTUP_HOME", ".rustup")
}

/// Finds the toolchains on the search path. A folder of an unknown kind, in a home for example, is left out.
pub(crate) fn toolchains(from: &SearchFrom) -> Toolchains {
    let mut found = Toolchains::default();
    for entry in from.path.split(':').filter(|e| e.starts_with('/')) {
        let path = Path::new(entry);
        if path.starts_with("/usr")
            || ROOT_FOLDERS
                .iter()
                .any(|f| path.starts_with(format!("/{f}")))
        {
            found.on_path(entry);
        } else if path.is_dir() {
            place(from, path, &mut found);
        }
    }
    let system = ["/usr/local/bin", "/usr/bin", "/bin"];
    beside_the_path(from, &system, &mut found);
    for entry in system {
        found.on_path(entry);
    }
    found
}

/// Toolchains of the home that no shell has put on the search path: a job of cron's or an editor's has them no less.
fn beside_the_path(from: &SearchFrom, system: &[&str], found: &mut Toolchains) {
    let Some(home) = &from.home else { return };
    let is_there = |found: &Toolchains, program: &str| {
        found
            .path
            .iter()
            .map(String::as_str)
            .chain(system.iter().copied())
            .any(|entry| Path::new(entry).join(program).is_file())
    };
    for program in ["node", "go"] {
        if !is_there(found, program)
            && let Some(prefix) = crate::versions::default_of(program, home)
        {
            found.see(&prefix);
            found.on_path(&prefix.join("bin").to_string_lossy());
        }
    }
    let cargo = from
        .folder("CARGO_HOME", ".cargo")
        .map(|cargo| cargo.join("bin"))
        .filter(|bin| bin.join("cargo").is_file());
    if let Some(bin) = cargo.filter(|_| !is_there(found, "cargo")) {
        place(from, &bin, found);
    }
}

/// Decides by its shape what a folder on the search path belongs to.
fn place(from: &SearchFrom, entry: &Path, found: &mut Toolchains) {
    let text = entry.to_string_lossy();
    if from
        .folder("CARGO_HOME", ".cargo")
        .is_some_and(|cargo| entry == cargo.join("bin"))
    {
        found.see_programs(entry, &[]);
        rust(from, found);
    } else if from
        .folder("PYENV_ROOT", ".pyenv")
        .is_some_and(|root| entry.starts_with(root))
    {
        python_versions(from, found);
    } else if text.contains("/.nvm/versions/")
        || from
            .variables
            .get("VIRTUAL_ENV")
            .is_some_and(|v| entry.starts_with(v))
    {
        let Some(prefix) = entry.parent() else { return };
        found.see(prefix);
    } else if let Some(prefix) = from
        .home
        .as_deref()
        .and_then(|home| crate::versions::on_path(entry, home))
    {
        found.see(&prefix);
        found.on_path(&prefix.join("bin").to_string_lossy());
        return;
    } else if let Some(product) = entry
        .strip_prefix("/opt")
        .ok()
        .and_then(|rest| rest.components().next())
    {
        found.see(&Path::new("/opt").join(product));
    } else if [".local/bin", "go/bin", ".bun/bin", ".deno/bin"]
        .iter()
        .any(|known| entry.ends_with(known))
    {
        let shared = from
            .home
            .iter()
            .flat_map(|home| SHARED.map(|folder| home.join(folder)));
        let shared: Vec<PathBuf> = shared
            .filter(|p| text.ends_with(".local/bin") && p.is_dir())
            .collect();
        found.see_programs(entry, &shared);
        shared.iter().for_each(|p| found.see(p));
    } else {
        return;
    }
    if !text.contains("/.pyenv/")
        && !from
            .variables
            .get("PYENV_ROOT")
            .is_some_and(|root| text.starts_with(root.as_str()))
    {
        found.on_path(&text);
    }
}

fn rust(from: &SearchFrom, found: &mut Toolchains) {
    if let Some(rustup) = from.folder("RUSTUP_HOME", ".rustup") {
        found.see(&rustup);
        found.set("RUSTUP_HOME", &rustup.to_string_lossy());
        // Installing a toolchain on the fly would need the network and a writable folder.
        found.set("RUSTUP_AUTO_INSTALL", "0");
    }
    // Cargo writes locks into its home, so that is a fresh one; the downloaded crates are lent to it.
    let home = format!("{HOME}/.cargo");
    if let Some(registry) = from
        .folder("CARGO_HOME", ".cargo")
        .map(|c| c.join("registry"))
        .filter(|p| p.is_dir())
    {
        found.add(Mount {
            host: registry,
            inside: format!("{home}/registry"),
            writable: false,
        });
    }
    found.set("CARGO_HOME", &home);
}

/// The versions that pyenv's shims would choose, without the shims: those are shell scripts that search for a minute.
fn python_versions(from: &SearchFrom, found: &mut Toolchains) {
    let Some(root) = from.folder("PYENV_ROOT", ".pyenv") else {
        return;
    };
    let chosen = from
        .variables
        .get("PYENV_VERSION")
        .cloned()
        .or_else(|| std::fs::read_to_string(root.join("version")).ok());
    for version in chosen
        .unwrap_or_default()
        .split([':', '\n', ' '])
        .filter(|v| !v.is_empty() && !v.contains('/') && !v.starts_with('.'))
    {
        let prefix = root.join("versions").join(version);
        if prefix.join("bin").is_dir() {
            found.see(&prefix);
            found.on_path(&prefix.join("bin").to_string_lossy());
        }
    }
}

impl Toolchains {
    /// Seen at its own place.
    fn see(&mut self, folder: &Path) {
        // A link is followed on the host: inside, its target need not exist.
        let host = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.into());
        self.add(Mount {
            host,
            inside: folder.to_string_lossy().into_owned(),
            writable: false,
        });
    }
    /// The programs of a folder where people also keep scripts of their own, with keys in them: compiled ones, and what
    /// links lead to in the folders that are seen anyway.
    fn see_programs(&mut self, folder: &Path, shared: &[PathBuf]) {
        let shared: Vec<PathBuf> = shared
            .iter()
            .filter_map(|folder| std::fs::canonicalize(folder).ok())
            .collect();
        let entries = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .take(ENTRIES_MOST);
        let mut shown: Vec<(PathBuf, PathBuf)> = entries
            .filter_map(|entry| Some((entry.path(), std::fs::canonicalize(entry.path()).ok()?)))
            .filter(|(_, real)| {
                shared.iter().any(|folder| real.starts_with(folder)) || is_compiled(real)
            })
            .collect();
        shown.sort();
        // Rustup, for example, is a dozen programs in one.
        let mut first: BTreeMap<PathBuf, String> = BTreeMap::new();
        for (path, host) in shown.into_iter().take(PROGRAMS_MOST) {
            let inside = path.to_string_lossy().into_owned();
            match first.get(&host) {
                Some(target) => self.link(inside, target),
                None => {
                    first.insert(host.clone(), inside.clone());
                    self.add(Mount {
                        host,
                        inside,
                        writable: false,
                    });
                }
            }
        }
    }
    fn add(&mut self, mount: Mount) {
        if !self.mounts.contains(&mount) && crate::launch::is_mountable(&mount.inside) {
            self.mounts.push(mount);
        }
    }
    fn link(&mut self, inside: String, target: &str) {
        // A folder may stand on the search path twice.
        if !self.links.iter().any(|(there, _)| *there == inside)
            && crate::launch::is_mountable(&inside)
        {
            self.links.push((inside, target.to_owned()));
        }
    }
    fn on_path(&mut self, entry: &str) {
        if !self.path.iter().any(|e| e == entry) {
            self.path.push(entry.into());
        }
    }
    fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.into(), value.into());
    }
}

/// Begins as programs for the kernel itself do, not as a script.
fn is_compiled(path: &Path) -> bool {
    use std::io::Read as _;
    let mut magic = [0; 4];
    path.metadata().is_ok_and(|about| about.is_file())
        && std::fs::File::open(path)
            .and_then(|mut file| file.read_exact(&mut magic))
            .is_ok()
        && magic == *b"\x7fELF"
}

/// The fixed part of every command's environment.
pub(crate) fn base_environment(found: &Toolchains) -> BTreeMap<String, String> {
    let fixed = [
        ("HOME", HOME),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("TMPDIR", "/tmp"),
        ("USER", "keiko"),
        ("LOGNAME", "keiko"),
    ];
    let mut env: BTreeMap<String, String> = fixed
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    env.insert("PATH".into(), found.path.join(":"));
    env.extend(found.env.clone());
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(folders: &[&str]) -> (tempfile::TempDir, SearchFrom) {
        let home = tempfile::tempdir().unwrap();
        for folder in folders {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let from = SearchFrom {
            home: Some(home.path().into()),
            ..SearchFrom::default()
        };
        (home, from)
    }

    #[test]
    fn credentials_beside_a_toolchain_are_not_under_a_bound_folder() {
        let (home, mut from) = home_with(&[".cargo/bin", ".cargo/registry", ".rustup"]);
        let secret = home.path().join(".cargo/credentials.toml");
        std::fs::write(&secret, "token").unwrap();
        std::fs::write(home.path().join(".cargo/bin/cargo"), b"\x7fELF...").unwrap();
        from.path = home
            .path()
            .join(".cargo/bin")
            .to_string_lossy()
            .into_owned();
        let found = toolchains(&from);
        assert_eq!(found.mounts.len(), 3);
        assert!(
            found
                .mounts
                .iter()
                .all(|m| !secret.starts_with(&m.host) && !m.writable)
        );
    }

    #[test]
    fn scripts_of_a_person_are_not_programs() {
        let (home, mut from) =
            home_with(&[".local/bin", ".local/share/pipx/venvs/tool/bin", "private"]);
        let bin = home.path().join(".local/bin");
        std::fs::write(
            home.path().join(".local/share/pipx/venvs/tool/bin/tool"),
            "#!/usr/bin/python3\n",
        )
        .unwrap();
        std::fs::write(
            home.path().join("private/deploy"),
            "#!/bin/sh\nTOKEN=secret\n",
        )
        .unwrap();
        std::fs::write(bin.join("uv"), b"\x7fELF...").unwrap();
        std::fs::write(bin.join("wrapper"), "#!/bin/sh\nAPI_KEY=secret exec tool\n").unwrap();
        std::fs::write(bin.join("notes"), "secret").unwrap();
        std::os::unix::fs::symlink("uv", bin.join("uvx")).unwrap();
        for (target, name) in [
            (
                home.path().join(".local/share/pipx/venvs/tool/bin/tool"),
                "tool",
            ),
            (home.path().join("private/deploy"), "deploy"),
        ] {
            std::os::unix::fs::symlink(target, bin.join(name)).unwrap();
        }
        from.path = format!("{0}:{0}", bin.display());
        let found = toolchains(&from);
        let shown: Vec<_> = found
            .mounts
            .iter()
            .map(|m| m.inside.rsplit('/').next().unwrap_or_default())
            .collect();
        assert_eq!(shown, ["tool", "uv", "venvs"]);
        let place = |name: &str| bin.join(name).display().to_string();
        assert_eq!(found.links, [(place("uvx"), place("uv"))]);
        assert!(
            found.mounts.iter().all(
                |m| m.host.is_absolute() && !m.host.starts_with(&bin) || m.host.ends_with("uv")
            ),
            "{found:?}"
        );
    }

    #[test]
    fn the_machine_is_shown_as_what_may_be_used_of_it() {
        let text = memory_of(&Limits {
            memory_mib: 256,
            ..Limits::default()
        });
        assert!(
            text.starts_with("MemTotal:         262144 kB\n") && text.contains("MemAvailable:"),
            "{text}"
        );
        let text = without_names(
            "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Foo\nflags\t\t: avx2\ncpu MHz\t\t: 1\n\nprocessor\t: 1\n",
        );
        assert_eq!(text, "processor\t: 0\nflags\t\t: avx2\n\nprocessor\t: 1\n");
    }

    #[test]
    fn settings_with_tokens_inside_a_toolchain_are_hidden() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["v20/etc/npmrc", "v20/bin/node", "pip.conf"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "secret").unwrap();
        }
        let mount = Mount {
            host: dir.path().into(),
            inside: "/home/keiko/.nvm".into(),
            writable: false,
        };
        let hidden = credentials(&[mount]);
        for inside in [
            "/home/keiko/.nvm/pip.conf",
            "/home/keiko/.nvm/v20/etc/npmrc",
        ] {
            assert!(hidden.iter().any(|path| path == inside), "{hidden:?}");
        }
        assert!(!hidden.iter().any(|path| path.ends_with("node")));
    }

    #[test]
    fn shims_are_replaced_by_the_version_that_they_choose() {
        let (home, mut from) = home_with(&[
            ".pyenv/shims",
            ".pyenv/versions/3.12.1/bin",
            ".pyenv/versions/3.8.0/bin",
        ]);
        std::fs::write(home.path().join(".pyenv/version"), "3.12.1\n").unwrap();
        from.path = format!("{0}/.pyenv/shims:/usr/bin", home.path().display());
        let found = toolchains(&from);
        assert_eq!(
            found.path[0],
            format!("{}/.pyenv/versions/3.12.1/bin", home.path().display())
        );
        assert_eq!(found.mounts.len(), 1);
    }

    #[test]
    fn toolchains_of_the_home_count_without_a_shell_that_knows_them() {
        let (home, mut from) =
            home_with(&[".nvm/versions/node/v20.1.0/bin", ".cargo/bin", ".rustup"]);
        std::fs::write(home.path().join(".cargo/bin/cargo"), b"\x7fELF...").unwrap();
        std::fs::write(
            home.path().join(".nvm/versions/node/v20.1.0/bin/node"),
            b"\x7fELF...",
        )
        .unwrap();
        from.path = "/nowhere".into();
        let found = toolchains(&from);
        let on_path = |program: &str| {
            found
                .path
                .iter()
                .any(|entry| Path::new(entry).join(program).is_file())
        };
        assert!(on_path("node") && on_path("cargo"), "{found:?}");
    }

    #[test]
    fn an_unknown_folder_of_the_home_is_not_seen() {
        let (home, mut from) = home_with(&["private/bin", ".ssh/bin"]);
        from.path = format!(
            "{0}/private/bin:{0}/.ssh/bin:relative:",
            home.path().display()
        );
        assert_eq!(toolchains(&from).mounts, []);
    }

    #[test]
    fn a_version_file_cannot_point_elsewhere() {
        let (home, mut from) = home_with(&[".pyenv/shims", ".pyenv/bin", "other/bin"]);
        std::fs::write(home.path().join(".pyenv/version"), "../../other\n..\n").unwrap();
        from.path = home
            .path()
            .join(".pyenv/shims")
            .to_string_lossy()
            .into_owned();
        assert_eq!(toolchains(&from).mounts, []);
    }
}
