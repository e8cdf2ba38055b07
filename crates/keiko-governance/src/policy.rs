//! The risk policy: what runs, what runs with an alert, what needs an approval, what is forbidden.
//!
//! `risk.toml` sets a level per [`ActionClass`], and rules for commands by the beginning of their argument list.
//! The strictest word wins; nothing that an agent or a repository says can loosen it.

use crate::class::ActionClass;
use keiko_contracts::action::Action;
use keiko_contracts::jail::{Command, JailOp};
use keiko_contracts::run::ApprovalMode;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How an action of a class is treated, from the most to the least permissive.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It runs.
    Run,
    /// It runs, and the operator is told.
    Alert,
    /// A person decides first.
    Ask,
    /// It never runs.
    Forbid,
}

/// A rule for commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRule {
    /// The first words of the command: `["cargo", "publish"]`.
    pub starts: Vec<String>,
    /// How it is treated.
    pub level: Level,
    /// Why, for those who are asked.
    #[serde(default)]
    pub reason: String,
}

/// The policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskPolicy {
    /// Level of each class; classes left out keep their default.
    #[serde(default)]
    pub classes: BTreeMap<ActionClass, Level>,
    /// Rules for commands, all of which are looked at.
    #[serde(default)]
    pub commands: Vec<CommandRule>,
    /// Hours until an unanswered approval counts as denied: 1 to 87600, ten years. None at all would be over when asked.
    #[serde(default = "expiry")]
    #[schemars(range(min = 1, max = 87_600))]
    pub approval_expires_hours: u32,
}

fn expiry() -> u32 {
    72
}

impl Default for RiskPolicy {
    fn default() -> Self {
        RiskPolicy {
            classes: BTreeMap::new(),
            commands: Vec::new(),
            approval_expires_hours: expiry(),
        }
    }
}

/// What is asked of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The action, resolved.
    pub action: &'a Action,
    /// It weakens or removes an existing test.
    pub changes_protected_test: bool,
    /// Who answers approvals in this run.
    pub mode: ApprovalMode,
}

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How the action is treated.
    pub level: Level,
    /// The rule that says so, for people.
    pub reason: Said,
}

impl RiskPolicy {
    /// The level of a class where the policy is silent.
    #[must_use]
    pub fn default_level(class: ActionClass) -> Level {
        match class {
            ActionClass::Model
            | ActionClass::Read
            | ActionClass::Write
            | ActionClass::Execute
            | ActionClass::Commit
            | ActionClass::ToolRead
            | ActionClass::Run => Level::Run,
            ActionClass::ToolAdd => Level::Alert,
            ActionClass::TestChange
            | ActionClass::Network
            | ActionClass::GitPush
            | ActionClass::ToolOther => Level::Ask,
        }
    }

    /// The level of a class under this policy.
    #[must_use]
    pub fn level(&self, class: ActionClass) -> Level {
        self.classes
            .get(&class)
            .copied()
            .unwrap_or_else(|| Self::default_level(class))
    }

    /// Judges an action. Total and deterministic.
    #[must_use]
    pub fn judge(&self, question: Question<'_>) -> Verdict {
        let class = ActionClass::of(question.action);
        let mut verdict = Verdict {
            level: self.level(class),
            reason: say!("class `{class}`", class = class.name()),
        };
        if question.changes_protected_test {
            let level = self.level(ActionClass::TestChange);
            if level > verdict.level {
                verdict = Verdict {
                    level,
                    reason: "it changes an existing test (class `test_change`)".into(),
                };
            }
        }
        for rule in &self.commands {
            if rule.level > verdict.level && command_starts(question.action, &rule.starts) {
                let why = if rule.reason.is_empty() {
                    String::new()
                } else {
                    format!(": {}", rule.reason)
                };
                verdict = Verdict {
                    level: rule.level,
                    reason: say!(
                        "command rule `{rule}`{why}",
                        rule = rule.starts.join(" "),
                        why
                    ),
                };
            }
        }
        match question.mode {
            ApprovalMode::Ask
                if verdict.level < Level::Ask
                    && (question.changes_protected_test || asks_in_ask_mode(class)) =>
            {
                Verdict {
                    level: Level::Ask,
                    reason: say!("approval mode `ask`, class `{class}`", class = class.name()),
                }
            }
            ApprovalMode::Never if verdict.level == Level::Ask => Verdict {
                level: Level::Forbid,
                reason: say!(
                    "approval mode `never` refuses what needs an approval: {reason}",
                    reason = verdict.reason
                ),
            },
            ApprovalMode::Ask | ApprovalMode::Policy | ApprovalMode::Never => verdict,
        }
    }
}

fn asks_in_ask_mode(class: ActionClass) -> bool {
    match class {
        ActionClass::Model | ActionClass::Read | ActionClass::ToolRead | ActionClass::Run => false,
        ActionClass::Write
        | ActionClass::TestChange
        | ActionClass::Execute
        | ActionClass::Commit
        | ActionClass::Network
        | ActionClass::GitPush
        | ActionClass::ToolAdd
        | ActionClass::ToolOther => true,
    }
}

