//! How a run ended or what it waits for: summary, diff and evidence card, and the next thing to type.

use super::plain::waiting;
use super::{Output, Tone};
use keiko_agent::state::RunState;
use keiko_contracts::evidence::{EvidenceCard, TestSummary};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::BaseKind;
use keiko_contracts::money::Micros;
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
        EndStatus::Succeeded => Tone::Good,
        EndStatus::Unverified => Tone::Warn,
        EndStatus::Failed | EndStatus::Refused | EndStatus::Cancelled | EndStatus::Killed => Tone::Bad,
    };
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<14} {value}");
    };
    row(output.t("result", "Ergebnis"), &output.paint(tone, end_word(status)));
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
    if let Some(tests) = &card.tests_before {
        row(output.t("tests first", "Tests zuerst"), &counts(output, tests));
    }
    if let Some(tests) = &card.tests_after {
        row(output.t("tests last", "Tests zuletzt"), &counts(output, tests));
    }
    if !card.red_to_green.is_empty() {
        row(output.t("red to green", "rot zu grün"), &card.red_to_green.join(", "));
    }
    for (path, approval) in &card.changed_tests {
        row(output.t("test changed", "Test geändert"), &format!("{path} ({} {approval})", output.t("approval", "Freigabe")));
    }
    for (what, answer) in &card.approvals {
        row(output.t("approval", "Freigabe"), &format!("{answer}: {what}"));
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
    if !card.cut_off.is_zero() {
        row(output.t("cut off", "Abbruch"), &cut_off(output, card.cut_off));
    }
    row(output.t("journal", "Protokoll"), &card.journal.short());
    out.trim_end().to_owned()
}

/// What a crash may have cost.
pub(crate) fn cut_off(output: &Output, money: Micros) -> String {
    if output.t("en", "de") == "de" {
        format!("höchstens {money} Dollar mehr für Anfragen, die ein Absturz abbrach")
    } else {
        format!("at most {money} dollars more for requests that a crash cut off")
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
    output.say(&format!("{} {run} {} {}.", output.t("Run", "Lauf"), output.t("waits", "wartet"), waiting(output, why)));
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
