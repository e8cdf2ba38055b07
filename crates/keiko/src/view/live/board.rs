//! What the live view knows and shows, apart from the terminal: lines that scroll away, and a foot that stays.

use super::line::{Asks, Line};
use crate::language::tr;
use crate::view::clean::{clean, columns, cut, tail};
use crate::view::question;
use crate::view::steps::Steps;
use crate::view::{Output, Tone, result};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use keiko_app::change::Change;
use keiko_app::installing::{is_install, registries};
use keiko_app::memory::{Memory, Remembered};
use keiko_contracts::action::{Action, Intent, Outcome, Report};
use keiko_contracts::approval::{ApprovalRequest, Decision, Installing};
use keiko_contracts::id::{ApprovalId, EffectKey};
use keiko_contracts::jail::{End, JailBody};
use keiko_contracts::model::{LiveFrame, Part, Usage};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{InboxMessage, RunEvent, Suspension};
use keiko_ports::shell::{Clock as _, SystemClock};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Most lines that wait to be drawn, and the most bytes of a running text that are kept.
const WAITING_MAX: usize = 5_000;
const STREAM_MAX: usize = 16 << 10;
/// Rows of running text at the foot; lines of an agent's words, of an output, and of an action that is asked about.
const STREAM_ROWS: usize = 6;
const WORDS_ROWS: usize = 60;
const OUTPUT_ROWS: usize = 8;
const ACTION_ROWS: usize = 120;
/// Lines of the whole of what is decided about.
const WHOLE_ROWS: usize = 2_000;
/// The column where texts begin, as in the plain view.
pub(super) const MARGIN: &str = "            ";

/// What a key leads to.
#[derive(Debug)]
pub(super) enum Deed {
    /// To be put into the run's inbox.
    Say(InboxMessage),
    /// Leave at once.
    Leave,
}

/// The foot: rows, and the column of the cursor in the last one.
#[derive(Debug, Default)]
pub(super) struct Foot {
    pub(super) rows: Vec<String>,
    pub(super) cursor: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Words,
    Output,
}

/// The board.
pub(super) struct Board {
    output: Output,
    by: String,
    has_foot: bool,
    steps: Steps,
    waiting: VecDeque<String>,
    lost: usize,
    stream: Option<(EffectKey, Kind, String)>,
    approvals: VecDeque<ApprovalRequest>,
    answered: Vec<ApprovalId>,
    question: bool,
    stopping: bool,
    closing: bool,
    model: String,
    step: u32,
    usage: Usage,
    cost: Micros,
    unpriced: bool,
    line: Line,
    is_changed: bool,
    /// Changes that were looked up for open approvals.
    changes: BTreeMap<ApprovalId, Change>,
    /// The approval whose whole was shown last.
    whole_shown: Option<ApprovalId>,
    /// Where answers are remembered, and for which folder.
    memory: Option<(Memory, String)>,
}

impl Board {
    /// `foot`: the terminal can keep a foot; otherwise a question says how it is answered. `native`: the agent works by
    /// rules, and hears no words.
    pub(super) fn new(output: Output, by: String, foot: bool, native: bool) -> Board {
        Board {
            output,
            by,
            has_foot: foot,
            steps: Steps::new(native),
            waiting: VecDeque::new(),
            lost: 0,
            stream: None,
            approvals: VecDeque::new(),
            answered: Vec::new(),
            question: false,
            stopping: false,
            closing: false,
            model: String::new(),
            step: 0,
            usage: Usage::default(),
            cost: Micros::ZERO,
            unpriced: false,
            line: Line::default(),
            is_changed: false,
            changes: BTreeMap::new(),
            whole_shown: None,
            memory: None,
        }
    }

    /// Answers can be remembered for this folder.
    pub(super) fn remembering(self, memory: Option<(Memory, String)>) -> Board {
        Board { memory, ..self }
    }

    /// The change behind a question was looked up.
    pub(super) fn change(&mut self, id: ApprovalId, change: Change) {
        if !self.approvals.iter().any(|request| request.id == id) {
            return;
        }
        for line in question::summary(&self.output, &change) {
            self.tell(&format!("{MARGIN}{line}"));
        }
        self.changes.insert(id, change);
    }

    /// The approval that an answer would be for.
    fn asked(&self) -> Option<&ApprovalRequest> {
        self.approvals
            .iter()
            .find(|request| !self.answered.contains(&request.id))
    }

