//! The configuration file as people write it. Its documentation, its JSON Schema and `config init` come from here.

use crate::retention::{Age, Bytes};
use keiko_contracts::approval::Installing;
use keiko_contracts::model::Effort;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{ApprovalMode, RunLimits};
use keiko_models::ModelsConfig;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// Keiko's configuration: `config.toml`, and the few keys of it that a project's `keiko.toml` may set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Keiko configuration")]
pub(crate) struct RawConfig {
    /// The language of reports and questions. If not set, the one of the environment (LC_ALL, LANG).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<Language>,
    /// What runs may use up, and who is asked.
    pub(crate) run: RawRun,
    /// The sandbox.
    pub(crate) sandbox: RawSandbox,
    /// What `runs prune` keeps of ended runs and of installed dependencies. Nothing is deleted without that command.
    pub(crate) retention: RawRetention,
    /// Logs, on stderr.
    pub(crate) log: RawLog,
    /// Language models.
    pub(crate) models: ModelsConfig,
}

/// A language that Keiko writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Language {
    En,
    De,
}

/// What runs may use up, and who is asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawRun {
    /// The model for runs that name none: `vendor/model`, or a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The most that a run may spend, in dollars: "0.50". If not set, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Money>,
    /// The most steps of a run.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) max_steps: u32,
    /// The most seconds that a run may work.
    #[schemars(range(min = 1, max = 604_800))]
    pub(crate) max_seconds: u32,
    /// How questions about risky actions are answered: `ask` before every change and command, `policy` where risk.toml says so, `never`: refuse them.
    pub(crate) approval: ApprovalMode,
    /// Whether missing packages that a project declares are installed, in the sandbox: `ask` first, `yes`, `no`. `--install` and what is remembered for a repository go before it.
    pub(crate) install: Installing,
    /// How hard the model is to think, where it can be told. If not set, that is left to its vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effort: Option<Effort>,
    /// How much of a conversation a model is given, in tokens.
    #[schemars(range(min = 4_000, max = 2_000_000))]
    pub(crate) context_tokens: u32,
    /// The longest answer of a model, in tokens.
    #[schemars(range(min = 256, max = 200_000))]
    pub(crate) max_output_tokens: u32,
}

impl Default for RawRun {
    fn default() -> Self {
        let limits = RunLimits::default();
        RawRun {
            model: None,
            budget: limits.budget.map(Money),
            max_steps: limits.max_steps,
            max_seconds: limits.max_seconds,
            approval: ApprovalMode::default(),
            install: Installing::default(),
            effort: None,
            context_tokens: limits.context_tokens,
            max_output_tokens: limits.max_output_tokens,
        }
    }
}

/// The sandbox.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawSandbox {
    /// Hosts that dependencies may be installed from, besides the usual registries and those that the settings of pip, npm, cargo and Go name: "github.com, *.corp.example".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registries: Option<String>,
    /// The most that the folders of a run may hold, in mebibytes.
    #[schemars(range(min = 64, max = 16_777_216))]
    pub(crate) workspace_mib: u32,
}

impl Default for RawSandbox {
    fn default() -> Self {
        RawSandbox {
            registries: None,
            workspace_mib: keiko_sandbox::jail::JailOptions::new("").workspace_mib,
        }
    }
}

/// What `runs prune` keeps of ended runs and of installed dependencies. Nothing is deleted without that command.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawRetention {
    /// What was of no use for so long is given back by `runs prune`. `--older-than` goes before it.
    pub(crate) older_than: Age,
    /// The most that workspaces and installed dependencies may take after `runs prune`. `--keep` goes before it. If not set, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep: Option<Bytes>,
}

impl Default for RawRetention {
    fn default() -> Self {
        RawRetention {
            older_than: Age::DEFAULT,
            keep: None,
        }
    }
}

/// Logs, on stderr.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLog {
    /// From which weight on something is logged. `KEIKO_LOG` goes before it.
    pub(crate) level: Weight,
    /// How logs look: lines for people, or JSON objects.
    pub(crate) format: LogFormat,
}

/// How weighty a log entry is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Weight {
    Off,
    #[default]
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Weight {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Weight::Off => "off",
            Weight::Error => "error",
            Weight::Warn => "warn",
            Weight::Info => "info",
            Weight::Debug => "debug",
            Weight::Trace => "trace",
        }
    }
}

/// How logs look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// An amount of dollars: text such as `"0.50"`, or a whole number. A number with a point is refused: it would be rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Money(pub(crate) Micros);

/// The format that marks amounts in the schema.
pub(crate) const DOLLARS: &str = "dollars";

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole(u32),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Whole(dollars) => dollars.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map(Money).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount of dollars: text such as \"0.50\", or a whole number.",
            "type": ["string", "integer"],
            "format": DOLLARS,
            "pattern": r"^([0-9]{1,7}(\.[0-9]{0,6})?|\.[0-9]{1,6})$",
            "minimum": 0,
            "maximum": 1_000_000
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_text_or_a_whole_number() {
        let budget = |text: &str| {
            toml::from_str::<RawConfig>(&format!("run.budget = {text}"))
                .map(|raw| raw.run.budget.unwrap().0)
        };
        assert_eq!(budget("\"0.50\"").unwrap(), Micros(500_000));
        assert_eq!(budget("2").unwrap(), Micros(2_000_000));
        for bad in ["0.5", "\"0,50\"", "-1", "\"nan\"", "true"] {
            assert!(budget(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_runs() {
        let raw = RawConfig::default().run;
        let limits = RunLimits::default();
        assert_eq!(
            (raw.max_steps, raw.max_seconds),
            (limits.max_steps, limits.max_seconds)
        );
        assert_eq!(raw.budget, None);
    }
}
