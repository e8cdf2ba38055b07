//! One layer of the configuration: a file or the environment, read into settings with the places where they stand.

use super::key::KeyPath;
use super::shape::{Field, Shape, kind_of};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_governance::redact::redact;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest configuration file, in bytes.
const MAX_FILE: u64 = 256 << 10;
/// Most problems that are told of one file.
const MAX_PROBLEMS: usize = 20;

/// Where a setting comes from, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Default,
    System,
    User,
    Project,
    Environment,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Default => "default",
            Kind::System => "system",
            Kind::User => "user",
            Kind::Project => "project",
            Kind::Environment => "environment",
        }
    }
}

/// A setting in a layer.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) value: toml::Value,
    /// `FILE:LINE`, or a variable.
    pub(crate) place: String,
}

/// A layer.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) kind: Kind,
    pub(crate) leaves: BTreeMap<KeyPath, Leaf>,
}

/// A text that was read, or why not.
pub(crate) fn read_file(path: &Path, kind: Kind) -> Result<Option<String>, Fault> {
    use rustix::fs::{Mode, OFlags};
    let fault = |why: Said| {
        Fault::new(
            Code::CONFIG_UNREADABLE,
            say!("the configuration file cannot be read: {why}", why),
        )
        .at(path.display())
    };
    // Without waiting, should it be a pipe. A link in somebody else's repository may lead anywhere, so it is not followed.
    let link = if kind == Kind::Project {
        OFlags::NOFOLLOW
    } else {
        OFlags::empty()
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | link;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::LOOP) if kind == Kind::Project => {
            return Err(fault("it is a symbolic link".into()));
        }
        Err(error) => {
            return Err(fault(say!("{error}", error))
                .hint(Step::shell(format!("ls -l {}", path.display()))));
        }
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(fault("it is not a file".into()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fault(say!("{error}", error)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fault(say!("it is larger than {n} KiB", n = MAX_FILE >> 10)));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| fault("it is not UTF-8 text".into()))
}

/// A file's text with its name, for places and excerpts.
pub(crate) struct Source<'a> {
    pub(crate) path: PathBuf,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    fn line(&self, at: usize) -> usize {
        self.before(at).matches('\n').count() + 1
    }

    fn before(&self, at: usize) -> &str {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        &self.text[..at]
    }

    /// `FILE:LINE:COLUMN: EXCERPT`. What could be a secret is left out of the excerpt.
    fn place(&self, at: usize, hide_value: bool) -> String {
        let before = self.before(at);
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let line = self
            .text
            .lines()
            .nth(self.line(at) - 1)
            .unwrap_or_default()
            .trim();
        let line = if hide_value {
            line.split_once('=').map_or(line, |(key, _)| key).trim_end()
        } else {
            line
        };
        let excerpt: String = redact(line)
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect();
        let colon = if excerpt.is_empty() { "" } else { ": " };
        format!(
            "{}:{}:{column}{colon}{excerpt}",
            self.path.display(),
            self.line(at)
        )
    }

    /// What the parser says, with the place.
    pub(crate) fn parse_fault(&self, error: &toml::de::Error) -> Fault {
        let at = error.span().map_or(0, |span: Range<usize>| span.start);
        let line = redact(error.message())
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let message: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
        Fault::new(
            Code::CONFIG_NO_TOML,
            say!(
                "the file is not understood: {message}",
                message = Said::words(message.to_string())
            ),
        )
        .at(self.place(at, false))
        .hint("keiko config validate")
    }
}

/// What is in a text, and all that is wrong with it.
pub(crate) fn read(source: &Source<'_>, field: &Field) -> (BTreeMap<KeyPath, Leaf>, Vec<Fault>) {
    let parsed = DeTable::parse(source.text)
        .and_then(|spans| Ok((spans, toml::from_str::<toml::Table>(source.text)?)));
    let (spans, values) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return (BTreeMap::new(), vec![source.parse_fault(&error)]),
    };
    let mut walk = Walk {
        source,
        root: field,
        leaves: BTreeMap::new(),
        problems: Vec::new(),
    };
    walk.table(field, &KeyPath::default(), spans.get_ref(), &values);
    (walk.leaves, walk.problems)
}

struct Walk<'a> {
    source: &'a Source<'a>,
    root: &'a Field,
    leaves: BTreeMap<KeyPath, Leaf>,
    problems: Vec<Fault>,
}

