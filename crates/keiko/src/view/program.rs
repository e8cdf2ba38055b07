//! How this program is called here, so that what people are told to type works as it stands: `./keiko …` from the
//! sources, `keiko …` where it is installed.

use std::borrow::Cow;
use std::sync::OnceLock;

/// The variable in which the script `./keiko` says how it was called.
const VARIABLE: &str = "KEIKO_CALLED_AS";
/// The longest name that is taken from it, in bytes.
const LONGEST: usize = 512;
/// The commands: a text that says "keiko" followed by one of these means something to type.
const COMMANDS: [&str; 16] = [
    "agents",
    "approvals",
    "completion",
    "config",
    "demo",
    "doctor",
    "help",
    "kill",
    "man",
    "models",
    "plan",
    "resume",
    "run",
    "runs",
    "up",
    "version",
];

/// How this program is called.
pub(crate) fn program() -> &'static str {
    static CALLED: OnceLock<String> = OnceLock::new();
    CALLED.get_or_init(|| {
        std::env::var(VARIABLE)
            .ok()
            .and_then(|name| quoted(&name))
            .unwrap_or_else(|| "keiko".into())
    })
}

/// A name as a shell reads it; nothing when it is none.
fn quoted(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        return None;
    }
    Some(keiko_contracts::step::quoted(name))
}

/// The text with the commands in it as they are typed here.
pub(crate) fn as_typed(text: &str) -> Cow<'_, str> {
    replaced(text, program())
}

fn replaced<'a>(text: &'a str, program: &str) -> Cow<'a, str> {
    const NAME: &str = "keiko";
    if program == NAME {
        return Cow::Borrowed(text);
    }
    let (mut out, mut from) = (String::new(), 0);
    for (at, _) in text.match_indices(NAME) {
        let begins = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || "`'\"(&|".contains(c));
        let rest = &text[at + NAME.len()..];
        let word = rest.strip_prefix(' ').map(|rest| {
            rest.split(|c: char| !c.is_ascii_lowercase() && !"-…".contains(c))
                .next()
                .unwrap_or_default()
        });
        if begins
            && word.is_some_and(|word| {
                COMMANDS.contains(&word) || word.starts_with("--") || word == "…"
            })
        {
            out.push_str(&text[from..at]);
            out.push_str(program);
            from = at + NAME.len();
        }
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn what_is_to_be_typed_is_typed_as_here() {
        let cases = [
            ("keiko runs list", "./keiko runs list"),
            (
                "`keiko doctor --fix` mends it; then: keiko up",
                "`./keiko doctor --fix` mends it; then: ./keiko up",
            ),
            (
                "KEIKO_HOME=/x keiko …, or keiko --help",
                "KEIKO_HOME=/x ./keiko …, or ./keiko --help",
            ),
            (
                "keiko is young; /srv/keiko runs on; a keiko",
                "keiko is young; /srv/keiko runs on; a keiko",
            ),
            ("", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(replaced(text, "./keiko"), wanted);
            assert_eq!(replaced(text, "keiko"), text);
        }
    }

    #[test]
    fn all_commands_are_known() {
        let mut command = crate::cli::Cli::command();
        command.build();
        let mut names: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        names.sort_unstable();
        assert_eq!(names, COMMANDS);
    }

    #[test]
    fn a_name_is_quoted_when_a_shell_needs_it() {
        assert_eq!(quoted("./keiko").as_deref(), Some("./keiko"));
        assert_eq!(
            quoted("/my tools/keiko").as_deref(),
            Some("'/my tools/keiko'")
        );
        assert_eq!(quoted("it's/keiko").as_deref(), Some(r"'it'\''s/keiko'"));
        for bad in ["", "a\u{1b}[2J", &"x".repeat(600)] {
            assert_eq!(quoted(bad), None);
        }
    }
}
