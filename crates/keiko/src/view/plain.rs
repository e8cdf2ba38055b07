//! A run as plain lines: what happens, one line each, on stderr; or every event as a JSON line on stdout.

use super::{Output, Tone};
use crate::language::{self, tr};
use keiko_agent::describe;
use keiko_agent::ledger::one_line;
use keiko_contracts::action::{Action, Intent, Outcome, Report};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, Decision};
use keiko_contracts::asked::Asked;
use keiko_contracts::code::Fault;
use keiko_contracts::evidence::TestSummary;
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::jail::{End, JailBody, JailOp};
use keiko_contracts::journal::Recorded;
use keiko_contracts::model::Part;
use keiko_contracts::run::{EventLine, NoteKind, Opaque, RunEvent, StartRun, Suspension};
use keiko_contracts::said::plainly;
use std::collections::BTreeMap;

/// An event with its envelope, as a line of JSON.
pub(crate) fn json_line(run: RunId, recorded: &Recorded, event: &RunEvent) -> String {
    line_of(run, recorded, Some(event))
}

/// An event that a newer program wrote, as a line of JSON: its envelope is known.
pub(crate) fn opaque_json_line(run: RunId, recorded: &Recorded) -> String {
    line_of(run, recorded, None)
}

/// The same, for people.
pub(crate) fn opaque_line(output: &Output, recorded: &Recorded) -> String {
    let Recorded {
        kind, version, seq, ..
    } = recorded;
    let text = tr!(
        output,
        "event {seq}, {kind} (version {version}): written by a newer Keiko, not readable by this one",
        "Ereignis {seq}, {kind} (Version {version}): von einem neueren Keiko, für dieses nicht lesbar"
    );
    format!(
        "{} {text}",
        output.paint(
            Tone::Warn,
            &format!("{:>11}", output.t("Unknown", "Unbekannt"))
        )
    )
}

fn line_of(run: RunId, recorded: &Recorded, event: Option<&RunEvent>) -> String {
    let line = EventLine {
        v: 1,
        position: recorded.position.0,
        run,
        seq: recorded.seq.0,
        at: recorded.at.to_string(),
        demo: recorded.head.demo,
        subject: recorded.head.subject.clone(),
        labels: recorded.head.labels.clone(),
        hash: recorded.hash,
        body: event.cloned(),
        opaque: event.is_none().then(|| Opaque {
            kind: recorded.kind.clone(),
            version: recorded.version,
        }),
    };
    plainly(|| serde_json::to_string(&line)).unwrap_or_default()
}

/// A line: whose it is or what it is about, in a column of its own, and what there is to say.
fn verb(output: &Output, tone: Tone, verb: &str, text: &str) -> String {
    format!("{} {text}", output.paint(tone, &format!("{verb:>11}")))
}

/// What an event says, in lines for people. `open` remembers intents until they come out.
pub(crate) fn lines(
    output: &Output,
    open: &mut BTreeMap<EffectKey, Intent>,
    event: &RunEvent,
) -> Vec<String> {
    match event {
        RunEvent::RunStarted(start) => started(output, start),
        RunEvent::EffectIntended(intent) => {
            open.insert(intent.key.clone(), (**intent).clone());
            match &intent.action {
                Action::Model(_) => Vec::new(),
                action => {
                    let (label, text) = of_intent(output, intent, action);
                    vec![verb(output, Tone::Faint, &label, &text)]
                }
            }
        }
        RunEvent::EffectEnded(ended) => match open.remove(&ended.key) {
            Some(intent) => ended_lines(output, &intent, &ended.outcome),
            None => Vec::new(),
        },
        event => line(output, event).into_iter().collect(),
    }
}

/// How a run begins.
fn started(output: &Output, start: &StartRun) -> Vec<String> {
    let who = start.model.as_ref().map_or_else(
        || {
            output
                .t("rules, no language model", "Regeln, kein Sprachmodell")
                .to_owned()
        },
        ToString::to_string,
    );
    let mut lines = vec![verb(
        output,
        Tone::Strong,
        output.t("Run", "Lauf"),
        &format!("{}  {} ({who})", start.run, start.agent),
    )];
    if start.demo {
        lines.push(verb(
            output,
            Tone::Warn,
            output.t("Demo", "Vorführung"),
            output.t(
                "a scripted model plays; everything else is real",
                "ein Drehbuch spielt das Modell; alles andere ist echt",
            ),
        ));
    }
    lines.push(verb(
        output,
        Tone::Strong,
        output.t("Goal", "Auftrag"),
        &one_line(start.goal.text_or_empty(), 200),
    ));
    lines
}

