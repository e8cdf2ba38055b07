//! Text from models, commands and files on its way to a terminal: it may not move the cursor, change the title, or
//! turn the direction of writing. Also how wide text is.

use unicode_width::UnicodeWidthChar as _;

/// The colours that [`super::Output::paint`] uses; nothing else that begins with an escape passes.
const OWN: [&str; 6] = [
    "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
];

/// Makes control characters visible, but for line ends and Keiko's own colours. A tab becomes spaces.
pub(crate) fn clean(text: &str) -> String {
    cleaned(text, "    ")
}

/// As [`clean`], for data: tabs stay, so that what is copied from the terminal is what was printed.
pub(crate) fn clean_data(text: &str) -> String {
    cleaned(text, "\t")
}

fn cleaned(text: &str, tab: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\x1b'
            && let Some(own) = OWN.iter().find(|own| rest.starts_with(**own))
        {
            out.push_str(own);
            rest = &rest[own.len()..];
            continue;
        }
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str(tab),
            // The carriage return of a line end says nothing; alone it would hide what stands before it.
            '\r' if rest[1..].starts_with('\n') => {}
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// How many columns a character takes: none for control characters and for marks that sit on the one before, two for East
/// Asian and pictures. Told for each character alone, so that what is cut and where a cursor stands come to the same.
pub(crate) fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// How many columns a text takes, colours not counted.
pub(crate) fn columns(text: &str) -> usize {
    pieces(text)
        .map(|piece| {
            if let Piece::Char(c) = piece {
                columns_of(c)
            } else {
                0
            }
        })
        .sum()
}

/// The text in at most so many columns; what is left out is shown as `…`, and colours are ended.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let (mut out, mut used, mut painted) = (String::new(), 0, false);
    for piece in pieces(text) {
        match piece {
            Piece::Colour(code) => {
                painted = code != OWN[0];
                out.push_str(code);
            }
            Piece::Char(c) => {
                if used + columns_of(c) >= most {
                    break;
                }
                used += columns_of(c);
                out.push(c);
            }
        }
    }
    if most > 0 {
        out.push('…');
    }
    if painted {
        out.push_str(OWN[0]);
    }
    out
}

/// A line broken at spaces, further rows indented. A word that is too long is left to the terminal, so that a path can
/// still be copied in one piece.
pub(crate) fn wrapped(line: &str, most: usize, indent: usize) -> Vec<String> {
    let indent = if most > 4 * indent { indent } else { 0 };
    let (mut rows, mut row, mut used, mut space) = (Vec::new(), String::new(), 0, None);
    for piece in pieces(line) {
        match piece {
            Piece::Colour(code) => row.push_str(code),
            Piece::Char(c) => {
                used += columns_of(c);
                row.push(c);
                if c == ' ' {
                    space = (used > indent.max(1) && used <= most + 1)
                        .then_some(row.len() - 1)
                        .or(space);
                } else if let Some(at) = space.filter(|_| used > most) {
                    let rest = row.split_off(at);
                    rows.push(std::mem::take(&mut row));
                    row = format!("{}{}", " ".repeat(indent), rest.trim_start_matches(' '));
                    (used, space) = (columns(&row), None);
                }
            }
        }
    }
    rows.push(row);
    rows
}

/// The last lines of a text without colours, broken at words to so many columns; a word that is longer is broken itself.
pub(crate) fn tail(text: &str, most: usize, rows: usize) -> Vec<String> {
    let most = most.max(2);
    let mut found: Vec<String> = Vec::new();
    for line in text.lines().flat_map(|line| wrapped(line, most, 0)) {
        let (mut row, mut used) = (String::new(), 0);
        for c in line.chars() {
            if used + columns_of(c) > most {
                found.push(std::mem::take(&mut row));
                used = 0;
            }
            used += columns_of(c);
            row.push(c);
        }
        found.push(row);
    }
    found.split_off(found.len().saturating_sub(rows))
}

enum Piece<'a> {
    Char(char),
    Colour(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let Some(own) = OWN.iter().find(|own| rest.starts_with(**own)) {
            rest = &rest[own.len()..];
            return Some(Piece::Colour(own));
        }
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        Some(Piece::Char(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        let hostile = "a\x1b]0;title\x07b\x1b[2Jc\x1b[31;1md\u{9b}5n\u{202e}e\x7f\r\nf\rg\0";
        let clean = clean(hostile);
        assert_eq!(clean, "a␛]0;title␇b␛[2Jc␛[31;1md\u{fffd}5n\u{fffd}e␡\nf␍g␀");
        assert!(clean.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn data_keeps_its_tabs() {
        assert_eq!(clean_data("\ta\x1b[2J\r\n"), "\ta␛[2J\n");
    }

    #[test]
    fn own_colours_and_umlauts_pass() {
        assert_eq!(clean("\x1b[32mgrün\x1b[0m\tß"), "\x1b[32mgrün\x1b[0m    ß");
    }

    #[test]
    fn a_cut_keeps_to_its_columns() {
        assert_eq!(cut("Grüße", 5), "Grüße");
        assert_eq!(cut("Grüße", 4), "Grü…");
        assert_eq!(cut("\x1b[31mfailed\x1b[0m", 4), "\x1b[31mfai…\x1b[0m");
        assert_eq!(cut("日本語", 4), "日…");
        for most in 0..8 {
            assert!(columns(&cut("日本\u{308}語 \x1b[1mstark\x1b[0m", most)) <= most);
        }
    }

    #[test]
    fn long_lines_break_at_spaces() {
        assert_eq!(wrapped("    one two three", 80, 4), ["    one two three"]);
        assert_eq!(
            wrapped("    one two three four five", 17, 4),
            ["    one two three", "    four five"]
        );
        assert_eq!(
            wrapped("\x1b[1mone two\x1b[0m", 5, 4),
            ["\x1b[1mone", "two\x1b[0m"]
        );
        assert_eq!(
            wrapped("/a/path/without/spaces", 5, 4),
            ["/a/path/without/spaces"]
        );
        assert_eq!(wrapped("", 5, 4), [""]);
    }

    #[test]
    fn a_tail_is_the_end() {
        assert_eq!(tail("one\ntwo\nthree four", 5, 3), ["two", "three", "four"]);
        assert_eq!(
            tail("a word that is toolong", 4, 9),
            ["a", "word", "that", "is", "tool", "ong"]
        );
        assert_eq!(tail("", 5, 3), Vec::<String>::new());
    }
}
