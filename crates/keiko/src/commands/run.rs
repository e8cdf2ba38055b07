//! `run` and `resume`: drives a run and shows it.

use super::{Context, goal};
use crate::cli::{ResumeArgs, RunArgs};
use crate::error::{CliError, Exit, exit_of};
use crate::language::tr;
use crate::operator::operator;
use crate::view::steps::Plain;
use crate::view::{Watch, live, result};
use keiko_app::Keiko;
use keiko_app::change::Changes;
use keiko_app::folder::{self, Place};
use keiko_app::going::{Errand, Going, Rested, Seen, Stop};
use keiko_app::memory::Memory;
use keiko_app::resume::{Again, TakenUp};
use keiko_app::start::{Answers, Ask};
use keiko_contracts::code::Code;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::Source;
use keiko_contracts::run::{EndStatus, Suspension};
use std::process::ExitCode;
use std::sync::Arc;

/// Begins a run.
pub(crate) async fn start(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &RunArgs,
) -> Result<ExitCode, CliError> {
    let text = goal::words(&args.goal, &args.more)?;
    let limits = goal::limits(&args.limits)?;
    let (place, snapshot) = goal::place(args);
    let source = place.source(keiko.home().user.as_deref(), snapshot)?;
    if source.is_none() && place == Place::Around && folder::holds_files() {
        context.output.say(context.output.t(
            "No project is here (no repository, no manifest): the goal is worked on without any files. With those of this folder: --workspace .",
            "Hier ist kein Projekt (kein Repository, kein Manifest): Der Auftrag wird ohne Dateien bearbeitet. Mit denen dieses Ordners: --workspace .",
        ));
    }
    let ask = Ask {
        by: operator(),
        goal: text,
        agent: args.agent.clone(),
        source,
        limits,
        approval: args.approval.map(goal::approval),
        effort: args.effort.map(goal::effort),
        install: goal::install(&args.install),
        answers: answers(args),
    };
    let ready = keiko.prepare(ask).await?;
    if let Some(path) = &ready.agent_from {
        context.output.say(&tr!(
            context.output,
            "This agent is the workspace's own: {}",
            "Dieser Agent stammt aus dem Arbeitsbereich: {}",
            path.display()
        ));
    }
    if let Some(model) = &ready.effort_left_to {
        context.output.say(&tr!(
                    context.output,
                    "{model} cannot be told how hard to think; the effort is left to it.",
                    "{model} lässt sich nicht sagen, wie gründlich es nachdenken soll; das bleibt ihm überlassen."
                ));
    }
    drive(context, keiko, ready.errand, args.jsonl)
        .await
        .map(ExitCode::from)
}

fn answers(args: &RunArgs) -> Answers {
    let name = args.model.clone();
    match (&args.script, &args.replay) {
        (Some(script), _) => Answers::Script(script.clone()),
        (None, Some(from)) => Answers::Recorded {
            name,
            from: from.clone(),
        },
        (None, None) => Answers::Model {
            name,
            record: args.record.clone(),
        },
    }
}

/// Takes a run up again.
pub(crate) async fn resume(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &ResumeArgs,
) -> Result<ExitCode, CliError> {
    let run = keiko.run_id(&args.run).await?;
    let words = match args.words.split_first() {
        Some((first, more)) => Some(goal::words(first, more)?),
        None => None,
    };
    let again = Again {
        run,
        by: operator(),
        words,
        limits: goal::limits(&args.limits)?,
        install: goal::install(&args.install),
        script: args.script.clone(),
    };
    let waits = |seconds: u64| {
        context.output.say(&tr!(
            context.output,
            "Another process holds this run; waiting at most {seconds} s to see whether it lives …",
            "Ein anderer Prozess hält diesen Lauf; warte höchstens {seconds} s ab, ob er noch lebt …"
        ));
    };
    match keiko.take_up(again, waits).await? {
        TakenUp::Told { for_ms } => Ok(was_told(context, run, for_ms)),
        TakenUp::Ready(errand) => drive(context, keiko, *errand, args.jsonl)
            .await
            .map(ExitCode::from),
    }
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
    errand: Errand,
    jsonl: bool,
) -> Result<Exit, CliError> {
    let manner = Manner {
        jsonl,
        ..Manner::default()
    };
    drive_with(context, keiko, errand, manner).await
}

