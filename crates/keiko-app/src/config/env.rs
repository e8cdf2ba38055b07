//! The environment as a layer: `KEIKO_RUN__MAX_STEPS=40`, or `KEIKO_RUN__MODEL_FILE=/run/secrets/model`.

use super::key::KeyPath;
use super::layer::{self, Kind, Layer, Leaf};
use super::shape::{Field, Shape};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use keiko_contracts::step::Step;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// Reads all variables that set something. A name with two underscores in it must be a key; others belong to
/// somebody else, unless they are top-level keys.
pub(crate) fn read(variables: &[(OsString, OsString)], field: &Field) -> (Layer, Vec<Fault>) {
    let mut layer = Layer {
        kind: Kind::Environment,
        leaves: BTreeMap::new(),
    };
    let mut problems = Vec::new();
    for (name, value) in variables {
        let Some((name, rest)) = name
            .to_str()
            .and_then(|name| Some((name, name.strip_prefix("KEIKO_")?)))
        else {
            continue;
        };
        let whole = KeyPath::new(rest.split("__").map(str::to_ascii_lowercase));
        if whole.parts().len() < 2 && !is_value(field, &whole) {
            continue;
        }
        match one(name, rest, value, field) {
            Ok((key, value)) => match layer.leaves.insert(
                key.clone(),
                Leaf {
                    value,
                    place: name.to_owned(),
                },
            ) {
                None => {}
                Some(other) => {
                    let fault = Fault::new(
                        Code::VARIABLE_UNUSABLE,
                        say!(
                            "{key} is set twice, by {first} and by {second}",
                            key,
                            first = other.place,
                            second = name
                        ),
                    );
                    problems.push(fault.at(name).hint(Step::shell(format!("unset {name}"))));
                }
            },
            Err(fault) => problems.push(fault),
        }
    }
    (layer, problems)
}

fn is_value(field: &Field, key: &KeyPath) -> bool {
    matches!(
        field.find(key),
        Some(Field {
            shape: Shape::Value(_),
            ..
        })
    )
}

fn one(
    name: &str,
    rest: &str,
    value: &OsString,
    field: &Field,
) -> Result<(KeyPath, toml::Value), Fault> {
    let key_of = |text: &str| KeyPath::new(text.split("__").map(str::to_ascii_lowercase));
    let not_text = || {
        Fault::new(Code::VARIABLE_UNUSABLE, "the variable is not UTF-8 text")
            .at(name)
            .hint(Step::shell(format!("unset {name}")))
    };
    let value = value.to_str().ok_or_else(not_text)?;
    // A key that ends with `_file` itself comes first: `key_file` of a vendor.
    let (key, text) = match rest
        .strip_suffix("_FILE")
        .map(key_of)
        .filter(|key| is_value(field, key))
    {
        Some(key) if !is_value(field, &key_of(rest)) => {
            let text =
                layer::read_file(Path::new(value), Kind::Environment).map_err(|fault| Fault {
                    code: Code::VARIABLE_UNUSABLE,
                    ..fault
                })?;
            let missing = || {
                Fault::new(
                    Code::VARIABLE_UNUSABLE,
                    "the file of this variable is not there",
                )
                .at(format!("{name}={value}"))
            };
            (key, text.ok_or_else(missing)?.trim().to_owned())
        }
        _ => (key_of(rest), value.to_owned()),
    };
    let Some(Field {
        shape: Shape::Value(kinds),
        ..
    }) = field.find(&key)
    else {
        let fault = layer::unknown(&key, None, &[]).at(name);
        return Err(match field.suggest(&key) {
            Some(meant) if fault.code == Code::KEY_UNKNOWN => fault.hint(say!(
                "did you mean {suggestion}?",
                suggestion = meant.variable().unwrap_or_else(|| meant.to_string())
            )),
            _ => fault,
        });
    };
    let value = kinds.read(&text);
    kinds.check(&value).map_err(|(message, hint)| {
        Fault::new(Code::VALUE_WRONG, say!("{key}: {message}", key, message))
            .at(name)
            .hint(hint)
    })?;
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawConfig;

    fn layer(pairs: &[(&str, &str)]) -> (BTreeMap<KeyPath, Leaf>, Vec<Fault>) {
        let variables: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect();
        let (layer, problems) = read(&variables, &Field::of(&schemars::schema_for!(RawConfig)));
        (layer.leaves, problems)
    }
    fn value<'a>(leaves: &'a BTreeMap<KeyPath, Leaf>, key: &str) -> &'a toml::Value {
        &leaves[&KeyPath::parse(key).unwrap()].value
    }

    #[test]
    fn variables_set_keys_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model");
        std::fs::write(&file, "a/b\n").unwrap();
        let (leaves, problems) = layer(&[
            ("KEIKO_RUN__MAX_STEPS", "7"),
            ("KEIKO_RUN__BUDGET", "0.50"),
            ("KEIKO_LANGUAGE", "de"),
            ("KEIKO_RUN__MODEL_FILE", file.to_str().unwrap()),
            ("KEIKO_MODELS__VENDORS__MINE__KEY_FILE", "/run/key"),
            ("KEIKO_HOME", "/x"),
            ("KEIKO_LOG", "info"),
            ("PATH", "/bin"),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(leaves.len(), 5);
        assert_eq!(value(&leaves, "run.max_steps"), &toml::Value::Integer(7));
        assert_eq!(value(&leaves, "run.model").as_str(), Some("a/b"));
        assert_eq!(
            value(&leaves, "models.vendors.mine.key_file").as_str(),
            Some("/run/key")
        );
    }

    #[test]
    fn mistakes_name_the_variable() {
        let cases = [
            (
                "KEIKO_RUN__MAX_STPES",
                "1",
                "KEI-1302",
                "KEIKO_RUN__MAX_STEPS",
            ),
            (
                "KEIKO_RUN__MAX_STEPS",
                "many",
                "KEI-1303",
                "from 1 to 10000",
            ),
            ("KEIKO_RUN__BUDGET", "0,50", "KEI-1303", "dollars"),
            (
                "KEIKO_MODELS__VENDORS__X__API_KEY",
                "hunter2",
                "KEI-1306",
                "key_env",
            ),
        ];
        for (name, text, code, hint) in cases {
            let (_, problems) = layer(&[(name, text)]);
            assert_eq!(problems[0].code, code, "{name}");
            assert_eq!(problems[0].place.as_deref(), Some(name));
            assert!(
                problems[0].hint.as_ref().unwrap().contains(hint),
                "{problems:?}"
            );
            assert!(!format!("{problems:?}").contains("hunter2"));
        }
        let (_, problems) = layer(&[("KEIKO_RUN__MAX_STEPS", "1"), ("KEIKO_run__max_steps", "2")]);
        assert!(problems[0].message.contains("set twice"), "{problems:?}");
        let (_, problems) = layer(&[("KEIKO_RUN__MODEL_FILE", "/does/not/exist")]);
        assert_eq!(problems[0].code, "KEI-1307");
    }
}