/// What an event says that is told in one line, if it is told.
fn line(output: &Output, event: &RunEvent) -> Option<String> {
    let t = |english, german| output.t(english, german);
    let (tone, about, text) = match event {
        RunEvent::Steered(steered) => (
            Tone::Strong,
            t("Operator", "Sie"),
            one_line(steered.text.text_or_empty(), 200),
        ),
        RunEvent::CallRefused(refused) => {
            let title = refused.asked.title().unwrap_or_default();
            let text = format!(
                "{}: {}",
                refused.asked.tool().unwrap_or(&output.told(&title)),
                one_line(&output.told(&refused.why()), 240)
            );
            (Tone::Warn, t("Refused", "Abgelehnt"), text)
        }
        RunEvent::ApprovalRequested(request) => (
            Tone::Warn,
            t("Approval", "Freigabe"),
            asked(output, request),
        ),
        RunEvent::ApprovalResolved(answer) => (
            Tone::Strong,
            t("Approval", "Freigabe"),
            format!("{}  {}", answer.id, answered(output, answer)),
        ),
        RunEvent::TestsObserved(tests) => {
            let tone = if tests.is_green() {
                Tone::Good
            } else {
                Tone::Bad
            };
            let text = format!("{}  ({})", counts(output, tests), tests.command);
            (tone, "Tests", text)
        }
        RunEvent::Noted(note) if matches!(note.kind, NoteKind::Alert | NoteKind::Definition) => {
            let text = one_line(&output.told(&note.told()), 240);
            (Tone::Warn, t("Alert", "Hinweis"), text)
        }
        RunEvent::ContextCompacted(_) => {
            let text = t(
                "older steps left the context; the ledger keeps what matters",
                "ältere Schritte sind aus dem Kontext; das Wichtige steht im Merkblatt",
            );
            (Tone::Faint, t("Context", "Kontext"), text.to_owned())
        }
        RunEvent::RunSuspended(why) => (Tone::Warn, t("Waiting", "Wartet"), waiting(output, why)),
        _ => return None,
    };
    Some(verb(output, tone, about, &text))
}

/// Who does it, and what is done. A step of a native engine is told by its title, and so is a command of the harness: the
/// command itself is long, and is in the journal.
fn of_intent(output: &Output, intent: &Intent, action: &Action) -> (String, String) {
    let described = output.told(&describe::action(action)).into_owned();
    let is_command = matches!(action, Action::Jail(jail) if matches!(jail.op, JailOp::Exec(_) | JailOp::Diff { .. }));
    let harness = || output.t("Harness", "Rahmen").to_owned();
    match &intent.asked {
        Asked::Model { tool, .. } => (tool.clone(), described),
        Asked::Engine { title, .. } => (
            output.t("Rules", "Regeln").into(),
            output.told(title).into_owned(),
        ),
        Asked::Harness(chore) if is_command => (harness(), output.told(chore.title()).into_owned()),
        Asked::Harness(_) | Asked::Loop => (harness(), described),
    }
}

fn ended_lines(output: &Output, intent: &Intent, outcome: &Outcome<Report>) -> Vec<String> {
    let verb = |tone, about: &str, text: &str| verb(output, tone, about, text);
    match (&intent.action, outcome) {
        (Action::Model(_), Outcome::Done(Report::Model(report))) => {
            let parts: Vec<Part> =
                serde_json::from_str(report.reply.text_or_empty()).unwrap_or_default();
            parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text { text } if !text.trim().is_empty() => {
                        Some(verb(Tone::Strong, "Agent", &one_line(text, 400)))
                    }
                    Part::Reasoning { text, .. } if !text.trim().is_empty() => Some(verb(
                        Tone::Faint,
                        output.t("Thinking", "Denkt"),
                        &one_line(text, 240),
                    )),
                    Part::Refusal { text } => Some(verb(
                        Tone::Bad,
                        output.t("Declines", "Lehnt ab"),
                        &one_line(text, 240),
                    )),
                    _ => None,
                })
                .collect()
        }
        // The error stands where the run waits for the model, and only there.
        (Action::Model(_), Outcome::Failed(fault)) => {
            vec![verb(
                Tone::Bad,
                "",
                &format!(
                    "{} [{}]",
                    output.t("the request failed", "Die Anfrage ist gescheitert"),
                    fault.code
                ),
            )]
        }
        (_, outcome) => {
            let bad = match outcome {
                Outcome::Done(Report::Jail(report)) => match &report.body {
                    JailBody::Exec(exec) => exec.end != End::Exit(0),
                    JailBody::Refused { .. } => true,
                    JailBody::Cell(cell) => cell.error.is_some(),
                    _ => false,
                },
                Outcome::Done(_) => false,
                Outcome::Failed(_) | Outcome::Unknown { .. } | Outcome::Cancelled => true,
            };
            let text = output.told(&describe::outcome(outcome)).into_owned();
            vec![verb(
                if bad { Tone::Bad } else { Tone::Faint },
                "",
                &if bad {
                    text
                } else {
                    output.paint(Tone::Faint, &text)
                },
            )]
        }
    }
}

