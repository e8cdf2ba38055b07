//! Names of models in the configuration: checked when they are written down, not when a run begins.

use super::key::KeyPath;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use keiko_models::Models;

/// A model for examples, when nothing nearer is known.
const EXAMPLE: &str = "anthropic/claude-sonnet-4-5";
/// Names that profiles usually have.
const PROFILES: [&str; 3] = ["fast", "strong", "code"];

/// True for a key whose value names a model.
pub(super) fn is_named_by(key: &KeyPath) -> bool {
    let parts: Vec<&str> = key.parts().iter().map(String::as_str).collect();
    matches!(
        parts.as_slice(),
        ["run", "model"] | ["models", "default"] | ["models", "profiles", _]
    )
}

/// Checks that a value names a model of a known vendor, or a profile where one may stand.
///
/// # Errors
/// KEI-4001 with what was probably meant.
pub(super) fn check(models: &Models, key: &KeyPath, name: &str) -> Result<(), Fault> {
    let Err(fault) = models.resolve(name) else {
        return Ok(());
    };
    let set = |meant: &str| format!("keiko config set {key} {meant}");
    if fault.code != Code::MODEL_UNKNOWN {
        return Err(fault);
    }
    let vendors = || models.vendors().map(|vendor| vendor.name.as_str());
    let Some((vendor, model)) = name
        .split_once('/')
        .filter(|(vendor, model)| !vendor.is_empty() && !model.is_empty())
    else {
        let fault = Fault::new(
            Code::MODEL_UNKNOWN,
            say!(
                "{name} names no model: expected VENDOR/MODEL",
                name = format_args!("{name:?}")
            ),
        )
        .at(key);
        let known = || vendors().flat_map(|vendor| models.prices().listed(vendor));
        let of = known().find(|full| full.split_once('/').is_some_and(|(_, model)| model == name));
        return Err(match of.or_else(|| near(name, known())) {
            Some(meant) => fault.hint(say!(
                "did you mean {meant}? {command}",
                meant,
                command = set(meant)
            )),
            None if PROFILES.contains(&name) => fault.hint(say!(
                "this profile is not set yet: keiko config set models.profiles.{name} {model}",
                name,
                model = EXAMPLE
            )),
            None => {
                let all: Vec<&str> = vendors().collect();
                fault.hint(say!(
                    "such as: {command}; vendors: {names}",
                    command = set(EXAMPLE),
                    names = all.join(", ")
                ))
            }
        });
    };
    match near(vendor, vendors()) {
        Some(meant) => Err(fault.at(key).hint(say!(
            "did you mean {meant}/{model}? {command}",
            meant,
            model,
            command = set(&format!("{meant}/{model}"))
        ))),
        None => Err(fault.at(key)),
    }
}

/// The nearest name, if one is near.
fn near<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let tail = |full: &'a str| {
        if name.contains('/') {
            full
        } else {
            full.split_once('/').map_or(full, |(_, model)| model)
        }
    };
    let rated = all.map(|full| {
        (
            strsim::damerau_levenshtein(&name.to_lowercase(), &tail(full).to_lowercase()),
            full,
        )
    });
    rated
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2.min(name.len() / 3))
        .map(|(_, full)| full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_models::ModelsConfig;
    use std::sync::Arc;

    fn hint(key: &str, name: &str) -> String {
        let models = Models::new(&ModelsConfig::default(), Arc::new(|_| None)).unwrap();
        check(&models, &KeyPath::parse(key).unwrap(), name)
            .unwrap_err()
            .hint
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_name_that_is_none_says_what_was_meant() {
        assert!(
            hint("run.model", "foo").starts_with("such as: keiko config set run.model anthropic/"),
            "{}",
            hint("run.model", "foo")
        );
        assert!(
            hint("run.model", "claude-sonnet-4-5")
                .contains("keiko config set run.model anthropic/claude-sonnet-4-5")
        );
        assert!(hint("models.default", "antropic/x").contains("did you mean anthropic/x?"));
        assert!(hint("run.model", "fast").contains("models.profiles.fast"));
        assert!(
            hint("run.model", "mine/x").contains("keiko config set models.vendors.mine.base_url")
        );
        for name in ["foo", "antropic/x", "mine/x", "fast"] {
            assert!(
                !hint("run.model", name).contains("models list"),
                "{name}: a hint that leads in a circle"
            );
        }
    }

    #[test]
    fn models_of_known_vendors_pass_whatever_their_name() {
        let models = Models::new(&ModelsConfig::default(), Arc::new(|_| None)).unwrap();
        for name in [
            "anthropic/claude-next",
            "ollama/qwen3-coder:30b",
            "openrouter/meta/llama:free",
        ] {
            check(&models, &KeyPath::parse("run.model").unwrap(), name).unwrap();
        }
        assert!(is_named_by(
            &KeyPath::parse("models.profiles.fast").unwrap()
        ));
        assert!(!is_named_by(&KeyPath::parse("run.max_steps").unwrap()));
    }
}
