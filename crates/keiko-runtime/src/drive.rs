//! Drives one run: decide, commit, carry out, and again, until it ends or waits.

use crate::effects::{self, Came, Job};
use crate::fold::{self, FoldError};
use crate::gate::{self, Standing};
use crate::hub::{Heard, Hub};
use crate::inbox;
use crate::ports::{DriveOptions, Ports, With};
use crate::telemetry;
use futures_util::StreamExt as _;
use keiko_contracts::action::{Action, Intent, Outcome, Recovery, Report};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::jail::{JailAction, JailOp};
use keiko_contracts::jail::{JailBody, JailReport};
use keiko_contracts::journal::{Epoch, Fence, Position, Recorded, Seq, StreamId};
use keiko_contracts::model::LiveFrame;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Ended, InboxMessage, RunEnd, RunEvent, Suspension};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_governance::core::{Core, CoreEvent, Env, Input, Price, Setup, Start, Terms, Wanted};
use keiko_governance::kept;
use keiko_ports::Cancel;
use keiko_ports::journal::{CommitError, LeaseError, ReadError};
use keiko_ports::live::LiveSink;
use keiko_ports::reply::ReplySink;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// How long cancelled effects may take to say what they got to.
const CANCEL_GRACE: Duration = Duration::from_secs(8);

/// Sees what happens. Must not block.
pub trait Watch<E = RunEvent>: Send + Sync {
    /// An event has been committed.
    fn event(&self, recorded: &Recorded, event: &E);
    /// Something passes by, and is not stored.
    fn frame(&self, key: &EffectKey, frame: LiveFrame);
    /// Asked once for each request to a model: where its answer goes as it comes, with nothing lost. The request waits for
    /// this consumer, so it must take what comes, or drop its end.
    fn reply(&self, _key: &EffectKey) -> Option<ReplySink> {
        None
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;
impl<E> Watch<E> for Unwatched {
    fn event(&self, _: &Recorded, _: &E) {}
    fn frame(&self, _: &EffectKey, _: LiveFrame) {}
}

/// Where a run stands when it is let go.
#[derive(Debug, Clone)]
pub enum Rest<E = RunEnd> {
    /// It ended.
    Ended(Arc<E>),
    /// It waits, holding nothing.
    Waiting(Suspension),
}

/// Why a run cannot be driven. What was committed stays; it can be taken up again.
#[derive(Debug)]
pub enum DriveError {
    /// Another process drives it, or this one does already.
    Live {
        /// The run.
        run: RunId,
        /// Who.
        holder: String,
        /// For how long.
        for_ms: u64,
    },
    /// It has ended.
    HasEnded(RunId),
    /// It was to be begun, and has begun before.
    Exists(RunId),
    /// The journal does not take a commit.
    Commit(CommitError),
    /// It cannot be read.
    Fold(FoldError),
    /// The journal cannot be read.
    Read(ReadError),
    /// The core refuses: a fault of this program.
    Core(Said),
    /// The workspace cannot be put back to what it was before an effect that a crash interrupted.
    Recovery {
        /// The effect.
        key: EffectKey,
        /// What putting it back came to.
        why: String,
    },
    /// The model has no price and a budget is set, or it is not known.
    Model(Fault),
}

impl DriveError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            DriveError::Live {
                run,
                holder,
                for_ms,
            } => say!(
                "run {run} is live already (worker {holder}, for another {for_ms} ms unless renewed)",
                run,
                holder,
                for_ms
            ),
            DriveError::HasEnded(inner) => say!("run {run} has ended", run = inner),
            DriveError::Exists(inner) => say!("there is a run {run} already", run = inner),
            DriveError::Commit(inner) => inner.said(),
            DriveError::Fold(inner) => inner.said(),
            DriveError::Read(inner) => inner.said(),
            DriveError::Core(inner) => say!("the run's core refuses: {why}", why = inner),
            DriveError::Recovery { key, why } => say!(
                "the workspace cannot be put back to what it was before the effect {key}: {why}",
                key,
                why
            ),
            DriveError::Model(inner) => inner.said(),
        }
    }
}

