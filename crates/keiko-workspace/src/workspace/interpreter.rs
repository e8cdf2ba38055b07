//! The interpreter behind a virtual environment of the user's: its installation is shown read-only, and nothing beside it.
//!
//! A `pyvenv.cfg` is a text in a folder that anybody may have written. What it names is shown only when it is an
//! installation of Python by its shape, and only as much of it as is known to hold no more than that: the whole prefix where a
//! tool that installs Pythons keeps nothing else there, otherwise the interpreter, its library and its headers alone.

use keiko_sandbox::spec::Mount;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// Most that is read of a `pyvenv.cfg`, bytes.
const CONFIG_MAX: u64 = 4 << 10;
/// Links that are followed from a virtual environment's `python`, one after another.
const LINKS_MAX: usize = 8;
/// Most shared libraries of an interpreter outside of a known kind of prefix.
const LIBRARIES_MAX: usize = 8;

/// Where tools that install Pythons keep each of them in a folder of its own: the last parts of the folder's parent.
const KINDS: [&str; 9] = [
    ".pyenv/versions",
    ".local/share/uv/python",
    ".asdf/installs/python",
    ".local/share/mise/installs/python",
    ".local/share/rtx/installs/python",
    "miniconda3/envs",
    "anaconda3/envs",
    "miniforge3/envs",
    ".conda/envs",
];
/// Settings in an installation where registry tokens stand.
const CREDENTIALS: [&str; 4] = [".condarc", "pip.conf", ".pypirc", "etc/npmrc"];

/// What must be seen so that the `python` of a virtual environment runs. Empty when it is part of the system, or is none.
pub(super) fn mounts(venv: &Path, home: Option<&Path>, mask: &Path) -> Vec<Mount> {
    let mut out: Vec<Mount> = Vec::new();
    for python in pythons(venv) {
        for mount in of(&python, home, mask) {
            if !out.contains(&mount) {
                out.push(mount);
            }
        }
    }
    out
}

/// The interpreters that an environment names: in its record, and by what its `python` is a link to.
fn pythons(venv: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = named(venv)
        .into_iter()
        .flat_map(|home| [home.join("python3"), home.join("python")])
        .collect();
    for name in ["python", "python3"] {
        let mut at = venv.join("bin").join(name);
        for _ in 0..LINKS_MAX {
            let Ok(to) = std::fs::read_link(&at) else {
                break;
            };
            at = at.parent().unwrap_or(venv).join(to);
            if at.is_absolute() && !at.starts_with(venv) {
                found.push(at.clone());
            }
        }
    }
    found
}

/// `home` of `pyvenv.cfg`.
fn named(venv: &Path) -> Option<PathBuf> {
    let path = venv.join("pyvenv.cfg");
    // Not a pipe, which would be waited for.
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(&path)
        .ok()?
        .take(CONFIG_MAX)
        .read_to_string(&mut text)
        .ok()?;
    let home = text.lines().find_map(|line| {
        line.split_once('=')
            .filter(|(key, _)| key.trim() == "home")
            .map(|(_, value)| value.trim())
    })?;
    Some(PathBuf::from(home))
}

