//! Dependency folders that the user already has: seen by the jail where they stand, read-only, without credentials.

use super::copy::is_credential;
use super::{Place, io_fault};
use keiko_contracts::code::Fault;
use keiko_sandbox::spec::Mount;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How deep below the root dependency folders are looked for, and how many are bound.
const DEPTH: usize = 3;
const MOST: usize = 16;

/// What folders with a virtual environment in them are called; the first that is there counts.
pub(crate) const VENVS: [&str; 3] = [".venv", "venv", "env"];

fn is_environment(path: &Path) -> bool {
    path.join("pyvenv.cfg")
        .symlink_metadata()
        .is_ok_and(|about| about.is_file())
}

/// Finds `node_modules` and virtual environments, as long as they are real folders inside the user's folder.
pub(crate) fn find(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((dir, depth)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&dir)) else {
            continue;
        };
        let mut names: Vec<_> = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
            .map(|e| e.file_name())
            .collect();
        names.sort();
        for name in names {
            let path = dir.join(&name);
            if is_dependency_dir(&root.join(&path)) {
                found.push(path);
            } else if depth < DEPTH && !name.to_string_lossy().starts_with('.') && name != "target"
            {
                open.push((path, depth + 1));
            }
        }
    }
    found.sort();
    found.truncate(MOST);
    found
}

fn is_dependency_dir(path: &Path) -> bool {
    match path.file_name().and_then(OsStr::to_str) {
        Some("node_modules") => true,
        Some(name) if VENVS.contains(&name) => is_environment(path),
        _ => false,
    }
}

/// Makes the empty folders that they are bound to; leaves out those whose files are in the workspace already (tracked).
pub(crate) fn make_mount_points(tree: &Path, found: Vec<PathBuf>) -> Result<Vec<PathBuf>, Fault> {
    let mut kept = Vec::new();
    for path in found {
        let inside = tree.join(&path);
        if inside.symlink_metadata().is_ok()
            || super::copy::behind_a_link(tree, &path)
            || !tree.join(path.parent().unwrap_or(Path::new(""))).is_dir()
        {
            continue;
        }
        std::fs::create_dir(&inside).map_err(|e| io_fault("make a folder", &inside, &e))?;
        kept.push(path);
    }
    Ok(kept)
}

/// The mounts of the user's dependency folders. Those in `replaced` come from our own cache instead.
pub(crate) fn mounts(
    place: &Place,
    root: &Path,
    deps: &[PathBuf],
    replaced: &[PathBuf],
) -> Vec<Mount> {
    let mut out = Vec::new();
    for path in deps.iter().filter(|p| !replaced.contains(p)) {
        let host = root.join(path);
        // Looked at again each time: the folder may have gone, or become a link, since.
        let is_real = host.symlink_metadata().is_ok_and(|m| m.is_dir())
            && !super::copy::behind_a_link(root, path);
        let mount_point = place.tree().join(path);
        let can_bind = mount_point.symlink_metadata().is_ok_and(|m| m.is_dir())
            && !super::copy::behind_a_link(&place.tree(), path);
        if !is_real || !can_bind {
            continue;
        }
        let Some(inside) = path.to_str().map(|p| format!("/workspace/{p}")) else {
            continue;
        };
        out.push(Mount {
            host: host.clone(),
            inside: inside.clone(),
            writable: false,
        });
        out.extend(credentials(&host).into_iter().map(|name| Mount {
            host: place.mask(),
            inside: format!("{inside}/{name}"),
            writable: false,
        }));
        if is_environment(&host) {
            let home = std::env::var_os("HOME").map(PathBuf::from);
            out.extend(super::interpreter::mounts(
                &host,
                home.as_deref(),
                &place.mask(),
            ));
        }
    }
    out
}

/// The virtual environment of the user's that counts in a folder of the workspace: the one there, or the next one above.
/// Where it is seen inside.
pub(crate) fn environment(deps: &[PathBuf], cwd: &str) -> Option<String> {
    let mut dir = Some(Path::new(cwd));
    while let Some(at) = dir {
        let found = VENVS
            .iter()
            .map(|name| at.join(name))
            .find(|path| deps.contains(path));
        if let Some(path) = found.as_deref().and_then(Path::to_str) {
            return Some(format!("/workspace/{path}"));
        }
        dir = at.parent();
    }
    None
}

/// Credential files in a dependency folder, two levels deep: packages are not configured deeper.
fn credentials(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let list = |path: &Path| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .collect::<Vec<_>>()
    };
    for entry in list(dir) {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        match entry.file_type() {
            Ok(t) if t.is_file() && is_credential(&entry.path()) => found.push(name),
            Ok(t) if t.is_dir() => found.extend(
                list(&entry.path())
                    .iter()
                    .filter(|e| {
                        e.file_type().is_ok_and(|t| t.is_file()) && is_credential(&e.path())
                    })
                    .filter_map(|e| e.file_name().to_str().map(|n| format!("{name}/{n}"))),
            ),
            _ => {}
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn binds_real_folders_and_masks_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("web/node_modules/a")).unwrap();
        fs::create_dir_all(root.join(".venv")).unwrap();
        fs::create_dir_all(root.join("venv")).unwrap();
        fs::write(root.join(".venv/pyvenv.cfg"), "").unwrap();
        fs::write(root.join("web/node_modules/.npmrc"), "_authToken=x").unwrap();
        fs::write(root.join("web/node_modules/a/.env"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("node_modules")).unwrap();
        let found = find(&root);
        assert_eq!(
            found,
            [PathBuf::from(".venv"), PathBuf::from("web/node_modules")]
        );

        let place = Place {
            dir: dir.path().join("run"),
        };
        fs::create_dir_all(place.tree().join("web")).unwrap();
        let kept = make_mount_points(&place.tree(), found).unwrap();
        let mounts = mounts(&place, &root, &kept, &[PathBuf::from(".venv")]);
        let inside: Vec<_> = mounts
            .iter()
            .map(|m| (m.inside.as_str(), m.host == place.mask()))
            .collect();
        assert_eq!(
            inside,
            [
                ("/workspace/web/node_modules", false),
                ("/workspace/web/node_modules/.npmrc", true),
                ("/workspace/web/node_modules/a/.env", true)
            ]
        );
        fs::remove_dir(place.tree().join("web/node_modules")).unwrap();
        std::os::unix::fs::symlink("/", place.tree().join("web/node_modules")).unwrap();
        assert!(
            super::mounts(&place, &root, &kept, &[PathBuf::from(".venv")]).is_empty(),
            "a mount point that became a link is not used"
        );
    }
}
