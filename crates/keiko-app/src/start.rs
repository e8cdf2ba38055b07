//! Beginning a run: from what somebody asks for to what a driver is told.

use crate::agents::{self, Origin};
use crate::going::Errand;
use crate::installing;
use crate::models;
use crate::random::random;
use crate::wiring::Keiko;
use keiko_contracts::agent::Agent;
use keiko_contracts::agent_file::AgentDefinition;
use keiko_contracts::approval::Installing;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{AgentName, InvalidId, ModelName, RunId};
use keiko_contracts::jail::Source;
use keiko_contracts::model::Effort;
use keiko_contracts::money::Micros;
use keiko_contracts::role::FolderNeed;
use keiko_contracts::run::{ApprovalMode, RunLimits, StartRun};
use keiko_contracts::say;
use keiko_models::replay::{Player, Recorder};
use keiko_models::scripted::Scripted;
use keiko_ports::model::ChatModel;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Limits that somebody asks for; what is not given stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most to spend.
    pub budget: Option<Micros>,
    /// The most steps.
    pub max_steps: Option<u32>,
    /// The most seconds of work.
    pub max_seconds: Option<u32>,
}

impl Limits {
    /// True when one is given.
    #[must_use]
    pub fn sets(&self) -> bool {
        *self != Limits::default()
    }

    /// Over others.
    pub(crate) fn over(&self, base: RunLimits) -> RunLimits {
        let mut limits = base;
        if let Some(budget) = self.budget {
            limits.budget = Some(budget);
        }
        if let Some(steps) = self.max_steps {
            limits.max_steps = steps;
        }
        if let Some(seconds) = self.max_seconds {
            limits.max_seconds = seconds;
        }
        limits
    }
}

/// Who answers in the place of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// The model itself: `VENDOR/MODEL` or a profile; without a name the configured one, or one that is found.
    Model {
        /// Its name.
        name: Option<String>,
        /// Where its answers are recorded.
        record: Option<PathBuf>,
    },
    /// Answers that were recorded before.
    Recorded {
        /// The model that gave them.
        name: Option<String>,
        /// Where they are.
        from: PathBuf,
    },
    /// A script, from a file.
    Script(PathBuf),
}

/// A run, as somebody asks for it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who.
    pub by: String,
    /// What is to be done.
    pub goal: String,
    /// The agent, by its name; without one, the coder where there is a folder, and else the generalist.
    pub agent: Option<String>,
    /// Where the work is.
    pub source: Option<Source>,
    /// What it may use up.
    pub limits: Limits,
    /// Who answers when something risky is about to happen; otherwise as configured.
    pub approval: Option<ApprovalMode>,
    /// How hard the model is to think; otherwise as configured.
    pub effort: Option<Effort>,
    /// Whether packages are installed; otherwise what is remembered or configured.
    pub install: Option<Installing>,
    /// Who answers in the place of the model.
    pub answers: Answers,
}

/// A run that is ready to be begun.
pub struct Ready {
    /// What is to be driven.
    pub errand: Errand,
    /// The model that cannot be told how hard to think, although somebody wants to tell it.
    pub effort_left_to: Option<ModelName>,
    /// The file of the agent, when it is one of the workspace: whoever wrote that repository wrote the agent.
    pub agent_from: Option<PathBuf>,
}

impl Keiko {
    /// Makes a run ready. Nothing has begun yet.
    ///
    /// # Errors
    /// When there is no such agent or model, or no model at all.
    pub async fn prepare(&self, ask: Ask) -> Result<Ready, Fault> {
        let folder = ask.source.as_ref().and_then(folder_of);
        let usual = match &ask.source {
            Some(_) => Agent::Coder.as_str(),
            None => agents::FALLBACK,
        };
        let name = ask.agent.as_deref().unwrap_or(usual);
        // Whoever wrote the repository does not choose who works where nobody was named.
        let theirs = ask.agent.as_ref().and(folder.as_deref());
        let entry = self.agents.get(name, theirs)?;
        let agent = entry.agent.as_ref().ok_or_else(|| no_agent(name))?;
        let source = needed(agent, ask.source)?;
        let native = agent.is_native();
        let effort = ask.effort.or(agent.effort).or(self.config.run.effort);
        let mut limits = ask.limits.over(within(agent, self.config.run.limits()?));
        let mut effort_left_to = None;
        let demo = matches!(ask.answers, Answers::Script(_));
        let (models, model): (Arc<dyn ChatModel>, _) = match ask.answers {
            Answers::Script(script) => (Arc::new(Scripted::open(&script)?), Some(script_name()?)),
            Answers::Recorded { name, from } => {
                let model = self.model_of(agent, name.as_deref()).await?;
                (Arc::new(Player::new(&from)?), Some(model))
            }
            Answers::Model { .. } if native => (Arc::new(self.config.models()?), None),
            Answers::Model { name, record } => {
                let model = self.model_of(agent, name.as_deref()).await?;
                let models = models::remembering(&self.config, &self.home)?;
                // What is recorded must come out the same where nothing is known yet.
                if record.is_none() {
                    limits.window = models.known(&model);
                }
                if effort.is_some() && !models.takes_effort(&model)? {
                    effort_left_to = Some(model.clone());
                }
                (recorded(Arc::new(models), record.as_deref())?, Some(model))
            }
        };
        let approval = ask.approval.unwrap_or(self.config.run.approval);
        let start = StartRun {
            role: Some(agent.role()),
            model,
            install: installing::at_start(self, ask.install, &ask.by, source.as_ref()),
            source,
            limits,
            approval: agent
                .autonomy
                .map_or(approval, |own| own.or_stricter(approval)),
            effort,
            demo,
            ..self.configured(&ask.by, &ask.goal, agent.name.clone())?
        };
        Ok(Ready {
            errand: Errand::begin(start, models),
            effort_left_to,
            agent_from: entry.path.filter(|_| entry.origin == Origin::Workspace),
        })
    }

