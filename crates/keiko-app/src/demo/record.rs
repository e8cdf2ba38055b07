//! An account of what was really done, kept outside the journal by those who did it: one line per deed, only ever
//! appended, never made unique. A process that is killed cannot take a line back.

use async_trait::async_trait;
use keiko_contracts::action::{ModelAction, ModelReport, Outcome, Probe};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, ModelName};
use keiko_contracts::model::ChatRequest;
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use keiko_ports::perform::{Act, Perform};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The account.
#[derive(Debug, Clone)]
pub(super) struct Record(PathBuf);

impl Record {
    pub(super) fn new(path: PathBuf) -> Record {
        Record(path)
    }

    /// Notes that an effect begins. One write of a short line is whole or not there.
    fn begins(&self, key: &EffectKey) -> Result<(), Fault> {
        let line = format!("effect {key}\n");
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|error| {
            Fault::new(
                Code::DEMO_ACCOUNT,
                say!(
                    "the demonstration's account cannot be written: {error}",
                    error
                ),
            )
        })
    }

    /// How often each effect was begun, and how many pushes the remote took.
    pub(super) fn read(&self) -> Result<Account, Fault> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => Ok(Account::of(&text)),
            Err(error) => Err(Fault::new(
                Code::DEMO_ACCOUNT,
                say!("the demonstration's account cannot be read: {error}", error),
            )),
        }
    }
}

/// What the account says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) begun: BTreeMap<String, u32>,
    pub(super) pushes: u32,
}

impl Account {
    fn of(text: &str) -> Account {
        let mut account = Account::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("effect", key)) => *account.begun.entry(key.to_owned()).or_default() += 1,
                Some(("push", _)) => account.pushes += 1,
                _ => {}
            }
        }
        account
    }
}

/// The hook of the remote that notes every push it takes. The remote is another program: it does not know of Keiko.
pub(super) fn install_hook(remote: &Path, record: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let hooks = remote.join("hooks");
    std::fs::create_dir_all(&hooks)?;
    let hook = hooks.join("post-receive");
    let quoted = record.to_string_lossy().replace('\'', r"'\''");
    std::fs::write(
        &hook,
        format!(
            "#!/bin/sh\nwhile read -r old new name; do echo \"push $name $new\" >> '{quoted}'; done\n"
        ),
    )?;
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755))
}

/// A port that notes each effect before it begins.
pub(super) struct Noted<P: ?Sized> {
    pub(super) port: Arc<P>,
    pub(super) record: Record,
}

#[async_trait]
impl<A: Act> Perform<A> for Noted<dyn Perform<A>> {
    async fn perform(
        &self,
        permit: Permit<A>,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<A::Report> {
        match self.record.begins(permit.key()) {
            Ok(()) => self.port.perform(permit, live, cancel).await,
            Err(fault) => Outcome::Failed(fault),
        }
    }
    async fn probe(&self, key: &EffectKey, action: &A) -> Probe<A::Report> {
        self.port.probe(key, action).await
    }
}

#[async_trait]
impl ChatModel for Noted<dyn ChatModel> {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport> {
        match self.record.begins(permit.key()) {
            Ok(()) => self.port.chat(permit, request, live, cancel).await,
            Err(fault) => Outcome::Failed(fault),
        }
    }
    fn quote(
        &self,
        model: &ModelName,
        input_tokens: u64,
        max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        self.port.quote(model, input_tokens, max_output_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_unique() {
        let account = Account::of(
            "effect a/1\neffect a/1\npush refs/heads/x 1\neffect a/2\npush refs/heads/x 2\ngarbage\n",
        );
        assert_eq!(
            account.begun,
            BTreeMap::from([("a/1".to_owned(), 2), ("a/2".to_owned(), 1)])
        );
        assert_eq!(account.pushes, 2);
    }
}
