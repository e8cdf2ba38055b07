//! Walking a workspace as git sees it: hidden files shown, ignored files and `.git` not, links never followed.

use super::path::{RelPath, Root};
use super::{OpError, Refusal};
use crate::foreign::{self, Kind, Rules, Seen, Step, Visitor};
use keiko_contracts::say;
use std::path::Path;

/// How many entries a walk looks at; a workspace with more is cut and says so.
pub(crate) const ENTRIES_MAX: usize = 200_000;
/// Of the clone's own list of ignored files.
const EXCLUDE_BYTES_MAX: u64 = 512 << 10;

/// An entry of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the root.
    pub(crate) path: String,
    /// A folder; otherwise a regular file.
    pub(crate) is_folder: bool,
    /// A symbolic link or something special: shown, never opened.
    pub(crate) is_file: bool,
    /// How deep below the place where the walk was asked for, from 1.
    pub(crate) depth: usize,
}

/// Whether ignore files count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignored {
    Hidden,
    Shown,
}

/// Walks below `below`, in order of names. An ignored folder that is asked for by name is walked too.
pub(crate) fn walk(root: &Root, below: &RelPath, visit: &mut dyn FnMut(Entry) -> bool) {
    let mut any = false;
    walk_with(root, below, Ignored::Hidden, &mut |entry| {
        any = true;
        visit(entry)
    });
    if !any && !below.as_str().is_empty() {
        walk_with(root, below, Ignored::Shown, visit);
    }
}

fn walk_with(root: &Root, below: &RelPath, ignored: Ignored, visit: &mut dyn FnMut(Entry) -> bool) {
    let exclude = match ignored {
        Ignored::Hidden => {
            foreign::read_regular(&root.path().join(".git/info/exclude"), EXCLUDE_BYTES_MAX)
                .unwrap_or_default()
        }
        Ignored::Shown => Vec::new(),
    };
    let exclude = String::from_utf8_lossy(&exclude);
    let rules = if ignored == Ignored::Hidden {
        Rules::Git {
            everywhere: &exclude,
        }
    } else {
        Rules::None
    };
    let skip = below
        .as_str()
        .split('/')
        .filter(|part| !part.is_empty())
        .count();
    foreign::walk(
        root.path(),
        rules,
        &mut Below {
            wanted: below.as_str(),
            skip,
            left: ENTRIES_MAX,
            visit,
        },
    );
}

struct Below<'a> {
    wanted: &'a str,
    skip: usize,
    left: usize,
    visit: &'a mut dyn FnMut(Entry) -> bool,
}

impl Visitor for Below<'_> {
    fn seen(&mut self, seen: &Seen<'_>) -> Step {
        let path = shown(seen.path);
        if seen.name == ".git" || !leads_to(&path, self.wanted) {
            return Step::Past;
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Step::End;
        }
        let is_folder = seen.kind == Kind::Folder;
        if seen.depth <= self.skip && (seen.depth < self.skip || is_folder) {
            return Step::In;
        }
        let depth = seen.depth.saturating_sub(self.skip).max(1);
        let entry = Entry {
            path,
            is_folder,
            is_file: seen.kind == Kind::File,
            depth,
        };
        if (self.visit)(entry) {
            Step::In
        } else {
            Step::End
        }
    }
}

/// True when `path` is on the way to `wanted`, is it, or is below it.
fn leads_to(path: &str, wanted: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner == outer
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    within(path, wanted) || within(wanted, path)
}

/// The path below the root as text; what is not UTF-8 is replaced, control characters are escaped so that one name is
/// one line.
fn shown(path: &Path) -> String {
    let path = path.to_string_lossy();
    if path.chars().any(char::is_control) {
        path.escape_debug().to_string()
    } else {
        path.into_owned()
    }
}

/// A glob as people mean it: without `/` it is about the name, with `/` about the path from the root.
#[derive(Debug)]
pub(crate) struct Glob {
    matcher: globset::GlobMatcher,
    on_name: bool,
}

impl Glob {
    /// Compiles it.
    pub(crate) fn parse(pattern: &str) -> Result<Glob, OpError> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let matcher = globset::GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| {
                Refusal::new(say!(
                    "not a usable glob: {error}; for example *.py or src/**/*.ts",
                    error
                ))
            })?
            .compile_matcher();
        Ok(Glob {
            matcher,
            on_name: !pattern.contains('/'),
        })
    }
    /// Whether a path relative to the root matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(if self.on_name {
            path.rsplit('/').next().unwrap_or(path)
        } else {
            path
        })
    }
}

/// Up to five existing paths that come close to one that does not exist.
pub(crate) fn similar_names(root: &Root, path: &RelPath) -> Vec<String> {
    const CONSIDERED_MAX: usize = 5000;
    let mut scored: Vec<(f32, String)> = Vec::new();
    let mut seen = 0;
    let top = RelPath::parse("").unwrap_or_else(|_| path.clone());
    walk(root, &top, &mut |entry| {
        seen += 1;
        if entry.is_file {
            let name = entry.path.rsplit('/').next().unwrap_or("");
            let score = closeness(name, path.name()) + 0.2 * closeness(&entry.path, path.as_str());
            if score >= 0.75 {
                scored.push((score, entry.path));
            }
        }
        seen < CONSIDERED_MAX
    });
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.into_iter().take(5).map(|(_, path)| path).collect()
}

fn closeness(a: &str, b: &str) -> f32 {
    if a == b {
        return 1.0;
    }
    // Names, not texts: anything longer is not worth the time.
    if a.len().max(b.len()) > 255 {
        return 0.0;
    }
    similar::TextDiff::from_chars(a.to_lowercase(), b.to_lowercase()).ratio()
}