keiko_contracts::said_is_error!(DriveError);

impl From<CommitError> for DriveError {
    fn from(inner: CommitError) -> Self {
        DriveError::Commit(inner)
    }
}

impl From<FoldError> for DriveError {
    fn from(inner: FoldError) -> Self {
        DriveError::Fold(inner)
    }
}

impl From<ReadError> for DriveError {
    fn from(inner: ReadError) -> Self {
        DriveError::Read(inner)
    }
}

impl DriveError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            DriveError::Live { run, .. } => Fault::new(Code::RUN_LIVE, self.said()).hint(say!(
                "follow it: {step}",
                step = Step::of_run(OfRun::Follow, *run)
            )),
            DriveError::Exists(run) => Fault::new(Code::RUN_EXISTS, self.said()).hint(say!(
                "look at it: {step}",
                step = Step::of_run(OfRun::Show, *run)
            )),
            DriveError::HasEnded(run) => Fault::new(Code::RUN_ENDED, self.said()).hint(say!(
                "look at it: {step}",
                step = Step::of_run(OfRun::Show, *run)
            )),
            DriveError::Commit(error) => error.fault(),
            DriveError::Fold(error) => error.fault(),
            DriveError::Read(error) => error.fault(),
            DriveError::Core(_) => Fault::new(Code::CORE_REFUSES, self.said())
                .hint("this is a fault of Keiko's; please report it"),
            DriveError::Recovery { key, .. } => Fault::new(Code::EFFECT_NOT_UNDONE, self.said())
                .hint(say!(
                    "{doctor}, then {resume}",
                    doctor = Step::Doctor,
                    resume = Step::resume(key.run)
                )),
            DriveError::Model(fault) => fault.clone(),
        }
    }
}

/// Drives runs. A process has one: it knows which runs are driven here, whatever core they have.
#[derive(Clone)]
pub struct Driver {
    parts: Arc<Parts>,
}

/// A driver, for one of its own ports, which must not keep it.
pub struct WeakDriver(Weak<Parts>);

impl WeakDriver {
    /// The driver, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Driver> {
        self.0.upgrade().map(|parts| Driver { parts })
    }
}

struct Parts {
    ports: Ports,
    options: DriveOptions,
    hub: OnceCell<Arc<Hub>>,
    /// The runs that are driven here, and with what. The lease does not keep a process from itself: for the same worker it
    /// is renewed.
    live: Live,
}

type Live = Arc<Mutex<BTreeMap<RunId, With>>>;

/// Drives runs of one kind of core.
pub struct DriverOf<C: Core> {
    driver: Driver,
    setup: C::Setup,
}

impl<C: Core> Clone for DriverOf<C> {
    fn clone(&self) -> Self {
        DriverOf {
            driver: self.driver.clone(),
            setup: self.setup.clone(),
        }
    }
}

/// A run's place among those that are driven here.
struct Place {
    live: Live,
    run: RunId,
}

impl Place {
    fn take(live: &Live, run: RunId, with: &With) -> Option<Place> {
        let mut runs = live.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry::Vacant(place) = runs.entry(run) else {
            return None;
        };
        place.insert(with.clone());
        Some(Place {
            live: live.clone(),
            run,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.run);
    }
}

/// What to do with a run.
#[derive(Debug, Clone)]
pub enum Order<C: Core> {
    /// Begin it.
    Start(Box<C::Start>),
    /// Take it up again.
    Resume {
        /// The run.
        run: RunId,
        /// Who.
        by: String,
        /// What is different from now on.
        terms: C::Terms,
    },
}

impl Driver {
    /// A driver over these ports.
    #[must_use]
    pub fn new(ports: Ports, options: DriveOptions) -> Self {
        Driver {
            parts: Arc::new(Parts {
                ports,
                options,
                hub: OnceCell::new(),
                live: Arc::default(),
            }),
        }
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.parts.ports
    }

