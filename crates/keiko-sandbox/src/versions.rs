//! Toolchains that version managers keep in the user's home: nvm, fnm, Volta, asdf, mise, Go's own downloads.
//!
//! Their shims are scripts or need the manager's whole folder, so a version is chosen here and its folder is shown, as the
//! managers themselves choose: what the search path names, else the version that is the user's default, else the newest.

use std::path::{Path, PathBuf};

/// Longest settings file that is read, bytes.
const SETTINGS_MAX: u64 = 64 << 10;
/// Most versions of one manager that are looked at.
const VERSIONS_MAX: usize = 512;

/// A folder of versions below the home, and where in one of them its `bin` lies.
struct Keeper {
    /// The folder that holds versions.
    versions: &'static str,
    /// From a version to what has `bin` in it.
    below: &'static str,
    /// The program that it is about.
    program: &'static str,
}

const KEEPERS: [Keeper; 10] = [
    Keeper {
        versions: ".nvm/versions/node",
        below: "",
        program: "node",
    },
    Keeper {
        versions: ".local/share/fnm/node-versions",
        below: "installation",
        program: "node",
    },
    Keeper {
        versions: ".fnm/node-versions",
        below: "installation",
        program: "node",
    },
    Keeper {
        versions: ".volta/tools/image/node",
        below: "",
        program: "node",
    },
    Keeper {
        versions: ".asdf/installs/nodejs",
        below: "",
        program: "node",
    },
    Keeper {
        versions: ".local/share/mise/installs/node",
        below: "",
        program: "node",
    },
    Keeper {
        versions: ".asdf/installs/golang",
        below: "go",
        program: "go",
    },
    Keeper {
        versions: ".local/share/mise/installs/go",
        below: "",
        program: "go",
    },
    Keeper {
        versions: "sdk",
        below: "",
        program: "go",
    },
    Keeper {
        versions: ".asdf/installs/python",
        below: "",
        program: "python3",
    },
];

/// The installation that a folder on the search path belongs to: its prefix.
pub(crate) fn on_path(entry: &Path, home: &Path) -> Option<PathBuf> {
    // fnm and mise name theirs by links that last as long as a shell.
    let real = entry.canonicalize().ok()?;
    let home = home.canonicalize().ok()?;
    let prefix = real.parent().filter(|_| real.ends_with("bin"))?;
    KEEPERS.iter().find_map(|manager| {
        let below = prefix.strip_prefix(home.join(manager.versions)).ok()?;
        let version = below.components().next()?;
        let whole = home
            .join(manager.versions)
            .join(version)
            .join(manager.below);
        (whole == prefix).then(|| prefix.to_owned())
    })
}

/// The installation that counts where the search path names none: of a shell that the manager was not set up in.
pub(crate) fn default_of(program: &str, home: &Path) -> Option<PathBuf> {
    let mut ours = KEEPERS.iter().filter(|manager| manager.program == program);
    ours.find_map(|manager| {
        let folder = home.join(manager.versions);
        let mut versions = versions(&folder, manager, program);
        versions.sort();
        let newest = versions.pop()?;
        let wanted = chosen(manager, home);
        let chosen = wanted.and_then(|wanted| {
            versions
                .into_iter()
                .rev()
                .find(|(version, _)| matches(version, &wanted))
        });
        Some(match chosen {
            Some((_, prefix)) => prefix,
            None => newest.1,
        })
    })
}

/// The versions that are there, each with its prefix.
fn versions(folder: &Path, manager: &Keeper, program: &str) -> Vec<(Vec<u32>, PathBuf)> {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(VERSIONS_MAX);
    let found = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| {
            let version = numbers(entry.file_name().to_str()?);
            let prefix = entry.path().join(manager.below);
            let there = prefix
                .join("bin")
                .join(program)
                .metadata()
                .is_ok_and(|about| about.is_file());
            (there && !version.is_empty()).then_some((version, prefix))
        });
    found.collect()
}

