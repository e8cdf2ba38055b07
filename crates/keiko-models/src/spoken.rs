//! What a server should have told apart, and left in the text of an answer: thinking, calls, and the marks of a chat template.
//!
//! Every local server does it for some model. A call is only taken out of a text when it names a tool that was on offer, no
//! call came as the wire has it, and the answer is complete.

use crate::reply::Reply;
use keiko_contracts::model::{Part, Stop};
use keiko_contracts::tool::ToolSpec;
use serde_json::{Map, Value};

/// Most calls that are taken out of one text.
const CALLS_MAX: usize = 32;

/// Longest text that is looked through, in bytes.
const TEXT_MAX: usize = 4 << 20;

/// Reads an answer again, knowing which tools were on offer and how much might be written.
pub fn read(reply: &mut Reply, tools: &[ToolSpec], max_output_tokens: u32) {
    let known = |name: &str| tools.iter().any(|tool| tool.name.as_str() == name);
    reply.parts = std::mem::take(&mut reply.parts)
        .into_iter()
        .flat_map(split_thinking)
        .collect();
    for part in &mut reply.parts {
        if let Part::Call { name, .. } = part
            && !known(name)
        {
            *name = bare_name(name, &known);
        }
    }
    // A server that has begun a call says that it has ended with it, though the limit cut it off.
    let written = reply.usage.map_or(0, |usage| usage.output);
    if matches!(reply.stop, Stop::Calls | Stop::End | Stop::Other)
        && max_output_tokens > 0
        && written >= u64::from(max_output_tokens)
    {
        reply.stop = Stop::MaxTokens;
    }
    let complete = matches!(
        reply.stop,
        Stop::Calls | Stop::End | Stop::Other | Stop::StopSequence
    );
    if complete
        && !tools.is_empty()
        && !reply
            .parts
            .iter()
            .any(|part| matches!(part, Part::Call { .. }))
    {
        take_calls(reply, &known);
    }
    reply
        .parts
        .retain(|part| !matches!(part, Part::Text { text } if text.trim().is_empty()));
}

/// A name without the marks of the chat template that ran into it, and without a name space.
fn bare_name(name: &str, known: &impl Fn(&str) -> bool) -> String {
    let before = name.split("<|").next().unwrap_or_default().trim();
    let before = before.trim_matches(|c: char| c == '"' || c == '`' || c == '\'');
    let short = before.rsplit(['.', '/']).next().unwrap_or_default();
    let numbered = short.split_once(':').map_or(short, |(first, _)| first);
    let after = before.rsplit(':').next().unwrap_or_default();
    let found = [before, short, numbered, after]
        .into_iter()
        .find(|name| known(name));
    found
        .unwrap_or(if before.is_empty() { name } else { before })
        .to_owned()
}

/// Thinking that stands in the text, as reasoning of its own. The opening mark may be missing: the prompt has it then.
fn split_thinking(part: Part) -> Vec<Part> {
    let Part::Text { text } = part else {
        return vec![part];
    };
    if text.len() > TEXT_MAX {
        return vec![Part::Text { text }];
    }
    let text = harmony_text(&text);
    let (mut out, mut rest) = (Vec::new(), text.as_str());
    for _ in 0..CALLS_MAX {
        let open = find_mark(rest, &["<think>", "<thinking>", "[THINK]"]);
        let close = find_mark(rest, &["</think>", "</thinking>", "[/THINK]"]);
        let (before, thought, after) = match (open, close) {
            // A mark in the middle of a sentence is spoken of, not used.
            (Some((at, _)), _) if !rest[..at].trim().is_empty() => break,
            (None, Some((end, _))) if rest[..end].ends_with(['`', '"', '\'']) => break,
            (Some((at, len)), Some((end, end_len))) if end > at => {
                (&rest[..at], &rest[at + len..end], &rest[end + end_len..])
            }
            (None, Some((end, end_len))) if out.is_empty() => {
                ("", &rest[..end], &rest[end + end_len..])
            }
            (Some((at, len)), None) => (&rest[..at], &rest[at + len..], ""),
            _ => break,
        };
        push_text(&mut out, before);
        if !thought.trim().is_empty() {
            out.push(Part::Reasoning {
                text: thought.trim().to_owned(),
                signature: None,
            });
        }
        rest = after.trim_start();
    }
    push_text(&mut out, rest);
    out
}

