//! How a run ended or what it waits for: summary, diff and evidence card, and the next thing to type.

use super::plain::{counts, waits_for};
use super::{Output, Tone, question};
use crate::language::{plain_json, tr};
use keiko_agent::state::RunState;
use keiko_app::change::Asked;
use keiko_contracts::action::Origin;
use keiko_contracts::approval::{ApprovalRequest, Decision};
use keiko_contracts::code::Fault;
use keiko_contracts::evidence::{
    Answerer, Backwards, ChangedTest, EvidenceCard, Leave, TestSummary,
};
use keiko_contracts::id::RunId;
use keiko_contracts::language::Language;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{EndStatus, RunEnd, RunStatus, Suspension};
use keiko_native::doctor::DoctorReport;
use std::fmt::Write as _;

/// The longest diff that is shown at the end of a run; `runs diff` shows all of it.
const DIFF_LINES: usize = 200;

/// Shows how a run ended.
pub(crate) fn show_end(output: &Output, run: RunId, end: &RunEnd) {
    if output.json() {
        let end = &RunEnd {
            data: plain(end).map(Into::into).or_else(|| end.data.clone()),
            ..end.clone()
        };
        output
            .data(&plain_json!({"run": run, "status": end.status.word(), "end": end}).to_string());
        return;
    }
    // The doctor's report is long: here stands what matters of it.
    let brief = doctors(end).map(|report| report.brief_in(output.language(), &output.teller()));
    output.data(brief.as_ref().unwrap_or(&report(output, end)));
    if brief.is_some() {
        output.say(&tr!(
            output,
            "All of it: keiko runs report {run}",
            "Alles davon: keiko runs report {run}"
        ));
    }
    match &end.diff {
        Some(_) if brief.is_some() => {
            output.say(&tr!(
                output,
                "What tools mended: keiko runs diff {run}",
                "Was Werkzeuge behoben haben: keiko runs diff {run}"
            ));
        }
        Some(diff) => {
            output.data("");
            output.diff(&cut(output, diff.text_or_empty(), run));
        }
        None => {}
    }
    output.say("");
    output.say(&card(output, end));
    if let Some(fault) = &end.fault {
        output.fault(&shortened(output, fault, &run));
    }
    if end.diff.is_some() && end.status != EndStatus::Refused {
        output.say(&tr!(
            output,
            "Bring it into your folder: keiko runs apply {run}",
            "In Ihren Ordner übernehmen: keiko runs apply {run}"
        ));
        output.say(&tr!(
            output,
            "Check the evidence again: keiko runs verify {run}",
            "Den Nachweis erneut prüfen: keiko runs verify {run}"
        ));
    }
}

/// The most lines of an error that are shown, and the most characters of each; it may hold the difference between two
/// requests.
const FAULT_LINES: usize = 8;
const FAULT_COLUMNS: usize = 200;

/// An error that fits on a screen, with the command that tells all of it.
fn shortened(output: &Output, fault: &Fault, run: &RunId) -> Fault {
    let is_short = |line: &str| line.chars().nth(FAULT_COLUMNS).is_none();
    let message = output.told(&fault.message);
    let count = message.lines().count();
    if count <= 1 || count <= FAULT_LINES && message.lines().all(is_short) {
        return fault.clone();
    }
    let narrow = |line: &str| {
        if is_short(line) {
            line.to_owned()
        } else {
            line.chars().take(FAULT_COLUMNS).chain(['…']).collect()
        }
    };
    let mut lines: Vec<String> = message.lines().take(FAULT_LINES).map(narrow).collect();
    let all = crate::view::program::as_typed(&format!("keiko --json runs show {run}")).into_owned();
    lines.push(tr!(output, "... all of it: {all}", "... ganz: {all}"));
    Fault {
        message: lines.join("\n").into(),
        ..fault.clone()
    }
}

fn cut(output: &Output, diff: &str, run: RunId) -> String {
    let lines: Vec<&str> = diff.lines().collect();
    if lines.len() <= DIFF_LINES {
        return diff.trim_end().to_owned();
    }
    let more = output.language().count(
        (lines.len() - DIFF_LINES) as u64,
        ["more line", "more lines"],
        ["weitere Zeile", "weitere Zeilen"],
    );
    format!(
        "{}\n... {more}: keiko runs diff {run}",
        lines[..DIFF_LINES].join("\n")
    )
}

