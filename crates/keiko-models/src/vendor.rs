//! Vendors as rows of data over the wire families.

use crate::config::Auth;
use crate::config::{ModelConfig, ModelsConfig, VendorConfig};
use crate::fault::Asked;
use crate::key::{ApiKey, Env};
use crate::wire::dialect::ReasoningField;
use crate::wire::{Dialect, Family, SchemaDialect, ThinkingStyle, TokenParameter};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use reqwest::Url;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// What is known about a vendor before anything is configured.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name before the slash.
    pub name: &'static str,
    /// The wire.
    pub family: Family,
    /// The address.
    pub base_url: &'static str,
    /// A variable that overrides the address.
    pub base_env: Option<&'static str>,
    /// The variable that holds the key.
    pub key_env: Option<&'static str>,
    /// Runs on the user's own machine: needs no key, and costs nothing while its address is local.
    pub local: bool,
    /// How it speaks.
    pub dialect: Dialect,
    /// A model of the price file for those who have a key and name no model.
    pub suggests: Option<&'static str>,
}

/// Models whose effort is asked for in another way than their vendor's newer ones, by exact name.
const THINKING: &[(&str, &str, ThinkingStyle)] = &[
    ("anthropic", "claude-haiku-4-5", ThinkingStyle::Budget),
    ("anthropic", "claude-opus-4-1", ThinkingStyle::Budget),
    ("anthropic", "claude-sonnet-4-5", ThinkingStyle::Budget),
    ("openai", "gpt-4.1", ThinkingStyle::None),
    ("openai", "gpt-4.1-mini", ThinkingStyle::None),
    ("openai", "gpt-4.1-nano", ThinkingStyle::None),
    ("openai", "gpt-4o", ThinkingStyle::None),
    ("openai", "gpt-4o-mini", ThinkingStyle::None),
];

const CHAT: Dialect = Dialect {
    tokens: TokenParameter::MaxTokens,
    schema: SchemaDialect::JsonSchema,
    thinking: ThinkingStyle::None,
    reasoning_back: None,
    stream_usage: true,
    cache_marks: false,
    merge_users: false,
};
const LOCAL: Dialect = Dialect {
    merge_users: true,
    ..CHAT
};

const fn chat(
    name: &'static str,
    base_url: &'static str,
    key_env: &'static str,
    dialect: Dialect,
) -> Row {
    Row {
        name,
        family: Family::Chat,
        base_url,
        base_env: None,
        key_env: Some(key_env),
        local: false,
        dialect,
        suggests: None,
    }
}
const fn local(name: &'static str, base_url: &'static str, key_env: Option<&'static str>) -> Row {
    Row {
        name,
        family: Family::Chat,
        base_url,
        base_env: None,
        key_env,
        local: true,
        dialect: LOCAL,
        suggests: None,
    }
}

/// The vendors that need no configuration but a key.
pub const ROWS: &[Row] = &[
    Row {
        name: "anthropic",
        family: Family::Messages,
        base_url: "https://api.anthropic.com",
        base_env: Some("ANTHROPIC_BASE_URL"),
        key_env: Some("ANTHROPIC_API_KEY"),
        local: false,
        dialect: Dialect {
            thinking: ThinkingStyle::Effort,
            cache_marks: true,
            merge_users: true,
            ..CHAT
        },
        suggests: Some("claude-sonnet-4-5"),
    },
    Row {
        base_env: Some("OPENAI_BASE_URL"),
        suggests: Some("gpt-5"),
        ..chat(
            "openai",
            "https://api.openai.com/v1",
            "OPENAI_API_KEY",
            Dialect {
                tokens: TokenParameter::MaxCompletionTokens,
                thinking: ThinkingStyle::Effort,
                ..CHAT
            },
        )
    },
    // Mistral refuses fields that it does not know, `stream_options` among them, and always sends usage.
    chat(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        Dialect {
            stream_usage: false,
            ..CHAT
        },
    ),
    Row {
        suggests: Some("llama-3.3-70b-versatile"),
        ..chat(
            "groq",
            "https://api.groq.com/openai/v1",
            "GROQ_API_KEY",
            Dialect {
                tokens: TokenParameter::MaxCompletionTokens,
                ..CHAT
            },
        )
    },
    Row {
        suggests: Some("deepseek-chat"),
        ..chat(
            "deepseek",
            "https://api.deepseek.com/v1",
            "DEEPSEEK_API_KEY",
            Dialect {
                schema: SchemaDialect::JsonObject,
                reasoning_back: Some(ReasoningField::ReasoningContent),
                ..CHAT
            },
        )
    },
    chat(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        Dialect {
            thinking: ThinkingStyle::Object,
            reasoning_back: Some(ReasoningField::Reasoning),
            cache_marks: true,
            ..CHAT
        },
    ),
    Row {
        local: false,
        ..local("vllm", "http://127.0.0.1:8000/v1", Some("VLLM_API_KEY"))
    },
    Row {
        base_env: Some("OLLAMA_HOST"),
        ..local("ollama", "http://127.0.0.1:11434/v1", None)
    },
    local("llamacpp", "http://127.0.0.1:8080/v1", None),
    local("lmstudio", "http://127.0.0.1:1234/v1", None),
];

