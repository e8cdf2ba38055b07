//! How a run ended or what it waits for: summary, diff and evidence card, and the next thing to type.

use super::plain::waiting;
use super::{Output, Tone};
use keiko_agent::state::RunState;
use keiko_contracts::approval::Decision;
use keiko_contracts::evidence::{EvidenceCard, TestSummary};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::BaseKind;
use keiko_contracts::run::{EndStatus, RunEnd, Suspension};
use keiko_runtime::views::end_word;
use std::fmt::Write as _;

/// The longest diff that is shown at the end of a run; `runs diff` shows all of it.
const DIFF_LINES: usize = 200;

/// Shows how a run ended.
pub(crate) fn show_end(output: &Output, run: RunId, end: &RunEnd) {
    if output.json() {
        output.data(&serde_json::json!({"run": run, "status": end_word(end.status), "end": end}).to_string());
        return;
    }
    if let Some(report) = &end.report {
        output.data(report.text_or_empty());
    } else {
        output.data(end.summary.text_or_empty());
    }
    if let Some(diff) = &end.diff {
        output.data("");
        output.data(&cut(output, diff.text_or_empty(), run));
    }
    output.say("");
    output.say(&card(output, end.status, &end.card));
    if let Some(fault) = &end.fault {
        output.fault(fault);
    }
    if end.diff.is_some() && end.status != EndStatus::Refused {
        output.say(&format!("{}: keiko runs apply {run}", output.t("Bring it into your folder", "In Ihren Ordner übernehmen")));
        output.say(&format!("{}: keiko runs verify {run}", output.t("Check the evidence again", "Den Nachweis erneut prüfen")));
    }
}

fn cut(output: &Output, diff: &str, run: RunId) -> String {
    let lines: Vec<&str> = diff.lines().collect();
    if lines.len() <= DIFF_LINES {
        return diff.trim_end().to_owned();
    }
    format!(
        "{}\n... {} {}: keiko runs diff {run}",
        lines[..DIFF_LINES].join("\n"),
        lines.len() - DIFF_LINES,
        output.t("more lines", "weitere Zeilen")
    )
}

/// The evidence card, for people.
pub(crate) fn card(output: &Output, status: EndStatus, card: &EvidenceCard) -> String {
    let tone = match status {
        EndStatus::Examined if !card.tests_after.as_ref().is_none_or(TestSummary::is_green) => Tone::Warn,
        EndStatus::Succeeded | EndStatus::Examined => Tone::Good,
        EndStatus::Unverified => Tone::Warn,
        EndStatus::Failed | EndStatus::Refused | EndStatus::Cancelled | EndStatus::Killed => Tone::Bad,
    };
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<14} {value}");
    };
    row(output.t("result", "Ergebnis"), &output.paint(tone, &outcome(output, status, card)));
    if card.demo {
        row("demo", output.t("a scripted model played; everything else is real", "ein Skript spielte das Modell; alles andere ist echt"));
    }
    if let (Some(kind), Some(base)) = (card.base_kind, &card.base) {
        let kind = match kind {
            BaseKind::Head => "HEAD",
            BaseKind::Snapshot => output.t("HEAD with uncommitted changes", "HEAD mit nicht eingetragenen Änderungen"),
            BaseKind::Shadow => output.t("the folder as it was", "der Ordner, wie er war"),
            BaseKind::Empty => output.t("nothing", "nichts"),
        };
        row(output.t("base", "Grundlage"), &format!("{kind} ({})", base.0.get(..10).unwrap_or(&base.0)));
    }
    match (&card.tests_before, &card.tests_after) {
        (Some(first), Some(last)) if status == EndStatus::Examined && first == last => row("tests", &counts(output, last)),
        (first, last) => {
            if let Some(tests) = first {
                row(output.t("tests first", "Tests zuerst"), &counts(output, tests));
            }
            if let Some(tests) = last {
                row(output.t("tests last", "Tests zuletzt"), &counts(output, tests));
            }
        }
    }
    if !card.red_to_green.is_empty() {
        row(output.t("red to green", "rot zu grün"), &card.red_to_green.join(", "));
    }
    if !card.still_red.is_empty() {
        row(output.t("still red", "noch rot"), &still_red(output, card));
    }
    for (path, approval) in &card.changed_tests {
        row(output.t("test changed", "Test geändert"), &format!("{path} ({} {approval})", output.t("approval", "Freigabe")));
    }
    for (what, answer) in &card.approvals {
        // What a person did not allow is missing from the result, and that is said where the result is.
        let withheld = answer.starts_with(Decision::Denied.word()) || answer.starts_with(Decision::Expired.word());
        let name = if withheld { output.t("not done", "nicht getan") } else { output.t("approval", "Freigabe") };
        row(name, &format!("{answer}: {what}"));
    }
    for (model, origin) in &card.models {
        row(output.t("model", "Modell"), &format!("{model} ({origin})"));
    }
    let seconds = card.ended.since_ms(card.started) as f64 / 1000.0;
    let tokens = card.usage.input + card.usage.cached + card.usage.cache_write;
    let (steps, written, cost) = (card.steps, card.usage.output, card.cost);
    let effort = if output.t("en", "de") == "de" {
        format!("{steps} Schritte, {seconds:.1} s, {tokens} Token gelesen, {written} geschrieben, {cost} Dollar")
    } else {
        format!("{steps} steps, {seconds:.1} s, {tokens} tokens in, {written} out, {cost} dollars")
    };
    row(output.t("effort", "Aufwand"), &effort);
    row(output.t("journal", "Protokoll"), &card.journal.short());
    out.trim_end().to_owned()
}

