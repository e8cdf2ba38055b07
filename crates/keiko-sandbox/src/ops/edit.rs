//! Replacing text in a file: the place that is meant, or a refusal that shows what stands there.

use super::locate::{How, Place, locate};
use super::nearest::{nearest, numbered};
use super::path::{Found, Make, RelPath, Root, read_text};
use super::write::{diff, replace};
use super::{OpError, Refusal, missing};
use keiko_contracts::jail::{Edit, WriteReport};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::ops::Range;

/// Replacements in one request.
const EDITS_MAX: usize = 200;
/// Matches listed in a refusal.
const LISTED_MAX: usize = 20;

/// Applies all edits in order, each to what the one before left, or none.
///
/// # Errors
/// Refused when the file is not there, an old text is not in it or is in it more than once, or nothing would change.
pub(super) fn edit(root: &Root, path: &str, edits: &[Edit]) -> Result<WriteReport, OpError> {
    let path = RelPath::parse(path)?;
    // Before anything is read: a place that cannot be written need not be searched.
    let (file, size, mode) = match root.find(&path)? {
        Found::File { file, size, mode } => (file, size, mode),
        Found::Missing => return Err(missing(root, &path, "; a new file is made with write_file")),
        Found::Folder => return Err(Refusal::new(say!("{path} is a folder", path)).into()),
        Found::Special(kind) => {
            return Err(Refusal::new(say!("{path} is a {kind}, not a file", path, kind)).into());
        }
    };
    let bytes = read_text(&path, file, size)?;
    let before = String::from_utf8(bytes).map_err(|_| {
        Refusal::new(say!(
            "{path} is not UTF-8 text; change it with a command",
            path
        ))
    })?;
    let (after, how) = apply(&path, &before, edits)?;
    replace(root, &path, after.as_bytes(), Some(mode), Make::Nothing)?;
    Ok(WriteReport {
        path: path.to_string(),
        created: false,
        diff: diff(path.as_str(), &before, &after).into(),
        matched: how.name().map(str::to_owned),
    })
}

/// The text after all edits, and the loosest way in which one was found.
fn apply(path: &RelPath, before: &str, edits: &[Edit]) -> Result<(String, How), OpError> {
    if edits.is_empty() || edits.len() > EDITS_MAX {
        return Err(Refusal::new(say!(
            "give 1 to {max} replacements, not {n}",
            max = EDITS_MAX,
            n = edits.len()
        ))
        .into());
    }
    let mut source = Source::parse(before);
    let final_newline = source.text.ends_with('\n');
    let mut loosest = How::Exact;
    for (number, edit) in edits.iter().enumerate() {
        let place = || OpError::NoText {
            place: path.to_string(),
        };
        let (old, new) = (
            edit.old.text().ok_or_else(place)?,
            edit.new.text().ok_or_else(place)?,
        );
        let how = one(&mut source, &plain(old), &plain(new), edit.all).map_err(|refusal| {
            let why = if edits.len() == 1 {
                refusal.why
            } else {
                say!(
                    "replacement {n} of {all}: {why}",
                    n = number + 1,
                    all = edits.len(),
                    why = refusal.why
                )
            };
            Refusal {
                why: say!("{why} ({path}; nothing was changed)", why, path),
                ..refusal
            }
        })?;
        loosest = loosest.max(how);
    }
    if final_newline && !source.text.is_empty() && !source.text.ends_with('\n') {
        let end = source.text.len();
        source.replace(end..end, "\n");
    }
    let after = source.render();
    if after == before {
        return Err(Refusal::new(say!("the replacements leave {path} as it is", path)).into());
    }
    Ok((after, loosest))
}

