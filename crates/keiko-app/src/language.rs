//! Sentences in the language of whoever reads them: the catalogue of what the libraries say, for any face.
//!
//! A sentence is an English template with values (`Said`). The catalogue has the German template for each English one:
//! `"there is no run {run}" = "Den Lauf {run} gibt es nicht"`. Sentences in its holes are told in turn. What it does not have
//! stays English; of an error, under the German headline of its code. `cargo xtask tidy` holds it against the sources.

use keiko_contracts::code::Fault;
use keiko_contracts::language::Language;
use keiko_contracts::said::{Said, Teller};
use keiko_contracts::step::Step;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FILES: [&str; 2] = [
    include_str!("../lang/de/errors.toml"),
    include_str!("../lang/de/sentences.toml"),
];

static GERMAN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(&FILES));

/// The template in a language; `None` where it stays as it is.
#[must_use]
pub fn template(language: Language, english: &str) -> Option<&'static str> {
    match language {
        Language::English => None,
        Language::German => GERMAN.templates.get(english).map(String::as_str),
    }
}

/// How a face tells sentences on which commands are typed: in the reader's language, with what to do next as lines to type.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    /// The reader's language.
    pub language: Language,
    /// How this program is called.
    pub program: &'a str,
}

impl Teller for Typed<'_> {
    fn template<'t>(&'t self, english: &str) -> Option<Cow<'t, str>> {
        template(self.language, english).map(Cow::Borrowed)
    }
    fn step(&self, step: &Step) -> String {
        step.line(self.program)
    }
}

/// An error as a face tells it: what, where and what to do next, as words. Its code stays.
#[must_use]
pub fn fault(fault: &Fault, language: Language, by: &impl Teller) -> Fault {
    let mut message = fault.message.told(by);
    if language == Language::German
        && !GERMAN.knows(&fault.message)
        && let Some(headline) = GERMAN.headlines.get(&fault.code.to_string())
    {
        message = format!("{headline}: {message}");
    }
    let place = |text: &String| template(language, text).unwrap_or(text).to_owned();
    Fault {
        message: message.into(),
        place: fault.place.as_ref().map(place),
        hint: fault.hint.as_ref().map(|hint| hint.told(by).into()),
        ..fault.clone()
    }
}

#[derive(Debug, Default)]
struct Catalogue {
    /// What stands before words of others, by the code of an error.
    headlines: BTreeMap<String, String>,
    /// German templates by the English ones.
    templates: BTreeMap<String, String>,
}

impl Catalogue {
    /// Reads the files. They are part of the program, and a test reads them too: what is broken is left out.
    fn read(files: &[&str]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for file in files {
            let sections: BTreeMap<String, BTreeMap<String, String>> =
                toml::from_str(file).unwrap_or_default();
            for (name, section) in sections {
                match name.as_str() {
                    "headlines" => catalogue.headlines.extend(section),
                    _ => catalogue.templates.extend(section),
                }
            }
        }
        catalogue
    }

    /// Something of it has German: itself, or what stands in its holes where nothing else is said.
    fn knows(&self, said: &Said) -> bool {
        let is_frame = !pieces(said.key())
            .any(|piece| piece.is_ok_and(|text| text.contains(char::is_alphabetic)));
        self.templates.contains_key(said.key())
            || is_frame && said.sentences().any(|part| self.knows(part))
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
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
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
    use keiko_contracts::{say, say_count};
    use std::collections::BTreeSet;

    const GERMAN: Typed<'static> = Typed {
        language: Language::German,
        program: "keiko",
    };