    /// The model for an agent: the one that was asked for, the one that its file names, or what [`Self::chosen_model`] finds. A
    /// profile that is not configured is no wish.
    async fn model_of(
        &self,
        agent: &AgentDefinition,
        asked: Option<&str>,
    ) -> Result<ModelName, Fault> {
        let wish = agent.model.as_deref().filter(|_| asked.is_none());
        if let Some(wish) = wish {
            let models = self.config.models()?;
            if wish.contains('/') || models.has_profile(wish) {
                return models.resolve(wish);
            }
        }
        self.chosen_model(asked).await
    }

    /// A run as the configuration has it: its limits, who is asked, the language.
    pub(crate) fn configured(
        &self,
        by: &str,
        goal: &str,
        agent: impl Into<AgentName>,
    ) -> Result<StartRun, Fault> {
        Ok(StartRun {
            limits: self.config.run.limits()?,
            approval: self.config.run.approval,
            language: self.config.language(),
            ..plain(by, goal, agent)?
        })
    }

    /// The model that was asked for, that is configured, or that was found on this machine.
    async fn chosen_model(&self, asked: Option<&str>) -> Result<ModelName, Fault> {
        let models = self.config.models()?;
        if let Some(name) = asked.or(self.config.run.model.as_deref()) {
            return models.resolve(name);
        }
        if let Some(model) = models.default_model()? {
            return Ok(model);
        }
        if let Some(model) = models::local_model().await {
            return Ok(model);
        }
        Err(models::no_model())
    }
}

fn no_agent(name: &str) -> Fault {
    let name = format_args!("{name:?}");
    Fault::new(Code::AGENT_UNKNOWN, say!("there is no agent {name}", name)).at("--agent")
}

fn folder_of(source: &Source) -> Option<PathBuf> {
    match source {
        Source::Folder { path, .. } | Source::Copy { path, .. } => Some(PathBuf::from(path)),
        Source::Result { .. } | Source::Empty => None,
    }
}

/// Where an agent works: nowhere, if it works on words; and one that works in a folder needs one.
fn needed(agent: &AgentDefinition, source: Option<Source>) -> Result<Option<Source>, Fault> {
    match (agent.folder, source) {
        (FolderNeed::None, _) => Ok(None),
        (FolderNeed::Required, None) if !agent.is_native() => Err(Fault::new(
            Code::AGENT_NEEDS_FOLDER,
            say!(
                "agent {name} works in a folder, and there is none",
                name = agent.name
            ),
        )
        .at("--workspace")
        .hint("name one: --workspace DIR")),
        (_, source) => Ok(source),
    }
}

/// Limits with what an agent's file says: that can only lower them.
fn within(agent: &AgentDefinition, mut limits: RunLimits) -> RunLimits {
    if let Some(steps) = agent.max_steps {
        limits.max_steps = limits.max_steps.min(steps);
    }
    if let Some(most) = agent.budget {
        limits.budget = Some(limits.budget.map_or(most, |budget| budget.min(most)));
    }
    limits
}

/// A run of an agent, whatever is configured.
pub(crate) fn plain(by: &str, goal: &str, agent: impl Into<AgentName>) -> Result<StartRun, Fault> {
    Ok(StartRun::new(
        RunId::from_bytes(random()?),
        by.to_owned(),
        goal,
        agent.into(),
    ))
}

fn script_name() -> Result<ModelName, Fault> {
    "scripted/tour"
        .parse()
        .map_err(|error: InvalidId| Fault::new(Code::BUILT_IN_NAME, error.said()))
}

fn recorded(models: Arc<dyn ChatModel>, dir: Option<&Path>) -> Result<Arc<dyn ChatModel>, Fault> {
    match dir {
        Some(dir) => Ok(Arc::new(Recorder::new(models, dir)?)),
        None => Ok(models),
    }
}
