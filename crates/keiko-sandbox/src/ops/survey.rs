//! Looking a workspace over: what it holds, how it is tested, what it needs.
//!
//! Runs inside the jail, because programs are asked for their versions and Python for its packages. One walk collects
//! the names of all files; each toolchain then looks at its own manifests.

mod go;
mod mentions;
mod node;
mod node_built;
mod node_manifest;
mod node_script;
mod programs;
mod python;
mod python_kernel;
mod python_ways;
mod python_words;
mod rust;
mod rust_ways;
mod support;
mod witnesses;

use crate::ops::list::{Listing, list};
use crate::ops::path::{Found, RelPath, Root, read_text};
use crate::ops::{OpError, walk};
use keiko_contracts::digest::{Content, Digest};
use keiko_contracts::jail::{Packages, Preparation, Project, Survey, Toolchain, is_test_path};
use std::collections::{BTreeMap, BTreeSet};

/// `AGENTS.md` beyond this is cut, in bytes.
const INSTRUCTIONS_BYTES_MAX: usize = 16 << 10;
/// Entries of the root listing.
const LISTED_MAX: u32 = 200;
/// Manifests further down are left alone.
const DEPTH_MAX: usize = 4;
/// More projects are not looked at.
const PROJECTS_MAX: usize = 64;
/// Test files that are opened to see which runner they are for.
const TEST_FILES_READ_MAX: usize = 40;
/// Test files that are protected; a repository with more has them protected by the difference at the end alone.
const TESTS_MAX: usize = 2_000;
/// Names of folders whose manifests are no projects of the repository.
const ASIDE: [&str; 33] = [
    "test",
    "tests",
    "testing",
    "testdata",
    "test-data",
    "test_data",
    "fixture",
    "fixtures",
    "spec",
    "specs",
    "snapshots",
    "mocks",
    "example",
    "examples",
    "sample",
    "samples",
    "demo",
    "demos",
    "playground",
    "playgrounds",
    "doc",
    "docs",
    "website",
    "bench",
    "benches",
    "benchmark",
    "benchmarks",
    "vendor",
    "third_party",
    "third-party",
    "node_modules",
    "template",
    "templates",
];
/// Where dependencies live inside the jail.
const CACHE: &str = "/cache";

/// Looks the workspace over.
///
/// # Errors
/// When the root cannot be listed.
pub(crate) fn survey(root: &Root) -> Result<Survey, OpError> {
    look(root, programs::versions())
}

fn look(root: &Root, programs: Programs) -> Result<Survey, OpError> {
    let tree = Tree::of(root)?;
    let listing = list(
        root,
        &Listing {
            path: String::new(),
            glob: None,
            depth: 2,
            limit: LISTED_MAX,
        },
    )?;
    let (aside, places): (Vec<&String>, Vec<&String>) = tree
        .folders
        .iter()
        .take(100_000)
        .partition(|dir| is_aside(dir));
    let mut projects = found_in(&tree, &places, &programs);
    // A repository of nothing but examples is about these.
    if projects.is_empty() {
        projects = found_in(&tree, &aside, &programs);
    }
    if !projects
        .iter()
        .any(|project| project.toolchain == Toolchain::Python)
    {
        let any = projects.is_empty() || tree.names("").any(|name| name.ends_with(".py"));
        projects.extend(python::loose_scripts(&tree, &programs).filter(|_| any));
    }
    for toolchain in [Toolchain::Rust, Toolchain::Go] {
        share(&mut projects, toolchain);
    }
    let test_support = support::of(&tree);
    let tests = tree
        .files
        .iter()
        .filter(|path| is_test_path(path))
        .take(TESTS_MAX)
        .chain(&test_support)
        .cloned()
        .collect();
    let instructions = tree.read("", "AGENTS.md").map(cut);
    Ok(Survey {
        files: tree.count,
        projects,
        instructions,
        programs,
        listing: listing.text,
        tests,
        test_support,
    })
}

fn found_in(tree: &Tree<'_>, places: &[&String], programs: &Programs) -> Vec<Project> {
    let mut projects = Vec::new();
    for dir in places {
        let found = [
            python::project(tree, dir, programs),
            node::project(tree, dir),
            rust::project(tree, dir),
            go::project(tree, dir),
        ];
        projects.extend(found.into_iter().flatten());
        if projects.len() >= PROJECTS_MAX {
            break;
        }
    }
    projects.truncate(PROJECTS_MAX);
    projects
}

/// A folder whose manifests are no projects of the repository: what tests read, what shows how something is used, what was
/// copied from elsewhere.
fn is_aside(dir: &str) -> bool {
    dir.split('/').any(|part| {
        let part = part.trim_matches('_').to_ascii_lowercase();
        ASIDE.contains(&part.as_str()) || (part.starts_with('.') && part.len() > 1)
    })
}

