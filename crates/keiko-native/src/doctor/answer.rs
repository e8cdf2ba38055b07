//! What came of an operation, as phases want to see it; and how they ask for commands.

use keiko_agent::native::NativeCall;
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::evidence::{TestCase, TestSummary};
use keiko_contracts::jail::{
    Command, ExecReport, ExecSpec, JailBody, JailOp, JailReport, Limits, TreeId,
};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_runners::{TestPlan, Unread};
use std::collections::BTreeMap;

/// The answer to one operation.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) result: Result<JailReport, Said>,
}

impl Answer {
    pub(super) fn new(id: &str, outcome: Result<&Outcome<Report>, &Said>) -> Answer {
        let result = match outcome {
            Ok(Outcome::Done(Report::Jail(report))) => match &report.body {
                JailBody::Refused { why, .. } => Err(why.clone()),
                _ => Ok(report.clone()),
            },
            Ok(Outcome::Done(_)) => Err("the answer is not one of the sandbox".into()),
            Ok(Outcome::Failed(fault)) => Err(say!("{fault}", fault = fault)),
            Ok(Outcome::Unknown { why }) => Err(why.clone()),
            Ok(Outcome::Cancelled) => Err("it was stopped".into()),
            Err(refused) => Err((*refused).clone()),
        };
        Answer {
            id: id.to_owned(),
            result,
        }
    }

    /// The command's report.
    pub(super) fn exec(&self) -> Result<&ExecReport, Said> {
        match &self.result {
            Ok(JailReport {
                body: JailBody::Exec(report),
                ..
            }) => Ok(report),
            Ok(_) => Err("the answer is not one of a command".into()),
            Err(why) => Err(why.clone()),
        }
    }

    /// The text that an operation returned.
    pub(super) fn text(&self) -> Result<&str, Said> {
        match &self.result {
            Ok(JailReport {
                body: JailBody::Text(report),
                ..
            }) => Ok(report.text.text_or_empty()),
            Ok(_) => Err("the answer is not a text".into()),
            Err(why) => Err(why.clone()),
        }
    }

    /// The state of the workspace afterwards.
    pub(super) fn tree(&self) -> Option<&TreeId> {
        self.result.as_ref().ok()?.tree.as_ref()
    }

    pub(super) fn is_done(&self) -> bool {
        self.result.is_ok()
    }

    pub(super) fn duration_ms(&self) -> u64 {
        self.exec().map_or(0, |report| report.duration_ms)
    }

    /// Reads a test run.
    pub(super) fn tests(&self, plan: &TestPlan) -> Result<(TestSummary, Vec<TestCase>), Unread> {
        let (mut summary, cases) = keiko_runners::read(plan, self.exec()?)?;
        summary.tree = summary.tree.or_else(|| self.tree().cloned());
        Ok((summary, cases))
    }
}

/// The first line of what a program says, cut to what fits a report.
pub(super) fn first_words(text: &str) -> Said {
    Said::words(first_line(text))
}

/// The first line of a message, cut to what fits a report.
fn first_line(text: &str) -> String {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("")
        .trim()
        .chars()
        .take(240)
        .collect()
}

/// The last line of a log that says something, cut to what fits a report.
pub(super) fn last_line(text: &str) -> String {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("")
        .trim()
        .chars()
        .take(240)
        .collect()
}

/// Byte code is never written: two edits of one second and one length would otherwise run the older one's.
pub(super) fn quiet_env() -> BTreeMap<String, String> {
    [
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONHASHSEED", "0"),
        ("CARGO_TERM_COLOR", "never"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Runs a command in a folder, keeping up to 4 MiB of its output.
pub(super) fn run(
    id: impl Into<String>,
    title: impl Into<Said>,
    cwd: &str,
    command: Command,
    wall_ms: u32,
) -> NativeCall {
    let limits = Limits {
        wall_ms,
        output_bytes: 4 << 20,
        ..Limits::default()
    };
    let spec = ExecSpec {
        command,
        cwd: cwd.to_owned(),
        env: quiet_env(),
        stdin: None,
        limits,
        collect: Vec::new(),
        report: None,
    };
    NativeCall {
        id: id.into(),
        title: title.into(),
        op: JailOp::Exec(spec),
    }
}

/// A program with its arguments.
pub(super) fn argv(words: &[&str]) -> Command {
    Command::Argv(words.iter().map(|word| (*word).to_owned()).collect())
}

/// Runs a test plan; `env` comes on top of the quiet environment, the plan's own on top of both.
pub(super) fn run_tests(
    id: impl Into<String>,
    title: impl Into<Said>,
    plan: &TestPlan,
    env: &[(&str, &str)],
) -> NativeCall {
    let mut spec = plan.spec.clone();
    let mut all = quiet_env();
    if spec.env.contains_key("TERM") {
        // Tests that ask for colours get what a person's terminal would say.
        all.remove("NO_COLOR");
    }
    all.extend(std::mem::take(&mut spec.env));
    all.extend(
        env.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    spec.env = all;
    NativeCall {
        id: id.into(),
        title: title.into(),
        op: JailOp::Exec(spec),
    }
}

/// Puts the workspace back.
pub(super) fn restore(id: impl Into<String>, tree: &TreeId) -> NativeCall {
    NativeCall {
        id: id.into(),
        title: "put the workspace back".into(),
        op: JailOp::Restore { tree: tree.clone() },
    }
}