fn of(python: &Path, home: Option<&Path>, mask: &Path) -> Vec<Mount> {
    let plain = |path: &Path| {
        path.is_absolute()
            && path
                .components()
                .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    };
    let (true, Ok(real)) = (plain(python), python.canonicalize()) else {
        return Vec::new();
    };
    let (Some(shown), Some(prefix)) = (prefix_of(python), prefix_of(&real)) else {
        return Vec::new();
    };
    if real.starts_with("/usr") || !is_compiled(&real) || holds_home(prefix, home) {
        return Vec::new();
    }
    let Some(library) = library(prefix) else {
        return Vec::new();
    };
    let inside = |path: &Path| Some(path.to_str()?.to_owned());
    // At its own place, and under the name that the environment knows it by: uv's names without the patch level are links.
    let mut places: Vec<PathBuf> = vec![prefix.to_owned()];
    if shown != prefix && prefix_is(shown, prefix) {
        places.push(shown.to_owned());
    }
    let mut out = Vec::new();
    for place in places {
        if is_of_a_known_kind(prefix) {
            let Some(at) = inside(&place) else { continue };
            out.push(Mount {
                host: prefix.to_owned(),
                inside: at.clone(),
                writable: false,
            });
            let secret = CREDENTIALS
                .iter()
                .filter(|name| prefix.join(name).is_file());
            out.extend(secret.map(|name| Mount {
                host: mask.to_owned(),
                inside: format!("{at}/{name}"),
                writable: false,
            }));
        } else {
            for part in parts(prefix, &real, &library) {
                let Some(at) = part
                    .strip_prefix(prefix)
                    .ok()
                    .and_then(|part| inside(&place.join(part)))
                else {
                    continue;
                };
                out.push(Mount {
                    host: part,
                    inside: at,
                    writable: false,
                });
            }
        }
    }
    out
}

/// `<prefix>/bin/python3` belongs to `<prefix>`.
fn prefix_of(python: &Path) -> Option<&Path> {
    let bin = python
        .parent()
        .filter(|bin| bin.file_name() == Some(OsStr::new("bin")))?;
    bin.parent()
        .filter(|prefix| prefix.components().count() > 2)
}

/// Another name of the same folder, beside it.
fn prefix_is(name: &Path, prefix: &Path) -> bool {
    name.canonicalize().is_ok_and(|real| real == prefix)
        && name.parent().and_then(|p| p.canonicalize().ok()).as_deref() == prefix.parent()
}

/// The prefix is the user's home, a folder above it, or one that has a home's secrets in it.
fn holds_home(prefix: &Path, home: Option<&Path>) -> bool {
    let real = home.and_then(|home| home.canonicalize().ok());
    real.is_some_and(|home| home.starts_with(prefix))
        || [".ssh", ".gnupg", ".aws", ".kube"]
            .iter()
            .any(|name| prefix.join(name).exists())
}

/// `lib/python3.11`, which must have the standard library in it.
fn library(prefix: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(prefix.join("lib"))
        .ok()?
        .flatten()
        .take(4_096);
    let named = |entry: &std::fs::DirEntry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with("python") && !name.contains("..."))
    };
    let mut found: Vec<PathBuf> = entries
        .filter(named)
        .map(|entry| entry.path())
        .filter(|path| path.join("os.py").is_file())
        .collect();
    found.sort();
    found.pop()
}

fn is_of_a_known_kind(prefix: &Path) -> bool {
    let Some(parent) = prefix.parent() else {
        return false;
    };
    KINDS.iter().any(|kind| parent.ends_with(kind))
        || (prefix.join("conda-meta").is_dir() && prefix.join("bin/python").exists())
}

/// Of a prefix that may hold anything (`~/.local`, say): what Python itself needs.
fn parts(prefix: &Path, python: &Path, library: &Path) -> Vec<PathBuf> {
    let mut parts = vec![python.to_owned(), library.to_owned()];
    for name in ["python3", "python"] {
        let path = prefix.join("bin").join(name);
        if path != python && path.canonicalize().is_ok_and(|real| real == python) {
            parts.push(path);
        }
    }
    let libraries = std::fs::read_dir(prefix.join("lib"))
        .into_iter()
        .flatten()
        .flatten()
        .take(4_096);
    let libpython = |path: &PathBuf| {
        path.file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.starts_with("libpython"))
    };
    parts.extend(
        libraries
            .map(|entry| entry.path())
            .filter(libpython)
            .filter(|path| path.is_file())
            .take(LIBRARIES_MAX),
    );
    parts
}

