//! How a run ended or what it waits for: summary, diff and evidence card, and the next thing to type.

use super::plain::{counts, waiting};
use super::{Output, Tone};
use crate::language::tr;
use keiko_agent::native::doctor::DoctorReport;
use keiko_agent::state::RunState;
use keiko_contracts::evidence::EvidenceCard;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::BaseKind;
use keiko_contracts::language::Language;
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
    output.data(&report(output, end));
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
        output.say(&tr!(output, "Bring it into your folder: keiko runs apply {run}", "In Ihren Ordner übernehmen: keiko runs apply {run}"));
        output.say(&tr!(
            output,
            "Check the evidence again: keiko runs verify {run}",
            "Den Nachweis erneut prüfen: keiko runs verify {run}"
        ));
    }
}

fn cut(output: &Output, diff: &str, run: RunId) -> String {
    let lines: Vec<&str> = diff.lines().collect();
    if lines.len() <= DIFF_LINES {
        return diff.trim_end().to_owned();
    }
    let more = output.language().count((lines.len() - DIFF_LINES) as u64, ["more line", "more lines"], ["weitere Zeile", "weitere Zeilen"]);
    format!("{}\n... {more}: keiko runs diff {run}", lines[..DIFF_LINES].join("\n"))
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
    row(output.t("result", "Ergebnis"), &output.paint(tone, state_word(output, end_word(status))));
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
        row(output.t("approval", "Freigabe"), &format!("{}: {}", output.told(answer), output.told(what)));
    }
    for (model, origin) in &card.models {
        row(output.t("model", "Modell"), &format!("{model} ({})", output.told(origin)));
    }
    let seconds = card.ended.since_ms(card.started) as f64 / 1000.0;
    let tokens = card.usage.input + card.usage.cached + card.usage.cache_write;
    let (written, cost) = (card.usage.output, card.cost);
    let steps = steps(output, card.steps);
    let effort = tr!(
        output,
        "{steps}, {seconds:.1} s, {tokens} tokens in, {written} out, {cost} dollars",
        "{steps}, {seconds:.1} s, {tokens} Token gelesen, {written} geschrieben, {cost} Dollar"
    );
    row(output.t("effort", "Aufwand"), &effort);
    row(output.t("journal", "Protokoll"), &card.journal.short());
    out.trim_end().to_owned()
}

/// What a run reports. The doctor's report is data, so it can be put into words again, in the language of the reader; the
/// words of other agents are their own.
pub(crate) fn report(output: &Output, end: &RunEnd) -> String {
    let doctor = || serde_json::from_str::<DoctorReport>(end.data.as_ref()?.text()?).ok();
    let doctor = (output.language() == Language::German && end.report.is_some()).then(doctor).flatten();
    match doctor {
        Some(report) => report.markdown_in(Language::German, &|text| output.told(text).into_owned()),
        None => end.report.as_ref().unwrap_or(&end.summary).text_or_empty().to_owned(),
    }
}

/// So many steps.
pub(crate) fn steps(output: &Output, n: u32) -> String {
    output.language().count(u64::from(n), ["step", "steps"], ["Schritt", "Schritte"])
}

/// The word for a state, as it is shown; `--state` and JSON have the English one.
pub(crate) fn state_word<'a>(output: &Output, word: &'a str) -> &'a str {
    let german = match word {
        "running" => "läuft",
        "waiting-approval" => "wartet: Freigabe",
        "waiting-answer" => "wartet: Antwort",
        "waiting-person" => "wartet: Mensch",
        "waiting-model" => "wartet: Modell",
        "limit" => "an der Grenze",
        "stopped" => "angehalten",
        "killed" => "Notaus",
        "succeeded" => "erfolgreich",
        "unverified" => "ohne Beleg",
        "failed" => "gescheitert",
        "refused" => "abgelehnt",
        "cancelled" => "beendet",
        other => other,
    };
    output.t(word, german)
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
    output.say(&tr!(output, "Run {run} waits {}.", "Lauf {run} wartet {}.", waiting(output, why)));
    for request in &approvals {
        let id = output.paint(Tone::Strong, &request.id.to_string());
        output.say(&format!("  {id}  {}  ({})", output.told(&request.summary), output.told(&request.reason)));
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
