//! Who asked for an effect, and what the harness does of its own accord.

use crate::id::EffectKey;
use crate::jail::TreeId;
use crate::journal::Seq;
use crate::said::Said;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who asked for an effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Asked {
    /// The loop itself: for the next answer of the model.
    #[default]
    Loop,
    /// A model.
    Model {
        /// The model's own id of the call, unique within the answer.
        call: String,
        /// The tool; as the model wrote it where there is none of that name.
        tool: String,
    },
    /// An engine without a model.
    Engine {
        /// The engine's own id of the call, unique within the run.
        call: String,
        /// What it is for, in one line for people.
        title: Said,
    },
    /// The harness.
    Harness(Chore),
}

impl Asked {
    /// The id of the call, of a model or an engine.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        match self {
            Asked::Model { call, .. } | Asked::Engine { call, .. } => Some(call),
            Asked::Loop | Asked::Harness(_) => None,
        }
    }

    /// The tool that a model asked for.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        match self {
            Asked::Model { tool, .. } => Some(tool),
            Asked::Loop | Asked::Engine { .. } | Asked::Harness(_) => None,
        }
    }

    /// What it is for, in one line for people, where no model asked for it.
    #[must_use]
    pub fn title(&self) -> Option<Said> {
        match self {
            Asked::Engine { title, .. } => Some(title.clone()),
            Asked::Harness(chore) => Some(chore.title().into()),
            Asked::Loop | Asked::Model { .. } => None,
        }
    }

    /// What the harness does.
    #[must_use]
    pub fn chore(&self) -> Option<&Chore> {
        match self {
            Asked::Harness(chore) => Some(chore),
            Asked::Loop | Asked::Model { .. } | Asked::Engine { .. } => None,
        }
    }

    /// The loop asked, for a model's answer.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        *self == Asked::Loop
    }
}

/// What the harness does of its own accord. Each is done once in a run.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", tag = "chore")]
pub enum Chore {
    /// Make the private copy.
    Open,
    /// Look the workspace over.
    Survey,
    /// Install what the projects depend on.
    Prepare,
    /// Run the tests of one project.
    Tests {
        /// Which time.
        round: Round,
        /// The project, by its place among those whose tests are run.
        project: u32,
    },
    /// Put back what the tests left in the workspace.
    PutBack {
        /// Which tests.
        round: Round,
    },
    /// Take a piece of the change back, to see the tests fail without it.
    Take {
        /// The tree with the whole change.
        tree: TreeId,
        /// The piece, by its place; 0 is the whole.
        piece: u32,
        /// The operation, by its place among those that take the piece back.
        op: u32,
    },
    /// Run the tests of one project without a piece of the change.
    Without {
        /// The tree with the whole change.
        tree: TreeId,
        /// The piece, by its place; 0 is the whole.
        piece: u32,
        /// The project, by its place among those whose tests turned green.
        project: u32,
    },
    /// Put the change in again.
    PutIn {
        /// The tree with the whole change.
        tree: TreeId,
    },
    /// See what the whole change is.
    Diff {
        /// The tree with the change.
        tree: TreeId,
    },
    /// Look in the tests for the values of the change.
    Look {
        /// The tree with the change.
        tree: TreeId,
    },
    /// Put the workspace back to what an effect found that a crash cut off.
    Restore {
        /// The newest event when that was decided.
        at: Seq,
        /// The effect.
        key: EffectKey,
    },
}

/// Which time the harness runs the tests.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// As they are, before the first step.
    Start,
    /// When the agent says that it is done.
    End {
        /// In which step.
        step: u32,
        /// How often it had been sent back before.
        refused: u32,
    },
}

impl Chore {
    /// What it is for, in one line for people.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let title = |words: &'static str| words;
        match self {
            Chore::Open => title("make a private copy"),
            Chore::Survey => title("look the workspace over"),
            Chore::Prepare => title("install what the projects depend on"),
            Chore::Tests { round, .. } => match round {
                Round::Start => title("run the tests as they are"),
                Round::End { .. } => title("run the tests at the end"),
            },
            Chore::PutBack { .. } => title("put back what the tests left"),
            Chore::Take { .. } => title("take the change back, to see the tests fail without it"),
            Chore::Without { .. } => title("run the tests without the change"),
            Chore::PutIn { .. } => title("put the change in again"),
            Chore::Diff { .. } => title("see what changed in existing tests"),
            Chore::Look { .. } => title("look in the tests for the values of the change"),
            Chore::Restore { .. } => title("put the workspace back"),
        }
    }

    /// The tree from which a proof backwards starts, if it is a part of one.
    #[must_use]
    pub fn proves(&self) -> Option<&TreeId> {
        match self {
            Chore::Take { tree, .. } | Chore::Without { tree, .. } | Chore::PutIn { tree } => {
                Some(tree)
            }
            Chore::Open
            | Chore::Survey
            | Chore::Prepare
            | Chore::Tests { .. }
            | Chore::PutBack { .. }
            | Chore::Diff { .. }
            | Chore::Look { .. }
            | Chore::Restore { .. } => None,
        }
    }
}

/// The ids that chores had as calls, until they became a type: records of that time hold them.
pub(crate) mod ids {
    use super::{Chore, Round};
    use crate::jail::TreeId;

    /// What all of them begin with.
    const HARNESS: &str = "harness:";

