//! Streams of the Chat Completions family.
//!
//! The wire has no blocks: a part begins where its first piece comes, and all close together at the end. Both
//! `reasoning_content` and `reasoning` are read.

use super::{DecodeError, Event, Family, MAX_PARTS, vendor_error};
use keiko_contracts::model::{Part, Stop, Usage};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Word<'a>>,
    #[serde(borrow)]
    model: Option<Word<'a>>,
    #[serde(borrow)]
    choices: Option<Choices<'a>>,
    usage: Option<Value>,
    x_groq: Option<Value>,
    error: Option<Value>,
}

/// A text that most chunks repeat: not copied unless it is escaped.
#[derive(Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

/// Almost always one: the others have a place of their own, so that the one needs none.
#[derive(Default)]
struct Choices<'a> {
    first: Option<Choice<'a>>,
    more: Vec<Choice<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct List<'a>(PhantomData<Choices<'a>>);
        impl<'de: 'a, 'a> Visitor<'de> for List<'a> {
            type Value = Choices<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Choices<'a>, S::Error> {
                let mut choices = Choices {
                    first: list.next_element()?,
                    more: Vec::new(),
                };
                while let Some(choice) = list.next_element()? {
                    choices.more.push(choice);
                }
                Ok(choices)
            }
        }
        d.deserialize_seq(List(PhantomData))
    }
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    delta: Option<Delta>,
    /// A whole answer, from a server that does not stream.
    message: Option<Box<Delta>>,
    #[serde(borrow)]
    finish_reason: Option<Word<'a>>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<Value>,
    reasoning_content: Option<String>,
    reasoning: Option<Value>,
    reasoning_details: Option<Vec<Value>>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
    /// What stood here before there were several calls.
    function_call: Option<FunctionDelta>,
}

#[derive(Deserialize)]
struct CallDelta {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FunctionDelta>,
    extra_content: Option<Value>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Debug)]
struct OpenCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

impl OpenCall {
    /// A name may come in pieces, grow from delta to delta, or be said again with each: what is there already is not said twice.
    fn name_comes(&mut self, piece: &str) {
        let ends = !self.arguments.is_empty();
        if piece == self.name || ends && !self.name.is_empty() {
            return;
        }
        if piece.starts_with(&self.name) {
            self.name.clear();
        }
        self.name.push_str(piece);
    }

    /// A call is complete when its arguments are: what comes with a name after that, at the same place, is another one.
    fn is_complete(&self) -> bool {
        self.arguments.starts_with('{')
            && serde_json::from_str::<serde::de::IgnoredAny>(&self.arguments).is_ok()
    }
}

#[derive(Debug)]
enum Open {
    Text(String),
    Reasoning(String),
    Refusal(String),
    Call(OpenCall),
    Details(Vec<Value>),
}

/// Decodes one answer.
#[derive(Debug, Default)]
pub struct ChatStream {
    started: bool,
    id: String,
    open: Vec<Open>,
    finish: Option<String>,
    usage: Option<Usage>,
    done: bool,
}

