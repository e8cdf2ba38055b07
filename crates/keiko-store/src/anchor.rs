//! The anchor: a small file beside the journal that says how far it had come.
//!
//! A chain of hashes shows what was changed inside it, not that its end is missing: a flipped bit in a write-ahead
//! log, or an older copy put back, leaves a shorter journal that is sound in itself. The anchor names an event that
//! was durable once; if it is gone, something was lost. It may lag behind, and it may be absent: then it says nothing.

use keiko_contracts::digest::Digest;
use keiko_contracts::journal::Position;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A durable event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Its position.
    pub(crate) position: Position,
    /// Its hash.
    pub(crate) hash: Digest,
}

/// Longest anchor file read, in bytes; a sound one has about a hundred.
const MAX_BYTES: u64 = 256;

/// Where the anchor of a journal lies.
pub(crate) fn path_of(journal: &Path) -> PathBuf {
    with_suffix(journal, ".anchor")
}

/// Where an anchor is kept whose event was missing when the journal was opened.
pub(crate) fn lost_path_of(journal: &Path) -> PathBuf {
    with_suffix(journal, ".anchor.lost")
}

pub(crate) fn with_suffix(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// How far a journal had come whose file is not there any more; nothing where there never was one.
#[must_use]
pub fn missing(journal: &Path) -> Option<Position> {
    if journal.symlink_metadata().is_ok() {
        return None;
    }
    [path_of(journal), lost_path_of(journal)]
        .iter()
        .filter_map(|path| Anchor::load(path))
        .map(|anchor| anchor.position)
        .max()
}

impl Anchor {
    fn parse(text: &str) -> Option<Anchor> {
        let mut words = text.split_whitespace();
        if words.next() != Some("keiko-anchor-1") {
            return None;
        }
        let position = Position(words.next()?.parse().ok()?);
        let hash = words.next()?.parse().ok()?;
        Some(Anchor { position, hash })
    }

    /// Reads an anchor. `None` if there is none that can be understood.
    pub(crate) fn load(path: &Path) -> Option<Anchor> {
        let text = std::fs::metadata(path)
            .ok()
            .filter(|m| m.is_file() && m.len() <= MAX_BYTES)
            .and_then(|_| std::fs::read_to_string(path).ok());
        Anchor::parse(&text?)
    }

    /// Writes the anchor unless a later one is there, whole or not at all. Not synced: an anchor that a power cut
    /// leaves empty or old says less, never something wrong.
    pub(crate) fn store(&self, path: &Path) -> io::Result<()> {
        static ATTEMPT: AtomicU64 = AtomicU64::new(0);
        if Anchor::load(path).is_some_and(|there| there.position >= self.position) {
            return Ok(());
        }
        let attempt = ATTEMPT.fetch_add(1, Ordering::Relaxed);
        let draft = with_suffix(path, &format!(".{}-{attempt}", std::process::id()));
        let mut private = OpenOptions::new();
        private.write(true).create(true).truncate(true).mode(0o600);
        let written = private
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(
                    format!("keiko-anchor-1 {} {}\n", self.position, self.hash).as_bytes(),
                )
            })
            .and_then(|()| std::fs::rename(&draft, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_comes_back_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_of(&dir.path().join("j"));
        let anchor = |n| Anchor {
            position: Position(n),
            hash: Digest::of(&[n as u8]),
        };
        anchor(7).store(&path).unwrap();
        anchor(5).store(&path).unwrap();
        assert_eq!(Anchor::load(&path), Some(anchor(7)));
        anchor(9).store(&path).unwrap();
        assert_eq!(Anchor::load(&path), Some(anchor(9)));
        assert_eq!(missing(&dir.path().join("j")), Some(Position(9)));
        std::fs::write(dir.path().join("j"), "").unwrap();
        assert_eq!(missing(&dir.path().join("j")), None);
        assert_eq!(missing(&dir.path().join("another")), None);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            2,
            "beside the journal, no drafts are left behind"
        );
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "like the journal itself"
        );
    }

    #[test]
    fn what_is_not_an_anchor_says_nothing() {
        for text in [
            "",
            "keiko-anchor-1",
            "keiko-anchor-1 x y",
            "keiko-anchor-2 1 00",
            "keiko-anchor-1 -1 ",
        ] {
            assert_eq!(Anchor::parse(text), None, "{text:?}");
        }
    }
}