/// Makes somebody who watches beside the view, and may show lines there.
pub(crate) type Companion = Box<dyn FnOnce(live::Say) -> Arc<dyn Watch> + Send>;

/// How a run is shown and who answers.
#[derive(Default)]
pub(crate) struct Manner {
    /// Events as lines of JSON on stdout.
    pub(crate) jsonl: bool,
    /// The companion answers approvals, so the run waits for it even when nobody sits at the terminal.
    pub(crate) answers: bool,
    /// Watches too.
    pub(crate) companion: Option<Companion>,
}

/// As [`drive`], with a manner.
pub(crate) async fn drive_with(
    context: &Context<'_>,
    keiko: &Keiko,
    errand: Errand,
    manner: Manner,
) -> Result<Exit, CliError> {
    let (run, jsonl, output) = (errand.run, manner.jsonl, *context.output);
    let attended = context.attended && !jsonl;
    let screen = attended.then(|| {
        let subject = subject(keiko, &errand);
        live::Screen::start(output, keiko.inbox(run), subject)
    });
    let mut watching: Vec<Arc<dyn Watch>> = vec![match &screen {
        Some(screen) => screen.watch(),
        None => Arc::new(Plain::new(output, run, jsonl, errand.native)),
    }];
    if let Some(companion) = manner.companion {
        watching.push(companion(match &screen {
            Some(screen) => screen.say(),
            None => Arc::new(move |text: &str| output.say(text)),
        }));
    }
    let mut going = keiko.drive(errand, attended || manner.answers);
    let signals = tokio::spawn(stop_on_signal(going.stop()));
    show(&mut going, &watching).await;
    signals.abort();
    if let Some(screen) = screen {
        screen.end().await;
    }
    match going.rest().await? {
        Rested::Ended(end) => {
            if !jsonl {
                result::show_end(context.output, run, &end);
            }
            Ok(end_code(end.status))
        }
        Rested::Waiting(waits) => {
            let shown = (run, &waits.why, &waits.state);
            result::show_waiting(context.output, shown, &waits.changes, jsonl);
            Ok(waiting_code(&waits.why))
        }
    }
}

/// Shows what happens until the run comes to rest.
async fn show(going: &mut Going, watching: &[Arc<dyn Watch>]) {
    while let Some(seen) = going.next().await {
        match seen {
            Seen::Event(happened) => {
                let (recorded, event) = &*happened;
                watching
                    .iter()
                    .for_each(|watch| watch.event(recorded, event));
            }
            Seen::Frame(key, frame) => watching.iter().for_each(|watch| watch.frame(&key, &frame)),
        }
    }
}

/// What the live view may need for its questions.
fn subject(keiko: &Keiko, errand: &Errand) -> live::Subject {
    let changes = Changes::of(keiko);
    let look: live::Look = Box::new(move |request| {
        let changes = changes.clone();
        Box::pin(async move { changes.about(&request).await })
    });
    let memory = match &errand.source {
        Some(Source::Folder { path, .. }) => {
            Some((Memory::below(&keiko.home().data), path.clone()))
        }
        _ => None,
    };
    live::Subject {
        by: operator(),
        native: errand.native,
        look: Some(look),
        memory,
    }
}

/// The first signal asks the run to stop at once and keeps what was got; the second ends the process.
async fn stop_on_signal(stop: Stop) {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    stop.now(&operator()).await;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    live::leave();
}

fn end_code(status: EndStatus) -> Exit {
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
