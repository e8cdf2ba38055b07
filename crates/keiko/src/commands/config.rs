//! `config`: shows, explains, checks and changes settings.

use super::Context;
use crate::cli::ConfigCommand;
use crate::config::{self, Field, KeyPath, Loaded, Origin, Places, Shape};
use crate::error::{CliError, Exit};
use crate::home::Home;
use crate::language::{plain_json, tr};
use crate::view::Tone;
use keiko_contracts::code::{Code, Fault};
use serde_json::Value;
use std::process::ExitCode;

pub(crate) fn run(
    context: &Context<'_>,
    command: Option<ConfigCommand>,
) -> Result<ExitCode, CliError> {
    let Some(command) = command else {
        return effective(context, &loaded()?);
    };
    match command {
        ConfigCommand::Schema => {
            context.output.data(&config::schema()?);
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Init => init(context, &Home::find()?),
        ConfigCommand::Get { key } => get(context, &loaded()?, &known(&key)?),
        ConfigCommand::Explain { key } => explain(context, &loaded()?, &known(&key)?),
        ConfigCommand::Set { key, value } => {
            set(context, &Home::find()?, &KeyPath::parse(&key)?, &value)
        }
        ConfigCommand::Validate => validate(context),
    }
}

fn init(context: &Context<'_>, home: &Home) -> Result<ExitCode, CliError> {
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
    if context.output.json() {
        context
            .output
            .data(&plain_json!({"written": written, "kept": kept}).to_string());
    } else {
        written.iter().for_each(|path| {
            context.output.data(&tr!(
                context.output,
                "written: {}",
                "angelegt: {}",
                path.display()
            ))
        });
        kept.iter().for_each(|path| {
            context.output.data(&tr!(
                context.output,
                "already there, left as it is: {}",
                "schon da und unverändert: {}",
                path.display()
            ));
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// What was read without a mistake; the mistakes are for `validate`, but a value of a broken file is no answer.
fn loaded() -> Result<Loaded, Fault> {
    let loaded = Loaded::read(&Places::of(&Home::find()?));
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

fn get(
    context: &Context<'_>,
    loaded: &Loaded,
    (key, field): &(KeyPath, Field),
) -> Result<ExitCode, CliError> {
    if !matches!(field.shape, Shape::Value(_)) {
        let table = key.parts().iter().try_fold(
            toml::Value::Table(loaded.stack.table(key)),
            |value, part| value.get(part).cloned(),
        );
        let table = table.unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
        if context.output.json() {
            context
                .output
                .data(&plain_json!({"key": key.to_string(), "value": json_of(&table)}).to_string());
        } else {
            let text = toml::to_string(&table)
                .map_err(|error| Fault::new(Code::MANUAL_PAGE_NOT_MADE, error.to_string()))?;
            context.output.data(text.trim_end());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let origin = loaded.stack.get(key);
    if context.output.json() {
        let value = origin.as_ref().map(|origin| json_of(&origin.leaf.value));
        context
            .output
            .data(&plain_json!({"key": key.to_string(), "value": value}).to_string());
        // The same code as without --json.
        return Ok(if origin.is_some() {
            Exit::Ok
        } else {
            Exit::NotFound
        }
        .into());
    }
    match origin {
        Some(origin) => {
            context.output.data(&plain(&origin.leaf.value));
            Ok(ExitCode::SUCCESS)
        }
        None => {
            context.output.say(&tr!(
                context.output,
                "{key} is not set. What it does: keiko config explain {key}",
                "{key} ist nicht gesetzt. Wozu es dient: keiko config explain {key}"
            ));
            Ok(Exit::NotFound.into())
        }
    }
}

fn explain(
    context: &Context<'_>,
    loaded: &Loaded,
    (key, field): &(KeyPath, Field),
) -> Result<ExitCode, CliError> {
    let origins: Vec<(KeyPath, Vec<Origin<'_>>)> = match field.shape {
        Shape::Value(_) => vec![(key.clone(), loaded.stack.all(key))],
        _ => loaded
            .stack
            .keys(key)
            .into_iter()
            .map(|key| (key.clone(), loaded.stack.all(&key)))
            .collect(),
    };
    if context.output.json() {
        let keys: Vec<Value> = origins
            .iter()
            .map(|(key, origins)| json_origins(key, origins))
            .collect();
        context.output.data(
            &plain_json!({"key": key.to_string(), "about": field.about, "values": keys})
                .to_string(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let output = context.output;
    if !field.about.is_empty() {
        context.output.data(&output.told(&field.about));
    }
    if let Shape::Value(kinds) = &field.shape {
        let variable = key
            .variable()
            .map(|name| tr!(output, "; variable {name}", "; Variable {name}"))
            .unwrap_or_default();
        output.data(&format!("{}{variable}", output.told(&kinds.expected())));
    }
    for (key, origins) in &origins {
        if origins.is_empty() {
            output.data(&tr!(output, "{key} is not set", "{key} ist nicht gesetzt"));
        }
        for origin in origins {
            let place = if origin.kind == config::Kind::Default {
                String::new()
            } else {
                format!("  {}", origin.leaf.place)
            };
            let why = origin.passed_over.map(|why| {
                tr!(
                    output,
                    "  (does not hold: {})",
                    "  (gilt nicht: {})",
                    output.told(why)
                )
            });
            let (why, layer) = (why.unwrap_or_default(), output.told(origin.kind.name()));
            output.data(&format!(
                "{key} = {}  [{layer}]{place}{why}",
                origin.leaf.value
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every setting that holds, with the layer and the place that it comes from.
fn effective(context: &Context<'_>, loaded: &Loaded) -> Result<ExitCode, CliError> {
    let output = context.output;
    let origins: Vec<(KeyPath, Origin<'_>)> = loaded
        .stack
        .every()
        .into_iter()
        .filter_map(|key| Some((key.clone(), loaded.stack.get(&key)?)))
        .collect();
    if output.json() {
        let row = |(key, origin): &(KeyPath, Origin<'_>)| plain_json!({"key": key.to_string(), "value": json_of(&origin.leaf.value), "layer": origin.kind.name(), "place": origin.leaf.place});
        output.data(
            &plain_json!({"values": origins.iter().map(row).collect::<Vec<_>>()}).to_string(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    for (key, origin) in &origins {
        let place = if origin.kind == config::Kind::Default {
            String::new()
        } else {
            format!("  {}", origin.leaf.place)
        };
        output.data(&format!(
            "{key} = {}  [{}]{place}",
            origin.leaf.value,
            output.told(origin.kind.name())
        ));
    }
    output.say(output.t(
        "What a setting does: keiko config explain KEY. To change one: keiko config set KEY VALUE",
        "Was eine Einstellung bewirkt: keiko config explain SCHLÜSSEL. Eine ändern: keiko config set SCHLÜSSEL WERT",
    ));
    Ok(ExitCode::SUCCESS)
}

fn json_origins(key: &KeyPath, origins: &[Origin<'_>]) -> Value {
    let row = |origin: &Origin<'_>| {
        plain_json!({
            "value": json_of(&origin.leaf.value), "layer": origin.kind.name(), "place": origin.leaf.place,
            "holds": origin.passed_over.is_none(), "why_not": origin.passed_over,
        })
    };
    plain_json!({"key": key.to_string(), "from": origins.iter().map(row).collect::<Vec<_>>()})
}

fn set(
    context: &Context<'_>,
    home: &Home,
    key: &KeyPath,
    text: &str,
) -> Result<ExitCode, CliError> {
    let file = home.config_file();
    let value = config::set(&file, key, text)?;
    // Something stronger may still hold; that would otherwise be a riddle.
    let loaded = Loaded::read(&Places::of(home));
    let stronger = loaded
        .stack
        .get(key)
        .filter(|origin| origin.kind > config::Kind::User);
    if let Some(stronger) = &stronger {
        context.output.warn(&tr!(
            context.output,
            "{} goes before it: {key} stays {}",
            "{} geht vor: {key} bleibt {}",
            stronger.leaf.place,
            stronger.leaf.value
        ));
    }
    if context.output.json() {
        let holds = stronger.is_none();
        context.output.data(&plain_json!({"key": key.to_string(), "value": json_of(&value), "file": file, "holds": holds}).to_string());
    } else {
        context
            .output
            .say(&format!("{key} = {value}  ({})", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn validate(context: &Context<'_>) -> Result<ExitCode, CliError> {
    let loaded = Loaded::read(&Places::of(&Home::find()?));
    let files = loaded.files.clone();
    let kept = loaded.kept_forbidden.clone();
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
    if context.output.json() {
        let files: Vec<Value> = files
            .iter()
            .map(|file| plain_json!({"path": file.path, "layer": file.kind.name(), "there": file.there, "problems": file.problems}))
            .collect();
        context.output.data(
            &plain_json!({"valid": problems.is_empty(), "files": files, "problems": problems})
                .to_string(),
        );
    } else {
        for file in &files {
            let state = match (file.there, file.problems) {
                (false, _) => context.output.paint(
                    Tone::Faint,
                    context.output.t("not there", "nicht vorhanden"),
                ),
                (true, 0) => context.output.paint(Tone::Good, "ok"),
                (true, n) => {
                    let text = context.output.language().count(
                        n as u64,
                        ["problem", "problems"],
                        ["Problem", "Probleme"],
                    );
                    context.output.paint(Tone::Bad, &text)
                }
            };
            context.output.say(&format!(
                "{:<8} {}: {state}",
                context.output.told(file.kind.name()),
                file.path.display()
            ));
        }
        problems
            .iter()
            .for_each(|problem| context.output.fault(problem));
    }
    for class in kept {
        context.output.warn(&tr!(
            context.output,
            "your risk.toml would loosen {}, but /etc/keiko/risk.toml forbids it: it stays forbidden",
            "Ihre risk.toml würde {} lockern, aber /etc/keiko/risk.toml verbietet es: Es bleibt verboten",
            class.name()
        ));
    }
    Ok(if problems.is_empty() {
        Exit::Ok
    } else {
        Exit::CheckFailed
    }
    .into())
}

/// A value for people and scripts: text without quotes.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
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
        assert_eq!(plain(&"a/b".into()), "a/b");
        assert_eq!(plain(&toml::Value::Integer(4)), "4");
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
