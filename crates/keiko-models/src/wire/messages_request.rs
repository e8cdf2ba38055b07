//! Requests of the Messages family.

use super::body::{Body, Piece, values};
use super::dialect::{SchemaDialect, ThinkingStyle, system_texts};
use super::{Dialect, Family, object_of};
use keiko_contracts::model::{ChatRequest, Effort, Message, Part, UserPart};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The vendor takes at most four cache marks: one behind the tools, up to two in the messages, the rest in the system prompt.
const MARKS: usize = 4;
const MESSAGE_MARKS: usize = 2;

/// What stands before tools, system prompt and messages.
#[derive(Serialize)]
struct Before<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
}

/// What stands after them.
#[derive(Serialize)]
struct After {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    output_config: Map<String, Value>,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheMark>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
struct CacheMark {}

#[derive(Serialize)]
struct Block<'a> {
    #[serde(flatten)]
    kind: Kind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheMark>,
}

impl<'a> From<Kind<'a>> for Block<'a> {
    fn from(kind: Kind<'a>) -> Self {
        Block {
            kind,
            cache_control: None,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Kind<'a> {
    Known(Known<'a>),
    Opaque(&'a Value),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Known<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "base64")]
struct Source<'a> {
    media_type: &'a str,
    data: &'a str,
}

/// Writes a streaming request. What the request before showed as well is copied, not written again.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render(request: &ChatRequest, dialect: &Dialect) -> Result<Vec<u8>, serde_json::Error> {
    let thinking = thinking(request, dialect);
    let (tools, system, messages) = (
        tools(request, dialect)?,
        system(request, dialect)?,
        messages(request, dialect)?,
    );
    let before = Before {
        model: request.model.model(),
        max_tokens: request.max_output_tokens,
        stream: true,
    };
    let mut body = Body::begin(&before, tools.len() + system.len() + messages.len())?;
    if !tools.is_empty() {
        body.list("tools", [&tools]);
    }
    if !system.is_empty() {
        body.list("system", [&system]);
    }
    body.list("messages", [&messages]);
    body.end(&After {
        // The vendor refuses a temperature while the model thinks.
        temperature: request
            .temperature_milli
            .filter(|_| thinking.is_none())
            .map(|milli| f64::from(milli) / 1000.0),
        thinking,
        output_config: output_config(request, dialect),
    })
}

/// What the tools, the system prompt and each message depend on beside themselves.
fn style(marked: bool, tools: bool) -> u32 {
    Family::Messages.style() | u32::from(marked) | u32::from(tools) << 1
}

fn tools<'a>(request: &'a ChatRequest, dialect: &Dialect) -> Result<Piece<'a>, serde_json::Error> {
    let marked = dialect.cache_marks && request.system.iter().any(|block| block.cache);
    request.tools.written(style(marked, true), |specs| {
        let mut tools: Vec<Tool<'_>> = specs.iter().map(tool).collect();
        if let Some(last) = tools.last_mut().filter(|_| marked) {
            last.cache_control = Some(CacheMark {});
        }
        values(tools)
    })
}

fn tool(spec: &keiko_contracts::tool::ToolSpec) -> Tool<'_> {
    Tool {
        name: spec.name.as_str(),
        description: &spec.description,
        input_schema: &spec.schema,
        cache_control: None,
    }
}

fn thinking(request: &ChatRequest, dialect: &Dialect) -> Option<Value> {
    let effort = request.effort?;
    match dialect.thinking {
        ThinkingStyle::Effort => Some(json!({"type": "adaptive"})),
        ThinkingStyle::Budget => {
            let wanted = match effort {
                Effort::Low => 1024,
                Effort::Medium => 4096,
                Effort::High => 16_384,
            };
            // At least 1024, and less than the output limit, says the vendor; otherwise there is no room to think.
            let budget = wanted.min(request.max_output_tokens / 2);
            (budget >= 1024).then(|| json!({"type": "enabled", "budget_tokens": budget}))
        }
        ThinkingStyle::None | ThinkingStyle::Object => None,
    }
}

fn output_config(request: &ChatRequest, dialect: &Dialect) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(effort) = request
        .effort
        .filter(|_| dialect.thinking == ThinkingStyle::Effort)
    {
        config.insert("effort".to_owned(), json!(effort));
    }
    if let Some(output) = request
        .output
        .as_ref()
        .filter(|_| dialect.schema == SchemaDialect::JsonSchema)
    {
        config.insert(
            "format".to_owned(),
            json!({"type": "json_schema", "schema": output.schema}),
        );
    }
    config
}

fn system<'a>(request: &'a ChatRequest, dialect: &Dialect) -> Result<Piece<'a>, serde_json::Error> {
    match request.output {
        None => request.system.written(
            style(dialect.cache_marks, !request.tools.is_empty()),
            |_| system_blocks(request, dialect),
        ),
        // The schema may stand in the prompt.
        Some(_) => system_blocks(request, dialect).map(Cow::Owned),
    }
}

