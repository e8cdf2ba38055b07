//! Reading lines of a text file.

use super::path::{Found, RelPath, Root, read_text};
use super::{OpError, Refusal, cut_line, missing};
use keiko_contracts::jail::TextReport;
use keiko_contracts::say;

/// A longer line is cut.
const LINE_CHARS_MAX: usize = 2000;
/// How many lines one read returns at most.
const LINES_MAX: usize = 2000;
/// How many bytes one read returns, about.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// Reads lines `from_line..from_line + lines` without their numbers, without carriage returns, without a byte-order mark.
/// `total` counts the lines of the file.
///
/// # Errors
/// Refused when there is no such text file or no such line.
pub(super) fn read(
    root: &Root,
    path: &str,
    from_line: u32,
    lines: u32,
) -> Result<TextReport, OpError> {
    let path = RelPath::parse(path)?;
    let (file, size) = match root.find(&path)? {
        Found::File { file, size, .. } => (file, size),
        Found::Folder => {
            return Err(
                Refusal::new(say!("{path} is a folder; list it with list_files", path)).into(),
            );
        }
        Found::Special(kind) => {
            return Err(Refusal::new(say!("{path} is a {kind}, not a file", path, kind)).into());
        }
        Found::Missing => return Err(missing(root, &path, "")),
    };
    let bytes = read_text(&path, file, size)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    excerpt(text, from_line.max(1), lines).ok_or_else(|| {
        let total = text.lines().count();
        Refusal::new(say!(
            "{path} has {total} lines; line {n} does not exist",
            path,
            total,
            n = from_line
        ))
        .into()
    })
}

fn excerpt(text: &str, from_line: u32, lines: u32) -> Option<TextReport> {
    let total = text.lines().count();
    let first = (from_line - 1) as usize;
    if first >= total && !(total == 0 && first == 0) {
        return None;
    }
    let wanted = if lines == 0 {
        LINES_MAX
    } else {
        (lines as usize).min(LINES_MAX)
    };
    let (mut out, mut truncated, mut taken) = (String::new(), first > 0, 0);
    for line in text.lines().skip(first).take(wanted) {
        if out.len() > TEXT_BYTES_MAX {
            break;
        }
        let (line, cut) = cut_line(line, LINE_CHARS_MAX);
        truncated |= cut;
        if taken > 0 {
            out.push('\n');
        }
        out.push_str(&line);
        taken += 1;
    }
    truncated |= first + taken < total;
    Some(TextReport {
        text: out.into(),
        total: u32::try_from(total).unwrap_or(u32::MAX),
        truncated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(
        files: &[(&str, &[u8])],
        path: &str,
        from: u32,
        lines: u32,
    ) -> Result<TextReport, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let at = dir.path().join(name);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, bytes).unwrap();
        }
        read(&Root::open(dir.path()).unwrap(), path, from, lines).map_err(|error| match error {
            OpError::Refused(refusal) => format!("{} | {}", refusal.why, refusal.nearest),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn lines_come_raw_and_say_whether_they_are_all() {
        let file: &[(&str, &[u8])] = &[("a.txt", b"\xef\xbb\xbfone\r\ntwo\r\nthree")];
        let all = read_in(file, "a.txt", 1, 0).unwrap();
        assert_eq!(
            (all.text.text().unwrap(), all.total, all.truncated),
            ("one\ntwo\nthree", 3, false)
        );
        let some = read_in(file, "/workspace/a.txt", 2, 1).unwrap();
        assert_eq!(
            (some.text.text().unwrap(), some.total, some.truncated),
            ("two", 3, true)
        );
        assert!(
            read_in(file, "a.txt", 4, 1)
                .unwrap_err()
                .contains("has 3 lines")
        );
        let empty = read_in(&[("e", b"")], "e", 1, 10).unwrap();
        assert_eq!(
            (empty.text.text().unwrap(), empty.total, empty.truncated),
            ("", 0, false)
        );
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = "ü".repeat(2100);
        let report = read_in(&[("l", long.as_bytes())], "l", 1, 1).unwrap();
        assert!(
            report.truncated
                && report
                    .text
                    .text()
                    .unwrap()
                    .ends_with("ü [100 more characters]")
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_is_there() {
        let files: &[(&str, &[u8])] = &[
            ("src/parser.py", b"x"),
            ("src/other.rs", b"x"),
            ("bin", b"a\0b"),
        ];
        let missing = read_in(files, "src/parsre.py", 1, 1).unwrap_err();
        assert!(
            missing.contains("does not exist") && missing.ends_with("| src/parser.py"),
            "{missing}"
        );
        assert!(
            read_in(files, "parser.py", 1, 1)
                .unwrap_err()
                .ends_with("| src/parser.py")
        );
        assert!(read_in(files, "bin", 1, 1).unwrap_err().contains("binary"));
        assert!(
            read_in(files, "src", 1, 1)
                .unwrap_err()
                .contains("list_files")
        );
        let big = vec![b'a'; (super::super::path::FILE_BYTES_MAX + 1) as usize];
        assert!(
            read_in(&[("big", &big)], "big", 1, 1)
                .unwrap_err()
                .contains("11 MiB, the limit is 10 MiB")
        );
    }
}