/// True when the command, or any simple command of a shell script, begins with these words. Quotes and paths
/// (`/usr/bin/git`) are looked through. This is a convenience for people who want to be asked, not a border:
/// the border is the sandbox.
fn command_starts(action: &Action, starts: &[String]) -> bool {
    let Action::Jail(jail) = action else {
        return false;
    };
    let begins = |words: &[String]| {
        !starts.is_empty()
            && words.len() >= starts.len()
            && words
                .iter()
                .zip(starts)
                .enumerate()
                .all(|(i, (word, start))| {
                    let word = if i == 0 {
                        word.rsplit('/').next().unwrap_or(word)
                    } else {
                        word
                    };
                    word == start
                })
    };
    match &jail.op {
        JailOp::Exec(spec) => match &spec.command {
            Command::Argv(argv) => begins(argv),
            Command::Shell(script) => simple_commands(script.text_or_empty())
                .iter()
                .any(|words| begins(words)),
        },
        JailOp::Prepare(prepare) => prepare
            .sets
            .iter()
            .flat_map(|set| &set.commands)
            .any(|argv| begins(argv)),
        _ => false,
    }
}

fn simple_commands(script: &str) -> Vec<Vec<String>> {
    script
        .split(['\n', ';', '|', '&', '(', ')', '`', '{', '}'])
        .map(|piece| {
            piece
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'', '$']).to_owned())
                .skip_while(|word| {
                    word.contains('=')
                        || matches!(
                            word.as_str(),
                            "sudo" | "env" | "exec" | "then" | "do" | "else" | "time" | "nohup"
                        )
                })
                .collect()
        })
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::action::{HostAction, Impact, Recovery, ToolAction};
    use keiko_contracts::id::RunId;
    use keiko_contracts::jail::{ExecSpec, JailAction, Limits};

    fn run() -> RunId {
        RunId::from_bytes([1; 10])
    }
    fn shell(script: &str) -> Action {
        let spec = ExecSpec {
            command: Command::Shell(script.into()),
            cwd: String::new(),
            env: BTreeMap::new(),
            stdin: None,
            limits: Limits::default(),
            collect: vec![],
            report: None,
        };
        Action::Jail(JailAction {
            workspace: run(),
            op: JailOp::Exec(spec),
            tree: None,
        })
    }
    fn push() -> Action {
        Action::Host(HostAction::Push {
            workspace: run(),
            remote: "r".into(),
            branch: "b".into(),
            commit: "c".into(),
            expected: None,
        })
    }
    fn judge(policy: &RiskPolicy, action: &Action, mode: ApprovalMode) -> Level {
        policy
            .judge(Question {
                action,
                changes_protected_test: false,
                mode,
            })
            .level
    }

    #[test]
    fn push_and_network_ask_by_default_and_never_mode_refuses_them() {
        let policy = RiskPolicy::default();
        assert_eq!(judge(&policy, &push(), ApprovalMode::Policy), Level::Ask);
        assert_eq!(judge(&policy, &push(), ApprovalMode::Never), Level::Forbid);
        assert_eq!(
            judge(&policy, &shell("ls"), ApprovalMode::Policy),
            Level::Run
        );
        assert_eq!(judge(&policy, &shell("ls"), ApprovalMode::Ask), Level::Ask);
    }

    #[test]
    fn a_tool_is_judged_by_its_impact_and_not_by_whether_it_may_be_repeated() {
        let tool = |recovery, impact| {
            Action::Tool(ToolAction {
                tool: "pay".parse().unwrap(),
                arguments: "{}".into(),
                recovery,
                impact,
            })
        };
        let level = |recovery, impact| {
            judge(
                &RiskPolicy::default(),
                &tool(recovery, impact),
                ApprovalMode::Policy,
            )
        };
        assert_eq!(level(Recovery::SameKey, Impact::Change), Level::Ask);
        assert_eq!(level(Recovery::Repeat, Impact::Change), Level::Ask);
        assert_eq!(level(Recovery::Person, Impact::Add), Level::Alert);
        assert_eq!(level(Recovery::Person, Impact::Read), Level::Run);
        // A contract that says nothing of it is one that may do anything.
        let silent = r#"{"tool":"pay","arguments":{"$text":"{}"},"recovery":"same_key"}"#;
        let silent: ToolAction = serde_json::from_str(silent).unwrap();
        assert_eq!(silent.impact, Impact::Change);
    }

    #[test]
    fn the_strictest_word_wins() {
        let policy: RiskPolicy = toml::from_str(
            "[classes]\ngit_push = \"forbid\"\nexecute = \"alert\"\n[[commands]]\nstarts = [\"cargo\", \"publish\"]\nlevel = \"ask\"\nreason = \"it is public\"\n[[commands]]\nstarts = [\"ls\"]\nlevel = \"run\"\n",
        )
        .unwrap();
        assert_eq!(judge(&policy, &push(), ApprovalMode::Ask), Level::Forbid);
        assert_eq!(
            judge(&policy, &shell("ls"), ApprovalMode::Policy),
            Level::Alert
        );
        for script in [
            "cd x && cargo publish",
            "/usr/bin/cargo publish --dry-run",
            "A=1 'cargo' publish",
            "$(cargo publish)",
        ] {
            assert_eq!(
                judge(&policy, &shell(script), ApprovalMode::Policy),
                Level::Ask,
                "{script}"
            );
        }
        assert_eq!(
            judge(&policy, &shell("cargo test"), ApprovalMode::Policy),
            Level::Alert
        );
    }

    #[test]
    fn weakening_a_test_is_asked_for() {
        let action = Action::Jail(JailAction {
            workspace: run(),
            op: JailOp::WriteFile {
                path: "t".into(),
                text: "".into(),
            },
            tree: None,
        });
        let verdict = RiskPolicy::default().judge(Question {
            action: &action,
            changes_protected_test: true,
            mode: ApprovalMode::Policy,
        });
        assert_eq!(verdict.level, Level::Ask);
        assert!(verdict.reason.contains("test"));
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(toml::from_str::<RiskPolicy>("[classes]\ngit_psuh = \"run\"").is_err());
        assert!(toml::from_str::<RiskPolicy>("colour = 1").is_err());
    }
}
