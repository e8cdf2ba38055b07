//! Installs what projects declare and the sandbox lacks, before any test runs: nothing else says so much about a
//! repository. What is refused or fails is left out, and the report says which command allows it.

use super::answer::{Answer, last_line};
use super::tests::place_in_list as place;
use super::{Facts, NativeCall, Phase};
use keiko_agent::tools;
use keiko_contracts::jail::{JailBody, JailOp, Preparation};
use keiko_contracts::said::{Said, Value};
use keiko_contracts::say;

/// The id of the operation.
const PREPARE: &str = "prepare";

/// Installs once.
#[derive(Debug, Clone, Default)]
pub(super) struct Prepare {
    sets: Vec<Preparation>,
}

impl Phase for Prepare {
    fn title(&self) -> &'static str {
        "installing packages"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let Some(op) = tools::what_is_missing(&facts.survey) else {
            return Vec::new();
        };
        if let JailOp::Prepare(prepare) = &op {
            self.sets = prepare.sets.clone();
        }
        vec![NativeCall {
            id: PREPARE.into(),
            title: "install what the projects depend on".into(),
            op,
        }]
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        let Some(answer) = answers.first() else {
            return Vec::new();
        };
        for (index, set) in self.sets.iter().enumerate() {
            let mut left_out = None;
            let failed = match &answer.result {
                Ok(report) => match &report.body {
                    JailBody::Prepared(prepared) => match prepared.sets.get(index) {
                        Some(done) if done.exit_code == 0 => {
                            left_out = not_all(done.log.text_or_empty());
                            None
                        }
                        Some(done) => {
                            let line = why(done.log.text_or_empty());
                            Some(say!(
                                "installing failed with exit code {code}: {line}",
                                code = done.exit_code,
                                line
                            ))
                        }
                        None => Some("they were not installed".into()),
                    },
                    _ => Some("the sandbox answered something else than what was asked".into()),
                },
                Err(why) => Some(why.clone()),
            };
            let ours = facts
                .survey
                .projects
                .iter_mut()
                .filter(|project| project.preparation.as_ref() == Some(set));
            let Some(why) = failed else {
                let done = ours.map(|project| {
                    project.needs_prepare = false;
                    place(project)
                });
                let place: Vec<Value> = done.collect();
                if let Some(why) = left_out {
                    facts.left_out(say!("packages of {place}", place), why, "");
                }
                continue;
            };
            let (dirs, place): (Vec<String>, Vec<Value>) = ours
                .map(|project| (project.dir.clone(), place(project)))
                .unzip();
            let enable = if answer.result.is_err() {
                facts.install_command().into()
            } else {
                Said::default()
            };
            if answer.result.is_ok() {
                facts.not_installable.extend(dirs);
            }
            facts.left_out(say!("packages of {place}", place), why, enable);
        }
        Vec::new()
    }
}

/// What a set that was installed lacks, with the reason.
fn not_all(log: &str) -> Option<Said> {
    let mut names: Vec<&str> = log
        .lines()
        .filter_map(|line| line.strip_prefix(LEFT_OUT))
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(NAMES_MOST);
    names.truncate(NAMES_MOST);
    let rest = if more > 0 {
        format!(" + {more}")
    } else {
        String::new()
    };
    let what = format!("{}{rest}", names.join(", "));
    (!names.is_empty()).then(|| say!("not installed: {what} ({line})", what, line = why(log)))
}

/// Names of what was left out that are shown.
const NAMES_MOST: usize = 10;
/// How the sandbox begins a line about something that was left out.
const LEFT_OUT: &str = "keiko: left out, because it cannot be installed: ";

/// The line of an installer's log that says why it failed: a registry that could not be used, else what a package's own
/// build said last, else the first error, else the last line.
fn why(log: &str) -> String {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let ours = |line: &&str| !line.starts_with("keiko: ") && !line.starts_with("$ ");
    let registry = lines().find_map(|line| line.strip_prefix(REGISTRY));
    // pip and uv frame what a build said.
    let build = || {
        let inside = lines()
            .skip_while(|line| !line.starts_with("╰─> [") && !line.starts_with("[stderr]"))
            .skip(1);
        inside
            .take_while(|line| {
                !line.starts_with("[end of output]")
                    && !line.starts_with("note: ")
                    && !line.starts_with("hint: ")
            })
            .last()
    };
    let error = || {
        let is_error = |line: &&str| {
            let low = line.to_lowercase();
            ["error", "npm err!", "err_", "× ", "fatal:"]
                .iter()
                .any(|sign| low.starts_with(sign))
        };
        let mut from = lines().filter(ours).skip_while(move |line| !is_error(line));
        let first = from.next()?;
        // The first line of a traceback says nothing; the last one does.
        if first.ends_with("Exception:") {
            from.last().or(Some(first))
        } else {
            Some(first)
        }
    };
    registry
        .or_else(build)
        .or_else(error)
        .map_or_else(|| last_line(log), |line| line.chars().take(240).collect())
}

/// How the sandbox begins a line about a registry that could not be used.
const REGISTRY: &str = "keiko: registry ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_that_of_the_registry_or_of_the_installer() {
        let pip = "$ sh -c [script]\nLooking in indexes: http://a\nERROR: No matching distribution found for x==1\nkeiko: not all of it can be installed; now one after the other\n";
        assert_eq!(why(pip), "ERROR: No matching distribution found for x==1");
        assert_eq!(
            why(&format!(
                "{pip}keiko: registry a:80: the server gave no answer\n"
            )),
            "a:80: the server gave no answer"
        );
        assert_eq!(
            why("npm ERR! code EINTEGRITY\nnpm ERR! sha512-x\n"),
            "npm ERR! code EINTEGRITY"
        );
        let build = "  error: subprocess-exited-with-error\n  × Getting requirements did not run\n  │ exit code: 1\n  ╰─> [2 lines of output]\n      a\n      no compiler\n      [end of output]\n  note: This is no problem with pip.\n";
        assert_eq!(why(build), "no compiler");
        assert_eq!(
            why(
                "ERROR: Exception:\nTraceback (most recent call last):\n  File \"a\"\nValueError: odd\nkeiko: x\n"
            ),
            "ValueError: odd"
        );
        let some = "ERROR: No matching distribution found for x==1\nkeiko: left out, because it cannot be installed: x==1\n\nkeiko: left out, because it cannot be installed: x==1";
        assert_eq!(
            not_all(some).map(|said| said.to_string()).as_deref(),
            Some("not installed: x==1 (ERROR: No matching distribution found for x==1)")
        );
        assert_eq!(not_all("Successfully installed x\n"), None);
        assert_eq!(why("one\n\ntwo \n\n"), "two");
        assert_eq!(why(""), "");
    }
}
