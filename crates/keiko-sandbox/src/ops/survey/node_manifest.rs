//! `package.json`.

use super::Tree;
use super::node_script::Scripts;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Manifest {
    pub(super) name: Option<String>,
    pub(super) main: serde_json::Value,
    pub(super) module: serde_json::Value,
    pub(super) exports: serde_json::Value,
    pub(super) scripts: BTreeMap<String, serde_json::Value>,
    pub(super) dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(rename = "devDependencies")]
    pub(super) dev: BTreeMap<String, serde_json::Value>,
    #[serde(rename = "packageManager")]
    pub(super) manager: Option<String>,
    pub(super) workspaces: serde_json::Value,
}

impl Manifest {
    pub(super) fn read(tree: &Tree<'_>, dir: &str) -> Manifest {
        // A broken manifest is still one; npm will say what is wrong with it.
        tree.read(dir, "package.json")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }
    pub(super) fn scripts(&self) -> Scripts<'_> {
        self.scripts
            .iter()
            .filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
            .collect()
    }
    pub(super) fn test_script(&self) -> Option<&str> {
        self.scripts
            .get("test")
            .and_then(|script| script.as_str())
            .filter(|script| !script.contains("no test specified"))
    }
}