/// A vendor, configured.
#[derive(Debug)]
pub struct Vendor {
    /// The name before the slash.
    pub name: String,
    /// The wire.
    pub family: Family,
    /// How it speaks.
    pub dialect: Dialect,
    /// Where requests go.
    pub url: Url,
    /// What stands before the path of the wire.
    pub base: String,
    /// How the key is sent.
    pub auth: Auth,
    /// The variable that holds the key.
    pub key_env: Option<String>,
    /// Costs nothing: runs on this machine.
    pub free: bool,
    /// A model for those who name none.
    pub suggests: Option<&'static str>,
    /// It cuts a prompt that is too long, and says nothing of it.
    pub cuts_in_silence: bool,
    models: BTreeMap<String, ModelConfig>,
    key_file: Option<PathBuf>,
    key_needed: bool,
    place: String,
    key: OnceLock<Option<ApiKey>>,
}

impl Vendor {
    /// Puts a row, the environment and the configuration together; the configuration wins.
    ///
    /// # Errors
    /// When a custom vendor has no base URL, or one is none.
    pub fn new(
        name: &str,
        row: Option<&Row>,
        config: &VendorConfig,
        env: &Env,
    ) -> Result<Vendor, Fault> {
        let place = format!("models.vendors.{name}.base_url");
        let from_env = row
            .and_then(|row| row.base_env)
            .and_then(|var| env(var).map(|text| (var, text)));
        let (base, base_place, own) = match (&config.base_url, from_env, row) {
            (Some(base), ..) => (base.clone(), place, false),
            (None, Some((var @ "OLLAMA_HOST", host)), _) => {
                (ollama_base(&host), var.to_owned(), false)
            }
            (None, Some((var, base)), _) => (base, var.to_owned(), false),
            (None, None, Some(row)) => (row.base_url.to_owned(), place, true),
            (None, None, None) => {
                return Err(Fault::new(
                    Code::BASE_URL_IS_NONE,
                    say!("the vendor {name} has no base URL", name),
                )
                .at(&place)
                .hint(Step::set(place, "http://HOST:PORT/v1")));
            }
        };
        let base = base.trim_end_matches('/').to_owned();
        let family = config
            .family
            .or(row.map(|row| row.family))
            .unwrap_or(Family::Chat);
        parse_url(&base, &base_place)?;
        let url = parse_url(&format!("{base}{}", family.path(&base)), &base_place)?;
        let dialect = match (row, family) {
            (Some(row), _) if row.family == family => row.dialect,
            (_, Family::Messages) => ROWS[0].dialect,
            (_, Family::Chat) => LOCAL,
        };
        let is_loopback = url
            .host_str()
            .is_some_and(|h| h == "localhost" || h == "[::1]" || h.starts_with("127."));
        Ok(Vendor {
            name: name.to_owned(),
            family,
            dialect: with(dialect, config),
            place: format!(
                "{}://{}{}",
                url.scheme(),
                url.host_str().unwrap_or_default(),
                url.port().map(|p| format!(":{p}")).unwrap_or_default()
            ),
            url,
            base,
            auth: config.auth.unwrap_or(if family == Family::Messages {
                Auth::XApiKey
            } else {
                Auth::Bearer
            }),
            key_env: config
                .key_env
                .clone()
                .or(row.and_then(|row| row.key_env).map(str::to_owned)),
            free: row.is_some_and(|row| row.local) && is_loopback,
            suggests: row.and_then(|row| row.suggests),
            cuts_in_silence: name == "ollama",
            models: config.models.clone(),
            key_file: config.key_file.clone(),
            // Whoever sets another address knows whether it wants a key; if it does, it says 401.
            key_needed: own && row.is_some_and(|row| row.key_env.is_some()) && !is_loopback,
            key: OnceLock::new(),
        })
    }

