//! A run while this process drives it: what happens as it happens, and where it comes to rest.
//!
//! Whoever shows a run takes what has happened out of [`Going`] in its own time; the run never waits for that. What is
//! dropped while nobody takes it are live frames only, which are stored nowhere. An event is also in the journal, where others
//! follow it ([`Keiko::events`]).

use crate::change::{Asked, Changes};
use crate::wiring::{Keiko, is_native};
use keiko_agent::state::RunState;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::jail::Source;
use keiko_contracts::journal::Recorded;
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::{InboxMessage, RunEnd, RunEvent, StartRun, Suspension};
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_ports::model::ChatModel;
use keiko_ports::reply::ReplySink;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::drive::{DriveError, DriverOf, Order, Rest, Watch};
use keiko_runtime::inbox;
use keiko_runtime::ports::With;
use keiko_store::SqliteJournal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

/// Most live frames that wait to be taken.
const FRAMES_MAX: usize = 1_024;

/// A run that is ready to be driven.
pub struct Errand {
    /// The run.
    pub run: RunId,
    /// Its agent works by rules, and hears no words.
    pub native: bool,
    /// Where it works.
    pub source: Option<Source>,
    pub(crate) order: Order<RunState>,
    /// Its models, if they are not the configured ones.
    pub(crate) models: Option<Arc<dyn ChatModel>>,
}

impl Errand {
    /// To begin it.
    pub(crate) fn begin(start: StartRun, models: Arc<dyn ChatModel>) -> Errand {
        Errand {
            run: start.run,
            native: is_native(&start),
            source: start.source.clone(),
            order: Order::Start(Box::new(start)),
            models: Some(models),
        }
    }
}

/// Asked once for each request of a run to its model: where the answer goes as it comes, with nothing lost. The request waits
/// for that consumer: speech is made from it, and whoever only looks on takes [`Seen::Frame`].
pub type Hear = Arc<dyn Fn(&EffectKey) -> Option<ReplySink> + Send + Sync>;

/// What happened in a run.
#[derive(Debug, Clone)]
pub enum Seen {
    /// An event was committed.
    Event(Box<(Recorded, RunEvent)>),
    /// Something passed by, and is not stored.
    Frame(EffectKey, LiveFrame),
}

/// Where a run came to rest.
pub enum Rested {
    /// It ended.
    Ended(Arc<RunEnd>),
    /// It waits, and nothing is held.
    Waiting(Box<Waits>),
}

/// A run that waits.
pub struct Waits {
    /// What for.
    pub why: Suspension,
    /// The run.
    pub state: RunState,
    /// The changes that its open questions are about.
    pub changes: Asked,
}

/// A run while this process drives it. It goes on when this is dropped.
pub struct Going {
    run: RunId,
    seen: mpsc::UnboundedReceiver<Seen>,
    frames: Arc<AtomicUsize>,
    work: JoinHandle<Result<Rest, DriveError>>,
    /// What that came to, once it is over.
    over: Option<Result<Result<Rest, DriveError>, JoinError>>,
    stop: Stop,
    driver: DriverOf<RunState>,
    changes: Changes,
}

impl Keiko {
    /// Drives a run. With somebody there who can answer, what needs a person is waited for; otherwise the run comes to rest.
    #[must_use]
    pub fn drive(&self, errand: Errand, attended: bool) -> Going {
        self.drive_heard(errand, attended, Arc::new(|_| None))
    }

    /// The same, with somebody who hears every word of the model's answers as they come.
    #[must_use]
    pub fn drive_heard(&self, errand: Errand, attended: bool, hear: Hear) -> Going {
        let driver = self.driver();
        let (sender, seen) = mpsc::unbounded_channel();
        let frames = Arc::new(AtomicUsize::new(0));
        let watch = Arc::new(Watcher {
            sender,
            frames: frames.clone(),
            hear,
        });
        let cancel = Cancel::new();
        let stop = Stop {
            inbox: self.inbox(errand.run),
            cancel: cancel.clone(),
        };
        let with = With {
            models: errand.models,
            attended,
        };
        let (drives, order) = (driver.clone(), errand.order);
        let work = tokio::spawn(async move { drives.drive_with(order, with, watch, cancel).await });
        Going {
            run: errand.run,
            seen,
            frames,
            work,
            over: None,
            stop,
            driver,
            changes: Changes::of(self),
        }
    }

    /// What can be said to a run, whoever drives it.
    #[must_use]
    pub fn inbox(&self, run: RunId) -> Inbox {
        Inbox {
            journal: self.journal.clone(),
            run,
        }
    }
}