fn push_text(out: &mut Vec<Part>, text: &str) {
    if !text.trim().is_empty() {
        out.push(Part::Text {
            text: text.to_owned(),
        });
    }
}

fn find_mark(text: &str, marks: &[&str]) -> Option<(usize, usize)> {
    marks
        .iter()
        .filter_map(|mark| text.find(mark).map(|at| (at, mark.len())))
        .min()
}

/// Channels of the harmony format in words that [`split_thinking`] knows; what calls a tool stays as it is.
fn harmony_text(text: &str) -> String {
    if !text.contains("<|channel|>") && !text.contains("<|message|>") {
        return text.to_owned();
    }
    let mut out = String::new();
    for piece in text
        .split("<|start|>")
        .flat_map(|piece| piece.split("<|end|>"))
        .flat_map(|piece| piece.split("<|return|>"))
    {
        let Some((head, body)) = piece.split_once("<|message|>") else {
            if !piece.contains("<|channel|>") && piece.trim() != "assistant" {
                out.push_str(piece);
            }
            continue;
        };
        if head.contains("to=") {
            out.push_str(&format!(
                "{}{}{}",
                HARMONY_CALL,
                piece.replace(HARMONY_CALL, ""),
                HARMONY_END
            ));
        } else if head.contains("analysis") {
            out.push_str(&format!("<think>{body}</think>"));
        } else {
            out.push_str(body);
        }
    }
    out
}

const HARMONY_CALL: &str = "<|harmony call|>";
const HARMONY_END: &str = "<|harmony end|>";

/// Takes calls out of the text of an answer.
fn take_calls(reply: &mut Reply, known: &impl Fn(&str) -> bool) {
    let mut out = Vec::with_capacity(reply.parts.len());
    let mut found = 0;
    for part in std::mem::take(&mut reply.parts) {
        let Part::Text { text } = part else {
            out.push(part);
            continue;
        };
        match calls_in(&text, known) {
            Some((before, calls)) => {
                push_text(&mut out, before.trim_end());
                for (name, arguments) in calls {
                    found += 1;
                    out.push(Part::Call {
                        id: format!("call_in_text_{found}"),
                        name,
                        arguments,
                        signature: None,
                    });
                }
            }
            None => out.push(Part::Text {
                text: text.replace(HARMONY_CALL, "").replace(HARMONY_END, ""),
            }),
        }
    }
    reply.parts = out;
    if found > 0 {
        reply.stop = Stop::Calls;
    }
}

type Calls = Vec<(String, String)>;
/// One way of writing calls: how many bytes of the text they take, and the calls.
type Way = fn(&str) -> Option<(usize, Calls)>;

/// The calls that a text ends with, and the words before them. All must name tools that are known.
fn calls_in<'a>(text: &'a str, known: &impl Fn(&str) -> bool) -> Option<(&'a str, Calls)> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let ways: [Way; 9] = [
        tagged, functions, bracketed, python_tag, harmony, deepseek, invoked, fenced, bare,
    ];
    ways.iter().find_map(|way| {
        let (at, mut calls) = way(text)?;
        for (name, _) in &mut calls {
            *name = bare_name(name, known);
        }
        let fits = !calls.is_empty()
            && calls.len() <= CALLS_MAX
            && calls.iter().all(|(name, _)| known(name));
        fits.then(|| (&text[..at], calls))
    })
}

