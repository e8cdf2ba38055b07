//! One watch per process over the inboxes and kills of all runs, so that a run costs no polling of its own.

use futures_util::StreamExt as _;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Position, Recorded, StreamId};
use keiko_ports::Cancel;
use keiko_ports::journal::Journal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// The most messages that may wait for one run; a run that falls behind reads its inbox from the journal again.
const WAITING_MAX: usize = 256;

/// What a run hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Its inbox has something, or may have.
    Inbox,
    /// A kill was recorded; whether it concerns the run is in the journal.
    Kill,
}

#[derive(Default)]
struct Listeners {
    by_inbox: BTreeMap<StreamId, mpsc::Sender<Heard>>,
}

/// The watch. Ends when dropped.
pub struct Hub {
    listeners: Arc<Mutex<Listeners>>,
    end: Cancel,
}

impl Hub {
    /// Watches from a position on.
    #[must_use]
    pub fn start(journal: Arc<dyn Journal>, from: Position) -> Arc<Hub> {
        let hub = Arc::new(Hub {
            listeners: Arc::default(),
            end: Cancel::new(),
        });
        for prefix in ["inbox/", "kill"] {
            let (journal, listeners, end) =
                (journal.clone(), hub.listeners.clone(), hub.end.clone());
            tokio::spawn(async move {
                let mut events = journal.tail(prefix, from);
                while let Some(Some(event)) = end.run_until_cancelled(events.next()).await {
                    if let Ok(event) = event {
                        tell(&listeners, &event);
                    }
                }
            });
        }
        hub
    }

    /// Hears of one run until the receiver is dropped.
    #[must_use]
    pub fn listen(&self, run: RunId) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        lock(&self.listeners)
            .by_inbox
            .insert(StreamId::inbox(run), sender);
        receiver
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn lock(listeners: &Mutex<Listeners>) -> std::sync::MutexGuard<'_, Listeners> {
    listeners
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A full channel is no loss: what waits there already makes the run look into its inbox.
fn tell(listeners: &Mutex<Listeners>, event: &Recorded) {
    let mut listeners = lock(listeners);
    if event.stream == StreamId::kills() {
        listeners.by_inbox.retain(|_, sender| !sender.is_closed());
        listeners
            .by_inbox
            .values()
            .for_each(|sender| drop(sender.try_send(Heard::Kill)));
    } else if let Some(sender) = listeners.by_inbox.get(&event.stream)
        && matches!(
            sender.try_send(Heard::Inbox),
            Err(mpsc::error::TrySendError::Closed(_))
        )
    {
        listeners.by_inbox.remove(&event.stream);
    }
}