/// The rows of a card, as they are put together.
struct Rows<'a> {
    output: &'a Output,
    out: String,
}

impl Rows<'_> {
    fn row(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.out, "  {name:<14} {value}");
    }
}

/// The evidence card, for people.
pub(crate) fn card(output: &Output, end: &RunEnd) -> String {
    let mut rows = Rows {
        output,
        out: String::new(),
    };
    rows.result(end);
    rows.tests(end);
    rows.suspicious(&end.card);
    rows.answers(&end.card);
    rows.effort(&end.card);
    rows.out.trim_end().to_owned()
}

impl Rows<'_> {
    /// What came of it, and what it is based on.
    fn result(&mut self, end: &RunEnd) {
        let (output, status, card) = (self.output, end.status, &end.card);
        let tone = match status {
            EndStatus::Examined if !card.tests_after.as_ref().is_none_or(TestSummary::is_green) => {
                Tone::Warn
            }
            EndStatus::Succeeded | EndStatus::Examined => Tone::Good,
            EndStatus::Unverified => Tone::Warn,
            EndStatus::Failed | EndStatus::Refused | EndStatus::Cancelled | EndStatus::Killed => {
                Tone::Bad
            }
        };
        self.row(
            output.t("result", "Ergebnis"),
            &output.paint(tone, &outcome(output, status, card)),
        );
        if card.demo {
            let played = output.t(
                "a scripted model played; everything else is real",
                "ein Drehbuch spielte das Modell; alles andere ist echt",
            );
            self.row(output.t("demo", "Vorführung"), played);
        }
        if let (Some(kind), Some(base)) = (card.base_kind, &card.base) {
            let (kind, base) = (
                output.told(kind.words()),
                base.0.get(..10).unwrap_or(&base.0),
            );
            self.row(output.t("base", "Grundlage"), &format!("{kind} ({base})"));
        }
    }

    /// What tests came to before and after.
    fn tests(&mut self, end: &RunEnd) {
        let (output, status, card) = (self.output, end.status, &end.card);
        match (&card.tests_before, &card.tests_after) {
            (Some(first), Some(last)) if status == EndStatus::Examined && first == last => {
                self.row(output.t("tests", "Tests"), &counted(output, last));
            }
            (first, last) => {
                let first = first
                    .as_ref()
                    .map(|tests| (output.t("tests first", "Tests zuerst"), tests));
                let last = last
                    .as_ref()
                    .map(|tests| (output.t("tests last", "Tests zuletzt"), tests));
                for (name, tests) in first.into_iter().chain(last) {
                    self.row(name, &counted(output, tests));
                }
            }
        }
        if !card.red_to_green.is_empty() {
            self.row(
                output.t("red to green", "rot zu grün"),
                &card.red_to_green.join(", "),
            );
        }
        // The doctor's report, which stands beside it, names them with what each says.
        if !card.still_red.is_empty() && doctors(end).is_none() {
            self.row(output.t("still red", "noch rot"), &still_red(output, card));
        }
    }

    /// Tests that were changed, what looks odd, and what the tests do not prove.
    fn suspicious(&mut self, card: &EvidenceCard) {
        let output = self.output;
        for ChangedTest {
            test,
            gone,
            leave: stands,
        } in &card.changed_tests
        {
            let gone = if *gone {
                output.t(" (does not run any more)", " (läuft nicht mehr)")
            } else {
                ""
            };
            self.row(
                output.t("test changed", "Test geändert"),
                &format!("{test}{gone} ({})", leave(output, *stands)),
            );
        }
        for finding in &card.findings {
            let (file, line, text) = (&finding.file, finding.line, &finding.text);
            let what = output.told(finding.kind.words());
            self.row(
                output.t("look at", "ansehen"),
                &format!(
                    "{file}:{line}: {what} ({})\n{:17}{text}",
                    leave(output, finding.leave),
                    ""
                ),
            );
        }
        if !card.unproven.is_empty() {
            let why = output.t(
                "green without the change too",
                "auch ohne die Änderung grün",
            );
            self.row(
                output.t("not proven", "nicht belegt"),
                &format!("{why}: {}", card.unproven.join(", ")),
            );
        }
        if let Some(backwards) = &card.backwards {
            taken_out(output, backwards, &mut |name, value| self.row(name, value));
        }
    }

    /// What people decided, and which models answered.
    fn answers(&mut self, card: &EvidenceCard) {
        let output = self.output;
        for answer in &card.approvals {
            // What a person did not allow is missing from the result, and that is said where the result is.
            let withheld = matches!(answer.decision, Some(Decision::Denied | Decision::Expired));
            let name = if withheld {
                output.t("not done", "nicht getan")
            } else {
                output.t("approval", "Freigabe")
            };
            self.row(
                name,
                &format!(
                    "{}: {}",
                    output.told(&answer.words()),
                    output.told(&answer.what)
                ),
            );
        }
        for Answerer { model, origin } in &card.models {
            let origin = match origin {
                Some(Origin::Live) => output.t("live", "live"),
                Some(Origin::Recorded) => output.t("recorded", "aufgezeichnet"),
                Some(Origin::Scripted) => output.t("scripted", "nach Drehbuch"),
                None => output.t("rules, no language model", "Regeln, kein Sprachmodell"),
            };
            self.row(output.t("model", "Modell"), &format!("{model} ({origin})"));
        }
    }

    /// What it took.
    fn effort(&mut self, card: &EvidenceCard) {
        let output = self.output;
        let seconds = card.ended.since_ms(card.started) as f64 / 1000.0;
        let tokens = card.usage.input + card.usage.cached + card.usage.cache_write;
        let (written, cost) = (card.usage.output, spent(output, card.cost, card.unpriced));
        let steps = steps(output, card.steps);
        let seconds = output.decimal(&format!("{seconds:.1}"));
        let effort = tr!(
            output,
            "{steps}, {seconds} s, {tokens} tokens in, {written} out, {cost}",
            "{steps}, {seconds} s, {tokens} Token gelesen, {written} geschrieben, {cost}"
        );
        self.row(output.t("effort", "Aufwand"), &effort);
        if !card.cut_off.is_zero() {
            self.row(
                output.t("cut off", "Abbruch"),
                &cut_off(output, card.cut_off),
            );
        }
        self.row(output.t("journal", "Protokoll"), &card.journal.short());
    }
}

