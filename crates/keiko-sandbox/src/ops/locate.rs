//! Where an old text stands in a file, and what the new text becomes there. Pure.
//!
//! A ladder of three rungs: letter by letter; whole lines without regard to trailing white space; whole lines under one
//! uniform shift of the indentation, which the new text gets too. There is no fourth: a fuzzy match may be a wrong one,
//! and a wrong edit costs more than a refused one. For the same reason the lower rungs count together: a text that
//! stands in one place with other trailing spaces and in another with other indentation is ambiguous.

use similar::{Algorithm, DiffTag, capture_diff_slices};
use std::ops::Range;

/// More matches than this are not collected.
const MATCHES_MAX: usize = 10_000;

/// How an old text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// Letter by letter.
    Exact,
    /// Trailing white space differs.
    Whitespace,
    /// The indentation differs, everywhere by the same.
    Indentation,
}

impl How {
    /// For the report.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            How::Exact => None,
            How::Whitespace => Some("whitespace"),
            How::Indentation => Some("indentation"),
        }
    }
}

/// A place where the old text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    /// What is to stand there; nothing when the indentation differs in a way that the new text cannot follow.
    pub(super) new: Option<String>,
    /// How the old text stands there.
    pub(super) how: How,
}

/// All places, in order; they may overlap. The text has plain line ends.
pub(super) fn locate(text: &str, old: &str, new: &str) -> Vec<Place> {
    let exact = exact(text, old, new);
    if !exact.is_empty() || !old.chars().any(char::is_alphanumeric) {
        // Lines of punctuation stand everywhere: only their exact form says which is meant.
        return exact;
    }
    Lines::of(text).windows(&Wanted::of(old, new))
}

fn exact(text: &str, old: &str, new: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..]
        .find(old)
        .filter(|_| places.len() < MATCHES_MAX && !old.is_empty())
    {
        let start = from + at;
        places.push(Place {
            range: start..start + old.len(),
            new: Some(new.to_owned()),
            how: How::Exact,
        });
        from = start + text[start..].chars().next().map_or(1, char::len_utf8);
    }
    places
}

/// The old and the new text as lines.
struct Wanted<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    /// The old text takes the line end after its last line along.
    old_ends: bool,
    new_ends: bool,
}

impl<'a> Wanted<'a> {
    fn of(old: &'a str, new: &'a str) -> Wanted<'a> {
        let lines = |text: &'a str| {
            if text.is_empty() {
                Vec::new()
            } else {
                text.strip_suffix('\n')
                    .unwrap_or(text)
                    .split('\n')
                    .collect()
            }
        };
        Wanted {
            old: lines(old),
            new: lines(new),
            old_ends: old.ends_with('\n'),
            new_ends: new.ends_with('\n'),
        }
    }

    /// The new text for a window: lines that stay keep the file's own bytes, others are shifted.
    fn rebuilt(&self, here: &[&str], shift: &Shift) -> Option<String> {
        let mut out: Vec<String> = Vec::with_capacity(self.new.len());
        for op in capture_diff_slices(Algorithm::Myers, &self.old, &self.new) {
            if op.tag() == DiffTag::Equal {
                out.extend(here[op.old_range()].iter().map(|line| (*line).to_owned()));
            } else {
                for line in &self.new[op.new_range()] {
                    out.push(shift.apply(line)?);
                }
            }
        }
        Some(out.join("\n"))
    }
}

