//! Models: what is configured and found, and whether it works. Looking around calls nobody but this machine.

use crate::config::Config;
use crate::home::Home;
use futures_util::future::join_all;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::ModelName;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_models::Models;
use keiko_models::detect::{self, Found};
use keiko_models::key::{Env, process_env};
use keiko_models::probe::{self, Check};
use keiko_models::vendor::Vendor;
use keiko_ports::Cancel;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long a server on this machine may take to accept a connection.
const PATIENCE: Duration = Duration::from_millis(300);

/// The ways to a model, as commands.
#[must_use]
pub fn three_ways() -> Vec<Said> {
    vec![
        say!(
            "1. a key in the environment: export ANTHROPIC_API_KEY=… && {step}",
            step = Step::set("run.model", EXAMPLE)
        ),
        "2. a local Ollama: ollama serve & ollama pull qwen3-coder (it is found by itself)".into(),
        say!(
            "3. any OpenAI-compatible server: {address} && {model}",
            address = Step::set("models.vendors.custom.base_url", "http://127.0.0.1:8080/v1"),
            model = Step::set("run.model", "custom/MODEL")
        ),
    ]
}

/// A model that the price file knows; a test sees to it.
const EXAMPLE: &str = "anthropic/claude-sonnet-4-5";

/// No model was named, configured or found. A key alone names no model, and whoever pays chooses it.
#[must_use]
pub fn no_model() -> Fault {
    let fault = Fault::new(Code::NO_MODEL, "no model is configured");
    let ways = Said::in_a_row(three_ways());
    match named_by_key() {
        Some(hint) => fault.hint(hint),
        None => fault.hint(say!("three ways: {ways}", ways)),
    }
}

/// What is missing where a key is there: a model's name.
#[must_use]
pub fn named_by_key() -> Option<Said> {
    let prices = keiko_models::price::Prices::new(&BTreeMap::new()).unwrap_or_default();
    let (variable, model) = by_key(&process_env(), &prices)?;
    Some(say!(
        "{variable} holds a key; name a model: --model {model}, or: {step}",
        variable,
        model,
        step = Step::set("run.model", &model)
    ))
}

/// A variable that holds a key, and a model that can be had with it.
fn by_key(env: &Env, prices: &keiko_models::price::Prices) -> Option<(String, String)> {
    detect::keys(env).into_iter().find_map(|found| match found {
        Found::Key { vendor, variable } => {
            let model = prices
                .listed(&vendor)
                .next()
                .map_or_else(|| format!("{vendor}/MODEL"), str::to_owned);
            Some((variable, model))
        }
        Found::Ollama { .. } => None,
    })
}

/// The first model of a running Ollama that can hold a conversation; one made for code goes before others.
pub(crate) async fn local_model() -> Option<ModelName> {
    match detect::ollama(&process_env()).await? {
        Found::Ollama { models, .. } => suitable(&models),
        Found::Key { .. } => None,
    }
}

fn suitable(models: &[String]) -> Option<ModelName> {
    let talks = |name: &&String| {
        !["embed", "minilm", "rerank", "bge-", "whisper"]
            .iter()
            .any(|word| name.to_lowercase().contains(word))
    };
    let for_code = |name: &&String| name.to_lowercase().contains("code");
    let usable = || models.iter().filter(talks);
    usable()
        .find(for_code)
        .or_else(|| usable().next())?
        .parse()
        .ok()
}

/// The model that a run would use if it names none; `None` when there is none, or its vendor lacks a key.
///
/// # Errors
/// When the configured name is none.
pub async fn found(config: &Config) -> Result<Option<ModelName>, Fault> {
    let models = config.models()?;
    let named = match config.run.model.as_deref() {
        Some(name) => Some(models.resolve(name)?),
        None => models.default_model()?,
    };
    match named {
        Some(model) => Ok(models.is_ready(models.vendor(&model)?).then_some(model)),
        None => Ok(local_model().await),
    }
}

/// A vendor, as it stands.
#[derive(Debug, Serialize)]
pub struct VendorRow {
    /// Its name.
    pub vendor: String,
    /// It can be asked.
    pub ready: bool,
    /// Why not, or what was found.
    pub seen: Said,
    /// What to do, if it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Said>,
    /// How it is spoken to.
    pub family: &'static str,
    /// Scheme, host and port.
    pub place: String,
    /// The variable that holds the key: its name only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// With a price: those of the price file and the user's own.
    pub models: Vec<String>,
}

async fn vendor_row(vendor: &Vendor, models: &Models, env: &Env) -> VendorRow {
    let local = vendor
        .url
        .host_str()
        .is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."));
    let (ready, seen, hint) = match vendor.key(env) {
        Err(fault) => (false, fault.message, fault.hint),
        Ok(_) if local && !answers(vendor).await => {
            let hint = if vendor.name == "ollama" {
                say!("start it: {step}", step = Step::shell("ollama serve"))
            } else {
                Said::from("start it, or set its base_url")
            };
            (false, "nobody answers at its address".into(), Some(hint))
        }
        Ok(_) if local => (true, "a server answers on this machine".into(), None),
        Ok(Some(_)) => (true, "has a key; nothing was sent yet".into(), None),
        Ok(None) => (true, "needs no key as far as is known".into(), None),
    };
    VendorRow {
        vendor: vendor.name.clone(),
        ready,
        seen,
        hint,
        family: vendor.family.as_str(),
        place: vendor.place().to_owned(),
        key_env: vendor.key_env.clone(),
        models: models
            .prices()
            .listed(&vendor.name)
            .map(str::to_owned)
            .collect(),
    }
}

