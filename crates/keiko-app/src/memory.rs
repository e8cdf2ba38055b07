//! Answers that are remembered for repositories: in Keiko's own data folder, a file for each, named by the folder without
//! links and by what was decided. Nothing in a repository can make or change one.

use crate::home::private_dir;
use keiko_contracts::approval::{Beforehand, InstallWord, Installing};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::say;
use keiko_contracts::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What is decided: so far one kind of thing.
const INSTALL: &str = "install";
/// The longest file, and the most of them that are listed.
const FILE_MAX: u64 = 64 << 10;
const FILES_MAX: usize = 10_000;

/// An answer that counts until it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// The repository's folder without links.
    pub folder: String,
    /// What was decided.
    pub what: String,
    /// How.
    pub answer: Installing,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The registries that a yes was given for.
    pub registries: Vec<String>,
}

impl Remembered {
    /// An answer about installing.
    pub fn install(
        folder: &str,
        answer: Installing,
        by: String,
        at: Timestamp,
        registries: Vec<String>,
    ) -> Remembered {
        Remembered {
            folder: folder.into(),
            what: INSTALL.into(),
            answer,
            by,
            at,
            registries,
        }
    }

    /// As a run is told.
    pub fn word(self) -> InstallWord {
        InstallWord {
            answer: self.answer,
            by: self.by,
            beforehand: Beforehand::Memory,
            registries: Some(self.registries),
        }
    }
}

/// The folder of remembered answers.
#[derive(Debug, Clone)]
pub struct Memory {
    dir: PathBuf,
}

impl Memory {
    /// Below Keiko's data.
    pub fn below(data: &Path) -> Memory {
        Memory {
            dir: data.join("remembered"),
        }
    }

    fn file(&self, folder: &str) -> PathBuf {
        let name = Digest::of_all(&[INSTALL.as_bytes(), b"\0", folder.as_bytes()]);
        self.dir.join(format!(
            "{}.json",
            name.to_string()
                .replace(|c: char| !c.is_ascii_alphanumeric(), "-")
        ))
    }

    /// What is remembered about installing for a folder. What cannot be read counts as nothing: it is asked again.
    pub fn about(&self, folder: &str) -> Option<Remembered> {
        read(&self.file(folder))
            .ok()
            .flatten()
            .filter(|known| known.folder == folder && known.what == INSTALL)
    }

    /// Remembers an answer; a newer one takes its place.
    ///
    /// # Errors
    /// KEI-2107 when it cannot be written.
    pub fn keep(&self, remembered: &Remembered) -> Result<(), Fault> {
        private_dir(&self.dir)?;
        let file = self.file(&remembered.folder);
        let fault = |error: String| {
            Fault::new(
                Code::MEMORY_UNWRITABLE,
                say!("the answer cannot be remembered: {why}", why = error),
            )
            .at(file.display())
        };
        let bytes =
            serde_json::to_vec_pretty(remembered).map_err(|error| fault(error.to_string()))?;
        let mut new =
            tempfile::NamedTempFile::new_in(&self.dir).map_err(|error| fault(error.to_string()))?;
        std::io::Write::write_all(&mut new, &bytes).map_err(|error| fault(error.to_string()))?;
        new.persist(&file)
            .map_err(|error| fault(error.to_string()))?;
        Ok(())
    }

    /// All answers, by folder; and how many files are none.
    ///
    /// # Errors
    /// KEI-2108 when the folder cannot be read.
    pub fn all(&self) -> Result<(Vec<Remembered>, usize), Fault> {
        let fault = |error: std::io::Error| {
            Fault::new(
                Code::MEMORY_UNREADABLE,
                say!("the remembered answers cannot be read: {why}", why = error),
            )
            .at(self.dir.display())
        };
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Vec::new(), 0));
            }
            entries => entries.map_err(fault)?,
        };
        let (mut all, mut broken) = (Vec::new(), 0);
        for entry in entries.take(FILES_MAX) {
            let path = entry.map_err(fault)?.path();
            if path.extension().is_some_and(|end| end == "json") {
                match read(&path) {
                    Ok(Some(known)) => all.push(known),
                    _ => broken += 1,
                }
            }
        }
        all.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok((all, broken))
    }

    /// Forgets what is remembered for a folder.
    ///
    /// # Errors
    /// KEI-2109 when there is nothing, KEI-2107 when it cannot be removed.
    pub fn forget(&self, folder: &str) -> Result<(), Fault> {
        match std::fs::remove_file(self.file(folder)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Fault::new(
                Code::NOTHING_REMEMBERED,
                "nothing is remembered for this folder",
            )
            .at(folder)
            .hint("keiko approvals remembered")),
            Err(error) => Err(Fault::new(
                Code::MEMORY_UNWRITABLE,
                say!("the answer cannot be forgotten: {why}", why = error),
            )
            .at(self.dir.display())),
        }
    }

    /// Forgets everything, also what cannot be read; how many files there were.
    ///
    /// # Errors
    /// As [`Memory::forget`].
    pub fn forget_all(&self) -> Result<usize, Fault> {
        let (all, broken) = self.all()?;
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Fault::new(
                Code::MEMORY_UNWRITABLE,
                say!("the answers cannot be forgotten: {why}", why = error),
            )
            .at(self.dir.display())),
            _ => Ok(all.len() + broken),
        }
    }
}

/// Reads a file; what is no plain file, too long, or no answer is none.
fn read(path: &Path) -> std::io::Result<Option<Remembered>> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= FILE_MAX)
        .then(|| serde_json::from_slice(&bytes).ok())
        .flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_its_folder_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::below(dir.path());
        assert_eq!(memory.about("/a"), None);
        let yes = Remembered::install(
            "/a",
            Installing::Yes,
            "ada".into(),
            Timestamp(1),
            vec!["pypi.org".into()],
        );
        memory.keep(&yes).unwrap();
        assert_eq!(
            (memory.about("/a"), memory.about("/b")),
            (Some(yes.clone()), None)
        );
        let no = Remembered {
            answer: Installing::No,
            ..yes
        };
        memory.keep(&no).unwrap();
        assert_eq!(memory.all().unwrap(), (vec![no], 0));
        memory.forget("/a").unwrap();
        assert_eq!(memory.forget("/a").unwrap_err().code, "KEI-2109");
        assert_eq!(memory.all().unwrap(), (vec![], 0));
    }

    #[test]
    fn what_is_broken_or_of_another_folder_counts_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::below(dir.path());
        let yes = Remembered::install("/a", Installing::Yes, "ada".into(), Timestamp(1), vec![]);
        memory.keep(&yes).unwrap();
        std::fs::copy(memory.file("/a"), memory.file("/b")).unwrap();
        assert_eq!(memory.about("/b"), None);
        for broken in ["", "{", "[]", "{\"folder\":\"/a\"}"] {
            std::fs::write(memory.file("/a"), broken).unwrap();
            assert_eq!(memory.about("/a"), None, "{broken}");
        }
        assert_eq!(memory.all().unwrap().1, 1);
        assert_eq!(memory.forget_all().unwrap(), 2);
        assert_eq!(memory.all().unwrap(), (vec![], 0));
    }
}
