//! What differs between vendors of one family. Data, never guessed from a model's name.

use keiko_contracts::model::{ChatRequest, OutputSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// How a vendor speaks its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The name of the output limit (chat only).
    pub tokens: TokenParameter,
    /// How JSON of a schema is asked for.
    pub schema: SchemaDialect,
    /// How effort is asked for.
    pub thinking: ThinkingStyle,
    /// The field in which reasoning goes back (chat only).
    pub reasoning_back: Option<ReasoningField>,
    /// `stream_options` is understood (chat only).
    pub stream_usage: bool,
    /// Cache marks are understood.
    pub cache_marks: bool,
    /// User messages in a row must be one (Messages always merges).
    pub merge_users: bool,
}

/// The name of the output limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenParameter {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// How JSON of a schema is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaDialect {
    /// The schema goes along, strict where it allows that (chat: `response_format`, Messages: `output_config.format`).
    JsonSchema,
    /// JSON of any shape is asked for, the schema stands in the prompt (chat only).
    JsonObject,
    /// The schema stands in the prompt only.
    Prompt,
}

/// How effort is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingStyle {
    /// It is not.
    None,
    /// By a word: `reasoning_effort` (chat), adaptive thinking with `output_config.effort` (Messages).
    Effort,
    /// By `reasoning: {effort}` (chat: OpenRouter).
    Object,
    /// By a number of tokens (Messages: older models).
    Budget,
}

/// The field that carries reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    /// `reasoning_content`.
    ReasoningContent,
    /// `reasoning`.
    Reasoning,
}

/// The sentence that asks for JSON where the wire has no field for it.
pub(crate) fn schema_prompt(output: &OutputSchema) -> String {
    format!(
        "Answer with one JSON document and nothing else. It must match this JSON Schema:\n{}",
        output.schema
    )
}

/// The texts of the system prompt, with their cache marks; a schema that the wire cannot carry is added at the end.
pub(crate) fn system_texts<'a>(
    request: &'a ChatRequest,
    dialect: &Dialect,
) -> Vec<(Cow<'a, str>, bool)> {
    let mut texts: Vec<(Cow<'a, str>, bool)> = request
        .system
        .iter()
        .filter(|block| !block.text.is_empty())
        .map(|b| (Cow::Borrowed(b.text.as_str()), b.cache))
        .collect();
    if let Some(output) = &request.output
        && dialect.schema != SchemaDialect::JsonSchema
    {
        texts.push((Cow::Owned(schema_prompt(output)), false));
    }
    texts
}

/// Whether a schema meets the rules of strict mode: every object closed, every property required.
pub(crate) fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            let closed = match map.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    let required: Vec<&str> = map
                        .get("required")
                        .and_then(Value::as_array)
                        .map(|r| r.iter().filter_map(Value::as_str).collect())
                        .unwrap_or_default();
                    map.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties.keys().all(|k| required.contains(&k.as_str()))
                }
                None => map.get("type").and_then(Value::as_str) != Some("object"),
            };
            closed && map.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strict_needs_closed_objects_with_all_properties_required() {
        let good = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"], "additionalProperties": false});
        assert!(is_strict(&good));
        for (key, value) in [
            ("required", json!([])),
            ("additionalProperties", json!(true)),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(!is_strict(&bad), "{key}");
        }
        assert!(!is_strict(
            &json!({"type": "array", "items": {"type": "object"}})
        ));
    }
}
