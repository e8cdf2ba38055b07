//! The commented files that `config init` writes. They name every key, because they come from the definition.

use super::shape::{Field, Shape};
use super::{defaults, key::KeyPath, shape};
use keiko_governance::class::ActionClass;
use keiko_governance::policy::{Level, RiskPolicy};

/// Comment lines are at most so long.
const WIDTH: usize = 110;

/// A `config.toml` in which every line is a comment.
pub(crate) fn config_file() -> String {
    let mut text = String::from(
        "# Keiko's configuration. Lines that begin with # and a key show the default, or an example; remove the # to set it.\n\
         # Where a value comes from: keiko config explain KEY. Check this file: keiko config validate\n",
    );
    let root = shape();
    section(&root, &KeyPath::default(), &mut text);
    if let Shape::Table(fields) = &root.shape {
        for (name, field) in fields
            .iter()
            .filter(|(name, field)| matches!(field.shape, Shape::Table(_)) && *name != "models")
        {
            text.push('\n');
            comment(&field.about, &mut text);
            text.push_str(&format!("[{name}]\n"));
            section(field, &KeyPath::new([name.as_str()]), &mut text);
        }
    }
    text.push_str(MODELS);
    text
}

/// By hand: which vendors and prices there are is up to people.
const MODELS: &str = r#"
# Language models. A key in the environment is enough for the usual vendors: export ANTHROPIC_API_KEY=…
# Keys never stand here: name the variable (key_env) or a file that only you can read (key_file).
[models]
# The model for runs that name none: vendor/model, or a profile.
#default = "ollama/qwen3-coder"

# Short names.
[models.profiles]
#code = "anthropic/MODEL"

# Any OpenAI-compatible server.
#[models.vendors.custom]
#base_url = "http://127.0.0.1:8080/v1"
#key_env = "CUSTOM_API_KEY"

# Prices in dollars per million tokens, for models that the price file does not know.
#[models.prices."custom/MODEL"]
#price = 0

# Time limits in milliseconds.
[models.timeouts]
#first_token_ms = 180000
"#;

fn section(field: &Field, at: &KeyPath, text: &mut String) {
    let defaults = defaults();
    let Shape::Table(fields) = &field.shape else {
        return;
    };
    for (name, field) in fields {
        let Shape::Value(kinds) = &field.shape else {
            continue;
        };
        let key = at.child(name);
        text.push('\n');
        comment(&field.about, text);
        let example = match defaults.leaves.get(&key) {
            Some(leaf) => leaf.value.clone(),
            None if kinds.dollars => "0.50".into(),
            None if kinds.bytes => "20GiB".into(),
            None => kinds
                .words
                .first()
                .cloned()
                .unwrap_or_else(|| "ollama/qwen3-coder".into())
                .into(),
        };
        if !kinds.words.is_empty() {
            comment(&format!("One of: {}.", kinds.words.join(", ")), text);
        }
        text.push_str(&format!("#{name} = {example}\n"));
    }
}

fn comment(about: &str, text: &mut String) {
    let mut line = String::from("#");
    for word in about.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = "#".into();
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        text.push_str(&line);
        text.push('\n');
    }
}

/// A `risk.toml` with all classes and what holds for them.
pub(crate) fn risk_file() -> String {
    let mut text = String::from(
        "# What Keiko may do: run (it runs), alert (it runs and you are told), ask (a person decides first), forbid.\n\
         # Lines with a # show the defaults. The strictest word wins; what /etc/keiko/risk.toml forbids stays forbidden.\n\n\
         # Hours until an unanswered approval counts as denied.\n",
    );
    text.push_str(&format!(
        "#approval_expires_hours = {}\n\n[classes]\n",
        RiskPolicy::default().approval_expires_hours
    ));
    for class in ActionClass::ALL {
        text.push_str(&format!(
            "# {}\n#{} = \"{}\"\n",
            about(class),
            class.name(),
            word(RiskPolicy::default_level(class))
        ));
    }
    text.push_str(
        "\n# Rules for commands, by their first words. A help for people who want to be asked, not a border: that is the sandbox.\n\
         #[[commands]]\n#starts = [\"cargo\", \"publish\"]\n#level = \"ask\"\n#reason = \"it is public\"\n",
    );
    text
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Run => "run",
        Level::Alert => "alert",
        Level::Ask => "ask",
        Level::Forbid => "forbid",
    }
}

fn about(class: ActionClass) -> &'static str {
    match class {
        ActionClass::Model => "Sends the conversation to a language model.",
        ActionClass::Read => "Reads inside the sandbox.",
        ActionClass::Write => "Changes files of the private workspace.",
        ActionClass::TestChange => "Changes an existing test of the workspace.",
        ActionClass::Execute => "Runs a command inside the sandbox, without network.",
        ActionClass::Commit => "Commits in the private workspace.",
        ActionClass::Network => "Uses the network from a sandbox, to install dependencies.",
        ActionClass::GitPush => "Sends commits to a remote repository.",
        ActionClass::ToolRead => "A tool that only reads, by its contract.",
        ActionClass::ToolAdd => {
            "A tool that adds something and takes nothing away, by its contract."
        }
        ActionClass::ToolOther => "Any other tool.",
        ActionClass::Run => "Starts a run of its own, which is judged by the same policy.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{layer, policy, raw::RawConfig};

    /// The file with the comment signs before keys and sections taken away.
    fn in_force(text: &str) -> String {
        let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
        text.lines()
            .map(|line| if is_setting(&line) { &line[1..] } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn both_files_are_valid_as_they_are_and_with_every_line_in_force() {
        for text in [config_file(), in_force(&config_file())] {
            let source = layer::Source {
                path: "config.toml".into(),
                text: &text,
            };
            assert_eq!(layer::read(&source, &shape()).1, [], "{text}");
            toml::from_str::<RawConfig>(&text).unwrap();
        }
        for text in [risk_file(), in_force(&risk_file())] {
            let source = layer::Source {
                path: "risk.toml".into(),
                text: &text,
            };
            assert_eq!(layer::read(&source, &policy::shape()).1, [], "{text}");
        }
        let policy: RiskPolicy = toml::from_str(&in_force(&risk_file())).unwrap();
        assert_eq!(policy.classes.len(), ActionClass::ALL.len());
        assert!(
            ActionClass::ALL
                .iter()
                .all(|class| policy.level(*class) == RiskPolicy::default_level(*class))
        );
        for key in [
            "max_steps = 60",
            "budget",
            "approval = \"policy\"",
            "language",
            "level = \"error\"",
        ] {
            assert!(
                config_file().contains(&format!("#{key}")),
                "{key}: {}",
                config_file()
            );
        }
    }
}
