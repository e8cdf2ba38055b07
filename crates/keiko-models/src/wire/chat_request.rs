//! Requests of the Chat Completions family.

use super::body::{Body, Piece as Written, values};
use super::dialect::{
    ReasoningField, SchemaDialect, ThinkingStyle, TokenParameter, is_strict, system_texts,
};
use super::{Dialect, Family, object_of};
use keiko_contracts::model::{ChatRequest, Effort, Message, Part, UserPart};
use keiko_contracts::stable::Stable;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What stands before the messages and the tools.
#[derive(Serialize)]
struct Before<'a> {
    model: &'a str,
}

/// What stands after them.
#[derive(Serialize)]
struct After {
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Value>,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Msg<'a> {
    System {
        content: Text<'a>,
    },
    User {
        content: Text<'a>,
    },
    Assistant(Assistant<'a>),
    Tool {
        tool_call_id: &'a str,
        content: Cow<'a, str>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Plain(Cow<'a, str>),
    Parts(Vec<Piece<'a>>),
}

#[derive(Serialize)]
struct Piece<'a> {
    #[serde(flatten)]
    kind: PieceKind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheMark>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum PieceKind<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
struct CacheMark {}

#[derive(Serialize, Default)]
struct Assistant<'a> {
    content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: Cow<'a, str>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: ToolBody<'a>,
}

#[derive(Serialize)]
struct ToolBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Value,
}

/// Writes a streaming request. What the request before showed as well is copied, not written again.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render(request: &ChatRequest, dialect: &Dialect) -> Result<Vec<u8>, serde_json::Error> {
    let limit = Some(request.max_output_tokens);
    let messages = messages(request, dialect)?;
    let tools = request
        .tools
        .written(style(dialect), |tools| values(tools.iter().map(tool)))?;
    let room = tools.len() + messages.iter().map(|piece| piece.len() + 1).sum::<usize>();
    let mut body = Body::begin(
        &Before {
            model: request.model.model(),
        },
        room,
    )?;
    body.list("messages", &messages);
    if !tools.is_empty() {
        body.list("tools", [&tools]);
    }
    body.end(&After {
        stream: true,
        stream_options: dialect.stream_usage.then(|| json!({"include_usage": true})),
        max_tokens: limit.filter(|_| dialect.tokens == TokenParameter::MaxTokens),
        max_completion_tokens: limit
            .filter(|_| dialect.tokens == TokenParameter::MaxCompletionTokens),
        temperature: request
            .temperature_milli
            .map(|milli| f64::from(milli) / 1000.0),
        response_format: response_format(request, dialect),
        reasoning_effort: request
            .effort
            .filter(|_| dialect.thinking == ThinkingStyle::Effort),
        reasoning: request
            .effort
            .filter(|_| dialect.thinking == ThinkingStyle::Object)
            .map(|effort| json!({"effort": effort})),
    })
}

/// All that a message, the tools or the system prompt depend on beside themselves.
fn style(dialect: &Dialect) -> u32 {
    let reasoning = match dialect.reasoning_back {
        None => 0,
        Some(ReasoningField::ReasoningContent) => 1,
        Some(ReasoningField::Reasoning) => 2,
    };
    Family::Chat.style() | reasoning << 1 | u32::from(dialect.cache_marks)
}

fn tool(spec: &keiko_contracts::tool::ToolSpec) -> Tool<'_> {
    Tool {
        r#type: "function",
        function: ToolBody {
            name: spec.name.as_str(),
            description: &spec.description,
            parameters: &spec.schema,
        },
    }
}

fn response_format(request: &ChatRequest, dialect: &Dialect) -> Option<Value> {
    let output = request.output.as_ref()?;
    match dialect.schema {
        SchemaDialect::JsonSchema => Some(json!({
            "type": "json_schema",
            "json_schema": {"name": output.name, "schema": output.schema, "strict": is_strict(&output.schema)},
        })),
        SchemaDialect::JsonObject => Some(json!({"type": "json_object"})),
        SchemaDialect::Prompt => None,
    }
}

fn messages<'a>(
    request: &'a ChatRequest,
    dialect: &Dialect,
) -> Result<Vec<Written<'a>>, serde_json::Error> {
    let mut out = Vec::with_capacity(request.messages.len() + 1);
    out.push(system(request, dialect)?);
    let mut rest = request.messages.as_slice();
    while let [message, after @ ..] = rest {
        let users = rest
            .iter()
            .take_while(|message| matches!(***message, Message::User { .. }))
            .count();
        if dialect.merge_users && users > 1 {
            out.push(values(merged(&rest[..users], dialect))?.into());
            rest = &rest[users..];
        } else {
            out.push(message.written(style(dialect), |message| values(wire(message, dialect)))?);
            rest = after;
        }
    }
    Ok(out)
}

fn system<'a>(
    request: &'a ChatRequest,
    dialect: &Dialect,
) -> Result<Written<'a>, serde_json::Error> {
    let write = |texts: Vec<(Cow<'_, str>, bool)>| {
        values((!texts.is_empty()).then(|| Msg::System {
            content: system_text(texts, dialect),
        }))
    };
    match request.output {
        None => request
            .system
            .written(style(dialect), |_| write(system_texts(request, dialect))),
        // The schema may stand in the prompt.
        Some(_) => write(system_texts(request, dialect)).map(Cow::Owned),
    }
}

