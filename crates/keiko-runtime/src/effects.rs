//! The only place where an action becomes a deed.

use crate::gate::Standing;
use crate::ports::{DriveOptions, Ports};
use crate::scrub::scrub;
use crate::telemetry;
use keiko_contracts::action::{Action, Outcome, Probe, Recovery, Report, RunRest};
use keiko_contracts::code::{Code, Fault, Retry};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::jail::JailOp;
use keiko_contracts::journal::{Epoch, StreamId};
use keiko_contracts::model::{ChatRequest, LiveFrame};
use keiko_contracts::run::Ended;
use keiko_contracts::say;
use keiko_governance::permit::{AnyPermit, NoPermit};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::reply::Piece;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tracing::Instrument as _;

/// The longest pause that another side may ask for; longer waits suspend the run.
const PAUSE_MAX: Duration = Duration::from_secs(90);

/// What carrying out an intent needs.
pub struct Job {
    /// The intent, as it stands in the journal.
    pub standing: Standing,
    /// The rendered request, for model requests.
    pub request: Option<Arc<ChatRequest>>,
    /// The kill epoch that it is permitted under: its intent's, or that of the process that recovers it.
    pub under: Epoch,
    /// The newest kill epoch that this process has heard of.
    pub newest: Arc<AtomicU64>,
    /// It was found open after a restart.
    pub recovered: bool,
    /// The run is being ended: what has not happened is not done any more.
    pub closing: bool,
    /// Who watches.
    pub live: LiveSink,
    /// Stops it.
    pub cancel: Cancel,
}

/// What became of an effect.
#[derive(Debug)]
pub enum Came {
    /// It came out.
    Out(Box<Ended>),
    /// It is a run below that waits, or was stopped: it stays open.
    Parked {
        /// The effect.
        key: EffectKey,
        /// That run.
        run: RunId,
    },
}

/// Carries out an intent to its outcome, with retries where the fault is a passing one and the recovery class allows.
pub async fn carry_out(ports: Ports, options: DriveOptions, job: Job) -> Came {
    let span = telemetry::effect_span(job.standing.intent());
    async move {
        let came = carry_out_in_span(&ports, options, &job).await;
        if let Came::Out(ended) = &came {
            telemetry::note_outcome(&tracing::Span::current(), &ended.outcome);
        }
        came
    }
    .instrument(span)
    .await
}

async fn carry_out_in_span(ports: &Ports, options: DriveOptions, job: &Job) -> Came {
    let key = job.standing.intent().key.clone();
    let ended = |outcome, tries| {
        Came::Out(Box::new(Ended {
            key: key.clone(),
            outcome,
            tries,
            recovered: job.recovered,
        }))
    };
    if job.recovered {
        match recover(ports, job).await {
            Recovered::Known(outcome) => return ended(*outcome, 1),
            Recovered::DoIt => {}
        }
    }
    let mut tries = 1;
    loop {
        let outcome = match once(ports, job, tries).await {
            Once::Out(outcome) => *outcome,
            Once::Waits(run) => return Came::Parked { key, run },
        };
        let Outcome::Failed(Fault {
            retry: Retry::Transient { after_ms },
            code,
            message,
            ..
        }) = &outcome
        else {
            return ended(outcome, tries);
        };
        let pause = pause(options, tries, *after_ms, &key.to_string());
        if tries >= options.tries
            || pause > PAUSE_MAX
            || !may_repeat(job.standing.intent().recovery)
        {
            return ended(outcome, tries);
        }
        tracing::info!(
            %code,
            %message,
            tries,
            pause_ms = pause.as_millis() as u64,
            "trying again"
        );
        let note = say!(
            "{message}; trying again in {seconds} s ({n} of {max})",
            message,
            seconds = format_args!("{:.1}", pause.as_secs_f32()),
            n = tries + 1,
            max = options.tries
        );
        job.live.send(LiveFrame::Progress { note });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = job.cancel.cancelled() => return ended(Outcome::Cancelled, tries),
        }
        tries += 1;
    }
}

fn may_repeat(recovery: Recovery) -> bool {
    match recovery {
        Recovery::Repeat | Recovery::SameKey => true,
        Recovery::Restore | Recovery::Probe | Recovery::Person => false,
    }
}

/// Doubles from try to try, with a jitter that depends on the effect's key; never shorter than the other side asks.
fn pause(options: DriveOptions, tries: u16, after_ms: Option<u64>, key: &str) -> Duration {
    let base = options.pause.saturating_mul(1 << (tries - 1).min(8));
    let jitter = u32::from(Digest::of(key.as_bytes()).0[usize::from(tries) % 32]);
    let own = base + base.saturating_mul(jitter) / 512;
    own.max(Duration::from_millis(after_ms.unwrap_or(0)))
}

enum Recovered {
    Known(Box<Outcome<Report>>),
    DoIt,
}

