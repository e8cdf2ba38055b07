//! Submodules: their files as the user has them, for tests that need them.

use super::copy::{self, Caps, Watch, Wish};
use super::own::Own;
use keiko_contracts::code::Fault;
use keiko_contracts::note::OpenNote;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What one submodule may hold.
const CAPS: Caps = Caps {
    files: 20_000,
    bytes: 512 << 20,
};
/// How many are looked at.
const MODULES_MAX: usize = 200;

/// Copies the files of those that are checked out in the folder `from`.
pub(crate) fn take_along(
    from: &Path,
    to: &Path,
    modules: &BTreeSet<PathBuf>,
    never: &Own,
    watch: &Watch<'_>,
) -> Result<Vec<OpenNote>, Fault> {
    let mut notes = Vec::new();
    for module in modules.iter().take(MODULES_MAX) {
        let path = module.display().to_string();
        let (here, there) = (from.join(module), to.join(module));
        let checked_out = here.join(".git").symlink_metadata().is_ok()
            && !copy::behind_a_link(from, &module.join(".git"));
        let none = BTreeSet::new();
        let wish = Wish {
            from: &here,
            to: &there,
            tracked: &none,
            left_out: &none,
            plain: false,
            excludes: "",
            never,
            caps: CAPS,
        };
        let copied = match checked_out {
            true => copy::snapshot(&wish, watch),
            false => Ok(copy::Copied::default()),
        };
        copy::not_stopped(watch.cancel, from)?;
        match copied {
            Ok(copied) if !copied.files.is_empty() => {
                let files = u32::try_from(copied.files.len()).unwrap_or(u32::MAX);
                notes.push(OpenNote::SubmoduleTaken { path, files });
            }
            Ok(_) => notes.push(OpenNote::SubmoduleEmpty { path }),
            // Too large, or unreadable: half of it would be worse than none.
            Err(_) => {
                copy::wipe(&there)?;
                notes.push(OpenNote::SubmoduleEmpty { path });
            }
        }
    }
    Ok(notes)
}
