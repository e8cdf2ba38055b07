//! Trying an agent on the tests of its file.

use super::FALLBACK;
use crate::going::Rested;
use crate::start::{Answers, Ask, Limits};
use crate::wiring::Keiko;
use keiko_contracts::agent_file::{AgentDefinition, AgentTest};
use keiko_contracts::approval::Installing;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::money::Micros;
use keiko_contracts::run::ApprovalMode;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_orchestrator::matching::{Index, Task};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Characters of an answer that are shown.
const SHOWN: usize = 400;

/// How agents are tried.
#[derive(Debug, Clone, Default)]
pub struct Trials {
    /// Who asks for it.
    pub by: String,
    /// The model; otherwise that of each agent.
    pub model: Option<String>,
    /// Answers of a model that were recorded before, or where to record them.
    pub recorded: Option<Recording>,
    /// The most that one test may spend.
    pub budget: Option<Micros>,
}

/// Where a model's answers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// A model is asked, and its answers are written here: a folder for each test.
    Write(PathBuf),
    /// They are read from here.
    Read(PathBuf),
}

/// What came of trying an agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// The agent.
    pub agent: String,
    /// How many of its own examples find it, each looked for without itself.
    pub found: u32,
    /// Of how many.
    pub examples: u32,
    /// Its tests.
    pub tests: Vec<Trial>,
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// The task.
    pub task: String,
    /// The run that worked on it; none when it could not be begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What is wrong with the answer; nothing when it holds what it must.
    pub wrong: Vec<Said>,
    /// The beginning of the answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// What it cost.
    pub cost: Micros,
}

impl Trial {
    /// Whether the answer holds what it must.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl Keiko {
    /// Tries an agent on its tests, each a run of its own without a folder, in which nobody is asked and nothing is installed.
    /// `each` is told of every test when it is over.
    ///
    /// # Errors
    /// When there is no such agent, or it has no tests and no examples.
    pub async fn try_agent(
        &self,
        name: &str,
        workspace: Option<&Path>,
        how: &Trials,
        mut each: impl FnMut(&Trial),
    ) -> Result<Tried, Fault> {
        let entry = self.agents().get(name, workspace)?;
        let Some(agent) = entry.agent else {
            return Err(Fault::new(
                Code::AGENT_BROKEN,
                say!("there is no agent {name}", name),
            ));
        };
        let (found, examples) = self.finds_itself(&agent, workspace)?;
        let mut tests = Vec::new();
        for (n, test) in agent.tests.iter().enumerate() {
            let trial = self.try_once(name, test, how, n + 1).await?;
            each(&trial);
            tests.push(trial);
        }
        Ok(Tried {
            agent: name.to_owned(),
            found,
            examples,
            tests,
        })
    }

    async fn try_once(
        &self,
        name: &str,
        test: &AgentTest,
        how: &Trials,
        number: usize,
    ) -> Result<Trial, Fault> {
        let place = |dir: &Path| dir.join(format!("{name}-{number}"));
        let answers = match &how.recorded {
            Some(Recording::Read(dir)) => Answers::Recorded {
                name: how.model.clone(),
                from: place(dir),
            },
            Some(Recording::Write(dir)) => Answers::Model {
                name: how.model.clone(),
                record: Some(place(dir)),
            },
            None => Answers::Model {
                name: how.model.clone(),
                record: None,
            },
        };
        let ask = Ask {
            by: how.by.clone(),
            goal: test.task.clone(),
            agent: Some(name.to_owned()),
            source: None,
            limits: Limits {
                budget: how.budget,
                ..Limits::default()
            },
            approval: Some(ApprovalMode::Never),
            effort: None,
            install: Some(Installing::No),
            answers,
        };
        let errand = self.prepare(ask).await?.errand;
        let run = errand.run;
        let (wrong, answer, cost) = match self.drive(errand, false).rest().await? {
            Rested::Ended(end) => {
                let answer = end.summary.text_or_empty().to_owned();
                (wrong(test, &answer), answer, end.card.cost)
            }
            Rested::Waiting(waits) => {
                let step = Step::of_run(OfRun::Show, run);
                let what = say!("its run waits and does not end: {step}", step);
                (vec![what], String::new(), waits.state.life.budget.spent())
            }
        };
        Ok(Trial {
            task: test.task.clone(),
            run: Some(run),
            wrong,
            answer: answer.chars().take(SHOWN).collect(),
            cost,
        })
    }

    /// How many of its examples find an agent, each without itself.
    fn finds_itself(
        &self,
        agent: &AgentDefinition,
        workspace: Option<&Path>,
    ) -> Result<(u32, u32), Fault> {
        if agent.name.as_str() == FALLBACK {
            return Ok((0, 0));
        }
        let profiles = self.agents().profiles(workspace);
        let (mut found, mut all) = (0, 0);
        for example in &agent.examples {
            let mut rest = profiles.clone();
            for profile in rest.iter_mut().filter(|p| p.name == agent.name.as_str()) {
                profile.examples.retain(|other| other != example);
            }
            let index = Index::lexical(&rest, &[])
                .map_err(|error| Fault::new(Code::AGENT_BROKEN, error.said()))?;
            let first = index.find_lexical(&Task::new(example.as_str()));
            let first = first.candidates.first();
            all += 1;
            found += u32::from(first.is_some_and(|first| first.agent == agent.name.as_str()));
        }
        Ok((found, all))
    }
}

/// What is wrong with an answer. Case does not count.
fn wrong(test: &AgentTest, answer: &str) -> Vec<Said> {
    let text = answer.to_lowercase();
    let holds = |part: &String| text.contains(&part.to_lowercase());
    let lacks = test.contains.iter().filter(|part| !holds(part));
    let lacks = lacks.map(|part| say!("it does not hold `{part}`", part));
    let has = test.lacks.iter().filter(|part| holds(part));
    let has = has.map(|part| say!("it holds `{part}`", part));
    let words = u32::try_from(answer.split_whitespace().count()).unwrap_or(u32::MAX);
    let long = test.words_max.filter(|most| words > *most);
    let long = long.map(|most| say!("it has {words} words, more than {most}", words, most));
    lacks.chain(has).chain(long).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_held_against_each_demand() {
        let test = AgentTest {
            task: "t".into(),
            contains: vec!["Ngozi".into(), "4471".into()],
            lacks: vec!["0188".into()],
            words_max: Some(4),
        };
        assert_eq!(wrong(&test, "NGOZI, error 4471"), Vec::<Said>::new());
        let said: Vec<String> = wrong(&test, "Call 0188 now and then wait")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            said,
            [
                "it does not hold `Ngozi`",
                "it does not hold `4471`",
                "it holds `0188`",
                "it has 6 words, more than 4"
            ]
        );
    }
}
