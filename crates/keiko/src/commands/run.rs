//! `run` and `resume`: drives a run and shows it.

use super::change::Changes;
use super::{Context, goal, installing, operator};
use crate::cli::{ResumeArgs, RunArgs};
use crate::error::{CliError, Exit, exit_of};
use crate::language::tr;
use crate::memory::Memory;
use crate::view::steps::Plain;
use crate::view::{live, result};
use crate::wiring::{Keiko, random, read_fault};
use keiko_agent::state::RunState;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, ModelName, RunId};
use keiko_contracts::jail::Source;
use keiko_contracts::journal::{Recorded, StreamId};
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, InboxMessage, RunEvent, RunLimits, StartRun, Suspension};
use keiko_contracts::say;
use keiko_models::Models;
use keiko_models::replay::{Player, Recorder};
use keiko_models::scripted::Scripted;
use keiko_ports::Cancel;
use keiko_ports::journal::Journal as _;
use keiko_ports::model::ChatModel;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::drive::{DriveError, Order, Rest, Watch};
use keiko_runtime::inbox;
use keiko_runtime::ports::DriveOptions;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Agents that need no model.
pub(crate) fn is_native(agent: &str) -> bool {
    crate::wiring::engine(agent).is_some()
}

/// Begins a run.
pub(crate) async fn start(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &RunArgs,
) -> Result<ExitCode, CliError> {
    let text = goal::words(&args.goal, &args.more)?;
    let mut limits = goal::limits(&args.limits, keiko.config.run.limits()?)?;
    let source = goal::source(args, keiko.home.user.as_deref())?;
    if source.is_none() && !args.no_workspace && goal::holds_files() {
        context.output.say(context.output.t(
            "No project is here (no repository, no manifest): the goal is worked on without any files. With those of this folder: --workspace .",
            "Hier ist kein Projekt (kein Repository, kein Manifest): Der Auftrag wird ohne Dateien bearbeitet. Mit denen dieses Ordners: --workspace .",
        ));
    }
    let native = is_native(&args.agent);
    if !native && args.agent != "coder" {
        let fault = Fault::new(
            Code::AGENT_UNKNOWN,
            say!(
                "there is no agent {name}",
                name = format_args!("{:?}", args.agent)
            ),
        )
        .at("--agent")
        .hint("--agent coder, or --agent repo-doctor");
        return Err(fault.into());
    }
    let (models, model): (Arc<dyn ChatModel>, Option<ModelName>) = match (
        &args.script,
        &args.replay,
    ) {
        (Some(script), _) => (Arc::new(Scripted::open(script)?), Some(script_name()?)),
        (None, Some(dir)) => {
            let model = chosen_model(keiko, args.model.as_deref()).await?;
            (Arc::new(Player::new(dir)?), Some(model))
        }
        (None, None) if native => (Arc::new(keiko.config.models()?), None),
        (None, None) => {
            let model = chosen_model(keiko, args.model.as_deref()).await?;
            let models = remembering(keiko)?;
            // What is recorded must come out the same where nothing is known yet.
            if args.record.is_none() {
                limits.window = models.known(&model);
            }
            if goal::effort(args.effort, &keiko.config.run).is_some()
                && !models.takes_effort(&model)?
            {
                context.output.say(&tr!(
                    context.output,
                    "{model} cannot be told how hard to think; the effort is left to it.",
                    "{model} lässt sich nicht sagen, wie gründlich es nachdenken soll; das bleibt ihm überlassen."
                ));
            }
            (
                recorded(Arc::new(models), args.record.as_deref())?,
                Some(model),
            )
        }
    };
    let agent = args
        .agent
        .parse()
        .map_err(|error: keiko_contracts::id::InvalidId| {
            Fault::new(Code::AGENT_UNKNOWN, error.to_string())
        })?;
    let start = StartRun {
        model,
        install: installing::at_start(keiko, &args.install, source.as_ref()),
        source,
        limits,
        approval: goal::approval(args.approval, &keiko.config.run),
        effort: goal::effort(args.effort, &keiko.config.run),
        language: keiko.config.language(),
        demo: args.script.is_some(),
        ..StartRun::new(RunId::from_bytes(random()?), operator(), text, agent)
    };
    drive(
        context,
        keiko,
        models,
        Order::Start(Box::new(start)),
        args.jsonl,
    )
    .await
}

/// The models, which remember what their servers say of their sizes.
fn remembering(keiko: &Keiko) -> Result<Models, Fault> {
    Ok(keiko
        .config
        .models()?
        .with_memory(super::models::memory(&keiko.home)))
}

