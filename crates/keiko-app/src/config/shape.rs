//! What keys there are and what they hold, taken from the JSON Schema, so that files, variables, suggestions and
//! `config init` all follow the one definition.

use super::key::KeyPath;
use super::raw::DOLLARS;
use crate::retention::{self, Age, Bytes};
use keiko_contracts::money::Micros;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use serde_json::Value;
use std::collections::BTreeMap;

/// Deeper than any real schema: what refers to itself ends here.
const MAX_DEPTH: usize = 12;

/// A place in a file.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// What it is for.
    pub(crate) about: String,
    pub(crate) shape: Shape,
}

/// What may stand in a place.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// A section with these keys.
    Table(BTreeMap<String, Field>),
    /// A section with names that people choose, or with these names only.
    Map {
        names: Option<Vec<String>>,
        of: Box<Field>,
    },
    /// A list.
    List(Box<Field>),
    /// A value.
    Value(Kinds),
}

/// What a value may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinds {
    pub(crate) text: bool,
    pub(crate) integer: bool,
    pub(crate) boolean: bool,
    /// The only texts that are permitted; empty for any.
    pub(crate) words: Vec<String>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) dollars: bool,
    pub(crate) age: bool,
    pub(crate) bytes: bool,
}

impl Field {
    /// The shape of a schema.
    pub(crate) fn of(schema: &schemars::Schema) -> Field {
        let root = schema.as_value();
        let none = Value::Null;
        read(root, root.get("$defs").unwrap_or(&none), MAX_DEPTH)
    }

    /// Restricts the names of a map.
    pub(crate) fn with_names(mut self, section: &str, names: &[&str]) -> Field {
        if let Shape::Table(fields) = &mut self.shape
            && let Some(Field {
                shape: Shape::Map { names: slot, .. },
                ..
            }) = fields.get_mut(section)
        {
            *slot = Some(names.iter().map(|name| (*name).to_owned()).collect());
        }
        self
    }

    /// What may stand directly below.
    pub(crate) fn child(&self, name: &str) -> Option<&Field> {
        match &self.shape {
            Shape::Table(fields) => fields.get(name),
            Shape::Map {
                names: Some(names), ..
            } if !names.iter().any(|n| n == name) => None,
            Shape::Map { of, .. } => Some(of),
            Shape::List(_) | Shape::Value(_) => None,
        }
    }

    /// The field of a key.
    pub(crate) fn find(&self, key: &KeyPath) -> Option<&Field> {
        key.parts()
            .iter()
            .try_fold(self, |field, part| field.child(part))
    }

    /// The key that an unknown one was probably meant to be.
    pub(crate) fn suggest(&self, unknown: &KeyPath) -> Option<KeyPath> {
        let mut section = (self, KeyPath::default());
        let mut wrong = unknown.last();
        for part in unknown.parts() {
            match section.0.child(part) {
                Some(field) => section = (field, section.1.child(part)),
                None => {
                    wrong = part;
                    break;
                }
            }
        }
        let here = section.0.names().into_iter();
        if let Some(name) = nearest(wrong, here) {
            let rest = unknown.parts().iter().skip(section.1.parts().len() + 1);
            let whole = rest.fold(section.1.child(&name), |key, part| key.child(part));
            return Some(if self.find(&whole).is_some() {
                whole
            } else {
                section.1.child(&name)
            });
        }
        let mut all = Vec::new();
        self.keys(&KeyPath::default(), &mut all);
        let name = nearest(unknown.last(), all.iter().map(|key| key.last().to_owned()))?;
        all.into_iter().find(|key| key.last() == name)
    }

    /// The names that can stand directly below and are known.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.shape {
            Shape::Table(fields) => fields.keys().cloned().collect(),
            Shape::Map { names, .. } => names.clone().unwrap_or_default(),
            Shape::List(_) | Shape::Value(_) => Vec::new(),
        }
    }

    /// All keys with values, outside of maps.
    fn keys(&self, at: &KeyPath, all: &mut Vec<KeyPath>) {
        match &self.shape {
            Shape::Table(fields) => fields
                .iter()
                .for_each(|(name, field)| field.keys(&at.child(name), all)),
            Shape::Value(_) | Shape::List(_) => all.push(at.clone()),
            Shape::Map { .. } => {}
        }
    }
}

