//! The rows of runs, as lists have them.

use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::run::RunRow;
use keiko_ports::journal::{Journal, ViewQuery};
use keiko_runtime::views;

/// The row of a run; none when there is no such run, or its row cannot be read.
pub(crate) async fn of(journal: &dyn Journal, run: RunId) -> Result<Option<RunRow>, Fault> {
    let found = journal
        .view_get(views::RUNS, &run.to_string())
        .await
        .map_err(|error| error.fault())?;
    Ok(found.and_then(|row| serde_json::from_slice(&row.body).ok()))
}

/// The newest rows, without a look at who drives them.
pub(crate) async fn newest(journal: &dyn Journal, limit: u32) -> Result<Vec<RunRow>, Fault> {
    let query = ViewQuery {
        newest_first: true,
        limit,
        ..ViewQuery::default()
    };
    let rows = journal
        .view_list(views::RUNS, query)
        .await
        .map_err(|error| error.fault())?;
    Ok(rows
        .iter()
        .filter_map(|row| serde_json::from_slice(&row.body).ok())
        .collect())
}
