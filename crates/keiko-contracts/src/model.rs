//! Conversations with language models, in Keiko's words: what the wire families translate from and to.

use crate::id::ModelName;
use crate::said::Said;
use crate::stable::Stable;
use crate::tool::ToolSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A whole request. Rendered anew from the journal each time; never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// Which model.
    pub model: ModelName,
    /// The system prompt in blocks, from the most stable to the least.
    pub system: Stable<Vec<SystemBlock>>,
    /// The tools, in a stable order.
    pub tools: Stable<Vec<ToolSpec>>,
    /// The conversation. Every call in an assistant message is answered once in the results message that follows.
    pub messages: Vec<Stable<Message>>,
    /// Output limit in tokens.
    pub max_output_tokens: u32,
    /// Thousandths; absent leaves it to the vendor.
    pub temperature_milli: Option<u16>,
    /// Ask for JSON of this schema.
    pub output: Option<OutputSchema>,
    /// How hard to think, where the model can be told.
    pub effort: Option<Effort>,
}

/// A block of the system prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemBlock {
    /// The text.
    pub text: String,
    /// Mark the prefix up to here for the vendor's cache, where marks exist.
    pub cache: bool,
}

/// JSON that the answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSchema {
    /// A name, as some vendors want one.
    pub name: String,
    /// JSON Schema.
    pub schema: serde_json::Value,
}

/// How hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// From the operator or the harness.
    User {
        /// Text and images.
        parts: Vec<UserPart>,
        /// Mark the prefix up to here for the vendor's cache.
        cache: bool,
    },
    /// From the model: its parts in the order they came, to be sent back unchanged.
    Assistant(Arc<[Part]>),
    /// Answers to all calls of the assistant message before it.
    Results {
        /// In the order of the calls.
        results: Vec<CallResult>,
        /// Mark the prefix up to here for the vendor's cache.
        cache: bool,
    },
}

/// Part of a user message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserPart {
    /// Text.
    Text(Arc<str>),
    /// An image.
    Image {
        /// `image/png` and the like.
        media_type: String,
        /// The bytes in base64.
        base64: String,
    },
}

/// Part of a model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "part")]
pub enum Part {
    /// Text for people.
    Text {
        /// The text.
        text: String,
    },
    /// Reasoning, with what the vendor needs to recognise it.
    Reasoning {
        /// The text, where the vendor shows it.
        text: String,
        /// The vendor's signature.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// An action that the model asks for.
    Call {
        /// The vendor's id of the call.
        id: String,
        /// The tool.
        name: String,
        /// The arguments as raw text, which may not be JSON.
        arguments: String,
        /// The vendor's signature, where one sits on the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// The model declines.
    Refusal {
        /// Its words.
        text: String,
    },
    /// Something only this wire family understands; sent back to it as it came, and to no other.
    Opaque {
        /// The family.
        family: String,
        /// The raw JSON.
        json: serde_json::Value,
    },
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResult {
    /// The id of the call.
    pub id: Arc<str>,
    /// The tool.
    pub name: Arc<str>,
    /// What the model reads.
    pub text: Arc<str>,
    /// The action failed.
    pub is_error: bool,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It was done.
    #[default]
    End,
    /// It wants actions done.
    Calls,
    /// The output limit.
    MaxTokens,
    /// A stop sequence.
    StopSequence,
    /// It declines.
    Refusal,
    /// The vendor's filter.
    ContentFilter,
    /// The vendor paused a long turn; sending it back continues it.
    Paused,
    /// Something else, see the raw word in the log.
    Other,
}

/// Tokens of one request, in disjoint counters but for the two marked as parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Read at full price: neither cached nor written to the cache.
    pub input: u64,
    /// Read from the cache.
    pub cached: u64,
    /// Written to the cache.
    pub cache_write: u64,
    /// Written by the model, reasoning included.
    pub output: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Sum of two.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            input: self.input + other.input,
            cached: self.cached + other.cached,
            cache_write: self.cache_write + other.cache_write,
            output: self.output + other.output,
            reasoning: self.reasoning + other.reasoning,
        }
    }
}

/// How much a model reads and writes at once, in tokens, as far as its server has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// All that it holds: what it reads and what it writes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// The most that it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u32>,
    /// What the request that was refused came to, as the server counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
}

impl Window {
    /// True when nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Window::default()
    }
}

/// What a running request tells those who watch. Not stored; superseded by the event that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "frame")]
pub enum LiveFrame {
    /// A piece of text.
    Text {
        /// The piece.
        delta: String,
    },
    /// A piece of reasoning.
    Reasoning {
        /// The piece.
        delta: String,
    },
    /// A piece of a call's arguments.
    Arguments {
        /// The tool.
        tool: String,
        /// The piece.
        delta: String,
    },
    /// Output of a running command.
    Output {
        /// The piece.
        delta: String,
    },
    /// What is being done, for long work.
    Progress {
        /// A short sentence.
        note: Said,
    },
}