struct Lines<'a> {
    text: &'a str,
    /// Content without line end, and where it starts.
    lines: Vec<(usize, &'a str)>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Lines<'a> {
        let mut at = 0;
        let lines = text
            .split_inclusive('\n')
            .map(|line| {
                let start = at;
                at += line.len();
                (start, line.strip_suffix('\n').unwrap_or(line))
            })
            .collect();
        Lines { text, lines }
    }

    fn windows(&self, wanted: &Wanted<'_>) -> Vec<Place> {
        let same = |window: &[(usize, &str)]| {
            window
                .iter()
                .zip(&wanted.old)
                .all(|((_, here), old)| here.trim() == old.trim())
        };
        let windows = self
            .lines
            .windows(wanted.old.len().max(1))
            .filter(|window| same(window));
        windows
            .take(MATCHES_MAX)
            .filter_map(|window| self.place(window, wanted))
            .collect()
    }

    fn place(&self, window: &[(usize, &str)], wanted: &Wanted<'_>) -> Option<Place> {
        let here: Vec<&str> = window.iter().map(|(_, line)| *line).collect();
        let shift = Shift::between(&here, &wanted.old);
        let (start, (last, line)) = (window.first()?.0, window.last()?);
        let end = last + line.len();
        let ended = self.text.as_bytes().get(end) == Some(&b'\n');
        // At the end of a file without a final line end, both texts may claim one that is not there.
        let takes_end = wanted.old_ends && ended;
        let adds_end = wanted.new_ends && (takes_end || !wanted.old_ends);
        let new = shift
            .as_ref()
            .and_then(|shift| wanted.rebuilt(&here, shift))
            .map(|new| if adds_end { new + "\n" } else { new });
        let how = if shift == Some(Shift::None) {
            How::Whitespace
        } else {
            How::Indentation
        };
        Some(Place {
            range: start..end + usize::from(takes_end),
            new,
            how,
        })
    }
}

/// One change of the indentation for all lines.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shift {
    None,
    /// The file has this in front of every line.
    Deeper(String),
    /// The old text has this in front of every line.
    Shallower(String),
    /// Each so many spaces of the old text are a tab in the file.
    ToTabs(usize),
    /// Each tab of the old text is so many spaces in the file.
    ToSpaces(usize),
}

impl Shift {
    /// The shift that turns every old line into the line of the file, if there is one.
    fn between(here: &[&str], old: &[&str]) -> Option<Shift> {
        let pairs: Vec<(&str, &str)> = here
            .iter()
            .zip(old)
            .filter(|(line, _)| !line.trim().is_empty())
            .map(|(here, old)| (indent(here), indent(old)))
            .collect();
        let first = pairs.first()?;
        let mut candidates = vec![Shift::None];
        if let Some(more) = first
            .0
            .strip_suffix(first.1)
            .filter(|more| !more.is_empty())
        {
            candidates.push(Shift::Deeper(more.to_owned()));
        }
        if let Some(more) = first
            .1
            .strip_suffix(first.0)
            .filter(|more| !more.is_empty())
        {
            candidates.push(Shift::Shallower(more.to_owned()));
        }
        if let Some((tabs, spaces)) = pairs
            .iter()
            .find(|(here, old)| only(here, '\t') && only(old, ' ') && !here.is_empty())
        {
            candidates.push(Shift::ToTabs(spaces.len() / tabs.len()));
        }
        if let Some((spaces, tabs)) = pairs
            .iter()
            .find(|(here, old)| only(here, ' ') && only(old, '\t') && !old.is_empty())
        {
            candidates.push(Shift::ToSpaces(spaces.len() / tabs.len()));
        }
        candidates.into_iter().find(|shift| {
            pairs
                .iter()
                .all(|(here, old)| shift.indent(old).as_deref() == Some(*here))
        })
    }

    /// A line of the new text, shifted; nothing when it cannot be.
    fn apply(&self, line: &str) -> Option<String> {
        if *self == Shift::None {
            return Some(line.to_owned());
        }
        if line.trim().is_empty() {
            return Some(String::new());
        }
        let own = indent(line);
        Some(self.indent(own)? + &line[own.len()..])
    }

