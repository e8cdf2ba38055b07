//! Commands that people try because other tools have them, and what they are called here.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What was typed, and the command that does it.
const OTHERS: [(&[&str], &str); 22] = [
    (
        &["list", "ls", "ps", "history", "status", "jobs"],
        "keiko runs list",
    ),
    (&["show", "info", "inspect"], "keiko runs show last"),
    (&["report"], "keiko runs report last"),
    (
        &["logs", "log", "events", "tail", "watch", "follow"],
        "keiko runs events last --follow",
    ),
    (&["diff"], "keiko runs diff last"),
    (&["apply", "merge", "accept"], "keiko runs apply last"),
    (&["undo", "revert", "rollback"], "keiko runs undo last"),
    (&["prune", "gc", "clean", "cleanup"], "keiko runs prune"),
    (&["verify", "check"], "keiko runs verify last"),
    (&["cancel", "abort"], "keiko runs cancel last"),
    (
        &["stop"],
        "keiko kill --run last --reason \"…\", or: keiko runs cancel last",
    ),
    (
        &["approve", "allow", "yes"],
        "keiko approvals approve last (what it allows: keiko approvals show last)",
    ),
    (
        &["deny", "reject", "no"],
        "keiko approvals deny last --reason \"…\"",
    ),
    (&["approval", "inbox", "pending"], "keiko approvals list"),
    (&["continue", "retry"], "keiko resume last"),
    (
        &["init", "setup", "configure", "settings"],
        "keiko config init",
    ),
    (
        &["get", "set", "explain", "validate"],
        "keiko config --help",
    ),
    (
        &["model", "login", "auth", "key", "keys"],
        "keiko models list",
    ),
    (&["probe", "ping"], "keiko models probe VENDOR/MODEL"),
    (
        &["start", "serve", "server", "examine", "scan", "repo-doctor"],
        "keiko up",
    ),
    (&["tour", "example"], "keiko demo code"),
    (
        &["do", "ask", "fix", "task", "goal", "exec", "chat"],
        "keiko run \"what is to be done\"",
    ),
];

/// Options that may stand before a command and have a value of their own.
const OPTIONS_WITH_VALUE: [&str; 2] = ["--lang", "--color"];

/// The command that was probably meant, if clap has no better word for it.
pub(crate) fn instead(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let line: Vec<String> = std::env::args_os()
        .skip(1)
        .filter_map(|arg| arg.into_string().ok())
        .collect();
    let words = without_options(&line);
    // Below a command, clap's own list of what there is says more.
    (words.first() == Some(typed)).then(|| of(words)).flatten()
}

/// A command line from its first word that is no option and no option's value.
fn without_options(line: &[String]) -> &[String] {
    let mut rest = line;
    while let Some((first, after)) = rest
        .split_first()
        .filter(|(first, _)| first.starts_with('-'))
    {
        let takes_value = OPTIONS_WITH_VALUE.contains(&first.as_str());
        rest = after.get(usize::from(takes_value)..).unwrap_or_default();
    }
    rest
}

/// What a command line without a command means; one that says what is to be done is a goal.
fn of(words: &[String]) -> Option<String> {
    let (typed, (_, does)) = (words.first()?.as_str(), OTHERS.last()?);
    let found = OTHERS
        .iter()
        .find(|(names, _)| names.contains(&typed))
        .map(|(_, command)| *command);
    let goal = words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .map(|word| word.trim())
        .collect::<Vec<_>>()
        .join(" ");
    let is_goal = goal.contains(' ')
        && !goal.contains(['"', '\'', '$', '`', '\\'])
        && !goal.chars().any(char::is_control);
    match found {
        Some(command) if command != *does || !is_goal => Some((*command).to_owned()),
        _ if is_goal => Some(format!("keiko run \"{goal}\"")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::language::Tell as _;
    use clap::{CommandFactory as _, Parser as _};
    use keiko_contracts::language::Language;

    #[test]
    fn every_suggestion_is_a_command_that_exists() {
        for (_, text) in OTHERS {
            for command in text.split("keiko ").skip(1) {
                let words = command
                    .split([',', '('])
                    .next()
                    .unwrap_or_default()
                    .replace('"', "")
                    .trim()
                    .to_owned();
                let words = std::iter::once("keiko")
                    .chain(words.split_whitespace().take_while(|word| *word != "what"));
                let words: Vec<&str> = words.collect();
                let words = if words.last() == Some(&"run") {
                    [words.as_slice(), &["goal"]].concat()
                } else {
                    words
                };
                if let Err(error) = Cli::try_parse_from(&words) {
                    assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{words:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn no_name_hides_a_command() {
        let command = Cli::command();
        let own: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert!(
            OTHERS
                .iter()
                .flat_map(|(names, _)| *names)
                .all(|name| !own.contains(name))
        );
    }

    #[test]
    fn options_do_not_hide_what_was_typed() {
        let own: Vec<String> = Cli::command()
            .get_arguments()
            .filter(|arg| arg.get_action().takes_values())
            .filter_map(|arg| Some(format!("--{}", arg.get_long()?)))
            .collect();
        assert_eq!(own.len(), OPTIONS_WITH_VALUE.len(), "{own:?}");
        assert!(
            own.iter()
                .all(|name| OPTIONS_WITH_VALUE.contains(&name.as_str())),
            "{own:?}"
        );
        for line in [
            "list all",
            "--lang de list all",
            "--color=never -q list all",
            "--json --color always --lang=de list all",
        ] {
            let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(without_options(&line), ["list", "all"]);
        }
        assert_eq!(without_options(&["--lang".to_owned()]), [""; 0]);
    }

    #[test]
    fn every_suggestion_with_words_has_german() {
        for (_, text) in OTHERS {
            let words = text
                .split("keiko ")
                .flat_map(|part| part.split([':', '(', ',']).skip(1))
                .any(|part| !part.trim_matches([' ', ')']).is_empty());
            let placeholders = text.contains("VENDOR") || text.contains("what is");
            assert_eq!(
                text.tell(Language::German) != text,
                words || placeholders,
                "{text}"
            );
        }
    }

    #[test]
    fn a_sentence_is_a_goal() {
        let of = |words: &[&str]| {
            of(&words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>())
        };
        assert_eq!(
            of(&["fix the tests"]).as_deref(),
            Some("keiko run \"fix the tests\"")
        );
        assert_eq!(
            of(&["fix", "the", "tests", "--json"]).as_deref(),
            Some("keiko run \"fix the tests\"")
        );
        assert_eq!(
            of(&["make", "it", "green"]).as_deref(),
            Some("keiko run \"make it green\"")
        );
        assert_eq!(of(&["list", "all"]).as_deref(), Some("keiko runs list"));
        assert_eq!(
            of(&["fix"]).as_deref(),
            Some("keiko run \"what is to be done\"")
        );
        assert_eq!(of(&["frobnicate"]), None);
        assert_eq!(
            of(&["rm", "$HOME"]),
            None,
            "what a shell would read otherwise"
        );
    }
}
