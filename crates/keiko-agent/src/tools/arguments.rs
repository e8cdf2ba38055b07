//! Arguments: one struct gives the schema that the model sees, and that schema is what its answer is held to.
//!
//! Reading is tolerant where only one thing can be meant (a Markdown fence, a number written as text, null for an
//! optional field) and otherwise says what is wrong and what would be right.

use super::{BadCall, aliases};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Longest raw arguments, in bytes: more than the largest file that a tool writes, escaped.
const RAW_MAX: usize = 2 << 20;

/// The specification of a tool: the doc comment of its arguments says what it does.
pub(super) fn spec_of<T: JsonSchema>(name: &'static str) -> ToolSpec {
    let mut schema = schema_of::<T>();
    let description = schema
        .as_object_mut()
        .and_then(|map| map.remove("description"));
    #[expect(
        clippy::expect_used,
        reason = "names are literals of this crate, and a test makes all of them"
    )]
    let name = name.parse().expect("a valid tool name");
    ToolSpec {
        name,
        description: description
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        schema,
    }
}

/// A specification in short: its first sentence, and of each field only what its name does not say.
pub(super) fn shortened(spec: &ToolSpec) -> ToolSpec {
    let description = spec
        .description
        .split_inclusive('.')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut schema = spec.schema.clone();
    shorten(&mut schema);
    ToolSpec {
        name: spec.name.clone(),
        description,
        schema,
    }
}

fn shorten(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for told in [
        "description",
        "additionalProperties",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
    ] {
        map.remove(told);
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(shorten);
    }
    if let Some(items) = map.get_mut("items") {
        shorten(items);
    }
}

/// The schema of a struct of arguments without anything that a model does not need.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy(&mut schema);
    schema
}

fn tidy(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for noise in ["title", "format", "$schema", "default"] {
        map.remove(noise);
    }
    // Optional is said by not being required; `null` besides only makes the schema longer.
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(tidy);
    }
    if let Some(items) = map.get_mut("items") {
        tidy(items);
    }
}

/// Reads raw arguments.
pub(super) fn parse<T: JsonSchema + DeserializeOwned>(raw: &str) -> Result<T, BadCall> {
    parse_with(raw, |_| {})
}

/// Reads raw arguments, after a tool has given a shape of other systems its own.
pub(super) fn parse_with<T: JsonSchema + DeserializeOwned>(
    raw: &str,
    reshape: impl FnOnce(&mut Value),
) -> Result<T, BadCall> {
    if raw.len() > RAW_MAX {
        return Err(BadCall(format!(
            "the arguments are {} bytes long; at most {RAW_MAX} are read",
            raw.len()
        )));
    }
    let text = unfence(raw);
    let mut value: Value = if text.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_str(text).map_err(|error| not_json(text, &error))?
    };
    // Some models write the object as text once more. Only an object is taken out of it.
    unwrap_text(&mut value, Value::is_object);
    if value.is_null() {
        value = Value::Object(Map::new());
    }
    reshape(&mut value);
    check(&mut value, &schema_of::<T>(), "").map_err(BadCall)?;
    serde_json::from_value(value)
        .map_err(|error| BadCall(format!("the arguments do not fit: {error}")))
}

/// Takes the text out of a Markdown fence, if the whole of it stands in one.
fn unfence(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"))
        .and_then(|rest| rest.split_once('\n'));
    match inner {
        Some((language, body)) if language.trim().chars().all(|c| c.is_ascii_alphanumeric()) => {
            body.trim()
        }
        _ => text,
    }
}

fn not_json(text: &str, error: &serde_json::Error) -> BadCall {
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or("");
    let near: String = line
        .chars()
        .skip(error.column().saturating_sub(30))
        .take(60)
        .collect();
    let cut = if error.is_eof() {
        "; the arguments seem to be cut off: send less at once"
    } else {
        ""
    };
    BadCall(format!(
        "the arguments are not JSON: {error}, near `{near}`{cut}; expected one JSON object"
    ))
}

