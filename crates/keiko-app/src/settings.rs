//! Settings: which hold and where each comes from; explaining, checking and changing them.

use crate::config::{self, Field, KeyPath, Kind, Loaded, Origin, Places, Shape};
use crate::home::Home;
use keiko_contracts::code::Fault;
use keiko_contracts::said::Said;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::path::PathBuf;

pub use crate::config::schema;

/// The files that were written because they were not there, and those that were.
#[derive(Debug, Serialize)]
pub struct Written {
    /// Written.
    pub written: Vec<PathBuf>,
    /// Left as they are.
    pub kept: Vec<PathBuf>,
}

/// A setting that holds.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(serialize_with = "as_json")]
    pub value: toml::Value,
    /// The layer that it comes from.
    pub layer: &'static str,
    /// `FILE:LINE`, or a variable.
    pub place: String,
}

/// What holds for a key.
#[derive(Debug, Serialize)]
pub struct Got {
    /// The key.
    pub key: String,
    /// Its value, or the table of a section; none when it is not set.
    #[serde(serialize_with = "option_as_json")]
    pub value: Option<toml::Value>,
    /// It is a section.
    #[serde(skip)]
    pub is_section: bool,
}

/// What a key is for, and where its values come from.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The key.
    pub key: String,
    /// What it is for.
    pub about: String,
    /// What may stand there, if it is no section.
    #[serde(skip)]
    pub expected: Option<Said>,
    /// The variable that sets it.
    #[serde(skip)]
    pub variable: Option<String>,
    /// It, or the keys of the section.
    pub values: Vec<Origins>,
}

/// The values that layers give to a key.
#[derive(Debug, Serialize)]
pub struct Origins {
    /// The key.
    pub key: String,
    /// The one that holds comes first.
    pub from: Vec<Given>,
}

/// The value that a layer gives to a key.
#[derive(Debug, Serialize)]
pub struct Given {
    /// The value.
    #[serde(serialize_with = "as_json")]
    pub value: toml::Value,
    /// The layer.
    pub layer: &'static str,
    /// `FILE:LINE`, or a variable.
    pub place: String,
    /// It holds.
    pub holds: bool,
    /// Why it does not.
    pub why_not: Option<&'static str>,
}

/// A setting that was changed.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Its name.
    pub key: String,
    /// Its value in the file.
    #[serde(serialize_with = "as_json")]
    pub value: toml::Value,
    /// The user's own file.
    pub file: PathBuf,
    /// The value holds from now on.
    pub holds: bool,
    /// What goes before it, if it does not.
    #[serde(skip)]
    pub stronger: Option<Setting>,
}

/// What is wrong with the files, if anything is.
#[derive(Debug, Serialize)]
pub struct Validity {
    /// Nothing is.
    pub valid: bool,
    /// What was looked at.
    pub files: Vec<LookedAt>,
    /// What is wrong.
    pub problems: Vec<Fault>,
    /// Classes of actions that the user's risk.toml would loosen although the system forbids them.
    #[serde(skip)]
    pub kept_forbidden: Vec<&'static str>,
}

/// A file that was looked at.
#[derive(Debug, Serialize)]
pub struct LookedAt {
    /// Which.
    pub path: PathBuf,
    /// The layer.
    pub layer: &'static str,
    /// It is there.
    pub there: bool,
    /// How many problems it has.
    pub problems: usize,
}

/// The layer of values that nobody has set.
#[must_use]
pub fn is_default(layer: &str) -> bool {
    layer == Kind::Default.name()
}

/// Writes commented files, where there are none.
///
/// # Errors
/// When one cannot be written.
pub fn init(home: &Home) -> Result<Written, Fault> {
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    for (path, text) in [
        (home.config_file(), config::config_file()),
        (home.risk_file(), config::risk_file()),
    ] {
        if config::write_new(&path, &text)? {
            written.push(path)
        } else {
            kept.push(path)
        }
    }
    Ok(Written { written, kept })
}

/// What was read without a mistake; the mistakes are for [`validate`], but a value of a broken file is no answer.
fn loaded(home: &Home) -> Result<Loaded, Fault> {
    let loaded = Loaded::read(&Places::of(home));
    match loaded.problems.first() {
        Some(problem) => Err(problem.clone()),
        None => Ok(loaded),
    }
}

/// A key that exists.
fn known(text: &str) -> Result<(KeyPath, Field), Fault> {
    let key = KeyPath::parse(text)?;
    let shape = config::shape();
    match shape.find(&key) {
        Some(field) => Ok((key.clone(), field.clone())),
        None => Err(config::unknown(
            &key,
            shape.suggest(&key).as_ref(),
            &shape.names(),
        )),
    }
}