impl Going {
    /// What happened next; none when the run has come to rest.
    pub async fn next(&mut self) -> Option<Seen> {
        let seen = loop {
            // Whoever works on after the end has nothing more to say about it.
            if self.over.is_some() {
                break self.seen.try_recv().ok();
            }
            tokio::select! {
                biased;
                Some(seen) = self.seen.recv() => break Some(seen),
                over = &mut self.work => self.over = Some(over),
            }
        };
        if let Some(Seen::Frame(..)) = &seen {
            self.frames.fetch_sub(1, Ordering::Relaxed);
        }
        seen
    }

    /// Ends this process's part in it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Where it came to rest.
    ///
    /// # Errors
    /// When it could not be driven on; what was committed stays.
    pub async fn rest(self) -> Result<Rested, Fault> {
        let over = match self.over {
            Some(over) => over,
            None => self.work.await,
        };
        let rest = match over {
            Ok(rest) => rest,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime of this process ends.
                Err(error) => {
                    return Err(Fault::new(
                        Code::NOT_DRIVEN_ON,
                        say!(
                            "this process does not drive the run any more: {error}",
                            error
                        ),
                    ));
                }
            },
        };
        match rest.map_err(|error| driven(&error))? {
            Rest::Ended(end) => Ok(Rested::Ended(end)),
            Rest::Waiting(why) => {
                let state = self.driver.fold(self.run).await;
                let state = state.map_err(|error| error.fault())?;
                let changes = self.changes.asked(&state).await;
                Ok(Rested::Waiting(Box::new(Waits {
                    why,
                    state,
                    changes,
                })))
            }
        }
    }
}

/// What passes a run's events and frames on.
struct Watcher {
    sender: mpsc::UnboundedSender<Seen>,
    frames: Arc<AtomicUsize>,
    hear: Hear,
}

impl Watch for Watcher {
    fn reply(&self, key: &EffectKey) -> Option<ReplySink> {
        (self.hear)(key)
    }

