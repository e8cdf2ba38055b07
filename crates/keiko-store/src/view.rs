//! Views: rows that were committed with the events they follow from, listed in their order.

use crate::fault::read_error;
use crate::read::{Reader, upper_bound};
use keiko_contracts::journal::ViewRow;
use keiko_ports::journal::{ReadError, ViewQuery};
use rusqlite::{OptionalExtension, Row, ToSql, params};

/// Rows in a list when the query does not say.
const DEFAULT_LIMIT: u32 = 1000;
/// Rows in a list at most.
const MAX_LIMIT: u32 = 100_000;

fn row(row: &Row<'_>) -> rusqlite::Result<ViewRow> {
    Ok(ViewRow {
        key: row.get(0)?,
        sort: row.get(1)?,
        group: row.get(2)?,
        body: row.get(3)?,
    })
}

pub(crate) fn get(reader: &Reader, view: &str, key: &str) -> Result<Option<ViewRow>, ReadError> {
    let sql = "SELECT key, sort, grp, body FROM views WHERE view = (SELECT id FROM names WHERE name = ?1) AND key = ?2";
    let mut query = reader
        .conn
        .prepare_cached(sql)
        .map_err(|e| read_error(&e))?;
    query
        .query_row(params![view, key], row)
        .optional()
        .map_err(|e| read_error(&e))
}

pub(crate) fn list(
    reader: &Reader,
    view: &str,
    query: &ViewQuery,
) -> Result<Vec<ViewRow>, ReadError> {
    let limit = i64::from(if query.limit == 0 {
        DEFAULT_LIMIT
    } else {
        query.limit.min(MAX_LIMIT)
    });
    let upper = query.key_prefix.as_deref().map(upper_bound);
    let mut sql =
        "SELECT key, sort, grp, body FROM views WHERE view = (SELECT id FROM names WHERE name = ?)"
            .to_owned();
    let mut values: Vec<&dyn ToSql> = vec![&view];
    if let Some(group) = &query.group {
        sql.push_str(" AND grp = ?");
        values.push(group);
    }
    if let (Some(prefix), Some(upper)) = (&query.key_prefix, &upper) {
        sql.push_str(" AND key >= ? AND key < ?");
        values.push(prefix);
        values.push(upper);
    }
    sql.push_str(if query.newest_first {
        " ORDER BY sort DESC, key DESC LIMIT ?"
    } else {
        " ORDER BY sort, key LIMIT ?"
    });
    values.push(&limit);
    let mut query = reader
        .conn
        .prepare_cached(&sql)
        .map_err(|e| read_error(&e))?;
    let rows = query.query_map(&*values, row).map_err(|e| read_error(&e))?;
    rows.collect::<rusqlite::Result<_>>()
        .map_err(|e| read_error(&e))
}