/// What is to be done about an effect whose intent is in the journal and whose outcome is not.
async fn recover(ports: &Ports, job: &Job) -> Recovered {
    let intent = job.standing.intent();
    match intent.recovery {
        Recovery::Repeat | Recovery::SameKey => Recovered::DoIt,
        Recovery::Restore => match &intent.action {
            Action::Jail(jail) if matches!(jail.op, JailOp::Cell { .. }) => {
                let fault =
                    Fault::new(Code::PYTHON_LOST, "the Python session was lost in a restart, with all its variables; this cell may have run")
                        .hint("run what is needed again");
                Recovered::Known(Box::new(Outcome::Failed(fault)))
            }
            _ => Recovered::DoIt,
        },
        Recovery::Person => {
            let why = "the process ended between the start of this effect and its outcome".into();
            Recovered::Known(Box::new(Outcome::Unknown { why }))
        }
        Recovery::Probe => {
            let probed = match &intent.action {
                Action::Host(action) => {
                    map_probe(ports.host.probe(&intent.key, action).await, Report::Host)
                }
                Action::Tool(action) => {
                    map_probe(ports.tools.probe(&intent.key, action).await, Report::Tool)
                }
                Action::Jail(action) => {
                    map_probe(ports.sandbox.probe(&intent.key, action).await, Report::Jail)
                }
                Action::Model(_) | Action::Run(_) => Probe::DidNot,
            };
            match probed {
                Probe::Happened(report) => Recovered::Known(Box::new(Outcome::Done(report))),
                Probe::DidNot if job.closing => Recovered::Known(Box::new(Outcome::Cancelled)),
                Probe::DidNot => Recovered::DoIt,
                Probe::CannotTell { why } => Recovered::Known(Box::new(Outcome::Unknown { why })),
            }
        }
    }
}

fn map_probe<R>(probe: Probe<R>, f: impl FnOnce(R) -> Report) -> Probe<Report> {
    match probe {
        Probe::Happened(report) => Probe::Happened(f(report)),
        Probe::DidNot => Probe::DidNot,
        Probe::CannotTell { why } => Probe::CannotTell { why },
    }
}

/// What one try comes to.
enum Once {
    Out(Box<Outcome<Report>>),
    /// A run below waits.
    Waits(RunId),
}

impl From<Outcome<Report>> for Once {
    fn from(outcome: Outcome<Report>) -> Once {
        Once::Out(Box::new(outcome))
    }
}

async fn once(ports: &Ports, job: &Job, tries: u16) -> Once {
    let intent = job.standing.intent();
    // The commit of the intent has just been made under the newest epoch. What comes later, or cannot be taken back, is
    // looked up once more: the word of a kill may be on its way to this process.
    let lasts = match intent.action {
        Action::Host(_) | Action::Run(_) => true,
        Action::Tool(_) => intent.recovery != Recovery::Repeat,
        Action::Model(_) | Action::Jail(_) => false,
    };
    let looks = tries > 1 || job.recovered || lasts;
    let mut now = Epoch(job.newest.load(Ordering::Acquire));
    if looks {
        match ports.journal.epoch(&StreamId::run(intent.key.run)).await {
            Ok((newest, _)) => now = newest.max(now),
            Err(error) => {
                return Outcome::Failed(error.fault()).into();
            }
        }
    }
    let permit = match job
        .standing
        .durable()
        .and_then(|durable| durable.permit(job.under, now))
    {
        Ok(permit) => permit,
        Err(NoPermit::Killed) => return Outcome::Cancelled.into(),
        Err(error) => {
            return Outcome::Failed(Fault::new(
                Code::NO_PERMIT,
                say!("no permit: {error}", error),
            ))
            .into();
        }
    };
    let (live, cancel) = (job.live.clone(), job.cancel.clone());
    if let Some(reply) = live.reply() {
        reply.send(Piece::Began).await;
    }
    let outcome = match permit {
        AnyPermit::Model(permit) => match &job.request {
            Some(request) => ports
                .models
                .chat(permit, request, live, cancel)
                .await
                .map(Report::Model),
            None => Outcome::Failed(Fault::new(
                Code::REQUEST_NOT_RENDERED,
                "a model request was not rendered",
            )),
        },
        AnyPermit::Jail(permit) => scrub(
            ports
                .sandbox
                .perform(permit, live, cancel)
                .await
                .map(Report::Jail),
        ),
        AnyPermit::Host(permit) => ports
            .host
            .perform(permit, live, cancel)
            .await
            .map(Report::Host),
        AnyPermit::Tool(permit) => scrub(
            ports
                .tools
                .perform(permit, live, cancel)
                .await
                .map(Report::Tool),
        ),
        AnyPermit::Run(permit) => match ports.runs.perform(permit, live, cancel).await {
            Outcome::Done(RunRest::Waits(run)) => return Once::Waits(run),
            Outcome::Done(RunRest::Ended(report)) => Outcome::Done(Report::Run(report)),
            Outcome::Failed(fault) => Outcome::Failed(fault),
            Outcome::Unknown { why } => Outcome::Unknown { why },
            Outcome::Cancelled => Outcome::Cancelled,
        },
    };
    outcome.into()
}