fn script_name() -> Result<ModelName, Fault> {
    "scripted/tour"
        .parse()
        .map_err(|error: keiko_contracts::id::InvalidId| {
            Fault::new(Code::BUILT_IN_NAME, error.to_string())
        })
}

fn recorded(models: Arc<dyn ChatModel>, dir: Option<&Path>) -> Result<Arc<dyn ChatModel>, Fault> {
    match dir {
        Some(dir) => Ok(Arc::new(Recorder::new(models, dir)?)),
        None => Ok(models),
    }
}

/// The model that was asked for, that is configured, or that was found on this machine.
async fn chosen_model(keiko: &Keiko, asked: Option<&str>) -> Result<ModelName, CliError> {
    let models = keiko.config.models()?;
    if let Some(name) = asked.or(keiko.config.run.model.as_deref()) {
        return Ok(models.resolve(name)?);
    }
    if let Some(model) = models.default_model()? {
        return Ok(model);
    }
    if let Some(model) = super::models::local_model().await {
        return Ok(model);
    }
    Err(super::models::no_model().into())
}

/// Takes a run up again.
pub(crate) async fn resume(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &ResumeArgs,
) -> Result<ExitCode, CliError> {
    let run = keiko.run_id(&args.run).await?;
    let remembering = Arc::new(remembering(keiko)?);
    let models: Arc<dyn ChatModel> = remembering.clone();
    let state = keiko
        .driver(models.clone(), DriveOptions::default())?
        .fold(run)
        .await
        .map_err(|error| error.fault())?;
    if state.ended.is_some() {
        if let Some(pruned) = crate::holdings::pruned(&keiko.home, run) {
            return Err(pruned.fault().into());
        }
        return Err(DriveError::HasEnded(run).fault().into());
    }
    let models = match (
        &args.script,
        state.start.as_deref().map(super::demo::script_of),
    ) {
        (Some(script), _) => Arc::new(Scripted::open(script)?),
        (None, Some(Some(script))) => script?,
        _ => models,
    };
    let live_for = wait_if_short(context, keiko, run).await?;
    let sets = goal::sets_limits(&args.limits) || args.install.install.is_some();
    if live_for.is_some() && (args.words.is_empty() || sets) {
        return Err(live(run, live_for.unwrap_or_default()).into());
    }
    if let Some((first, more)) = args.words.split_first() {
        let message = InboxMessage::Words {
            by: operator(),
            text: goal::words(first, more)?.into(),
        };
        inbox::say(keiko.journal.as_ref(), run, &message, SystemClock.now())
            .await
            .map_err(|error| error.fault())?;
    }
    if let Some(for_ms) = live_for {
        return Ok(was_told(context, run, for_ms));
    }
    let current = state
        .start
        .as_ref()
        .map_or_else(RunLimits::default, |start| start.limits);
    let known = state
        .start
        .as_ref()
        .and_then(|start| start.model.as_ref())
        .map_or(current.window, |model| remembering.known(model));
    let limits = goal::limits(
        &args.limits,
        RunLimits {
            window: known,
            ..current
        },
    )?;
    let limits = (goal::sets_limits(&args.limits) || known != current.window).then_some(limits);
    let native = state
        .start
        .as_ref()
        .is_some_and(|start| is_native(start.agent.as_str()));
    let before = state
        .start
        .as_ref()
        .and_then(|start| start.install.as_ref());
    let source = state.start.as_ref().and_then(|start| start.source.as_ref());
    // What this run was told when it began counts until it is told something else.
    let keeps = before.is_some() && args.install.install.is_none();
    let install = if keeps {
        None
    } else {
        installing::word(keiko, &args.install, source)
    };
    let manner = Manner {
        jsonl: args.jsonl,
        native,
        source: source.cloned(),
        ..Manner::default()
    };
    drive_with(
        context,
        keiko,
        models,
        Order::Resume {
            run,
            by: operator(),
            terms: RunTerms { limits, install },
        },
        manner,
    )
    .await
    .map(ExitCode::from)
}

/// A lease of a process that may be gone is waited for, if it takes no longer than this.
const SHORT_MS: u64 = 5_000;

