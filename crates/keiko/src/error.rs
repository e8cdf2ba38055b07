//! Errors as people meet them: a stable code, what, where, and what to do next; and exit codes that scripts can use.

use crate::language::plain_json;
use crate::view::Output;
use keiko_contracts::code::{Code, Fault};
use std::process::ExitCode;

/// Exit codes, documented in `docs/cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    NotAllowed = 4,
    Waiting = 5,
    Refused = 6,
    Unavailable = 7,
    CheckFailed = 8,
    Killed = 9,
    TimeOut = 124,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// What a command can fail with.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) fault: Box<Fault>,
    pub(crate) exit: Exit,
}

impl From<Fault> for CliError {
    fn from(fault: Fault) -> Self {
        let exit = exit_of(fault.code);
        CliError {
            fault: Box::new(fault),
            exit,
        }
    }
}

/// The exit code of an error, by its code.
pub(crate) fn exit_of(code: Code) -> Exit {
    match code {
        Code::RUN_UNKNOWN | Code::APPROVAL_UNKNOWN => Exit::NotFound,
        Code::RUN_ENDED => Exit::Usage,
        Code::KEY_MISSING | Code::KEY_UNUSABLE | Code::KEY_REFUSED => Exit::NotAllowed,
        Code::KILLED => Exit::Killed,
        other => match other.number() {
            1000..2000 => Exit::Usage,
            2000..3000 => Exit::Refused,
            4000..5000 => Exit::Unavailable,
            _ => Exit::Failed,
        },
    }
}

impl CliError {
    /// Shows it, on stderr or as JSON on stdout.
    pub(crate) fn report(&self, output: &Output) -> ExitCode {
        if output.json() {
            output.data(&plain_json!({"error": &*self.fault}).to_string());
        } else {
            output.fault(&self.fault);
        }
        self.exit.into()
    }
}
