//! `cargo xtask codegen`: the JSON Schemas of what leaves the program, generated from the types and committed.

use anyhow::{Context, Result};
use keiko_contracts::evidence::EvidenceCard;
use keiko_contracts::run::{EventLine, RunEvent};
use keiko_governance::policy::RiskPolicy;
use schemars::{Schema, schema_for};
use std::path::Path;

/// File name under `schemas/`, and the schema.
fn schemas() -> [(&'static str, Schema); 4] {
    [
        ("event-line.json", schema_for!(EventLine)),
        ("run-event.json", schema_for!(RunEvent)),
        ("evidence-card.json", schema_for!(EvidenceCard)),
        ("risk-policy.json", schema_for!(RiskPolicy)),
    ]
}

/// Writes the schemas, or with `check` only compares them. True when the committed ones are right.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn run(root: &Path, check: bool) -> Result<bool> {
    let folder = root.join("schemas");
    let mut stale = Vec::new();
    for (name, schema) in schemas() {
        let path = folder.join(name);
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        if std::fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        stale.push(name);
        if !check {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    for name in &stale {
        if check {
            println!(
                "schemas/{name}:1: schema-drift: it differs from the types; run `cargo xtask codegen` and commit the result"
            );
        } else {
            println!("wrote schemas/{name}");
        }
    }
    Ok(!check || stale.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_fails_the_check_and_writing_mends_it() {
        let root = std::env::temp_dir().join(format!("keiko-codegen-{}", std::process::id()));
        assert!(!run(&root, true).unwrap());
        assert!(run(&root, false).unwrap());
        assert!(run(&root, true).unwrap());
        std::fs::write(root.join("schemas/run-event.json"), "{}").unwrap();
        assert!(!run(&root, true).unwrap());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