/// `<tool_call>{"name": …, "arguments": …}</tool_call>`, as Hermes and Qwen have it.
fn tagged(text: &str) -> Option<(usize, Calls)> {
    let marks = [
        ("<tool_call>", "</tool_call>"),
        ("<function_call>", "</function_call>"),
        ("<tool_calls>", "</tool_calls>"),
        ("<toolcall>", "</toolcall>"),
    ];
    let (open, close) = marks.iter().find(|(open, _)| text.contains(open))?;
    let at = text.find(open)?;
    let mut calls = Vec::new();
    for piece in text[at..].split(open).skip(1).take(CALLS_MAX + 1) {
        let inner = piece.split(close).next().unwrap_or_default().trim();
        match functions(inner) {
            Some((_, more)) => calls.extend(more),
            None => calls.extend(of_json(&json_at(inner)?)?),
        }
    }
    Some((at, calls))
}

/// `<function=name><parameter=key>value</parameter></function>`, as Qwen3-Coder has it.
fn functions(text: &str) -> Option<(usize, Calls)> {
    let at = text.find("<function=")?;
    let mut calls = Vec::new();
    for piece in text[at..].split("<function=").skip(1).take(CALLS_MAX + 1) {
        let (name, body) = piece.split_once('>')?;
        let body = body.split("</function>").next().unwrap_or_default();
        let mut arguments = Map::new();
        for parameter in body.split("<parameter=").skip(1) {
            let (key, value) = parameter.split_once('>')?;
            let value = value.split("</parameter>").next().unwrap_or_default();
            arguments.insert(key.trim().to_owned(), one_line_less(value).into());
        }
        calls.push((name.trim().to_owned(), Value::Object(arguments).to_string()));
    }
    Some((at, calls))
}

/// The template puts a line break on each side of a value.
fn one_line_less(value: &str) -> &str {
    let value = value.strip_prefix('\n').unwrap_or(value);
    value.strip_suffix('\n').unwrap_or(value)
}

/// `[TOOL_CALLS][{…}]` or `[TOOL_CALLS]name[ARGS]{…}`, as Mistral has it.
fn bracketed(text: &str) -> Option<(usize, Calls)> {
    let at = text.find("[TOOL_CALLS]")?;
    let mut calls = Vec::new();
    for piece in text[at..].split("[TOOL_CALLS]").skip(1).take(CALLS_MAX + 1) {
        let piece = piece.trim();
        if piece.starts_with(['[', '{']) {
            calls.extend(of_json(&json_at(piece)?)?);
        } else {
            let (name, arguments) = piece.split_at(piece.find('{')?);
            let name = name.split('[').next().unwrap_or_default().trim();
            calls.push((name.to_owned(), json_at(arguments)?.to_string()));
        }
    }
    Some((at, calls))
}

/// `<|python_tag|>{"name": …, "parameters": …}`, as Llama has it.
fn python_tag(text: &str) -> Option<(usize, Calls)> {
    let at = text.find("<|python_tag|>")?;
    let mut calls = Vec::new();
    for piece in text[at + "<|python_tag|>".len()..]
        .split(';')
        .filter(|piece| !piece.trim().is_empty())
    {
        match json_at(piece.trim()) {
            Some(value) => calls.extend(of_json(&value)?),
            None => {
                return Some((
                    at,
                    of_json(&json_at(text[at + "<|python_tag|>".len()..].trim())?)?,
                ));
            }
        }
    }
    Some((at, calls))
}

/// `<|channel|>commentary to=functions.name <|constrain|>json<|message|>{…}<|call|>`, as gpt-oss has it.
fn harmony(text: &str) -> Option<(usize, Calls)> {
    let at = text.find(HARMONY_CALL)?;
    let mut calls = Vec::new();
    for piece in text[at..].split(HARMONY_CALL).skip(1).take(CALLS_MAX + 1) {
        let (head, body) = piece.split_once("<|message|>")?;
        let (_, to) = head.split_once("to=")?;
        let name = to
            .split(|c: char| c.is_whitespace() || c == '<')
            .next()
            .unwrap_or_default();
        calls.push((
            name.trim_start_matches("functions.").to_owned(),
            json_at(body.trim())?.to_string(),
        ));
    }
    Some((at, calls))
}