/// `; did you mean ...?`, or nothing when no name is near.
pub(super) fn did_you_mean(given: &str, names: &[&str]) -> String {
    let given: String = given.chars().take(64).collect();
    similar::get_close_matches(given.as_str(), names, 1, 0.6)
        .first()
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Holds a value to its schema, and turns what can only mean one thing into it.
fn check(value: &mut Value, schema: &Value, at: &str) -> Result<(), String> {
    match schema["type"].as_str().unwrap_or_default() {
        "object" => check_object(value, schema, at),
        "array" => check_list(value, schema, at),
        "integer" => check_integer(value, schema, at),
        "boolean" => {
            match value.as_str() {
                Some("true" | "True" | "yes") => *value = Value::Bool(true),
                Some("false" | "False" | "no") => *value = Value::Bool(false),
                _ => {}
            }
            if value.is_boolean() {
                Ok(())
            } else {
                Err(wrong(value, schema, at))
            }
        }
        "string" if !value.is_string() => Err(wrong(value, schema, at)),
        _ => Ok(()),
    }
}

fn check_object(value: &mut Value, schema: &Value, at: &str) -> Result<(), String> {
    let empty = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&empty);
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    unwrap_text(value, Value::is_object);
    let Value::Object(map) = value else {
        return Err(wrong(value, schema, at));
    };
    aliases::rename(map, fields)?;
    if let Some(unknown) = map.keys().find(|key| !fields.contains_key(*key)) {
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let shown: String = unknown.chars().take(64).collect();
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Err(format!(
            "`{}` is not known{}; known fields: {known}",
            place(at, &shown),
            did_you_mean(unknown, &names)
        ));
    }
    map.retain(|key, item| !item.is_null() || required.contains(&key.as_str()));
    for (name, field) in fields {
        let place = place(at, name);
        match map.get_mut(name) {
            Some(item) => check(item, field, &place)?,
            None if required.contains(&name.as_str()) => {
                return Err(format!(
                    "`{place}` is missing; expected {}",
                    expected(field)
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// Takes a value out of the text that a model has written it as once more.
fn unwrap_text(value: &mut Value, fits: impl Fn(&Value) -> bool) {
    if let Value::String(text) = &*value
        && let Ok(inner) = serde_json::from_str(unfence(text))
        && fits(&inner)
    {
        *value = inner;
    }
}

fn check_list(value: &mut Value, schema: &Value, at: &str) -> Result<(), String> {
    unwrap_text(value, |value| value.is_array() || value.is_object());
    // One where a list of such is expected.
    if value.is_object() && schema["items"]["type"] == "object" {
        *value = Value::Array(vec![value.take()]);
    }
    let Value::Array(items) = value else {
        return Err(wrong(value, schema, at));
    };
    let limit = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    if limit("minItems").is_some_and(|min| items.len() < min) {
        return Err(format!("`{at}` is empty; expected {}", expected(schema)));
    }
    if let Some(max) = limit("maxItems").filter(|max| items.len() > *max) {
        return Err(format!("`{at}` has {} items; at most {max}", items.len()));
    }
    items
        .iter_mut()
        .enumerate()
        .try_for_each(|(i, item)| check(item, &schema["items"], &format!("{at}[{i}]")))
}

fn check_integer(value: &mut Value, schema: &Value, at: &str) -> Result<(), String> {
    let number = match &*value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|n| n.fract() == 0.0 && n.abs() < 1e15)
                .map(|n| n as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        return Err(wrong(value, schema, at));
    };
    if let Some(min) = schema["minimum"].as_i64().filter(|min| number < *min) {
        return Err(format!("`{at}` is {number}; at least {min}"));
    }
    if let Some(max) = schema["maximum"].as_i64().filter(|max| number > *max) {
        return Err(format!("`{at}` is {number}; at most {max}"));
    }
    *value = number.into();
    Ok(())
}

fn place(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

fn wrong(value: &Value, schema: &Value, at: &str) -> String {
    let shown: String = value.to_string().chars().take(60).collect();
    let kind = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => shown,
        Value::Number(_) => format!("the number {shown}"),
        Value::String(_) => format!("the text {shown}"),
        Value::Array(_) => format!("the list {shown}"),
        Value::Object(_) => format!("the object {shown}"),
    };
    let what = if at.is_empty() {
        "the whole of the arguments".to_owned()
    } else {
        format!("`{at}`")
    };
    format!("{what} is {kind}; expected {}", expected(schema))
}

fn expected(schema: &Value) -> String {
    let kind = match schema["type"].as_str().unwrap_or_default() {
        "object" => "a JSON object",
        "array" => "a list",
        "integer" => "a whole number",
        "boolean" => "true or false",
        _ => "text",
    };
    match schema["description"].as_str() {
        Some(description) => format!("{kind}: {description}"),
        None => kind.to_owned(),
    }
}

/// Refuses text that is too long, or empty where that means nothing.
pub(super) fn bounded(field: &str, text: &str, max: usize) -> Result<(), BadCall> {
    if text.trim().is_empty() {
        return Err(BadCall(format!("`{field}` is empty")));
    }
    at_most(field, text, max)
}

/// Refuses text that is too long.
pub(super) fn at_most(field: &str, text: &str, max: usize) -> Result<(), BadCall> {
    if text.len() > max {
        Err(BadCall(format!(
            "`{field}` is {} bytes long; at most {max}",
            text.len()
        )))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    /// One piece.
    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Piece {
        /// Text as it stands.
        old: String,
        /// All of them.
        all: Option<bool>,
    }

    /// What it does
    /// in two lines.
    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        /// The file.
        path: String,
        /// First line.
        #[schemars(range(min = 1, max = 100))]
        from_line: Option<u32>,
        /// The pieces.
        #[schemars(length(min = 1, max = 2))]
        edits: Option<Vec<Piece>>,
    }

    fn said(raw: &str) -> String {
        parse::<Sample>(raw).unwrap_err().0
    }

    #[test]
    fn the_schema_is_closed_and_bare() {
        let spec = spec_of::<Sample>("sample");
        assert_eq!(spec.description, "What it does in two lines.");
        assert_eq!(
            spec.schema,
            serde_json::json!({
                "type": "object", "additionalProperties": false, "required": ["path"],
                "properties": {
                    "path": {"type": "string", "description": "The file."},
                    "from_line": {"type": "integer", "description": "First line.", "minimum": 1, "maximum": 100},
                    "edits": {"type": "array", "description": "The pieces.", "minItems": 1, "maxItems": 2, "items": {
                        "type": "object", "description": "One piece.", "additionalProperties": false, "required": ["old"],
                        "properties": {"old": {"type": "string", "description": "Text as it stands."}, "all": {"type": "boolean", "description": "All of them."}}
                    }}
                }
            })
        );
    }

    #[test]
    fn what_can_mean_only_one_thing_is_taken() {
        let want = Sample {
            path: "a".into(),
            from_line: Some(7),
            edits: None,
        };
        for raw in [
            r#"{"path":"a","from_line":7}"#,
            r#"{"path":"a","from_line":"7","edits":null}"#,
            r#" {"path":"a","from_line":7.0} "#,
            "```json\n{\"path\":\"a\",\"from_line\":7}\n```",
            r#""{\"path\":\"a\",\"from_line\":7}""#,
        ] {
            assert_eq!(parse::<Sample>(raw).unwrap(), want, "{raw}");
        }
        let all = parse::<Sample>(r#"{"path":"a","edits":[{"old":"x","all":"true"}]}"#).unwrap();
        assert_eq!(
            all.edits,
            Some(vec![Piece {
                old: "x".into(),
                all: Some(true)
            }])
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        assert_eq!(said("{}"), "`path` is missing; expected text: The file.");
        assert_eq!(said(""), "`path` is missing; expected text: The file.");
        assert_eq!(
            said(r#"{"path":"a","edits":[{}]}"#),
            "`edits[0].old` is missing; expected text: Text as it stands."
        );
        assert_eq!(
            said(r#"{"path":"a","edits":[{"old":5}]}"#),
            "`edits[0].old` is the number 5; expected text: Text as it stands."
        );
        assert_eq!(
            said(r#"{"path":null}"#),
            "`path` is null; expected text: The file."
        );
        assert_eq!(
            said(r#"{"paht":"a"}"#),
            "`paht` is not known; did you mean `path`?; known fields: edits, from_line, path"
        );
        assert_eq!(
            said(r#"{"path":"a","edits":[]}"#),
            "`edits` is empty; expected a list: The pieces."
        );
        assert_eq!(
            said(r#"{"path":"a","from_line":"x"}"#),
            "`from_line` is the text \"x\"; expected a whole number: First line."
        );
        assert_eq!(
            said(r#"{"path":"a","from_line":1.5}"#),
            "`from_line` is the number 1.5; expected a whole number: First line."
        );
        assert_eq!(
            said(r#"{"path":"a","from_line":0}"#),
            "`from_line` is 0; at least 1"
        );
        assert_eq!(
            said(r#"{"path":"a","from_line":101}"#),
            "`from_line` is 101; at most 100"
        );
        assert_eq!(
            said("[1]"),
            "the whole of the arguments is the list [1]; expected a JSON object: What it does in two lines."
        );
    }

    #[test]
    fn broken_json_is_shown_where_it_breaks() {
        let trailing = said(r#"{"path":"a",}"#);
        assert!(
            trailing.starts_with("the arguments are not JSON: trailing comma at line 1 column 13"),
            "{trailing}"
        );
        assert!(said(r#"{"path":"a"#).contains("cut off: send less at once"));
        assert!(said(&"[".repeat(100_000)).contains("recursion limit"));
        assert!(said(&" ".repeat(RAW_MAX + 1)).contains("at most"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(raw in "\\PC{0,80}") {
            let _ = parse::<Sample>(&raw);
        }
        #[test]
        fn a_path_comes_through_as_it_was_written(path in "\\PC{0,80}") {
            let raw = serde_json::json!({"path": path}).to_string();
            prop_assert_eq!(parse::<Sample>(&raw).unwrap().path, path);
        }
    }
}
