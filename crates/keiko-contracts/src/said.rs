//! What is said to people, as data: a sentence with named holes and what stands in them.
//!
//! A library makes a sentence once, with [`say!`](crate::say), in English; the journal keeps the template and the values.
//! A face renders it in the reader's language: it looks the German up under the English template, as gettext does, and
//! shows a [`Step`] as a command, a button or a spoken sentence. Nothing is parsed back.

use crate::step::Step;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Sentences in sentences; deeper than any real one. What is deeper is left out.
const DEPTH: usize = 8;

/// A sentence: an English template and what stands in its holes (`{name}`). Braces around anything else are text.
///
/// On the wire a sentence without holes is a string, any other one `{"say": "there is no run {run}", "with": {"run": "x"}}`.
/// The words of others (of a compiler, a model, a server) are sentences without holes, too.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Said {
    template: Cow<'static, str>,
    with: BTreeMap<Cow<'static, str>, Value>,
}

/// What stands in a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A name, a path, an amount, the words of others: shown as it is in every language.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A sentence, told in the reader's language.
    Said(Said),
    /// Several, with commas between them.
    List(Vec<Value>),
    /// Something to do next.
    Step(Step),
}

/// How a face tells sentences: in which language, and what a step looks like there.
pub trait Teller {
    /// The template in the reader's language, with the same holes; `None` leaves it in English.
    fn template(&self, english: &str) -> Option<&str>;
    /// Something to do next, as this face offers it.
    fn step(&self, step: &Step) -> String;
}

/// English, with steps as lines to type: what logs and `Display` use.
#[derive(Debug, Clone, Copy, Default)]
pub struct English;

impl Teller for English {
    fn template(&self, _: &str) -> Option<&str> {
        None
    }
    fn step(&self, step: &Step) -> String {
        step.to_string()
    }
}

/// Makes a [`Said`]: `say!("there is no run {run}")` takes `run` from the scope, `say!("{n} of {all}", n = 1, all = total)`
/// what it is given. Each hole must be given, and each value must have a hole: both are checked when it is compiled.
#[macro_export]
macro_rules! say {
    ($template:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const _: () = $crate::said::assert_holes($template, &[$(stringify!($name)),*]);
        $crate::said::Said::template($template)$(.with(stringify!($name), $crate::say!(@value $name $(= $value)?)))*
    }};
    (@value $name:ident = $value:expr) => { $value };
    (@value $name:ident) => { ::std::clone::Clone::clone(&$name) };
}

/// A sentence that counts: the first template where the number is one, else the second. Both languages count alike.
#[macro_export]
macro_rules! say_count {
    ($count:expr, $one:literal, $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        let count = $count;
        if count == 1 {
            $crate::said::Said::template($one)
        } else {
            $crate::said::Said::template($many)
        }
        .with("n", count)$(.with(stringify!($name), $crate::say!(@value $name $(= $value)?)))*
    }};
}

impl Said {
    /// A template without values yet; [`say!`](crate::say) is the way to make one.
    #[must_use]
    pub const fn template(template: &'static str) -> Said {
        Said {
            template: Cow::Borrowed(template),
            with: BTreeMap::new(),
        }
    }

    /// The words of others, or a name: never translated by this program.
    #[must_use]
    pub fn words(text: impl Into<String>) -> Said {
        Said {
            template: Cow::Owned(text.into()),
            with: BTreeMap::new(),
        }
    }

    /// Puts a value into a hole.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Said {
        self.with.insert(Cow::Borrowed(name), value.into());
        self
    }

    /// True when nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.template.is_empty()
    }

    /// What stands in a hole.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.with.get(name)
    }

    /// The English template: the key of a catalogue.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.template
    }

    /// The steps in it, in the order of their names, those of sentences in it included.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        fn of<'a>(value: &'a Value, depth: usize, steps: &mut Vec<&'a Step>) {
            match value {
                _ if depth == 0 => {}
                Value::Step(step) => steps.push(step),
                Value::Said(said) => {
                    said.with
                        .values()
                        .for_each(|value| of(value, depth - 1, steps));
                }
                Value::List(values) => values.iter().for_each(|value| of(value, depth - 1, steps)),
                Value::Text(_) | Value::Number(_) => {}
            }
        }
        let mut steps = Vec::new();
        self.with
            .values()
            .for_each(|value| of(value, DEPTH, &mut steps));
        steps.into_iter()
    }

    /// The sentence as a face tells it.
    #[must_use]
    pub fn told(&self, by: &impl Teller) -> String {
        self.told_to(by, DEPTH)
    }

    fn told_to(&self, by: &impl Teller, depth: usize) -> String {
        let template = by.template(&self.template).unwrap_or(&self.template);
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            let hole = rest[at + 1..].split_once('}');
            match hole.and_then(|(name, after)| Some((self.with.get(name)?, after))) {
                Some((value, after)) => {
                    value.tell(by, depth, &mut out);
                    rest = after;
                }
                None => {
                    out.push('{');
                    rest = &rest[at + 1..];
                }
            }
        }
        out.push_str(rest);
        out
    }
}