/// What holds for a key or a section.
///
/// # Errors
/// When a file is wrong, or there is no such key.
pub fn get(home: &Home, key: &str) -> Result<Got, Fault> {
    let loaded = loaded(home)?;
    let (key, field) = known(key)?;
    let is_section = !matches!(field.shape, Shape::Value(_));
    let value = if is_section {
        let table = key.parts().iter().try_fold(
            toml::Value::Table(loaded.stack.table(&key)),
            |value, part| value.get(part).cloned(),
        );
        Some(table.unwrap_or_else(|| toml::Value::Table(toml::Table::new())))
    } else {
        let origin = loaded.stack.get(&key);
        origin.map(|origin| origin.leaf.value.clone())
    };
    Ok(Got {
        key: key.to_string(),
        value,
        is_section,
    })
}

/// What a key or a section is for, and where its values come from.
///
/// # Errors
/// As [`get`].
pub fn explain(home: &Home, key: &str) -> Result<Explained, Fault> {
    let loaded = loaded(home)?;
    let (key, field) = known(key)?;
    let origins = |key: &KeyPath| Origins {
        key: key.to_string(),
        from: loaded.stack.all(key).iter().map(given).collect(),
    };
    let (values, expected) = match &field.shape {
        Shape::Value(kinds) => (vec![origins(&key)], Some(kinds.expected())),
        _ => (loaded.stack.keys(&key).iter().map(origins).collect(), None),
    };
    Ok(Explained {
        variable: expected.as_ref().and_then(|_| key.variable()),
        key: key.to_string(),
        about: field.about,
        expected,
        values,
    })
}

fn given(origin: &Origin<'_>) -> Given {
    Given {
        value: origin.leaf.value.clone(),
        layer: origin.kind.name(),
        place: origin.leaf.place.clone(),
        holds: origin.passed_over.is_none(),
        why_not: origin.passed_over,
    }
}

/// Every setting that holds, with the layer and the place that it comes from.
///
/// # Errors
/// When a file is wrong.
pub fn effective(home: &Home) -> Result<Vec<Setting>, Fault> {
    let loaded = loaded(home)?;
    let keys = loaded.stack.every();
    Ok(keys
        .iter()
        .filter_map(|key| Some(setting(key, &loaded.stack.get(key)?)))
        .collect())
}

fn setting(key: &KeyPath, origin: &Origin<'_>) -> Setting {
    Setting {
        key: key.to_string(),
        value: origin.leaf.value.clone(),
        layer: origin.kind.name(),
        place: origin.leaf.place.clone(),
    }
}

/// Sets a key in the user's own file.
///
/// # Errors
/// When there is no such key, the value does not fit, or the file cannot be written.
pub fn set(home: &Home, key: &str, text: &str) -> Result<Changed, Fault> {
    let key = KeyPath::parse(key)?;
    let file = home.config_file();
    let value = config::set(&file, &key, text)?;
    // Something stronger may still hold; that would otherwise be a riddle.
    let loaded = Loaded::read(&Places::of(home));
    let stronger = loaded
        .stack
        .get(&key)
        .filter(|origin| origin.kind > Kind::User)
        .map(|origin| setting(&key, &origin));
    Ok(Changed {
        key: key.to_string(),
        value,
        file,
        holds: stronger.is_none(),
        stronger,
    })
}

/// Checks all files.
#[must_use]
pub fn validate(home: &Home) -> Validity {
    let loaded = Loaded::read(&Places::of(home));
    let files = loaded.files.iter().map(|file| LookedAt {
        path: file.path.clone(),
        layer: file.kind.name(),
        there: file.there,
        problems: file.problems,
    });
    let files = files.collect();
    let kept = loaded.kept_forbidden.iter();
    let kept_forbidden = kept.map(|class| class.name()).collect();
    let mut problems = loaded.problems.clone();
    if problems.is_empty() {
        // What only shows when all layers are together: addresses, prices, and names of models.
        problems.extend(
            loaded
                .config()
                .and_then(|config| config.check_names())
                .err(),
        );
    }
    Validity {
        valid: problems.is_empty(),
        files,
        problems,
        kept_forbidden,
    }
}

fn as_json<S: Serializer>(value: &toml::Value, to: S) -> Result<S::Ok, S::Error> {
    json_of(value).serialize(to)
}

fn option_as_json<S: Serializer>(value: &Option<toml::Value>, to: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(json_of).serialize(to)
}

fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(all) => all.iter().map(json_of).collect(),
        toml::Value::Table(table) => table
            .iter()
            .map(|(name, value)| (name.clone(), json_of(value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_as_scripts_want_them() {
        let table: toml::Value = toml::from_str("a = [1, true]\nb = 'x'").unwrap();
        assert_eq!(json_of(&table), json!({"a": [1, true], "b": "x"}));
    }

    #[test]
    fn an_unknown_key_has_a_suggestion() {
        assert!(known("run.max_steps").is_ok());
        assert!(known("models.vendors.mine").is_ok());
        assert_eq!(
            known("run.max_step")
                .unwrap_err()
                .hint
                .map(|hint| hint.to_string())
                .as_deref(),
            Some("did you mean run.max_steps?")
        );
        assert_eq!(
            known("models.vendors.mine.api_key").unwrap_err().code,
            "KEI-1306"
        );
    }
}
