//! German for sentences that other crates make in English.
//!
//! An error is a sentence with parameters, made where it happens and kept in the journal as it is. The catalogue has a
//! template for each: `"there is no run {run}" = "Den Lauf {run} gibt es nicht"`. The English side is matched against the
//! sentence, what stands in its holes comes over, and a hole written `{@why}` is translated in turn. What matches nothing
//! stays English, under the German headline of its code. `cargo xtask tidy` holds the catalogue against the sources.

use keiko_contracts::code::Fault;
use keiko_contracts::language::Language;
use keiko_contracts::said::{Said, Teller};
use keiko_contracts::step::Step;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FILES: [&str; 2] = [
    include_str!("../../lang/de/errors.toml"),
    include_str!("../../lang/de/sentences.toml"),
];
/// Sentences in sentences in sentences; deeper than any real one.
const DEPTH: usize = 4;
/// Places where a sentence may begin after a colon.
const COLONS_MAX: usize = 3;
/// Longer texts are not sentences.
const LENGTH_MAX: usize = 8 << 10;

static GERMAN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(&FILES));

/// A sentence in German, or as it is.
pub(crate) fn german(english: &str) -> Cow<'_, str> {
    GERMAN
        .sentence(english, DEPTH)
        .map_or(Cow::Borrowed(english), Cow::Owned)
}

/// An error as it is told here: what, where and what to do next. Its code stays.
pub(crate) fn told_fault(fault: &Fault, language: Language) -> Fault {
    match language {
        Language::English => Fault {
            message: fault.message.told(&CommandLine(language)).into(),
            hint: fault.hint.as_ref().map(|hint| {
                let hint = hint.told(&CommandLine(language));
                crate::view::program::as_typed(&hint).into_owned().into()
            }),
            ..fault.clone()
        },
        Language::German => GERMAN.fault(fault),
    }
}

/// What can be told in the reader's language.
pub(crate) trait Tell {
    fn tell(&self, language: Language) -> Cow<'_, str>;
}

impl Tell for str {
    fn tell(&self, language: Language) -> Cow<'_, str> {
        match language {
            Language::English => Cow::Borrowed(self),
            Language::German => german(self),
        }
    }
}

impl Tell for String {
    fn tell(&self, language: Language) -> Cow<'_, str> {
        self.as_str().tell(language)
    }
}

impl Tell for Said {
    fn tell(&self, language: Language) -> Cow<'_, str> {
        self.told(&CommandLine(language)).into()
    }
}

/// How the command line tells sentences: in the reader's language, with what to do next as lines to type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandLine(pub(crate) Language);

impl Teller for CommandLine {
    fn template<'a>(&'a self, english: &str) -> Option<Cow<'a, str>> {
        match self.0 {
            Language::English => None,
            Language::German => GERMAN.template(english),
        }
    }
    fn step(&self, step: &Step) -> String {
        step.line(crate::view::program::program())
    }
}

#[derive(Debug, Default)]
struct Catalogue {
    headlines: BTreeMap<String, String>,
    /// German templates by the English ones.
    exact: BTreeMap<String, String>,
    /// The most specific first.
    templates: Vec<Template>,
}

#[derive(Debug)]
struct Template {
    /// The English text around the holes: one more than there are holes.
    around: Vec<String>,
    german: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What stands in the hole of this number.
    Hole(usize),
    /// The same, translated.
    Told(usize),
}

impl Catalogue {
    /// Reads the files. They are part of the program, and a test reads them too: what is broken is left out.
    fn read(files: &[&str]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for file in files {
            let sections: BTreeMap<String, BTreeMap<String, String>> =
                toml::from_str(file).unwrap_or_default();
            for (name, section) in sections {
                if name == "headlines" {
                    catalogue.headlines.extend(section);
                } else {
                    let plain = |german: &String| german.replace("{@", "{");
                    let entries = section.iter();
                    catalogue
                        .exact
                        .extend(entries.map(|(english, german)| (english.clone(), plain(german))));
                    catalogue.templates.extend(
                        section
                            .iter()
                            .filter_map(|(english, german)| Template::new(english, german)),
                    );
                }
            }
        }
        let weight = |template: &Template| template.around.iter().map(String::len).sum::<usize>();
        catalogue
            .templates
            .sort_by_key(|template| std::cmp::Reverse(weight(template)));
        catalogue
    }

