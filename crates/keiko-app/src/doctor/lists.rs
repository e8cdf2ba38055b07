//! The lists of runs and approvals: whether they are what the runs' events say, and making them anew.

use super::{Remedy, Row, State};
use crate::home::Home;
use crate::wiring::setup;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::Seq;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::journal::ReadError;
use keiko_runtime::rebuild::{self, Stale, Thorough};
use keiko_store::{Options, SqliteJournal};

/// Most runs that are named.
const NAMED: usize = 3;

async fn stale(
    journal: &SqliteJournal,
    thorough: Thorough,
) -> Result<(usize, Vec<Stale>), ReadError> {
    let streams = journal.streams("run/").await?;
    let runs: Vec<(RunId, Seq)> = streams
        .iter()
        .filter_map(|(stream, last)| Some((stream.0.strip_prefix("run/")?.parse().ok()?, *last)))
        .collect();
    let stale = rebuild::stale(journal, &runs, thorough, &setup()).await?;
    Ok((runs.len(), stale))
}

/// Whether the lists say what the events say. A journal may hold years of runs: of those that have ended, their last
/// event is read, and only where a row does not go with it all of them.
pub(super) async fn look(journal: &SqliteJournal) -> Row {
    let (runs, stale) = match stale(journal, Thorough::WhereTheyDiffer).await {
        Ok(found) => found,
        Err(error) => return Row::fault("lists", State::Broken, &error.fault()),
    };
    if stale.is_empty() {
        return Row::ok("lists", say!("as the events of {n} runs say", n = runs));
    }
    let mut named: Vec<&str> = stale.iter().map(|stale| stale.run.as_str()).collect();
    named.dedup();
    let count = named.len();
    named.truncate(NAMED);
    let n = count - named.len();
    let runs = named.join(", ");
    let seen = if n > 0 {
        say!(
            "other than the events say, for {runs} and {n} more",
            runs,
            n
        )
    } else {
        say!("other than the events say, for {runs}", runs)
    };
    let row = Row::new("lists", State::Broken, seen)
        .todo("keiko doctor --fix (makes them anew; no event is touched)");
    Row {
        remedy: Some(Remedy::Lists),
        ..row
    }
}

/// Makes rows anew that are not as they should be, of whichever run; says how many.
pub(super) async fn rebuild(home: &Home) -> Result<Said, Fault> {
    let journal =
        SqliteJournal::open(home.journal(), Options::default()).map_err(|error| error.fault())?;
    let mended = match stale(&journal, Thorough::EveryRun).await {
        Ok((_, stale)) => rebuild::mend(&journal, stale)
            .await
            .map_err(|error| error.fault()),
        Err(error) => Err(error.fault()),
    };
    journal.close().await;
    Ok(say!("made the lists anew in {n} places", n = mended?))
}
