//! Events of a run as the journal holds them: long texts in blobs, the rest as JSON of at most
//! [`NewEvent::MAX_BYTES`].

use crate::digest::{Digest, split_written};
use crate::journal::{Head, NewBlob, NewEvent, Recorded};
use crate::run::RunEvent;
use crate::said::Said;
use crate::say;
use crate::time::Timestamp;
use crate::upcast;
use serde::{Deserialize, Serialize};

/// An event ready to be written, with the blobs that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The event.
    pub event: NewEvent,
    /// Its blobs.
    pub blobs: Vec<NewBlob>,
}

/// Why an event cannot be packed or read.
#[derive(Debug)]
pub enum EnvelopeError {
    /// It cannot be written as JSON, or what was read is not this event.
    Json {
        /// The kind.
        kind: String,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// It was written by a newer program.
    Newer {
        /// The kind.
        kind: String,
        /// Its version.
        version: u16,
    },
    /// It is larger than an event may be and lives in a blob that has not been supplied.
    InBlob {
        /// The kind.
        kind: String,
        /// The blob.
        digest: Digest,
    },
}

impl EnvelopeError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            EnvelopeError::Json { kind, source } => say!(
                "event {kind} cannot be read or written: {source}",
                kind,
                source
            ),
            EnvelopeError::Newer { kind, version } => say!(
                "event {kind} has version {version}, which this program does not know",
                kind,
                version
            ),
            EnvelopeError::InBlob { kind, digest } => {
                say!("event {kind} lives in blob {digest}", kind, digest)
            }
        }
    }
}

crate::said_is_error!(EnvelopeError);

#[derive(Serialize, Deserialize)]
struct Whole {
    #[serde(rename = "$event")]
    digest: Digest,
}

/// An event of a stream: what the envelope has to know of it.
pub trait StoredEvent: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Its kind, as the envelope names it.
    fn kind(&self) -> &'static str;
    /// The version of that kind's shape that is written now.
    fn version(&self) -> u16;
    /// The event as JSON without its kind.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn body(&self) -> Result<String, serde_json::Error>;
    /// Reads the body of any version that was ever written. None for a kind or a version that this program does not know.
    ///
    /// # Errors
    /// When it is not what the kind says.
    fn from_body(kind: &str, version: u16, body: &[u8]) -> Result<Option<Self>, serde_json::Error>;
}

/// Packs an event.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn pack<E: StoredEvent>(event: &E, at: Timestamp, head: Head) -> Result<Packed, EnvelopeError> {
    let kind = event.kind();
    let body = event.body().map_err(|source| EnvelopeError::Json {
        kind: kind.to_owned(),
        source,
    })?;
    pack_body(kind, event.version(), body, at, head)
}

/// Packs an event whose body is written already, in the shape of that version.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn pack_body(
    kind: &'static str,
    version: u16,
    body: String,
    at: Timestamp,
    head: Head,
) -> Result<Packed, EnvelopeError> {
    let json = |source| EnvelopeError::Json {
        kind: kind.to_owned(),
        source,
    };
    let mut texts = Vec::new();
    let mut payload = split_written(body, &mut texts).into_bytes();
    let mut blobs: Vec<NewBlob> = texts
        .into_iter()
        .map(|(digest, text)| NewBlob {
            digest,
            bytes: text.into_bytes(),
        })
        .collect();
    if payload.len() > NewEvent::MAX_BYTES {
        let digest = Digest::of(&payload);
        let reference = serde_json::to_vec(&Whole { digest }).map_err(json)?;
        blobs.push(NewBlob {
            digest,
            bytes: std::mem::replace(&mut payload, reference),
        });
    }
    Ok(Packed {
        event: NewEvent {
            kind,
            version,
            at,
            payload,
            head,
        },
        blobs,
    })
}

/// Reads an event. Its long texts are still missing; see [`crate::digest::Content::fill`].
///
/// # Errors
/// [`EnvelopeError::InBlob`] when the body must be read from a blob first: call [`unpack_body`] with it.
pub fn unpack<E: StoredEvent>(recorded: &Recorded) -> Result<E, EnvelopeError> {
    if recorded.payload.starts_with(b"{\"$event\"")
        && let Ok(whole) = serde_json::from_slice::<Whole>(&recorded.payload)
    {
        return Err(EnvelopeError::InBlob {
            kind: recorded.kind.clone(),
            digest: whole.digest,
        });
    }
    unpack_body(recorded, &recorded.payload)
}

