//! What is wrong with a driver on purpose, put between a sound driver and its ports: tests of crashes must notice each of
//! these, else they prove nothing.

use crate::ports::Outside;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use keiko_contracts::action::{
    Action, HostAction, HostReport, Intent, Outcome, Probe, Recovery, Report, ToolAction,
    ToolReport,
};
use keiko_contracts::digest::Digest;
use keiko_contracts::envelope;
use keiko_contracts::id::{EffectKey, WorkerId};
use keiko_contracts::jail::{JailAction, JailReport};
use keiko_contracts::journal::{
    Append, Durability, Epoch, Fence, KillScope, NewBlob, NewEvent, Position, Recorded, Seq,
    StreamId, ViewRow,
};
use keiko_contracts::run::RunEvent;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::journal::{CommitError, Committed, Journal, LeaseError, ReadError, ViewQuery};
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// What is done outside of models is done before its intent is committed.
    ActsFirst,
    /// The commit of an intent is not synced before the effect.
    LazyIntents,
    /// An effect that is found open is done again, whatever its recovery class says.
    IgnoresClass,
    /// Commits do not say under which lease they were made.
    Unfenced,
}

/// A journal and a world between which a flaw lies; without one, they themselves.
pub struct Flawed {
    flaw: Option<Flaw>,
    journal: Arc<dyn Journal>,
    outside: Arc<Outside>,
    /// What was done before it was committed.
    done: Mutex<BTreeMap<EffectKey, Outcome<Report>>>,
}

impl Flawed {
    /// These, with this flaw.
    #[must_use]
    pub fn new(
        flaw: Option<Flaw>,
        journal: Arc<dyn Journal>,
        outside: Arc<Outside>,
    ) -> Arc<Flawed> {
        Arc::new(Flawed {
            flaw,
            journal,
            outside,
            done: Mutex::default(),
        })
    }

    async fn act_first(&self, append: &Append) {
        for event in append
            .events
            .iter()
            .filter(|event| event.kind == RunEvent::EFFECT_INTENDED)
        {
            let Some(Intent { key, action, .. }) = whole(event, &append.blobs) else {
                continue;
            };
            let (live, cancel) = (LiveSink::none(), Cancel::new());
            let outcome = match action {
                Action::Jail(action) => self
                    .outside
                    .perform(Permit::for_test(key.clone(), action), live, cancel)
                    .await
                    .map(Report::Jail),
                Action::Host(action) => self
                    .outside
                    .perform(Permit::for_test(key.clone(), action), live, cancel)
                    .await
                    .map(Report::Host),
                Action::Tool(action) => self
                    .outside
                    .perform(Permit::for_test(key.clone(), action), live, cancel)
                    .await
                    .map(Report::Tool),
                Action::Model(_) | Action::Run(_) => continue,
            };
            self.done
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, outcome);
        }
    }

    fn done(&self, key: &EffectKey) -> Option<Outcome<Report>> {
        self.done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key)
    }
}

/// The intent that is about to be committed, with its texts.
fn whole(event: &NewEvent, blobs: &[NewBlob]) -> Option<Intent> {
    let text = |blob: &NewBlob| {
        (
            blob.digest,
            String::from_utf8_lossy(&blob.bytes).into_owned(),
        )
    };
    let texts: BTreeMap<Digest, String> = blobs.iter().map(text).collect();
    let reference = serde_json::from_slice::<serde_json::Value>(&event.payload).ok()?;
    let in_blob = reference
        .get("$event")
        .and_then(|digest| digest.as_str()?.parse::<Digest>().ok());
    let body = match in_blob {
        Some(digest) => texts.get(&digest)?.clone().into_bytes(),
        None => event.payload.clone(),
    };
    serde_json::from_slice(&envelope::fill(&body, &texts).ok()?).ok()
}

/// As if every effect could be repeated.
fn repeatable(mut recorded: Recorded) -> Recorded {
    if recorded.kind == RunEvent::EFFECT_INTENDED
        && let Ok(mut intent) = serde_json::from_slice::<serde_json::Value>(&recorded.payload)
        && intent.get("recovery").is_some()
    {
        intent["recovery"] = serde_json::to_value(Recovery::Repeat).unwrap_or_default();
        recorded.payload = serde_json::to_vec(&intent).unwrap_or_default();
    }
    recorded
}

#[async_trait]
impl Journal for Flawed {
    async fn lease(
        &self,
        stream: &StreamId,
        owner: WorkerId,
        ttl: Duration,
    ) -> Result<Fence, LeaseError> {
        self.journal.lease(stream, owner, ttl).await
    }
    async fn release(&self, stream: &StreamId, fence: Fence) -> Result<(), CommitError> {
        self.journal.release(stream, fence).await
    }
    async fn holder(&self, stream: &StreamId) -> Result<Option<(WorkerId, u64)>, ReadError> {
        self.journal.holder(stream).await
    }
    async fn commit(
        &self,
        mut all: Vec<Append>,
        mut durability: Durability,
    ) -> Result<Committed, CommitError> {
        match self.flaw {
            Some(Flaw::ActsFirst) => {
                for append in &all {
                    self.act_first(append).await;
                }
            }
            Some(Flaw::LazyIntents) => durability = Durability::Lazy,
            Some(Flaw::Unfenced) => all.iter_mut().for_each(|append| append.fence = None),
            Some(Flaw::IgnoresClass) | None => {}
        }
        self.journal.commit(all, durability).await
    }
    fn read(
        &self,
        stream: &StreamId,
        after: Seq,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        let events = self.journal.read(stream, after);
        if self.flaw == Some(Flaw::IgnoresClass) {
            events.map(|recorded| recorded.map(repeatable)).boxed()
        } else {
            events
        }
    }
    fn tail(
        &self,
        prefix: &str,
        after: Position,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        self.journal.tail(prefix, after)
    }
    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        self.journal.blob(digest).await
    }
    async fn view_get(&self, view: &'static str, key: &str) -> Result<Option<ViewRow>, ReadError> {
        self.journal.view_get(view, key).await
    }
    async fn view_list(
        &self,
        view: &'static str,
        query: ViewQuery,
    ) -> Result<Vec<ViewRow>, ReadError> {
        self.journal.view_list(view, query).await
    }
    async fn kill(&self, scope: KillScope, reason: &str, by: &str) -> Result<Epoch, CommitError> {
        self.journal.kill(scope, reason, by).await
    }
    async fn epoch(&self, stream: &StreamId) -> Result<(Epoch, String), ReadError> {
        self.journal.epoch(stream).await
    }
}

macro_rules! performs {
    ($action:ty, $report:ty, $variant:ident) => {
        #[async_trait]
        impl Perform<$action> for Flawed {
            async fn perform(
                &self,
                permit: Permit<$action>,
                live: LiveSink,
                cancel: Cancel,
            ) -> Outcome<$report> {
                match self.done(permit.key()) {
                    Some(Outcome::Done(Report::$variant(report))) => Outcome::Done(report),
                    Some(Outcome::Failed(fault)) => Outcome::Failed(fault),
                    Some(Outcome::Unknown { why }) => Outcome::Unknown { why },
                    Some(Outcome::Cancelled | Outcome::Done(_)) => Outcome::Cancelled,
                    None => self.outside.perform(permit, live, cancel).await,
                }
            }
            async fn probe(&self, key: &EffectKey, action: &$action) -> Probe<$report> {
                self.outside.probe(key, action).await
            }
        }
    };
}
performs!(JailAction, JailReport, Jail);
performs!(HostAction, HostReport, Host);
performs!(ToolAction, ToolReport, Tool);
