//! Looks at what Keiko needs on this machine, tries the sandbox for real, and says what to do; mends what can be mended.

mod lists;
mod machine;
mod mend;
mod sandbox;
mod state;

use crate::home::Home;
use keiko_contracts::code::Fault;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It works.
    Ok,
    /// It works, but less well than it could.
    Warn,
    /// It is not there, and something particular does not work without it.
    Missing,
    /// Keiko cannot do its work.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is.
    pub name: Said,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub seen: Said,
    /// What to do, best a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<Said>,
    /// What `--fix` can do about it.
    #[serde(skip)]
    remedy: Option<Remedy>,
}

/// What `--fix` can do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    /// Install a package of the system.
    Package(&'static str),
    /// Take these permissions away from others.
    Private(std::path::PathBuf),
    /// Make the lists of runs and approvals anew from the runs' events.
    Lists,
}

impl Row {
    fn new(name: impl Into<Said>, state: State, seen: impl Into<Said>) -> Row {
        Row {
            name: name.into(),
            state,
            seen: seen.into(),
            todo: None,
            remedy: None,
        }
    }
    fn ok(name: impl Into<Said>, seen: impl Into<Said>) -> Row {
        Row::new(name, State::Ok, seen)
    }
    fn todo(mut self, todo: impl Into<Said>) -> Row {
        self.todo = Some(todo.into());
        self
    }
    fn fault(name: impl Into<Said>, state: State, fault: &Fault) -> Row {
        let row = Row::new(
            name,
            state,
            say!("[{code}] {fault}", code = fault.code, fault),
        );
        Row {
            todo: fault.hint.clone(),
            ..row
        }
    }
    /// Mended by a package.
    fn package(mut self, package: &'static str) -> Row {
        self.todo = Some(Step::shell(mend::install_command(&[package])).into());
        self.remedy = Some(Remedy::Package(package));
        self
    }
    /// Mended by taking permissions away.
    fn private(mut self, path: &std::path::Path) -> Row {
        self.todo = Some(Step::shell(format!("chmod go-rwx {}", path.display())).into());
        self.remedy = Some(Remedy::Private(path.to_owned()));
        self
    }
}

/// What was found, and what was mended.
#[derive(Debug, Serialize)]
pub struct Examination {
    /// Nothing is broken.
    pub ok: bool,
    /// What was mended.
    pub mended: Vec<Said>,
    /// Everything that was looked at.
    pub checks: Vec<Row>,
}

/// What happens meanwhile, for whoever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meanwhile {
    /// Ways out of the sandbox are tried.
    Escaping,
    /// These packages are being installed.
    Installing(String),
    /// Packages need root; this is the command.
    NeedsRoot(String),
    /// There is no apt-get; these are the packages.
    NoApt(String),
    /// They could not be installed; this is the command.
    NotInstalled(String),
    /// This cannot be made private.
    NotPrivate {
        /// Which.
        path: String,
        /// Why not.
        why: String,
    },
}

/// Looks at everything; with `fix`, mends what can be mended and looks again. `home` may be none: that is told, too.
///
/// # Errors
/// When lists that are wrong cannot be made anew.
pub async fn examine(
    home: Result<Home, Fault>,
    fix: bool,
    tell: &mut (dyn FnMut(Meanwhile) + Send),
) -> Result<Examination, Fault> {
    let mut checks = look(&home, tell).await;
    let mut mended = Vec::new();
    if fix {
        mended = mend::mend(tell, &checks);
        if let (true, Ok(home)) = (
            checks.iter().any(|row| row.remedy == Some(Remedy::Lists)),
            &home,
        ) {
            mended.push(lists::rebuild(home).await?);
        }
        if !mended.is_empty() {
            checks = look(&home, tell).await;
        }
    }
    Ok(Examination {
        ok: checks.iter().all(|row| row.state != State::Broken),
        mended,
        checks,
    })
}

/// Looks at everything. A part that cannot be looked at does not hide the others.
async fn look(home: &Result<Home, Fault>, tell: &mut (dyn FnMut(Meanwhile) + Send)) -> Vec<Row> {
    let mut rows = Vec::new();
    match home {
        Ok(home) => rows.extend(state::folders(home)),
        Err(fault) => rows.push(Row::fault("folders", State::Broken, fault)),
    }
    tell(Meanwhile::Escaping);
    let (sandbox, search_path) = sandbox::rows().await;
    rows.extend(sandbox);
    rows.extend(machine::needed());
    if let Ok(home) = home {
        rows.push(state::disk(&home.data));
        rows.extend(state::journal(home).await);
        rows.extend(state::configuration(home).await);
    }
    rows.extend(machine::programs(&search_path));
    rows
}