    /// The chore of an id; none for one that no program gave.
    pub(crate) fn chore(id: &str) -> Option<Chore> {
        let id = id.strip_prefix(HARNESS)?;
        let (what, rest) = id.split_once(':').unwrap_or((id, ""));
        let tree = || TreeId(rest.to_owned());
        Some(match what {
            "open" => Chore::Open,
            "survey" => Chore::Survey,
            "prepare" => Chore::Prepare,
            "put-back" => Chore::PutBack {
                round: round(rest)?,
            },
            "back" => back(rest)?,
            "diff" => Chore::Diff { tree: tree() },
            "look" => Chore::Look { tree: tree() },
            "restore" => {
                let (at, key) = rest.split_once(':')?;
                Chore::Restore {
                    at: crate::journal::Seq(at.parse().ok()?),
                    key: key.parse().ok()?,
                }
            }
            _ => {
                let (first, project) = id.strip_prefix("tests-at-")?.rsplit_once(':')?;
                Chore::Tests {
                    round: round(first)?,
                    project: project.parse().ok()?,
                }
            }
        })
    }

    fn round(text: &str) -> Option<Round> {
        if text == "start" {
            return Some(Round::Start);
        }
        let (step, refused) = text.strip_prefix("end:")?.split_once('.')?;
        Some(Round::End {
            step: step.parse().ok()?,
            refused: refused.parse().ok()?,
        })
    }

    fn back(rest: &str) -> Option<Chore> {
        let (tree, rest) = rest.split_once(':')?;
        let tree = TreeId(tree.to_owned());
        if rest == "put-back" {
            return Some(Chore::PutIn { tree });
        }
        let mut parts = rest.split(':');
        let piece = parts.next()?.parse().ok()?;
        let what = parts.next()?;
        let nth = parts.next()?.parse().ok()?;
        match what {
            "take" => Some(Chore::Take {
                tree,
                piece,
                op: nth,
            }),
            "tests" => Some(Chore::Without {
                tree,
                piece,
                project: nth,
            }),
            _ => None,
        }
    }

    /// The id of a chore.
    pub(crate) fn id(chore: &Chore) -> String {
        let round = |round: &Round| match round {
            Round::Start => "start".to_owned(),
            Round::End { step, refused } => format!("end:{step}.{refused}"),
        };
        let id = match chore {
            Chore::Open => "open".to_owned(),
            Chore::Survey => "survey".to_owned(),
            Chore::Prepare => "prepare".to_owned(),
            Chore::Tests { round: at, project } => format!("tests-at-{}:{project}", round(at)),
            Chore::PutBack { round: at } => format!("put-back:{}", round(at)),
            Chore::Take { tree, piece, op } => format!("back:{}:{piece}:take:{op}", tree.0),
            Chore::Without {
                tree,
                piece,
                project,
            } => format!("back:{}:{piece}:tests:{project}", tree.0),
            Chore::PutIn { tree } => format!("back:{}:put-back", tree.0),
            Chore::Diff { tree } => format!("diff:{}", tree.0),
            Chore::Look { tree } => format!("look:{}", tree.0),
            Chore::Restore { at, key } => format!("restore:{}:{key}", at.0),
        };
        format!("{HARNESS}{id}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One of each.
    pub(crate) fn chores() -> Vec<Chore> {
        let tree = || TreeId("cea6bf4a60cb".into());
        let end = Round::End {
            step: 3,
            refused: 1,
        };
        vec![
            Chore::Open,
            Chore::Survey,
            Chore::Prepare,
            Chore::Tests {
                round: Round::Start,
                project: 0,
            },
            Chore::Tests {
                round: end.clone(),
                project: 7,
            },
            Chore::PutBack {
                round: Round::Start,
            },
            Chore::PutBack { round: end },
            Chore::Take {
                tree: tree(),
                piece: 2,
                op: 1,
            },
            Chore::Without {
                tree: tree(),
                piece: 0,
                project: 4,
            },
            Chore::PutIn { tree: tree() },
            Chore::Diff { tree: tree() },
            Chore::Look { tree: tree() },
            Chore::Restore {
                at: Seq(12),
                key: "z208wkqp03979edc/main/1/2/3".parse().unwrap(),
            },
        ]
    }

    #[test]
    fn who_asked_is_written_flat_and_read_back() {
        let all = chores().into_iter().map(Asked::Harness).chain([
            Asked::Loop,
            Asked::Model {
                call: "c1".into(),
                tool: "read_file".into(),
            },
            Asked::Engine {
                call: "tests-1".into(),
                title: "run the tests".into(),
            },
        ]);
        for asked in all {
            let written = serde_json::to_string(&asked).unwrap();
            assert_eq!(serde_json::from_str::<Asked>(&written).unwrap(), asked);
        }
        let end = Chore::Tests {
            round: Round::End {
                step: 3,
                refused: 1,
            },
            project: 7,
        };
        assert_eq!(
            serde_json::to_string(&Asked::Harness(end)).unwrap(),
            r#"{"by":"harness","chore":"tests","round":{"end":{"step":3,"refused":1}},"project":7}"#
        );
    }

    #[test]
    fn what_chores_were_called_is_read_and_nothing_else() {
        for chore in chores() {
            assert_eq!(ids::chore(&ids::id(&chore)), Some(chore));
        }
        for id in [
            "tests-1",
            "harness:",
            "harness:tests-at-:0",
            "harness:tests-at-end:3:0",
            "harness:back:abc",
            "harness:back:abc:0:other:0",
            "harness:restore:x:y",
            "harness:put-back:later",
        ] {
            assert_eq!(ids::chore(id), None, "{id}");
        }
    }
}
