//! SQLite's result codes as the errors that callers can act on.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_ports::journal::{CommitError, ReadError};
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why a journal could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// A newer Keiko wrote it.
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this build knows.
        known: i64,
    },
    /// Some other file, or another program's database.
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Another process kept it locked for longer than [`crate::Options::busy_timeout`].
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// No room on the disk.
    Full {
        /// The file.
        path: PathBuf,
    },
    /// This user may not write it, or its directory.
    Permission {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that the system or the database says.
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        why: Said,
    },
}

impl OpenError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            OpenError::NewerVersion { found, known, .. } => say!(
                "the journal has format {found}; this Keiko knows formats up to {known}",
                found,
                known
            ),
            OpenError::NotADatabase { .. } => say!("the file is not a Keiko journal"),
            OpenError::Locked { .. } => say!("the journal is locked by another process"),
            OpenError::Full { .. } => say!("the disk with the journal is full"),
            OpenError::Permission { .. } => say!("the journal cannot be opened for writing"),
            OpenError::Io { why, .. } => say!("the journal cannot be opened: {why}", why),
        }
    }
}

keiko_contracts::said_is_error!(OpenError);

impl OpenError {
    /// The file that was to be opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            OpenError::NewerVersion { path, .. }
            | OpenError::NotADatabase { path }
            | OpenError::Locked { path }
            | OpenError::Full { path }
            | OpenError::Permission { path }
            | OpenError::Io { path, .. } => path,
        }
    }

    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (code, hint) = match self {
            OpenError::NewerVersion { .. } => (
                Code::JOURNAL_NEWER,
                say!(
                    "update Keiko, then try again; `{step}` shows what you have",
                    step = Step::Version
                ),
            ),
            OpenError::NotADatabase { .. } => (
                Code::NO_JOURNAL,
                Said::from("move that file away or name another journal, then try again"),
            ),
            OpenError::Locked { .. } => (
                Code::JOURNAL_LOCKED,
                say!(
                    "try again; if it stays, `{step}` shows who holds the journal",
                    step = Step::Doctor
                ),
            ),
            OpenError::Full { .. } => (
                Code::DISK_FULL_AT_OPENING,
                Said::from("make room on that disk, then try again"),
            ),
            OpenError::Permission { .. } => (
                Code::JOURNAL_NOT_PERMITTED,
                Said::from("`ls -ld` that file and its directory: both must be yours to write"),
            ),
            OpenError::Io { .. } => (
                Code::JOURNAL_NOT_OPENED,
                say!("`{step}` checks the journal", step = Step::Doctor),
            ),
        };
        let fault = Fault::new(code, self.said())
            .at(self.path().display())
            .hint(hint);
        if matches!(self, OpenError::Locked { .. } | OpenError::Full { .. }) {
            fault.transient(None)
        } else {
            fault
        }
    }

    pub(crate) fn from_sql(path: &Path, error: &rusqlite::Error) -> OpenError {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                OpenError::Permission { path }
            }
            _ => match Trouble::of(error) {
                Trouble::Busy => OpenError::Locked { path },
                Trouble::Full => OpenError::Full { path },
                Trouble::Broken => OpenError::Io {
                    path,
                    why: say!("{error}", error),
                },
            },
        }
    }

    pub(crate) fn from_io(path: &Path, error: &std::io::Error) -> OpenError {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                OpenError::Permission { path }
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                OpenError::Full { path }
            }
            _ => OpenError::Io {
                path,
                why: say!("{error}", error),
            },
        }
    }
}

/// What a failed statement means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another process has the lock.
    Busy,
    /// The medium is full.
    Full,
    /// Anything else: the connection is not to be trusted any more.
    Broken,
}

impl Trouble {
    pub(crate) fn of(error: &rusqlite::Error) -> Trouble {
        /// The shared-memory file could not grow: SQLite's way to say "full" there.
        const SHM_SIZE: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
        match error.sqlite_error() {
            Some(e) if e.extended_code == SHM_SIZE => Trouble::Full,
            Some(e) => match e.code {
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed => Trouble::Busy,
                ErrorCode::DiskFull => Trouble::Full,
                _ => Trouble::Broken,
            },
            None => Trouble::Broken,
        }
    }
}

pub(crate) fn commit_error(error: &rusqlite::Error) -> CommitError {
    match Trouble::of(error) {
        Trouble::Busy => CommitError::Busy,
        Trouble::Full => CommitError::Full,
        Trouble::Broken => CommitError::Broken {
            why: say!("{error}", error),
        },
    }
}

pub(crate) fn read_error(error: &rusqlite::Error) -> ReadError {
    ReadError::Broken(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(extended: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(extended), None)
    }

    #[test]
    fn extended_codes_become_what_a_caller_can_act_on() {
        use rusqlite::ffi;
        assert_eq!(
            commit_error(&sql(ffi::SQLITE_BUSY_SNAPSHOT)),
            CommitError::Busy
        );
        assert_eq!(
            commit_error(&sql(ffi::SQLITE_BUSY_RECOVERY)),
            CommitError::Busy
        );
        assert_eq!(commit_error(&sql(ffi::SQLITE_FULL)), CommitError::Full);
        assert_eq!(
            commit_error(&sql(ffi::SQLITE_IOERR_SHMSIZE)),
            CommitError::Full
        );
        assert!(matches!(
            commit_error(&sql(ffi::SQLITE_IOERR_FSYNC)),
            CommitError::Broken { .. }
        ));
        assert!(matches!(
            commit_error(&sql(ffi::SQLITE_CORRUPT_INDEX)),
            CommitError::Broken { .. }
        ));
    }

    #[test]
    fn every_refusal_to_open_has_its_own_code_and_names_the_file() {
        let path = PathBuf::from("j.db");
        let all = [
            OpenError::NewerVersion {
                path: path.clone(),
                found: 9,
                known: 1,
            },
            OpenError::NotADatabase { path: path.clone() },
            OpenError::Locked { path: path.clone() },
            OpenError::Full { path: path.clone() },
            OpenError::Permission { path: path.clone() },
            OpenError::Io {
                path,
                why: "x".into(),
            },
        ];
        let mut codes: Vec<Code> = all.iter().map(|e| e.fault().code).collect();
        assert_eq!(codes[0], "KEI-3010");
        assert!(
            all.iter()
                .all(|e| e.fault().place.as_deref() == Some("j.db") && e.fault().hint.is_some())
        );
        codes.dedup();
        assert_eq!(codes.len(), all.len());
    }
}