    /// Shows the whole of what is decided about; asked for again, the exact action as data.
    fn show_whole(&mut self) {
        let Some(request) = self.asked().cloned() else {
            return;
        };
        let again = self.whole_shown == Some(request.id);
        let lines = if again {
            question::data(&request)
        } else {
            question::whole(&self.output, &request, self.changes.get(&request.id))
        };
        self.whole_shown = Some(request.id).filter(|_| !again);
        self.rows_of(&lines, WHOLE_ROWS, &request);
    }

    /// Lines of what is decided about, no more than so many.
    fn rows_of(&mut self, lines: &[String], most: usize, request: &ApprovalRequest) {
        for line in lines.iter().take(most) {
            self.tell(&format!("{MARGIN}  {line}"));
        }
        if lines.len() > most {
            let rest = self.output.t("... the rest", "... der Rest");
            self.tell(&format!(
                "{MARGIN}  {rest}: keiko approvals show {}",
                request.id
            ));
        }
    }

    /// Remembers an answer about installing for the repository.
    fn remember(&mut self, request: &ApprovalRequest, decision: Decision) {
        let Some((memory, folder)) = self.memory.clone().filter(|_| is_install(&request.action))
        else {
            return;
        };
        let answer = if decision == Decision::Approved {
            Installing::Yes
        } else {
            Installing::No
        };
        let at = SystemClock.now();
        let known = Remembered::install(
            &folder,
            answer,
            self.by.clone(),
            at,
            registries(&request.action),
        );
        let output = self.output;
        let text = match memory.keep(&known) {
            Ok(()) => tr!(
                output,
                "remembered for {folder}; to forget it: keiko approvals forget {folder}",
                "gemerkt für {folder}; zum Vergessen: keiko approvals forget {folder}"
            ),
            Err(fault) => output.paint(Tone::Bad, &output.told(&fault.message)),
        };
        self.tell(&format!("{MARGIN}{text}"));
    }

    /// A line (or several) to scroll. When nobody draws, the oldest are left out.
    pub(super) fn tell(&mut self, text: &str) {
        self.changed();
        for line in clean(text).split('\n') {
            if self.waiting.len() >= WAITING_MAX {
                self.waiting.pop_front();
                self.lost += 1;
            }
            self.waiting.push_back(line.to_owned());
        }
    }

