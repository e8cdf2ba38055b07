//! Really calls a model and says what works, and what does not, in a sentence.

use crate::router::Models;
use crate::transport::{Answered, Stopped};
use keiko_contracts::action::ModelReport;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::ModelName;
use keiko_contracts::model::{ChatRequest, Message, Part, SystemBlock, UserPart};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::stable::Stable;
use keiko_contracts::step::Step;
use keiko_contracts::tool::ToolSpec;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use serde::Serialize;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: `answers`, `streams`, `calls tools`, `counts tokens`, `has a price`.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What was seen, in a sentence.
    pub seen: Said,
    /// What to do, if it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Said>,
    /// The code of the fault, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

impl Check {
    fn good(name: &'static str, seen: impl Into<Said>) -> Check {
        Check {
            name,
            ok: true,
            seen: seen.into(),
            hint: None,
            code: None,
        }
    }
    fn bad(name: &'static str, seen: impl Into<Said>, hint: impl Into<Said>) -> Check {
        Check {
            name,
            ok: false,
            seen: seen.into(),
            hint: Some(hint.into()),
            code: None,
        }
    }
    fn fault(name: &'static str, fault: &Fault) -> Check {
        Check {
            name,
            ok: false,
            seen: say!("{fault}.", fault),
            hint: fault.hint.clone(),
            code: Some(fault.code),
        }
    }
}

/// Calls a model twice: once for a word, once for a tool call. Costs a few tokens. The second call is only made when the
/// first one got an answer. Works without a permit: it is the very thing that the user typed.
pub async fn probe(models: &Models, model: &ModelName, cancel: &Cancel) -> Vec<Check> {
    let mut checks = Vec::new();
    match models
        .ask(&plain(model), None, LiveSink::none(), cancel)
        .await
    {
        Err(Stopped::Cancelled) => return checks,
        Err(Stopped::Fault(fault)) => {
            checks.push(Check::fault("answers", &fault));
            return checks;
        }
        Ok((answered, report)) => judge_answer(&answered, &report, &mut checks),
    }
    match models
        .ask(&with_tool(model), None, LiveSink::none(), cancel)
        .await
    {
        Err(Stopped::Cancelled) => return checks,
        Err(Stopped::Fault(fault)) => checks.push(Check::fault("calls tools", &fault)),
        Ok((answered, _)) => checks.push(judge_call(&answered)),
    }
    checks.push(match models.quote_of(model) {
        true => Check::good("has a price", "Its price is known, so money budgets hold."),
        false => Check::bad(
            "has a price",
            "Nobody knows its price, so a run with a money budget is refused.",
            Step::set(format!("models.prices.\"{model}\".price"), 0),
        ),
    });
    checks
}

fn judge_answer(answered: &Answered, report: &ModelReport, checks: &mut Vec<Check>) {
    let served = report
        .served_by
        .as_deref()
        .map_or(Said::from("a model without a name"), Said::words);
    let said = answered.reply.parts.iter().any(|part| {
        matches!(
            part,
            Part::Text { .. } | Part::Reasoning { .. } | Part::Refusal { .. }
        )
    });
    checks.push(if said {
        Check::good(
            "answers",
            say!(
                "{served} answered within {ms} ms.",
                served,
                ms = report.duration_ms
            ),
        )
    } else {
        Check::bad(
            "answers",
            say!("{served} answered with nothing at all.", served),
            "check that the model is for chat, not for embeddings",
        )
    });
    checks.push(if answered.streamed {
        Check::good("streams", say!("The first token came after {ms} ms.", ms = report.first_token_ms))
    } else {
        Check::bad(
            "streams",
            "The server sent the answer in one piece. Everything works, but nothing is seen until it is complete.",
            "switch streaming on in the server or the proxy before it",
        )
    });
    checks.push(match answered.reply.usage {
        Some(usage) => Check::good(
            "counts tokens",
            say!("It read {n} tokens and wrote {m}.", n = usage.input + usage.cached + usage.cache_write, m = usage.output),
        ),
        None => Check::bad(
            "counts tokens",
            "The server does not say how many tokens it used; Keiko estimates them on the dear side.",
            "set models.vendors.NAME.stream_usage = true if the server understands stream_options",
        ),
    });
}

fn judge_call(answered: &Answered) -> Check {
    let name = "calls tools";
    let call = answered.reply.parts.iter().find_map(|part| match part {
        Part::Call {
            name, arguments, ..
        } => Some((name, arguments)),
        _ => None,
    });
    match call {
        None => Check::bad(
            name,
            "Asked to call a tool, it wrote text instead. Agents cannot work with it.",
            "choose a model that is made for tools, or switch tools on in the server (vLLM: --enable-auto-tool-choice)",
        ),
        Some((tool, _)) if tool != "report_number" => Check::bad(
            name,
            "It called a tool that does not exist.",
            "choose a more capable model",
        ),
        Some((_, arguments)) => match serde_json::from_str::<serde_json::Value>(arguments) {
            Ok(json) if json.get("number").is_some_and(|n| n == 7) => {
                Check::good(name, "It called the tool with the right argument.")
            }
            Ok(_) => Check::bad(
                name,
                "It called the tool with other arguments than it was asked for.",
                "choose a more capable model",
            ),
            Err(_) => Check::bad(
                name,
                "It called the tool with arguments that are not JSON.",
                "choose a more capable model",
            ),
        },
    }
}

fn plain(model: &ModelName) -> ChatRequest {
    ChatRequest {
        model: model.clone(),
        system: vec![SystemBlock {
            text: "You are being tested. Answer briefly.".to_owned(),
            cache: false,
        }]
        .into(),
        tools: Vec::new().into(),
        messages: vec![user("Say the word ready.")],
        // Room for a model that thinks before it speaks.
        max_output_tokens: 1024,
        temperature_milli: None,
        output: None,
        effort: None,
    }
}

#[expect(clippy::expect_used, reason = "a constant name that a test parses")]
fn with_tool(model: &ModelName) -> ChatRequest {
    let tool = ToolSpec {
        name: "report_number".parse().expect("a constant name"),
        description: "Reports a number to the tester.".to_owned(),
        schema: serde_json::json!({
            "type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"], "additionalProperties": false
        }),
    };
    ChatRequest {
        tools: vec![tool].into(),
        messages: vec![user("Call the tool report_number with the number 7.")],
        ..plain(model)
    }
}

fn user(text: &str) -> Stable<Message> {
    Message::User {
        parts: vec![UserPart::Text(text.into())],
        cache: false,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_of_the_probe_has_a_name() {
        assert_eq!(
            with_tool(&"a/b".parse().unwrap()).tools[0].name.as_str(),
            "report_number"
        );
    }
}
