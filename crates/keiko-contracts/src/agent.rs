//! The agents that come with the program, by name.

use crate::id::AgentName;

/// An agent that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// A language model that works on a goal.
    Coder,
    /// Examines a repository by rules.
    Doctor,
    /// Runs the tests of a result again, by rules.
    Verifier,
}

impl Agent {
    /// All of them.
    pub const ALL: [Agent; 3] = [Agent::Coder, Agent::Doctor, Agent::Verifier];

    /// The name, as it is typed and recorded.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Agent::Coder => "coder",
            Agent::Doctor => "repo-doctor",
            Agent::Verifier => "verifier",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Agent> {
        Agent::ALL.into_iter().find(|agent| agent.as_str() == name)
    }

    /// It works by rules, without a language model.
    #[must_use]
    pub fn is_native(self) -> bool {
        match self {
            Agent::Coder => false,
            Agent::Doctor | Agent::Verifier => true,
        }
    }
}

impl From<Agent> for AgentName {
    fn from(agent: Agent) -> AgentName {
        AgentName::known(agent.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_lead_back() {
        for agent in Agent::ALL {
            let name = AgentName::from(agent);
            assert_eq!(name.as_str().parse(), Ok(name.clone()));
            assert_eq!(Agent::of(name.as_str()), Some(agent));
        }
        assert_eq!(Agent::of("nobody"), None);
    }
}
