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
use std::cell::Cell;
use std::collections::BTreeMap;
use std::{fmt, io};

/// Sentences in sentences; deeper than any real one. What is deeper is left out.
const DEPTH: usize = 8;

/// A sentence: an English template and what stands in its holes (`{name}`). Braces around anything else are text.
///
/// On the wire a sentence without holes is a string, any other one `{"say": "there is no run {run}", "with": {"run": "x"}}`.
/// The words of others (of a compiler, a model, a server) are sentences without holes, too.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    template: Cow<'static, str>,
    /// In a box, since faults are in many results; none without values.
    with: Option<Box<Holes>>,
}

type Holes = BTreeMap<Cow<'static, str>, Value>;

/// What stands in a hole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    fn template<'a>(&'a self, english: &str) -> Option<Cow<'a, str>>;
    /// Something to do next, as this face offers it.
    fn step(&self, step: &Step) -> String;
}

/// English, with steps as lines to type: what logs and `Display` use.
#[derive(Debug, Clone, Copy, Default)]
pub struct English;

impl Teller for English {
    fn template<'a>(&'a self, _: &str) -> Option<Cow<'a, str>> {
        None
    }
    fn step(&self, step: &Step) -> String {
        step.to_string()
    }
}

/// Makes a [`Said`] of a template and what stands in its holes: `say!("there is no run {run}", run)` takes `run` from the
/// scope, `say!("{n} of {all}", n = 1, all = total)` what it is given. Each hole must be given, and each value must have a
/// hole: both are checked when it is compiled.
///
/// What is [`ToValue`] comes into its hole as what it is: a sentence stays one, and a number a number. Anything else is
/// shown as its `Display` has it, and `format_args!` is for what needs a format of its own.
#[macro_export]
macro_rules! say {
    ($template:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const _: () = $crate::said::assert_holes($template, &[$(stringify!($name)),*]);
        $crate::said::Said::template($template)$(.with(stringify!($name), $crate::say!(@value $name $(= $value)?)))*
    }};
    (@value $name:ident = $value:expr) => {{
        #[allow(unused_imports, reason = "only what has a Display and nothing else needs it")]
        use $crate::said::Displayed as _;
        (&$crate::said::Hole(&$value)).value()
    }};
    (@value $name:ident) => { $crate::say!(@value $name = $name) };
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

/// What comes into the hole of a sentence as what it is, not as its text.
pub trait ToValue {
    /// As it stands in the hole.
    fn to_value(&self) -> Value;
}

/// What [`say!`](crate::say) puts into a hole.
#[derive(Debug)]
pub struct Hole<'a, T: ?Sized>(pub &'a T);

impl<T: ToValue + ?Sized> Hole<'_, T> {
    /// As it stands in the hole.
    #[must_use]
    pub fn value(&self) -> Value {
        self.0.to_value()
    }
}

/// What has no value of its own comes into a hole as its text: the compiler takes this for what is not [`ToValue`].
pub trait Displayed {
    /// As it stands in the hole.
    fn value(&self) -> Value;
}

impl<T: fmt::Display + ?Sized> Displayed for &Hole<'_, T> {
    fn value(&self) -> Value {
        Value::Text(self.0.to_string())
    }
}

thread_local! {
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Serializes what holds sentences for readers that want text, such as scripts: within `make`, on this thread, a sentence
/// becomes its English text.
pub fn plainly<T>(make: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            PLAIN.set(self.0);
        }
    }
    let _before = Before(PLAIN.replace(true));
    make()
}

/// Makes an error of a type with `fn said(&self) -> Said`: its `Display` is the English of it, and it comes into the holes
/// of sentences as a sentence.
#[macro_export]
macro_rules! said_is_error {
    ($error:ty) => {
        impl ::std::fmt::Display for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.said(), f)
            }
        }
        impl ::std::error::Error for $error {}
        impl $crate::said::ToValue for $error {
            fn to_value(&self) -> $crate::said::Value {
                $crate::said::Value::Said(self.said())
            }
        }
    };
}

