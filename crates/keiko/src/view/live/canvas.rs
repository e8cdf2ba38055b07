//! From lines and a foot to what the terminal is sent.

use super::board::Foot;
use crate::view::clean::columns;
use std::fmt::Write as _;

/// Remembers the foot that stands on the terminal, so that it can be taken away.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    /// Columns of each row of the foot, and the column of the cursor in the last.
    foot: Option<(Vec<usize>, usize)>,
}

impl Canvas {
    /// Takes the old foot away, writes lines above it, and the new foot.
    pub(super) fn draw(&mut self, lines: &[String], foot: Option<Foot>, width: usize) -> String {
        let mut out = String::new();
        self.erase(&mut out, width.max(1));
        for line in lines {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if let Some(foot) = foot {
            out.push_str(&foot.rows.join("\r\n"));
            out.push('\r');
            if foot.cursor > 0 {
                let _ = write!(out, "\x1b[{}C", foot.cursor);
            }
            self.foot = Some((
                foot.rows.iter().map(|row| columns(row)).collect(),
                foot.cursor,
            ));
        }
        out
    }

    fn erase(&mut self, out: &mut String, width: usize) {
        let Some((rows, cursor)) = self.foot.take() else {
            return;
        };
        // A terminal that became narrower has wrapped the rows in the meantime.
        let above: usize = rows
            .iter()
            .take(rows.len().saturating_sub(1))
            .map(|row| row.div_ceil(width).max(1))
            .sum();
        let above = above + cursor / width;
        out.push('\r');
        if above > 0 {
            let _ = write!(out, "\x1b[{above}A");
        }
        out.push_str("\x1b[J");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foot(rows: &[&str], cursor: usize) -> Option<Foot> {
        Some(Foot {
            rows: rows.iter().map(|row| (*row).to_owned()).collect(),
            cursor,
        })
    }

    #[test]
    fn the_foot_is_taken_away_before_lines_are_written() {
        let mut canvas = Canvas::default();
        assert_eq!(
            canvas.draw(&["a".into()], foot(&["status", "> x"], 3), 80),
            "a\r\nstatus\r\n> x\r\x1b[3C"
        );
        assert_eq!(canvas.draw(&["b".into()], None, 80), "\r\x1b[1A\x1b[Jb\r\n");
        assert_eq!(canvas.draw(&[], None, 80), "");
    }

    #[test]
    fn rows_that_a_narrower_terminal_wrapped_are_counted() {
        let mut canvas = Canvas::default();
        canvas.draw(&[], foot(&["0123456789", "> abcdef"], 8), 80);
        assert_eq!(canvas.draw(&[], None, 5), "\r\x1b[3A\x1b[J");
    }
}
