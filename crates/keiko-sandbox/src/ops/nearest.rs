//! The lines of a file that come closest to a text that is not in it: what a model needs to correct itself.

use similar::TextDiff;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

/// Lines around the best window.
const CONTEXT: usize = 3;
/// Only so many lines of the wanted text are compared: enough to find the place.
const COMPARED_MAX: usize = 12;
/// Files beyond this are compared in part.
const LINES_MAX: usize = 50_000;
/// Lines shown are cut here.
const SHOWN_CHARS_MAX: usize = 400;
/// Windows below this similarity help nobody.
const RATIO_MIN: f32 = 0.35;

/// The best window with context, numbered from 1; nothing when no part of the text resembles `wanted`.
pub(super) fn nearest(text: &str, wanted: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(LINES_MAX).collect();
    let wanted: Vec<&str> = wanted.trim_matches('\n').lines().collect();
    let size = wanted.len().min(lines.len());
    if size == 0 {
        return None;
    }
    let compared: Vec<Pairs> = wanted
        .iter()
        .take(COMPARED_MAX)
        .map(|line| Pairs::of(line))
        .collect();
    let own: Vec<Pairs> = lines.iter().map(|line| Pairs::of(line)).collect();
    let mut scored: Vec<(f32, usize)> = (0..=lines.len() - size)
        .map(|start| {
            (
                compared
                    .iter()
                    .zip(&own[start..])
                    .map(|(a, b)| a.alike(b) * a.weight())
                    .sum::<f32>(),
                start,
            )
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let target = join(&wanted[..size]);
    let (ratio, start) = scored
        .iter()
        .take(5)
        .map(|(_, start)| (ratio(&join(&lines[*start..*start + size]), &target), *start))
        .max_by(|a, b| {
            // The first of equals.
            a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))
        })?;
    (ratio >= RATIO_MIN).then(|| {
        numbered(
            &lines,
            start.saturating_sub(CONTEXT),
            (start + size + CONTEXT).min(lines.len()),
        )
    })
}

/// Lines `from..to`, counted from 0, with their numbers from 1.
pub(super) fn numbered(lines: &[&str], from: usize, to: usize) -> String {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate().take(to).skip(from) {
        let (line, _) = super::cut_line(line, SHOWN_CHARS_MAX);
        let _ = writeln!(out, "{}: {line}", number + 1);
    }
    out
}

fn join(lines: &[&str]) -> String {
    // Long texts are compared by their beginning; the quick score has looked at more.
    const COMPARED_CHARS: usize = 2000;
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join("\n")
        .chars()
        .take(COMPARED_CHARS)
        .collect()
}

fn ratio(a: &str, b: &str) -> f32 {
    let mut config = TextDiff::configure();
    config
        .timeout(Duration::from_millis(100))
        .diff_chars(a, b)
        .ratio()
}

/// The pairs of neighbouring bytes of a line without the white space around it.
struct Pairs(HashSet<(u8, u8)>);

impl Pairs {
    fn of(line: &str) -> Pairs {
        let bytes = line.trim().as_bytes();
        let bytes = &bytes[..bytes.len().min(SHOWN_CHARS_MAX)];
        Pairs(bytes.windows(2).map(|pair| (pair[0], pair[1])).collect())
    }
    /// Dice coefficient, 0 to 1.
    fn alike(&self, other: &Pairs) -> f32 {
        let sum = self.0.len() + other.0.len();
        if sum == 0 {
            0.0
        } else {
            2.0 * self.0.intersection(&other.0).count() as f32 / sum as f32
        }
    }
    /// A brace says less than a signature.
    fn weight(&self) -> f32 {
        (self.0.len().min(20) as f32) / 20.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_lines_come_with_their_numbers() {
        let text: String = (1..=40)
            .map(|n| {
                if n == 20 {
                    "    total = price * amount\n".into()
                } else {
                    format!("row_{n} = load('{n}')\n")
                }
            })
            .collect();
        let shown = nearest(&text, "total = prices * amounts").unwrap();
        assert_eq!(shown.lines().count(), 7);
        assert!(
            shown.starts_with("17: row_17") && shown.contains("20:     total = price * amount\n"),
            "{shown}"
        );
    }

    #[test]
    fn nothing_close_is_nothing() {
        assert_eq!(nearest("alpha\nbeta\n", "0123456789 {}"), None);
        assert_eq!(nearest("", "x"), None);
        assert_eq!(nearest("x", "\n\n"), None);
    }

    #[test]
    fn a_hostile_size_is_bounded() {
        let text = "a ".repeat(4 << 20) + &"line\n".repeat(60_000);
        let started = std::time::Instant::now();
        let _ = nearest(&text, &"line of words\n".repeat(200));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
