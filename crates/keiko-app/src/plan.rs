//! A plan of a goal: its tasks, whom each is for, and what each needs. Nothing is run.

use crate::agents::{Agents, Band, FALLBACK};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_orchestrator::matching::{Candidate, Task};
use keiko_orchestrator::plan::{self, Intent, Plan, Planner};
use serde::Serialize;
use std::path::Path;

/// A goal as tasks, each with its agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// The goal.
    pub goal: String,
    /// What is wanted, by how it is said.
    pub intent: Intent,
    /// Who made the plan.
    pub by: Planner,
    /// Why it is cut as it is.
    pub reasons: Vec<Said>,
    /// The tasks; each stands after those that it needs.
    pub tasks: Vec<Assigned>,
    /// How many may go side by side at most.
    pub width: usize,
    /// How many need a language model.
    pub with_model: usize,
}

/// A task with its agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assigned {
    /// The task.
    #[serde(flatten)]
    pub task: plan::Planned,
    /// Who does it.
    pub agent: String,
    /// That agent was named in the task: `@agent`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// How sure that is.
    pub band: Band,
    /// Who else may be right.
    pub candidates: Vec<Candidate>,
    /// A language model does it.
    pub needs_model: bool,
}

impl Agents {
    /// A plan of a goal by rules, without a language model. `@agent` in a task names who does it.
    ///
    /// # Errors
    /// When the goal is empty, or names an agent that is not there.
    pub fn plan(&self, goal: &str, workspace: Option<&Path>) -> Result<Planned, Fault> {
        if goal.trim().is_empty() {
            return Err(Fault::new(Code::GOAL_EMPTY, "the goal is empty")
                .hint("say what is to be done: keiko plan \"…\""));
        }
        let plan = plan::by_rules(goal);
        plan.check()
            .map_err(|error| Fault::new(Code::PLAN_INVALID, error.said()))?;
        let index = self.index(workspace)?;
        let mut tasks = Vec::new();
        for task in &plan.tasks {
            let found = index.find_lexical(&Task::new(task.text.as_str()));
            let named = pinned(&task.text);
            let agent = match (&named, found.band) {
                (Some(name), _) => name.clone(),
                (None, Band::Nobody) => FALLBACK.to_owned(),
                (None, _) => found
                    .candidates
                    .first()
                    .map_or(FALLBACK.to_owned(), |first| first.agent.clone()),
            };
            let entry = self.get(&agent, workspace)?;
            tasks.push(Assigned {
                task: task.clone(),
                needs_model: entry.agent.is_some_and(|agent| !agent.is_native()),
                agent,
                pinned: named.is_some(),
                band: found.band,
                candidates: found.candidates,
            });
        }
        Ok(Planned {
            goal: goal.to_owned(),
            intent: plan::intent(goal),
            width: width(&plan),
            by: plan.by,
            reasons: plan.reasons,
            with_model: tasks.iter().filter(|task| task.needs_model).count(),
            tasks,
        })
    }
}

fn width(plan: &Plan) -> usize {
    plan.waves().iter().map(Vec::len).max().unwrap_or(0)
}

/// The agent that a task names: `@translator …`. An address of mail is none.
fn pinned(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let name = words.find_map(|word| word.strip_prefix('@'))?;
    let name = name.trim_end_matches([',', '.', ':', ';', '!', '?']);
    let right = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    right.then(|| name.to_owned())
}