impl Said {
    /// A template without values yet; [`say!`](crate::say) is the way to make one.
    #[must_use]
    pub const fn template(template: &'static str) -> Said {
        Said {
            template: Cow::Borrowed(template),
            with: None,
        }
    }

    /// The words of others, or a name.
    #[must_use]
    pub fn words(text: impl Into<String>) -> Said {
        Said {
            template: Cow::Owned(text.into()),
            with: None,
        }
    }

    /// Puts a value into a hole.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Said {
        let with = self.with.get_or_insert_default();
        with.insert(Cow::Borrowed(name), value.into());
        self
    }

    /// Several in a row, with semicolons between them.
    #[must_use]
    pub fn in_a_row(mut sentences: Vec<Said>) -> Said {
        // In halves, so that many are not nested deep.
        let other = sentences.split_off(sentences.len() / 2);
        match (sentences.is_empty(), other.len()) {
            (true, _) => other.into_iter().next().unwrap_or_default(),
            (false, _) => say!(
                "{one}; {other}",
                one = Said::in_a_row(sentences),
                other = Said::in_a_row(other)
            ),
        }
    }

    /// True when nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.template.is_empty()
    }

    /// True when its English text holds `words`.
    #[must_use]
    pub fn contains(&self, words: &str) -> bool {
        self.to_string().contains(words)
    }

    /// Itself, where something stands in its holes; a sentence without is its own text.
    #[must_use]
    pub fn with_values(self) -> Option<Said> {
        Some(self).filter(|said| said.with.is_some())
    }

    /// What stands in a hole.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.with.as_ref()?.get(name)
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.with.iter().flat_map(|with| with.values())
    }

    /// The English template: the key of a catalogue.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.template
    }

    /// The sentences that stand in its holes.
    pub fn sentences(&self) -> impl Iterator<Item = &Said> {
        self.values().filter_map(|value| match value {
            Value::Said(said) => Some(said),
            _ => None,
        })
    }

    /// The steps in it, in the order of their names, those of sentences in it included.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        fn of<'a>(value: &'a Value, depth: usize, steps: &mut Vec<&'a Step>) {
            match value {
                _ if depth == 0 => {}
                Value::Step(step) => steps.push(step),
                Value::Said(said) => {
                    said.values().for_each(|value| of(value, depth - 1, steps));
                }
                Value::List(values) => values.iter().for_each(|value| of(value, depth - 1, steps)),
                Value::Text(_) | Value::Number(_) => {}
            }
        }
        let mut steps = Vec::new();
        self.values().for_each(|value| of(value, DEPTH, &mut steps));
        steps.into_iter()
    }

    /// The same with each text in it cut to its first line, and to `max` bytes: for a line in a list.
    #[must_use]
    pub fn in_one_line(mut self, max: usize) -> Said {
        if let Cow::Owned(words) = &mut self.template
            && self.with.is_none()
        {
            *words = one_line(words, max);
        }
        let values = self.with.iter_mut().flat_map(|with| with.values_mut());
        values.for_each(|value| value.cut(max));
        self
    }

    /// The sentence as a face tells it.
    #[must_use]
    pub fn told(&self, by: &impl Teller) -> String {
        self.told_to(by, DEPTH)
    }

    fn told_to(&self, by: &impl Teller, depth: usize) -> String {
        let known = by.template(&self.template);
        let template = known.as_deref().unwrap_or(&self.template);
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            let hole = rest[at + 1..].split_once('}');
            match hole.and_then(|(name, after)| Some((self.value(name)?, after))) {
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

/// The first line of a text, cut to what fits.
fn one_line(text: &str, max: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    if line.len() <= max {
        return line.to_owned();
    }
    format!("{}...", &line[..line.floor_char_boundary(max)])
}

impl Value {
    fn cut(&mut self, max: usize) {
        match self {
            Value::Text(text) => *text = one_line(text, max),
            Value::Said(said) => *said = std::mem::take(said).in_one_line(max),
            Value::List(values) => values.iter_mut().for_each(|value| value.cut(max)),
            Value::Number(_) | Value::Step(_) => {}
        }
    }

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

impl PartialEq<str> for Said {
    fn eq(&self, english: &str) -> bool {
        self.told(&English) == english
    }
}

impl PartialEq<&str> for Said {
    fn eq(&self, english: &&str) -> bool {
        *self == **english
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
            with: None,
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

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(values: Vec<V>) -> Value {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue + ?Sized> ToValue for Box<T> {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for [T] {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(ToValue::to_value).collect())
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        self.as_str().to_value()
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl ToValue for Said {
    fn to_value(&self) -> Value {
        Value::Said(self.clone())
    }
}

impl ToValue for Step {
    fn to_value(&self) -> Value {
        Value::Step(self.clone())
    }
}

impl ToValue for io::Error {
    /// What the system says is a sentence, too: its number is what people look up.
    fn to_value(&self) -> Value {
        let text = self.to_string();
        let number = self.raw_os_error();
        let words = number.and_then(|n| text.strip_suffix(&format!(" (os error {n})")));
        Value::Said(match (words, number) {
            (Some(words), Some(n)) => Said::words(format!("{words} (os error {{n}})")).with("n", n),
            _ => Said::words(text),
        })
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Value {
                i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Number)
            }
        }
        impl ToValue for $number {
            fn to_value(&self) -> Value {
                Value::from(*self)
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
        let Some(with) = &self.with else {
            return serializer.serialize_str(&self.template);
        };
        if PLAIN.get() {
            return serializer.collect_str(self);
        }
        #[derive(Serialize)]
        struct Parts<'a> {
            say: &'a str,
            with: &'a Holes,
        }
        Parts {
            say: &self.template,
            with,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Words(words) => Said::words(words),
            Wire::Said { say, with } => {
                let with = with.into_iter();
                let with: Holes = with
                    .map(|(name, value)| (Cow::Owned(name), value))
                    .collect();
                Said {
                    template: Cow::Owned(say),
                    with: (!with.is_empty()).then(|| Box::new(with)),
                }
            }
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
            Value::Said(said) if said.with.is_none() => {
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
        fn template<'a>(&'a self, english: &str) -> Option<Cow<'a, str>> {
            match english {
                "{what} in {place}" => Some("in {place}: {what}".into()),
                "{n} place" => Some("{n} Stelle".into()),
                "{n} places" => Some("{n} Stellen".into()),
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
    fn what_stands_in_a_hole_is_what_it_is() {
        let error = io::Error::from_raw_os_error(2);
        let (one, words, number) = (nested(1), String::from("x"), 7_u64);
        let (by, name) = (&&one, "y");
        let said = say!(
            "{by} {one} {error} {words} {name} {number} {path} {step}",
            by,
            one,
            error,
            words,
            name,
            number,
            path = std::path::Path::new("/a").display(),
            step = Step::Doctor
        );
        let kinds = ["by", "one", "error"].map(|hole| said.value(hole).cloned());
        assert!(
            kinds
                .iter()
                .all(|kind| matches!(kind, Some(Value::Said(_))))
        );
        assert_eq!(said.value("number"), Some(&Value::Number(7)));
        assert_eq!(said.steps().count(), 1);
        assert!(said.contains("No such file or directory (os error 2) x y 7 /a keiko doctor"));
    }

    #[test]
    fn scripts_read_text() {
        let (said, inner) = (nested(2), Value::from(nested(2)));
        let text = plainly(|| serde_json::to_string(&(&said, &inner)).unwrap());
        assert_eq!(text, r#"["2 places in a {what}","2 places in a {what}"]"#);
        assert!(serde_json::to_string(&said).unwrap().contains("say"));
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