    /// All vendors: the rows, and those of the configuration.
    ///
    /// # Errors
    /// As [`Vendor::new`].
    pub fn all(config: &ModelsConfig, env: &Env) -> Result<Vec<Vendor>, Fault> {
        let none = VendorConfig::default();
        let rows = ROWS.iter().map(|row| {
            Vendor::new(
                row.name,
                Some(row),
                config.vendors.get(row.name).unwrap_or(&none),
                env,
            )
        });
        let known = |name: &str| ROWS.iter().any(|row| row.name == name);
        let custom = config
            .vendors
            .iter()
            .filter(|(name, _)| !known(name))
            .map(|(name, custom)| Vendor::new(name, None, custom, env));
        rows.chain(custom).collect()
    }

    /// The key, read once.
    ///
    /// # Errors
    /// When the vendor needs one and there is none, or its file is not usable.
    pub fn key(&self, env: &Env) -> Result<Option<&ApiKey>, Fault> {
        if let Some(key) = self.key.get() {
            return Ok(key.as_ref());
        }
        let key = match (&self.key_file, &self.key_env) {
            (Some(path), _) => Some(ApiKey::from_file(path)?),
            (None, Some(name)) => ApiKey::from_env(env, name)?,
            (None, None) => None,
        };
        if key.is_none() && self.key_needed {
            let name = self.key_env.as_deref().unwrap_or("its key");
            return Err(Fault::new(
                Code::KEY_MISSING,
                say!("there is no key for {vendor}", vendor = self.name),
            )
            .at(name)
            .hint(say!(
                "export {name}=…, or: {step} (a file that only you can read)",
                name,
                step = Step::set(format!("models.vendors.{}.key_file", self.name), "PATH")
            )));
        }
        Ok(self.key.get_or_init(|| key).as_ref())
    }

    /// How a model of this vendor speaks: as the vendor does, but for what data or the configuration say of this very model.
    #[must_use]
    pub fn dialect_of(&self, model: &str) -> Dialect {
        let own = self.models.get(model);
        let listed = THINKING
            .iter()
            .find(|(vendor, name, _)| *vendor == self.name && *name == model)
            .map(|(.., style)| *style);
        Dialect {
            thinking: own
                .and_then(|m| m.thinking)
                .or(listed)
                .unwrap_or(self.dialect.thinking),
            schema: own.and_then(|m| m.schema).unwrap_or(self.dialect.schema),
            tokens: own
                .and_then(|m| m.token_parameter)
                .unwrap_or(self.dialect.tokens),
            ..self.dialect
        }
    }

    /// What a fault needs to know.
    #[must_use]
    pub fn asked<'a>(&'a self, model: &'a str, key: Option<&'a ApiKey>) -> Asked<'a> {
        Asked {
            vendor: &self.name,
            model,
            place: &self.place,
            key_env: self.key_env.as_deref(),
            key,
        }
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

fn with(base: Dialect, config: &VendorConfig) -> Dialect {
    Dialect {
        tokens: config.token_parameter.unwrap_or(base.tokens),
        schema: config.schema.unwrap_or(base.schema),
        thinking: config.thinking.unwrap_or(base.thinking),
        reasoning_back: config.reasoning_back.or(base.reasoning_back),
        stream_usage: config.stream_usage.unwrap_or(base.stream_usage),
        cache_marks: config.cache_marks.unwrap_or(base.cache_marks),
        merge_users: config.merge_users.unwrap_or(base.merge_users),
    }
}

/// `OLLAMA_HOST` is made for the server: a host, a port, both, or a URL; `0.0.0.0` means this machine.
fn ollama_base(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let rest = rest.trim_end_matches('/');
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (name, port)
        }
        _ => (rest, if scheme == "https" { "443" } else { "11434" }),
    };
    let name = if name.is_empty() || name == "0.0.0.0" || name == "[::]" {
        "127.0.0.1"
    } else {
        name
    };
    format!("{scheme}://{name}:{port}/v1")
}