/// The blobs that a body refers to and that must be read before the event can be applied.
#[must_use]
pub fn blobs_of(body: &[u8]) -> Vec<Digest> {
    let mut found = Vec::new();
    let Ok(text) = std::str::from_utf8(body) else {
        return found;
    };
    for (at, _) in text.match_indices("{\"$blob\":[\"") {
        let start = at + 11;
        if let Some(Ok(digest)) = text.get(start..start + 64).map(str::parse) {
            found.push(digest);
        }
    }
    found
}

/// Puts the texts of blobs back into a body, wherever it refers to one that is given.
///
/// # Errors
/// When the body is not JSON.
pub fn fill(
    body: &[u8],
    blobs: &std::collections::BTreeMap<Digest, String>,
) -> Result<Vec<u8>, serde_json::Error> {
    fn walk(value: &mut serde_json::Value, blobs: &std::collections::BTreeMap<Digest, String>) {
        match value {
            serde_json::Value::Object(map) => {
                let digest = map
                    .get("$blob")
                    .and_then(|reference| reference.get(0))
                    .and_then(|d| d.as_str())
                    .and_then(|d| d.parse().ok());
                if let Some(text) = digest.and_then(|digest: Digest| blobs.get(&digest)) {
                    map.clear();
                    map.insert("$text".into(), serde_json::Value::String(text.clone()));
                } else {
                    map.values_mut().for_each(|item| walk(item, blobs));
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| walk(item, blobs)),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(body)?;
    walk(&mut value, blobs);
    serde_json::to_vec(&value)
}

/// Reads an event whose body has been read from a blob.
///
/// # Errors
/// When the version is newer than this program, or the body is not what the kind says.
pub fn unpack_body<E: StoredEvent>(recorded: &Recorded, body: &[u8]) -> Result<E, EnvelopeError> {
    let kind = || recorded.kind.clone();
    match E::from_body(&recorded.kind, recorded.version, body) {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err(EnvelopeError::Newer {
            kind: kind(),
            version: recorded.version,
        }),
        Err(source) => Err(EnvelopeError::Json {
            kind: kind(),
            source,
        }),
    }
}

impl StoredEvent for RunEvent {
    fn kind(&self) -> &'static str {
        RunEvent::kind(self)
    }

    fn version(&self) -> u16 {
        upcast::newest(RunEvent::kind(self))
    }

    fn body(&self) -> Result<String, serde_json::Error> {
        match self {
            RunEvent::RunStarted(data) => serde_json::to_string(data),
            RunEvent::RunResumed(data) => serde_json::to_string(data),
            RunEvent::Steered(data) => serde_json::to_string(data),
            RunEvent::StepBegun(data) => serde_json::to_string(data),
            RunEvent::EffectIntended(data) => serde_json::to_string(data),
            RunEvent::EffectEnded(data) => serde_json::to_string(data),
            RunEvent::CallRefused(data) => serde_json::to_string(data),
            RunEvent::CallAnswered(data) => serde_json::to_string(data),
            RunEvent::ApprovalRequested(data) => serde_json::to_string(data),
            RunEvent::ApprovalResolved(data) => serde_json::to_string(data),
            RunEvent::TestsObserved(data) => serde_json::to_string(data),
            RunEvent::Noted(data) => serde_json::to_string(data),
            RunEvent::ContextCompacted(data) => serde_json::to_string(data),
            RunEvent::RunClosing(data) => serde_json::to_string(data),
            RunEvent::RunSuspended(data) => serde_json::to_string(data),
            RunEvent::RunEnded(data) => serde_json::to_string(data),
        }
    }

    fn from_body(kind: &str, version: u16, body: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        if version > upcast::newest(kind) {
            return Ok(None);
        }
        let upcast = upcast::upcast(kind, version, body)?;
        let body = upcast.as_deref().unwrap_or(body);
        macro_rules! read {
            ($($kind:literal => $variant:ident),* $(,)?) => {
                match kind {
                    $($kind => RunEvent::$variant(serde_json::from_slice(body)?),)*
                    _ => return Ok(None),
                }
            };
        }
        Ok(Some(read! {
            "run_started" => RunStarted,
            "run_resumed" => RunResumed,
            "steered" => Steered,
            "step_begun" => StepBegun,
            "effect_intended" => EffectIntended,
            "effect_ended" => EffectEnded,
            "call_refused" => CallRefused,
            "call_answered" => CallAnswered,
            "approval_requested" => ApprovalRequested,
            "approval_resolved" => ApprovalResolved,
            "tests_observed" => TestsObserved,
            "noted" => Noted,
            "context_compacted" => ContextCompacted,
            "run_closing" => RunClosing,
            "run_suspended" => RunSuspended,
            "run_ended" => RunEnded,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Position, Seq, StreamId};
    use crate::run::{Note, NoteKind};

    fn record(event: &RunEvent) -> (Recorded, Vec<NewBlob>) {
        let packed = pack(event, Timestamp(5), Head::default()).unwrap();
        assert!(packed.event.payload.len() <= NewEvent::MAX_BYTES);
        let recorded = Recorded {
            position: Position(1),
            stream: StreamId("run/x".into()),
            seq: Seq(1),
            kind: packed.event.kind.into(),
            version: packed.event.version,
            at: packed.event.at,
            payload: packed.event.payload,
            head: packed.event.head,
            previous: Digest::default(),
            hash: Digest::default(),
        };
        (recorded, packed.blobs)
    }

    proptest::proptest! {
        /// What stands in a journal that somebody else wrote, or that a disk has changed.
        #[test]
        fn any_text_is_an_event_or_refused(at in 0usize..2_000, len in 0usize..40, junk in "[{}\\[\\]\":,0-9a-z$ ü]{0,12}", which in 0usize..3) {
            let event = [
                RunEvent::Noted(Note { kind: NoteKind::Alert, text: "x".repeat(5_000).into(), said: None, tell_agent: true }),
                RunEvent::RunSuspended(crate::run::Suspension::Approval { open: 3 }),
                RunEvent::RunResumed(crate::run::Resumed { by: "me".into(), epoch: crate::journal::Epoch(7), limits: None, install: None, definition: None }),
            ];
            let (mut recorded, _) = record(&event[which]);
            let (from, to) = (at.min(recorded.payload.len()), (at + len).min(recorded.payload.len()));
            recorded.payload.splice(from..to, junk.bytes());
            let _ = (unpack::<RunEvent>(&recorded), blobs_of(&recorded.payload), fill(&recorded.payload, &std::collections::BTreeMap::new()));
            recorded.payload = junk.into_bytes();
            let _ = unpack::<RunEvent>(&recorded);
        }
    }

    #[test]
    fn round_trip_with_texts_in_blobs() {
        let event = RunEvent::Noted(Note {
            kind: NoteKind::Alert,
            text: "y".repeat(5_000).into(),
            said: None,
            tell_agent: true,
        });
        let (recorded, blobs) = record(&event);
        assert_eq!(blobs.len(), 1);
        let RunEvent::Noted(mut note) = unpack(&recorded).unwrap() else {
            panic!("another kind")
        };
        assert!(note.text.is_missing());
        assert!(
            note.text
                .fill(String::from_utf8(blobs[0].bytes.clone()).unwrap().into())
        );
        assert_eq!(RunEvent::Noted(note), event);
    }

    #[test]
    fn blobs_are_found_and_put_back() {
        let event = RunEvent::Noted(Note {
            kind: NoteKind::Other("a".into()),
            text: "z".repeat(600).into(),
            said: None,
            tell_agent: false,
        });
        let (recorded, blobs) = record(&event);
        assert_eq!(blobs_of(&recorded.payload), vec![blobs[0].digest]);
        let texts = blobs
            .into_iter()
            .map(|b| (b.digest, String::from_utf8(b.bytes).unwrap()))
            .collect();
        assert_eq!(
            unpack_body::<RunEvent>(&recorded, &fill(&recorded.payload, &texts).unwrap()).unwrap(),
            event
        );
    }

    #[test]
    fn a_body_that_is_too_large_moves_to_a_blob_as_a_whole() {
        let event = RunEvent::Noted(Note {
            kind: NoteKind::Other("k".repeat(5_000)),
            text: "t".into(),
            said: None,
            tell_agent: false,
        });
        let (recorded, blobs) = record(&event);
        let Err(EnvelopeError::InBlob { digest, .. }) = unpack::<RunEvent>(&recorded) else {
            panic!("expected a reference")
        };
        assert_eq!(blobs[0].digest, digest);
        assert_eq!(
            unpack_body::<RunEvent>(&recorded, &blobs[0].bytes).unwrap(),
            event
        );
    }

    #[test]
    fn what_is_unknown_is_said_to_be_newer() {
        let (mut recorded, _) = record(&RunEvent::Noted(Note {
            kind: NoteKind::Other("a".into()),
            text: "b".into(),
            said: None,
            tell_agent: false,
        }));
        recorded.version = crate::upcast::newest("noted") + 1;
        assert!(matches!(
            unpack::<RunEvent>(&recorded),
            Err(EnvelopeError::Newer { .. })
        ));
        recorded.version = 1;
        recorded.kind = "teleported".into();
        assert!(matches!(
            unpack::<RunEvent>(&recorded),
            Err(EnvelopeError::Newer { .. })
        ));
    }
}
