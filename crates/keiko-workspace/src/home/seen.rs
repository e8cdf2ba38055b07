//! A file as it is: in the user's folder, or in a tree.

use crate::workspace::copy::{behind_a_link, open_regular};
use crate::workspace::io_fault;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::say;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Largest file that is applied, bytes.
pub(super) const CAP: u64 = 60 << 20;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Missing,
    /// A regular file.
    File { bytes: Vec<u8>, executable: bool },
    /// A symbolic link with its target.
    Link(Vec<u8>),
    /// A folder, a device, something behind a link: not to be touched.
    Other,
}

/// The same without the content, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    Missing,
    File { digest: Digest, executable: bool },
    Link { digest: Digest },
    Other,
}

impl Seen {
    /// Looks, without following any link.
    pub(super) fn at(root: &Path, path: &Path) -> Result<Seen, Fault> {
        if behind_a_link(root, path) {
            return Ok(Seen::Other);
        }
        let full = root.join(path);
        let meta = match full.symlink_metadata() {
            Ok(meta) => meta,
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Seen::Missing);
            }
            Err(e) => return Err(io_fault("look at", &full, &e)),
        };
        if meta.is_symlink() {
            let target =
                std::fs::read_link(&full).map_err(|e| io_fault("read a link", &full, &e))?;
            return Ok(Seen::Link(target.as_os_str().as_bytes().to_vec()));
        }
        let Some(file) = open_regular(&full).map_err(|e| io_fault("read", &full, &e))? else {
            return Ok(Seen::Other);
        };
        let mut bytes = Vec::new();
        file.take(CAP + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| io_fault("read", &full, &e))?;
        if bytes.len() as u64 > CAP {
            return Err(too_large(path));
        }
        Ok(Seen::File {
            bytes,
            executable: meta.permissions().mode() & 0o100 != 0,
        })
    }

    pub(super) fn mark(&self) -> Mark {
        match self {
            Seen::Missing => Mark::Missing,
            Seen::File { bytes, executable } => Mark::File {
                digest: Digest::of(bytes),
                executable: *executable,
            },
            Seen::Link(target) => Mark::Link {
                digest: Digest::of(target),
            },
            Seen::Other => Mark::Other,
        }
    }
}

pub(super) fn too_large(path: &Path) -> Fault {
    Fault::new(
        Code::APPLY_CONFLICT,
        say!("a changed file is larger than {n} MiB", n = CAP >> 20),
    )
    .at(path.display())
    .hint("copy it yourself, or leave it out")
}
