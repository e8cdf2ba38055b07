//! Recording answers, and replaying them by effect key.
//!
//! A recording is a directory with one JSON file per request, named by the part of the effect key that does not depend
//! on the run: `task.attempt.step.ordinal.json`. A replayed request must be the recorded one; if it is not, the fault
//! shows the difference. The time of an answer is kept with it, since ids of commits follow from it.

use async_trait::async_trait;
use keiko_contracts::action::{ModelAction, ModelReport, Origin, Outcome};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::{Content, Digest};
use keiko_contracts::id::{EffectKey, ModelName};
use keiko_contracts::model::{ChatRequest, LiveFrame, Part};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use keiko_ports::reply::Piece;
use keiko_ports::shell::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the file format.
const FORMAT: u32 = 1;
/// Largest recording of one request, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Longest difference that is shown, in characters: it stands in a fault, and that in an event of the journal.
const MAX_DIFF: usize = 2000;

/// One recorded request and its outcome.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tape {
    format: u32,
    /// Digest of the request as canonical JSON.
    digest: Digest,
    request: ChatRequest,
    outcome: TapeOutcome,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum TapeOutcome {
    Answer {
        parts: Vec<Part>,
        report: ModelReport,
    },
    Fault(Fault),
}

/// The file of a request: independent of the run.
#[must_use]
pub fn file_name(key: &EffectKey) -> String {
    format!(
        "{}.{}.{}.{}.json",
        key.task, key.attempt, key.step, key.ordinal
    )
}

fn io(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        Code::RECORDING_UNUSABLE,
        say!(
            "the recording cannot be {what}: {error}",
            what = Said::words(what.to_string()),
            error
        ),
    )
    .at(path.display())
}

fn digest(request: &ChatRequest, path: &Path) -> Result<Digest, Fault> {
    Digest::of_json(request).map_err(|e| io("compared", path, &e))
}

/// Asks another model and keeps its answers.
pub struct Recorder {
    inner: Arc<dyn ChatModel>,
    dir: PathBuf,
}

impl Recorder {
    /// Records into a directory, which is made if it is not there. What it holds is overwritten request by request.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(inner: Arc<dyn ChatModel>, dir: &Path) -> Result<Recorder, Fault> {
        std::fs::create_dir_all(dir).map_err(|e| io("written", dir, &e))?;
        Ok(Recorder {
            inner,
            dir: dir.to_owned(),
        })
    }

    /// Writes a file of its own and renames it, so that a crash leaves no half recording.
    fn write(&self, key: &EffectKey, tape: &Tape) -> Result<(), Fault> {
        let path = self.dir.join(file_name(key));
        let part = path.with_extension("part");
        let text = serde_json::to_vec_pretty(tape).map_err(|e| io("written", &path, &e))?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options
            .open(&part)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| std::fs::rename(&part, &path));
        written.map_err(|e| io("written", &path, &e))
    }
}

#[async_trait]
impl ChatModel for Recorder {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport> {
        let key = permit.key().clone();
        let mut outcome = self.inner.chat(permit, request, live, cancel).await;
        // The run that is recorded goes by this time too: what follows from it is the same when it is replayed.
        if let Outcome::Done(report) = &mut outcome {
            report.answered = Some(SystemClock.now());
        }
        let kept = match &outcome {
            Outcome::Done(report) => {
                let parts = match serde_json::from_str(report.reply.text_or_empty()) {
                    Ok(parts) => parts,
                    Err(e) => return Outcome::Failed(io("written", &self.dir, &e)),
                };
                // The parts say it readably; the reply would say it again.
                TapeOutcome::Answer {
                    parts,
                    report: ModelReport {
                        reply: Content::new(""),
                        ..report.clone()
                    },
                }
            }
            Outcome::Failed(fault) => TapeOutcome::Fault(fault.clone()),
            Outcome::Unknown { .. } | Outcome::Cancelled => return outcome,
        };
        let digest = match digest(request, &self.dir) {
            Ok(digest) => digest,
            Err(fault) => return Outcome::Failed(fault),
        };
        match self.write(
            &key,
            &Tape {
                format: FORMAT,
                digest,
                request: request.clone(),
                outcome: kept,
            },
        ) {
            Ok(()) => outcome,
            Err(fault) => Outcome::Failed(fault),
        }
    }