/// The nearest of several words, if one is near enough to have been meant.
pub(crate) fn nearest(word: &str, among: impl Iterator<Item = String>) -> Option<String> {
    let word: String = word
        .to_lowercase()
        .replace('-', "_")
        .chars()
        .take(64)
        .collect();
    let far = (word.chars().count() / 3).clamp(1, 4);
    among
        .map(|name| (strsim::damerau_levenshtein(&word, &name), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

impl Kinds {
    /// Checks a value.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(crate) fn check(&self, value: &toml::Value) -> Result<(), (Said, Said)> {
        match value {
            toml::Value::String(text) if self.dollars => text
                .parse::<Micros>()
                .map(drop)
                .map_err(|e| (e.said(), self.expected())),
            toml::Value::String(text) if self.age => self.fits(text.parse::<Age>()),
            toml::Value::String(text) if self.bytes => self.fits(text.parse::<Bytes>()),
            toml::Value::String(text) if !self.words.is_empty() => {
                if self.words.iter().any(|word| word == text) {
                    return Ok(());
                }
                let shown: String = text.chars().take(40).collect();
                let hint = match nearest(text, self.words.iter().cloned()) {
                    Some(word) => say!(
                        "did you mean {word}? There are: {words}",
                        word = format_args!("{word:?}"),
                        words = self.words
                    ),
                    None => say!("there are: {names}", names = self.words),
                };
                Err((
                    say!(
                        "{shown} is none of the values that are possible here",
                        shown = format_args!("{shown:?}")
                    ),
                    hint,
                ))
            }
            toml::Value::String(_) if self.text => Ok(()),
            toml::Value::Integer(n) if self.integer => {
                let fits =
                    self.min.is_none_or(|min| *n >= min) && self.max.is_none_or(|max| *n <= max);
                if fits {
                    Ok(())
                } else {
                    Err((say!("{n} is out of range", n = *n), self.expected()))
                }
            }
            toml::Value::Boolean(_) if self.boolean => Ok(()),
            toml::Value::Float(number) if self.dollars || (self.text && self.integer) => Err((
                "a number with a point would be rounded".into(),
                say!(r#"write the amount in quotes: "{number}""#, number),
            )),
            other => Err((
                say!("this is {kind}", kind = Said::from(kind_of(other))),
                self.expected(),
            )),
        }
    }

    fn fits<T>(&self, parsed: Result<T, retention::Odd>) -> Result<(), (Said, Said)> {
        let what = if self.age {
            "this is no age"
        } else {
            "this is no size"
        };
        parsed.map(drop).map_err(|_| (what.into(), self.expected()))
    }

    /// What is expected, in words.
    pub(crate) fn expected(&self) -> Said {
        if self.dollars {
            return "expected dollars such as \"0.50\", or a whole number".into();
        }
        if self.age {
            return retention::AGE_EXPECTED.into();
        }
        if self.bytes {
            return retention::BYTES_EXPECTED.into();
        }
        let mut words: Vec<Said> = Vec::new();
        if !self.words.is_empty() {
            words.push(say!("one of: {words}", words = self.words.join(", ")));
        } else if self.text {
            words.push("text in quotes".into());
        }
        if self.integer {
            words.push(match (self.min, self.max) {
                (Some(min), Some(max)) => say!("a whole number from {min} to {max}", min, max),
                (Some(min), None) => say!("a whole number, at least {min}", min),
                _ => "a whole number".into(),
            });
        }
        if self.boolean {
            words.push("true or false".into());
        }
        let what = words
            .into_iter()
            .reduce(|one, other| say!("{one}, or {other}", one, other));
        say!("expected {what}", what = what.unwrap_or_default())
    }

    /// Reads a value from a variable or an argument, where everything is text.
    pub(crate) fn read(&self, text: &str) -> toml::Value {
        if self.integer
            && let Ok(number) = text.parse()
        {
            return toml::Value::Integer(number);
        }
        match text {
            "true" if self.boolean => toml::Value::Boolean(true),
            "false" if self.boolean => toml::Value::Boolean(false),
            text => toml::Value::String(text.to_owned()),
        }
    }
}

/// What a value is, for people.
pub(crate) fn kind_of(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number with a point",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a section",
    }
}

fn read(schema: &Value, defs: &Value, depth: usize) -> Field {
    let about = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut field = Field {
        about,
        shape: Shape::Value(Kinds::default()),
    };
    if depth == 0 {
        return field;
    }
    if let Some(target) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|name| defs.get(name.rsplit('/').next()?))
    {
        let of = read(target, defs, depth - 1);
        field.shape = of.shape;
        if field.about.is_empty() {
            field.about = of.about;
        }
    } else if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        field.shape = Shape::Table(
            properties
                .iter()
                .map(|(name, of)| (name.clone(), read(of, defs, depth - 1)))
                .collect(),
        );
    } else if let Some(of) = schema
        .get("additionalProperties")
        .filter(|of| of.is_object())
    {
        field.shape = Shape::Map {
            names: None,
            of: Box::new(read(of, defs, depth - 1)),
        };
    } else if let Some(of) = schema.get("items") {
        field.shape = Shape::List(Box::new(read(of, defs, depth - 1)));
    } else if let Some(options) = ["anyOf", "oneOf"]
        .iter()
        .find_map(|name| schema.get(*name)?.as_array())
    {
        field.shape = one_of(
            options
                .iter()
                .filter(|of| of.get("type").is_none_or(|t| t != "null"))
                .map(|of| read(of, defs, depth - 1)),
        );
    } else {
        field.shape = Shape::Value(kinds(schema));
    }
    field
}