    /// More was typed at once than can be kept.
    pub(super) fn too_fast(&self) -> &'static str {
        self.output.t(
            "That was too fast; please type it again.",
            "Das war zu schnell; bitte tippen Sie es noch einmal.",
        )
    }

    /// Something is to be drawn.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Notes that something is to be drawn.
    pub(super) fn changed(&mut self) {
        self.is_changed = true;
    }

    /// The lines to draw now.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.is_changed = false;
        let mut lines: Vec<String> = self.waiting.drain(..).collect();
        if std::mem::take(&mut self.lost) > 0 {
            let text = self.output.t(
                "... lines left out; all of it: keiko runs events",
                "... Zeilen ausgelassen; alles steht in: keiko runs events",
            );
            lines.insert(0, format!("{MARGIN}{text}"));
        }
        lines
    }

    /// An event has been committed.
    pub(super) fn event(&mut self, event: &RunEvent) {
        self.changed();
        self.count(event);
        let shown = self.steps.lines(&self.output, event);
        match event {
            RunEvent::EffectEnded(ended) => match &ended.outcome {
                Outcome::Done(Report::Model(report)) => self.words(report.reply.text_or_empty()),
                outcome => {
                    shown.iter().for_each(|line| self.tell(line));
                    // What an engine has commands print is for the engine.
                    if !self.steps.is_native() {
                        self.output_of(outcome);
                    }
                }
            },
            RunEvent::ApprovalRequested(request) => self.ask(request),
            _ => shown.iter().for_each(|line| self.tell(line)),
        }
    }

    fn count(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted(start) => {
                self.model = start.model.as_ref().map_or_else(
                    || self.output.t("rules", "Regeln").into(),
                    ToString::to_string,
                );
            }
            RunEvent::RunResumed(_) => self.stopping = false,
            RunEvent::Steered(_) => self.question = false,
            RunEvent::EffectIntended(intent) => self.step = self.step.max(intent.key.step),
            RunEvent::EffectEnded(ended) => {
                if self
                    .stream
                    .as_ref()
                    .is_some_and(|(key, ..)| *key == ended.key)
                {
                    self.stream = None;
                }
                if let Outcome::Done(Report::Model(report)) = &ended.outcome {
                    self.usage = self.usage.plus(report.usage);
                    self.unpriced |= report.unpriced;
                    self.cost = Micros(self.cost.0.saturating_add(report.cost.0));
                }
            }
            RunEvent::ApprovalResolved(answer) => {
                self.approvals.retain(|request| request.id != answer.id);
                self.answered.retain(|id| *id != answer.id);
                self.changes.remove(&answer.id);
            }
            RunEvent::RunSuspended(why) => {
                self.question = matches!(why, Suspension::Question { .. });
                if self.question {
                    self.line.question_shown();
                }
            }
            RunEvent::RunClosing(_) => self.closing = true,
            _ => {}
        }
    }

    fn named(&mut self, tone: Tone, name: &str, text: &str, rows: usize) {
        let mut lines = text.trim_end().lines();
        let first = lines.next().unwrap_or_default();
        self.tell(&format!(
            "{} {first}",
            self.output.paint(tone, &format!("{name:>11}"))
        ));
        let faint = tone == Tone::Faint;
        let mut left = rows;
        for line in lines {
            if left == 0 {
                return self.tell(&format!("{MARGIN}..."));
            }
            left -= 1;
            let line = if faint {
                self.output.paint(Tone::Faint, line)
            } else {
                line.to_owned()
            };
            self.tell(&format!("{MARGIN}{line}"));
        }
    }

    fn words(&mut self, reply: &str) {
        let parts: Vec<Part> = serde_json::from_str(reply).unwrap_or_default();
        for part in &parts {
            match part {
                Part::Text { text } if !text.trim().is_empty() => {
                    self.named(Tone::Strong, "Agent", text.trim(), WORDS_ROWS)
                }
                Part::Reasoning { text, .. } if !text.trim().is_empty() => self.named(
                    Tone::Faint,
                    self.output.t("Thinking", "Denkt"),
                    text.trim(),
                    OUTPUT_ROWS,
                ),
                Part::Refusal { text } => self.named(
                    Tone::Bad,
                    self.output.t("Declines", "Lehnt ab"),
                    text,
                    WORDS_ROWS,
                ),
                _ => {}
            }
        }
    }

    /// The end of what a command or a cell printed.
    fn output_of(&mut self, outcome: &Outcome<Report>) {
        let Outcome::Done(Report::Jail(report)) = outcome else {
            return;
        };
        let text = match &report.body {
            JailBody::Exec(exec)
                if exec.end == End::Exit(0) && !exec.stdout.text_or_empty().trim().is_empty() =>
            {
                exec.stdout.text_or_empty().to_owned()
            }
            JailBody::Exec(exec) => format!(
                "{}\n{}",
                exec.stdout.text_or_empty().trim_end(),
                exec.stderr.text_or_empty()
            ),
            JailBody::Cell(cell) => {
                let value = cell
                    .value
                    .as_ref()
                    .map_or("", |value| value.text_or_empty());
                let error = cell
                    .error
                    .as_ref()
                    .map_or("", |error| error.traceback.text_or_empty());
                format!(
                    "{}\n{value}\n{error}",
                    cell.output.text_or_empty().trim_end()
                )
            }
            _ => return,
        };
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        for line in lines.iter().skip(lines.len().saturating_sub(OUTPUT_ROWS)) {
            let line = self.output.paint(Tone::Faint, &cut(&clean(line), 400));
            self.tell(&format!("{MARGIN}{line}"));
        }
    }

    /// Shows the whole of what a person decides about.
    fn ask(&mut self, request: &ApprovalRequest) {
        let output = self.output;
        let expires = request
            .expires
            .map_or_else(|| output.t("never", "nie").into(), |at| output.instant(at));
        self.tell("");
        self.named(
            Tone::Warn,
            output.t("Approval", "Freigabe"),
            &format!("{}\n{}", request.id, output.told(&request.summary)),
            ACTION_ROWS,
        );
        let because = tr!(
            output,
            "because {}; expires {expires}",
            "Grund: {}; läuft ab: {expires}",
            output.told(&request.reason)
        );
        self.tell(&format!("{MARGIN}{because}"));
        let touches = tr!(
            output,
            "touches {}",
            "betrifft {}",
            question::touches(&output, &request.action)
        );
        self.tell(&format!("{MARGIN}{touches}"));
        // What would be run or written stands here, but for an installation, which the sentence sums up; of a change, its
        // size and files follow. `?` shows all of any.
        let install = is_install(&request.action);
        if !install {
            self.rows_of(&question::words(&output, request), ACTION_ROWS, request);
        }
        let keys = match (install && self.memory.is_some(), install) {
            (true, _) => output.t(
                "?: the exact commands; ? again: as data. y always, n always: remember it for this repository.",
                "?: die genauen Befehle; noch einmal ?: als Daten. j immer, n immer: für dieses Repository merken.",
            ),
            (_, true) => output.t(
                "?: the exact commands; ? again: as data.",
                "?: die genauen Befehle; noch einmal ?: als Daten.",
            ),
            _ => output.t(
                "?: all of it; ? again: as data.",
                "?: alles davon; noch einmal ?: als Daten.",
            ),
        };
        self.tell(&format!("{MARGIN}{keys}"));
        if !self.has_foot {
            let question = output.t(
                "Allow exactly this? Type y, or n and why.",
                "Genau dies erlauben? Tippen Sie j, oder n und warum.",
            );
            self.tell(&format!("{MARGIN}{question}"));
        }
        self.approvals.push_back(request.clone());
        self.line.question_shown();
    }

    /// Something passes by.
    pub(super) fn frame(&mut self, key: &EffectKey, frame: LiveFrame) {
        self.changed();
        let (kind, delta) = match frame {
            LiveFrame::Progress { note } => {
                let note = self
                    .output
                    .paint(Tone::Faint, &clean(&self.output.told(&note)));
                return self.tell(&format!("{MARGIN}{note}"));
            }
            LiveFrame::Text { delta } | LiveFrame::Reasoning { delta } => (Kind::Words, delta),
            LiveFrame::Output { .. } if self.steps.is_native() => return,
            LiveFrame::Output { delta } => (Kind::Output, delta),
            LiveFrame::Arguments { .. } => return,
        };
        let fresh = self
            .stream
            .as_ref()
            .is_none_or(|(of, as_what, _)| of != key || *as_what != kind);
        if fresh {
            self.stream = Some((key.clone(), kind, String::new()));
        }
        if let Some((_, _, text)) = &mut self.stream {
            text.push_str(&delta);
            if text.len() > STREAM_MAX {
                let from = text.ceil_char_boundary(text.len() - STREAM_MAX / 2);
                text.drain(..from);
            }
        }
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Deed> {
        if key.code == KeyCode::Char('?')
            && key.kind != KeyEventKind::Release
            && self.line.is_empty()
            && self.asked().is_some()
        {
            self.show_whole();
            return None;
        }
        match self.line.key(key) {
            Asks::Nothing => None,
            Asks::Stop => self.stop(),
            Asks::Say { text, may_answer } => self.say(&text, may_answer).map(Deed::Say),
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.line.paste(text);
    }

    fn stop(&mut self) -> Option<Deed> {
        if std::mem::replace(&mut self.stopping, true) {
            return Some(Deed::Leave);
        }
        Some(Deed::Say(InboxMessage::Stop {
            by: self.by.clone(),
        }))
    }

    /// What a typed line means: an answer to the oldest open approval, or words for the agent. Rules hear no words.
    pub(super) fn say(&mut self, text: &str, may_answer: bool) -> Option<InboxMessage> {
        let open = self.asked().filter(|_| may_answer).cloned();
        if text == "?" && open.is_some() {
            self.show_whole();
            return None;
        }
        if let (Some(request), Some((decision, reason))) = (open, decision(text)) {
            let always = reason
                .as_deref()
                .is_some_and(|reason| matches!(reason.to_lowercase().as_str(), "always" | "immer"));
            let keep = always && is_install(&request.action);
            if keep {
                self.remember(&request, decision);
            }
            let answer = request.answer(decision, self.by.clone(), reason.filter(|_| !keep));
            self.answered.push(answer.id);
            return Some(InboxMessage::Approval(answer));
        }
        if self.steps.is_native() {
            self.tell(&format!(
                "{MARGIN}{}",
                self.output.t(
                    "This agent works by rules and hears no words; Esc stops it.",
                    "Dieser Agent arbeitet nach Regeln und hört nicht zu; Esc hält ihn an."
                )
            ));
            return None;
        }
        Some(InboxMessage::Words {
            by: self.by.clone(),
            text: text.into(),
        })
    }

    fn doing(&self) -> String {
        let unanswered = self.approvals.len().saturating_sub(self.answered.len());
        match self.steps.running() {
            _ if self.stopping => self
                .output
                .t(
                    "stopping (Esc again: leave at once)",
                    "hält an (noch einmal Esc: sofort verlassen)",
                )
                .into(),
            _ if unanswered > 0 => self
                .output
                .t("waits for your decision", "wartet auf Ihre Entscheidung")
                .into(),
            _ if self.question => self
                .output
                .t("waits for your answer", "wartet auf Ihre Antwort")
                .into(),
            Some(Intent {
                action: Action::Model(_),
                ..
            }) => self.output.t("thinking", "denkt nach").into(),
            Some(intent) => {
                let asked = &intent.asked;
                let title = asked.title();
                let title = title.map(|title| self.output.told(&title).into_owned());
                let asked = asked.tool().map(str::to_owned).or(title);
                clean(&asked.unwrap_or_else(|| self.output.t("working", "arbeitet").into()))
            }
            None if self.closing => self.output.t("looking for evidence", "sucht Belege").into(),
            None => self.output.t("working", "arbeitet").into(),
        }
    }

    /// The foot of the screen, each row in less than `width` columns so that none wraps.
    pub(super) fn foot(&self, width: usize, height: usize, elapsed: Duration) -> Foot {
        let most = width.saturating_sub(1).max(2);
        let mut rows = Vec::new();
        let room = STREAM_ROWS.min(height.saturating_sub(4) / 2);
        if let Some((_, _, text)) = &self.stream {
            let margin = if most > 40 { MARGIN } else { "" };
            for row in tail(&clean(text), most.saturating_sub(margin.len()), room) {
                rows.push(self.output.paint(Tone::Faint, &format!("{margin}{row}")));
            }
        }
        let seconds = elapsed.as_secs();
        let tokens =
            self.usage.input + self.usage.cached + self.usage.cache_write + self.usage.output;
        let mut parts = vec![
            self.doing(),
            tr!(self.output, "step {}", "Schritt {}", self.step),
            format!("{}:{:02}", seconds / 60, seconds % 60),
            tr!(self.output, "{tokens} tokens", "{tokens} Token"),
            result::spent(&self.output, self.cost, self.unpriced),
            clean(&self.model),
        ];
        if self.steps.is_native() {
            parts.drain(3..5);
        }
        if !self.approvals.is_empty() {
            parts.insert(
                1,
                tr!(self.output, "{} open", "{} offen", self.approvals.len()),
            );
        }
        // What does not fit is left out from the right; what is being done stays.
        while parts.len() > 1 && columns(&parts.join(" · ")) > most {
            parts.pop();
        }
        if height > 2 {
            rows.push(
                self.output
                    .paint(Tone::Strong, &cut(&parts.join(" · "), most)),
            );
        }
        let prompt = self.prompt();
        let prompt = if columns(prompt) + 16 <= most {
            prompt
        } else {
            "> "
        };
        let (text, at) = self.line.shown(most.saturating_sub(columns(prompt)));
        rows.push(format!("{prompt}{text}"));
        Foot {
            rows,
            cursor: columns(prompt) + at,
        }
    }

    fn prompt(&self) -> &str {
        if self.approvals.len() > self.answered.len() {
            self.output.t(
                "Allow exactly this? y, or n and why, ? shows all > ",
                "Genau dies erlauben? j, oder n und warum, ? zeigt alles > ",
            )
        } else if self.question {
            self.output.t("Your answer > ", "Ihre Antwort > ")
        } else if self.steps.is_native() {
            self.output.t("(Esc stops) ", "(Esc hält an) ")
        } else {
            self.output.t(
                "Say something to the agent (Esc stops) > ",
                "Sagen Sie dem Agenten etwas (Esc hält an) > ",
            )
        }
    }
}

/// A yes or a no with its reason; anything else is no decision.
fn decision(text: &str) -> Option<(Decision, Option<String>)> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let word = word
        .trim_end_matches([',', '.', ':', ';', '!'])
        .to_lowercase();
    let reason = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
    match word.as_str() {
        "y" | "yes" | "j" | "ja" => Some((Decision::Approved, reason)),
        "n" | "no" | "nein" => Some((Decision::Denied, reason)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
