//! Lists the files of the bundled repositories, so that the binary carries them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The repositories below `demos/` that are bundled.
const BUNDLED: [&str; 2] = ["sample", "tour"];

fn main() -> io::Result<()> {
    let demos = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())
        .join("../../demos")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", demos.display());
    let mut code = String::new();
    for name in BUNDLED {
        let dir = demos.join(name);
        let files = list(&dir.join("repo"))?;
        let _ = writeln!(
            code,
            "pub(crate) const {}: Bundle = Bundle {{ repo: &{files}, history: &[",
            name.to_uppercase()
        );
        for step in sorted(&dir.join("history"))? {
            let folder = step
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let title = folder
                .split_once('-')
                .map_or(folder.as_str(), |(_, title)| title);
            let _ = writeln!(code, "({title:?}, &{}),", list(&step)?);
        }
        code.push_str("] };\n");
    }
    fs::write(
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bundles.rs"),
        code,
    )
}

/// The files below a folder as a Rust array of path and text.
fn list(root: &Path) -> io::Result<String> {
    let mut out = String::from("[");
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in sorted(&folder)? {
            if path.is_dir() {
                // What a test run in the source tree leaves behind is no part of it.
                if !path.ends_with("__pycache__") {
                    folders.push(path);
                }
                continue;
            }
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let _ = write!(
                out,
                "({name:?}, include_str!({:?})), ",
                path.to_string_lossy()
            );
        }
    }
    out.push(']');
    Ok(out)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