/// What came of tests.
pub(crate) fn counts(output: &Output, tests: &TestSummary) -> String {
    let TestSummary {
        passed,
        failed,
        errors,
        skipped,
        ..
    } = tests;
    let broken = output.language().count(
        u64::from(*errors),
        ["error", "errors"],
        ["Fehler", "Fehler"],
    );
    tr!(
        output,
        "{passed} passed, {failed} failed, {broken}, {skipped} skipped",
        "{passed} bestanden, {failed} fehlgeschlagen, {broken}, {skipped} ausgelassen"
    )
}

/// What a person is asked.
pub(crate) fn asked(output: &Output, request: &ApprovalRequest) -> String {
    format!(
        "{}  {} ({})",
        request.id,
        output.told(&request.summary),
        output.told(&request.reason)
    )
}

/// What a person answered.
pub(crate) fn answered(output: &Output, answer: &ApprovalAnswer) -> String {
    let how = answer.beforehand.map_or(String::new(), |how| {
        format!(" ({})", output.told(how.words()))
    });
    let by = format!("{}{how}", answer.by);
    match answer.decision {
        Decision::Approved => tr!(output, "approved by {by}", "erteilt von {by}"),
        Decision::Denied => tr!(output, "denied by {by}", "abgelehnt von {by}"),
        Decision::Expired => output.t("expired", "abgelaufen").to_owned(),
        Decision::Withdrawn => output.t("withdrawn", "zurückgezogen").to_owned(),
    }
}

/// An error in a line.
fn told(output: &Output, fault: &Fault) -> String {
    language::told_fault(fault, output.language()).to_string()
}

/// The longest reason in a line, in characters.
const REASON: usize = 240;

/// Why a run waits, in a line.
pub(crate) fn waiting(output: &Output, why: &Suspension) -> String {
    let what = waits_for(output, why);
    match why {
        Suspension::Unavailable { fault } | Suspension::Limit { fault } => {
            format!("{what}: {}", one_line(&told(output, fault), REASON))
        }
        _ => what,
    }
}

/// What a run waits for, behind "waits"; an error is told by whoever shows this.
pub(crate) fn waits_for(output: &Output, why: &Suspension) -> String {
    match why {
        Suspension::Approval { open: 1 } => output.t("for an approval", "auf eine Freigabe").into(),
        Suspension::Approval { open } => {
            tr!(output, "for {open} approvals", "auf {open} Freigaben")
        }
        Suspension::Question { question, .. } => tr!(
            output,
            "for an answer: {}",
            "auf eine Antwort: {}",
            question.text_or_empty()
        ),
        Suspension::Unknown { key, why } => tr!(
            output,
            "for a person to look whether this happened: {key}: {}",
            "darauf, dass jemand nachsieht, ob dies geschehen ist: {key}: {}",
            output.told(why)
        ),
        Suspension::Child { run } => tr!(
            output,
            "for run {run}, which it has started",
            "auf Lauf {run}, den er begonnen hat"
        ),
        Suspension::Unavailable { .. } => output.t("for the model", "auf das Modell").into(),
        Suspension::Limit { .. } => output
            .t("for a higher limit", "auf eine höhere Grenze")
            .into(),
        Suspension::Stopped { by, .. } => tr!(
            output,
            "since it was stopped by {by}",
            "seit dem Anhalten durch {by}"
        ),
        Suspension::Killed { reason } => tr!(
            output,
            "since a kill: {reason}",
            "seit einem Notaus: {reason}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Color;
    use keiko_contracts::language::Language;
    use keiko_contracts::run::Note;

    #[test]
    fn that_an_agent_is_another_is_told_in_both_languages() {
        let note = RunEvent::Noted(Note::new(
            NoteKind::Definition,
            keiko_agent::definition::ANOTHER,
            false,
        ));
        let told = |language| {
            let output = Output::new(Color::Never, false, false).in_language(language);
            lines(&output, &mut BTreeMap::new(), &note).concat()
        };
        let (english, german) = (told(Language::English), told(Language::German));
        assert!(
            english
                .trim_start()
                .starts_with("Alert this agent is not what it was"),
            "{english}"
        );
        assert!(
            german
                .trim_start()
                .starts_with("Hinweis Dieser Agent ist nicht mehr"),
            "{german}"
        );
    }
}
