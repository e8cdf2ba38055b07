//! JUnit XML as runners write it. Hostile input: no entities but the five of XML, everything counted and capped.

use super::CASES_MAX;
use keiko_contracts::evidence::TestStatus;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Largest report, bytes.
const REPORT_MAX: usize = 64 << 20;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;
/// Longest name, message or other attribute that is kept, bytes.
const ATTRIBUTE_MAX: usize = 4 << 10;
/// Most text of one failure that is kept, bytes.
const BODY_MAX: usize = 32 << 10;

/// A `testcase` element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JunitCase {
    /// Names of the suites around it, from the outermost.
    pub(super) suites: Vec<String>,
    /// `classname`.
    pub(super) class: String,
    /// `name`.
    pub(super) name: String,
    /// How it came out; `None` is passed.
    pub(super) status: Option<TestStatus>,
    /// `message` of what went wrong.
    pub(super) message: String,
    /// Its text.
    pub(super) body: String,
}

/// All cases of a report, in order. What is above the cap is left out.
pub(super) fn parse(xml: &str) -> Result<Vec<JunitCase>, Said> {
    if xml.len() > REPORT_MAX {
        return Err(say!(
            "the JUnit report is {n} bytes long; at most {most} are read",
            n = xml.len(),
            most = REPORT_MAX
        ));
    }
    let mut reader = Reader::from_str(xml);
    let mut parser = Parser::default();
    loop {
        let broken = |why: &dyn std::fmt::Display| say!("the JUnit report is broken: {why}", why);
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(element) => {
                parser.open(&element)?;
            }
            Event::Empty(element) => {
                parser.open(&element)?;
                parser.close();
            }
            Event::End(_) => parser.close(),
            Event::Text(text) => parser.text(&text.xml10_content()),
            Event::CData(text) => parser.text(&text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(c)) => parser.text(c.encode_utf8(&mut [0; 4])),
                // Entities that a document declares itself are never expanded.
                _ => parser.text(
                    quick_xml::escape::resolve_predefined_entity(&reference.xml10_content())
                        .unwrap_or("\u{fffd}"),
                ),
            },
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if !parser.open.is_empty() {
        return Err("the JUnit report is broken: it ends in the middle".into());
    }
    Ok(parser.cases)
}

/// Which element is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Suite,
    Case,
    /// `failure`, `error` or `skipped` of a case.
    Result,
    Other,
}

#[derive(Debug, Default)]
struct Parser {
    open: Vec<Element>,
    suites: Vec<String>,
    case: Option<JunitCase>,
    cases: Vec<JunitCase>,
}

impl Parser {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), Said> {
        if self.open.len() >= DEPTH_MAX {
            return Err(say!(
                "the JUnit report is nested deeper than {most}",
                most = DEPTH_MAX
            ));
        }
        let kind = match element.local_name().as_ref() {
            "testsuite" => {
                self.suites
                    .push(attribute(element, "name").unwrap_or_default());
                Element::Suite
            }
            "testcase" if self.case.is_none() => {
                self.case = Some(self.case_of(element));
                Element::Case
            }
            "failure" => self.result(element, TestStatus::Failed),
            "error" => self.result(element, TestStatus::Error),
            "skipped" => self.result(element, TestStatus::Skipped),
            _ => Element::Other,
        };
        self.open.push(kind);
        Ok(())
    }

    fn case_of(&self, element: &BytesStart<'_>) -> JunitCase {
        JunitCase {
            suites: self.suites.clone(),
            class: attribute(element, "classname").unwrap_or_default(),
            name: attribute(element, "name").unwrap_or_default(),
            ..JunitCase::default()
        }
    }

    /// The worst result of a case counts: a failed test whose clean-up fails too stays failed.
    fn result(&mut self, element: &BytesStart<'_>, status: TestStatus) -> Element {
        let Some(case) = &mut self.case else {
            return Element::Other;
        };
        let first = match case.status {
            None | Some(TestStatus::Skipped | TestStatus::Passed) => true,
            Some(TestStatus::Failed | TestStatus::Error) => false,
        };
        if !first {
            return Element::Other;
        }
        case.status = Some(status);
        case.message = attribute(element, "message").unwrap_or_default();
        case.body.clear();
        Element::Result
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Element::Suite) => {
                self.suites.pop();
            }
            Some(Element::Case) => {
                if let Some(case) = self.case.take().filter(|_| self.cases.len() < CASES_MAX) {
                    self.cases.push(case);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.open.last() != Some(&Element::Result) {
            return;
        }
        if let Some(case) = &mut self.case {
            let room = BODY_MAX.saturating_sub(case.body.len());
            case.body.extend(text.chars().take(room / 4));
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    // An attribute that cannot be read is as good as none.
    let found = element.try_get_attribute(name).ok()??;
    let value = found.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(crate::lines::cut(&value, ATTRIBUTE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_with_their_suites() {
        let xml = r#"<testsuites><testsuite name="a"><testsuite name="b">
            <testcase classname="c" name="n &lt;1&gt;" file="f.py" line="7"/>
            <testcase name="m"><failure message="x &amp; y">one &lt;two&gt; &#65;<![CDATA[<raw>]]></failure><error message="later"/></testcase>
            <testcase name="s"><skipped/></testcase>
        </testsuite></testsuite></testsuites>"#;
        let cases = parse(xml).unwrap();
        assert_eq!(cases[0].suites, ["a", "b"]);
        assert_eq!(
            (
                cases[0].name.as_str(),
                cases[0].class.as_str(),
                cases[0].status
            ),
            ("n <1>", "c", None)
        );
        assert_eq!(
            (cases[1].status, cases[1].message.as_str()),
            (Some(TestStatus::Failed), "x & y")
        );
        assert_eq!(cases[1].body, "one <two> A<raw>");
        assert_eq!(cases[2].status, Some(TestStatus::Skipped));
    }

    #[test]
    fn declared_entities_are_not_expanded() {
        let xml = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]><testsuite><testcase name='n'><failure message='&a;'>&a;&b;!</failure></testcase></testsuite>";
        let cases = parse(xml).unwrap();
        assert_eq!(
            (cases[0].message.as_str(), cases[0].body.as_str()),
            ("", "\u{fffd}\u{fffd}!")
        );
    }

    #[test]
    fn size_depth_and_count_are_capped() {
        assert!(
            parse(&"<a>".repeat(100))
                .unwrap_err()
                .contains("nested deeper")
        );
        let many = format!(
            "<testsuite>{}</testsuite>",
            "<testcase name='n'/>".repeat(CASES_MAX + 5)
        );
        assert_eq!(parse(&many).unwrap().len(), CASES_MAX);
        let long = format!(
            "<testsuite><testcase name='{}'><failure>{}</failure></testcase></testsuite>",
            "n".repeat(9_000),
            "ü".repeat(90_000)
        );
        let cases = parse(&long).unwrap();
        assert!(cases[0].name.len() <= ATTRIBUTE_MAX && cases[0].body.len() <= BODY_MAX);
        assert!(
            parse("<testsuite><testcase name='n'>")
                .unwrap_err()
                .contains("ends in the middle")
        );
        assert!(parse("<a></b>").is_err());
    }
}
