//! Tools as models see them.

use crate::id::ToolName;
use serde::{Deserialize, Serialize};

/// Name, purpose and arguments of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name.
    pub name: ToolName,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments.
    pub schema: serde_json::Value,
}
