//! What takes space, put together from what lies on disk and from what the journal says of the runs it belongs to.

use crate::home::Home;
use crate::rows;
use futures_util::StreamExt as _;
use keiko_contracts::action::{HostReport, Outcome, Report};
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{CommitId, Source};
use keiko_contracts::journal::{Seq, StreamId};
use keiko_contracts::run::{RunEnd, RunEvent, RunStatus};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::Journal;
use keiko_runtime::fold;
use keiko_workspace::space::{
    Cached, Holding, Patience, Pruned, Size, Space, Standing, Taken, What,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is said of a run that could not be read or was not looked at: it stays.
const UNKNOWN: &str = "unknown";

/// Everything that takes space.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered {
    pub(crate) holdings: Vec<Holding>,
    /// The goals of the runs, for people.
    pub(crate) goals: BTreeMap<RunId, String>,
    /// The sets as they were listed.
    pub(crate) caches: BTreeMap<String, Cached>,
    /// Bytes that an interrupted removal left behind.
    pub(crate) rest: u64,
    /// Whether all of it was looked at and measured.
    pub(crate) whole: bool,
}

impl Gathered {
    /// Bytes that folders of runs take, and those that installed dependencies take.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let sum = |runs: bool| {
            let of_kind = self
                .holdings
                .iter()
                .filter(|one| matches!(one.what, What::Run(_)) == runs);
            of_kind.fold(0u64, |sum, one| sum.saturating_add(one.bytes))
        };
        (sum(true), sum(false))
    }
}

/// What the journal says of a run, as far as its folder is concerned.
#[derive(Debug, Default)]
struct Told {
    source: Option<Source>,
    pushed: Vec<CommitId>,
    end: Option<Box<RunEnd>>,
    /// Something was written by a newer Keiko.
    opaque: bool,
}

/// Looks at everything, for as long as there is patience.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) async fn gather(
    journal: &dyn Journal,
    space: &Space,
    patience: &mut Patience,
) -> Result<Gathered, Fault> {
    let mut all = Gathered {
        whole: true,
        ..Gathered::default()
    };
    // Before the runs: whoever fills or uses one of these by now has a folder that is seen below.
    let caches = space.caches();
    let mut used: BTreeMap<String, RunId> = BTreeMap::new();
    let mut needed = BTreeSet::new();
    for run in space.runs() {
        let (standing, ended) = if patience.is_over() {
            all.whole = false;
            (Standing::Needed(UNKNOWN.into()), None)
        } else {
            look(journal, space, run, &mut all.goals).await?
        };
        if matches!(standing, Standing::Needed(_)) {
            needed.insert(run);
            used.extend(space.sets_of(run).into_iter().map(|set| (set, run)));
        }
        let last_used = ended.max(space.touched(run)).unwrap_or_default();
        let size = space.size_of_run(run, patience);
        all.add(What::Run(run), size, last_used, standing);
    }
    for cached in caches {
        let user = cached
            .filled_by
            .filter(|run| needed.contains(run))
            .or_else(|| used.get(&cached.name).copied());
        let standing = user.map_or(Standing::Rebuildable, |run| {
            Standing::Needed(run.to_string())
        });
        let size = space.size_of_cache(&cached.name, patience);
        all.add(
            What::Cache(cached.name.clone()),
            size,
            cached.last_used,
            standing,
        );
        all.caches.insert(cached.name.clone(), cached);
    }
    let rest = space.size_of_rest(patience);
    all.rest = rest.bytes;
    all.whole &= rest.whole;
    Ok(all)
}

impl Gathered {
    fn add(&mut self, what: What, size: Size, last_used: Timestamp, standing: Standing) {
        self.whole &= size.whole;
        self.holdings.push(Holding {
            what,
            bytes: size.bytes,
            measured: size.whole,
            last_used,
            standing,
        });
    }
}

/// When a run's workspace was given back, if it was.
pub(crate) fn pruned(home: &Home, run: RunId) -> Option<Pruned> {
    Space::below(&home.data, &home.cache).pruned(run)
}

/// Whether a run needs its folder, and when it ended.
async fn look(
    journal: &dyn Journal,
    space: &Space,
    run: RunId,
    goals: &mut BTreeMap<RunId, String>,
) -> Result<(Standing, Option<Timestamp>), Fault> {
    let needed = |word: &str| Ok((Standing::Needed(word.to_owned()), None));
    let shown = rows::of(journal, run).await?;
    if let Some(shown) = &shown {
        goals.insert(run, shown.goal.clone());
    }
    if journal
        .holder(&StreamId::run(run))
        .await
        .map_err(|error| error.fault())?
        .is_some()
    {
        return needed(RunStatus::Running.word());
    }
    // Of a run that waits or was stopped its row says enough: the folder stays.
    if let Some(state) = shown.as_ref().map(|shown| shown.state)
        && state.may_go_on()
    {
        return needed(if state == RunStatus::Running {
            RunStatus::Interrupted.word()
        } else {
            state.word()
        });
    }
    let told = match tell(journal, run).await {
        Ok(Some(told)) => told,
        // A folder that belongs to no run: nobody can say whether its change was taken over.
        Ok(None) => return Ok((Standing::Unapplied, None)),
        Err(error) => {
            tracing::debug!(%error, %run, "a run cannot be read, so its folder stays");
            return needed(UNKNOWN);
        }
    };
    let Some(end) = &told.end else {
        let word = shown
            .filter(|_| !told.opaque)
            .map(|shown| shown.state.word());
        return needed(word.unwrap_or(if told.opaque {
            UNKNOWN
        } else {
            RunStatus::Interrupted.word()
        }));
    };
    Ok((standing(space, run, &told, end), Some(end.card.ended)))
}

/// Reads a run's events; nothing when there are none.
async fn tell(journal: &dyn Journal, run: RunId) -> Result<Option<Told>, fold::FoldError> {
    let (mut told, mut seen) = (Told::default(), false);
    let mut events = journal.read(&StreamId::run(run), Seq(0));
    while let Some(recorded) = events.next().await {
        seen = true;
        match fold::hydrate::<RunEvent>(journal, &recorded?).await {
            Ok(RunEvent::RunStarted(start)) => told.source = start.source,
            Ok(RunEvent::EffectEnded(ended)) => {
                if let Outcome::Done(Report::Host(HostReport::Pushed { commit, .. })) =
                    ended.outcome
                {
                    told.pushed.push(CommitId(commit));
                }
            }
            Ok(RunEvent::RunEnded(end)) => told.end = Some(end),
            Ok(_) => {}
            Err(error) if error.is_newer() => told.opaque = true,
            Err(error) => return Err(error),
        }
    }
    Ok(seen.then_some(told))
}

/// Whether the result of a run that has ended was taken over.
fn standing(space: &Space, run: RunId, told: &Told, end: &RunEnd) -> Standing {
    if matches!(told.source, Some(Source::Copy { .. })) {
        return Standing::Taken(Taken::Check);
    }
    let (before, after) = (&end.card.tree_before, &end.card.tree_after);
    match after {
        None if before.is_none() => Standing::Taken(Taken::Unchanged),
        after if after == before => Standing::Taken(Taken::Unchanged),
        Some(tree) if space.is_applied(run, tree) => Standing::Taken(Taken::Applied),
        Some(tree)
            if told
                .pushed
                .iter()
                .any(|commit| space.tree_of(run, commit).as_ref() == Some(tree)) =>
        {
            Standing::Taken(Taken::Pushed)
        }
        _ => Standing::Unapplied,
    }
}