fn system_blocks(request: &ChatRequest, dialect: &Dialect) -> Result<Vec<u8>, serde_json::Error> {
    let texts = system_texts(request, dialect);
    let room = MARKS - MESSAGE_MARKS - usize::from(!request.tools.is_empty());
    let mut skip = texts
        .iter()
        .filter(|(_, cache)| *cache)
        .count()
        .saturating_sub(room);
    let mut marked = |cache: bool| {
        let keep = cache && dialect.cache_marks && skip == 0;
        skip = skip.saturating_sub(usize::from(cache));
        keep.then_some(CacheMark {})
    };
    values(texts.into_iter().map(|(text, cache)| Block {
        kind: Kind::Known(Known::Text { text }),
        cache_control: marked(cache),
    }))
}

fn messages<'a>(
    request: &'a ChatRequest,
    dialect: &Dialect,
) -> Result<Piece<'a>, serde_json::Error> {
    let mut skip = request
        .messages
        .iter()
        .filter(|message| wants_mark(message))
        .count()
        .saturating_sub(MESSAGE_MARKS);
    let mut pieces: Vec<(&str, Piece<'a>)> = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        let wants = wants_mark(message);
        let marked = wants && skip == 0 && dialect.cache_marks;
        skip = skip.saturating_sub(usize::from(wants));
        let role = if matches!(**message, Message::Assistant(_)) {
            "assistant"
        } else {
            "user"
        };
        pieces.push((
            role,
            message.written(style(marked, false), |message| blocks(message, marked))?,
        ));
    }
    let mut out = Vec::with_capacity(pieces.iter().map(|(_, piece)| piece.len() + 40).sum());
    let mut open = None;
    for (role, piece) in pieces.iter().filter(|(_, piece)| !piece.is_empty()) {
        // Roles alternate on this wire. Results stand before the words of the operator, as they came.
        if open == Some(role) {
            out.push(b',');
        } else {
            out.extend_from_slice(
                if open.is_some() {
                    "]},{\"role\":\""
                } else {
                    "{\"role\":\""
                }
                .as_bytes(),
            );
            out.extend_from_slice(role.as_bytes());
            out.extend_from_slice(b"\",\"content\":[");
        }
        out.extend_from_slice(piece);
        open = Some(role);
    }
    if open.is_some() {
        out.extend_from_slice(b"]}");
    }
    Ok(out.into())
}

fn blocks(message: &Message, marked: bool) -> Result<Vec<u8>, serde_json::Error> {
    let mut content: Vec<Block<'_>> = match message {
        Message::User { parts, .. } => parts.iter().filter_map(user_block).collect(),
        Message::Assistant(parts) => parts.iter().filter_map(assistant_block).collect(),
        Message::Results { results, .. } => results.iter().map(result_block).collect(),
    };
    if let Some(last) = content.last_mut().filter(|_| marked) {
        last.cache_control = Some(CacheMark {});
    }
    values(content)
}

fn wants_mark(message: &Message) -> bool {
    matches!(
        message,
        Message::User { cache: true, .. } | Message::Results { cache: true, .. }
    )
}

fn user_block(part: &UserPart) -> Option<Block<'_>> {
    match part {
        // The vendor refuses empty text.
        UserPart::Text(text) if text.is_empty() => None,
        UserPart::Text(text) => Some(
            Kind::Known(Known::Text {
                text: Cow::Borrowed(text),
            })
            .into(),
        ),
        UserPart::Image { media_type, base64 } => Some(
            Kind::Known(Known::Image {
                source: Source {
                    media_type,
                    data: base64,
                },
            })
            .into(),
        ),
    }
}

fn assistant_block(part: &Part) -> Option<Block<'_>> {
    let known = match part {
        Part::Text { text } | Part::Refusal { text } if text.trim().is_empty() => return None,
        Part::Text { text } | Part::Refusal { text } => Known::Text { text: text.into() },
        // Reasoning without a signature is another vendor's and would be refused.
        Part::Reasoning { text, signature } => Known::Thinking {
            thinking: text,
            signature: signature.as_deref()?,
        },
        Part::Call {
            id,
            name,
            arguments,
            ..
        } => Known::ToolUse {
            id: wire_id(id),
            name,
            input: object_of(arguments),
        },
        Part::Opaque { family, json } if family == Family::Messages.as_str() => {
            return Some(Kind::Opaque(json).into());
        }
        Part::Opaque { .. } => return None,
    };
    Some(Kind::Known(known).into())
}

fn result_block(result: &keiko_contracts::model::CallResult) -> Block<'_> {
    Kind::Known(Known::ToolResult {
        tool_use_id: wire_id(&result.id),
        content: &result.text,
        is_error: result.is_error,
    })
    .into()
}

/// Ids on this wire are of letters, digits, `_` and `-`; those of another vendor may not be.
fn wire_id(id: &str) -> Cow<'_, str> {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(ok) {
        id.into()
    } else {
        id.chars()
            .map(|c| if ok(c) { c } else { '_' })
            .collect::<String>()
            .into()
    }
}