impl ChatStream {
    /// Takes the data of one event.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(&mut self, data: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        // A comment of the wire below, which a gateway has wrapped into an event.
        if self.done || data.is_empty() || data.trim_start().starts_with(':') {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            return self.close(out);
        }
        self.take(data, out)
    }

    /// Takes a whole answer.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), DecodeError> {
        self.take(
            std::str::from_utf8(body).map_err(|e| DecodeError::Shape(e.to_string()))?,
            out,
        )?;
        self.end(out)
    }

    /// The stream has ended. Some servers leave out `[DONE]`; a finish reason is as good.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there was neither.
    pub fn end(&mut self, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        if self.finish.is_none() {
            return Err(DecodeError::Truncated);
        }
        self.close(out)
    }

    /// True when the answer is complete.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.done
    }

    fn take(&mut self, json: &str, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let chunk: Chunk<'_> =
            serde_json::from_str(json).map_err(|e| DecodeError::Shape(e.to_string()))?;
        if chunk.error.is_some() || chunk.choices.is_none() {
            let value = serde_json::from_str(json).unwrap_or(Value::Null);
            if let Some(error) = vendor_error(&value) {
                return Err(error);
            }
        }
        if !self.started {
            self.started = true;
            let id = chunk.id.map(|id| id.0.into_owned());
            self.id = id.clone().unwrap_or_default();
            out.push(Event::Start {
                id,
                model: chunk.model.map(|model| model.0.into_owned()),
            });
        }
        let Choices { first, more } = chunk.choices.unwrap_or_default();
        for choice in first.into_iter().chain(more) {
            if choice.index.unwrap_or(0) == 0 {
                self.choice(choice, out)?;
            }
        }
        let groq = chunk.x_groq.as_ref().and_then(|x| x.get("usage"));
        if let Some(usage) = chunk.usage.as_ref().or(groq).filter(|u| u.is_object()) {
            self.usage = Some(usage_of(usage));
        }
        Ok(())
    }

    fn choice(&mut self, choice: Choice<'_>, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if let Some(delta) = choice.delta.or(choice.message.map(|message| *message)) {
            self.delta(delta, out)?;
        }
        match choice.finish_reason.map(|reason| reason.0.into_owned()) {
            Some(reason) if reason == "error" => Err(DecodeError::Vendor {
                kind: reason,
                message: "the vendor ended the answer with an error".to_owned(),
            }),
            Some(reason) if !reason.is_empty() => {
                self.finish = Some(reason);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn delta(&mut self, delta: Delta, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let reasoning = delta.reasoning_content.or(match delta.reasoning {
            Some(Value::String(text)) => Some(text),
            _ => None,
        });
        if let Some(text) = reasoning {
            self.reasoning(text, out)?;
        }
        if let Some(details) = delta.reasoning_details.filter(|d| !d.is_empty()) {
            self.details(details)?;
        }
        match delta.content {
            Some(Value::String(text)) => self.text(text, out)?,
            Some(Value::Array(parts)) => self.content_parts(parts, out)?,
            _ => {}
        }
        if let Some(text) = delta.refusal.filter(|t| !t.is_empty()) {
            out.push(Event::Text(text.clone()));
            match self.open.last_mut() {
                Some(Open::Refusal(open)) => open.push_str(&text),
                _ => self.begin(Open::Refusal(text))?,
            }
        }
        let old = delta.function_call.map(|function| CallDelta {
            index: None,
            id: None,
            function: Some(function),
            extra_content: None,
        });
        let calls = delta.tool_calls.unwrap_or_default().into_iter().chain(old);
        calls.into_iter().try_for_each(|call| self.call(call, out))
    }

    /// Mistral's reasoning models send content as a list of parts.
    fn content_parts(
        &mut self,
        parts: Vec<Value>,
        out: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        for part in parts {
            let text = |value: &Value| {
                value
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            match part.get("type").and_then(Value::as_str) {
                Some("text") => self.text(text(&part), out)?,
                Some("thinking") => match part.get("thinking") {
                    Some(Value::Array(pieces)) => pieces
                        .iter()
                        .try_for_each(|piece| self.reasoning(text(piece), out))?,
                    Some(Value::String(piece)) => self.reasoning(piece.clone(), out)?,
                    _ => {}
                },
                other => out.push(Event::Unknown(format!(
                    "content part {}",
                    other.unwrap_or("without type")
                ))),
            }
        }
        Ok(())
    }

    fn text(&mut self, text: String, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if text.is_empty() {
            return Ok(());
        }
        out.push(Event::Text(text.clone()));
        match self.open.last_mut() {
            Some(Open::Text(open)) => open.push_str(&text),
            _ => self.begin(Open::Text(text))?,
        }
        Ok(())
    }

    fn reasoning(&mut self, text: String, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if text.is_empty() {
            return Ok(());
        }
        out.push(Event::Reasoning(text.clone()));
        // Details come along with each piece of the same reasoning and must not cut it.
        match self
            .open
            .iter_mut()
            .rev()
            .find(|open| !matches!(open, Open::Details(_)))
        {
            Some(Open::Reasoning(open)) => open.push_str(&text),
            _ => self.begin(Open::Reasoning(text))?,
        }
        Ok(())
    }

    fn details(&mut self, details: Vec<Value>) -> Result<(), DecodeError> {
        let open = self.open.iter_mut().find_map(|open| match open {
            Open::Details(all) => Some(all),
            _ => None,
        });
        match open {
            Some(all) if all.len() + details.len() > 100 * MAX_PARTS => {
                Err(DecodeError::TooManyParts)
            }
            Some(all) => {
                all.extend(details);
                Ok(())
            }
            None => self.begin(Open::Details(details)),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), DecodeError> {
        if self.open.len() >= MAX_PARTS {
            return Err(DecodeError::TooManyParts);
        }
        self.open.push(open);
        Ok(())
    }

    fn call(&mut self, delta: CallDelta, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        let id = delta.id.clone().unwrap_or_default();
        let found = self.find_call(delta.index, &id);
        let whole = found
            .and_then(|at| self.open.get(at))
            .is_some_and(|open| matches!(open, Open::Call(call) if call.is_complete()));
        if whole
            && let Some(Open::Call(call)) = found.and_then(|at| self.open.get(at))
            && says_again(&delta, call)
        {
            return Ok(());
        }
        let at = match found.filter(|_| !(whole && begins(&delta))) {
            Some(at) => at,
            None => {
                let call = OpenCall {
                    index: delta.index,
                    id: String::new(),
                    name: String::new(),
                    arguments: String::new(),
                    signature: None,
                };
                self.begin(Open::Call(call))?;
                self.open.len() - 1
            }
        };
        let Some(Open::Call(call)) = self.open.get_mut(at) else {
            return Ok(());
        };
        if call.id.is_empty() {
            call.id = id;
        }
        if let Some(signature) = delta
            .extra_content
            .as_ref()
            .and_then(|x| x.pointer("/google/thought_signature"))
            .and_then(Value::as_str)
        {
            call.signature = Some(signature.to_owned());
        }
        let Some(function) = delta.function else {
            return Ok(());
        };
        if let Some(name) = function.name {
            call.name_comes(&name);
        }
        let piece = match function.arguments {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => String::new(),
            // A server that sends the object itself instead of its text.
            Some(other) => other.to_string(),
        };
        if !piece.is_empty() {
            call.arguments.push_str(&piece);
            out.push(Event::Arguments {
                tool: call.name.clone(),
                delta: piece,
            });
        }
        Ok(())
    }

    /// Where the call of a piece is open. Servers differ: pieces are told apart by index, but some give every call the
    /// index 0 and another id, and some no index at all.
    fn find_call(&self, index: Option<u64>, id: &str) -> Option<usize> {
        let calls = || {
            self.open
                .iter()
                .enumerate()
                .rev()
                .filter_map(|(at, open)| match open {
                    Open::Call(call) => Some((at, call)),
                    _ => None,
                })
        };
        let other = |call: &OpenCall| !id.is_empty() && !call.id.is_empty() && call.id != id;
        match index {
            Some(_) => calls()
                .find(|(_, call)| call.index == index && !other(call))
                .map(|(at, _)| at),
            None if id.is_empty() => calls().next().map(|(at, _)| at),
            None => calls().find(|(_, call)| call.id == id).map(|(at, _)| at),
        }
    }

    fn close(&mut self, out: &mut Vec<Event>) -> Result<(), DecodeError> {
        if self.finish.is_none() && self.open.is_empty() {
            return Err(DecodeError::Truncated);
        }
        let (mut calls, mut refusal, mut ids) = (false, false, Vec::<String>::new());
        for (index, open) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let part = match open {
                Open::Text(text) => Part::Text { text },
                Open::Reasoning(text) => Part::Reasoning {
                    text,
                    signature: None,
                },
                Open::Refusal(text) => {
                    refusal = true;
                    Part::Refusal { text }
                }
                Open::Details(all) => Part::Opaque {
                    family: Family::Chat.as_str().to_owned(),
                    json: serde_json::json!({"reasoning_details": all}),
                },
                Open::Call(call) => {
                    calls = true;
                    let id = if call.id.is_empty() || ids.contains(&call.id) {
                        format!("call_{}_{index}", self.id)
                    } else {
                        call.id
                    };
                    ids.push(id.clone());
                    Part::Call {
                        id,
                        name: call.name,
                        arguments: call.arguments,
                        signature: call.signature,
                    }
                }
            };
            out.push(Event::Part { index, part });
        }
        let raw_stop = self.finish.take().unwrap_or_default();
        let stop = match raw_stop.as_str() {
            // Some servers say `stop` after calls, and some nothing.
            "stop" | "" | "tool_calls" | "function_call" if calls => Stop::Calls,
            "stop" | "" if refusal => Stop::Refusal,
            "stop" | "" => Stop::End,
            "length" => Stop::MaxTokens,
            "content_filter" => Stop::ContentFilter,
            _ => Stop::Other,
        };
        self.done = true;
        out.push(Event::Done {
            stop,
            raw_stop,
            usage: self.usage,
        });
        Ok(())
    }
}

/// A delta with a name and arguments of its own: after a complete call it is the next one, whatever it is numbered.
fn begins(delta: &CallDelta) -> bool {
    let Some(FunctionDelta {
        name: Some(name),
        arguments: Some(arguments),
    }) = &delta.function
    else {
        return false;
    };
    !name.is_empty() && arguments.as_str().is_none_or(|text| text.starts_with('{'))
}

/// Some servers say a whole call once more with the finish reason.
fn says_again(delta: &CallDelta, call: &OpenCall) -> bool {
    let same_id = delta
        .id
        .as_deref()
        .is_some_and(|id| !id.is_empty() && id == call.id);
    let same = |function: &FunctionDelta| {
        function.arguments.as_ref().and_then(Value::as_str) == Some(call.arguments.as_str())
    };
    same_id && delta.function.as_ref().is_some_and(same)
}

/// The wire counts cached tokens into the prompt and reasoning into the completion.
fn usage_of(usage: &Value) -> Usage {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let cached = count("/prompt_tokens_details/cached_tokens")
        .or(count("/prompt_cache_hit_tokens"))
        .unwrap_or(0);
    let cache_write = count("/prompt_tokens_details/cache_write_tokens").unwrap_or(0);
    Usage {
        input: count("/prompt_tokens")
            .unwrap_or(0)
            .saturating_sub(cached)
            .saturating_sub(cache_write),
        cached,
        cache_write,
        output: count("/completion_tokens").unwrap_or(0),
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    }
}
