//! The events of a run as lines, in short. Of an agent that works by rules, steps of one kind are told once and counted;
//! all of them are in the journal: `runs events`, or `--jsonl`.

use super::plain;
use super::{Output, Tone, Watch};
use keiko_contracts::action::{Intent, Outcome, Report};
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::jail::{End, JailBody};
use keiko_contracts::journal::Recorded;
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::RunEvent;
use keiko_native::doctor::{Series, series};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// After so many steps of one kind a line says how many there were.
const PROGRESS: u32 = 20;
/// The column where texts begin.
const MARGIN: &str = "            ";

/// Shows a run line by line.
pub(crate) struct Plain {
    output: Output,
    run: RunId,
    jsonl: bool,
    steps: Mutex<Steps>,
}

impl Plain {
    /// `native`: the run's agent works by rules.
    pub(crate) fn new(output: Output, run: RunId, jsonl: bool, native: bool) -> Plain {
        Plain {
            output,
            run,
            jsonl,
            steps: Mutex::new(Steps::new(native)),
        }
    }
}

impl Watch for Plain {
    fn event(&self, recorded: &Recorded, event: &RunEvent) {
        if self.jsonl {
            self.output
                .data(&plain::json_line(self.run, recorded, event));
            return;
        }
        // What it waits for is told once, by whoever began this, with what to do.
        if matches!(event, RunEvent::RunSuspended(_)) {
            return;
        }
        let Ok(mut steps) = self.steps.lock() else {
            return;
        };
        for line in steps.lines(&self.output, event) {
            self.output.line(&line);
        }
    }
    fn frame(&self, _: &EffectKey, frame: &LiveFrame) {
        if let (false, LiveFrame::Progress { note }) = (self.jsonl, frame) {
            self.output.line(&format!(
                "  {}",
                self.output.paint(Tone::Faint, &self.output.told(note))
            ));
        }
    }
}

/// What has been shown, as far as what follows depends on it.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    native: bool,
    open: BTreeMap<EffectKey, Intent>,
    series: Option<(Series, u32)>,
    tests: Vec<String>,
}

impl Steps {
    /// `native`: the run's agent works by rules.
    pub(crate) fn new(native: bool) -> Steps {
        Steps {
            native,
            ..Steps::default()
        }
    }

    /// The agent works by rules: it hears no words, and its steps are told in short.
    pub(crate) fn is_native(&self) -> bool {
        self.native
    }

    /// What runs now, if anything.
    pub(crate) fn running(&self) -> Option<&Intent> {
        self.open.values().next_back()
    }

    /// What an event says.
    pub(crate) fn lines(&mut self, output: &Output, event: &RunEvent) -> Vec<String> {
        if !self.native {
            return plain::lines(output, &mut self.open, event);
        }
        match event {
            RunEvent::EffectIntended(intent) => self.intended(output, intent, event),
            RunEvent::EffectEnded(ended) => {
                let intent = self.open.get(&ended.key);
                let is_quiet = is_quiet(&ended.outcome, intent.is_some_and(in_series));
                let lines = plain::lines(output, &mut self.open, event);
                if is_quiet { Vec::new() } else { lines }
            }
            event => {
                let mut lines = self.end_series(output);
                let more = plain::lines(output, &mut self.open, event);
                // The tests that were run first and last are told once when nothing has changed.
                if !matches!(event, RunEvent::TestsObserved(_))
                    || std::mem::replace(&mut self.tests, more.clone()) != more
                {
                    lines.extend(more);
                }
                lines
            }
        }
    }

    fn intended(&mut self, output: &Output, intent: &Intent, event: &RunEvent) -> Vec<String> {
        let of = intent.asked.call().and_then(series);
        let mut lines = Vec::new();
        if self.series.map(|(kind, _)| kind) != of.map(|(kind, _)| kind) {
            lines = self.end_series(output);
            self.series = of.map(|(kind, _)| (kind, 0));
            if let Some((kind, _)) = of {
                let who = format!("{:>11}", output.t("Rules", "Regeln"));
                lines.push(format!(
                    "{} {}",
                    output.paint(Tone::Faint, &who),
                    begins(output, kind)
                ));
            }
        }
        let Some((kind, counts)) = of else {
            lines.extend(plain::lines(output, &mut self.open, event));
            return lines;
        };
        self.open.insert(intent.key.clone(), intent.clone());
        if let (true, Some((_, count))) = (counts, &mut self.series) {
            *count += 1;
            if count.is_multiple_of(PROGRESS) {
                lines.push(faint(
                    output,
                    &format!("{} …", how_many(output, kind, *count)),
                ));
            }
        }
        lines
    }

    fn end_series(&mut self, output: &Output) -> Vec<String> {
        match self.series.take() {
            Some((kind, count)) if count > 0 => vec![faint(output, &how_many(output, kind, count))],
            _ => Vec::new(),
        }
    }
}

fn faint(output: &Output, text: &str) -> String {
    format!("{MARGIN}{}", output.paint(Tone::Faint, text))
}

fn in_series(intent: &Intent) -> bool {
    intent
        .asked
        .call()
        .is_some_and(|call| series(call).is_some())
}

/// What went as it should, and says nothing that the next line does not say. In a series, a red test is what is looked for.
fn is_quiet(outcome: &Outcome<Report>, in_series: bool) -> bool {
    let Outcome::Done(Report::Jail(report)) = outcome else {
        return false;
    };
    match &report.body {
        JailBody::Exec(exec) => {
            exec.end == End::Exit(0)
                || in_series && matches!(exec.end, End::Exit(_) | End::TimedOut)
        }
        JailBody::Text(_) | JailBody::Restored => true,
        _ => in_series,
    }
}

fn begins(output: &Output, series: Series) -> &'static str {
    match series {
        Series::Reruns => output.t(
            "run the tests again under other conditions, and what fails alone",
            "die Tests unter anderen Bedingungen noch einmal ausführen, und was fehlschlägt, allein",
        ),
        Series::Commits => output.t("look for the commit that broke a test", "den Commit suchen, der einen Test gebrochen hat"),
        Series::Repairs => output.t("try one-edit repairs of suspect lines", "verdächtige Zeilen mit je einer Änderung reparieren"),
    }
}

fn how_many(output: &Output, series: Series, count: u32) -> String {
    let one = count == 1;
    let what = match series {
        Series::Reruns if one => output.t("run", "Durchlauf"),
        Series::Reruns => output.t("runs", "Durchläufe"),
        Series::Commits if one => output.t("commit tried", "Commit geprüft"),
        Series::Commits => output.t("commits tried", "Commits geprüft"),
        Series::Repairs if one => output.t("one-edit repair tried", "Reparatur versucht"),
        Series::Repairs => output.t("one-edit repairs tried", "Reparaturen versucht"),
    };
    format!("{count} {what}")
}