    #[test]
    fn every_entry_keeps_its_parameters() {
        let mut wrong = Vec::new();
        for file in FILES {
            let sections: BTreeMap<String, BTreeMap<String, String>> =
                toml::from_str(file).unwrap();
            for (name, section) in sections.iter().filter(|(name, _)| *name != "headlines") {
                let holes = |text| {
                    pieces(text)
                        .filter_map(Result::err)
                        .collect::<BTreeSet<_>>()
                };
                let odd = section
                    .iter()
                    .filter(|(english, german)| holes(english) != holes(german));
                wrong.extend(odd.map(|(english, _)| format!("[{name}] {english}")));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn parameters_come_over_and_sentences_in_sentences_are_told() {
        assert_eq!(
            say!("there is no run {run}", run = "nope").told(&GERMAN),
            "Den Lauf nope gibt es nicht"
        );
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(
            say!("the goal's file cannot be read: {error}", error).told(&GERMAN),
            "Die Datei mit dem Auftrag ist nicht lesbar: Datei oder Verzeichnis nicht gefunden (Systemfehler 2)"
        );
        let amount = "0,50".parse::<keiko_contracts::money::Micros>();
        let told = amount.unwrap_err().said().told(&GERMAN);
        assert_eq!(told.matches("0,50").count(), 1, "{told}");
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
        let told = |op: &JailOp| describe::op(op).told(&GERMAN);
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
            let said = describe::outcome(&Outcome::Done(Report::Jail(report))).told(&GERMAN);
            let file = Language::German.count(files.into(), ["", ""], ["Datei", "Dateien"]);
            let project =
                Language::German.count(projects as u64, ["", ""], ["Projekt", "Projekte"]);
            assert_eq!(said, format!("{file}, {project}"));
        }
        let kept = say!(
            "keep changes to existing tests: {tests}",
            tests = vec!["a.py", "b.py"]
        );
        let gone = |n, gone: &str| {
            say_count!(
                n,
                "do without {n} test that ran at the start: {gone}",
                "do without {n} tests that ran at the start: {gone}",
                gone
            )
        };
        assert_eq!(
            say!("{kept}; {gone}", kept, gone = gone(2, "x, y")).told(&GERMAN),
            "Änderungen an vorhandenen Tests behalten: a.py, b.py; auf 2 Tests verzichten, die am Anfang liefen: x, y"
        );
        assert_eq!(
            gone(1, "x").told(&GERMAN),
            "auf 1 Test verzichten, der am Anfang lief: x"
        );
    }

    #[test]
    fn who_answered_is_told() {
        use keiko_contracts::approval::Decision;
        use keiko_contracts::evidence::Answered;
        let told = |decision, by: &str| {
            Answered {
                what: Said::default(),
                decision: Some(decision),
                by: by.into(),
                beforehand: None,
            }
            .words()
            .told(&GERMAN)
        };
        assert_eq!(told(Decision::Denied, "uid 0"), "abgelehnt von uid 0");
        assert_eq!(
            told(Decision::Expired, "nobody"),
            "abgelaufen, ohne Antwort"
        );
        assert_eq!(
            told(Decision::Withdrawn, "the risk policy"),
            "zurückgezogen von der Risikorichtlinie"
        );
    }

    #[test]
    fn several_in_a_row_are_each_told() {
        for n in [0, 1, 2, 7, 40] {
            let row = vec![Said::from("nothing"); n];
            assert_eq!(
                Said::in_a_row(row).told(&GERMAN),
                vec!["nichts"; n].join("; ")
            );
        }
    }

    #[test]
    fn a_sentence_that_nobody_knows_stands_under_the_headline_of_its_code() {
        let moon = Fault::new(Code::REQUEST_REFUSED, "the moon is full")
            .hint("howl")
            .at("there");
        let told = fault(&moon, Language::German, &GERMAN);
        assert_eq!(
            told.message.to_string(),
            "Der Anbieter weist die Anfrage zurück: the moon is full"
        );
        assert_eq!(
            (
                told.code.to_string().as_str(),
                told.place.as_deref(),
                told.hint.as_ref().map(ToString::to_string).as_deref()
            ),
            ("KEI-4104", Some("there"), Some("howl"))
        );
    }
}
