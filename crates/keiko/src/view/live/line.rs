//! The line that a person types while a run goes on.
//!
//! Our own, and no line editor of others: those (`reedline`, looked at in 0.52) own the terminal while they read, and draw
//! their prompt at a key. Here the prompt changes when an approval arrives amid a word, what was begun before does not answer
//! it ([`Line::question_shown`]), one key shows what is asked about, and a foot with running text stands above. What they
//! would add is a history, which words to an agent have little use for.

use crate::view::clean::columns_of;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// The longest line, in characters: a pasted paragraph fits, a pasted file does not.
const MAX: usize = 8_000;

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// The line is finished.
    Say {
        /// What was typed.
        text: String,
        /// It was begun after the question that is open now had been shown, so it may answer it.
        may_answer: bool,
    },
    /// Esc or Ctrl-C.
    Stop,
    /// Nothing beyond the line itself.
    Nothing,
}

/// A line with a cursor.
#[derive(Debug, Default)]
pub(super) struct Line {
    chars: Vec<char>,
    at: usize,
    /// The line was begun before the question that is open now was shown: then it does not answer it.
    begun_before: bool,
}

impl Line {
    /// Nothing is typed.
    pub(super) fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// A question has been shown. What is already typed was not meant for it.
    pub(super) fn question_shown(&mut self) {
        self.begun_before = !self.chars.is_empty();
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Asks {
        if key.kind == KeyEventKind::Release {
            return Asks::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        match key.code {
            KeyCode::Esc => return Asks::Stop,
            KeyCode::Enter => return self.enter(),
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::ALT) => self.insert(c),
            KeyCode::Backspace if self.at > 0 => {
                self.at -= 1;
                self.chars.remove(self.at);
            }
            KeyCode::Delete if self.at < self.chars.len() => drop(self.chars.remove(self.at)),
            KeyCode::Left => self.at = self.at.saturating_sub(1),
            KeyCode::Right => self.at = (self.at + 1).min(self.chars.len()),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.chars.len(),
            _ => {}
        }
        self.settle();
        Asks::Nothing
    }

    fn control(&mut self, code: KeyCode) -> Asks {
        match code {
            KeyCode::Char('c') => return Asks::Stop,
            KeyCode::Char('j' | 'm') => return self.enter(),
            KeyCode::Char('a') => self.at = 0,
            KeyCode::Char('e') => self.at = self.chars.len(),
            KeyCode::Char('u') => drop(self.chars.drain(..std::mem::take(&mut self.at))),
            KeyCode::Char('k') => self.chars.truncate(self.at),
            KeyCode::Char('w') => {
                let is_space = |c: &char| c.is_whitespace();
                let word = self.chars[..self.at]
                    .iter()
                    .rposition(|c| !is_space(c))
                    .unwrap_or(0);
                let from = self.chars[..word]
                    .iter()
                    .rposition(is_space)
                    .map_or(0, |at| at + 1);
                self.chars.drain(from..self.at);
                self.at = from;
            }
            KeyCode::Char('h') if self.at > 0 => {
                self.at -= 1;
                self.chars.remove(self.at);
            }
            _ => {}
        }
        self.settle();
        Asks::Nothing
    }

    fn settle(&mut self) {
        self.begun_before &= !self.chars.is_empty();
    }

    fn insert(&mut self, c: char) {
        if !c.is_control() && self.chars.len() < MAX {
            self.chars.insert(self.at, c);
            self.at += 1;
        }
    }

    /// Takes pasted text as one line: line ends become spaces, and nothing is sent before Enter.
    pub(super) fn paste(&mut self, text: &str) {
        let room = MAX.saturating_sub(self.chars.len());
        let flat: Vec<char> = text
            .trim_end()
            .chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| !c.is_control())
            .take(room)
            .collect();
        let after = self.at + flat.len();
        self.chars.splice(self.at..self.at, flat);
        self.at = after;
    }

    fn enter(&mut self) -> Asks {
        let text: String = self.chars.drain(..).collect();
        self.at = 0;
        let may_answer = !std::mem::take(&mut self.begun_before);
        let text = text.trim().to_owned();
        if text.is_empty() {
            Asks::Nothing
        } else {
            Asks::Say { text, may_answer }
        }
    }

    /// What is to be seen of the line in so many columns, and the column of the cursor.
    pub(super) fn shown(&self, most: usize) -> (String, usize) {
        let most = most.max(2);
        let mut from = self.at;
        let mut used = 0;
        while from > 0 && used + columns_of(self.chars[from - 1]) < most {
            from -= 1;
            used += columns_of(self.chars[from]);
        }
        let cursor = used;
        let mut text: String = self.chars[from..self.at].iter().collect();
        for c in &self.chars[self.at..] {
            if used + columns_of(*c) >= most {
                break;
            }
            used += columns_of(*c);
            text.push(*c);
        }
        (text, cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut Line, text: &str) {
        for c in text.chars() {
            line.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
    }
    fn press(line: &mut Line, code: KeyCode) -> Asks {
        line.key(KeyEvent::new(code, KeyModifiers::NONE))
    }
    fn control(line: &mut Line, c: char) -> Asks {
        line.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))
    }

    #[test]
    fn umlauts_are_single_characters() {
        let mut line = Line::default();
        typed(&mut line, "Grüße");
        press(&mut line, KeyCode::Left);
        press(&mut line, KeyCode::Backspace);
        typed(&mut line, "ss");
        assert_eq!(line.shown(40), ("Grüsse".into(), 5));
        assert_eq!(
            press(&mut line, KeyCode::Enter),
            Asks::Say {
                text: "Grüsse".into(),
                may_answer: true
            }
        );
        assert_eq!(press(&mut line, KeyCode::Enter), Asks::Nothing);
    }

    #[test]
    fn a_paste_is_one_line_and_sends_nothing() {
        let mut line = Line::default();
        line.paste("first\nsecond\x1b[2J\n");
        assert_eq!(line.shown(40).0, "first second[2J");
        line.paste(&"x".repeat(2 * MAX));
        let Asks::Say { text: said, .. } = press(&mut line, KeyCode::Enter) else {
            panic!("nothing said")
        };
        assert_eq!(said.chars().count(), MAX);
    }

    #[test]
    fn a_long_line_shows_the_part_around_the_cursor() {
        let mut line = Line::default();
        typed(&mut line, "abcdefghij");
        assert_eq!(line.shown(5), ("ghij".into(), 4));
        press(&mut line, KeyCode::Home);
        assert_eq!(line.shown(5), ("abcd".into(), 0));
    }

    #[test]
    fn words_are_taken_back() {
        let mut line = Line::default();
        typed(&mut line, "eins zwei ");
        control(&mut line, 'w');
        assert_eq!(line.shown(40).0, "eins ");
        control(&mut line, 'u');
        assert_eq!(line.shown(40), (String::new(), 0));
        assert_eq!(control(&mut line, 'c'), Asks::Stop);
    }

    #[test]
    fn what_was_begun_before_a_question_is_no_answer_to_it() {
        let mut line = Line::default();
        typed(&mut line, "y");
        line.question_shown();
        assert_eq!(
            press(&mut line, KeyCode::Enter),
            Asks::Say {
                text: "y".into(),
                may_answer: false
            }
        );
        typed(&mut line, "x");
        line.question_shown();
        press(&mut line, KeyCode::Backspace);
        typed(&mut line, "y");
        assert_eq!(
            press(&mut line, KeyCode::Enter),
            Asks::Say {
                text: "y".into(),
                may_answer: true
            }
        );
    }
}
