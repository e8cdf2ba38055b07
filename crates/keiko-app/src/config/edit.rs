//! Changes one key of the user's file, keeps everything else, comments too, and never leaves a broken file.

use super::key::KeyPath;
use super::layer::{self, Kind};
use super::model;
use super::shape::{Field, Shape};
use crate::home::private_dir;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_governance::redact::redact;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Sets a key in a file, which is made if it is not there. Returns the value as it stands now.
///
/// # Errors
/// KEI-13xx when the key or the value is wrong, the value looks like a secret, or the file cannot be written.
pub(crate) fn set(file: &Path, key: &KeyPath, text: &str) -> Result<toml::Value, Fault> {
    let value = value(key, text)?;
    let dir = file.parent().unwrap_or(Path::new("."));
    private_dir(dir)?;
    let _turn = wait_for_turn(dir)?;
    // People keep their files elsewhere and link to them: the link stays.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let old = layer::read_file(&target, Kind::User)?.unwrap_or_default();
    let new = changed(&old, key, &value, &target)?;
    let (_, problems) = super::read_text(&target, &new, &super::shape());
    if let Some(problem) = problems.into_iter().next() {
        let hint = problem.hint.clone().map_or_else(
            || Said::from("mend the file first: keiko config validate"),
            |old| say!("{old}; then: keiko config validate", old),
        );
        return Err(problem.hint(hint));
    }
    let config: super::RawConfig = toml::from_str(&new)
        .map_err(|error| Fault::new(Code::VALUE_WRONG, error.message().to_owned()))?;
    let models = keiko_models::Models::new(&config.models, std::sync::Arc::new(|_| None))?;
    if let (true, Some(name)) = (model::is_named_by(key), value.as_str()) {
        model::check(&models, key, name)?;
    }
    write(&target, &new)?;
    Ok(value)
}

/// The value that a text means for a key.
fn value(key: &KeyPath, text: &str) -> Result<toml::Value, Fault> {
    let shape = super::shape();
    let Some(field) = shape.find(key) else {
        return Err(layer::unknown(
            key,
            shape.suggest(key).as_ref(),
            &shape.names(),
        ));
    };
    let Field {
        shape: Shape::Value(kinds),
        ..
    } = field
    else {
        let names = field.names();
        let hint = if names.is_empty() {
            say!("name one: {key}.NAME", key)
        } else {
            say!("it has: {names}", names)
        };
        return Err(Fault::new(
            Code::KEY_UNKNOWN,
            say!("{key} is a section, not a value", key),
        )
        .hint(hint));
    };
    if redact(text) != text || (key.last() == "key_env" && !is_variable(text)) {
        let hint = match key.last() {
            "key_env" => say!(
                "put the key into a variable, and name the variable here: {step}",
                step = Step::set(key.to_string(), "MY_API_KEY")
            ),
            _ => "put the key into a variable or a file that only you can read, and name it with key_env or key_file".into(),
        };
        return Err(Fault::new(
            Code::SECRET_IN_CONFIG,
            say!(
                "the value for {key} looks like a secret, or is not a name",
                key
            ),
        )
        .hint(hint));
    }
    let value = kinds.read(text);
    kinds.check(&value).map_err(|(message, hint)| {
        Fault::new(Code::VALUE_WRONG, say!("{key}: {message}", key, message)).hint(hint)
    })?;
    Ok(value)
}

fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The text with the key set.
fn changed(old: &str, key: &KeyPath, value: &toml::Value, path: &Path) -> Result<String, Fault> {
    let mut document: toml_edit::DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| {
            let message: String = redact(error.message())
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            Fault::new(
                Code::CONFIG_NO_TOML,
                say!(
                    "the file is not understood: {message}",
                    message = Said::words(message.to_string())
                ),
            )
            .at(path.display())
            .hint("keiko config validate")
        })?;
    let Some((last, sections)) = key.parts().split_last() else {
        return Ok(old.to_owned());
    };
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for section in sections {
        let item = table.entry(section).or_insert_with(|| {
            let mut table = toml_edit::Table::new();
            // A header only where something stands under it.
            table.set_implicit(true);
            toml_edit::Item::Table(table)
        });
        table = item.as_table_like_mut().ok_or_else(|| {
            Fault::new(
                Code::VALUE_WRONG,
                say!("{section} is not a section in this file", section),
            )
            .at(path.display())
            .hint("keiko config validate")
        })?;
    }
    let mut new: toml_edit::Value = match value {
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Boolean(yes) => (*yes).into(),
        toml::Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    };
    match table.get_mut(last).and_then(toml_edit::Item::as_value_mut) {
        Some(slot) => {
            *new.decor_mut() = slot.decor().clone();
            *slot = new;
        }
        None => {
            table.insert(last, toml_edit::Item::Value(new));
        }
    }
    Ok(document.to_string())
}

