//! `[models]` of the configuration.

use crate::wire::dialect::ReasoningField;
use crate::wire::{Family, SchemaDialect, ThinkingStyle, TokenParameter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Models: vendors, profiles, prices, time limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// The model for runs that name none: `vendor/model` or a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Vendors, by the name that stands before the slash of a model. A known name only needs what differs.
    pub vendors: BTreeMap<String, VendorConfig>,
    /// Short names such as `fast`, `strong` and `code`, for `vendor/model`.
    pub profiles: BTreeMap<String, String>,
    /// Prices by `vendor/model` or `vendor/*`; they go before those of the price file.
    pub prices: BTreeMap<String, PriceConfig>,
    /// Time limits.
    pub timeouts: Timeouts,
}

/// A vendor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VendorConfig {
    /// The wire: `chat` (OpenAI Chat Completions) or `messages` (Anthropic Messages). `chat` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// What stands before `/chat/completions` or `/v1/messages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The variable that holds the key, or with `_FILE` behind it, the path of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// A file with the key that only its owner can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// How the key is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The name of the output limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_parameter: Option<TokenParameter>,
    /// How JSON of a schema is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaDialect>,
    /// How effort is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingStyle>,
    /// The field in which reasoning is sent back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_back: Option<ReasoningField>,
    /// Whether `stream_options` is understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_usage: Option<bool>,
    /// Whether cache marks are understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_marks: Option<bool>,
    /// Whether user messages in a row must be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_users: Option<bool>,
    /// Models that differ from the vendor, by their name at the vendor.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelConfig>,
}

/// How a model differs from its vendor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// How effort is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingStyle>,
    /// How JSON of a schema is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaDialect>,
    /// The name of the output limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_parameter: Option<TokenParameter>,
}

/// What a model costs, in dollars per million tokens: `"2.50"`, or a whole number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PriceConfig {
    /// One price for all tokens. `0` for a model that costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// Tokens read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Amount>,
    /// Tokens read from the cache; as `input` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<Amount>,
    /// Tokens written to the cache; as `input` if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Amount>,
    /// Tokens written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Amount>,
}

/// An amount of dollars: text such as `"2.50"`, or a whole number. Never a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// Whole dollars.
    Whole(u32),
    /// Dollars with a point.
    Text(String),
}

/// Time limits, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For the connection.
    pub connect_ms: u64,
    /// From the request to the first bytes of the answer; large local models read for long.
    pub first_token_ms: u64,
    /// Between bytes of the answer.
    pub idle_ms: u64,
    /// For a whole request.
    pub total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect_ms: 10_000,
            first_token_ms: 180_000,
            idle_ms: 90_000,
            total_ms: 1_800_000,
        }
    }
}

/// How a key is sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`.
    XApiKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_of_it_and_refuses_typing_errors() {
        let text = r#"
            default = "code"
            [vendors.lab]
            family = "messages"
            base_url = "http://lab:8000"
            key_env = "LAB_KEY"
            auth = "bearer"
            [vendors.lab.models.old]
            thinking = "budget"
            [profiles]
            code = "lab/old"
            [prices."lab/old"]
            price = 0
            [timeouts]
            idle_ms = 5
        "#;
        let config: ModelsConfig = toml::from_str(text).unwrap();
        assert_eq!(
            config.vendors["lab"].models["old"].thinking,
            Some(ThinkingStyle::Budget)
        );
        assert_eq!(
            (config.timeouts.idle_ms, config.timeouts.connect_ms),
            (5, 10_000)
        );
        assert_eq!(
            toml::from_str::<ModelsConfig>(&toml::to_string(&config).unwrap()).unwrap(),
            config
        );
        for bad in [
            "defualt = 'x'",
            "[vendors.x]\nbase = 'x'",
            "[vendors.x]\nfamily = 'gopher'",
            "[timeouts]\nidle = 1",
        ] {
            assert!(toml::from_str::<ModelsConfig>(bad).is_err(), "{bad}");
        }
        assert!(
            schemars::schema_for!(ModelsConfig).as_value()["properties"]["vendors"].is_object()
        );
    }
}