impl Value {
    fn tell(&self, by: &impl Teller, depth: usize, out: &mut String) {
        match self {
            Value::Text(text) => out.push_str(text),
            Value::Number(number) => out.push_str(&number.to_string()),
            _ if depth == 0 => out.push('…'),
            Value::Said(said) => out.push_str(&said.told_to(by, depth - 1)),
            Value::Step(step) => out.push_str(&by.step(step)),
            Value::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    value.tell(by, depth - 1, out);
                }
            }
        }
    }
}

/// Holds the holes of a template against the names that are given.
///
/// # Panics
/// When a name has no hole, or a hole no name: while the program is compiled.
pub const fn assert_holes(template: &str, names: &[&str]) {
    let text = template.as_bytes();
    let mut seen = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'{' {
            let end = end_of_name(text, at + 1);
            if end > at + 1 && end < text.len() && text[end] == b'}' {
                assert!(
                    position(text, at + 1, end, names) < names.len(),
                    "a hole is given no value"
                );
            }
        }
        at += 1;
    }
    while seen < names.len() {
        assert!(
            has_hole(text, names[seen].as_bytes()),
            "a value has no hole"
        );
        seen += 1;
    }
}

const fn end_of_name(text: &[u8], from: usize) -> usize {
    let mut end = from;
    while end < text.len()
        && (text[end].is_ascii_lowercase() || text[end].is_ascii_digit() || text[end] == b'_')
    {
        end += 1;
    }
    end
}

const fn position(text: &[u8], from: usize, end: usize, names: &[&str]) -> usize {
    let mut at = 0;
    while at < names.len() && !same(text, from, end, names[at].as_bytes()) {
        at += 1;
    }
    at
}

const fn has_hole(text: &[u8], name: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        let end = at + 1 + name.len();
        if text[at] == b'{'
            && end < text.len()
            && text[end] == b'}'
            && same(text, at + 1, end, name)
        {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(text: &[u8], from: usize, end: usize, name: &[u8]) -> bool {
    if end - from != name.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if text[from + at] != name[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl fmt::Display for Said {
    /// In English, with steps as lines to type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&English))
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl From<&'static str> for Said {
    fn from(template: &'static str) -> Said {
        Said::template(template)
    }
}

impl From<String> for Said {
    fn from(words: String) -> Said {
        Said::words(words)
    }
}

impl From<Cow<'static, str>> for Said {
    fn from(template: Cow<'static, str>) -> Said {
        Said {
            template,
            with: BTreeMap::new(),
        }
    }
}

impl From<Step> for Said {
    fn from(step: Step) -> Said {
        Said::template("{step}").with("step", step)
    }
}

impl From<Said> for Value {
    fn from(said: Said) -> Value {
        Value::Said(said)
    }
}

impl From<&Said> for Value {
    fn from(said: &Said) -> Value {
        Value::Said(said.clone())
    }
}

impl From<Step> for Value {
    fn from(step: Step) -> Value {
        Value::Step(step)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::Text(text.clone())
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Value {
        Value::Text(text.into_owned())
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(values: Vec<V>) -> Value {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Value {
                i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Number)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, usize, i32, i64);

/// Puts what has a text of its own (an id, an amount, a duration) into a hole, as it is.
pub fn shown(value: impl fmt::Display) -> Value {
    Value::Text(value.to_string())
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Words(String),
    Said {
        say: String,
        #[serde(default)]
        with: BTreeMap<String, Value>,
    },
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.with.is_empty() {
            return serializer.serialize_str(&self.template);
        }
        #[derive(Serialize)]
        struct Parts<'a> {
            say: &'a str,
            with: &'a BTreeMap<Cow<'static, str>, Value>,
        }
        Parts {
            say: &self.template,
            with: &self.with,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Words(words) => Said::words(words),
            Wire::Said { say, with } => Said {
                template: Cow::Owned(say),
                with: with
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name), value))
                    .collect(),
            },
        })
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Next<'a> {
            step: &'a Step,
        }
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Number(number) => serializer.serialize_i64(*number),
            // Not as a plain string, which would come back as text.
            Value::Said(said) if said.with.is_empty() => {
                BTreeMap::from([("say", &said.template)]).serialize(serializer)
            }
            Value::Said(said) => said.serialize(serializer),
            Value::List(values) => values.serialize(serializer),
            Value::Step(step) => Next { step }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Text(String),
            Number(i64),
            List(Vec<Value>),
            Step { step: Step },
            Said(Said),
        }
        Ok(
            match Any::deserialize(deserializer).map_err(D::Error::custom)? {
                Any::Text(text) => Value::Text(text),
                Any::Number(number) => Value::Number(number),
                Any::List(values) => Value::List(values),
                Any::Step { step } => Value::Step(step),
                Any::Said(said) => Value::Said(said),
            },
        )
    }
}

