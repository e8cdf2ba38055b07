//! Streams of the Messages family.
//!
//! Blocks keep their place. What is neither text, thinking nor a call to one of our tools stays as it came, so that it
//! can go back unchanged. Citations of a text block are passed over.

use super::{DecodeError, Event, Family, MAX_PARTS, vendor_error};
use keiko_contracts::model::{Part, Stop, Usage};
use serde_json::Value;

#[derive(Debug)]
enum Block {
    Text(String),
    Thinking {
        text: String,
        signature: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
        whole: Value,
    },
    Opaque {
        json: Value,
        input: String,
    },
}

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct MessagesStream {
    open: Vec<(u64, Block)>,
    blocks: usize,
    calls: bool,
    stop: Option<String>,
    usage: Option<Usage>,
    done: bool,
}

fn shape(what: &str) -> DecodeError {
    DecodeError::Shape(what.to_owned())
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl MessagesStream {
    /// Takes the data of one event.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        let event: Value =
            serde_json::from_str(data).map_err(|e| DecodeError::Shape(e.to_string()))?;
        match event.get("type").and_then(Value::as_str) {
            Some("message_start") => {
                let message = event.get("message").unwrap_or(&Value::Null);
                self.start(message, out);
                Ok(())
            }
            Some("content_block_start") => {
                let block = event
                    .get("content_block")
                    .ok_or_else(|| shape("a block starts without content_block"))?;
                self.begin(index(&event)?, block, out)
            }
            Some("content_block_delta") => self.delta(
                index(&event)?,
                event.get("delta").unwrap_or(&Value::Null),
                out,
            ),
            Some("content_block_stop") => {
                let index = index(&event)?;
                let at = self
                    .open
                    .iter()
                    .position(|(open, _)| *open == index)
                    .ok_or_else(|| shape("a block stops that is not open"))?;
                let (index, block) = self.open.remove(at);
                self.close(index, block, out);
                Ok(())
            }
            Some("message_delta") => {
                if let Some(reason) = event.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    self.stop = Some(reason.to_owned());
                }
                self.count(event.get("usage"));
                Ok(())
            }
            Some("message_stop") => {
                self.finish(out);
                Ok(())
            }
            Some("ping") => Ok(()),
            Some("error") => {
                Err(vendor_error(&event)
                    .unwrap_or_else(|| shape("an error event without an error")))
            }
            Some(other) => {
                out.push(Event::Unknown(other.to_owned()));
                Ok(())
            }
            None => Err(vendor_error(&event).unwrap_or_else(|| shape("an event without a type"))),
        }
    }

    /// Takes a whole answer.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let message: Value =
            serde_json::from_slice(body).map_err(|e| DecodeError::Shape(e.to_string()))?;
        if let Some(error) = vendor_error(&message) {
            return Err(error);
        }
        let blocks = message
            .get("content")
            .and_then(Value::as_array)
            .ok_or_else(|| shape("an answer without content"))?;
        self.start(&message, out);
        for (at, block) in blocks.iter().enumerate() {
            self.begin(at as u64, block, out)?;
        }
        self.stop = message
            .get("stop_reason")
            .and_then(Value::as_str)
            .map(str::to_owned);
        self.finish(out);
        Ok(())
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when `message_stop` has not come.
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.done {
            Ok(())
        } else {
            Err(DecodeError::Truncated)
        }
    }

    /// True when the answer is complete.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.done
    }

    fn start(&mut self, message: &Value, out: &mut Vec<Event>) {
        let word = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
        out.push(Event::Start {
            id: word("id"),
            model: word("model"),
        });
        self.count(message.get("usage"));
    }

    fn begin(
        &mut self,
        index: u64,
        block: &Value,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        if self.blocks >= MAX_PARTS {
            return Err(DecodeError::TooManyParts);
        }
        if self.open.iter().any(|(open, _)| *open == index) {
            return Err(shape("two open blocks have the same index"));
        }
        self.blocks += 1;
        let block = match block.get("type").and_then(Value::as_str) {
            Some("text") => Block::Text(text(block, "text")),
            Some("thinking") => Block::Thinking {
                text: text(block, "thinking"),
                signature: text(block, "signature"),
            },
            Some("tool_use") => {
                self.calls = true;
                let whole = block.get("input").cloned().unwrap_or(Value::Null);
                Block::Call {
                    id: text(block, "id"),
                    name: text(block, "name"),
                    arguments: String::new(),
                    whole,
                }
            }
            Some(_) => Block::Opaque {
                json: block.clone(),
                input: String::new(),
            },
            None => return Err(shape("a block without a type")),
        };
        match &block {
            Block::Text(text) if !text.is_empty() => out.push(Event::Text(text.clone())),
            Block::Thinking { text, .. } if !text.is_empty() => {
                out.push(Event::Reasoning(text.clone()))
            }
            _ => {}
        }
        self.open.push((index, block));
        Ok(())
    }

    fn delta(
        &mut self,
        index: u64,
        delta: &Value,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        let kind = delta
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let block = self
            .open
            .iter_mut()
            .find(|(open, _)| *open == index)
            .map(|(_, block)| block);
        let block = block.ok_or_else(|| shape("a piece of a block that is not open"))?;
        match (kind, block) {
            ("text_delta", Block::Text(all)) => {
                let piece = text(delta, "text");
                all.push_str(&piece);
                out.push(Event::Text(piece));
            }
            ("thinking_delta", Block::Thinking { text: all, .. }) => {
                let piece = text(delta, "thinking");
                all.push_str(&piece);
                out.push(Event::Reasoning(piece));
            }
            ("signature_delta", Block::Thinking { signature, .. }) => {
                signature.push_str(&text(delta, "signature"))
            }
            (
                "input_json_delta",
                Block::Call {
                    name, arguments, ..
                },
            ) => {
                let piece = text(delta, "partial_json");
                arguments.push_str(&piece);
                out.push(Event::Arguments {
                    tool: name.clone(),
                    delta: piece,
                });
            }
            ("input_json_delta", Block::Opaque { input, .. }) => {
                input.push_str(&text(delta, "partial_json"))
            }
            (other, _) => out.push(Event::Unknown(other.to_owned())),
        }
        Ok(())
    }

    fn close(&mut self, index: u64, block: Block, out: &mut Vec<Event>) {
        let part = match block {
            Block::Text(text) => Part::Text { text },
            Block::Thinking { text, signature } => Part::Reasoning {
                text,
                signature: (!signature.is_empty()).then_some(signature),
            },
            Block::Call {
                id,
                name,
                arguments,
                whole,
            } => {
                let arguments = if arguments.is_empty() && whole.is_object() {
                    whole.to_string()
                } else {
                    arguments
                };
                Part::Call {
                    id,
                    name,
                    arguments,
                    signature: None,
                }
            }
            Block::Opaque { mut json, input } => {
                if let (Ok(input), Some(map)) = (serde_json::from_str(&input), json.as_object_mut())
                {
                    map.insert("input".to_owned(), input);
                }
                Part::Opaque {
                    family: Family::Messages.as_str().to_owned(),
                    json,
                }
            }
        };
        out.push(Event::Part {
            index: usize::try_from(index).unwrap_or(usize::MAX),
            part,
        });
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        for (index, block) in std::mem::take(&mut self.open) {
            self.close(index, block, out);
        }
        let raw_stop = self.stop.take().unwrap_or_default();
        let stop = match raw_stop.as_str() {
            "tool_use" => Stop::Calls,
            "end_turn" if self.calls => Stop::Calls,
            "end_turn" => Stop::End,
            "max_tokens" | "model_context_window_exceeded" => Stop::MaxTokens,
            "stop_sequence" => Stop::StopSequence,
            "pause_turn" => Stop::Paused,
            "refusal" => Stop::Refusal,
            _ => Stop::Other,
        };
        self.done = true;
        out.push(Event::Done {
            stop,
            raw_stop,
            usage: self.usage,
        });
    }

    /// Counters are cumulative: the last word on each one holds.
    fn count(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|u| u.is_object()) else {
            return;
        };
        let all = self.usage.get_or_insert_default();
        let take = |path: &str, counter: &mut u64| {
            if let Some(n) = usage.pointer(path).and_then(Value::as_u64) {
                *counter = n;
            }
        };
        take("/input_tokens", &mut all.input);
        take("/cache_read_input_tokens", &mut all.cached);
        take("/cache_creation_input_tokens", &mut all.cache_write);
        take("/output_tokens", &mut all.output);
        take("/output_tokens_details/thinking_tokens", &mut all.reasoning);
    }
}

fn index(event: &Value) -> Result<u64, DecodeError> {
    event
        .get("index")
        .and_then(Value::as_u64)
        .ok_or_else(|| shape("a block without an index"))
}