fn wire<'a>(message: &'a Message, dialect: &Dialect) -> Vec<Msg<'a>> {
    match message {
        Message::User { parts, cache } => vec![Msg::User {
            content: user_text(parts, *cache && dialect.cache_marks),
        }],
        Message::Assistant(parts) => vec![Msg::Assistant(assistant(parts, dialect))],
        Message::Results { results, .. } => results
            .iter()
            .map(|result| Msg::Tool {
                tool_call_id: &result.id,
                // The wire has no flag for a failed call.
                content: if result.is_error {
                    format!("[error] {}", result.text).into()
                } else {
                    Cow::Borrowed(&*result.text)
                },
            })
            .collect(),
    }
}

/// User messages in a row as one.
fn merged<'a>(users: &'a [Stable<Message>], dialect: &Dialect) -> Option<Msg<'a>> {
    users
        .iter()
        .flat_map(|message| wire(message, dialect))
        .reduce(|before, message| match (before, message) {
            (
                Msg::User {
                    content: Text::Plain(a),
                },
                Msg::User {
                    content: Text::Plain(b),
                },
            ) => Msg::User {
                content: Text::Plain(format!("{a}\n\n{b}").into()),
            },
            (Msg::User { content: a }, Msg::User { content: b }) => Msg::User {
                content: Text::Parts([pieces(a), pieces(b)].into_iter().flatten().collect()),
            },
            (_, message) => message,
        })
}

fn system_text<'a>(mut system: Vec<(Cow<'a, str>, bool)>, dialect: &Dialect) -> Text<'a> {
    if dialect.cache_marks && system.iter().any(|(_, cache)| *cache) {
        return Text::Parts(
            system
                .into_iter()
                .map(|(text, cache)| piece(text, cache))
                .collect(),
        );
    }
    if system.len() == 1 {
        return Text::Plain(system.remove(0).0);
    }
    let texts: Vec<&str> = system.iter().map(|(text, _)| text.as_ref()).collect();
    Text::Plain(texts.join("\n\n").into())
}

fn piece(text: Cow<'_, str>, cache: bool) -> Piece<'_> {
    Piece {
        kind: PieceKind::Text { text },
        cache_control: cache.then_some(CacheMark {}),
    }
}

fn user_text(parts: &[UserPart], cache: bool) -> Text<'_> {
    if let ([UserPart::Text(text)], false) = (parts, cache) {
        return Text::Plain(Cow::Borrowed(text));
    }
    let last = parts.len().saturating_sub(1);
    let pieces = parts.iter().enumerate().map(|(i, part)| match part {
        UserPart::Text(text) => piece(Cow::Borrowed(text), cache && i == last),
        UserPart::Image { media_type, base64 } => Piece {
            kind: PieceKind::ImageUrl {
                image_url: ImageUrl {
                    url: format!("data:{media_type};base64,{base64}"),
                },
            },
            cache_control: (cache && i == last).then_some(CacheMark {}),
        },
    });
    Text::Parts(pieces.collect())
}

fn pieces(text: Text<'_>) -> Vec<Piece<'_>> {
    match text {
        Text::Plain(text) => vec![piece(text, false)],
        Text::Parts(parts) => parts,
    }
}

fn assistant<'a>(parts: &'a [Part], dialect: &Dialect) -> Assistant<'a> {
    let mut out = Assistant::default();
    for part in parts {
        match part {
            Part::Text { text } => match &mut out.content {
                None => out.content = Some(text.as_str().into()),
                Some(content) => content.to_mut().push_str(text),
            },
            Part::Reasoning { text, .. } => match dialect.reasoning_back {
                Some(ReasoningField::ReasoningContent) => {
                    out.reasoning_content.get_or_insert_default().push_str(text)
                }
                Some(ReasoningField::Reasoning) => {
                    out.reasoning.get_or_insert_default().push_str(text)
                }
                None => {}
            },
            Part::Call {
                id,
                name,
                arguments,
                signature,
            } => {
                out.tool_calls.push(Call {
                    id,
                    r#type: "function",
                    function: Function {
                        name,
                        arguments: arguments_text(arguments),
                    },
                    extra_content: signature
                        .as_ref()
                        .map(|s| json!({"google": {"thought_signature": s}})),
                });
            }
            Part::Refusal { text } => out.refusal = Some(text),
            Part::Opaque { family, json } if family == Family::Chat.as_str() => {
                out.reasoning_details = json.get("reasoning_details")
            }
            Part::Opaque { .. } => {}
        }
    }
    if out.content.is_none() && out.tool_calls.is_empty() {
        // Without calls the wire wants text, if only an empty one.
        out.content = Some("".into());
    }
    out
}

/// Servers that render a chat template parse the arguments again and fall over when they are not JSON.
fn arguments_text(arguments: &str) -> Cow<'_, str> {
    if arguments.starts_with('{') && serde_json::from_str::<IgnoredAny>(arguments).is_ok() {
        return arguments.into();
    }
    Value::Object(object_of(arguments)).to_string().into()
}
