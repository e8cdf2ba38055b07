//! What people and other processes say to a run: written by anyone, read by whoever drives it.

use futures_util::StreamExt as _;
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRow};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::{Digest, split_blobs};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Append, Durability, Expect, NewBlob, NewEvent, Seq, StreamId};
use keiko_contracts::run::InboxMessage;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::{CommitError, Journal, ReadError};
use std::collections::BTreeMap;

/// The kind of the events in an inbox.
const KIND: &str = "said";

/// Why an approval takes no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// Somebody was first, or the run has ended.
    Answered(&'static str, String),
    /// The time is over.
    Expired(Timestamp),
    /// The journal does not take it.
    Commit(CommitError),
    /// The journal cannot be read.
    Read(ReadError),
}

impl AnswerError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            AnswerError::Answered(first, second) => say!(
                "this approval was answered already: {decision} by {by}",
                decision = Said::words(first.to_string()),
                by = second
            ),
            AnswerError::Expired(inner) => say!(
                "this approval expired at {when}, which counts as denied",
                when = inner
            ),
            AnswerError::Commit(inner) => inner.said(),
            AnswerError::Read(inner) => inner.said(),
        }
    }
}

keiko_contracts::said_is_error!(AnswerError);

impl From<CommitError> for AnswerError {
    fn from(inner: CommitError) -> Self {
        AnswerError::Commit(inner)
    }
}

impl From<ReadError> for AnswerError {
    fn from(inner: ReadError) -> Self {
        AnswerError::Read(inner)
    }
}

impl AnswerError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self, run: RunId) -> Fault {
        match self {
            AnswerError::Answered(..) => Fault::new(Code::APPROVAL_ANSWERED, self.said())
                .hint(Step::of_run(OfRun::Show, run)),
            AnswerError::Expired(_) => Fault::new(Code::APPROVAL_EXPIRED, self.said()).hint(say!(
                "the agent is told, and may ask again: {step}",
                step = Step::resume(run)
            )),
            AnswerError::Commit(error) => error.fault(),
            AnswerError::Read(error) => error.fault(),
        }
    }
}

/// Answers an approval that lists show, if it can still be answered. Whether the answer counts is decided by the run
/// itself, in the order of its inbox.
///
/// # Errors
/// [`AnswerError`] when it is known that it would not count, or the journal cannot be written.
pub async fn answer(
    journal: &dyn Journal,
    row: &ApprovalRow,
    answer: ApprovalAnswer,
    now: Timestamp,
) -> Result<Seq, AnswerError> {
    if let Some(first) = &row.answer {
        return Err(AnswerError::Answered(
            first.decision.word(),
            first.by.clone(),
        ));
    }
    if let Some(expires) = row.request.expires.filter(|_| row.request.is_late(now)) {
        return Err(AnswerError::Expired(expires));
    }
    // An answer that the run has not taken up yet counts all the same, unless a kill has come since: a second one would
    // be told to the person as done, and would not be.
    let epoch = journal.epoch(&StreamId::run(row.run)).await?.0;
    for (_, message) in heard(journal, row.run, Seq(0)).await? {
        if let InboxMessage::Approval(first) = message
            && first.id == row.request.id
            && first.epoch >= epoch
        {
            return Err(AnswerError::Answered(first.decision.word(), first.by));
        }
    }
    Ok(say(journal, row.run, &InboxMessage::Approval(answer), now).await?)
}

/// Puts a message into a run's inbox, durably. An answer to an approval gets the kill epoch of this moment: after the
/// next kill it does not count any more.
///
/// # Errors
/// When the journal cannot be read or written.
pub async fn say(
    journal: &dyn Journal,
    run: RunId,
    message: &InboxMessage,
    at: Timestamp,
) -> Result<Seq, CommitError> {
    let broken = |error: serde_json::Error| CommitError::Broken {
        why: say!("{error}", error),
    };
    let head = keiko_governance::label::head_of_message(message);
    let dated;
    let message = match message {
        InboxMessage::Approval(answer) => {
            let epoch = journal
                .epoch(&StreamId::run(run))
                .await
                .map_err(|error| CommitError::Broken { why: error.said() })?
                .0;
            dated = InboxMessage::Approval(ApprovalAnswer {
                epoch,
                ..answer.clone()
            });
            &dated
        }
        InboxMessage::Words { .. } | InboxMessage::Stop { .. } | InboxMessage::Cancel { .. } => {
            message
        }
    };
    let mut value = serde_json::to_value(message).map_err(broken)?;
    let mut texts: Vec<(Digest, String)> = Vec::new();
    split_blobs(&mut value, &mut texts);
    let payload = serde_json::to_vec(&value).map_err(broken)?;
    let append = Append {
        stream: StreamId::inbox(run),
        expect: Expect::Any,
        fence: None,
        epoch: None,
        events: vec![NewEvent {
            kind: KIND,
            version: 1,
            at,
            payload,
            head,
        }],
        blobs: texts
            .into_iter()
            .map(|(digest, text)| NewBlob {
                digest,
                bytes: text.into_bytes(),
            })
            .collect(),
        views: Vec::new(),
    };
    let recorded = journal.commit(vec![append], Durability::Barrier).await?;
    Ok(recorded.first().map_or(Seq(0), |event| event.seq))
}

/// Reads what has been said after a place in the inbox. Messages that cannot be read are passed over.
///
/// # Errors
/// When the journal cannot be read.
pub async fn heard(
    journal: &dyn Journal,
    run: RunId,
    after: Seq,
) -> Result<Vec<(Seq, InboxMessage)>, ReadError> {
    let mut messages = Vec::new();
    let mut events = journal.read(&StreamId::inbox(run), after);
    while let Some(event) = events.next().await {
        let event = event?;
        let mut texts = BTreeMap::new();
        for digest in keiko_contracts::envelope::blobs_of(&event.payload) {
            texts.insert(
                digest,
                String::from_utf8_lossy(&journal.blob(&digest).await?).into_owned(),
            );
        }
        let message = keiko_contracts::envelope::fill(&event.payload, &texts)
            .and_then(|body| serde_json::from_slice(&body));
        match message {
            Ok(message) => messages.push((event.seq, message)),
            Err(error) => {
                tracing::warn!(%run, seq = %event.seq, %error, "a message in the inbox cannot be read")
            }
        }
    }
    Ok(messages)
}
