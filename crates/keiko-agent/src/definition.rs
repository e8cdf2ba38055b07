//! What an agent is, as a digest: its instructions, the tools that it is offered, or the rules it works by. A run records it, so
//! that it is seen when another program goes on with the run.

use crate::prompt;
use crate::state::Setup;
use keiko_contracts::digest::{Digest, canonical_json};
use keiko_contracts::run::StartRun;

/// What is told when a run is taken up by a program in which its agent is another.
pub const ANOTHER: &str = "this agent is not what it was when the run was last worked on: its instructions, its tools or its rules have changed";

/// The digest of the agent that works on a run with this setup. An engine without a model is known by its name alone: that
/// of its agent.
#[must_use]
pub fn digest(setup: &Setup, start: &StartRun) -> Digest {
    if setup.engine_of(start).is_some() {
        return Digest::of_all(&[b"engine", start.agent.as_str().as_bytes()]);
    }
    let (workspace, tools) = (start.source.is_some(), setup.tools_of(start));
    let mut parts = vec![b"model".to_vec()];
    for short in [false, true] {
        parts.push(prompt::instructions(start, short).into_bytes());
        for spec in tools.offer(workspace, short).specs().iter() {
            parts.push(spec.name.as_str().into());
            parts.push(spec.description.clone().into_bytes());
            parts.push(canonical_json(&spec.schema).into_bytes());
        }
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Digest::of_all(&parts)
}