    /// What a run is driven with here, for those below it.
    #[must_use]
    pub fn with_of(&self, run: RunId) -> With {
        let live = self.parts.live.lock();
        let runs = live.unwrap_or_else(PoisonError::into_inner);
        runs.get(&run).cloned().unwrap_or_default()
    }

    /// For one of its own ports.
    #[must_use]
    pub fn downgrade(&self) -> WeakDriver {
        WeakDriver(Arc::downgrade(&self.parts))
    }

    /// It, for the runs of one kind of core.
    #[must_use]
    pub fn of<S: Setup>(&self, setup: S) -> DriverOf<S::Core> {
        DriverOf {
            driver: self.clone(),
            setup,
        }
    }
}

impl Parts {
    async fn lease(&self, run: RunId, stream: &StreamId) -> Result<Fence, DriveError> {
        self.ports
            .journal
            .lease(stream, self.ports.worker, self.options.lease)
            .await
            .map_err(|error| match error {
                LeaseError::Held { holder, for_ms } => DriveError::Live {
                    run,
                    holder: holder.to_string(),
                    for_ms,
                },
                LeaseError::Store(error) => error.into(),
            })
    }

    async fn hub(&self, from: Position) -> Arc<Hub> {
        self.hub
            .get_or_init(|| async { Hub::start(self.ports.journal.clone(), from) })
            .await
            .clone()
    }
}

impl<C: Core> DriverOf<C> {
    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.driver.parts.ports
    }

    /// Reads a run back.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub async fn fold(&self, run: RunId) -> Result<C, FoldError> {
        fold::fold(self.ports().journal.as_ref(), run, &self.setup).await
    }

    /// As [`DriverOf::drive_with`], with the models of the ports and with nobody there.
    ///
    /// # Errors
    /// See [`DriveError`].
    pub async fn drive(
        &self,
        order: Order<C>,
        watch: Arc<dyn Watch<C::Event>>,
        stop: Cancel,
    ) -> Result<Rest<C::End>, DriveError> {
        self.drive_with(order, With::default(), watch, stop).await
    }

    /// Drives a run until it ends or waits. `stop` ends this process's part in it: effects are cancelled, their
    /// outcomes recorded, and that it was stopped; the run can be taken up again.
    ///
    /// # Errors
    /// See [`DriveError`].
    pub async fn drive_with(
        &self,
        order: Order<C>,
        with: With,
        watch: Arc<dyn Watch<C::Event>>,
        stop: Cancel,
    ) -> Result<Rest<C::End>, DriveError> {
        let (run, by, begins) = match &order {
            Order::Start(start) => (start.run(), start.by().to_owned(), true),
            Order::Resume { run, by, .. } => (*run, by.clone(), false),
        };
        let span = telemetry::run_span(run);
        let stream = StreamId::run(run);
        let driver = &*self.driver.parts;
        let here = || {
            let for_ms = u64::try_from(driver.options.lease.as_millis()).unwrap_or(u64::MAX);
            DriveError::Live {
                run,
                holder: format!("{}, this process", driver.ports.worker),
                for_ms,
            }
        };
        let _place = Place::take(&driver.live, run, &with).ok_or_else(here)?;
        let fence = driver.lease(run, &stream).await?;
        let mut session = Session {
            driver,
            ports: with.over(&driver.ports),
            attended: with.attended,
            setup: &self.setup,
            run,
            by,
            fence,
            watch,
            stop,
            epoch: Epoch(0),
            newest: Arc::default(),
            working: JoinSet::new(),
            parked: BTreeMap::new(),
            cancel: Cancel::new(),
            price: None,
            pending: VecDeque::new(),
            restoring: None,
            span: None,
        };
        let rest = session.work(order).instrument(span).await;
        session.working.shutdown().await;
        if let Err(DriveError::Commit(CommitError::Conflict { stream: of, .. })) = &rest
            && *of == stream
        {
            // The lease is ours, and still somebody else has written: under the same worker's name, so that the lease
            // is not ours alone to give back. Or the run was there before.
            return Err(if begins {
                DriveError::Exists(run)
            } else {
                here()
            });
        }
        let released = driver.ports.journal.release(&stream, fence).await;
        if let Err(error) = released {
            tracing::debug!(%error, "the lease could not be given back; it expires");
        }
        rest
    }
}

