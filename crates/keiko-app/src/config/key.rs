//! Names of settings: `run.max_steps`, `models.prices."openai/gpt-4o".price`.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::fmt;

/// The name of a setting or a section, in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<String>);

impl KeyPath {
    pub(crate) fn new(parts: impl IntoIterator<Item = impl Into<String>>) -> KeyPath {
        KeyPath(parts.into_iter().map(Into::into).collect())
    }

    /// Reads a dotted key as TOML has them: a part with other than letters, digits, `_` and `-` stands in quotes.
    pub(crate) fn parse(text: &str) -> Result<KeyPath, Fault> {
        let bad = |why: String| {
            let shown: String = text.chars().take(80).collect();
            Fault::new(
                Code::KEY_UNKNOWN,
                say!(
                    "{shown} is not a key: {why}",
                    shown = format_args!("{shown:?}"),
                    why = Said::words(why.to_string())
                ),
            )
            .hint("such as: run.max_steps, or 'models.prices.\"vendor/model\".price'")
        };
        if text.len() > 512 {
            return Err(bad("it is too long".into()));
        }
        let parts = toml_edit::Key::parse(text).map_err(|error| {
            bad(error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned())
        })?;
        Ok(KeyPath::new(parts.iter().map(toml_edit::Key::get)))
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn child(&self, part: &str) -> KeyPath {
        let mut parts = self.0.clone();
        parts.push(part.to_owned());
        KeyPath(parts)
    }

    /// The section it stands in; the file itself for a top-level key.
    pub(crate) fn parent(&self) -> KeyPath {
        KeyPath(
            self.0
                .split_last()
                .map(|(_, front)| front.to_vec())
                .unwrap_or_default(),
        )
    }

    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// True when `section` is it, or contains it.
    pub(crate) fn is_under(&self, section: &KeyPath) -> bool {
        self.0.starts_with(&section.0)
    }

    /// The variable that sets it, if one can: names of variables have no capitals to tell apart and no signs.
    pub(crate) fn variable(&self) -> Option<String> {
        let fits = |part: &String| {
            part.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
                && !part.contains("__")
                && !part.is_empty()
        };
        if !self.0.iter().all(fits) {
            return None;
        }
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|part| part.to_ascii_uppercase())
            .collect();
        Some(format!("KEIKO_{}", parts.join("__")))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            let bare = !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            // JSON's quotes are TOML's, too, and keep control characters away from the terminal.
            if bare {
                f.write_str(part)?
            } else {
                f.write_str(&serde_json::to_string(part).map_err(|_| fmt::Error)?)?
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_and_read_back() {
        for text in [
            "language",
            "run.max_steps",
            "models.prices.\"openai/gpt-4o\".price",
        ] {
            assert_eq!(KeyPath::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            KeyPath::parse("run.max_steps")
                .unwrap()
                .variable()
                .as_deref(),
            Some("KEIKO_RUN__MAX_STEPS")
        );
        assert_eq!(
            KeyPath::parse("models.prices.\"a/b\".price")
                .unwrap()
                .variable(),
            None
        );
        assert_eq!(
            KeyPath::new(["a\u{1b}[31m\nb"]).to_string(),
            r#""a\u001b[31m\nb""#
        );
        for bad in ["", "run.", "a b", "\"open", &"x".repeat(600)] {
            assert_eq!(KeyPath::parse(bad).unwrap_err().code, "KEI-1302", "{bad}");
        }
    }
}
