//! Merging a file that both sides changed, on copies.

use crate::workspace::git::HostGit;
use crate::workspace::io_fault;
use keiko_contracts::code::Fault;
use std::path::Path;

/// The merged text; `None` when it does not merge cleanly.
pub(super) fn merge(
    git: &HostGit,
    base: &[u8],
    user: &[u8],
    run: &[u8],
) -> Result<Option<Vec<u8>>, Fault> {
    if [base, user, run].iter().any(|side| side.contains(&0)) {
        return Ok(None);
    }
    let dir = tempfile::tempdir().map_err(|e| io_fault("make a folder", Path::new("/tmp"), &e))?;
    for (name, bytes) in [("base", base), ("user", user), ("run", run)] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).map_err(|e| io_fault("write", &path, &e))?;
    }
    let path = |name: &str| dir.path().join(name).into_os_string();
    let args = [
        "merge-file".into(),
        "-p".into(),
        "-q".into(),
        path("user"),
        path("base"),
        path("run"),
    ];
    let said = git.call(Path::new("/dev/null"), args).try_run()?;
    Ok(said.ok.then_some(said.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_apart_and_refuses_together() {
        let dir = tempfile::tempdir().unwrap();
        let git = HostGit::new(dir.path()).unwrap();
        let base = b"1\n2\n3\n4\n5\n6\n7\n8\n";
        let merged = merge(
            &git,
            base,
            b"one\n2\n3\n4\n5\n6\n7\n8\n",
            b"1\n2\n3\n4\n5\n6\n7\neight\n",
        )
        .unwrap();
        assert_eq!(
            merged.as_deref(),
            Some(&b"one\n2\n3\n4\n5\n6\n7\neight\n"[..])
        );
        assert_eq!(merge(&git, base, b"a\n", b"b\n").unwrap(), None);
        assert_eq!(merge(&git, b"\0", b"\0a", b"\0b").unwrap(), None);
    }
}
