//! What of the run's change a person has to look at: the change as [`crate::honesty`] reads it, with what the tests say.

use crate::draft::{Draft, Poll, Reject};
use crate::harness;
use crate::honesty;
use crate::state::RunState;
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::asked::Chore;
use keiko_contracts::evidence::Finding;
use keiko_contracts::jail::{JailBody, JailOp, JailReport, is_test_path};

/// Most lines of tests that are looked at for values of the change.
const HITS_MAX: u32 = 400;

/// Looks the values of new branches up in the tests. Pending while it is at it.
pub(crate) fn looked_up(draft: &mut Draft<'_>) -> Result<Poll, Reject> {
    let Some((chore, diff)) = look(&draft.state).filter(|_| draft.state.native.is_none()) else {
        return Ok(Poll::Ready);
    };
    let values = honesty::literals(diff);
    if values.is_empty() {
        return Ok(Poll::Ready);
    }
    let pattern = values
        .iter()
        .map(|value| regex::escape(value))
        .collect::<Vec<_>>()
        .join("|");
    let op = JailOp::Search {
        pattern,
        path: String::new(),
        glob: None,
        context: 3,
        limit: HITS_MAX,
        ignore_case: false,
    };
    harness::chore(draft, chore, op)
}

/// What honest code does not do. Changes of engines without a model come from tools, not from a wish to be done.
pub(crate) fn findings(state: &RunState) -> Vec<Finding> {
    let Some((chore, diff)) = look(state).filter(|_| state.native.is_none()) else {
        return Vec::new();
    };
    let hits = match state.coding.came(&chore) {
        Some(Outcome::Done(Report::Jail(JailReport {
            body: JailBody::Text(text),
            ..
        }))) => of_tests(text.text.text_or_empty()),
        _ => String::new(),
    };
    let (known, survey) = (
        state.coding.tests.known(),
        state.coding.workspace.survey.as_ref(),
    );
    let around = honesty::Around {
        known: Some(&known),
        tests: &hits,
        protected: survey.map_or(&[][..], |survey| &survey.tests),
        support: survey.map_or(&[][..], |survey| &survey.test_support),
        goal: state
            .start
            .as_ref()
            .map_or("", |start| start.goal.text_or_empty()),
    };
    honesty::read(diff, &around)
}

/// The lines of tests among hits, without their places. Tests of Rust stand in the file of the product too.
fn of_tests(hits: &str) -> String {
    let mut lines = String::new();
    for hit in hits.lines() {
        let text = hit.match_indices([':', '-']).find_map(|(at, mark)| {
            let (path, (number, text)) = (&hit[..at], hit[at + 1..].split_once(mark)?);
            let numbered = path.contains('.')
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit());
            let inline = path.ends_with(".rs") && text.contains("assert");
            (numbered && (is_test_path(path) || inline)).then_some(text)
        });
        lines.push_str(text.unwrap_or_default());
        lines.push('\n');
    }
    lines
}

/// The whole change as it is now, with the look at the tests.
fn look(state: &RunState) -> Option<(Chore, &str)> {
    let (tree, diff) = state.coding.workspace.diff.as_ref()?;
    Some((Chore::Look { tree: tree.clone() }, diff.text_or_empty()))
}

/// One finding in words, with its place.
pub(crate) fn shown(finding: &Finding) -> String {
    format!(
        "{}:{}: {}",
        finding.file,
        finding.line,
        finding.kind.words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_come_to_the_lines_of_tests() {
        let hits = "tests/test-a.py-3-x\ntests/test-a.py:4:    assert f(7) == 49\ncalc.py:2:    if n == 7\nsrc/lib.rs:9:  assert_eq!(f(7), 49);\nsrc/lib.rs:2: 7 => 49\n--\n";
        assert_eq!(
            of_tests(hits)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            "x assert f(7) == 49 assert_eq!(f(7), 49);"
        );
    }
}