/// What was spent, as far as it is known: a model without a price is no free one.
pub(crate) fn spent(output: &Output, cost: Micros, unpriced: bool) -> String {
    let cost = if cost.is_zero() && unpriced {
        String::new()
    } else {
        output.decimal(&cost.to_string())
    };
    match (unpriced, cost.is_empty()) {
        (false, _) => tr!(output, "{cost} dollars", "{cost} Dollar"),
        (true, true) => output.t("no price", "ohne Preis").to_owned(),
        (true, false) => tr!(
            output,
            "{cost} dollars and what has no price",
            "{cost} Dollar und was keinen Preis hat"
        ),
    }
}

/// What lets a change to a test stand: an approval by its id, or words that say how it is without one.
fn leave(output: &Output, leave: Leave) -> String {
    match leave {
        Leave::Approval(id) => format!("{} {id}", output.t("approval", "Freigabe")),
        Leave::Policy => output
            .t(
                "allowed by the risk policy",
                "von der Risikorichtlinie erlaubt",
            )
            .into(),
        Leave::None => output.t("not approved", "nicht freigegeben").into(),
    }
}
/// What tests came to, and how that was read.
fn counted(output: &Output, tests: &TestSummary) -> String {
    let void = tests.void.as_ref().map_or(String::new(), |why| {
        format!(
            "; {}: {}",
            output.t("nothing of this counts", "nichts davon gilt"),
            output.told(why)
        )
    });
    format!(
        "{} ({}){void}",
        counts(output, tests),
        output.told(tests.channel.words())
    )
}