/// Several possibilities: values are joined, a section stands for itself.
fn one_of(options: impl Iterator<Item = Field>) -> Shape {
    let mut all = Kinds::default();
    for option in options {
        match option.shape {
            Shape::Value(kinds) => all.join(kinds),
            other => return other,
        }
    }
    Shape::Value(all)
}

impl Kinds {
    fn join(&mut self, other: Kinds) {
        self.text |= other.text;
        self.integer |= other.integer;
        self.boolean |= other.boolean;
        self.dollars |= other.dollars;
        self.age |= other.age;
        self.bytes |= other.bytes;
        self.words.extend(other.words);
        self.min = self.min.or(other.min);
        self.max = self.max.or(other.max);
    }
}

fn kinds(schema: &Value) -> Kinds {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let listed = schema
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(word);
    let words: Vec<String> = listed.chain(schema.get("const").and_then(word)).collect();
    let format = schema.get("format").and_then(Value::as_str);
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    Kinds {
        text: types.contains(&"string") || !words.is_empty(),
        integer: types.contains(&"integer"),
        boolean: types.contains(&"boolean"),
        words,
        min: bound("minimum"),
        max: bound("maximum").or((format == Some("uint32")).then_some(i64::from(u32::MAX))),
        dollars: format == Some(DOLLARS),
        age: format == Some(retention::AGE),
        bytes: format == Some(retention::BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawConfig;

    fn field() -> Field {
        Field::of(&schemars::schema_for!(RawConfig))
    }
    fn kinds_of(key: &str) -> Kinds {
        match field()
            .find(&KeyPath::parse(key).unwrap())
            .unwrap()
            .shape
            .clone()
        {
            Shape::Value(kinds) => kinds,
            other => panic!("{key} is {other:?}"),
        }
    }
    fn suggestion(key: &str) -> Option<String> {
        field()
            .suggest(&KeyPath::parse(key).unwrap())
            .map(|key| key.to_string())
    }

    #[test]
    fn the_shape_follows_the_types() {
        let steps = kinds_of("run.max_steps");
        assert!(steps.integer && !steps.text && steps.min == Some(1) && steps.max == Some(10_000));
        assert_eq!(kinds_of("run.approval").words, ["ask", "policy", "never"]);
        assert_eq!(kinds_of("language").words, ["en", "de"]);
        assert!(kinds_of("models.vendors.x.base_url").text);
        assert!(kinds_of("models.vendors.x.stream_usage").boolean);
        assert_eq!(
            kinds_of("models.vendors.x.family").words,
            ["chat", "messages"]
        );
        let price = kinds_of("models.prices.\"a/b\".price");
        assert!(price.text && price.integer);
        assert!(kinds_of("run.budget").dollars);
        assert!(
            field()
                .find(&KeyPath::parse("models.vendors.x.api_key").unwrap())
                .is_none()
        );
    }

    #[test]
    fn suggestions_are_near() {
        assert_eq!(
            suggestion("run.max_stpes").as_deref(),
            Some("run.max_steps")
        );
        assert_eq!(
            suggestion("rnu.max_steps").as_deref(),
            Some("run.max_steps")
        );
        assert_eq!(suggestion("max_steps").as_deref(), Some("run.max_steps"));
        assert_eq!(
            suggestion("models.vendors.mine.base_ulr").as_deref(),
            Some("models.vendors.mine.base_url")
        );
        assert_eq!(suggestion("zebra"), None);
    }

    #[test]
    fn values_are_judged_and_the_way_out_is_named() {
        use toml::Value;
        let steps = kinds_of("run.max_steps");
        assert!(steps.check(&Value::Integer(40)).is_ok());
        assert!(
            steps
                .check(&Value::Integer(0))
                .unwrap_err()
                .1
                .contains("from 1 to 10000")
        );
        assert!(
            steps
                .check(&Value::String("40".into()))
                .unwrap_err()
                .0
                .contains("text")
        );
        assert!(
            kinds_of("run.approval")
                .check(&Value::String("polcy".into()))
                .unwrap_err()
                .1
                .contains("\"policy\"")
        );
        assert!(
            kinds_of("run.budget")
                .check(&Value::Float(0.5))
                .unwrap_err()
                .1
                .contains("\"0.5\"")
        );
        assert_eq!(
            kinds_of("run.budget").read("0.50"),
            Value::String("0.50".into())
        );
        assert_eq!(
            kinds_of("models.prices.\"a/b\".price").read("0"),
            Value::Integer(0)
        );
    }
}