/// The sources of all projects of such a toolchain lie in one place: they are fetched together.
fn share(projects: &mut [Project], toolchain: Toolchain) {
    let all: Vec<Preparation> = projects
        .iter()
        .filter(|p| p.toolchain == toolchain)
        .filter_map(|p| p.preparation.clone())
        .collect();
    let Some(first) = all.first().filter(|_| all.len() > 1) else {
        return;
    };
    let keys: Vec<&[u8]> = all.iter().map(|one| one.cache_key.as_bytes()).collect();
    let together = Preparation {
        toolchain,
        dirs: all.iter().flat_map(|one| one.dirs.clone()).collect(),
        commands: all.iter().flat_map(|one| one.commands.clone()).collect(),
        cache_key: Digest::of_all(&keys).to_string()[..16].to_owned(),
        packages: Packages {
            count: all
                .iter()
                .map(|one| one.packages.count)
                .fold(0, u32::saturating_add),
            complete: all.iter().all(|one| one.packages.complete),
            bytes: None,
        },
        registries: first.registries.clone(),
        cached: false,
    };
    for project in projects
        .iter_mut()
        .filter(|project| project.toolchain == toolchain && project.preparation.is_some())
    {
        project.preparation = Some(together.clone());
    }
}

fn cut(text: String) -> Content {
    if text.len() <= INSTRUCTIONS_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(INSTRUCTIONS_BYTES_MAX);
    format!("{}\n[{} more bytes]\n", &text[..end], text.len() - end).into()
}

/// The files that git sees, by folder.
struct Tree<'a> {
    root: &'a Root,
    count: u32,
    /// Folders that may hold a project, the root first.
    folders: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl<'a> Tree<'a> {
    fn of(root: &'a Root) -> Result<Tree<'a>, OpError> {
        let mut tree = Tree {
            root,
            count: 0,
            folders: BTreeSet::from([String::new()]),
            files: BTreeSet::new(),
        };
        walk::walk(root, &RelPath::parse("")?, &mut |entry| {
            if entry.is_folder {
                if entry.depth <= DEPTH_MAX {
                    tree.folders.insert(entry.path);
                }
            } else {
                tree.count += 1;
                if entry.is_file {
                    tree.files.insert(entry.path);
                }
            }
            true
        });
        Ok(tree)
    }
    fn has(&self, dir: &str, name: &str) -> bool {
        self.files.contains(&join(dir, name))
    }
    /// A text file; nothing when it is not there or cannot be read as text.
    fn read(&self, dir: &str, name: &str) -> Option<String> {
        let path = RelPath::parse(&join(dir, name)).ok()?;
        match self.root.find(&path).ok()? {
            Found::File { file, size, .. } => read_text(&path, file, size)
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Found::Folder | Found::Special(_) | Found::Missing => None,
        }
    }
    /// Whether anything stands there, ignored or not.
    fn exists(&self, dir: &str, name: &str) -> bool {
        RelPath::parse(&join(dir, name))
            .ok()
            .and_then(|path| self.root.find(&path).ok())
            .is_some_and(|found| !matches!(found, Found::Missing))
    }
    /// Paths of the files below a folder, relative to it.
    fn below<'t>(&'t self, dir: &'t str) -> impl Iterator<Item = &'t str> {
        let skip = if dir.is_empty() { 0 } else { dir.len() + 1 };
        let within = move |path: &&String| {
            dir.is_empty()
                || path
                    .strip_prefix(dir)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        self.files
            .range(dir.to_owned()..)
            .skip_while(move |path| !within(path))
            .take_while(within)
            .map(move |path| &path[skip..])
    }
    /// Names of the files right in a folder.
    fn names<'t>(&'t self, dir: &'t str) -> impl Iterator<Item = &'t str> {
        self.below(dir).filter(|path| !path.contains('/'))
    }
    /// The key of the dependency cache: what the manifests and lock files say.
    fn cache_key(&self, toolchain: &str, dir: &str, manifests: &[String]) -> String {
        let texts: Vec<String> = manifests
            .iter()
            .map(|name| self.read(dir, name).unwrap_or_default())
            .collect();
        let names = manifests.iter().map(String::as_bytes);
        let pieces: Vec<&[u8]> = std::iter::once(toolchain.as_bytes())
            .chain(
                names
                    .zip(texts.iter().map(String::as_bytes))
                    .flat_map(|(name, text)| [name, text]),
            )
            .collect();
        Digest::of_all(&pieces).to_string()[..16].to_owned()
    }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// A path of the workspace as a command inside the jail names it.
fn inside(dir: &str, name: &str) -> String {
    let path = join(dir, name);
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        crate::ops::path::INSIDE.to_owned()
    } else {
        format!("{}/{path}", crate::ops::path::INSIDE)
    }
}

fn argv<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Vec<String> {
    words
        .into_iter()
        .map(|word| word.as_ref().to_owned())
        .collect()
}

fn packages(count: usize, complete: bool) -> Packages {
    Packages {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        complete,
        bytes: None,
    }
}

/// Names of programs with the first line of what they say of their version.
type Programs = BTreeMap<String, String>;

#[cfg(test)]
mod tests;
