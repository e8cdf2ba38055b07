//! Import cycles between the modules of a crate.
//!
//! Nodes are the modules that have a file; an inline module belongs to its file. Edges are the paths in shipped code that
//! begin with `crate`, `self` or `super`. Parent to descendant is free, child to a parent's own items counts, and a
//! path through a re-export leads to where the item really is.

use super::source::{PathUse, Source, Token, paths_at, tokens};
use super::{Finding, Tree};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

type ModulePath = Vec<String>;

/// A module's file, what it is called from elsewhere, and what it looks up.
struct Module {
    file: String,
    paths: Vec<Lookup>,
    reexports: BTreeMap<String, ModulePath>,
}

struct Lookup {
    /// Absolute segments, from the crate's root.
    target: ModulePath,
    line: usize,
}

/// The modules of one crate.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

/// Finds the cycles in every crate of the tree.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in tree.files().filter(|path| is_crate_root(path)) {
        let mut found = Crate::default();
        found.add(tree, root, Vec::new());
        findings.extend(found.cycles());
    }
    findings
}

fn is_crate_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(parts.as_slice(), [.., "src", "lib.rs" | "main.rs"])
}

impl Crate {
    fn add(&mut self, tree: &Tree, file: &str, path: ModulePath) {
        let Some(source) = tree.source(file) else {
            return;
        };
        if self.modules.contains_key(&path) {
            return;
        }
        let read = read_module(source, &path);
        let folder = folder_of(file);
        self.modules.insert(
            path.clone(),
            Module {
                file: file.to_owned(),
                paths: read.paths,
                reexports: read.reexports,
            },
        );
        for child in read.children {
            let flat = format!("{folder}/{child}.rs");
            let nested = format!("{folder}/{child}/mod.rs");
            let file = if tree.source(&flat).is_some() {
                flat
            } else {
                nested
            };
            let mut child_path = path.clone();
            child_path.push(child);
            self.add(tree, &file, child_path);
        }
    }

    /// The module that a path leads to, through at most a few re-exports.
    fn resolve(&self, path: &[String]) -> ModulePath {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let depth = (0..=path.len())
                .rev()
                .find(|depth| self.modules.contains_key(&path[..*depth]))
                .unwrap_or(0);
            let (module, rest) = path.split_at(depth);
            let onward = rest
                .first()
                .and_then(|name| self.modules.get(module)?.reexports.get(name));
            match onward {
                Some(target) => {
                    path = target
                        .iter()
                        .cloned()
                        .chain(rest[1..].iter().cloned())
                        .collect()
                }
                None => return module.to_vec(),
            }
        }
        Vec::new()
    }

    fn edges(&self) -> BTreeMap<&ModulePath, BTreeMap<ModulePath, usize>> {
        let mut edges: BTreeMap<&ModulePath, BTreeMap<ModulePath, usize>> = BTreeMap::new();
        for (path, module) in &self.modules {
            for lookup in &module.paths {
                let target = self.resolve(&lookup.target);
                if !target.starts_with(path) {
                    edges
                        .entry(path)
                        .or_default()
                        .entry(target)
                        .or_insert(lookup.line);
                }
            }
        }
        edges
    }

    fn cycles(&self) -> Vec<Finding> {
        let edges = self.edges();
        let mut findings = Vec::new();
        let mut reported: BTreeSet<&ModulePath> = BTreeSet::new();
        for start in self.modules.keys() {
            if reported.contains(start) {
                continue;
            }
            let Some(cycle) = shortest_cycle(&edges, start) else {
                continue;
            };
            reported.extend(self.modules.keys().filter(|path| cycle.contains(path)));
            let line = edges
                .get(start)
                .and_then(|out| out.get(cycle.get(1)?))
                .copied()
                .unwrap_or(1);
            let shown: Vec<_> = cycle.iter().map(|path| shown(path)).collect();
            let file = self
                .modules
                .get(start)
                .map_or("", |module| module.file.as_str());
            findings.push(Finding::new(
                file,
                line,
                "module-cycle",
                format!(
                    "{}: move what both need into a module below them",
                    shown.join(" -> ")
                ),
            ));
        }
        findings
    }
}

fn shown(path: &[String]) -> String {
    if path.is_empty() {
        "crate".to_owned()
    } else {
        path.join("::")
    }
}

fn folder_of(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
    }
}