impl Walk<'_> {
    fn table(&mut self, field: &Field, at: &KeyPath, spans: &DeTable<'_>, values: &toml::Table) {
        for (name, span) in spans {
            let Some(value) = values.get(name.get_ref().as_ref()) else {
                continue;
            };
            let key = at.child(name.get_ref());
            match field.child(name.get_ref()) {
                Some(of) => self.value(of, &key, name.span().start, span, value),
                None => {
                    // A section is judged from here, so that a suggestion stays within a list's entry.
                    let suggestion = if self.root.find(at).is_some() {
                        self.root.suggest(&key)
                    } else {
                        None
                    };
                    let known = field.names();
                    self.problem(
                        unknown(&key, suggestion.as_ref(), &known)
                            .at(self.source.place(name.span().start, is_secret(key.last()))),
                    );
                }
            }
        }
    }

    fn value(
        &mut self,
        field: &Field,
        key: &KeyPath,
        at: usize,
        span: &Spanned<DeValue<'_>>,
        value: &toml::Value,
    ) {
        let wrong = match (&field.shape, span.get_ref(), value) {
            (
                Shape::Table(_) | Shape::Map { .. },
                DeValue::Table(spans),
                toml::Value::Table(values),
            ) => {
                return self.table(field, key, spans, values);
            }
            (Shape::List(of), DeValue::Array(spans), toml::Value::Array(values)) => {
                for (span, value) in spans.iter().zip(values) {
                    self.value(of, &key.child("[]"), span.span().start, span, value);
                }
                return;
            }
            (Shape::Table(_) | Shape::Map { .. }, _, other) => {
                let hint = say!("expected a section: [{key}]", key);
                Some((
                    say!("this is {kind}", kind = Said::from(kind_of(other))),
                    hint,
                ))
            }
            (Shape::List(_), _, other) => Some((
                say!("this is {kind}", kind = Said::from(kind_of(other))),
                "expected a list: [\"a\", \"b\"]".into(),
            )),
            (Shape::Value(kinds), _, value) => kinds.check(value).err(),
        };
        match wrong {
            Some((message, hint)) => {
                let fault = Fault::new(Code::VALUE_WRONG, say!("{key}: {message}", key, message));
                self.problem(
                    fault
                        .at(self.source.place(span.span().start, false))
                        .hint(hint),
                );
            }
            None => {
                let place = format!("{}:{}", self.source.path.display(), self.source.line(at));
                self.leaves.insert(
                    key.clone(),
                    Leaf {
                        value: value.clone(),
                        place,
                    },
                );
            }
        }
    }

    fn problem(&mut self, fault: Fault) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(fault);
        }
    }
}

/// Names under which people write keys in plain.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    [
        "api_key",
        "apikey",
        "key",
        "token",
        "auth_token",
        "secret",
        "password",
    ]
    .contains(&name.as_str())
}

/// A key that does not exist.
pub(crate) fn unknown(key: &KeyPath, suggestion: Option<&KeyPath>, known: &[String]) -> Fault {
    if is_secret(key.last()) {
        let vendor = if key.parts().len() == 4 {
            key.parent().to_string()
        } else {
            "models.vendors.NAME".into()
        };
        return Fault::new(Code::SECRET_IN_CONFIG, say!("there is no key {key}: secrets do not stand in configuration files", key)).hint(say!("name the variable or the file that holds it: keiko config set {vendor}.key_env VARIABLE, or: keiko config set {vendor2}.key_file PATH", vendor, vendor2 = vendor));
    }
    let shown: String = key.to_string().chars().take(120).collect();
    let fault = Fault::new(
        Code::KEY_UNKNOWN,
        say!("there is no key {key}", key = shown),
    );
    match suggestion {
        Some(suggestion) => fault.hint(say!("did you mean {suggestion}?", suggestion)),
        None if known.is_empty() => fault.hint("all keys: keiko config schema"),
        None => fault.hint(say!("there are: {names}", names = known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawConfig;

    fn problems(text: &str) -> Vec<Fault> {
        let field = Field::of(&schemars::schema_for!(RawConfig));
        read(
            &Source {
                path: "config.toml".into(),
                text,
            },
            &field,
        )
        .1
    }

    #[test]
    fn a_typo_has_its_place_and_a_suggestion() {
        let all = problems(
            "# ü\n[run]\n  max_stpes = 40\napproval = \"polcy\"\nmax_seconds = 0\n[log]\nformat = 3\n",
        );
        let told: Vec<_> = all
            .iter()
            .map(|f| (f.code.to_string(), f.place.clone().unwrap()))
            .collect();
        assert!(
            told.contains(&("KEI-1302".into(), "config.toml:3:3: max_stpes = 40".into())),
            "{told:?}"
        );
        assert!(
            told.contains(&(
                "KEI-1303".into(),
                "config.toml:4:12: approval = \"polcy\"".into()
            )),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|(_, place)| place.starts_with("config.toml:5:15")),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|(_, place)| place.starts_with("config.toml:7:10")),
            "{told:?}"
        );
        assert!(
            all.iter().any(|f| f
                .hint
                .as_ref()
                .is_some_and(|hint| *hint == "did you mean run.max_steps?")),
            "{all:?}"
        );
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let all = problems("[run]\nmax_steps = = 4\n");
        assert_eq!(all[0].code, "KEI-1301");
        assert!(
            all[0].place.as_ref().unwrap().starts_with("config.toml:2:"),
            "{all:?}"
        );
        assert_eq!(problems("run = 1")[0].code, "KEI-1303");
        assert_eq!(problems("a = 99999999999999999999")[0].code, "KEI-1301");
    }

    #[test]
    fn a_secret_is_refused_and_not_repeated() {
        let all = problems("[models.vendors.mine]\napi_key = \"hunter2hunter2\"\n");
        assert_eq!(all[0].code, "KEI-1306");
        assert!(!format!("{all:?}").contains("hunter2"), "{all:?}");
        assert!(
            all[0]
                .hint
                .as_ref()
                .unwrap()
                .contains("models.vendors.mine.key_env")
        );
    }

    #[test]
    fn a_project_file_is_no_link_and_no_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link, pipe) = (
            dir.path().join("real"),
            dir.path().join("link"),
            dir.path().join("pipe"),
        );
        std::fs::write(&real, "a = 1").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(
            read_file(&link, Kind::User).unwrap().as_deref(),
            Some("a = 1")
        );
        assert_eq!(
            read_file(&link, Kind::Project).unwrap_err().code,
            "KEI-1304"
        );
        assert_eq!(
            read_file(&pipe, Kind::Project).unwrap_err().code,
            "KEI-1304"
        );
        assert_eq!(
            read_file(&dir.path().join("none"), Kind::User).unwrap(),
            None
        );
        std::fs::write(&real, [0xff]).unwrap();
        assert!(
            read_file(&real, Kind::User)
                .unwrap_err()
                .message
                .contains("UTF-8")
        );
    }
}
