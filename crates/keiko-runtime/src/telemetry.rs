//! Spans and their names: OpenTelemetry's GenAI conventions, in this module only, because they still change.
//! Nothing leaves the machine: spans go to the log.

use keiko_contracts::action::{Action, Intent, Outcome, Report};
use keiko_contracts::id::RunId;
use keiko_governance::core::Start;
use tracing::Span;

/// A run.
#[must_use]
pub fn run_span(run: RunId) -> Span {
    tracing::info_span!(
        "invoke_agent",
        "gen_ai.operation.name" = "invoke_agent",
        "gen_ai.conversation.id" = %run,
        "gen_ai.agent.name" = tracing::field::Empty,
        "gen_ai.request.model" = tracing::field::Empty,
    )
}

/// What is known of a run once its start has been read.
pub fn note_start(span: &Span, start: &impl Start) {
    span.record("gen_ai.agent.name", start.agent());
    if let Some(model) = start.model() {
        span.record("gen_ai.request.model", model.as_str());
    }
}

/// A step of an agent's loop; step 0 is what the harness does before the first. The conventions have no name for it.
#[must_use]
pub fn step_span(step: u32) -> Span {
    tracing::info_span!("step", "keiko.step" = step)
}

/// An effect: a model request, or an action.
#[must_use]
pub fn effect_span(intent: &Intent) -> Span {
    match &intent.action {
        Action::Model(model) => tracing::info_span!(
            "chat",
            "gen_ai.operation.name" = "chat",
            "gen_ai.provider.name" = model.model.vendor().unwrap_or(""),
            "gen_ai.request.model" = model.model.model(),
            "gen_ai.request.max_tokens" = model.max_output_tokens,
            "gen_ai.usage.input_tokens" = tracing::field::Empty,
            "gen_ai.usage.output_tokens" = tracing::field::Empty,
            "gen_ai.response.finish_reasons" = tracing::field::Empty,
            "error.type" = tracing::field::Empty,
            "keiko.step" = intent.key.step,
            "keiko.effect" = %intent.key,
        ),
        Action::Jail(_) | Action::Host(_) | Action::Tool(_) | Action::Run(_) => {
            tracing::info_span!(
                "execute_tool",
                "gen_ai.operation.name" = "execute_tool",
                "gen_ai.tool.name" = intent.asked.tool().unwrap_or("harness"),
                "gen_ai.tool.call.id" = intent.asked.call().unwrap_or(""),
                "keiko.title" = intent.asked.title().map(|title| title.to_string()).unwrap_or_default(),
                "error.type" = tracing::field::Empty,
                "keiko.step" = intent.key.step,
                "keiko.effect" = %intent.key,
            )
        }
    }
}

/// How an effect came out.
pub fn note_outcome(span: &Span, outcome: &Outcome<Report>) {
    match outcome {
        Outcome::Done(Report::Model(report)) => {
            let read = report.usage.input + report.usage.cached + report.usage.cache_write;
            span.record("gen_ai.usage.input_tokens", read);
            span.record("gen_ai.usage.output_tokens", report.usage.output);
            span.record(
                "gen_ai.response.finish_reasons",
                tracing::field::debug(report.stop),
            );
        }
        Outcome::Done(_) => {}
        Outcome::Failed(fault) => {
            span.record("error.type", fault.code.to_string().as_str());
        }
        Outcome::Unknown { .. } => {
            span.record("error.type", "unknown");
        }
        Outcome::Cancelled => {
            span.record("error.type", "cancelled");
        }
    }
}
