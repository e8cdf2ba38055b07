//! Searching file contents with ripgrep's engine.

use super::path::{FILE_BYTES_MAX, Found, RelPath, Root};
use super::walk::{Glob, walk};
use super::{OpError, Refusal, missing};
use grep_matcher::Matcher as _;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{
    BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch,
};
use keiko_contracts::jail::TextReport;
use keiko_contracts::say;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Hits in one report.
const HITS_MAX: usize = 1000;
/// Hits that are counted; then the search ends.
const COUNTED_MAX: usize = 10_000;
/// Lines of context around a hit.
const CONTEXT_MAX: u32 = 20;
/// Text of one report, about.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// A longer line is cut around its hit.
const LINE_CHARS_MAX: usize = 400;
/// A search ends after this, and says that it is not whole.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// A regular expression.
    pub pattern: String,
    /// The folder or file, empty for the root.
    pub path: String,
    /// Glob on the path, if any.
    pub glob: Option<String>,
    /// Lines around each hit.
    pub context: u32,
    /// How many hits at most; 0 is as many as fit.
    pub limit: u32,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
}

/// Hits as `path:line:text`, context as `path-line-text`, `--` between groups. `total` counts hits beyond the limit too.
///
/// # Errors
/// Refused for a pattern that is no regular expression, a glob that is none, a path that does not exist.
pub(super) fn search(root: &Root, query: &Query) -> Result<TextReport, OpError> {
    let path = RelPath::parse(&query.path)?;
    let matcher = compile(query)?;
    let glob = query
        .glob
        .as_deref()
        .filter(|glob| !glob.is_empty())
        .map(Glob::parse)
        .transpose()?;
    if matches!(root.find(&path)?, Found::Missing) {
        return Err(missing(root, &path, ""));
    }
    let context = query.context.min(CONTEXT_MAX) as usize;
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .before_context(context)
        .after_context(context)
        .binary_detection(BinaryDetection::quit(0))
        // Only a line as long as this needs so much; such a file is passed over.
        .heap_limit(Some(FILE_BYTES_MAX as usize))
        .build();
    let limit = if query.limit == 0 {
        HITS_MAX
    } else {
        (query.limit as usize).min(HITS_MAX)
    };
    let mut hits = Hits {
        matcher: &matcher,
        limit,
        text: String::new(),
        total: 0,
        path: String::new(),
        cut: false,
        grouped: context > 0,
    };
    let started = Instant::now();
    walk(root, &path, &mut |entry| {
        if !entry.is_file || glob.as_ref().is_some_and(|glob| !glob.matches(&entry.path)) {
            return true;
        }
        // Opened beneath the root, so that a file swapped for a link or a pipe meanwhile does no harm.
        let opened = RelPath::parse(&entry.path)
            .ok()
            .and_then(|path| root.find(&path).ok());
        if let Some(Found::File { file, .. }) = opened {
            hits.path = entry.path;
            // A file that cannot be searched (overlong line, read error) is passed over, as grep does.
            let _ = searcher.search_file(&matcher, &file, &mut hits);
        }
        hits.cut |= started.elapsed() > TIME_MAX;
        hits.total < COUNTED_MAX && started.elapsed() <= TIME_MAX
    });
    let truncated = hits.cut || hits.total > limit;
    Ok(TextReport {
        text: hits.text.into(),
        total: u32::try_from(hits.total).unwrap_or(u32::MAX),
        truncated,
    })
}

fn compile(query: &Query) -> Result<RegexMatcher, Refusal> {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .case_insensitive(query.ignore_case)
        .line_terminator(Some(b'\n'))
        .size_limit(4 << 20)
        .dfa_size_limit(16 << 20);
    builder.build(&query.pattern).map_err(|error| {
        let hint = if query.pattern.contains("(?=")
            || query.pattern.contains("(?!")
            || query.pattern.contains("(?<")
        {
            "look-around is not supported; search for the plain part"
        } else if query.pattern.contains("\\n") || query.pattern.contains('\n') {
            "a search is line by line; search for one line and ask for context"
        } else {
            "to search for ( [ { . * + ? literally put a backslash before them"
        };
        let error = error.to_string();
        Refusal::new(say!("not a usable regular expression; {hint}", hint))
            .nearest(error.chars().take(1000).collect::<String>())
    })
}

struct Hits<'a> {
    matcher: &'a RegexMatcher,
    limit: usize,
    text: String,
    total: usize,
    path: String,
    cut: bool,
    grouped: bool,
}

impl Hits<'_> {
    fn line(&mut self, mark: char, number: Option<u64>, line: &[u8]) {
        if self.text.len() > TEXT_BYTES_MAX {
            self.cut = true;
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\n', '\r']);
        let hit = self
            .matcher
            .find(line.as_bytes())
            .ok()
            .flatten()
            .map_or(0, |found| found.start());
        let _ = writeln!(
            self.text,
            "{}{mark}{}{mark}{}",
            self.path,
            number.unwrap_or(0),
            around(line, hit)
        );
    }
}