/// Begins as programs for the kernel itself do, not as a script.
fn is_compiled(path: &Path) -> bool {
    let mut magic = [0; 4];
    path.metadata().is_ok_and(|about| about.is_file())
        && std::fs::File::open(path)
            .and_then(|mut file| file.read_exact(&mut magic))
            .is_ok()
        && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A Python by its shape.
    fn install(prefix: &Path) {
        fs::create_dir_all(prefix.join("bin")).unwrap();
        fs::create_dir_all(prefix.join("lib/python3.11")).unwrap();
        fs::write(prefix.join("lib/python3.11/os.py"), "").unwrap();
        fs::write(prefix.join("bin/python3.11"), b"\x7fELF...").unwrap();
        let _ = fs::remove_file(prefix.join("bin/python3"));
        std::os::unix::fs::symlink("python3.11", prefix.join("bin/python3")).unwrap();
    }

    fn venv(at: &Path, home: &Path) -> PathBuf {
        let venv = at.join(".venv");
        fs::create_dir_all(venv.join("bin")).unwrap();
        fs::write(
            venv.join("pyvenv.cfg"),
            format!("home = {}\nversion = 3.11.7\n", home.display()),
        )
        .unwrap();
        venv
    }

    fn shown(venv: &Path, home: &Path) -> Vec<PathBuf> {
        mounts(venv, Some(home), Path::new("/mask"))
            .into_iter()
            .map(|mount| PathBuf::from(mount.inside))
            .collect()
    }

    #[test]
    fn an_installation_of_a_known_kind_is_shown_whole_and_under_both_names() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let versions = home.join(".local/share/uv/python");
        install(&versions.join("cpython-3.11.7"));
        fs::write(versions.join("cpython-3.11.7/pip.conf"), "token").unwrap();
        std::os::unix::fs::symlink("cpython-3.11.7", versions.join("cpython-3.11")).unwrap();
        let venv = venv(&home, &versions.join("cpython-3.11/bin"));
        let at = [
            versions.join("cpython-3.11.7"),
            versions.join("cpython-3.11"),
        ];
        let expected: Vec<PathBuf> = at
            .iter()
            .flat_map(|prefix| [prefix.clone(), prefix.join("pip.conf")])
            .collect();
        assert_eq!(shown(&venv, &home), expected);
    }

    #[test]
    fn of_another_prefix_only_python_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let prefix = home.join(".local");
        install(&prefix);
        fs::create_dir_all(prefix.join("share/keyrings")).unwrap();
        fs::write(prefix.join("lib/libpython3.11.so.1.0"), "").unwrap();
        let venv = venv(&home, &prefix.join("bin"));
        let expected = [
            "bin/python3.11",
            "lib/python3.11",
            "bin/python3",
            "lib/libpython3.11.so.1.0",
        ]
        .map(|part| prefix.join(part));
        assert_eq!(shown(&venv, &home), expected);
    }

    #[test]
    fn what_a_record_names_must_be_a_python() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::write(home.join("bin/python3"), b"#!/bin/sh\n").unwrap();
        install(&home.join("jail/.pyenv/versions/3.11"));
        fs::write(
            home.join("jail/.pyenv/versions/3.11/bin/python3.11"),
            b"#!/bin/sh\n",
        )
        .unwrap();
        install(&home.join("top"));
        fs::create_dir_all(home.join("top/.ssh")).unwrap();
        for named in [
            ".ssh",
            "bin",
            "",
            "top/bin",
            "jail/.pyenv/versions/3.11/bin",
            "top/../.ssh/bin",
            "nowhere/bin",
        ] {
            let at = home.join("repo");
            let venv = venv(&at, &home.join(named));
            assert_eq!(shown(&venv, &home), Vec::<PathBuf>::new(), "{named}");
        }
        // The home itself, made to look like an installation.
        install(&home);
        let venv = venv(&home.join("repo"), &home.join("bin"));
        assert_eq!(shown(&venv, &home), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_pipe_in_place_of_the_record_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pyvenv.cfg"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        assert!(shown(dir.path(), dir.path()).is_empty());
    }
}
