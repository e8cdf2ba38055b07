//! What a person can do next, as data: each face offers it in its own way, as a line to type, a button or a sentence.

use crate::id::{ApprovalId, RunId};
use crate::money::Micros;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something to do next. Where a run is left out, it is the one at hand.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Step {
    /// Check this machine.
    Doctor,
    /// See which version this is.
    Version,
    /// Examine a repository.
    Up {
        /// Its folder; without it the one around the caller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<String>,
        /// Install what its projects declare without asking.
        #[serde(default, skip_serializing_if = "is_false")]
        install: bool,
    },
    /// Start a run.
    Run {
        /// Options as they are typed: `--model VENDOR/MODEL`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<String>,
    },
    /// Go on with a run.
    Resume {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// What it gets more of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<More>,
    },
    /// List the runs.
    Runs,
    /// Do something with one run.
    OfRun {
        /// What.
        what: OfRun,
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// Give space back.
    Prune,
    /// List what waits for a person.
    Approvals,
    /// Answer an approval.
    Answer {
        /// Which.
        approval: ApprovalId,
        /// With yes.
        yes: bool,
    },
    /// List the models.
    Models,
    /// Try a model.
    Probe {
        /// `VENDOR/MODEL`.
        model: String,
    },
    /// Change a setting.
    Set {
        /// The key, as a path with dots.
        key: String,
        /// The value; in capitals where the person chooses it.
        value: String,
    },
    /// See a setting and where it comes from.
    Explain {
        /// The key, as a path with dots.
        key: String,
    },
    /// A command of another program, typed as it stands.
    Shell {
        /// The line.
        line: String,
    },
}

/// What can be done with one run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OfRun {
    /// See what became of it.
    Show,
    /// Read what it found.
    Report,
    /// Read its events.
    Events,
    /// Follow its events.
    Follow,
    /// See what it changed.
    Diff,
    /// Take its change over into the user's folder.
    Apply,
    /// Take an applied change back.
    Undo,
    /// Check its record and its evidence.
    Verify,
    /// End it.
    Cancel,
}

/// What a run gets more of when it goes on.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum More {
    /// Steps, in all.
    Steps(u32),
    /// Money, in all.
    Budget(Micros),
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Step {
    /// Something with one run.
    #[must_use]
    pub fn of_run(what: OfRun, run: RunId) -> Step {
        Step::OfRun {
            what,
            run: Some(run),
        }
    }

    /// Go on with a run.
    #[must_use]
    pub fn resume(run: RunId) -> Step {
        Step::Resume {
            run: Some(run),
            more: None,
        }
    }

    /// Change a setting.
    pub fn set(key: impl Into<String>, value: impl fmt::Display) -> Step {
        Step::Set {
            key: key.into(),
            value: value.to_string(),
        }
    }

    /// Try a model.
    pub fn probe(model: impl fmt::Display) -> Step {
        Step::Probe {
            model: model.to_string(),
        }
    }

    /// A command of another program.
    pub fn shell(line: impl Into<String>) -> Step {
        Step::Shell { line: line.into() }
    }

    /// The line to type, where this program is called `program`.
    #[must_use]
    pub fn line(&self, program: &str) -> String {
        match self {
            Step::Shell { line } => line.clone(),
            own => format!("{program} {}", own.words().join(" ")),
        }
    }

    /// The words after the program's name, each as a shell reads it.
    fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut put = |word: &str| words.push(word.to_owned());
        match self {
            Step::Doctor => put("doctor"),
            Step::Version => put("version"),
            Step::Up { workspace, install } => {
                put("up");
                if let Some(folder) = workspace {
                    put("--workspace");
                    put(&quoted(folder));
                }
                if *install {
                    put("--install yes");
                }
            }
            Step::Run { options } => {
                put("run");
                options.iter().for_each(|option| put(option));
            }
            Step::Resume { run, more } => {
                put("resume");
                put(&named(run.as_ref()));
                match more {
                    Some(More::Steps(steps)) => put(&format!("--max-steps {steps}")),
                    Some(More::Budget(budget)) => put(&format!("--budget {budget}")),
                    None => {}
                }
            }
            Step::Runs => put("runs list"),
            Step::OfRun { what, run } => {
                put("runs");
                put(what.words());
                put(&named(run.as_ref()));
            }
            Step::Prune => put("runs prune"),
            Step::Approvals => put("approvals list"),
            Step::Answer { approval, yes } => {
                put("approvals");
                put(if *yes { "approve" } else { "deny" });
                put(&approval.to_string());
            }
            Step::Models => put("models list"),
            Step::Probe { model } => {
                put("models probe");
                put(&quoted(model));
            }
            Step::Set { key, value } => {
                put("config set");
                put(&quoted(key));
                put(&quoted(value));
            }
            Step::Explain { key } => {
                put("config explain");
                put(&quoted(key));
            }
            Step::Shell { line } => put(line),
        }
        words
    }
}

impl OfRun {
    fn words(self) -> &'static str {
        match self {
            OfRun::Show => "show",
            OfRun::Report => "report",
            OfRun::Events => "events",
            OfRun::Follow => "events --follow",
            OfRun::Diff => "diff",
            OfRun::Apply => "apply",
            OfRun::Undo => "undo",
            OfRun::Verify => "verify",
            OfRun::Cancel => "cancel",
        }
    }
}

fn named(run: Option<&RunId>) -> String {
    run.map_or_else(|| "last".to_owned(), ToString::to_string)
}

/// A word as a shell reads it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || "_-./+@:=,%…".contains(c));
    if is_plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl fmt::Display for Step {
    /// The line to type, where the program is called `keiko`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line("keiko"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_lines_that_a_shell_takes() {
        let run = RunId::from_bytes([7; 10]);
        let more = Some(More::Steps(80));
        let price = Step::set(r#"models.prices."ollama/x y".price"#, 0);
        let up = Step::Up {
            workspace: Some("/a b/it's".into()),
            install: true,
        };
        for (step, line) in [
            (Step::Doctor, "./keiko doctor".to_owned()),
            (Step::resume(run), format!("./keiko resume {run}")),
            (
                Step::Resume { run: None, more },
                "./keiko resume last --max-steps 80".into(),
            ),
            (
                Step::of_run(OfRun::Follow, run),
                format!("./keiko runs events --follow {run}"),
            ),
            (
                price,
                r#"./keiko config set 'models.prices."ollama/x y".price' 0"#.into(),
            ),
            (
                up,
                r"./keiko up --workspace '/a b/it'\''s' --install yes".into(),
            ),
            (Step::shell("ollama serve"), "ollama serve".into()),
        ] {
            assert_eq!(step.line("./keiko"), line);
            let wire = serde_json::to_string(&step).unwrap();
            assert_eq!(serde_json::from_str::<Step>(&wire).unwrap(), step, "{wire}");
        }
    }
}