    fn sentence(&self, english: &str, depth: usize) -> Option<String> {
        if depth == 0 || english.is_empty() || english.len() > LENGTH_MAX {
            return None;
        }
        let whole = self.templates.iter().find_map(|template| {
            let holes = template.holes(english)?;
            Some(template.fill(&holes, |part| self.sentence(part, depth - 1)))
        });
        whole
            .or_else(|| self.list(english, depth))
            .or_else(|| self.reason(english, depth))
    }

    /// Several sentences in a row.
    fn list(&self, english: &str, depth: usize) -> Option<String> {
        if !english.contains("; ") {
            return None;
        }
        let parts: Vec<(&str, Option<String>)> = english
            .split("; ")
            .map(|part| (part, self.sentence(part, depth - 1)))
            .collect();
        parts.iter().any(|(_, german)| german.is_some()).then(|| {
            let told: Vec<&str> = parts
                .iter()
                .map(|(english, german)| german.as_deref().unwrap_or(english))
                .collect();
            told.join("; ")
        })
    }

    /// Something, a colon, and a sentence: `run.max_steps: 0 is out of range`.
    fn reason(&self, english: &str, depth: usize) -> Option<String> {
        let told = english
            .match_indices(": ")
            .take(COLONS_MAX)
            .find_map(|(at, colon)| {
                let (before, after) = (&english[..at], &english[at + colon.len()..]);
                let german = self.sentence(after, depth - 1)?;
                Some(format!(
                    "{}: {german}",
                    self.sentence(before, 1).as_deref().unwrap_or(before)
                ))
            });
        // A sentence, a colon, and the words of another program.
        told.or_else(|| {
            let (before, after) = english
                .split_once(": ")
                .filter(|(before, _)| before.contains(' '))?;
            Some(format!("{}: {after}", self.sentence(before, 1)?))
        })
    }

    /// The German of a template. What has no hole may be a sentence that was made without one.
    fn template(&self, english: &str) -> Option<Cow<'_, str>> {
        let exact = self.exact.get(english).map(|german| german.as_str().into());
        let bare = pieces(english).all(|piece| piece.is_ok());
        exact.or_else(|| {
            let composed = bare.then(|| self.sentence(english, DEPTH)).flatten();
            composed.map(Cow::Owned)
        })
    }

    /// Something of it has German: itself, or what stands in its holes where nothing else is said.
    fn knows(&self, said: &Said) -> bool {
        let is_frame = !pieces(said.key())
            .any(|piece| piece.is_ok_and(|text| text.contains(char::is_alphabetic)));
        self.template(said.key()).is_some()
            || is_frame && said.sentences().any(|part| self.knows(part))
    }

    fn fault(&self, fault: &Fault) -> Fault {
        let told = |said: &Said| said.told(&CommandLine(Language::German));
        let mut message = told(&fault.message);
        if !self.knows(&fault.message)
            && let Some(headline) = self.headlines.get(&fault.code.to_string())
        {
            message = format!("{headline}: {message}");
        }
        let place = |text: &String| self.sentence(text, DEPTH).unwrap_or_else(|| text.clone());
        Fault {
            message: message.into(),
            place: fault.place.as_ref().map(place),
            hint: fault.hint.as_ref().map(|hint| {
                crate::view::program::as_typed(&told(hint))
                    .into_owned()
                    .into()
            }),
            ..fault.clone()
        }
    }
}

impl Template {
    /// `None` when the two sides do not have the same holes.
    fn new(english: &str, german: &str) -> Option<Template> {
        let (mut around, mut names) = (vec![String::new()], Vec::new());
        for piece in pieces(english) {
            match piece {
                Ok(text) => around.last_mut()?.push_str(text),
                Err(name) => {
                    names.push(name);
                    around.push(String::new());
                }
            }
        }
        let hole = |name: &str| names.iter().position(|known| *known == name);
        let german = pieces(german).map(|piece| match piece {
            Ok(text) => Some(Piece::Text(text.to_owned())),
            Err(name) => name.strip_prefix('@').map_or_else(
                || hole(name).map(Piece::Hole),
                |name| hole(name).map(Piece::Told),
            ),
        });
        Some(Template {
            around,
            german: german.collect::<Option<Vec<_>>>()?,
        })
    }