/// For how many more milliseconds another process holds a run; `None` when nobody does. A lease that is about to run out
/// is waited for: either it is renewed, and somebody lives, or it is over.
async fn wait_if_short(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
) -> Result<Option<u64>, CliError> {
    let stream = StreamId::run(run);
    let holder = || async {
        keiko
            .journal
            .holder(&stream)
            .await
            .map(|held| held.map(|(_, ms)| ms))
            .map_err(read_fault)
    };
    let Some(mut left) = holder().await? else {
        return Ok(None);
    };
    if left > SHORT_MS {
        return Ok(Some(left));
    }
    let seconds = left.div_ceil(1000);
    context.output.say(&tr!(
        context.output,
        "Another process holds this run; waiting at most {seconds} s to see whether it lives …",
        "Ein anderer Prozess hält diesen Lauf; warte höchstens {seconds} s ab, ob er noch lebt …"
    ));
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        match holder().await? {
            None => return Ok(None),
            Some(now) if now > left => return Ok(Some(now)),
            Some(now) => left = now,
        }
    }
}

/// Another process drives it, or did, not long ago.
fn live(run: RunId, for_ms: u64) -> Fault {
    let seconds = for_ms.div_ceil(1000);
    Fault::new(
        Code::RUN_LIVE,
        say!("run {run} is live in another process", run),
    )
    .hint(say!(
        "follow it: keiko runs events --follow {run}; if its process died, try again in {n} s",
        run,
        n = seconds
    ))
}

/// The words are in the inbox of a run that somebody else drives: that is all that was asked for.
fn was_told(context: &Context<'_>, run: RunId, for_ms: u64) -> ExitCode {
    if context.output.json() {
        context
            .output
            .data(&serde_json::json!({"run": run, "live": true, "told": true}).to_string());
        return ExitCode::SUCCESS;
    }
    let seconds = for_ms.div_ceil(1000);
    context.output.say(&tr!(
        context.output,
        "Run {run} is live in another process and was told. Follow it: keiko runs events --follow {run}",
        "Lauf {run} läuft in einem anderen Prozess, und es wurde ihm gesagt. Zum Mitlesen: keiko runs events --follow {run}"
    ));
    context.output.say(&tr!(
        context.output,
        "If its process died, it hears the words when it is taken up again, in {seconds} s: keiko resume {run}",
        "Ist sein Prozess nicht mehr da, hört er die Worte, sobald er wieder aufgenommen wird, in {seconds} s: keiko resume {run}"
    ));
    ExitCode::SUCCESS
}

/// Drives a run to its rest, shows it, and turns that into an exit code.
pub(crate) async fn drive(
    context: &Context<'_>,
    keiko: &Keiko,
    models: Arc<dyn ChatModel>,
    order: Order<RunState>,
    jsonl: bool,
) -> Result<ExitCode, CliError> {
    drive_with(
        context,
        keiko,
        models,
        order,
        Manner {
            jsonl,
            ..Manner::default()
        },
    )
    .await
    .map(ExitCode::from)
}

/// Makes somebody who watches beside the view, and may show lines there.
pub(crate) type Companion = Box<dyn FnOnce(live::Say) -> Arc<dyn Watch> + Send>;

/// How a run is shown and who answers.
#[derive(Default)]
pub(crate) struct Manner {
    /// Events as lines of JSON on stdout.
    pub(crate) jsonl: bool,
    /// The run that is taken up again has an agent that works by rules.
    pub(crate) native: bool,
    /// The folder of the run that is taken up again.
    pub(crate) source: Option<Source>,
    /// The companion answers approvals, so the run waits for it even when nobody sits at the terminal.
    pub(crate) answers: bool,
    /// Watches too.
    pub(crate) companion: Option<Companion>,
}

/// Two who watch, one after the other.
struct Both(Arc<dyn Watch>, Arc<dyn Watch>);

impl Watch for Both {
    fn event(&self, recorded: &Recorded, event: &RunEvent) {
        self.0.event(recorded, event);
        self.1.event(recorded, event);
    }
    fn frame(&self, key: &EffectKey, frame: LiveFrame) {
        self.0.frame(key, frame);
    }
}

/// How long a run waits after its process died. Tests that end processes shorten it with `KEIKO_LEASE_MS`.
fn lease() -> Duration {
    let said = std::env::var("KEIKO_LEASE_MS")
        .ok()
        .and_then(|text| text.parse().ok());
    said.map_or(DriveOptions::default().lease, |ms: u64| {
        Duration::from_millis(ms.clamp(200, 60_000))
    })
}

