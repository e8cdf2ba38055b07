//! What `keiko version` shows.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    built_from();
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
