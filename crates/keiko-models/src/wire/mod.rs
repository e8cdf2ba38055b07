//! Wire families without any IO: requests out as bytes, stream events in as [`Event`]s.

use keiko_contracts::said::Said;
use keiko_contracts::say;
mod body;
pub mod chat_request;
pub mod chat_stream;
pub mod dialect;
pub mod messages_request;
pub mod messages_stream;

pub use dialect::{Dialect, SchemaDialect, ThinkingStyle, TokenParameter};

use keiko_contracts::model::{ChatRequest, Part, Stop, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most parts in one answer; more is a broken or hostile server.
pub const MAX_PARTS: usize = 512;

/// A wire format that many vendors share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// OpenAI's Chat Completions.
    Chat,
    /// Anthropic's Messages.
    Messages,
}

impl Family {
    /// The name, as it stands in [`Part::Opaque`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Chat => "chat",
            Family::Messages => "messages",
        }
    }

    /// The styles of what a family writes begin here; what a dialect changes is counted from there.
    fn style(self) -> u32 {
        match self {
            Family::Chat => 0,
            Family::Messages => 1 << 8,
        }
    }

    /// What follows the base URL.
    #[must_use]
    pub fn path(self, base: &str) -> &'static str {
        match self {
            Family::Chat => "/chat/completions",
            Family::Messages if base.ends_with("/v1") => "/messages",
            Family::Messages => "/v1/messages",
        }
    }

    /// Writes a streaming request. Serialised once, from borrowed text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn render(
        self,
        request: &ChatRequest,
        dialect: &Dialect,
    ) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Family::Chat => chat_request::render(request, dialect),
            Family::Messages => messages_request::render(request, dialect),
        }
    }
}

/// What a decoder makes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The answer has begun.
    Start {
        /// The vendor's id of the answer.
        id: Option<String>,
        /// Who answers, in the vendor's words.
        model: Option<String>,
    },
    /// A piece of text; never cumulative.
    Text(String),
    /// A piece of reasoning.
    Reasoning(String),
    /// A piece of a call's arguments.
    Arguments {
        /// The tool.
        tool: String,
        /// The piece.
        delta: String,
    },
    /// A part is complete.
    Part {
        /// Its place among the parts, in wire order.
        index: usize,
        /// The part.
        part: Part,
    },
    /// Something that this version does not know was passed over.
    Unknown(String),
    /// The answer is complete. Nothing comes after.
    Done {
        /// Why it stopped.
        stop: Stop,
        /// Why, in the vendor's words.
        raw_stop: String,
        /// Tokens; `None` when the server did not say.
        usage: Option<Usage>,
    },
}

/// Why a stream is not a good answer. The first one ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// An event is not JSON, or not of the family's shape.
    Shape(String),
    /// The stream ended before its terminal event.
    Truncated,
    /// The vendor reports an error within the stream.
    Vendor {
        /// The vendor's kind or code of error.
        kind: String,
        /// The vendor's words.
        message: String,
    },
    /// The answer has more than [`MAX_PARTS`] parts.
    TooManyParts,
    /// The bytes are no stream of events.
    Sse(crate::sse::SseError),
}

impl DecodeError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            DecodeError::Shape(inner) => {
                say!("an event of the stream cannot be read: {why}", why = inner)
            }
            DecodeError::Truncated => say!("the answer ends before it is complete"),
            DecodeError::Vendor { message, .. } => Said::words(message.as_str()),
            DecodeError::TooManyParts => say!("the answer has more than {n} parts", n = MAX_PARTS),
            DecodeError::Sse(inner) => inner.said(),
        }
    }
}

keiko_contracts::said_is_error!(DecodeError);

impl From<crate::sse::SseError> for DecodeError {
    fn from(inner: crate::sse::SseError) -> Self {
        DecodeError::Sse(inner)
    }
}

/// Decodes the stream of one answer.
#[derive(Debug)]
pub enum Decoder {
    /// Of Chat Completions.
    Chat(chat_stream::ChatStream),
    /// Of Messages.
    Messages(messages_stream::MessagesStream),
}

impl Decoder {
    /// A fresh one.
    #[must_use]
    pub fn new(family: Family) -> Decoder {
        match family {
            Family::Chat => Decoder::Chat(chat_stream::ChatStream::default()),
            Family::Messages => Decoder::Messages(messages_stream::MessagesStream::default()),
        }
    }

    /// Takes one server-sent event.
    ///
    /// # Errors
    /// The first one ends the stream; the decoder must not be used again.
    pub fn decode(
        &mut self,
        _event: Option<&str>,
        data: &str,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        match self {
            Decoder::Chat(stream) => stream.decode(data, out),
            Decoder::Messages(stream) => stream.decode(data, out),
        }
    }

    /// Takes a whole answer that came as one JSON document, from a server that does not stream.
    ///
    /// # Errors
    /// When it is none.
    pub fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), DecodeError> {
        match self {
            Decoder::Chat(stream) => stream.whole(body, out),
            Decoder::Messages(stream) => stream.whole(body, out),
        }
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the terminal event has not come.
    pub fn end(&mut self, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        match self {
            Decoder::Chat(stream) => stream.end(out),
            Decoder::Messages(stream) => stream.end(),
        }
    }

    /// True when the answer is complete: nothing more is read.
    #[must_use]
    pub fn finished(&self) -> bool {
        match self {
            Decoder::Chat(stream) => stream.finished(),
            Decoder::Messages(stream) => stream.finished(),
        }
    }
}

/// An error in the vendor's words, out of the shapes that vendors use; `None` when there is none.
pub(crate) fn vendor_error(json: &serde_json::Value) -> Option<DecodeError> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let error = match json.get("error") {
        Some(serde_json::Value::Null) | None
            if json.get("object").and_then(|o| o.as_str()) == Some("error") =>
        {
            json
        }
        Some(serde_json::Value::Null) | None => return None,
        Some(error) => error,
    };
    let kind = ["code", "type"]
        .iter()
        .find_map(|name| error.get(name).and_then(text))
        .unwrap_or_default();
    let mut message = text(error)
        .or_else(|| error.get("message").and_then(text))
        .unwrap_or_else(|| "no reason given".to_owned());
    // llama.cpp has the sizes in fields of their own.
    if let (Some(asked), Some(context)) = (
        error.get("n_prompt_tokens").and_then(text),
        error.get("n_ctx").and_then(text),
    ) {
        message.push_str(&format!(" (n_prompt_tokens {asked}, n_ctx {context})"));
    }
    Some(DecodeError::Vendor { kind, message })
}

/// Call arguments as a JSON object. A model may have written something else, which then travels as text inside one:
/// the vendor insists on an object and the model should still see what it wrote.
pub(crate) fn object_of(arguments: &str) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::from_str(arguments) {
        Ok(serde_json::Value::Object(map)) => map,
        _ if arguments.trim().is_empty() => serde_json::Map::new(),
        _ => [(
            "_invalid_arguments".to_owned(),
            serde_json::Value::String(arguments.to_owned()),
        )]
        .into_iter()
        .collect(),
    }
}