    fn indent(&self, own: &str) -> Option<String> {
        match self {
            Shift::None => Some(own.to_owned()),
            Shift::Deeper(more) => Some(format!("{more}{own}")),
            Shift::Shallower(less) => own.strip_prefix(less.as_str()).map(str::to_owned),
            Shift::ToTabs(width) => {
                (*width > 0 && only(own, ' ') && own.len().is_multiple_of(*width))
                    .then(|| "\t".repeat(own.len() / width))
            }
            Shift::ToSpaces(width) => {
                (*width > 0 && only(own, '\t')).then(|| " ".repeat(own.len() * width))
            }
        }
    }
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn only(text: &str, wanted: char) -> bool {
    text.chars().all(|c| c == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies the only place there is.
    fn apply(text: &str, old: &str, new: &str) -> Option<(How, String)> {
        let places = locate(text, old, new);
        let [place] = places.as_slice() else {
            return None;
        };
        Some((
            place.how,
            format!(
                "{}{}{}",
                &text[..place.range.start],
                place.new.as_ref()?,
                &text[place.range.end..]
            ),
        ))
    }
    fn check(text: &str, old: &str, new: &str, how: How, wanted: &str) {
        assert_eq!(apply(text, old, new), Some((how, wanted.to_owned())));
    }

    #[test]
    fn letter_by_letter_comes_first() {
        check("a = 1\nb = 2\n", "= 2", "= 3", How::Exact, "a = 1\nb = 3\n");
        check("x\n    a\n", "    a", "    b", How::Exact, "x\n    b\n");
        assert_eq!(
            locate("aaa", "aa", "b").len(),
            2,
            "overlapping matches are both seen"
        );
    }

    #[test]
    fn trailing_white_space_is_tolerated_and_kept_where_nothing_changes() {
        check(
            "f(a,  \n  b)\nend\n",
            "f(a,\n  b)\n",
            "f(a,\n  c)\n",
            How::Whitespace,
            "f(a,  \n  c)\nend\n",
        );
        check(
            "one\ntwo",
            "two \n",
            "three\n",
            How::Whitespace,
            "one\nthree",
        );
    }

    #[test]
    fn a_uniform_shift_is_given_to_the_new_text_too() {
        check(
            "if x:\n    if y:\n        go()\n",
            "if y:\n    go()\n",
            "if z:\n    go()\n    stop()\n",
            How::Indentation,
            "if x:\n    if z:\n        go()\n        stop()\n",
        );
        check(
            "def f():\n  a()\n  b()\n",
            "    def f():\n      a()\n",
            "    def g():\n      a()\n",
            How::Indentation,
            "def g():\n  a()\n  b()\n",
        );
        check(
            "if x:\n\tif y:\n\t\tgo()\n",
            "    if y:\n        go()",
            "    if y:\n        stop()",
            How::Indentation,
            "if x:\n\tif y:\n\t\tstop()\n",
        );
        check(
            "if x:\n  if y:\n    go()\n",
            "\tif y:\n\t\tgo()",
            "\tif y:\n\t\tstop()",
            How::Indentation,
            "if x:\n  if y:\n    stop()\n",
        );
    }

    #[test]
    fn the_lower_rungs_count_together() {
        let text = "go()  \n    go()\n";
        assert_eq!(
            locate(text, "      go()\n", "      stop()\n")
                .iter()
                .map(|place| place.how)
                .collect::<Vec<_>>(),
            [How::Indentation; 2]
        );
        assert_eq!(
            locate(text, "go() \n", "stop()\n")
                .iter()
                .map(|place| place.how)
                .collect::<Vec<_>>(),
            [How::Whitespace, How::Indentation]
        );
    }

    #[test]
    fn what_is_not_uniform_or_cannot_be_shifted_does_not_match() {
        assert_eq!(apply("  a()\n    b()\n", "a()\n b()\n", "c()\n"), None);
        assert_eq!(
            apply("a()\n", "  a()\n", "c()\n"),
            None,
            "the new line has no indentation to take away"
        );
        assert_eq!(apply("\ta()\n", "    a()\n", "  c()\n"), None, "half a tab");
        assert_eq!(
            apply("    }\n", "  }  \n", "  ]\n"),
            None,
            "punctuation alone says nothing"
        );
    }
}
