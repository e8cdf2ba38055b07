//! Which processes have a file locked: the kernel lists it in `/proc/locks`. No file is opened for that: closing one would
//! take this process's own locks away.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Most processes that are named.
const NAMED: usize = 5;

/// Other processes that hold a lock on one of these files, for people: `4711 (keiko run)`. Writers come first.
pub(crate) fn of(files: &[&Path]) -> Vec<String> {
    let files: Vec<File> = files
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|meta| File {
            device: (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev())),
            inode: meta.ino(),
        })
        .collect();
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let found = holders(&locks, &files, std::process::id());
    found
        .into_iter()
        .take(NAMED)
        .map(|pid| format!("{pid} ({})", name(pid)))
        .collect()
}

fn name(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .filter(|word| !word.is_empty());
    let program = words
        .next()
        .map(|word| word.rsplit('/').next().unwrap_or_default().to_owned());
    let first = words
        .next()
        .filter(|word| word.chars().all(char::is_alphanumeric));
    match (program, first) {
        (None, _) => "of another user or container".into(),
        (Some(program), None) => program.chars().take(40).collect(),
        (Some(program), Some(first)) => format!("{program} {first}").chars().take(40).collect(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct File {
    device: (u32, u32),
    inode: u64,
}

/// The processes in a text such as `5: POSIX  ADVISORY  WRITE 14577 fe:00:10100749 1073741826 1073742335`.
fn holders(locks: &str, files: &[File], own: u32) -> Vec<u32> {
    let rows = || {
        locks.lines().filter_map(|line| {
            // A line with an arrow is of one that waits.
            let words: Vec<&str> = line.split_whitespace().collect();
            let (kind, pid, place) = (*words.get(3)?, words.get(4)?.parse().ok()?, words.get(5)?);
            let mut parts = place.split(':');
            let device = (
                u32::from_str_radix(parts.next()?, 16).ok()?,
                u32::from_str_radix(parts.next()?, 16).ok()?,
            );
            let file = File {
                device,
                inode: parts.next()?.parse().ok()?,
            };
            (pid != own && pid != 0 && words.get(1) != Some(&"->")).then_some((
                kind == "WRITE",
                pid,
                file,
            ))
        })
    };
    // Layered file systems show another device than the kernel's list does.
    let exact: Vec<_> = rows().filter(|(.., file)| files.contains(file)).collect();
    let any = || {
        rows()
            .filter(|(.., file)| files.iter().any(|wanted| wanted.inode == file.inode))
            .collect()
    };
    let found: Vec<(bool, u32, File)> = if exact.is_empty() { any() } else { exact };
    let mut seen = BTreeSet::new();
    let writers = found.iter().filter(|(writes, ..)| *writes);
    let readers = found.iter().filter(|(writes, ..)| !writes);
    writers
        .chain(readers)
        .map(|(_, pid, _)| *pid)
        .filter(|pid| seen.insert(*pid))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "1: FLOCK  ADVISORY  WRITE 10277 fe:00:6037804 0 EOF\n\
        2: POSIX  ADVISORY  READ 14591 fe:00:7 128 128\n\
        3: POSIX  ADVISORY  WRITE 14577 fe:00:7 1073741826 1073742335\n\
        3: -> POSIX  ADVISORY  WRITE 99 fe:00:7 1073741826 1073742335\n\
        4: POSIX  ADVISORY  READ 14591 fe:00:8 128 128\n\
        5: POSIX  ADVISORY  READ 4 fe:01:7 128 128\n\
        nonsense\n6: POSIX ADVISORY READ x y";

    #[test]
    fn writers_come_first_and_each_process_once() {
        let file = |inode| File {
            device: (0xfe, 0),
            inode,
        };
        assert_eq!(holders(LOCKS, &[file(7), file(8)], 1), [14577, 14591]);
        assert_eq!(
            holders(LOCKS, &[file(7), file(8)], 14577),
            [14591],
            "not this one itself"
        );
        assert_eq!(holders(LOCKS, &[file(9)], 1), Vec::<u32>::new());
        assert_eq!(
            holders(
                LOCKS,
                &[File {
                    device: (0, 77),
                    inode: 8
                }],
                1
            ),
            [14591],
            "on a layered file system"
        );
        assert_eq!(holders("", &[file(7)], 1), Vec::<u32>::new());
    }

    #[test]
    fn a_process_has_a_name() {
        assert!(!name(std::process::id()).is_empty());
        assert_eq!(name(u32::MAX), "of another user or container");
    }
}
