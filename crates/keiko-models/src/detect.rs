//! What there is on this machine: keys in the environment, by name only, and a local Ollama.

use crate::config::VendorConfig;
use crate::key::Env;
use crate::vendor::{ROWS, Vendor};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a local server may take to say what it has.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most models that are listed, and the largest list in bytes.
const MAX_LISTED: usize = 200;
const MAX_LIST: usize = 1 << 20;

/// Something that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "found")]
pub enum Found {
    /// A variable that holds a vendor's key, or names its file. Its value is not read.
    Key {
        /// The vendor.
        vendor: String,
        /// The variable.
        variable: String,
    },
    /// An Ollama that answers.
    Ollama {
        /// Its address.
        base_url: String,
        /// Its models, as `ollama/NAME`.
        models: Vec<String>,
    },
}

/// Finds the variables that hold keys.
#[must_use]
pub fn keys(env: &Env) -> Vec<Found> {
    let variable = |name: &str| {
        [name.to_owned(), format!("{name}_FILE")]
            .into_iter()
            .find(|name| env(name).is_some())
    };
    ROWS.iter()
        .filter_map(|row| {
            Some(Found::Key {
                vendor: row.name.to_owned(),
                variable: variable(row.key_env?)?,
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

/// Asks the Ollama of this machine (or of `OLLAMA_HOST`, when that is this machine) for its models, for at most 300 ms.
pub async fn ollama(env: &Env) -> Option<Found> {
    let row = ROWS.iter().find(|row| row.name == "ollama")?;
    let vendor = Vendor::new(row.name, Some(row), &VendorConfig::default(), env).ok()?;
    if !vendor.free || vendor.url.scheme() != "http" {
        return None;
    }
    let base_url = vendor.base.trim_end_matches("/v1").to_owned();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()?;
    let listing = async {
        let mut response = client
            .get(format!("{base_url}/api/tags"))
            .send()
            .await
            .ok()?
            .error_for_status()
            .ok()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_LIST {
                return None;
            }
        }
        serde_json::from_slice::<Tags>(&body).ok()
    };
    let tags = tokio::time::timeout(PATIENCE, listing).await.ok()??;
    let models = tags
        .models
        .into_iter()
        .take(MAX_LISTED)
        .map(|tag| format!("ollama/{}", tag.name))
        .collect();
    Some(Found::Ollama { base_url, models })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn finds_keys_by_name_and_never_shows_them() {
        let env: Env = Arc::new(|name| {
            matches!(name, "GROQ_API_KEY" | "OPENAI_API_KEY_FILE").then(|| "value-of-it".to_owned())
        });
        let found = keys(&env);
        let names: Vec<_> = found
            .iter()
            .map(|f| match f {
                Found::Key { vendor, variable } => (vendor.as_str(), variable.as_str()),
                Found::Ollama { .. } => panic!("no server was asked"),
            })
            .collect();
        assert_eq!(
            names,
            [("openai", "OPENAI_API_KEY_FILE"), ("groq", "GROQ_API_KEY")]
        );
        assert!(!format!("{found:?}").contains("value-of-it"));
    }
}