fn one(source: &mut Source, old: &str, new: &str, all: bool) -> Result<How, Refusal> {
    if old.is_empty() {
        return Err(Refusal::new(
            "the old text is empty; to write a whole file use write_file",
        ));
    }
    if old == new {
        return Err(Refusal::new("old and new text are the same"));
    }
    let places = locate(&source.text, old, new);
    let overlap = places
        .windows(2)
        .any(|pair| pair[0].range.end > pair[1].range.start);
    let alike = places.windows(2).all(|pair| pair[0].how == pair[1].how);
    match places.first().map(|place| place.how) {
        None => Err(miss(&source.text, old)),
        Some(_) if places.len() > 1 && !all => Err(ambiguous(&source.text, &places)),
        Some(_) if overlap => {
            Err(ambiguous(&source.text, &places).because("its matches overlap each other"))
        }
        Some(_) if !alike => {
            Err(ambiguous(&source.text, &places).because("its matches differ in their white space"))
        }
        Some(how) => {
            let new: Option<Vec<&str>> = places.iter().map(|place| place.new.as_deref()).collect();
            let Some(new) = new else {
                return Err(miss(&source.text, old)
                    .because("the indentation differs, and not by the same in every line"));
            };
            // From the back, so that the places before stay where they are.
            for (place, new) in places.iter().zip(new).rev() {
                source.replace(place.range.clone(), new);
            }
            Ok(how)
        }
    }
}

fn miss(text: &str, old: &str) -> Refusal {
    match nearest(text, old) {
        Some(lines) => {
            Refusal::new("the old text is not in the file; the closest lines that are stand below")
                .nearest(lines)
        }
        None => Refusal::new(
            "the old text is not in the file, and nothing like it; read the file again",
        ),
    }
}

fn ambiguous(text: &str, places: &[Place]) -> Refusal {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut numbers: Vec<usize> = places
        .iter()
        .map(|place| text[..place.range.start].matches('\n').count())
        .collect();
    numbers.truncate(LISTED_MAX);
    let listed: Vec<String> = numbers
        .iter()
        .map(|number| (number + 1).to_string())
        .collect();
    let shown = numbers
        .iter()
        .map(|number| numbered(&lines, *number, number + 1))
        .collect::<String>();
    let lines = match listed.join(", ") {
        lines if places.len() > LISTED_MAX => say!("{lines} and more", lines),
        lines => Said::words(lines),
    };
    let why = say!(
        "the old text stands there {n} times, in lines {lines}; add lines around it, or ask for all",
        n = places.len(),
        lines
    );
    Refusal::new(why).nearest(shown)
}

impl Refusal {
    fn because(mut self, reason: &str) -> Refusal {
        self.why = say!("{what}: {reason}", what = self.why, reason);
        self
    }
}

fn plain(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// A text with plain line ends that remembers which of them were CRLF, and a byte-order mark.
struct Source {
    marked: bool,
    text: String,
    /// Where in `text` the line ends stand that are CRLF in the file, in order.
    crlf: Vec<usize>,
}

impl Source {
    fn parse(raw: &str) -> Source {
        let (marked, raw) = raw
            .strip_prefix('\u{feff}')
            .map_or((false, raw), |rest| (true, rest));
        let mut text = String::with_capacity(raw.len());
        let mut crlf = Vec::new();
        for (number, part) in raw.split("\r\n").enumerate() {
            if number > 0 {
                crlf.push(text.len());
                text.push('\n');
            }
            text.push_str(part);
        }
        Source { marked, text, crlf }
    }

    /// Replaces a range; new lines end as the line there ends, or the one before it.
    fn replace(&mut self, range: Range<usize>, new: &str) {
        let end_here = self.text[range.start..]
            .find('\n')
            .map(|at| range.start + at);
        let end_near = end_here.or_else(|| self.text[..range.start].rfind('\n'));
        let is_crlf = end_near.is_some_and(|at| self.crlf.binary_search(&at).is_ok());
        let (first, last) = (
            self.crlf.partition_point(|at| *at < range.start),
            self.crlf.partition_point(|at| *at < range.end),
        );
        let added = new
            .match_indices('\n')
            .filter(|_| is_crlf)
            .map(|(at, _)| range.start + at);
        let moved = self.crlf[last..]
            .iter()
            .map(|at| at - range.len() + new.len());
        self.crlf = self.crlf[..first]
            .iter()
            .copied()
            .chain(added)
            .chain(moved)
            .collect();
        self.text.replace_range(range, new);
    }

    fn render(&self) -> String {
        let mut out = String::with_capacity(self.text.len() + self.crlf.len() + 3);
        if self.marked {
            out.push('\u{feff}');
        }
        let mut from = 0;
        for at in &self.crlf {
            out.push_str(&self.text[from..*at]);
            out.push('\r');
            from = *at;
        }
        out.push_str(&self.text[from..]);
        out
    }
}

#[cfg(test)]
mod tests;
