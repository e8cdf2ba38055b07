//! What a model reads of an outcome: every variant in plain words, compact, with what to try next.

use super::Rendered;
use keiko_contracts::action::{HostReport, Outcome, Report};
use keiko_contracts::code::Fault;
use keiko_contracts::digest::Content;
use keiko_contracts::jail::{
    CellReport, End, ExecReport, JailBody, PreparedSet, TextReport, WriteReport,
};
use keiko_contracts::run::EndStatus;
use keiko_runners::lines::{last as last_lines, plain};
use std::borrow::Cow;

/// The body of a jail report, if the outcome is one.
pub(super) fn body(outcome: &Outcome<Report>) -> Option<&JailBody> {
    match outcome {
        Outcome::Done(Report::Jail(report)) => Some(&report.body),
        _ => None,
    }
}

/// Any outcome.
pub(super) fn render(outcome: &Outcome<Report>) -> Rendered {
    match outcome {
        Outcome::Done(Report::Jail(report)) => jail(&report.body),
        Outcome::Done(Report::Host(HostReport::Pushed {
            remote,
            branch,
            commit,
        })) => good(format!("pushed {} to {branch} of {remote}", short(commit))),
        Outcome::Done(Report::Tool(report)) => Rendered {
            text: text(&report.output).into_owned(),
            is_error: report.is_error,
        },
        Outcome::Done(Report::Model(report)) => good(text(&report.reply).into_owned()),
        Outcome::Done(Report::Run(report)) => Rendered {
            text: format!("{}: {}", report.status.word(), text(&report.summary)),
            is_error: !matches!(
                report.status,
                EndStatus::Succeeded | EndStatus::Examined | EndStatus::Unverified
            ),
        },
        Outcome::Failed(fault) => bad(failed(fault)),
        Outcome::Unknown { why } => bad(format!(
            "Nobody can tell whether this happened: {why}. A person decides; do not repeat it."
        )),
        Outcome::Cancelled => bad(
            "Stopped on request before it ended; what it had done by then may be there.".to_owned(),
        ),
    }
}

/// A text outcome: what there is, or `none`, and how to see the rest when it was cut.
pub(super) fn listing(outcome: &Outcome<Report>, unit: &str, none: &str, narrow: &str) -> Rendered {
    let Some(JailBody::Text(report)) = body(outcome) else {
        return render(outcome);
    };
    good(cut_text(report, unit, none, narrow))
}

fn cut_text(report: &TextReport, unit: &str, none: &str, narrow: &str) -> String {
    let shown = text(&report.text);
    let shown = shown.trim_end();
    match (shown.is_empty(), report.truncated) {
        (true, _) => none.to_owned(),
        (false, false) => shown.to_owned(),
        (false, true) => format!("{shown}\n[cut; {} {unit} in all: {narrow}]", report.total),
    }
}

fn jail(body: &JailBody) -> Rendered {
    match body {
        JailBody::Text(report) => good(cut_text(report, "lines", "Nothing.", "ask for less")),
        JailBody::Written(report) => good(written(report)),
        JailBody::Refused { why, nearest } => {
            let nearest = text(nearest);
            bad(if nearest.trim().is_empty() {
                why.to_string()
            } else {
                format!("{why}\n{}", nearest.trim_end())
            })
        }
        JailBody::Exec(report) => Rendered {
            text: exec(report),
            is_error: report.end != End::Exit(0),
        },
        JailBody::Cell(report) => Rendered {
            text: cell(report),
            is_error: report.error.is_some() || report.interrupted,
        },
        JailBody::Committed { commit, summary } => {
            let summary = text(summary);
            good(
                format!("commit {}\n{}", short(&commit.0), summary.trim_end())
                    .trim_end()
                    .to_owned(),
            )
        }
        JailBody::Prepared(prepared) => {
            let shown: Vec<String> = prepared.sets.iter().map(installed).collect();
            Rendered {
                text: shown.join("\n"),
                is_error: prepared.exit_code() != 0,
            }
        }
        JailBody::Opened(opened) => good(format!("workspace at commit {}", short(&opened.base.0))),
        JailBody::Surveyed(survey) => good(format!(
            "{} files\n{}",
            survey.files,
            text(&survey.listing).trim_end()
        )),
        JailBody::Restored => good("the workspace is as it was".to_owned()),
    }
}

