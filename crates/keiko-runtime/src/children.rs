//! Runs below a run: the effect that starts one drives it, in this process, until it ends or waits.
//!
//! It is a run like any other, with a stream, a lease, a budget and an inbox of its own. Its id follows from the key of the
//! effect, so that after a crash the same run is taken up again. When it waits, the effect stays open and the run above
//! waits with it; whoever takes that one up takes this one up.

use crate::drive::{DriveError, Driver, DriverOf, Order, Rest, Unwatched, WeakDriver};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use keiko_contracts::action::{Outcome, Probe, RunAction, RunReport, RunRest};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::journal::{Seq, StreamId};
use keiko_contracts::run::{RunEnd, RunTerms, StartRun};
use keiko_governance::core::{Core, Setup};
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often a run below that another process drives is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Drives runs below others. It is one of the driver's own ports, so the driver is told to it afterwards.
pub struct ChildRuns<S: Setup> {
    setup: S,
    driver: OnceLock<WeakDriver>,
}

impl<S: Setup> ChildRuns<S> {
    /// For runs that work with this.
    #[must_use]
    pub fn new(setup: S) -> Arc<Self> {
        Arc::new(ChildRuns {
            setup,
            driver: OnceLock::new(),
        })
    }

    /// From now on this driver drives them.
    pub fn are_driven_by(&self, driver: &Driver) {
        // A second driver would not know which runs the first one drives.
        let _ = self.driver.set(driver.downgrade());
    }
}

#[async_trait]
impl<S> Perform<RunAction> for ChildRuns<S>
where
    S: Setup,
    S::Core: Core<Start = StartRun, Terms = RunTerms, End = RunEnd>,
{
    async fn perform(
        &self,
        permit: Permit<RunAction>,
        _live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<RunRest> {
        let (key, action) = permit.consume();
        let start = *action.start;
        if start.run != RunId::child_of(&key) {
            return Outcome::Failed(Fault::new(
                Code::REQUEST_NOT_RENDERED,
                "a run below has an id that does not follow from its effect",
            ));
        }
        let Some(driver) = self.driver.get().and_then(WeakDriver::upgrade) else {
            return Outcome::Failed(Fault::new(
                Code::REQUEST_NOT_RENDERED,
                "no runs can be started below this one",
            ));
        };
        let with = driver.with_of(key.run);
        let driver = driver.of(self.setup.clone());
        loop {
            let order = match order(&driver, &start).await {
                Ok(order) => order,
                Err(fault) => return Outcome::Failed(fault),
            };
            match driver
                .drive_with(order, with.clone(), Arc::new(Unwatched), cancel.clone())
                .await
            {
                Ok(Rest::Ended(end)) => {
                    return Outcome::Done(RunRest::Ended(report(start.run, &end)));
                }
                Ok(Rest::Waiting(_)) => return Outcome::Done(RunRest::Waits(start.run)),
                Err(DriveError::HasEnded(_)) => return ended(&driver, start.run).await,
                // Another process has it, or the one that had it died and its lease holds on.
                Err(DriveError::Live { for_ms, .. }) => tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(for_ms).min(LOOK_AGAIN)) => {}
                    () = cancel.cancelled() => return Outcome::Done(RunRest::Waits(start.run)),
                },
                // Somebody who was overtaken had begun it in between: it is there, and is taken up.
                Err(DriveError::Exists(_)) => {}
                Err(error) => return Outcome::Failed(error.fault()),
            }
        }
    }

    async fn probe(&self, _key: &EffectKey, _action: &RunAction) -> Probe<RunRest> {
        Probe::DidNot
    }
}

/// Begins it, or takes it up where it has begun.
async fn order<C>(driver: &DriverOf<C>, start: &StartRun) -> Result<Order<C>, Fault>
where
    C: Core<Start = StartRun, Terms = RunTerms>,
{
    let first = driver
        .ports()
        .journal
        .read(&StreamId::run(start.run), Seq(0))
        .next()
        .await;
    Ok(match first.transpose().map_err(|error| error.fault())? {
        None => Order::Start(Box::new(start.clone())),
        Some(_) => Order::Resume {
            run: start.run,
            by: start.by.clone(),
            terms: RunTerms::default(),
        },
    })
}

async fn ended<C>(driver: &DriverOf<C>, run: RunId) -> Outcome<RunRest>
where
    C: Core<End = RunEnd>,
{
    match driver.fold(run).await {
        Ok(state) => match state.ended() {
            Some(end) => Outcome::Done(RunRest::Ended(report(run, end))),
            None => Outcome::Done(RunRest::Waits(run)),
        },
        Err(error) => Outcome::Failed(error.fault()),
    }
}

fn report(run: RunId, end: &RunEnd) -> RunReport {
    RunReport {
        run,
        status: end.status,
        summary: end.summary.clone(),
        tree: end.card.tree_after.clone(),
        cost: end.card.cost,
        cut_off: end.card.cut_off,
    }
}

/// No runs are started below others here.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRuns;

#[async_trait]
impl Perform<RunAction> for NoRuns {
    async fn perform(
        &self,
        _permit: Permit<RunAction>,
        _live: LiveSink,
        _cancel: Cancel,
    ) -> Outcome<RunRest> {
        Outcome::Failed(Fault::new(
            Code::REQUEST_NOT_RENDERED,
            "no runs can be started below this one",
        ))
    }
    async fn probe(&self, _key: &EffectKey, _action: &RunAction) -> Probe<RunRest> {
        Probe::DidNot
    }
}