/// As [`drive`], with a manner.
pub(crate) async fn drive_with(
    context: &Context<'_>,
    keiko: &Keiko,
    models: Arc<dyn ChatModel>,
    order: Order<RunState>,
    manner: Manner,
) -> Result<Exit, CliError> {
    let (run, native, source) = match &order {
        Order::Start(start) => (
            start.run,
            is_native(start.agent.as_str()),
            start.source.clone(),
        ),
        Order::Resume { run, .. } => (*run, manner.native, manner.source),
    };
    let jsonl = manner.jsonl;
    let attended = context.attended && !jsonl;
    let driver = keiko.driver(
        models,
        DriveOptions {
            attended: attended || manner.answers,
            lease: lease(),
            ..DriveOptions::default()
        },
    )?;
    let stop = Cancel::new();
    let output = *context.output;
    let (mut watch, say, screen): (Arc<dyn Watch>, live::Say, _) = if attended {
        let screen = live::Screen::start(
            output,
            keiko.journal.clone(),
            subject(keiko, run, native, source),
        );
        (screen.watch(), screen.say(), Some(screen))
    } else {
        (
            Arc::new(Plain::new(output, run, jsonl, native)),
            Arc::new(move |text: &str| output.say(text)),
            None,
        )
    };
    if let Some(companion) = manner.companion {
        watch = Arc::new(Both(watch, companion(say)));
    }
    let signals = tokio::spawn(stop_on_signal(keiko.journal.clone(), run, stop.clone()));
    let rest = driver.drive(order, watch, stop).await;
    signals.abort();
    if let Some(screen) = screen {
        screen.end().await;
    }
    match rest.map_err(|error| driven(&error))? {
        Rest::Ended(end) => {
            if !jsonl {
                result::show_end(context.output, run, &end);
            }
            Ok(end_code(end.status))
        }
        Rest::Waiting(waiting) => {
            let driver_state = driver.fold(run).await.map_err(|error| error.fault())?;
            let changes = asked_changes(&Changes::of(keiko), &driver_state).await;
            result::show_waiting(
                context.output,
                (run, &waiting, &driver_state),
                &changes,
                jsonl,
            );
            Ok(waiting_code(&waiting))
        }
    }
}

/// What the live view may need for its questions.
fn subject(keiko: &Keiko, run: RunId, native: bool, source: Option<Source>) -> live::Subject {
    let changes = Changes::of(keiko);
    let look: live::Look = Box::new(move |request| {
        let changes = changes.clone();
        Box::pin(async move { changes.about(&request).await })
    });
    let memory = match source {
        Some(Source::Folder { path, .. }) => Some((Memory::below(&keiko.home.data), path)),
        _ => None,
    };
    live::Subject {
        run,
        by: operator(),
        native,
        look: Some(look),
        memory,
    }
}

/// The changes that the open questions of a run are about.
pub(crate) async fn asked_changes(changes: &Changes, state: &RunState) -> result::Asked {
    let mut found = result::Asked::new();
    for approval in state.life.open_approvals() {
        if let Some(change) = changes.about(&approval.request).await {
            found.insert(approval.request.id, change);
        }
    }
    found
}

/// Why a run was not driven. Somebody else may have been first between the look at the lease and taking it.
fn driven(error: &DriveError) -> Fault {
    match error {
        DriveError::Live { run, for_ms, .. } => live(*run, *for_ms),
        error => error.fault(),
    }
}

/// The first signal asks the run to stop at once and keeps what was got; the second ends the process.
async fn stop_on_signal(journal: Arc<keiko_store::SqliteJournal>, run: RunId, stop: Cancel) {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    let message = InboxMessage::Stop { by: operator() };
    if inbox::say(journal.as_ref(), run, &message, SystemClock.now())
        .await
        .is_err()
    {
        stop.cancel();
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    live::restore();
    std::process::exit(Exit::Interrupted as i32);
}

pub(crate) fn end_code(status: EndStatus) -> Exit {
    match status {
        EndStatus::Succeeded | EndStatus::Examined | EndStatus::Unverified => Exit::Ok,
        EndStatus::Failed | EndStatus::Cancelled => Exit::Failed,
        EndStatus::Refused => Exit::Refused,
        EndStatus::Killed => Exit::Killed,
    }
}

fn waiting_code(waiting: &Suspension) -> Exit {
    match waiting {
        Suspension::Approval { .. }
        | Suspension::Question { .. }
        | Suspension::Unknown { .. }
        | Suspension::Child { .. } => Exit::Waiting,
        Suspension::Unavailable { fault } => exit_of(fault.code),
        Suspension::Limit { fault } if fault.code == Code::TIME_USED_UP => Exit::TimeOut,
        Suspension::Limit { .. } => Exit::Failed,
        Suspension::Stopped { .. } => Exit::Interrupted,
        Suspension::Killed { .. } => Exit::Killed,
    }
}