fn parse_url(text: &str, place: &str) -> Result<Url, Fault> {
    // The text itself is not shown: it may hold a password.
    let bad = |why: &str| {
        Fault::new(
            Code::BASE_URL_IS_NONE,
            say!(
                "this is not a base URL: {why}",
                why = Said::words(why.to_string())
            ),
        )
        .at(place)
        .hint("expected something like http://127.0.0.1:8000/v1")
    };
    let url = Url::parse(text).map_err(|e| bad(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it must not hold a user or a password; use key_file"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> Env {
        Arc::new(move |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }
    fn vendor(name: &str, config: &VendorConfig, env: &Env) -> Result<Vendor, Fault> {
        Vendor::new(name, ROWS.iter().find(|row| row.name == name), config, env)
    }

    #[test]
    fn addresses_come_from_configuration_then_environment_then_the_row() {
        let none = VendorConfig::default();
        let set = env(&[
            ("OPENAI_BASE_URL", "http://localhost:9/v1/"),
            ("ANTHROPIC_BASE_URL", "http://h/v1"),
            ("OLLAMA_HOST", "0.0.0.0"),
        ]);
        assert_eq!(
            vendor("openai", &none, &set).unwrap().url.as_str(),
            "http://localhost:9/v1/chat/completions"
        );
        assert_eq!(
            vendor("anthropic", &none, &set).unwrap().url.as_str(),
            "http://h/v1/messages"
        );
        assert_eq!(
            vendor("anthropic", &none, &env(&[])).unwrap().url.as_str(),
            "https://api.anthropic.com/v1/messages"
        );
        let ollama = vendor("ollama", &none, &set).unwrap();
        assert_eq!(
            (ollama.base.as_str(), ollama.free),
            ("http://127.0.0.1:11434/v1", true)
        );
        assert_eq!(ollama_base("https://gpu.lan"), "https://gpu.lan:443/v1");
        assert_eq!(ollama_base("gpu.lan:99"), "http://gpu.lan:99/v1");
        let config = VendorConfig {
            base_url: Some("http://x".into()),
            ..none
        };
        assert_eq!(
            vendor("openai", &config, &set).unwrap().url.as_str(),
            "http://x/chat/completions"
        );
    }

    #[test]
    fn models_differ_by_data_and_configuration_only() {
        let mut config = VendorConfig::default();
        config.models.insert(
            "mine".into(),
            ModelConfig {
                schema: Some(SchemaDialect::Prompt),
                ..ModelConfig::default()
            },
        );
        let vendor = vendor("anthropic", &config, &env(&[])).unwrap();
        assert_eq!(
            vendor.dialect_of("claude-sonnet-4-5").thinking,
            ThinkingStyle::Budget
        );
        assert_eq!(
            vendor.dialect_of("claude-sonnet-4-5-high"),
            vendor.dialect,
            "no guessing from parts of a name"
        );
        assert_eq!(vendor.dialect_of("mine").schema, SchemaDialect::Prompt);
    }

    #[test]
    fn what_is_suggested_has_a_price() {
        let prices = crate::price::Prices::new(&BTreeMap::new()).unwrap();
        for row in ROWS.iter().filter(|row| row.suggests.is_some()) {
            let name = format!("{}/{}", row.name, row.suggests.unwrap_or_default());
            assert!(prices.of(&name.parse().unwrap()).is_some(), "{name}");
        }
    }

    #[test]
    fn bad_addresses_and_missing_keys_are_told_with_what_to_do() {
        for (bad, why) in [
            ("nonsense", "base URL"),
            ("ftp://x", "http://"),
            ("http://u:secret@x", "key_file"),
            ("http://", "base URL"),
        ] {
            let fault = vendor(
                "own",
                &VendorConfig {
                    base_url: Some(bad.into()),
                    ..VendorConfig::default()
                },
                &env(&[]),
            )
            .unwrap_err();
            assert!(
                fault.message.contains(why) && !fault.message.contains("secret"),
                "{fault:?}"
            );
        }
        assert!(
            vendor("own", &VendorConfig::default(), &env(&[]))
                .unwrap_err()
                .hint
                .unwrap()
                .contains("base_url")
        );
        let fault = vendor("openai", &VendorConfig::default(), &env(&[]))
            .unwrap()
            .key(&env(&[]))
            .unwrap_err();
        assert!(fault.code == "KEI-4002" && fault.hint.unwrap().contains("OPENAI_API_KEY"));
        let other = env(&[("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")]);
        assert_eq!(
            vendor("openai", &VendorConfig::default(), &other)
                .unwrap()
                .key(&other)
                .unwrap(),
            None,
            "another address may need none"
        );
    }
}