/// One change at a time; the lock ends with the file.
fn wait_for_turn(dir: &Path) -> Result<std::fs::File, Fault> {
    let lock = std::fs::File::open(dir).and_then(|file| {
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(file)
    });
    lock.map_err(|error| not_written(dir, &error))
}

/// Writes a file for its owner only, as a whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let write = || -> std::io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(dir)?.sync_all()
    };
    write().map_err(|error| not_written(path, &error))
}

/// Writes a new file for its owner only. False when there is one already: it is left as it is.
///
/// # Errors
/// KEI-1308 when it cannot be written.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<bool, Fault> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let dir: PathBuf = path.parent().unwrap_or(Path::new(".")).to_owned();
    private_dir(&dir)?;
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map(|()| true)
            .map_err(|error| not_written(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(not_written(path, &error)),
    }
}

fn not_written(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(
        Code::CONFIG_UNWRITABLE,
        say!("the configuration cannot be written: {error}", error),
    )
    .at(path.display())
    .hint(Step::shell(format!("ls -ld {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn key(text: &str) -> KeyPath {
        KeyPath::parse(text).unwrap()
    }

    #[test]
    fn comments_stay_and_the_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/config.toml");
        set(&file, &key("run.max_steps"), "7").unwrap();
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        std::fs::write(&file, "# mine\n[run] # here\nmax_steps = 7 # few\n").unwrap();
        set(&file, &key("run.max_steps"), "8").unwrap();
        set(&file, &key("models.prices.\"a/b\".price"), "0").unwrap();
        set(&file, &key("run.budget"), "0.50").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("# mine\n[run] # here\nmax_steps = 8 # few\nbudget = \"0.50\"\n"),
            "{text}"
        );
        assert!(
            text.contains("[models.prices.\"a/b\"]\nprice = 0\n"),
            "{text}"
        );
        std::fs::write(&file, super::super::config_file()).unwrap();
        set(
            &file,
            &key("models.vendors.custom.base_url"),
            "http://127.0.0.1:1/v1",
        )
        .unwrap();
        set(&file, &key("language"), "de").unwrap();
    }

    #[test]
    fn a_wrong_value_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        let cases = [
            ("run.max_steps", "0", "KEI-1303"),
            ("run.max_stpes", "4", "KEI-1302"),
            ("run", "4", "KEI-1302"),
            ("run.budget", "0,50", "KEI-1303"),
            ("models.vendors.mine.api_key", "hunter2", "KEI-1306"),
            ("models.vendors.mine.key_env", "hunter2", "KEI-1306"),
            ("models.vendors.mine.base_url", "ftp://x", "KEI-4004"),
            ("run.model", "foo", "KEI-4001"),
            ("models.profiles.fast", "antropic/claude", "KEI-4001"),
            (
                "run.model",
                "sk-ant-a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
                "KEI-1306",
            ),
        ];
        for (name, text, code) in cases {
            let fault = set(&file, &key(name), text).unwrap_err();
            assert_eq!(fault.code, code, "{name}: {fault:?}");
            assert!(
                !format!("{fault:?}").contains("hunter2")
                    && !format!("{fault:?}").contains("a1a1a1"),
                "{fault:?}"
            );
            assert!(!file.exists(), "{name}");
        }
        std::fs::write(&file, "[run]\nmax_stpes = 1\n").unwrap();
        assert_eq!(
            set(&file, &key("run.max_steps"), "4").unwrap_err().code,
            "KEI-1302"
        );
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "[run]\nmax_stpes = 1\n"
        );
    }

    #[test]
    fn a_link_stays_a_link_and_a_new_file_never_replaces_one() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.toml"), dir.path().join("config.toml"));
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        set(&link, &key("language"), "de").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(
            std::fs::read_to_string(&real).unwrap(),
            "language = \"de\"\n"
        );
        assert!(!write_new(&link, "x").unwrap());
        assert!(write_new(&dir.path().join("other/file"), "x").unwrap());
    }
}
