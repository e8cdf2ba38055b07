//! What comes back from the sandbox may hold secrets of the repository: they stop here, before journal, log and prompt.

use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::digest::Content;
use keiko_contracts::jail::JailBody;
use keiko_governance::redact::redact;
use std::borrow::Cow;

/// Takes whatever has the shape of a secret out of an outcome's texts.
#[must_use]
pub fn scrub(mut outcome: Outcome<Report>) -> Outcome<Report> {
    match &mut outcome {
        Outcome::Done(Report::Jail(report)) => scrub_body(&mut report.body),
        Outcome::Done(Report::Tool(report)) => clean(&mut report.output),
        Outcome::Done(Report::Model(_) | Report::Host(_) | Report::Run(_))
        | Outcome::Failed(_)
        | Outcome::Unknown { .. }
        | Outcome::Cancelled => {}
    }
    outcome
}

fn scrub_body(body: &mut JailBody) {
    match body {
        JailBody::Text(text) => clean(&mut text.text),
        JailBody::Written(written) => clean(&mut written.diff),
        JailBody::Refused { nearest, .. } => clean(nearest),
        JailBody::Exec(exec) => {
            clean(&mut exec.stdout);
            clean(&mut exec.stderr);
            exec.artifacts.iter_mut().for_each(|(_, text)| clean(text));
        }
        JailBody::Cell(cell) => {
            clean(&mut cell.output);
            cell.value.iter_mut().for_each(clean);
            cell.error
                .iter_mut()
                .for_each(|error| clean(&mut error.traceback));
            // Images are not looked into.
            cell.displays
                .iter_mut()
                .filter(|(media, _)| media.starts_with("text/"))
                .for_each(|(_, text)| clean(text));
        }
        JailBody::Prepared(prepared) => {
            prepared.sets.iter_mut().for_each(|set| clean(&mut set.log))
        }
        JailBody::Surveyed(survey) => survey.instructions.iter_mut().for_each(clean),
        JailBody::Opened(_) | JailBody::Committed { .. } | JailBody::Restored => {}
    }
}

fn clean(content: &mut Content) {
    if let Some(text) = content.text()
        && let Cow::Owned(clean) = redact(text)
    {
        *content = clean.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::jail::{ExecReport, JailReport};

    #[test]
    fn a_key_that_a_command_prints_goes_no_further() {
        let key = format!("sk-ant-{}", "a1".repeat(20));
        let exec = ExecReport {
            stdout: format!("KEY={key}\n").into(),
            ..ExecReport::default()
        };
        let outcome = scrub(Outcome::Done(Report::Jail(JailReport {
            body: JailBody::Exec(exec),
            tree: None,
        })));
        let json = serde_json::to_string(&outcome).unwrap();
        assert!(
            !json.contains(&key) && json.contains("[redacted]"),
            "{json}"
        );
    }
}
