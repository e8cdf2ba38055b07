//! `config`: shows, explains, checks and changes settings.

use super::Context;
use crate::cli::ConfigCommand;
use crate::error::{CliError, Exit};
use crate::language::{plain_json, tr};
use crate::view::Tone;
use keiko_app::home::Home;
use keiko_app::settings::{self, Given, LookedAt, is_default};
use keiko_contracts::code::{Code, Fault};
use std::process::ExitCode;

pub(crate) fn run(
    context: &Context<'_>,
    command: Option<ConfigCommand>,
) -> Result<ExitCode, CliError> {
    match command {
        None => effective(context, &Home::find()?)?,
        Some(ConfigCommand::Schema) => context.output.data(&settings::schema()?),
        Some(ConfigCommand::Init) => init(context, &Home::find()?)?,
        Some(ConfigCommand::Get { key }) => return get(context, &Home::find()?, &key),
        Some(ConfigCommand::Explain { key }) => explain(context, &Home::find()?, &key)?,
        Some(ConfigCommand::Set { key, value }) => set(context, &Home::find()?, &key, &value)?,
        Some(ConfigCommand::Validate) => return validate(context, &Home::find()?),
    }
    Ok(ExitCode::SUCCESS)
}

fn init(context: &Context<'_>, home: &Home) -> Result<(), CliError> {
    let done = settings::init(home)?;
    if context.output.json() {
        return Ok(context.output.json_data(&done)?);
    }
    done.written.iter().for_each(|path| {
        context.output.data(&tr!(
            context.output,
            "written: {}",
            "angelegt: {}",
            path.display()
        ))
    });
    done.kept.iter().for_each(|path| {
        context.output.data(&tr!(
            context.output,
            "already there, left as it is: {}",
            "schon da und unverändert: {}",
            path.display()
        ));
    });
    Ok(())
}

fn get(context: &Context<'_>, home: &Home, key: &str) -> Result<ExitCode, CliError> {
    let got = settings::get(home, key)?;
    if context.output.json() {
        context.output.json_data(&got)?;
        // The same code as without --json.
        return Ok(match got.value {
            Some(_) => Exit::Ok,
            None => Exit::NotFound,
        }
        .into());
    }
    let key = &got.key;
    match &got.value {
        Some(table) if got.is_section => {
            let text = toml::to_string(table)
                .map_err(|error| Fault::new(Code::MANUAL_PAGE_NOT_MADE, error.to_string()))?;
            context.output.data(text.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Some(value) => {
            context.output.data(&plain(value));
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

fn explain(context: &Context<'_>, home: &Home, key: &str) -> Result<(), CliError> {
    let explained = settings::explain(home, key)?;
    let output = context.output;
    if output.json() {
        return Ok(output.json_data(&explained)?);
    }
    if !explained.about.is_empty() {
        output.data(&output.told(explained.about.as_str()));
    }
    if let Some(expected) = &explained.expected {
        let variable = explained
            .variable
            .map(|name| tr!(output, "; variable {name}", "; Variable {name}"))
            .unwrap_or_default();
        output.data(&format!("{}{variable}", output.told(expected)));
    }
    for origins in &explained.values {
        let key = &origins.key;
        if origins.from.is_empty() {
            output.data(&tr!(output, "{key} is not set", "{key} ist nicht gesetzt"));
        }
        for Given {
            value,
            layer,
            place,
            why_not,
            ..
        } in &origins.from
        {
            let why = why_not.map(|why| {
                tr!(
                    output,
                    "  (does not hold: {})",
                    "  (gilt nicht: {})",
                    output.told(why)
                )
            });
            let (why, place) = (why.unwrap_or_default(), shown(layer, place));
            output.data(&format!(
                "{key} = {value}  [{}]{place}{why}",
                output.told(*layer)
            ));
        }
    }
    Ok(())
}

/// Where a value stands, unless it stands nowhere.
fn shown(layer: &str, place: &str) -> String {
    match is_default(layer) {
        true => String::new(),
        false => format!("  {place}"),
    }
}

/// Every setting that holds, with the layer and the place that it comes from.
fn effective(context: &Context<'_>, home: &Home) -> Result<(), CliError> {
    let output = context.output;
    let settings = settings::effective(home)?;
    if output.json() {
        return Ok(output.json_data(&plain_json!({ "values": settings }))?);
    }
    for setting in &settings {
        let place = shown(setting.layer, &setting.place);
        output.data(&format!(
            "{} = {}  [{}]{place}",
            setting.key,
            setting.value,
            output.told(setting.layer)
        ));
    }
    output.say(output.t(
        "What a setting does: keiko config explain KEY. To change one: keiko config set KEY VALUE",
        "Was eine Einstellung bewirkt: keiko config explain SCHLÜSSEL. Eine ändern: keiko config set SCHLÜSSEL WERT",
    ));
    Ok(())
}

fn set(context: &Context<'_>, home: &Home, key: &str, text: &str) -> Result<(), CliError> {
    let changed = settings::set(home, key, text)?;
    let key = &changed.key;
    if let Some(stronger) = &changed.stronger {
        context.output.warn(&tr!(
            context.output,
            "{} goes before it: {key} stays {}",
            "{} geht vor: {key} bleibt {}",
            stronger.place,
            stronger.value
        ));
    }
    if context.output.json() {
        return Ok(context.output.json_data(&changed)?);
    }
    let (value, file) = (&changed.value, changed.file.display());
    context.output.say(&format!("{key} = {value}  ({file})"));
    Ok(())
}

fn validate(context: &Context<'_>, home: &Home) -> Result<ExitCode, CliError> {
    let found = settings::validate(home);
    if context.output.json() {
        context.output.json_data(&found)?;
    } else {
        found.files.iter().for_each(|file| look(context, file));
        found
            .problems
            .iter()
            .for_each(|problem| context.output.fault(problem));
    }
    for class in &found.kept_forbidden {
        context.output.warn(&tr!(
            context.output,
            "your risk.toml would loosen {class}, but /etc/keiko/risk.toml forbids it: it stays forbidden",
            "Ihre risk.toml würde {class} lockern, aber /etc/keiko/risk.toml verbietet es: Es bleibt verboten"
        ));
    }
    Ok(if found.valid {
        Exit::Ok
    } else {
        Exit::CheckFailed
    }
    .into())
}

/// How a file is.
fn look(context: &Context<'_>, file: &LookedAt) {
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
        context.output.told(file.layer),
        file.path.display()
    ));
}

/// A value for people and scripts: text without quotes.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_scripts_want_them() {
        assert_eq!(plain(&"a/b".into()), "a/b");
        assert_eq!(plain(&toml::Value::Integer(4)), "4");
    }
}
