//! How the file and its connections are opened.

use crate::fault::OpenError;
use crate::schema::{self, SchemaError};
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How a journal is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long to wait for another process that writes before saying so. Default 5 s.
    pub busy_timeout: Duration,
    /// After how long a lazy commit is synced if no barrier came. Default 500 ms.
    pub flush_after: Duration,
    /// After how long without a commit the write-ahead log is folded into the file. Default 5 s.
    pub checkpoint_after: Duration,
    /// For tests only: what goes wrong on purpose.
    #[doc(hidden)]
    pub faults: Faults,
}

/// What goes wrong on purpose in tests.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// A file layer other than SQLite's own.
    pub vfs: Option<String>,
    /// Barriers are not synced: the fault that a power-cut test must notice.
    pub skip_sync: bool,
    /// The file may not grow beyond so many pages.
    pub max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            busy_timeout: Duration::from_secs(5),
            flush_after: Duration::from_millis(500),
            checkpoint_after: Duration::from_secs(5),
            faults: Faults::default(),
        }
    }
}

impl Options {
    /// The busy timeout within SQLite's range.
    pub(crate) fn patience(&self) -> Duration {
        self.busy_timeout.min(Duration::from_secs(3600))
    }
}

/// The write-ahead log is cut back to this many bytes after a checkpoint.
const JOURNAL_SIZE_LIMIT: i64 = 8 << 20;
/// Statements kept prepared; there are about thirty.
const STATEMENTS: usize = 64;

/// Creates the file, readable by its owner only, and its directory where they are missing.
pub(crate) fn prepare_file(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(parent) = parent
        && !parent.exists()
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => File::open(parent.unwrap_or(Path::new(".")))?.sync_all(),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => tighten(path),
        Err(e) => Err(e),
    }
}

/// SQLite gives `-wal` and `-shm` the mode of the file itself. The file is not opened here: closing it again would
/// drop the locks that this process holds on it.
fn tighten(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0
        && let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700))
    {
        tracing::warn!(%error, "others may read the journal");
    }
    Ok(())
}

fn open(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match &options.faults.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(path, flags)?,
    };
    conn.busy_timeout(options.patience())?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch(
        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;",
    )?;
    Ok(conn)
}

/// A connection that only reads.
pub(crate) fn reader(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let conn = open(path, options)?;
    conn.execute_batch("PRAGMA query_only=ON; PRAGMA cache_size=-1024;")?;
    Ok(conn)
}

/// The connection that writes, on a database that is already ours.
pub(crate) fn writer(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let conn = open(path, options)?;
    make_writer(&conn, options)?;
    Ok(conn)
}

fn make_writer(conn: &Connection, options: &Options) -> rusqlite::Result<()> {
    use_wal(conn, options.patience())?;
    conn.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT)?;
    if let Some(pages) = options.faults.max_pages {
        conn.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Opens the database for the first time in this process: checks whose it is, and brings it to today's format.
pub(crate) fn first(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let sql = |error: rusqlite::Error| OpenError::from_sql(path, &error);
    let schema = |error: SchemaError| match error {
        SchemaError::Newer { found } => OpenError::NewerVersion {
            path: path.to_owned(),
            found,
            known: schema::VERSION,
        },
        SchemaError::Foreign => OpenError::NotADatabase {
            path: path.to_owned(),
        },
        SchemaError::Sql(error) => OpenError::from_sql(path, &error),
    };
    prepare_file(path).map_err(|error| OpenError::from_io(path, &error))?;
    let mut conn = open(path, options).map_err(sql)?;
    // Before anything is changed in a file that may not be ours.
    schema::inspect(&mut conn).map_err(schema)?;
    make_writer(&conn, options).map_err(sql)?;
    schema::migrate(&mut conn).map_err(schema)?;
    Ok(conn)
}

/// Turns the write-ahead log on. SQLite does not wait for a lock here, so this does.
fn use_wal(conn: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let mode: rusqlite::Result<String> =
            conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Err(error) if crate::fault::Trouble::of(&error) != crate::fault::Trouble::Busy => {
                return Err(error);
            }
            stuck if Instant::now() >= until => {
                let locked = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                return Err(stuck
                    .err()
                    .unwrap_or(rusqlite::Error::SqliteFailure(locked, None)));
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
