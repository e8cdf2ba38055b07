//! The toolchain of Rust that a project asks for. One that is not installed is never fetched on the quiet: an installed one
//! is used in its place, and that is said.

use keiko_contracts::note::OpenNote;
use keiko_sandbox::foreign;
use std::path::Path;

/// The files that ask for a toolchain, the one that counts first.
const FILES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];
/// Most that is read of one, bytes.
const BYTES_MAX: u64 = 16 << 10;

/// A toolchain that is asked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absent {
    /// Where it is asked for, relative to the workspace.
    file: String,
    wanted: String,
    /// The installed one that is used.
    pub(crate) used: String,
}

impl Absent {
    pub(crate) fn note(self) -> OpenNote {
        OpenNote::ToolchainAbsent {
            file: self.file,
            wanted: self.wanted,
            used: self.used,
        }
    }
}

/// The variable by which rustup uses an installed one in a folder where another is asked for.
pub(crate) fn variable(tree: &Path, dir: &Path) -> Option<(String, String)> {
    let absent = absent(tree, dir, &keiko_sandbox::jail::rustup()?)?;
    Some(("RUSTUP_TOOLCHAIN".to_owned(), absent.used))
}

/// What counts in a folder of a workspace: the file there, or the next one above.
pub(crate) fn absent(tree: &Path, dir: &Path, rustup: &Path) -> Option<Absent> {
    let mut at = Some(dir);
    let (file, wanted) = loop {
        let dir = at?;
        let found = FILES.iter().find_map(|name| {
            let path = dir.join(name);
            let text = foreign::read_text(&tree.join(&path), BYTES_MAX)
                .filter(|_| !super::copy::behind_a_link(tree, &path))?;
            Some((path, channel(&text)))
        });
        if let Some((path, channel)) = found {
            break (path.to_str()?.to_owned(), channel?);
        }
        at = dir.parent();
    };
    let installed = installed(rustup);
    if installed.iter().any(|name| is(name, &wanted)) {
        return None;
    }
    let used = instead(&installed, &wanted, rustup)?;
    Some(Absent { file, wanted, used })
}

/// `1.80.0`, on a line of its own or as `channel = "1.80.0"`.
fn channel(text: &str) -> Option<String> {
    let named = text.lines().find_map(|line| {
        line.trim()
            .strip_prefix("channel")?
            .trim_start()
            .strip_prefix('=')
    });
    let alone = || {
        text.lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
    };
    let word = named
        .or_else(alone)?
        .split('#')
        .next()?
        .trim()
        .trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!word.is_empty() && word.len() < 80 && word.chars().all(plain)).then(|| word.to_owned())
}

/// Names of the toolchains that are there, in their order.
fn installed(rustup: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(rustup.join("toolchains"))
        .into_iter()
        .flatten()
        .flatten();
    let usable = entries.filter(|entry| entry.path().join("bin/cargo").exists());
    let mut names: Vec<String> = usable
        .filter_map(|entry| entry.file_name().into_string().ok())
        .take(200)
        .collect();
    names.sort();
    names
}

/// `stable-x86_64-unknown-linux-gnu` is `stable`.
fn is(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The one that is nearest: of the same version, the one that is set as usual, the stable one, any.
fn instead(installed: &[String], wanted: &str, rustup: &Path) -> Option<String> {
    let settings = foreign::read_text(&rustup.join("settings.toml"), BYTES_MAX).unwrap_or_default();
    let usual = settings
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("default_toolchain")?
                .split('"')
                .nth(1)
        })
        .unwrap_or_default();
    // Of `1.95`, a patch; of `nightly-2024-01-01`, another day's.
    let near = format!("{wanted}.");
    let nightly = wanted.starts_with("nightly");
    let find =
        |fits: &dyn Fn(&str) -> bool| installed.iter().rev().find(|name| fits(name)).cloned();
    find(&|name| name.starts_with(&near))
        .or_else(|| find(&|name| nightly && name.starts_with("nightly")))
        .or_else(|| find(&|name| name == usual))
        .or_else(|| find(&|name| name.starts_with("stable")))
        .or_else(|| installed.last().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_installed_toolchain_stands_in_for_one_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, rustup) = (dir.path().join("tree"), dir.path().join("rustup"));
        fs::create_dir_all(tree.join("sub/deep")).unwrap();
        for name in [
            "1.70.0-x86_64-unknown-linux-gnu",
            "stable-x86_64-unknown-linux-gnu",
            "nightly-x86_64-unknown-linux-gnu",
        ] {
            fs::create_dir_all(rustup.join("toolchains").join(name).join("bin")).unwrap();
            fs::write(rustup.join("toolchains").join(name).join("bin/cargo"), "").unwrap();
        }
        fs::create_dir_all(rustup.join("toolchains/broken")).unwrap();
        fs::write(
            rustup.join("settings.toml"),
            "default_toolchain = \"stable-x86_64-unknown-linux-gnu\"\n",
        )
        .unwrap();
        let used = |dir: &str| {
            absent(&tree, Path::new(dir), &rustup).map(|absent| (absent.file, absent.used))
        };
        assert_eq!(used("sub/deep"), None);
        for (text, instead) in [
            ("1.64.0\n", Some("stable-x86_64-unknown-linux-gnu")),
            (
                "[toolchain]\nchannel = \"1.70\" # pinned\n",
                Some("1.70.0-x86_64-unknown-linux-gnu"),
            ),
            (
                "[toolchain]\nchannel = \"nightly-2024-01-01\"\n",
                Some("nightly-x86_64-unknown-linux-gnu"),
            ),
            ("broken", Some("stable-x86_64-unknown-linux-gnu")),
            ("stable\n", None),
            ("[toolchain]\ncomponents = [\"clippy\"]\n", None),
            ("", None),
        ] {
            fs::write(tree.join("rust-toolchain"), text).unwrap();
            assert_eq!(
                used("sub/deep"),
                instead.map(|name| ("rust-toolchain".to_owned(), name.to_owned())),
                "{text}"
            );
        }
        fs::write(tree.join("rust-toolchain"), "1.64.0\n").unwrap();
        fs::write(
            tree.join("sub/rust-toolchain.toml"),
            "[toolchain]\nchannel = \"stable\"\n",
        )
        .unwrap();
        assert_eq!(used("sub/deep"), None, "the nearest counts");
    }
}
