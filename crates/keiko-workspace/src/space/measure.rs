//! What a folder takes on disk, within bounds.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The most files and folders that are looked at.
const ENTRIES_MAX: u64 = 50_000_000;

/// What something takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether all of it was looked at: if not, it is at least so much.
    pub whole: bool,
}

impl std::iter::Sum for Size {
    fn sum<I: Iterator<Item = Size>>(all: I) -> Size {
        all.fold(
            Size {
                bytes: 0,
                whole: true,
            },
            |sum, one| Size {
                bytes: sum.bytes.saturating_add(one.bytes),
                whole: sum.whole && one.whole,
            },
        )
    }
}

/// How long somebody waits for all that is measured.
#[derive(Debug, Clone)]
pub struct Patience {
    until: Option<Instant>,
    entries: u64,
}

impl Patience {
    /// At most so long from now.
    #[must_use]
    pub fn of(time: Duration) -> Patience {
        Patience {
            until: Instant::now().checked_add(time),
            entries: ENTRIES_MAX,
        }
    }

    /// Until all of it is measured.
    #[must_use]
    pub fn endless() -> Patience {
        Patience {
            until: None,
            entries: u64::MAX,
        }
    }

    /// Whether nothing more is to be looked at.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.entries == 0 || self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn spend(&mut self) -> bool {
        self.entries = self.entries.saturating_sub(1);
        // The clock is not asked for each of millions.
        self.entries > 0 && (!self.entries.is_multiple_of(256) || !self.is_over())
    }
}

/// Measures a folder; nothing when there is none. Links are not followed, other file systems not entered, and a file with
/// several names counts once.
pub(super) fn measure(dir: &Path, patience: &mut Patience) -> Size {
    let mut size = Size {
        bytes: 0,
        whole: true,
    };
    let Ok(top) = dir.symlink_metadata() else {
        return size;
    };
    if !top.is_dir() || patience.is_over() {
        return Size {
            whole: !top.is_dir(),
            ..size
        };
    }
    size.bytes = on_disk(&top);
    let (mut open, mut linked) = (vec![dir.to_owned()], BTreeSet::new());
    while let Some(at) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else {
            size.whole = false;
            continue;
        };
        for entry in entries.flatten() {
            if !patience.spend() {
                return Size {
                    whole: false,
                    ..size
                };
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev()
                || (!meta.is_dir() && meta.nlink() > 1 && !linked.insert(meta.ino()))
            {
                continue;
            }
            size.bytes = size.bytes.saturating_add(on_disk(&meta));
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    size
}

fn on_disk(meta: &std::fs::Metadata) -> u64 {
    meta.blocks().saturating_mul(512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_followed_and_names_of_one_file_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("large"), vec![1; 1 << 20]).unwrap();
        }
        std::fs::hard_link(inside.join("large"), inside.join("again")).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let size = measure(&inside, &mut Patience::endless());
        assert!(
            size.whole && (1 << 20..(1 << 20) + 65_536).contains(&size.bytes),
            "{size:?}"
        );
        assert_eq!(
            measure(&dir.path().join("none"), &mut Patience::endless()),
            Size {
                bytes: 0,
                whole: true
            }
        );
    }

    #[test]
    fn a_huge_tree_is_measured_for_as_long_as_somebody_waits() {
        let dir = tempfile::tempdir().unwrap();
        for name in 0..600 {
            std::fs::write(dir.path().join(name.to_string()), "x").unwrap();
        }
        let mut none = Patience::of(Duration::ZERO);
        assert!(!measure(dir.path(), &mut none).whole);
        let mut few = Patience {
            until: None,
            entries: 300,
        };
        let size = measure(dir.path(), &mut few);
        assert!(!size.whole && size.bytes > 0 && few.is_over(), "{size:?}");
    }
}