/// What came of one set of dependencies.
fn installed(set: &PreparedSet) -> String {
    let place: Vec<&str> = set
        .dirs
        .iter()
        .map(String::as_str)
        .filter(|dir| !dir.is_empty())
        .collect();
    let place = if place.is_empty() {
        String::new()
    } else {
        format!("{}: ", place.join(", "))
    };
    match (set.exit_code, set.cached) {
        (0, true) => format!("{place}dependencies are there, from the cache"),
        (0, false) => format!(
            "{place}dependencies are there, installed now\n{}",
            last_lines(&text(&set.log), 5)
        )
        .trim_end()
        .to_owned(),
        (code, _) => format!(
            "{place}installing failed with exit code {code}\n{}",
            last_lines(&text(&set.log), 40)
        )
        .trim_end()
        .to_owned(),
    }
}

fn good(text: String) -> Rendered {
    Rendered {
        text,
        is_error: false,
    }
}

fn bad(text: String) -> Rendered {
    Rendered {
        text,
        is_error: true,
    }
}

fn failed(fault: &Fault) -> String {
    let hint = fault
        .hint
        .as_ref()
        .map(|hint| format!("\nhint: {hint}"))
        .unwrap_or_default();
    format!("{}: {fault}{hint}", fault.code)
}

/// The text of a content, or how much is not at hand.
pub(super) fn text(content: &Content) -> Cow<'_, str> {
    match content.text() {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(format!("[{} bytes that are not at hand]", content.len())),
    }
}

/// The first ten digits of a commit.
fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn written(report: &WriteReport) -> String {
    let what = if report.created { "created" } else { "changed" };
    let how = report
        .matched
        .as_ref()
        .map(|how| format!(" (matched by {how}: check the result)"))
        .unwrap_or_default();
    let diff = text(&report.diff);
    // Of a new file everything is new: the model has just written it.
    let diff = if report.created { "" } else { diff.trim_end() };
    let same = if diff.is_empty() && !report.created {
        "; it is as it was"
    } else {
        ""
    };
    format!("{what} {}{how}{same}\n{diff}", report.path)
        .trim_end()
        .to_owned()
}

fn exec(report: &ExecReport) -> String {
    let (out, err) = (text(&report.stdout), text(&report.stderr));
    let (out, err) = (plain(out.trim_end()), plain(err.trim_end()));
    let mut said = ending(report);
    match (out.is_empty(), err.is_empty()) {
        (true, true) => said.push_str("\n(no output)"),
        (false, true) => said.push_str(&format!("\n{out}")),
        (true, false) => said.push_str(&format!("\n{err}")),
        (false, false) => said.push_str(&format!("\nstdout:\n{out}\nstderr:\n{err}")),
    }
    if report.truncated_bytes > 0 {
        said.push_str(&format!(
            "\n[{} bytes in the middle left out; write long output to a file and read parts of it]",
            report.truncated_bytes
        ));
    }
    for violation in report.violations.iter().take(5) {
        said.push_str(&format!("\nthe sandbox refused: {violation}"));
    }
    if let Some(hint) = hint(report, &out, &err) {
        said.push_str(&format!("\nhint: {hint}"));
    }
    said
}

/// How a command ended, in a line.
fn ending(report: &ExecReport) -> String {
    let seconds = report.duration_ms as f64 / 1_000.0;
    let after = if report.duration_ms > 1_000 {
        format!(" after {seconds:.1} s")
    } else {
        String::new()
    };
    match &report.end {
        End::Exit(code) => format!("exit code {code}{after}"),
        End::Signal(signal) => format!("ended by signal {signal}{}{after}", signal_name(*signal)),
        End::TimedOut => format!("stopped at the time limit{after}"),
        End::OutOfMemory => format!("stopped at the memory limit{after}"),
        End::NotStarted(why) => format!("could not be started: {why}"),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        8 => " (arithmetic error)",
        9 => " (kill)",
        11 => " (segmentation fault)",
        13 => " (closed pipe)",
        15 => " (terminate)",
        25 => " (file too large)",
        _ => "",
    }
}

fn hint(report: &ExecReport, out: &str, err: &str) -> Option<String> {
    match &report.end {
        End::TimedOut => return Some("run less at once, or raise timeout_seconds; it may also wait for input or loop for ever".to_owned()),
        End::OutOfMemory => return Some("use less memory: smaller data, fewer parallel jobs (make -j1, cargo -j1)".to_owned()),
        End::NotStarted(_) | End::Exit(127) => {
            let program = err.lines().rev().find_map(missing_program);
            let program = program.map_or("the program".to_owned(), |name| format!("`{name}`"));
            return Some(format!("{program} is not there in the sandbox; use what is, or `prepare` for declared dependencies"));
        }
        End::Exit(126) => return Some("the file is not executable; call it through its interpreter".to_owned()),
        End::Exit(0) => return None,
        End::Exit(_) | End::Signal(_) => {}
    }
    const NO_NETWORK: [&str; 5] = [
        "Temporary failure in name resolution",
        "Could not resolve host",
        "Network is unreachable",
        "getaddrinfo EAI_AGAIN",
        "dns error",
    ];
    let offline = NO_NETWORK
        .iter()
        .any(|sign| err.contains(sign) || out.contains(sign));
    offline.then(|| {
        "there is no network in the sandbox; `prepare` installs declared dependencies".to_owned()
    })
}