/// One process's part in one run.
struct Session<'a, C: Core> {
    driver: &'a Parts,
    /// With the models of this run.
    ports: Ports,
    /// Somebody is there who can answer.
    attended: bool,
    setup: &'a C::Setup,
    run: RunId,
    /// Who began it or took it up.
    by: String,
    fence: Fence,
    watch: Arc<dyn Watch<C::Event>>,
    stop: Cancel,
    epoch: Epoch,
    /// The same, for effects on their way: a kill that was heard of takes their permits away.
    newest: Arc<AtomicU64>,
    working: JoinSet<Came>,
    /// Effects that stay open because the run below that they started waits.
    parked: BTreeMap<EffectKey, RunId>,
    cancel: Cancel,
    price: Option<Price>,
    /// Effects found open, which wait to be carried to their outcome, one after another.
    pending: VecDeque<Standing>,
    /// The first of them waits for the workspace to be put back by this effect.
    restoring: Option<Restoring>,
    /// The step whose effects were begun last.
    span: Option<(u32, tracing::Span)>,
}

/// An effect that puts the workspace back, and what it came to.
struct Restoring {
    key: EffectKey,
    came_to: Option<Outcome<Report>>,
}

impl<C: Core> Session<'_, C> {
    async fn work(&mut self, order: Order<C>) -> Result<Rest<C::End>, DriveError> {
        let stream = StreamId::run(self.run);
        self.under(self.ports.journal.epoch(&stream).await?.0);
        let mut state = match &order {
            Order::Start(_) => C::new(self.setup),
            Order::Resume { .. } => {
                fold::fold(self.ports.journal.as_ref(), self.run, self.setup).await?
            }
        };
        if state.ended().is_some() {
            return Err(DriveError::HasEnded(self.run));
        }
        let (start, terms) = match &order {
            Order::Start(start) => (Some(start.as_ref()), None),
            Order::Resume { terms, .. } => (state.start(), Some(terms)),
        };
        if let Some(start) = start {
            telemetry::note_start(&tracing::Span::current(), start);
            let budget = terms
                .and_then(Terms::budget)
                .unwrap_or_else(|| start.budget());
            self.price = self.price_of(start, budget)?;
        }
        if let Order::Resume { .. } = order {
            self.pending = self.open_intents(&state).await?;
        }
        let input = match order {
            Order::Start(start) => Input::Start(start),
            Order::Resume { by, terms, run } => {
                let heard =
                    inbox::heard(self.ports.journal.as_ref(), run, state.life().inbox).await?;
                Input::Resume { by, terms, heard }
            }
        };
        let (next, position) = self.step(state, input).await?;
        state = next;
        let hub = self.driver.hub(position).await;
        let heard = hub.listen(self.run);
        // A kill may have been told between the first commit and the moment from which this run listens.
        state = self.look_for_kill(state).await?;
        state = self.hear(state).await?;
        self.until_rest(state, heard).await
    }

    /// The loop: one owner of the state, one place where everything arrives.
    async fn until_rest(
        &mut self,
        mut state: C,
        mut heard: mpsc::Receiver<Heard>,
    ) -> Result<Rest<C::End>, DriveError> {
        let third = self.driver.options.lease / 3;
        let mut renew = tokio::time::interval_at(tokio::time::Instant::now() + third, third);
        loop {
            if let Some(end) = state.ended() {
                return Ok(Rest::Ended(end.clone()));
            }
            if self.rests(&state) {
                state = self.stop_effects(state).await?;
                return Ok(Rest::Waiting(
                    state.life().waiting.clone().unwrap_or_else(stopped),
                ));
            }
            if self.working.is_empty() && state.life().waiting.is_none() && !self.pending.is_empty()
            {
                state = self.recover_next(state).await?;
                continue;
            }
            if let Some(Wanted { call, digest }) = state.wanted() {
                let text = self.ports.journal.blob(&digest).await?;
                let text = String::from_utf8_lossy(&text).into_owned();
                state = self.step(state, Input::Found { call, text }).await?.0;
                continue;
            }
            if self.working.is_empty()
                && state.life().waiting.is_none()
                && state.life().open_approvals().next().is_some()
                && !self.attended
            {
                state = self.step(state, Input::Suspend).await?.0;
                continue;
            }
            // Whatever else there was to do has been done: what is left goes on in runs below, which wait.
            if self.working.is_empty() && state.life().waiting.is_none() && !self.parked.is_empty()
            {
                state = self.park(state).await?;
                continue;
            }
            let due = self.due_in(&state);
            tokio::select! {
                Some(done) = self.working.join_next(), if !self.working.is_empty() => {
                    state = self.take(state, done).await?;
                }
                Some(what) = heard.recv() => {
                    state = match what {
                        Heard::Inbox => self.hear(state).await?,
                        Heard::Kill => self.look_for_kill(state).await?,
                    };
                }
                _ = renew.tick() => {
                    self.renew().await?;
                    state = self.tick(state).await?;
                }
                () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                    state = self.tick(state).await?;
                }
                () = self.stop.cancelled() => {
                    state = self.stop_effects(state).await?;
                    let by = self.by.clone();
                    state = self.step(state, Input::Stopped { by }).await?.0;
                    return Ok(Rest::Waiting(state.life().waiting.clone().unwrap_or_else(stopped)));
                }
            }
        }
    }

    /// Tells the core that it is time, if it is. The clock on the wall decides, which may have been put back meanwhile.
    async fn tick(&mut self, state: C) -> Result<C, DriveError> {
        if self.due_in(&state) != Some(Duration::ZERO) {
            return Ok(state);
        }
        Ok(self.step(state, Input::Tick).await?.0)
    }

    /// Lets one of the effects whose runs below wait go. What is said at this moment counts first.
    async fn park(&mut self, state: C) -> Result<C, DriveError> {
        let state = self.hear(state).await?;
        if state.ended().is_some() || state.life().waiting.is_some() || !self.working.is_empty() {
            return Ok(state);
        }
        let Some((key, run)) = self.parked.pop_last() else {
            return Ok(state);
        };
        // What ends does not wait for a run below it; the others are found open when this one is taken up again.
        let input = if state.is_closing() {
            Input::Ended(Box::new(cancelled(key)))
        } else {
            Input::Parked { run }
        };
        Ok(self.step(state, input).await?.0)
    }

    /// In how long something is due although nothing happens; zero once it is.
    fn due_in(&self, state: &C) -> Option<Duration> {
        let (at, now) = (state.wake_at()?, self.ports.clock.now());
        Some(if now > at {
            Duration::ZERO
        } else {
            Duration::from_millis(at.since_ms(now) + 1)
        })
    }

    /// Nothing more can be done here now.
    fn rests(&self, state: &C) -> bool {
        match &state.life().waiting {
            None => false,
            Some(Suspension::Approval { .. } | Suspension::Question { .. }) => {
                !self.attended && self.working.is_empty()
            }
            Some(_) => true,
        }
    }

    async fn take(
        &mut self,
        state: C,
        done: Result<Came, tokio::task::JoinError>,
    ) -> Result<C, DriveError> {
        match done {
            Ok(Came::Out(ended)) => {
                if let Some(restoring) = self
                    .restoring
                    .as_mut()
                    .filter(|restoring| restoring.key == ended.key)
                {
                    restoring.came_to = Some(ended.outcome.clone());
                }
                Ok(self.step(state, Input::Ended(ended)).await?.0)
            }
            Ok(Came::Parked { key, run }) => {
                self.parked.insert(key, run);
                Ok(state)
            }
            // An adapter that panics leaves its effect open: it is recovered by its class when the run is resumed.
            Err(error) => {
                tracing::error!(%error, "an adapter broke down");
                Err(DriveError::Commit(CommitError::Broken {
                    why: say!("an adapter broke down: {error}", error),
                }))
            }
        }
    }

    /// Decides, commits, starts what was intended. The state that comes back is the committed one.
    async fn step(&mut self, state: C, input: Input<C>) -> Result<(C, Position), DriveError> {
        // A kill refuses the commit; what came out all the same is not forgotten.
        let came_out = if let Input::Ended(ended) = &input {
            Some(ended.clone())
        } else {
            None
        };
        let passed = match self.commit(&state, input).await {
            Ok(passed) => passed,
            Err(DriveError::Commit(CommitError::Killed { epoch, reason }))
                if state.start().is_some() =>
            {
                self.under(epoch);
                let state = match came_out {
                    Some(ended) => self.record(state, *ended).await?,
                    None => state,
                };
                return self.killed(state, epoch, reason).await;
            }
            Err(error) => return Err(error),
        };
        let position = passed
            .recorded
            .last()
            .map_or(Position(0), |(recorded, _)| recorded.position);
        let state = passed.state;
        for standing in passed.intents {
            self.begin(&state, standing, false);
        }
        Ok((state, position))
    }

    /// Decides and commits.
    async fn commit(&mut self, state: &C, input: Input<C>) -> Result<gate::Passed<C>, DriveError> {
        let ports = &self.ports;
        let attended = self.attended;
        let env = Env {
            now: ports.clock.now(),
            epoch: self.epoch,
            policy: &ports.policy,
            price: self.price,
            attended,
        };
        let decided = state
            .decide(&env, input)
            .map_err(|reject| DriveError::Core(say!("{why}", why = reject)))?;
        let passed = gate::pass(ports, self.run, state, self.fence, self.epoch, decided).await?;
        for (recorded, event) in &passed.recorded {
            self.watch.event(recorded, event);
        }
        Ok(passed)
    }

    fn begin(&mut self, state: &C, standing: Standing, recovered: bool) {
        let step = standing.intent().key.step;
        let job = self.job(state, standing, recovered);
        let (_, span) = match self.span.take() {
            Some(known) if known.0 == step => self.span.insert(known),
            Some(_) | None => self.span.insert((step, telemetry::step_span(step))),
        };
        self.working.spawn(
            effects::carry_out(self.ports.clone(), self.driver.options, job)
                .instrument(span.clone()),
        );
    }

    fn job(&self, state: &C, standing: Standing, recovered: bool) -> Job {
        let key = standing.intent().key.clone();
        let request = if let Action::Model(model) = &standing.intent().action {
            state.request(model)
        } else {
            None
        };
        let reply = request.as_ref().and_then(|_| self.watch.reply(&key));
        let watch = self.watch.clone();
        let live = LiveSink::to(move |frame| watch.frame(&key, frame)).with_reply(reply);
        // What is recovered is permitted under the epoch of the process that took the run up.
        let under = if recovered {
            self.epoch
        } else {
            standing.intent().epoch
        };
        let closing = recovered && state.is_closing();
        let newest = self.newest.clone();
        Job {
            standing,
            request,
            under,
            newest,
            recovered,
            closing,
            live,
            cancel: self.cancel.child_token(),
        }
    }

    /// The records of the intents that are open in the state. A workspace that was being put back when the process
    /// ended comes first: nothing may run beside that.
    async fn open_intents(&self, state: &C) -> Result<VecDeque<Standing>, DriveError> {
        if state.life().open.is_empty() {
            return Ok(VecDeque::new());
        }
        let journal = self.ports.journal.as_ref();
        let mut found = VecDeque::new();
        let stream = StreamId::run(self.run);
        let mut events = journal.read(&stream, Seq(0));
        while let Some(recorded) = events.next().await {
            let recorded = recorded?;
            if recorded.kind != RunEvent::EFFECT_INTENDED {
                continue;
            }
            let event: C::Event = fold::hydrate(journal, &recorded).await?;
            if let Some(intent) = event.intent()
                && state.life().open.contains_key(&intent.key)
            {
                let kept = kept::read_back(journal, &stream, recorded.seq).await?;
                let gone = || ReadError::Broken("an event that was just read is gone".into());
                let kept = kept.ok_or_else(gone)?;
                let puts_back = is_restore(intent);
                let standing = Standing::new(kept, intent.clone());
                if puts_back {
                    found.push_front(standing)
                } else {
                    found.push_back(standing)
                }
            }
        }
        Ok(found)
    }

    /// Takes up the next effect that was found open, by its recovery class.
    async fn recover_next(&mut self, mut state: C) -> Result<C, DriveError> {
        let Some(standing) = self.pending.pop_front() else {
            return Ok(state);
        };
        let key = standing.intent().key.clone();
        let recovery = standing.intent().recovery;
        // A request that a crash cut off may have to be paid for: what is left may not do for asking again.
        let unpaid = matches!(standing.intent().action, Action::Model(_))
            && state.life().budget.is_overdrawn();
        let closing = state.is_closing() && !matches!(recovery, Recovery::Probe | Recovery::Person);
        if closing || unpaid {
            // The run is being ended, and nothing is done again for that; or the loop asks for more money.
            let ended = Ended {
                key,
                outcome: Outcome::Cancelled,
                tries: 1,
                recovered: true,
            };
            return Ok(self.step(state, Input::Ended(Box::new(ended))).await?.0);
        }
        if recovery == Recovery::Restore {
            if let Some(restoring) = self.restoring.take() {
                is_restored(restoring, &key)?;
            } else {
                state = self.step(state, Input::Restore { key }).await?.0;
                if state.life().waiting.is_some() {
                    return Ok(state);
                }
                let restores = state.life().open.values().find(|intent| is_restore(intent));
                self.restoring = restores.map(|intent| Restoring {
                    key: intent.key.clone(),
                    came_to: None,
                });
                if self.restoring.is_some() {
                    self.pending.push_front(standing);
                    return Ok(state);
                }
            }
        }
        self.begin(&state, standing, true);
        Ok(state)
    }

    async fn hear(&mut self, mut state: C) -> Result<C, DriveError> {
        for (seq, message) in
            inbox::heard(self.ports.journal.as_ref(), self.run, state.life().inbox).await?
        {
            if state.ended().is_some() {
                break;
            }
            let ends = matches!(message, InboxMessage::Cancel { .. }) && !state.is_closing();
            // What had begun before the word is cancelled; what gathers the end's evidence after it is not.
            let before = ends.then(|| std::mem::replace(&mut self.cancel, Cancel::new()));
            state = self.step(state, Input::Inbox { seq, message }).await?.0;
            if let Some(before) = before {
                before.cancel();
            }
        }
        Ok(state)
    }

    async fn look_for_kill(&mut self, state: C) -> Result<C, DriveError> {
        let (epoch, reason) = self.ports.journal.epoch(&StreamId::run(self.run)).await?;
        let told = epoch > self.epoch && state.ended().is_none();
        if told {
            Ok(self.killed(state, epoch, reason).await?.0)
        } else {
            Ok(state)
        }
    }

    /// Stops everything at once; what the effects got to is recorded, and that a kill came.
    async fn killed(
        &mut self,
        state: C,
        epoch: Epoch,
        reason: String,
    ) -> Result<(C, Position), DriveError> {
        self.under(epoch);
        let state = self.stop_effects(state).await?;
        Box::pin(self.step(state, Input::Killed { reason })).await
    }

    /// Cancels what runs and records how far it got. Nothing new is started.
    async fn stop_effects(&mut self, mut state: C) -> Result<C, DriveError> {
        self.cancel.cancel();
        let deadline = tokio::time::Instant::now() + CANCEL_GRACE;
        while let Ok(Some(done)) = tokio::time::timeout_at(deadline, self.working.join_next()).await
        {
            // A run below that was stopped goes on with this one: its effect stays open.
            let Ok(Came::Out(ended)) = done else { continue };
            state = self.record(state, *ended).await?;
        }
        Ok(state)
    }

    /// Records an outcome without going on from there, whatever kill came meanwhile: it has happened.
    async fn record(&mut self, state: C, ended: Ended) -> Result<C, DriveError> {
        loop {
            match self
                .commit(&state, Input::EndedLate(Box::new(ended.clone())))
                .await
            {
                Ok(passed) => return Ok(passed.state),
                Err(DriveError::Commit(CommitError::Killed { epoch, .. }))
                    if epoch > self.epoch =>
                {
                    self.under(epoch)
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Works under this kill epoch from now on.
    fn under(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.newest.store(epoch.0, Ordering::Release);
    }

    async fn renew(&self) -> Result<(), DriveError> {
        let stream = StreamId::run(self.run);
        match self
            .ports
            .journal
            .lease(&stream, self.ports.worker, self.driver.options.lease)
            .await
        {
            Ok(fence) if fence == self.fence => Ok(()),
            Ok(_) | Err(LeaseError::Held { .. }) => Err(CommitError::Fenced { stream }.into()),
            Err(LeaseError::Store(CommitError::Busy)) => Ok(()),
            Err(LeaseError::Store(error)) => Err(error.into()),
        }
    }

    /// Upper bounds of the model's price. A model without a price cannot be used under a budget.
    fn price_of(
        &self,
        start: &C::Start,
        budget: Option<Micros>,
    ) -> Result<Option<Price>, DriveError> {
        let Some(model) = start.model() else {
            return Ok(None);
        };
        let quote = |input, output| {
            self.ports
                .models
                .quote(model, input, output)
                .map_err(DriveError::Model)
        };
        let (input, output) = (quote(1_000_000, 0)?, quote(0, 1_000_000)?);
        if !input.priced {
            return match budget {
                None => Ok(None),
                Some(_) => {
                    let hint = say!(
                        "set one: {step}   (or input and output prices), or leave --budget out",
                        step = Step::set(format!(r#"models.prices."{model}".price"#), 0)
                    );
                    Err(DriveError::Model(
                        Fault::new(
                            Code::NO_PRICE,
                            say!(
                                "model {model} has no price, so a budget cannot be kept",
                                model
                            ),
                        )
                        .hint(hint),
                    ))
                }
            };
        }
        Ok(Some(Price {
            input: input.at_most,
            output: output.at_most,
        }))
    }
}

fn is_restore(intent: &Intent) -> bool {
    matches!(
        &intent.action,
        Action::Jail(JailAction {
            op: JailOp::Restore { .. },
            ..
        })
    )
}

/// An interrupted effect is done again only on the workspace that it began with.
fn is_restored(restoring: Restoring, key: &EffectKey) -> Result<(), DriveError> {
    let why = match restoring.came_to {
        Some(Outcome::Done(Report::Jail(JailReport {
            body: JailBody::Restored,
            ..
        }))) => return Ok(()),
        Some(Outcome::Failed(fault)) => fault.to_string(),
        Some(_) | None => "it came to nothing".to_owned(),
    };
    Err(DriveError::Recovery {
        key: key.clone(),
        why,
    })
}

/// The effect of a run below that waits while the one above ends.
fn cancelled(key: EffectKey) -> Ended {
    Ended {
        key,
        outcome: Outcome::Cancelled,
        tries: 1,
        recovered: false,
    }
}

fn stopped() -> Suspension {
    Suspension::Stopped {
        by: "this process".into(),
        inbox: Seq(0),
    }
}
