//! The tables, and the way from an older format to this one.
//!
//! Streams, kinds and views stand as small integers in the rows; an event keeps only its own hash, because the one
//! before it is in the row before; a head with nothing in it is NULL. An event costs about 70 bytes beside its body.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Marks the file as ours: "KEIK".
const APPLICATION_ID: i64 = 0x4B45_494B;

/// Each brings a database from the format of its index to the next one. Never changed once released.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE streams(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE events(
        position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
        version INTEGER NOT NULL, at INTEGER NOT NULL, head TEXT, payload BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX events_of_stream ON events(stream, seq);
    CREATE TABLE blobs(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE views(
        view INTEGER NOT NULL, key TEXT NOT NULL, sort INTEGER NOT NULL, grp TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY(view, key)) STRICT, WITHOUT ROWID;
    CREATE INDEX views_sorted ON views(view, sort);
    CREATE INDEX views_grouped ON views(view, grp, sort);
    CREATE TABLE leases(
        stream INTEGER PRIMARY KEY, owner BLOB, fence INTEGER NOT NULL, taken INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;
    CREATE TABLE kills(scope TEXT PRIMARY KEY, epoch INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE flushes(id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
    INSERT INTO flushes VALUES (1, 0);
"];

/// The format that this build writes.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Why a database is not usable.
#[derive(Debug)]
pub(crate) enum SchemaError {
    Newer { found: i64 },
    Foreign,
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        SchemaError::Sql(error)
    }
}

/// Looks whether the database is ours, without changing it. Returns its format; 0 is an empty file.
pub(crate) fn inspect(conn: &mut Connection) -> Result<i64, SchemaError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    format_of(&tx)
}

/// Wants one snapshot for its three questions: between two of them another process may fill the empty file, and half
/// an old answer with half a new one is what another program's database looks like.
fn format_of(tx: &Transaction<'_>) -> Result<i64, SchemaError> {
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = tx.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application == APPLICATION_ID {
        return if found > VERSION {
            Err(SchemaError::Newer { found })
        } else {
            Ok(found)
        };
    }
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found == 0 && application == 0 && tables == 0 {
        Ok(0)
    } else {
        Err(SchemaError::Foreign)
    }
}

/// Brings the database to [`VERSION`]. Two processes may do so at once: the second finds it done.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), SchemaError> {
    if inspect(conn)? == VERSION {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = usize::try_from(format_of(&tx)?).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(found) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_database_becomes_ours_once() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(inspect(&mut conn).unwrap(), 0);
        migrate(&mut conn).unwrap();
        assert_eq!(inspect(&mut conn).unwrap(), VERSION);
        migrate(&mut conn).unwrap();
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE theirs(x)").unwrap();
        assert!(matches!(migrate(&mut conn), Err(SchemaError::Foreign)));
        let tables: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }
}
