//! What people and other processes say to a run: written by anyone, read by whoever drives it.

use futures_util::StreamExt as _;
use keiko_contracts::digest::{Digest, split_blobs};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Append, Durability, Expect, Head, NewBlob, NewEvent, Seq, StreamId};
use keiko_contracts::run::InboxMessage;
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::{CommitError, Journal, ReadError};
use std::collections::BTreeMap;

/// The kind of the events in an inbox.
const KIND: &str = "said";

/// Puts a message into a run's inbox, durably.
///
/// # Errors
/// When the journal cannot be written.
pub async fn say(journal: &dyn Journal, run: RunId, message: &InboxMessage, at: Timestamp) -> Result<Seq, CommitError> {
    let broken = |error: serde_json::Error| CommitError::Broken { why: error.to_string() };
    let mut value = serde_json::to_value(message).map_err(broken)?;
    let mut texts: Vec<(Digest, String)> = Vec::new();
    split_blobs(&mut value, &mut texts);
    let payload = serde_json::to_vec(&value).map_err(broken)?;
    let append = Append {
        stream: StreamId::inbox(run),
        expect: Expect::Any,
        fence: None,
        epoch: None,
        events: vec![NewEvent { kind: KIND, version: 1, at, payload, head: Head::default() }],
        blobs: texts.into_iter().map(|(digest, text)| NewBlob { digest, bytes: text.into_bytes() }).collect(),
        views: Vec::new(),
    };
    let recorded = journal.commit(vec![append], Durability::Barrier).await?;
    Ok(recorded.first().map_or(Seq(0), |event| event.seq))
}

/// Reads what has been said after a place in the inbox. Messages that cannot be read are passed over.
///
/// # Errors
/// When the journal cannot be read.
pub async fn heard(journal: &dyn Journal, run: RunId, after: Seq) -> Result<Vec<(Seq, InboxMessage)>, ReadError> {
    let mut messages = Vec::new();
    let mut events = journal.read(&StreamId::inbox(run), after);
    while let Some(event) = events.next().await {
        let event = event?;
        let mut texts = BTreeMap::new();
        for digest in keiko_contracts::envelope::blobs_of(&event.payload) {
            texts.insert(digest, String::from_utf8_lossy(&journal.blob(&digest).await?).into_owned());
        }
        let message = keiko_contracts::envelope::fill(&event.payload, &texts).and_then(|body| serde_json::from_slice(&body));
        match message {
            Ok(message) => messages.push((event.seq, message)),
            Err(error) => tracing::warn!(%run, seq = %event.seq, %error, "a message in the inbox cannot be read"),
        }
    }
    Ok(messages)
}