/// Tests that were red before and still are: never left out, whatever the result is called.
fn still_red(output: &Output, card: &EvidenceCard) -> String {
    let failing = |tests: &Option<TestSummary>| tests.as_ref().map_or(0, |tests| tests.failed + tests.errors);
    let (before, after) = (failing(&card.tests_before), failing(&card.tests_after));
    let names = card.still_red.join(", ");
    if before == after && card.red_to_green.is_empty() {
        let how = output.t("tests were red before and are as red now", "Tests waren vorher rot und sind es ebenso noch");
        return format!("{how}: {after} {}: {names}", output.t("failing, the same ones", "schlagen fehl, dieselben"));
    }
    format!("{}: {names}", output.t("red at the start and at the end", "rot am Anfang und am Ende"))
}

/// How it ended, in words that promise no more than there is.
fn outcome(output: &Output, status: EndStatus, card: &EvidenceCard) -> String {
    let is_denied = card.approvals.iter().any(|(_, answer)| answer.starts_with("denied"));
    let word = end_word(status);
    match (status, &card.tests_after) {
        (EndStatus::Examined, Some(tests)) => match tests.failed + tests.errors {
            0 if tests.passed > 0 => format!("{word}; {}", output.t("its tests pass", "die Tests bestehen")),
            0 => format!("{word}; {}", output.t("no test ran", "kein Test lief")),
            1 => format!("{word}; {}", output.t("1 test fails", "1 Test schlägt fehl")),
            n => format!("{word}; {n} {}", output.t("tests fail", "Tests schlagen fehl")),
        },
        (status, _) if is_denied && status != EndStatus::Examined => {
            format!("{word}, {}", output.t("without what was denied", "ohne das, was abgelehnt wurde"))
        }
        _ => word.into(),
    }
}

fn counts(output: &Output, tests: &TestSummary) -> String {
    let TestSummary { passed, failed, errors, skipped, .. } = tests;
    if output.t("en", "de") == "de" {
        format!("{passed} bestanden, {failed} fehlgeschlagen, {errors} Fehler, {skipped} ausgelassen")
    } else {
        format!("{passed} passed, {failed} failed, {errors} errors, {skipped} skipped")
    }
}

/// Shows what a run waits for, and the command that goes on.
pub(crate) fn show_waiting(output: &Output, run: RunId, why: &Suspension, state: &RunState, jsonl: bool) {
    let approvals: Vec<_> = state.open_approvals().map(|approval| approval.request.clone()).collect();
    let next = next_commands(run, why, &approvals.iter().map(|request| request.id.to_string()).collect::<Vec<_>>());
    if output.json() && !jsonl {
        let requests: Vec<_> = approvals.iter().map(AsRef::as_ref).collect();
        output.data(&serde_json::json!({"run": run, "status": "waiting", "waiting": why, "approvals": requests, "next": next}).to_string());
        return;
    }
    output.say("");
    let why_it_waits = waiting(output, why);
    let stop = if why_it_waits.ends_with(['.', '?', '!', '…']) { "" } else { "." };
    output.say(&format!("{} {run} {} {why_it_waits}{stop}", output.t("Run", "Lauf"), output.t("waits", "wartet")));
    for request in &approvals {
        output.say(&format!("  {}  {}  ({})", output.paint(Tone::Strong, &request.id.to_string()), request.summary, request.reason));
    }
    if let Suspension::Unavailable { fault } | Suspension::Limit { fault } = why {
        output.fault(fault);
    }
    for command in next {
        output.say(&format!("  {command}"));
    }
}

fn next_commands(run: RunId, why: &Suspension, approvals: &[String]) -> Vec<String> {
    let resume = format!("keiko resume {run}");
    match why {
        Suspension::Approval { .. } => approvals.iter().map(|id| format!("keiko approvals approve {id}")).chain([resume]).collect(),
        Suspension::Question { .. } | Suspension::Unknown { .. } => vec![format!("keiko resume {run} \"…\"")],
        Suspension::Unavailable { .. } | Suspension::Limit { .. } | Suspension::Stopped { .. } | Suspension::Killed { .. } => vec![resume],
    }
}
