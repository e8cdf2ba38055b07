//! No room: commits are refused, nothing is lost, and it goes on by itself once there is room.

use crate::fixture::{append, bodies, open, place};
use keiko_contracts::journal::{Append, Durability};
use keiko_ports::journal::{CommitError, Journal};
use keiko_store::{Faults, Options, SqliteJournal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn large(n: usize) -> Append {
    let bytes = vec![n as u8; 40_000 + n];
    Append {
        blobs: vec![crate::fixture::blob(&bytes)],
        ..append("run/a", &n.to_string())
    }
}

#[tokio::test]
async fn a_full_file_refuses_the_large_and_takes_the_small() {
    let (_dir, path) = place();
    let faults = Faults {
        max_pages: Some(120),
        ..Faults::default()
    };
    let journal = SqliteJournal::open(
        &path,
        Options {
            faults,
            ..Options::default()
        },
    )
    .unwrap();
    let mut taken = 0;
    while journal
        .commit(vec![large(taken)], Durability::Barrier)
        .await
        .is_ok()
    {
        taken += 1;
        assert!(taken < 100, "it never became full");
    }
    // In one group: the large one fails alone.
    let (full, small) = tokio::join!(
        journal.commit(vec![large(taken)], Durability::Barrier),
        async {
            journal
                .commit(vec![append("run/b", "small")], Durability::Barrier)
                .await
        }
    );
    assert_eq!(full, Err(CommitError::Full));
    small.unwrap();
    assert_eq!(bodies(&journal, "run/a").await.len(), taken);
    assert_eq!(journal.check().await, []);
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("disk")) else {
        eprintln!(
            "SKIPPED: a_full_disk_refuses_loses_nothing_and_recovers: tmpfs cannot be mounted: sudo cargo nextest run -E 'test(full_disk)'"
        );
        return;
    };
    let path = disk.0.join("journal.db");
    let filler = disk.0.join("filler");
    let journal = open(&path);
    let mut taken = 0;
    for round in 0..3 {
        while journal
            .commit(vec![large(taken)], Durability::Barrier)
            .await
            .is_ok()
        {
            taken += 1;
            if taken % 3 == 0 {
                let _ = std::fs::write(&filler, vec![0; taken * 40_000]);
            }
            assert!(taken < 200, "it never became full");
        }
        for _ in 0..3 {
            assert_eq!(
                journal
                    .commit(vec![large(taken)], Durability::Barrier)
                    .await,
                Err(CommitError::Full),
                "round {round}"
            );
        }
        assert_eq!(bodies(&journal, "run/a").await.len(), taken);
        let _ = std::fs::remove_file(&filler);
        journal
            .commit(
                vec![append("run/b", "there is room again")],
                Durability::Barrier,
            )
            .await
            .unwrap();
    }
    assert!(taken > 0);
    assert_eq!(journal.check().await, []);
    journal.close().await;
    let journal = open(&path);
    assert_eq!(
        (
            bodies(&journal, "run/a").await.len(),
            bodies(&journal, "run/b").await.len()
        ),
        (taken, 3)
    );
    journal.close().await;
}