    fn quote(
        &self,
        model: &ModelName,
        input_tokens: u64,
        max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        self.inner.quote(model, input_tokens, max_output_tokens)
    }
}

/// Plays a recording. Costs what it cost, so that budgets play out as they did.
#[derive(Debug)]
pub struct Player {
    dir: PathBuf,
}

impl Player {
    /// From the directory of a recording.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn new(dir: &Path) -> Result<Player, Fault> {
        if dir.is_dir() {
            Ok(Player {
                dir: dir.to_owned(),
            })
        } else {
            Err(io("read", dir, &"it is not a directory"))
        }
    }

    fn read(&self, path: &Path) -> Result<Tape, Fault> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Fault::new(
                    Code::NO_RECORDING,
                    "there is no recording of this request",
                )
                .at(path.display())
                .hint("the run took another way than the recorded one; record it again"));
            }
            Err(e) => return Err(io("read", path, &e)),
        };
        let mut text = String::new();
        file.take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(|e| io("read", path, &e))?;
        let tape: Tape = serde_json::from_str(&text).map_err(|e| io("read", path, &e))?;
        if tape.format == FORMAT {
            Ok(tape)
        } else {
            Err(io(
                "read",
                path,
                &say!("format {n} is not known", n = tape.format),
            ))
        }
    }

    async fn play(
        &self,
        key: &EffectKey,
        request: &ChatRequest,
        live: &LiveSink,
    ) -> Result<ModelReport, Fault> {
        let path = self.dir.join(file_name(key));
        let tape = self.read(&path)?;
        if digest(request, &path)? != tape.digest {
            return Err(
                difference(&tape.request, request, Code::RECORDING_OF_ANOTHER).at(path.display()),
            );
        }
        match tape.outcome {
            TapeOutcome::Fault(fault) => Err(fault),
            TapeOutcome::Answer { parts, report } => {
                show(&parts, live).await;
                let reply = serde_json::to_string(&parts).map_err(|e| io("read", &path, &e))?;
                let origin = if report.origin == Origin::Scripted {
                    Origin::Scripted
                } else {
                    Origin::Recorded
                };
                Ok(ModelReport {
                    reply: Content::new(reply),
                    origin,
                    ..report
                })
            }
        }
    }
}

#[async_trait]
impl ChatModel for Player {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        _cancel: Cancel,
    ) -> Outcome<ModelReport> {
        let (key, _) = permit.consume();
        match self.play(&key, request, &live).await {
            Ok(report) => Outcome::Done(report),
            Err(fault) => Outcome::Failed(fault),
        }
    }

    fn quote(
        &self,
        _model: &ModelName,
        _input_tokens: u64,
        _max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        Ok(Quote {
            at_most: keiko_contracts::money::Micros::ZERO,
            priced: true,
        })
    }
}

/// Shows the parts of an answer to whoever looks, and to who misses nothing.
pub(crate) async fn show(parts: &[Part], live: &LiveSink) {
    for part in parts {
        let frame = match part {
            Part::Text { text } | Part::Refusal { text } => LiveFrame::Text {
                delta: text.clone(),
            },
            Part::Reasoning { text, .. } => LiveFrame::Reasoning {
                delta: text.clone(),
            },
            Part::Call {
                name, arguments, ..
            } => LiveFrame::Arguments {
                tool: name.clone(),
                delta: arguments.clone(),
            },
            Part::Opaque { .. } => continue,
        };
        if let Some(reply) = live.reply() {
            reply.send(Piece::Delta(frame.clone())).await;
        }
        live.send(frame);
    }
}

fn difference(recorded: &ChatRequest, now: &ChatRequest, code: Code) -> Fault {
    let pretty = |request: &ChatRequest| serde_json::to_string_pretty(request).unwrap_or_default();
    let (before, after) = (pretty(recorded), pretty(now));
    let diff = similar::TextDiff::configure()
        .timeout(std::time::Duration::from_millis(500))
        .diff_lines(&before, &after);
    let text = diff
        .unified_diff()
        .context_radius(2)
        .header("recorded", "now")
        .to_string();
    let text = match text.char_indices().nth(MAX_DIFF) {
        Some((end, _)) => format!("{}\n…", &text[..end]),
        None => text,
    };
    Fault::new(
        code,
        say!("the request differs from the recorded one:\n{text}", text),
    )
    .hint("record it again if the change is meant")
}
