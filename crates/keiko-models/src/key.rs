//! Keys of vendors. They can be sent, and cannot be seen.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Longest key, in bytes.
const MAX_KEY: u64 = 4096;

/// Where variables of the environment come from, so that tests need not touch the real one.
pub type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment of this process. Empty variables count as unset.
#[must_use]
pub fn process_env() -> Env {
    Arc::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// A vendor's key. Shown as `[key]` wherever somebody tries.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Arc<str>);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl ApiKey {
    /// From text, without the white space around it.
    ///
    /// # Errors
    /// When it is empty, too long, or has characters that no header can carry. `place` says where it came from.
    pub fn new(text: &str, place: &str) -> Result<ApiKey, Fault> {
        let text = text.trim();
        if text.is_empty()
            || text.len() as u64 > MAX_KEY
            || !text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(Fault::new(
                Code::KEY_UNUSABLE,
                "this is not a key: expected one line of printable characters",
            )
            .at(place));
        }
        Ok(ApiKey(text.into()))
    }

    /// The key itself, for the one header that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Puts `[key]` where the key stands, and whatever else looks like a key.
    #[must_use]
    pub fn scrub(key: Option<&ApiKey>, text: &str) -> String {
        let text = match key.map(ApiKey::reveal) {
            Some(key) if key.len() >= CERTAIN => text.replace(key, "[key]"),
            Some(key) => replace_words(text, key),
            None => text.to_owned(),
        };
        keiko_governance::redact::redact(&text).into_owned()
    }

    /// From the variable `name`, or the file that the variable `name_FILE` names.
    ///
    /// # Errors
    /// When the file cannot be read or others can read it.
    pub fn from_env(env: &Env, name: &str) -> Result<Option<ApiKey>, Fault> {
        if let Some(value) = env(name) {
            return ApiKey::new(&value, name).map(Some);
        }
        match env(&format!("{name}_FILE")) {
            Some(path) => ApiKey::from_file(Path::new(&path)).map(Some),
            None => Ok(None),
        }
    }

    /// From a file that only its owner can read.
    ///
    /// # Errors
    /// When it cannot be read, or others can read it.
    pub fn from_file(path: &Path) -> Result<ApiKey, Fault> {
        let unreadable = |why: std::io::Error| {
            Fault::new(
                Code::KEY_UNUSABLE,
                say!(
                    "the key file cannot be read: {why}",
                    why = Said::words(why.to_string())
                ),
            )
            .at(path.display())
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        if !meta.is_file() {
            return Err(
                Fault::new(Code::KEY_UNUSABLE, "the key file is not a file").at(path.display())
            );
        }
        #[cfg(unix)]
        if std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o077 != 0 {
            let hint = format!("chmod 600 {}", path.display());
            return Err(
                Fault::new(Code::KEY_UNUSABLE, "others can read the key file")
                    .at(path.display())
                    .hint(hint),
            );
        }
        let mut text = String::new();
        file.take(MAX_KEY + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        ApiKey::new(&text, &path.display().to_string())
    }
}

/// A key of at least so many bytes is not found by chance inside a word. Local servers take any word for a key, and
/// people type `x`.
const CERTAIN: usize = 12;

/// Puts `[key]` where a short key stands alone.
fn replace_words(text: &str, key: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(key) {
        let (before, after) = (&rest[..at], &rest[at + key.len()..]);
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let word = inside(before.chars().next_back().or(out.chars().next_back()))
            || inside(after.chars().next());
        out.push_str(before);
        out.push_str(if word { key } else { "[key]" });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_no_part_of_a_word() {
        let scrubbed =
            |key: &str, text: &str| ApiKey::scrub(Some(&ApiKey::new(key, "test").unwrap()), text);
        assert_eq!(
            scrubbed("x", "the model does not exist; key=x, \"x\""),
            "the model does not exist; key=[key], \"[key]\""
        );
        assert_eq!(scrubbed("ollama", "ollama: ollamas"), "[key]: ollamas");
        assert_eq!(scrubbed("0123456789ab", "z0123456789abz"), "z[key]z");
        assert_eq!(scrubbed("aa", "aaa aa"), "aaa [key]");
    }

    #[test]
    fn is_never_shown() {
        let key = ApiKey::new(" hunter2 \n", "test").unwrap();
        assert_eq!(key.reveal(), "hunter2");
        assert_eq!(
            format!("{key} {key:?} {:?}", Some(&key)),
            "[key] [key] Some([key])"
        );
        assert_eq!(
            ApiKey::scrub(Some(&key), "no hunter2 here"),
            "no [key] here"
        );
        let fault = ApiKey::new("two\nlines", "OPENAI_API_KEY").unwrap_err();
        assert!(
            !format!("{fault:?}").contains("lines characters") && !fault.message.contains("two")
        );
    }

    #[cfg(unix)]
    #[test]
    fn comes_from_a_private_file_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "abc\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            ApiKey::from_file(&path)
                .unwrap_err()
                .hint
                .unwrap()
                .to_string()
                .starts_with("chmod 600 ")
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let named = path.display().to_string();
        let env: Env = Arc::new(move |name| (name == "X_KEY_FILE").then(|| named.clone()));
        assert_eq!(
            ApiKey::from_env(&env, "X_KEY").unwrap().unwrap().reveal(),
            "abc"
        );
        assert_eq!(ApiKey::from_env(&env, "Y_KEY").unwrap(), None);
        assert!(ApiKey::from_file(dir.path()).is_err());
    }
}
