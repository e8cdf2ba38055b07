//! A kill that needs no journal: a file that every process at work watches. The journal may be damaged when somebody has to
//! stop everything; then this is how the others hear of it.

use crate::home::Home;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How long a process may take to end on its own once it has seen it.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

fn file(home: &Home) -> PathBuf {
    home.data.join("halt")
}

/// What changes whenever the file is written anew.
fn mark(path: &Path) -> Option<(u64, i64, i64)> {
    path.symlink_metadata()
        .ok()
        .map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// Tells every process that works below this home to end.
pub(crate) fn order(home: &Home, reason: &str) -> Result<(), Fault> {
    let path = file(home);
    let write = || -> std::io::Result<()> {
        let draft = path.with_extension(format!("{}", std::process::id()));
        std::fs::write(&draft, reason)?;
        std::fs::rename(&draft, &path)
    };
    write().map_err(|error| {
        Fault::new(
            Code::STOP_UNWRITABLE,
            say!("the order to stop cannot be written: {error}", error),
        )
        .at(path.display())
        .hint("check who may write there: ls -ld")
    })
}

/// From now on this process ends when it is told to: as on a signal, and for certain a moment later.
///
/// `leave` ends the process when it has not ended on its own by then: it leaves the terminal, or whatever else it holds, as
/// it should be.
pub(crate) fn obey(home: &Home, leave: fn()) {
    static ONCE: Once = Once::new();
    let path = file(home);
    let watch = move || {
        let before = mark(&path);
        loop {
            std::thread::sleep(LOOK);
            if let Some(now) = mark(&path)
                && Some(now) != before
            {
                break;
            }
        }
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        std::thread::sleep(GRACE);
        leave();
    };
    ONCE.call_once(|| {
        // Without the thread a kill still comes by the journal.
        let _ = std::thread::Builder::new()
            .name("keiko-halt".into())
            .spawn(watch);
    });
}