impl JsonSchema for Said {
    fn schema_name() -> Cow<'static, str> {
        "Said".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Value>();
        json_schema!({
            "description": "A sentence: its text, or an English template with holes and what stands in them.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "say": { "type": "string", "description": "The template: `{name}` is a hole." },
                        "with": { "type": "object", "additionalProperties": value }
                    },
                    "required": ["say"]
                }
            ]
        })
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "SaidValue".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (said, step) = (
            generator.subschema_for::<Said>(),
            generator.subschema_for::<Step>(),
        );
        let value = generator.subschema_for::<Value>();
        json_schema!({
            "description": "What stands in a hole: text and numbers as they are, a sentence, a list, or a step to take next.",
            "anyOf": [
                { "type": ["string", "integer"] },
                { "type": "array", "items": value },
                { "type": "object", "properties": { "step": step }, "required": ["step"] },
                said
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct German;

    impl Teller for German {
        fn template(&self, english: &str) -> Option<&str> {
            match english {
                "{what} in {place}" => Some("in {place}: {what}"),
                "{n} place" => Some("{n} Stelle"),
                "{n} places" => Some("{n} Stellen"),
                _ => None,
            }
        }
        fn step(&self, _: &Step) -> String {
            "[Prüfen]".into()
        }
    }

    fn nested(n: usize) -> Said {
        let what = say_count!(n, "{n} place", "{n} places");
        say!("{what} in {place}", what, place = "a {what}")
    }

    #[test]
    fn a_sentence_is_told_in_the_readers_language_down_to_its_parts() {
        assert_eq!(nested(1).to_string(), "1 place in a {what}");
        assert_eq!(nested(2).to_string(), "2 places in a {what}");
        assert_eq!(nested(2).told(&German), "in a {what}: 2 Stellen");
    }

    #[test]
    fn braces_that_are_no_holes_are_text() {
        let said = say!(r#"send {"a": {n}} or {N} {"#, n = 1);
        assert_eq!(said.to_string(), r#"send {"a": 1} or {N} {"#);
        assert_eq!(Said::words("{n} {").to_string(), "{n} {");
    }

    #[test]
    fn a_step_is_shown_as_the_face_offers_it() {
        let said = Said::from(Step::Doctor);
        assert_eq!(
            (said.to_string(), said.told(&German)),
            ("keiko doctor".into(), "[Prüfen]".into())
        );
        let deep = say!(
            "{said}, then {all}",
            said,
            all = vec![Step::Doctor, Step::Models]
        );
        assert_eq!(deep.steps().count(), 3);
    }

    #[test]
    fn a_sentence_comes_back_from_the_journal_as_it_was() {
        let all = say!(
            "{text}{number}{said}{bare}{list}{step}",
            text = "keiko doctor",
            number = -1_i32,
            said = nested(3),
            bare = Said::template("done"),
            list = vec![nested(1)],
            step = Step::Doctor
        );
        for said in [all, Said::words("as it is"), Said::default(), nested(1)] {
            let wire = serde_json::to_string(&said).unwrap();
            let back: Said = serde_json::from_str(&wire).unwrap();
            assert_eq!(
                (&back, back.to_string()),
                (&said, said.to_string()),
                "{wire}"
            );
        }
        assert_eq!(
            serde_json::to_string(&Said::words("x {y}")).unwrap(),
            r#""x {y}""#
        );
    }

    #[test]
    fn sentences_without_end_are_cut() {
        let mut said = Said::words("x");
        for _ in 0..100 {
            said = Said::template("{a}").with("a", said);
        }
        assert_eq!(said.to_string(), "…");
        assert_eq!(said.steps().count(), 0);
    }
}