/// What became of the tests without the change, and without its pieces.
fn taken_out(output: &Output, backwards: &Backwards, row: &mut impl FnMut(&str, &str)) {
    for piece in &backwards.pieces {
        let what = match (piece.file.as_str(), piece.line) {
            ("", _) => output.t("the change", "die Änderung").to_owned(),
            (file, 0) => file.to_owned(),
            (file, line) => format!("{file}:{line}"),
        };
        let (red, of) = (piece.red, piece.of);
        let red = match (red, of) {
            (0, _) => output
                .t("no test is red again", "kein Test wird wieder rot")
                .to_owned(),
            _ => tr!(
                output,
                "{red} of {of} red again",
                "{red} von {of} wieder rot"
            ),
        };
        row(output.t("without", "ohne"), &format!("{what}: {red}"));
    }
    for left in &backwards.left {
        let left = output.told(left);
        row(
            output.t("not proven", "nicht belegt"),
            &tr!(output, "backwards: {left}", "rückwärts: {left}"),
        );
    }
}

/// What a crash may have cost.
pub(crate) fn cut_off(output: &Output, money: Micros) -> String {
    let money = output.decimal(&money.to_string());
    tr!(
        output,
        "at most {money} dollars more for requests that a crash cut off",
        "höchstens {money} Dollar mehr für Anfragen, die ein Absturz abbrach"
    )
}

/// Tests that were red before and still are: never left out, whatever the result is called.
fn still_red(output: &Output, card: &EvidenceCard) -> String {
    let failing = |tests: &Option<TestSummary>| {
        tests
            .as_ref()
            .map_or(0, |tests| tests.failed + tests.errors)
    };
    let (before, after) = (failing(&card.tests_before), failing(&card.tests_after));
    let names = card.still_red.join(", ");
    if before == after && card.red_to_green.is_empty() {
        let how = output.t(
            "tests were red before and are as red now",
            "Tests waren vorher rot und sind es ebenso noch",
        );
        return format!(
            "{how}: {after} {}: {names}",
            output.t("failing, the same ones", "schlagen fehl, dieselben")
        );
    }
    format!(
        "{}: {names}",
        output.t(
            "red at the start and at the end",
            "rot am Anfang und am Ende"
        )
    )
}

/// How it ended, in words that promise no more than there is.
fn outcome(output: &Output, status: EndStatus, card: &EvidenceCard) -> String {
    let is_denied = card
        .approvals
        .iter()
        .any(|answer| answer.decision == Some(Decision::Denied));
    let word = state_word(output, status.into());
    match (status, &card.tests_after) {
        (EndStatus::Examined, Some(tests)) => match tests.failed + tests.errors {
            0 if tests.passed > 0 => format!(
                "{word}; {}",
                output.t("its tests pass", "die Tests bestehen")
            ),
            0 => format!("{word}; {}", output.t("no test ran", "kein Test lief")),
            1 => format!(
                "{word}; {}",
                output.t("1 test fails", "1 Test schlägt fehl")
            ),
            n => format!(
                "{word}; {n} {}",
                output.t("tests fail", "Tests schlagen fehl")
            ),
        },
        (status, _) if is_denied && status != EndStatus::Examined => {
            format!(
                "{word}, {}",
                output.t("without what was denied", "ohne das, was abgelehnt wurde")
            )
        }
        _ => word.into(),
    }
}

/// What a run reports. The doctor's report is data, so it can be put into words again, in the language of the reader; the
/// words of other agents are their own.
pub(crate) fn report(output: &Output, end: &RunEnd) -> String {
    match doctors(end).filter(|_| output.language() == Language::German) {
        Some(report) => report.markdown_in(Language::German, &output.teller()),
        None => match (&end.report, &end.said) {
            (Some(report), _) => report.text_or_empty().to_owned(),
            (None, Some(said)) => output.told(said).into_owned(),
            (None, None) => end.summary.text_or_empty().to_owned(),
        },
    }
}

/// The doctor's report as data for scripts: its sentences are their English text.
pub(crate) fn plain(end: &RunEnd) -> Option<String> {
    let report = doctors(end)?;
    keiko_contracts::said::plainly(|| serde_json::to_string_pretty(&report)).ok()
}