/// The shortest way from a module back to itself, both ends included.
fn shortest_cycle(
    edges: &BTreeMap<&ModulePath, BTreeMap<ModulePath, usize>>,
    start: &ModulePath,
) -> Option<Vec<ModulePath>> {
    let mut came_from: BTreeMap<ModulePath, ModulePath> = BTreeMap::new();
    let mut queue = VecDeque::from([start.clone()]);
    while let Some(here) = queue.pop_front() {
        for next in edges.get(&here).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut way = vec![start.clone(), here.clone()];
                let mut back = &here;
                while let Some(before) = came_from.get(back) {
                    way.push(before.clone());
                    back = before;
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next.clone(), here.clone());
                queue.push_back(next.clone());
            }
        }
    }
    None
}

struct Read {
    children: Vec<String>,
    paths: Vec<Lookup>,
    reexports: BTreeMap<String, ModulePath>,
}

fn read_module(source: &Source, path: &[String]) -> Read {
    let all = tokens(&source.shipped);
    let text = |at: usize| all.get(at).map_or("", |token: &Token<'_>| token.text);
    let mut read = Read {
        children: Vec::new(),
        paths: Vec::new(),
        reexports: BTreeMap::new(),
    };
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut reexport_until = 0;
    for at in 0..all.len() {
        match text(at) {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.retain(|(_, opened)| *opened <= depth);
            }
            "mod" if text(at + 2) == ";" => read.children.push(text(at + 1).to_owned()),
            "mod" if text(at + 2) == "{" => inline.push((text(at + 1).to_owned(), depth + 1)),
            "use" if at > 0 && matches!(text(at - 1), "pub" | ")") => {
                reexport_until = (at..all.len())
                    .find(|end| text(*end) == ";")
                    .unwrap_or(all.len());
                // `pub use child::Item` has no leading keyword; such paths are reached from here only.
                if !matches!(text(at + 1), "crate" | "self" | "super" | ":") {
                    add_reexports(&mut read, paths_at(&all, at + 1), path);
                }
            }
            "crate" | "self" | "super"
                if text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") =>
            {
                let mut base = path.to_vec();
                base.extend(inline.iter().map(|(name, _)| name.clone()));
                for used in paths_at(&all, at) {
                    let target = absolute(&base, &used.segments);
                    if at < reexport_until {
                        read.reexports.insert(used.name, target);
                    } else {
                        read.paths.push(Lookup {
                            target,
                            line: source.line(used.at),
                        });
                    }
                }
            }
            _ => {}
        }
    }
    read
}

fn add_reexports(read: &mut Read, uses: Vec<PathUse>, path: &[String]) {
    for used in uses
        .into_iter()
        .filter(|used| read.children.contains(&used.segments[0]))
    {
        read.reexports.insert(
            used.name,
            path.iter().cloned().chain(used.segments).collect(),
        );
    }
}

/// A path as seen from the crate's root.
fn absolute(base: &[String], segments: &[String]) -> ModulePath {
    let mut path = base.to_vec();
    for (at, segment) in segments.iter().enumerate() {
        match (at, segment.as_str()) {
            (0, "crate") => path.clear(),
            (0, "self") => {}
            (_, "super") => {
                path.pop();
            }
            _ => path.push(segment.clone()),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::of(
            files
                .iter()
                .map(|(path, text)| (format!("crates/a/src/{path}"), (*text).to_owned())),
        );
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_seeded_cycle_is_reported_as_a_path_with_its_line() {
        let found = findings(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "//! A.\nuse crate::b::B;"),
            ("b.rs", "fn f() { crate::c::go() }"),
            ("c.rs", "use super::{a::A};"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("crates/a/src/a.rs:2: module-cycle: a -> b -> c -> a"),
            "{found:?}"
        );
    }

    #[test]
    fn tests_comments_and_parents_of_children_are_free() {
        let found = findings(&[
            ("lib.rs", "pub mod a;\npub mod b;\npub use a::A;"),
            ("a.rs", "use crate::b::B;\npub struct A;"),
            (
                "b.rs",
                "//! [`crate::a::A`]\n#[cfg(test)]\nmod tests { use crate::a::A; }\nconst X: &str = \"crate::a::A\";",
            ),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_cycle_through_a_re_export_is_seen() {
        let found = findings(&[
            ("lib.rs", "pub mod a;\npub mod b;\npub use a::A;"),
            ("a.rs", "use crate::b::B;\npub struct A;"),
            ("b.rs", "use crate::A;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn nested_modules_and_inline_modules_resolve() {
        let files = [
            ("lib.rs", "mod tools;\nmod shape;"),
            (
                "tools/mod.rs",
                "mod read;\nuse crate::shape::S;\nmod inner { use super::T; }",
            ),
            ("tools/read.rs", "use super::Tool;"),
            ("shape.rs", "use crate::tools::read::R;"),
        ];
        let found = findings(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("shape -> tools::read -> tools -> shape"),
            "{found:?}"
        );
    }
}