/// The program named by a shell's complaint such as `sh: 1: ruff: not found`.
fn missing_program(line: &str) -> Option<&str> {
    let before = line
        .strip_suffix(": not found")
        .or_else(|| line.strip_suffix(": command not found"))?;
    before
        .rsplit(": ")
        .next()
        .filter(|name| !name.is_empty() && name.len() <= 100)
}

fn cell(report: &CellReport) -> String {
    let mut parts: Vec<String> = Vec::new();
    if report.state_lost {
        parts.push("The kernel was restarted: all variables and imports are gone. The cell was not repeated.".to_owned());
    }
    if report.interrupted {
        parts.push(format!(
            "interrupted at the time limit after {:.1} s; variables are kept",
            report.duration_ms as f64 / 1_000.0
        ));
    }
    let output = text(&report.output);
    if !output.trim().is_empty() {
        parts.push(plain(output.trim_end()));
    }
    if let Some(value) = &report.value {
        parts.push(format!("Out[{}]: {}", report.count, text(value).trim_end()));
    }
    for (media, data) in report.displays.iter().take(10) {
        let shown = text(data);
        parts.push(if media.starts_with("text/plain") {
            shown.trim_end().to_owned()
        } else {
            format!("[display: {media}, {} bytes]", data.len())
        });
    }
    if let Some(error) = &report.error {
        let traceback = text(&error.traceback);
        let last = format!("{}: {}", error.name, error.message);
        // Tracebacks end with the error itself; it is not said twice.
        parts.push(
            if traceback.contains(&error.message) && !traceback.trim().is_empty() {
                plain(traceback.trim_end())
            } else {
                format!("{}\n{last}", plain(traceback.trim_end()))
                    .trim_start()
                    .to_owned()
            },
        );
    }
    if parts.is_empty() {
        "(no output)".to_owned()
    } else {
        parts.join("\n")
    }
}

/// What the tests of all tools share.
#[cfg(test)]
pub(super) mod fixture {
    use crate::tools::ToolContext;
    use keiko_contracts::action::{Action, Outcome, Report};
    use keiko_contracts::id::RunId;
    use keiko_contracts::jail::{JailBody, JailOp, JailReport};
    use keiko_contracts::time::Timestamp;