/// The doctor's report as data, when it is one of the doctor's.
fn doctors(end: &RunEnd) -> Option<DoctorReport> {
    end.report.as_ref()?;
    serde_json::from_str(end.data.as_ref()?.text()?).ok()
}

/// So many steps.
pub(crate) fn steps(output: &Output, n: u32) -> String {
    output
        .language()
        .count(u64::from(n), ["step", "steps"], ["Schritt", "Schritte"])
}

/// The word for a state, as it is shown; `--state` and JSON have the English one.
pub(crate) fn state_word(output: &Output, status: RunStatus) -> &'static str {
    let german = match status {
        RunStatus::Running => "läuft",
        RunStatus::WaitingApproval => "wartet: Freigabe",
        RunStatus::WaitingAnswer => "wartet: Antwort",
        RunStatus::WaitingPerson => "wartet: Mensch",
        RunStatus::WaitingRun => "wartet: Lauf darunter",
        RunStatus::WaitingModel => "wartet: Modell",
        RunStatus::Limit => "an der Grenze",
        RunStatus::Stopped => "angehalten",
        RunStatus::Killed => "Notaus",
        RunStatus::Succeeded => "erfolgreich",
        RunStatus::Unverified => "ohne Beleg",
        RunStatus::Failed => "gescheitert",
        RunStatus::Examined => "untersucht",
        RunStatus::Interrupted => "abgebrochen",
        RunStatus::Refused => "abgelehnt",
        RunStatus::Cancelled => "beendet",
    };
    output.t(status.word(), german)
}

/// Shows what a run waits for, and the command that goes on.
pub(crate) fn show_waiting(
    output: &Output,
    (run, why, state): (RunId, &Suspension, &RunState),
    changes: &Asked,
    jsonl: bool,
) {
    let approvals: Vec<_> = state
        .life
        .open_approvals()
        .map(|approval| approval.request.clone())
        .collect();
    let next = next_commands(
        run,
        why,
        &approvals.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
    );
    if output.json() && !jsonl {
        let requests: Vec<_> = approvals.iter().map(AsRef::as_ref).collect();
        output.data(&plain_json!({"run": run, "status": "waiting", "waiting": why, "approvals": requests, "next": next}).to_string());
        return;
    }
    output.say("");
    let why_it_waits = waits_for(output, why);
    let stop = if why_it_waits.ends_with(['.', '?', '!', '…']) {
        ""
    } else {
        "."
    };
    output.say(&tr!(
        output,
        "Run {run} waits {why_it_waits}{stop}",
        "Lauf {run} wartet {why_it_waits}{stop}"
    ));
    for request in &approvals {
        let id = output.paint(Tone::Strong, &request.id.to_string());
        output.say(&format!(
            "  {id}  {}  ({})",
            output.told(&request.summary),
            output.told(&request.reason)
        ));
        for line in changes
            .get(&request.id)
            .map(|change| question::summary(output, change))
            .unwrap_or_default()
        {
            output.line(&format!("    {line}"));
        }
        output.say(&tr!(
            output,
            "    all of it: keiko approvals show {}",
            "    alles: keiko approvals show {}",
            request.id
        ));
    }
    if let Suspension::Unavailable { fault } | Suspension::Limit { fault } = why {
        output.fault(&shortened(output, fault, &run));
    }
    for command in next {
        let meaning = question::meaning(output, &command);
        output.say(&format!("  {command}{meaning}"));
    }
}

fn next_commands(run: RunId, why: &Suspension, approvals: &[&ApprovalRequest]) -> Vec<String> {
    let resume = format!("keiko resume {run}");
    match why {
        Suspension::Approval { .. } => question::next(run, approvals),
        Suspension::Child { run: child } => vec![format!("keiko runs show {child}"), resume],
        Suspension::Question { .. } | Suspension::Unknown { .. } => {
            vec![format!("keiko resume {run} \"…\"")]
        }
        Suspension::Unavailable { .. }
        | Suspension::Limit { .. }
        | Suspension::Stopped { .. }
        | Suspension::Killed { .. } => vec![resume],
    }
}