/// `<｜tool▁call▁begin｜>function<｜tool▁sep｜>name` and a fence, as DeepSeek has it.
fn deepseek(text: &str) -> Option<(usize, Calls)> {
    let at = find_mark(text, &["<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"])?.0;
    let mut calls = Vec::new();
    for piece in text[at..]
        .split("<｜tool▁call▁begin｜>")
        .skip(1)
        .take(CALLS_MAX + 1)
    {
        let (first, rest) = piece.split_once("<｜tool▁sep｜>")?;
        let json = rest.split_at(rest.find('{')?);
        let name = if json.0.trim().is_empty() {
            first
        } else {
            json.0.lines().next().unwrap_or_default()
        };
        calls.push((name.trim().to_owned(), json_at(json.1)?.to_string()));
    }
    Some((at, calls))
}

/// `<invoke name="…"><parameter name="…">…</parameter></invoke>`, as MiniMax and Claude have it.
fn invoked(text: &str) -> Option<(usize, Calls)> {
    let at = find_mark(
        text,
        &["<minimax:tool_call>", "<function_calls>", "<invoke name=\""],
    )?
    .0;
    let mut calls = Vec::new();
    for piece in text[at..]
        .split("<invoke name=\"")
        .skip(1)
        .take(CALLS_MAX + 1)
    {
        let (name, body) = piece.split_once("\">")?;
        let body = body.split("</invoke>").next().unwrap_or_default();
        let mut arguments = Map::new();
        for parameter in body.split("<parameter name=\"").skip(1) {
            let (key, value) = parameter.split_once("\">")?;
            arguments.insert(
                key.to_owned(),
                one_line_less(value.split("</parameter>").next().unwrap_or_default()).into(),
            );
        }
        calls.push((name.to_owned(), Value::Object(arguments).to_string()));
    }
    Some((at, calls))
}

/// A fence of JSON at the very end.
fn fenced(text: &str) -> Option<(usize, Calls)> {
    let body = text.trim_end().strip_suffix("```")?;
    let at = body.rfind("```")?;
    let (language, json) = body[at + 3..].split_once('\n')?;
    if !["", "json", "tool_call", "tool_code", "tool"].contains(&language.trim()) {
        return None;
    }
    Some((at, of_json(&serde_json::from_str(json.trim()).ok()?)?))
}

/// JSON and nothing else.
fn bare(text: &str) -> Option<(usize, Calls)> {
    let json = text.trim();
    if !json.starts_with(['{', '[']) {
        return None;
    }
    Some((0, of_json(&serde_json::from_str(json).ok()?)?))
}

/// The first JSON value of a text, whatever follows it.
fn json_at(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .next()?
        .ok()
        .filter(|value| value.is_object() || value.is_array())
}

/// Calls in the shapes that models write them in.
fn of_json(value: &Value) -> Option<Calls> {
    match value {
        Value::Array(all) => all
            .iter()
            .map(of_json)
            .collect::<Option<Vec<_>>>()
            .map(|all| all.into_iter().flatten().collect()),
        Value::Object(map) => {
            if let Some(all) = map.get("tool_calls").or(map.get("toolcalls")) {
                return of_json(all);
            }
            let inner = map.get("function").filter(|inner| inner.is_object());
            let of = |names: &[&str]| {
                names
                    .iter()
                    .find_map(|name| inner.and_then(|inner| inner.get(name)).or(map.get(*name)))
            };
            let name = of(&["name", "tool", "tool_name", "function"])?.as_str()?;
            let arguments = match of(&["arguments", "parameters", "args", "input", "params"]) {
                None => "{}".to_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(object @ Value::Object(_)) => object.to_string(),
                Some(_) => return None,
            };
            Some(vec![(name.to_owned(), arguments)])
        }
        _ => None,
    }
}