    pub(in crate::tools) fn context() -> ToolContext<'static> {
        ToolContext {
            run: RunId::from_bytes([1; 10]),
            opened: None,
            survey: None,
            tree: None,
            head: None,
            now: Timestamp(1_700_000_000_123),
        }
    }

    pub(in crate::tools) fn done(body: JailBody) -> Outcome<Report> {
        Outcome::Done(Report::Jail(JailReport { body, tree: None }))
    }

    pub(in crate::tools) fn op(action: &Action) -> &JailOp {
        match action {
            Action::Jail(jail) => &jail.op,
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::code::{Code, Fault};
    use keiko_contracts::jail::{CellError, CommitId, Prepared};

    fn shown(body: JailBody) -> (String, bool) {
        let rendered = render(&fixture::done(body));
        (rendered.text, rendered.is_error)
    }

    fn ended(end: End, stdout: &str, stderr: &str) -> (String, bool) {
        shown(JailBody::Exec(ExecReport {
            end,
            stdout: stdout.into(),
            stderr: stderr.into(),
            ..ExecReport::default()
        }))
    }

    #[test]
    fn a_command_says_how_it_ended() {
        assert_eq!(
            ended(End::Exit(0), "", ""),
            ("exit code 0\n(no output)".into(), false)
        );
        assert_eq!(
            ended(End::Exit(0), "\u{1b}[31mhi\u{1b}[0m\n", ""),
            ("exit code 0\nhi".into(), false)
        );
        assert_eq!(
            ended(End::Exit(2), "a\n", "b\n"),
            ("exit code 2\nstdout:\na\nstderr:\nb".into(), true)
        );
        let slow = ExecReport {
            duration_ms: 61_250,
            end: End::TimedOut,
            truncated_bytes: 9,
            ..ExecReport::default()
        };
        let (text, is_error) = shown(JailBody::Exec(slow));
        assert!(
            text.starts_with("stopped at the time limit after 61.2 s\n(no output)\n[9 bytes in the middle left out") && is_error,
            "{text}"
        );
        assert_eq!(
            ended(End::Signal(11), "", "").0,
            "ended by signal 11 (segmentation fault)\n(no output)"
        );
    }

    #[test]
    fn a_command_that_could_not_work_comes_with_a_hint() {
        let (text, _) = ended(End::Exit(127), "", "sh: 1: ruff: not found");
        assert!(text.ends_with("hint: `ruff` is not there in the sandbox; use what is, or `prepare` for declared dependencies"), "{text}");
        let (text, _) = ended(
            End::Exit(6),
            "",
            "curl: (6) Could not resolve host: example.org",
        );
        assert!(
            text.contains("there is no network in the sandbox"),
            "{text}"
        );
        assert!(
            ended(End::OutOfMemory, "", "")
                .0
                .contains("use less memory")
        );
        assert!(
            !ended(End::Exit(0), "", "Could not resolve host")
                .0
                .contains("hint")
        );
    }

    #[test]
    fn files_show_their_change() {
        let report = |created, diff: &str| WriteReport {
            path: "a.py".into(),
            created,
            diff: diff.into(),
            matched: None,
        };
        assert_eq!(
            shown(JailBody::Written(report(true, "+x"))).0,
            "created a.py"
        );
        assert_eq!(
            shown(JailBody::Written(report(false, "-x\n+y\n"))).0,
            "changed a.py\n-x\n+y"
        );
        assert_eq!(
            shown(JailBody::Written(report(false, ""))).0,
            "changed a.py; it is as it was"
        );
    }

    #[test]
    fn a_refusal_shows_what_stands_there() {
        let refused = JailBody::Refused {
            why: "`old` is not in a.py".into(),
            nearest: "12  x = 1\n".into(),
        };
        assert_eq!(
            shown(refused),
            ("`old` is not in a.py\n12  x = 1".into(), true)
        );
    }

    #[test]
    fn a_cell_shows_output_value_displays_and_error() {
        let report = CellReport {
            output: "hello\n".into(),
            value: Some("2".into()),
            displays: vec![("image/png".into(), "aGVsbG8=".into())],
            count: 3,
            ..CellReport::default()
        };
        assert_eq!(
            shown(JailBody::Cell(report)),
            (
                "hello\nOut[3]: 2\n[display: image/png, 8 bytes]".into(),
                false
            )
        );
        let error = CellError {
            name: "KeyError".into(),
            message: "'x'".into(),
            traceback: "".into(),
        };
        let report = CellReport {
            error: Some(error),
            state_lost: true,
            ..CellReport::default()
        };
        let (text, is_error) = shown(JailBody::Cell(report));
        assert!(
            text.starts_with("The kernel was restarted")
                && text.ends_with("KeyError: 'x'")
                && is_error,
            "{text}"
        );
    }

    #[test]
    fn the_other_outcomes_are_errors_in_words() {
        let fault = Fault::new(Code::NO_UNPRIVILEGED_USER, "bubblewrap is missing")
            .hint("apt-get install bubblewrap");
        assert_eq!(
            render(&Outcome::Failed(fault)).text,
            "KEI-5003: bubblewrap is missing\nhint: apt-get install bubblewrap"
        );
        assert!(
            render(&Outcome::Unknown {
                why: "the connection broke".into()
            })
            .text
            .contains("do not repeat it")
        );
        assert!(render(&Outcome::Cancelled).is_error);
        let commit = JailBody::Committed {
            commit: CommitId("0123456789abcdef".into()),
            summary: "M a.py\n".into(),
        };
        assert_eq!(shown(commit), ("commit 0123456789\nM a.py".into(), false));
        let log: String = (0..50).map(|i| format!("line {i}\n")).collect();
        let (text, is_error) = shown(JailBody::Prepared(Prepared {
            sets: vec![PreparedSet {
                toolchain: None,
                dirs: vec![],
                cached: false,
                log: log.into(),
                exit_code: 1,
            }],
        }));
        assert!(text.starts_with("installing failed with exit code 1\nline 10\n") && is_error);
    }

    #[test]
    fn a_cut_listing_says_how_to_see_more() {
        let text = |truncated| {
            fixture::done(JailBody::Text(TextReport {
                text: "a\nb\n".into(),
                total: 700,
                truncated,
            }))
        };
        assert_eq!(
            listing(&text(true), "entries", "No files.", "narrow it").text,
            "a\nb\n[cut; 700 entries in all: narrow it]"
        );
        assert_eq!(
            listing(&text(false), "entries", "No files.", "narrow it").text,
            "a\nb"
        );
    }
}