/// The user's default, as the manager has it.
fn chosen(manager: &Keeper, home: &Path) -> Option<Vec<u32>> {
    let said = match manager.versions {
        ".nvm/versions/node" => read(&home.join(".nvm/alias/default"))?,
        ".volta/tools/image/node" => {
            let platform: serde_json::Value =
                serde_json::from_str(&read(&home.join(".volta/tools/user/platform.json"))?).ok()?;
            platform.pointer("/node/runtime")?.as_str()?.to_owned()
        }
        ".asdf/installs/nodejs" => tool_version(home, "nodejs")?,
        ".asdf/installs/golang" => tool_version(home, "golang")?,
        ".asdf/installs/python" => tool_version(home, "python")?,
        _ => return None,
    };
    Some(numbers(said.trim())).filter(|version| !version.is_empty())
}

/// `nodejs 20.1.0` of the home's `.tool-versions`.
fn tool_version(home: &Path, name: &str) -> Option<String> {
    let text = read(&home.join(".tool-versions"))?;
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')
            .map(|version| version.trim().to_owned())
    })
}

fn read(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    path.symlink_metadata()
        .ok()
        .filter(|about| about.is_file())?;
    std::fs::File::open(path)
        .ok()?
        .take(SETTINGS_MAX)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// `v20.11.1`, `go1.22.0` as numbers; nothing of a word such as `lts/iron`.
fn numbers(version: &str) -> Vec<u32> {
    let digits = version.trim_start_matches("go").trim_start_matches('v');
    digits
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// A default of `20` takes any 20.
fn matches(version: &[u32], wanted: &[u32]) -> bool {
    version.len() >= wanted.len() && version[..wanted.len()] == *wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(programs: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for program in programs {
            let path = home.path().join(program);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"\x7fELF").unwrap();
        }
        home
    }

    #[test]
    fn what_the_path_names_by_a_link_is_found() {
        let home = home(&[
            ".local/share/fnm/node-versions/v20.1.0/installation/bin/node",
            "private/v1/bin/node",
        ]);
        let shell = home.path().join("multishell");
        std::os::unix::fs::symlink(
            home.path()
                .join(".local/share/fnm/node-versions/v20.1.0/installation"),
            &shell,
        )
        .unwrap();
        let found = on_path(&shell.join("bin"), home.path()).unwrap();
        assert!(
            found.ends_with(".local/share/fnm/node-versions/v20.1.0/installation"),
            "{found:?}"
        );
        assert_eq!(
            on_path(&home.path().join("private/v1/bin"), home.path()),
            None
        );
        assert_eq!(
            on_path(
                &home.path().join(".local/share/fnm/node-versions"),
                home.path()
            ),
            None
        );
    }

    #[test]
    fn a_default_is_chosen_as_its_manager_does() {
        let home = home(&[
            ".nvm/versions/node/v18.20.0/bin/node",
            ".nvm/versions/node/v20.9.0/bin/node",
            ".nvm/versions/node/v20.11.1/bin/node",
            ".nvm/versions/node/v9.0.0/bin/node",
            "sdk/go1.9/bin/go",
            "sdk/go1.22.1/bin/go",
        ]);
        let chosen = |program: &str| {
            default_of(program, home.path()).map(|prefix| prefix.file_name().unwrap().to_owned())
        };
        assert_eq!(chosen("node").unwrap(), "v20.11.1", "the newest, by number");
        assert_eq!(chosen("go").unwrap(), "go1.22.1");
        std::fs::create_dir_all(home.path().join(".nvm/alias")).unwrap();
        for (said, wanted) in [
            ("18\n", "v18.20.0"),
            ("v20.9.0", "v20.9.0"),
            ("lts/iron", "v20.11.1"),
            ("7", "v20.11.1"),
        ] {
            std::fs::write(home.path().join(".nvm/alias/default"), said).unwrap();
            assert_eq!(chosen("node").unwrap(), wanted, "{said}");
        }
        assert_eq!(chosen("python3"), None);
    }
}
