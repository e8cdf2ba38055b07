//! What a call comes to, now that its turn has come.

use crate::state::{Call, RunState};
use crate::tools::{Resolved, ToolContext};
use keiko_contracts::id::RunId;

/// Resolves a call of a model in the workspace as it is now, or says what is wrong with it.
pub(crate) fn resolve(state: &RunState, call: &Call) -> Result<Resolved, String> {
    let tools = &state.setup.tools;
    let tool = tools
        .find(&call.name, state.has_workspace())
        .map_err(|bad| bad.to_string())?;
    let workspace = &state.coding.workspace;
    let context = ToolContext {
        run: state
            .start
            .as_ref()
            .map_or(RunId::from_bytes([0; 10]), |start| start.run),
        opened: workspace.opened.as_deref(),
        survey: workspace.survey.as_deref(),
        tree: workspace.tree.as_ref(),
        head: workspace.head.as_ref(),
        now: state.step.replied,
    };
    tool.resolve(&call.arguments, &context)
        .map_err(|bad| bad.to_string())
}
