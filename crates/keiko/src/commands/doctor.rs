//! `doctor`: looks at what Keiko needs on this machine, tries the sandbox for real, and says what to do.

pub(crate) mod holders;
mod lists;
mod machine;
mod mend;
mod sandbox;
mod state;

use super::Context;
use crate::cli::DoctorArgs;
use crate::error::{CliError, Exit};
use crate::home::Home;
use crate::language::{plain_json, tr};
use crate::view::Output;
use keiko_contracts::code::Fault;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use serde::Serialize;
use std::process::ExitCode;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
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
pub(crate) struct Row {
    name: Said,
    state: State,
    /// What was seen.
    seen: Said,
    /// What to do, best a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<Said>,
    /// What `--fix` can do about it.
    #[serde(skip)]
    remedy: Option<Remedy>,
}

/// What `--fix` can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remedy {
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

pub(crate) async fn run(context: &Context<'_>, args: &DoctorArgs) -> Result<ExitCode, CliError> {
    let mut rows = look(context.output).await;
    let mut mended = Vec::new();
    if args.fix {
        mended = mend::mend(context.output, &rows);
        if let (true, Ok(home)) = (
            rows.iter().any(|row| row.remedy == Some(Remedy::Lists)),
            Home::find(),
        ) {
            mended.push(lists::rebuild(&home).await?);
        }
        if !mended.is_empty() {
            rows = look(context.output).await;
        }
    }
    let broken = rows.iter().filter(|row| row.state == State::Broken).count();
    if context.output.json() {
        context
            .output
            .data(&plain_json!({"ok": broken == 0, "mended": mended, "checks": rows}).to_string());
    } else {
        mended.iter().for_each(|what| {
            context.output.say(&tr!(
                context.output,
                "mended: {}",
                "behoben: {}",
                context.output.told(what)
            ))
        });
        rows.iter().for_each(|row| show(context.output, row));
        let word = match broken {
            0 => context
                .output
                .t("Nothing is broken.", "Es ist alles in Ordnung.")
                .to_owned(),
            n => tr!(
                context.output,
                "{n} broken. `keiko doctor --fix` mends what it can.",
                "{n}-mal defekt. `keiko doctor --fix` behebt, was sich beheben lässt."
            ),
        };
        context.output.say(&word);
    }
    Ok(if broken == 0 {
        Exit::Ok
    } else {
        Exit::CheckFailed
    }
    .into())
}

fn show(output: &Output, row: &Row) {
    let state = match row.state {
        State::Ok => "ok",
        State::Warn => output.t("warn", "Warnung"),
        State::Missing => output.t("missing", "fehlt"),
        State::Broken => output.t("BROKEN", "DEFEKT"),
    };
    output.data(&format!(
        "{state:<8} {:<22} {}",
        output.told(&row.name),
        output.told(&row.seen)
    ));
    if let Some(todo) = &row.todo {
        output.data(&format!(
            "{:8} {:<22} -> {}",
            "",
            "",
            crate::view::program::as_typed(&output.told(todo))
        ));
    }
}

/// Looks at everything. A part that cannot be looked at does not hide the others.
async fn look(output: &Output) -> Vec<Row> {
    let home = Home::find();
    let mut rows = Vec::new();
    match &home {
        Ok(home) => rows.extend(state::folders(home)),
        Err(fault) => rows.push(Row::fault("folders", State::Broken, fault)),
    }
    output.say(output.t(
        "Trying to break out of the sandbox …",
        "Ausbruchsversuche aus der Sandbox …",
    ));
    let (sandbox, search_path) = sandbox::rows().await;
    rows.extend(sandbox);
    rows.extend(machine::needed());
    if let Ok(home) = &home {
        rows.push(state::disk(&home.data));
        rows.extend(state::journal(home).await);
        rows.extend(state::configuration(home).await);
    }
    rows.extend(machine::programs(&search_path));
    rows
}
