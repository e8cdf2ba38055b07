//! YAML as far as a front matter needs it: text, lists and tables with their lines. No aliases (a few bytes could stand for
//! gigabytes), no tags, no types guessed from how a word looks.

use super::Flaw;
use crate::said::Said;
use crate::say;
use saphyr_parser::{Event, Parser, ScalarStyle};

/// Deepest nesting.
const DEPTH_MAX: usize = 8;
/// Most nodes.
const NODES_MAX: usize = 4_000;

/// A node and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) is: Is,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Is {
    /// Nothing stands there.
    Nothing,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a key that stands twice is refused.
    Table(Vec<(Key, Node)>),
}

/// A key and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) line: u32,
    pub(super) name: String,
}

/// Something that was begun and not yet ended.
struct Open {
    line: u32,
    is: Unfinished,
}

enum Unfinished {
    List(Vec<Node>),
    Table(Vec<(Key, Node)>, Option<Key>),
}

/// Reads a text that stands from `first` on in its file.
pub(super) fn read(text: &str, first: u32) -> Result<Node, Flaw> {
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            Flaw::error(
                line_of(error.marker().line(), first),
                say!("this is no YAML: {why}", why = error.info()),
            )
            .remedy("put text that holds a colon, # or a quote into quotes: description: \"Use when: …\"")
        })?;
        let line = line_of(span.start.line(), first);
        nodes += 1;
        if nodes > NODES_MAX || open.len() > DEPTH_MAX {
            return Err(Flaw::error(
                line,
                "the front matter is too large or nested too deeply",
            ));
        }
        let done = match event {
            Event::Alias(_) => {
                return Err(Flaw::error(line, "aliases (*name) are not read here")
                    .remedy("write the value out"));
            }
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                let is = if plain && (text.is_empty() || text == "~" || text == "null") {
                    Is::Nothing
                } else {
                    Is::Text(text.into_owned())
                };
                Node { line, is }
            }
            Event::SequenceStart(..) => {
                let is = Unfinished::List(Vec::new());
                open.push(Open { line, is });
                continue;
            }
            Event::MappingStart(..) => {
                let is = Unfinished::Table(Vec::new(), None);
                open.push(Open { line, is });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open {
                    line,
                    is: Unfinished::List(list),
                }) => Node {
                    line,
                    is: Is::List(list),
                },
                Some(Open {
                    line,
                    is: Unfinished::Table(table, _),
                }) => Node {
                    line,
                    is: Is::Table(table),
                },
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => return Ok(done),
            Some(around) => put(around, done)?,
        }
    }
    Ok(Node {
        line: first,
        is: Is::Table(Vec::new()),
    })
}

fn put(around: &mut Open, node: Node) -> Result<(), Flaw> {
    match &mut around.is {
        Unfinished::List(list) => list.push(node),
        Unfinished::Table(table, key @ None) => {
            let line = node.line;
            let Is::Text(name) = node.is else {
                return Err(Flaw::error(line, "a key must be a word"));
            };
            if let Some((before, _)) = table.iter().find(|(known, _)| known.name == name) {
                let what = say!(
                    "`{name}` stands twice, first on line {n}",
                    name,
                    n = before.line
                );
                return Err(Flaw::error(line, what).remedy("leave one of them"));
            }
            *key = Some(Key { line, name });
        }
        Unfinished::Table(table, key) => {
            if let Some(key) = key.take() {
                table.push((key, node));
            }
        }
    }
    Ok(())
}

fn line_of(line: usize, first: u32) -> u32 {
    u32::try_from(line.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .saturating_add(first)
}

impl Node {
    /// What it is, in a word, for people.
    pub(super) fn kind(&self) -> Said {
        match self.is {
            Is::Nothing => "nothing".into(),
            Is::Text(_) => "text".into(),
            Is::List(_) => "a list".into(),
            Is::Table(_) => "a table".into(),
        }
    }
}