    fn event(&self, recorded: &Recorded, event: &RunEvent) {
        // Nobody may look any more.
        let _ = self
            .sender
            .send(Seen::Event(Box::new((recorded.clone(), event.clone()))));
    }
    fn frame(&self, key: &EffectKey, frame: LiveFrame) {
        if self.frames.fetch_add(1, Ordering::Relaxed) >= FRAMES_MAX
            || self.sender.send(Seen::Frame(key.clone(), frame)).is_err()
        {
            self.frames.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What can be said to a run: it hears it wherever it is driven, or when it is taken up again.
#[derive(Clone)]
pub struct Inbox {
    journal: Arc<SqliteJournal>,
    run: RunId,
}

impl Inbox {
    /// Says it.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub async fn say(&self, message: &InboxMessage) -> Result<(), Fault> {
        inbox::say(self.journal.as_ref(), self.run, message, SystemClock.now())
            .await
            .map(drop)
            .map_err(|error| error.fault())
    }
}

/// Stops a run of this process at once, so that what was got is kept.
#[derive(Clone)]
pub struct Stop {
    inbox: Inbox,
    cancel: Cancel,
}

impl Stop {
    /// Stops it.
    pub async fn now(&self, by: &str) {
        let message = InboxMessage::Stop { by: by.to_owned() };
        if self.inbox.say(&message).await.is_err() {
            self.cancel.cancel();
        }
    }
}

/// Another process drives it, or did, not long ago.
pub(crate) fn live(run: RunId, for_ms: u64) -> Fault {
    let seconds = for_ms.div_ceil(1000);
    Fault::new(
        Code::RUN_LIVE,
        say!("run {run} is live in another process", run),
    )
    .hint(say!(
        "follow it: keiko runs events --follow {run}; if its process died, try again in {n} s",
        run,
        n = seconds
    ))
}

/// Why a run was not driven. Somebody else may have been first between the look at the lease and taking it.
fn driven(error: &DriveError) -> Fault {
    match error {
        DriveError::Live { run, for_ms, .. } => live(*run, *for_ms),
        error => error.fault(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::home::Home;
    use crate::start::{Answers, Ask, Limits};
    use keiko_contracts::run::EndStatus;
    use keiko_ports::reply::{self, Piece};
    use std::path::Path;

    fn keiko(dir: &Path) -> Keiko {
        let home = Home {
            config: dir.join("config"),
            data: dir.join("data"),
            cache: dir.join("cache"),
            user: None,
        };
        Keiko::open(home, Config::default(), || {}).unwrap()
    }

    /// A goal about text, which a script answers with this.
    async fn errand(keiko: &Keiko, dir: &Path, answer: &str) -> Errand {
        let script = dir.join(format!("{answer}.toml"));
        let turn = format!(
            "[[turn]]\ntext = \"{answer}\"\n[[turn.call]]\ntool = \"finish\"\narguments = {{ summary = \"{answer}\" }}\n"
        );
        std::fs::write(&script, turn).unwrap();
        let ask = Ask {
            by: "me".into(),
            goal: "Say a word.".into(),
            agent: None,
            source: None,
            limits: Limits::default(),
            approval: None,
            effort: None,
            install: None,
            answers: Answers::Script(script),
        };
        keiko.prepare(ask).await.unwrap().errand
    }

    /// The events of a run, and how it ended.
    async fn watched(mut going: Going) -> (Vec<RunEvent>, Arc<RunEnd>) {
        let mut events = Vec::new();
        while let Some(seen) = going.next().await {
            if let Seen::Event(happened) = seen {
                events.push(happened.1);
            }
        }
        match going.rest().await.unwrap() {
            Rested::Ended(end) => (events, end),
            Rested::Waiting(waits) => panic!("{:?}", waits.why),
        }
    }

    #[tokio::test]
    async fn one_driver_drives_runs_with_different_models() {
        let dir = tempfile::tempdir().unwrap();
        let keiko = keiko(dir.path());
        let one = keiko.drive(errand(&keiko, dir.path(), "one").await, false);
        let two = keiko.drive(errand(&keiko, dir.path(), "two").await, false);
        let ((events, one), (_, two)) = tokio::join!(watched(one), watched(two));
        assert!(matches!(events.first(), Some(RunEvent::RunStarted(_))));
        assert!(matches!(events.last(), Some(RunEvent::RunEnded(_))));
        for (end, word) in [(one, "one"), (two, "two")] {
            assert_eq!(end.status, EndStatus::Succeeded);
            assert_eq!(end.summary.text_or_empty(), word);
        }
        keiko.close().await;
    }

    #[tokio::test]
    async fn every_word_of_an_answer_reaches_the_one_who_hears_it() {
        let dir = tempfile::tempdir().unwrap();
        let keiko = keiko(dir.path());
        let (to, mut from) = reply::channel(1);
        let hear: Hear = Arc::new(move |_| Some(to.clone()));
        let going = keiko.drive_heard(errand(&keiko, dir.path(), "heard").await, false, hear);
        let (heard, (_, end)) = tokio::join!(
            async move {
                let mut text = String::new();
                while let Some(piece) = from.next().await {
                    match piece {
                        Piece::Began => text.clear(),
                        Piece::Delta(LiveFrame::Text { delta }) => text.push_str(&delta),
                        Piece::Delta(_) => {}
                    }
                }
                text
            },
            watched(going)
        );
        assert_eq!(
            (heard.as_str(), end.summary.text_or_empty()),
            ("heard", "heard")
        );
        keiko.close().await;
    }

    #[tokio::test]
    async fn a_run_that_nobody_watches_comes_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let keiko = keiko(dir.path());
        let errand = errand(&keiko, dir.path(), "done").await;
        let run = errand.run;
        drop(keiko.drive(errand, false));
        let mut events = keiko.events(run, keiko_contracts::journal::Seq(0), true);
        let mut last = None;
        loop {
            match events.next().await {
                Ok(Some(happened)) => last = Some(happened),
                Ok(None) => break,
                // It has not begun yet.
                Err(fault) => {
                    assert_eq!(fault.code, "KEI-6001");
                    tokio::task::yield_now().await;
                }
            }
        }
        let Some(crate::events::Happened::Known(_, event)) = last else {
            panic!("{last:?}")
        };
        assert!(matches!(*event, RunEvent::RunEnded(_)));
        keiko.close().await;
    }

    #[tokio::test]
    async fn who_follows_from_a_place_sees_what_comes_after_it_and_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let keiko = keiko(dir.path());
        let errand = errand(&keiko, dir.path(), "done").await;
        let run = errand.run;
        let (all, _) = watched(keiko.drive(errand, false)).await;
        for after in [1, all.len() - 1, all.len()] {
            let place = keiko_contracts::journal::Seq(after as u64);
            let mut events = keiko.events(run, place, true);
            let mut seen = Vec::new();
            while let Some(happened) = events.next().await.unwrap() {
                let crate::events::Happened::Known(recorded, _) = happened else {
                    panic!("{happened:?}")
                };
                seen.push(recorded.seq.0 as usize);
            }
            assert_eq!(seen, (after + 1..=all.len()).collect::<Vec<_>>());
        }
        keiko.close().await;
    }
}