    /// What stands in the holes, if this is the sentence.
    fn holes<'a>(&self, english: &'a str) -> Option<Vec<&'a str>> {
        let (first, rest) = self.around.split_first()?;
        let mut english = english.strip_prefix(first.as_str())?;
        let Some((last, middle)) = rest.split_last() else {
            return english.is_empty().then(Vec::new);
        };
        let mut holes = Vec::new();
        for text in middle {
            let (hole, after) = english.split_once(text.as_str())?;
            holes.push(hole);
            english = after;
        }
        holes.push(english.strip_suffix(last.as_str())?);
        Some(holes)
    }

    fn fill(&self, holes: &[&str], told: impl Fn(&str) -> Option<String>) -> String {
        let mut out = String::new();
        for piece in &self.german {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Hole(at) => out.push_str(holes.get(*at).copied().unwrap_or_default()),
                Piece::Told(at) => {
                    let hole = holes.get(*at).copied().unwrap_or_default();
                    out.push_str(told(hole).as_deref().unwrap_or(hole));
                }
            }
        }
        out
    }
}

/// Text, and the names of holes in braces. A brace that is none of these is text: sentences hold JSON and TOML, too.
fn pieces(template: &str) -> impl Iterator<Item = Result<&str, &str>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_@".contains(&b))
        };
        let begin = rest.match_indices('{').find_map(|(at, _)| {
            let name = rest[at + 1..].split_once('}')?.0;
            is_name(name).then_some((at, name))
        });
        match begin {
            Some((0, name)) => {
                rest = &rest[name.len() + 2..];
                Some(Err(name))
            }
            Some((at, _)) => {
                let (text, after) = rest.split_at(at);
                rest = after;
                Some(Ok(text))
            }
            None => Some(Ok(std::mem::take(&mut rest))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_agent::describe;
    use keiko_contracts::action::{Outcome, Report};
    use keiko_contracts::code::Code;
    use keiko_contracts::jail::{Edit, JailBody, JailOp, JailReport, Project, Survey, Toolchain};
    use keiko_contracts::language::Language;
    use keiko_contracts::{say, say_count};

    #[test]
    fn every_entry_keeps_its_parameters_and_is_found_by_its_sentence() {
        let mut wrong = Vec::new();
        for file in FILES {
            let sections: BTreeMap<String, BTreeMap<String, String>> =
                toml::from_str(file).unwrap();
            for (name, section) in sections.iter().filter(|(name, _)| *name != "headlines") {
                wrong.extend(section.iter().filter_map(|(english, german)| {
                    Some(format!("[{name}] {english}: {}", odd(english, german)?))
                }));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    fn odd(english: &str, german: &str) -> Option<String> {
        let Some(template) = Template::new(english, german) else {
            return Some("the holes differ".into());
        };
        let used = |at| {
            template
                .german
                .iter()
                .any(|piece| matches!(piece, Piece::Hole(n) | Piece::Told(n) if *n == at))
        };
        let holes: Vec<String> = (0..template.around.len() - 1)
            .map(|n| format!("<{n}>"))
            .collect();
        if !(0..holes.len()).all(used) {
            return Some("a parameter is lost".into());
        }
        // None hides behind another: each is found by its own sentence.
        let holes: Vec<&str> = holes.iter().map(String::as_str).collect();
        let sentence: String = template
            .around
            .iter()
            .zip(holes.iter().chain([&""]))
            .map(|(text, hole)| format!("{text}{hole}"))
            .collect();
        let found = german_of(&sentence);
        (found != template.fill(&holes, |_| None)).then_some(found)
    }

    fn german_of(english: &str) -> String {
        german(english).into_owned()
    }

    #[test]
    fn parameters_come_over_and_sentences_in_sentences_are_told() {
        assert_eq!(
            german("there is no run \"nope\""),
            "Den Lauf \"nope\" gibt es nicht"
        );
        assert_eq!(
            german("the goal's file cannot be read: No such file or directory (os error 2)"),
            "Die Datei mit dem Auftrag ist nicht lesbar: Datei oder Verzeichnis nicht gefunden (Systemfehler 2)"
        );
        assert_eq!(
            german("\"0,50\" is not an amount of money: write a point, not a comma, as in 0.50")
                .matches("0,50")
                .count(),
            1
        );
    }

    #[test]
    fn what_a_run_does_and_asks_is_told_as_it_is_counted() {
        let one = Edit {
            old: "a".into(),
            new: "b".into(),
            all: false,
        };
        let edit = |n| JailOp::EditFile {
            path: "a.py".into(),
            edits: vec![one.clone(); n],
        };
        let told = |op: &JailOp| describe::op(op).told(&CommandLine(Language::German));
        assert_eq!(told(&JailOp::Survey), "den Arbeitsbereich sichten");
        assert_eq!(
            (told(&edit(1)), told(&edit(2))),
            (
                "a.py bearbeiten (1 Stelle)".into(),
                "a.py bearbeiten (2 Stellen)".into()
            )
        );
        let project = Project {
            toolchain: Toolchain::Go,
            ..Project::default()
        };
        for (files, projects) in [(1, 1), (1, 2), (2, 1), (0, 0)] {
            let survey = Survey {
                files,
                projects: vec![project.clone(); projects],
                ..Survey::default()
            };
            let report = JailReport {
                body: JailBody::Surveyed(survey),
                tree: None,
            };
            let said = describe::outcome(&Outcome::Done(Report::Jail(report)))
                .told(&CommandLine(Language::German));
            let file = Language::German.count(files.into(), ["", ""], ["Datei", "Dateien"]);
            let project =
                Language::German.count(projects as u64, ["", ""], ["Projekt", "Projekte"]);
            assert_eq!(said, format!("{file}, {project}"));
        }
        let kept = say!(
            "keep changes to existing tests: {tests}",
            tests = vec!["a.py", "b.py"]
        );
        let gone = say_count!(
            2,
            "do without {n} test that ran at the start: {gone}",
            "do without {n} tests that ran at the start: {gone}",
            gone = "x, y"
        );
        assert_eq!(
            say!("{kept}; {gone}", kept, gone).told(&CommandLine(Language::German)),
            "Änderungen an vorhandenen Tests behalten: a.py, b.py; auf 2 Tests verzichten, die am Anfang liefen: x, y"
        );
        assert_eq!(
            german("do without 1 test that ran at the start: x"),
            "auf 1 Test verzichten, der am Anfang lief: x"
        );
        assert_eq!(german("denied by uid 0"), "abgelehnt von uid 0");
        assert_eq!(german("expired by nobody"), "abgelaufen, ohne Antwort");
        assert_eq!(
            german("withdrawn by the risk policy"),
            "zurückgezogen von der Risikorichtlinie"
        );
        assert_eq!(
            german("edit a.py (1 place) (class `write`)"),
            "a.py bearbeiten (1 Stelle) (Klasse `write`)"
        );
    }

    #[test]
    fn the_words_of_others_stay_behind_the_colon() {
        assert_eq!(
            german("the sandbox may not make namespaces here: bwrap: setting up uid map"),
            "Die Sandbox darf hier keine Namensräume anlegen: bwrap: setting up uid map"
        );
        assert_eq!(
            german("run.max_steps: 0 is out of range"),
            "run.max_steps: 0 liegt außerhalb des erlaubten Bereichs"
        );
    }

    #[test]
    fn a_sentence_that_nobody_knows_stands_under_the_headline_of_its_code() {
        let fault = told_fault(
            &Fault::new(Code::REQUEST_REFUSED, "the moon is full")
                .hint("howl")
                .at("there"),
            Language::German,
        );
        assert_eq!(
            fault.message.to_string(),
            "Der Anbieter weist die Anfrage zurück: the moon is full"
        );
        assert_eq!(
            (
                fault.code.to_string().as_str(),
                fault.place.as_deref(),
                fault.hint.as_ref().map(ToString::to_string).as_deref()
            ),
            ("KEI-4104", Some("there"), Some("howl"))
        );
    }

    #[test]
    fn hostile_sentences_end() {
        let deep = "cannot ".repeat(5_000);
        assert_eq!(german(&deep), deep);
        let many = "the workspace cannot be read: ".repeat(200);
        assert!(german(&many).len() < 3 * many.len());
        for odd in ["", "{", "}", "{}", "{@why}", "; ; ;", "\u{1b}[31m: {key}"] {
            german(odd);
        }
    }
}