/// A long line cut around its hit.
fn around(line: &str, hit: usize) -> std::borrow::Cow<'_, str> {
    let count = line.chars().count();
    if count <= LINE_CHARS_MAX {
        return line.into();
    }
    let before = line[..line.floor_char_boundary(hit)].chars().count();
    let from = before.saturating_sub(LINE_CHARS_MAX / 4);
    let shown: String = line.chars().skip(from).take(LINE_CHARS_MAX).collect();
    format!(
        "{}{shown}{} [line of {count} characters]",
        if from > 0 { "..." } else { "" },
        if from + LINE_CHARS_MAX < count {
            "..."
        } else {
            ""
        }
    )
    .into()
}

impl Sink for Hits<'_> {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, hit: &SinkMatch<'_>) -> Result<bool, Self::Error> {
        self.total += 1;
        if self.total <= self.limit {
            self.line(':', hit.line_number(), hit.bytes());
        }
        Ok(self.total < COUNTED_MAX)
    }
    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, Self::Error> {
        let of_a_shown_hit = if *context.kind() == SinkContextKind::After {
            self.total <= self.limit
        } else {
            self.total < self.limit
        };
        if of_a_shown_hit {
            self.line('-', context.line_number(), context.bytes());
        }
        Ok(true)
    }
    fn context_break(&mut self, _: &Searcher) -> Result<bool, Self::Error> {
        if self.total < self.limit {
            self.text.push_str("--\n");
        }
        Ok(true)
    }
    fn begin(&mut self, _: &Searcher) -> Result<bool, Self::Error> {
        if self.grouped
            && !self.text.is_empty()
            && !self.text.ends_with("--\n")
            && self.total < self.limit
        {
            self.text.push_str("--\n");
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(query: Query) -> Result<TextReport, (String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("{}needle{}\n", "ä".repeat(5000), "z".repeat(5000));
        for (name, text) in [
            (".gitignore", "ignored/\n".as_bytes()),
            ("ignored/x.py", b"needle\n"),
            ("a.py", b"one\nneedle here\nthree\r\nfour\nNEEDLE\n"),
            ("b/c.rs", b"needle\n"),
            ("b/data.bin", b"needle\0\n"),
            ("b/long.js", long.as_bytes()),
        ] {
            let at = dir.path().join(name);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, text).unwrap();
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        search(&Root::open(dir.path()).unwrap(), &query).map_err(|error| match error {
            OpError::Refused(refusal) => (refusal.why.to_string(), refusal.nearest),
            other => panic!("{other}"),
        })
    }
    fn query(pattern: &str) -> Query {
        Query {
            pattern: pattern.into(),
            path: String::new(),
            glob: None,
            context: 0,
            limit: 0,
            ignore_case: false,
        }
    }

    #[test]
    fn hits_are_named_by_path_and_line() {
        let report = run(query("needle")).unwrap();
        let text = report.text.text().unwrap();
        assert!(
            text.starts_with("a.py:2:needle here\nb/c.rs:1:needle\nb/long.js:1:..."),
            "{text}"
        );
        assert!(
            text.len() < 1200
                && text.contains("needle")
                && text.trim_end().ends_with("[line of 10006 characters]")
        );
        assert_eq!((report.total, report.truncated), (3, false));
        let report = run(Query {
            ignore_case: true,
            path: "a.py".into(),
            ..query("needle")
        })
        .unwrap();
        assert_eq!(
            report.text.text().unwrap(),
            "a.py:2:needle here\na.py:5:NEEDLE\n"
        );
        let report = run(Query {
            glob: Some("*.rs".into()),
            ..query("needle")
        })
        .unwrap();
        assert_eq!(report.text.text().unwrap(), "b/c.rs:1:needle\n");
        assert_eq!(
            run(Query {
                path: "ignored".into(),
                ..query("needle")
            })
            .unwrap()
            .total,
            1
        );
    }

    #[test]
    fn context_and_limit_are_kept() {
        let report = run(Query {
            context: 1,
            limit: 1,
            glob: Some("*.py".into()),
            ..query("(?i)needle")
        })
        .unwrap();
        assert_eq!(
            report.text.text().unwrap().lines().collect::<Vec<_>>(),
            ["a.py-1-one", "a.py:2:needle here", "a.py-3-three"]
        );
        assert_eq!((report.total, report.truncated), (2, true));
    }

    #[test]
    fn a_bad_pattern_is_explained() {
        let (why, error) = run(query("foo(")).unwrap_err();
        assert!(
            why.contains("backslash") && error.contains("unclosed group"),
            "{why} {error}"
        );
        assert!(run(query("(?=x)y")).unwrap_err().0.contains("look-around"));
        assert!(run(query("a\\nb")).unwrap_err().0.contains("line by line"));
        assert!(
            run(Query {
                path: "nope".into(),
                ..query("x")
            })
            .unwrap_err()
            .0
            .contains("does not exist")
        );
        assert!(
            run(query(&"(a{1000}){1000}".repeat(3))).is_err(),
            "a pattern that would fill the memory"
        );
    }
}
