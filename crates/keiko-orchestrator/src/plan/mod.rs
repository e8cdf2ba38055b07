//! Plans: a goal as a graph of tasks.

mod clauses;
mod rules;
mod words;

pub use clauses::{Intent, intent};
pub use rules::by_rules;

use keiko_contracts::id::TaskId;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most tasks of a plan.
pub const TASKS_MAX: usize = 1_000;

/// A goal as a graph of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The goal, as it was given.
    pub goal: String,
    /// Who made it.
    pub by: Planner,
    /// Why it is cut as it is.
    pub reasons: Vec<Said>,
    /// The tasks; each stands after those that it needs.
    pub tasks: Vec<Planned>,
}

/// Who made a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Planner {
    /// Rules, without a language model.
    Rules,
}

/// A task of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Its name in the plan.
    pub id: TaskId,
    /// What is to be done.
    pub text: String,
    /// The tasks whose results it works with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<TaskId>,
}

/// Why a plan cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidPlan {
    /// There is no task in it.
    Empty,
    /// There are more tasks than a plan may have.
    TooMany(usize),
    /// Two tasks have the same name.
    Twice(TaskId),
    /// A task has no words.
    Wordless(TaskId),
    /// A task needs one that is not there.
    Unknown {
        /// The task.
        task: TaskId,
        /// What it needs.
        needs: TaskId,
    },
    /// Tasks need each other in a circle.
    Circle(Vec<TaskId>),
}

impl InvalidPlan {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            InvalidPlan::Empty => "the plan has no task".into(),
            InvalidPlan::TooMany(n) => {
                say!(
                    "the plan has {n} tasks, more than {most}",
                    n,
                    most = TASKS_MAX
                )
            }
            InvalidPlan::Twice(task) => say!("two tasks are named {task}", task),
            InvalidPlan::Wordless(task) => {
                say!("task {task} does not say what is to be done", task)
            }
            InvalidPlan::Unknown { task, needs } => {
                say!("task {task} needs {needs}, which is not there", task, needs)
            }
            InvalidPlan::Circle(tasks) => {
                let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
                say!(
                    "tasks need each other in a circle: {tasks}",
                    tasks = names.join(" -> ")
                )
            }
        }
    }
}

keiko_contracts::said_is_error!(InvalidPlan);

impl Plan {
    /// Whether it can be carried out: names are unique, all that is needed is there, nothing goes in a circle.
    ///
    /// # Errors
    /// What is wrong with it, the first thing found.
    pub fn check(&self) -> Result<(), InvalidPlan> {
        if self.tasks.is_empty() {
            return Err(InvalidPlan::Empty);
        }
        if self.tasks.len() > TASKS_MAX {
            return Err(InvalidPlan::TooMany(self.tasks.len()));
        }
        let mut all: BTreeMap<&TaskId, &Planned> = BTreeMap::new();
        for task in &self.tasks {
            if task.text.trim().is_empty() {
                return Err(InvalidPlan::Wordless(task.id.clone()));
            }
            if all.insert(&task.id, task).is_some() {
                return Err(InvalidPlan::Twice(task.id.clone()));
            }
        }
        for task in &self.tasks {
            if let Some(needs) = task.needs.iter().find(|needs| !all.contains_key(needs)) {
                return Err(InvalidPlan::Unknown {
                    task: task.id.clone(),
                    needs: needs.clone(),
                });
            }
        }
        match circle(&all) {
            Some(tasks) => Err(InvalidPlan::Circle(tasks)),
            None => Ok(()),
        }
    }

    /// The tasks in waves: those of one have all that they need from the waves before, and may go side by side. A plan in a
    /// circle ends where the circle begins.
    #[must_use]
    pub fn waves(&self) -> Vec<Vec<&Planned>> {
        let mut done: BTreeSet<&TaskId> = BTreeSet::new();
        let mut left: Vec<&Planned> = self.tasks.iter().collect();
        let mut waves = Vec::new();
        while !left.is_empty() {
            let (now, later): (Vec<&Planned>, Vec<&Planned>) = left
                .into_iter()
                .partition(|task| task.needs.iter().all(|needs| done.contains(needs)));
            if now.is_empty() {
                break;
            }
            done.extend(now.iter().map(|task| &task.id));
            waves.push(now);
            left = later;
        }
        waves
    }
}

/// A circle of needs, if there is one. Without recursion: a plan may be a thousand tasks deep.
fn circle(all: &BTreeMap<&TaskId, &Planned>) -> Option<Vec<TaskId>> {
    let mut done: BTreeSet<&TaskId> = BTreeSet::new();
    for start in all.keys() {
        let mut path: Vec<(&TaskId, usize)> = vec![(start, 0)];
        while let Some((task, next)) = path.last().copied() {
            let needs = all.get(task).and_then(|task| task.needs.get(next));
            match needs {
                None => {
                    done.insert(task);
                    path.pop();
                }
                Some(needs) => {
                    if let Some(last) = path.last_mut() {
                        last.1 += 1;
                    }
                    if let Some(at) = path.iter().position(|(on, _)| *on == needs) {
                        let mut tasks: Vec<TaskId> =
                            path[at..].iter().map(|(task, _)| (*task).clone()).collect();
                        tasks.push(needs.clone());
                        return Some(tasks);
                    }
                    if !done.contains(needs) {
                        path.push((needs, 0));
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
