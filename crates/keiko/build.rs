//! Lists the files of the bundled repositories, so that the binary carries them, and what `keiko version` shows.

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
    built_from();
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

/// What `keiko version` shows. Who builds says the commit: `./keiko` does, and so do packagers. Asked for here, it would have
/// every commit build the program again.
fn built_from() {
    const COMMIT: &str = "KEIKO_BUILD_COMMIT";
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let is_name = |text: &String| {
        !text.is_empty()
            && text.len() <= 64
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let commit = env::var(COMMIT)
        .ok()
        .filter(is_name)
        .unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env={COMMIT}={commit}");
    // Cargo tells only which profile a profile is derived from; the folder has the name: target/PROFILE/build/keiko-HASH/out.
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let folder = out
        .ancestors()
        .nth(3)
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    let profile = match folder.as_deref() {
        None | Some("") => "unknown".to_owned(),
        Some("debug") => "dev".to_owned(),
        Some(name) => name.to_owned(),
    };
    println!("cargo::rustc-env=KEIKO_BUILD_PROFILE={profile}");
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
