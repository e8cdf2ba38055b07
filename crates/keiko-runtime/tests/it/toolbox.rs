//! The standard tools, and one more for each recovery class.

use keiko_agent::tools::{
    BadCall, Means, Rendered, Resolved, Tool, ToolBox, ToolContext, standard,
};
use keiko_contracts::action::{Action, Outcome, Recovery, Report, ToolAction};
use keiko_contracts::tool::ToolSpec;
use std::sync::Arc;

/// A tool of the standard box.
#[derive(Debug)]
struct Standard {
    tools: Arc<ToolBox>,
    spec: ToolSpec,
}

impl Standard {
    fn tool(&self) -> &dyn Tool {
        self.tools.get(self.spec.name.as_str()).unwrap()
    }
}

impl Tool for Standard {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }
    fn means(&self) -> Means {
        self.tool().means()
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        self.tool().resolve(arguments, context)
    }
    fn needs_workspace(&self) -> bool {
        self.tool().needs_workspace()
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        self.tool().render(outcome)
    }
    fn render_for(&self, action: &Action, outcome: &Outcome<Report>) -> Rendered {
        self.tool().render_for(action, outcome)
    }
}

/// A tool behind the tool port.
#[derive(Debug)]
struct Ledger {
    name: &'static str,
    recovery: Recovery,
}

impl Tool for Ledger {
    fn spec(&self) -> ToolSpec {
        let schema = serde_json::json!({"type": "object"});
        ToolSpec {
            name: self.name.parse().unwrap(),
            description: "appends to a ledger".into(),
            schema,
        }
    }
    fn resolve(&self, arguments: &str, _context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let tool = self.name.parse().unwrap();
        let action = ToolAction {
            tool,
            arguments: arguments.into(),
            recovery: self.recovery,
            impact: keiko_testkit::ledger::impact_of(self.recovery),
        };
        Ok(Resolved::Action(Box::new(Action::Tool(action))))
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        match outcome {
            Outcome::Done(Report::Tool(report)) => Rendered {
                text: report.output.text_or_empty().into(),
                is_error: false,
            },
            other => Rendered {
                text: format!("not done: {other:?}"),
                is_error: true,
            },
        }
    }
}

/// All of them.
pub(crate) fn tools() -> Arc<ToolBox> {
    let standard = Arc::new(standard());
    let mut tools: Vec<Box<dyn Tool>> = Vec::new();
    for spec in standard.offer(true, false).specs().iter() {
        tools.push(Box::new(Standard {
            tools: standard.clone(),
            spec: spec.clone(),
        }));
    }
    for (name, recovery) in keiko_testkit::ledger::LedgerTools::TOOLS {
        tools.push(Box::new(Ledger { name, recovery }));
    }
    Arc::new(ToolBox::new(tools))
}