/// True when somebody listens at an address of this machine.
async fn answers(vendor: &Vendor) -> bool {
    let (Some(host), Some(port)) = (vendor.url.host_str(), vendor.url.port_or_known_default())
    else {
        return false;
    };
    let host = host.trim_matches(['[', ']']);
    matches!(
        tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host, port))).await,
        Ok(Ok(_))
    )
}

/// What is configured and found.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The model that a run uses if it names none.
    #[serde(rename = "default")]
    pub chosen: Option<ModelName>,
    /// The vendors; those that are ready come first.
    pub vendors: Vec<VendorRow>,
    /// Short names of models.
    pub profiles: BTreeMap<String, String>,
    /// What a running Ollama has.
    pub ollama: Vec<String>,
    /// The day of the price file.
    pub prices_as_of: String,
    /// The ways to a model, where none is chosen.
    pub ways: Vec<Said>,
    /// A configured name that is none.
    pub wrong: Option<Fault>,
}

/// Looks at what is configured, and at what is found on this machine.
///
/// # Errors
/// When the configuration of models is none.
pub async fn list(config: &Config) -> Result<Listing, Fault> {
    let (models, env) = (config.models()?, process_env());
    let mut vendors = join_all(
        models
            .vendors()
            .map(|vendor| vendor_row(vendor, &models, &env)),
    )
    .await;
    vendors.sort_by_key(|row| !row.ready);
    let ollama = match detect::ollama(&env).await {
        Some(Found::Ollama { models, .. }) => models,
        _ => Vec::new(),
    };
    // A name that is none hides nothing of what there is.
    let (chosen, wrong) = match config.check_names() {
        Ok(()) => (found(config).await?, None),
        Err(fault) => (None, Some(fault)),
    };
    let ways = if chosen.is_none() {
        three_ways()
    } else {
        Vec::new()
    };
    Ok(Listing {
        chosen,
        vendors,
        profiles: config.models.profiles.clone(),
        ollama,
        prices_as_of: models.prices().as_of.clone(),
        ways,
        wrong,
    })
}

/// Checks without which no agent can work.
const NEEDED: [&str; 2] = ["answers", "calls tools"];

/// Where is remembered what servers say of their sizes.
fn memory(home: &Home) -> PathBuf {
    home.data.join("models.json")
}

/// The models, which remember what their servers say of their sizes.
pub(crate) fn remembering(config: &Config, home: &Home) -> Result<Models, Fault> {
    Ok(config.models()?.with_memory(memory(home)))
}

/// A model that is about to be tried out.
pub struct Probe {
    models: Models,
    /// The model.
    pub model: ModelName,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// The model.
    pub model: ModelName,
    /// An agent can work with it.
    pub works: bool,
    /// What was tried.
    pub checks: Vec<Check>,
}

impl Probe {
    /// Makes ready to really call a model; what is remembered of its sizes is forgotten.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn of(config: &Config, home: &Home, name: &str) -> Result<Probe, Fault> {
        let models = remembering(config, home)?;
        let model = models.resolve(name)?;
        models.forget(&model);
        Ok(Probe { models, model })
    }

    /// The model will be asked. Without a key nobody is: the check says so.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.models
            .vendor(&self.model)
            .is_ok_and(|vendor| self.models.is_ready(vendor))
    }

    /// Calls it.
    pub async fn ask(self) -> Trial {
        let checks = probe::probe(&self.models, &self.model, &Cancel::new()).await;
        Trial {
            works: !checks.is_empty() && !checks.iter().any(failed),
            model: self.model,
            checks,
        }
    }
}

/// It failed, and no agent can work without it.
#[must_use]
pub fn failed(check: &Check) -> bool {
    !check.ok && NEEDED.contains(&check.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_models::vendor::ROWS;
    use std::sync::Arc;

    #[test]
    fn an_embedding_model_is_no_model_to_talk_to() {
        let names = |all: &[&str]| {
            all.iter()
                .map(|name| format!("ollama/{name}"))
                .collect::<Vec<_>>()
        };
        let pick = |all: &[&str]| suitable(&names(all)).map(|model| model.to_string());
        assert_eq!(
            pick(&["nomic-embed-text:latest", "llama3:8b", "qwen3-coder:30b"]).as_deref(),
            Some("ollama/qwen3-coder:30b")
        );
        assert_eq!(
            pick(&["all-minilm", "llama3:8b"]).as_deref(),
            Some("ollama/llama3:8b")
        );
        assert_eq!(pick(&["nomic-embed-text"]), None);
        assert_eq!(pick(&[]), None);
    }

    #[test]
    fn a_key_names_its_variable_and_a_model_with_a_price() {
        let prices = keiko_models::price::Prices::new(&BTreeMap::new()).unwrap();
        let env: Env = Arc::new(|name| (name == "OPENAI_API_KEY").then(|| "hunter2".to_owned()));
        let (variable, model) = by_key(&env, &prices).unwrap();
        assert_eq!(variable, "OPENAI_API_KEY");
        assert!(prices.of(&model.parse().unwrap()).is_some(), "{model}");
        let nothing: Env = Arc::new(|_| None);
        assert_eq!(by_key(&nothing, &prices), None);
    }

    #[test]
    fn the_ways_name_commands_that_exist() {
        let prices = keiko_models::price::Prices::new(&BTreeMap::new()).unwrap();
        assert!(
            prices.of(&EXAMPLE.parse().unwrap()).is_some(),
            "the price file does not know {EXAMPLE}"
        );
        let shape = crate::config::shape();
        for way in three_ways() {
            for set in way.to_string().split("keiko config set ").skip(1) {
                let key = crate::config::KeyPath::parse(set.split(' ').next().unwrap()).unwrap();
                assert!(shape.find(&key).is_some(), "{key}");
            }
        }
        assert!(
            ROWS.iter()
                .any(|row| row.key_env == Some("ANTHROPIC_API_KEY"))
        );
    }
}
