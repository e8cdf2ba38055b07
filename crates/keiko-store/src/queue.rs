//! The way to the writer's thread: a bounded queue of requests, each of which gets its answer after the commit.

use crate::tx::Tx;
use keiko_contracts::journal::Durability;
use keiko_ports::journal::CommitError;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Why a request stopped.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    /// Its own conditions do not hold. It has written nothing; the others of its group go on.
    Refused(E),
    /// The database failed: the whole group is undone.
    Sql(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Stop<E> {
    fn from(error: rusqlite::Error) -> Self {
        Stop::Sql(error)
    }
}

/// How much a request brings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// A request in the queue.
pub(crate) trait Job: Send {
    fn durability(&self) -> Durability;
    fn cost(&self) -> Cost;
    /// Does it inside the group's transaction. May be called again if the transaction was undone.
    fn apply(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;
    /// Answers, after the commit or its failure.
    fn finish(self: Box<Self>, group: Result<(), CommitError>);
}

/// What the writer's thread receives.
pub(crate) enum Message {
    Job(Box<dyn Job>),
    /// Finish what came before, then end.
    Close(oneshot::Sender<()>),
}

type Work<T, E> = Box<dyn FnMut(&mut Tx<'_>) -> Result<T, Stop<E>> + Send>;

struct Request<T, E> {
    durability: Durability,
    cost: Cost,
    work: Work<T, E>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    _room: OwnedSemaphorePermit,
}

impl<T: Send, E: From<CommitError> + Send> Job for Request<T, E> {
    fn durability(&self) -> Durability {
        self.durability
    }
    fn cost(&self) -> Cost {
        self.cost
    }
    fn apply(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        self.outcome = Some(match (self.work)(tx) {
            Ok(done) => Ok(done),
            Err(Stop::Refused(why)) => Err(why),
            Err(Stop::Sql(error)) => return Err(error),
        });
        Ok(())
    }
    fn finish(self: Box<Self>, group: Result<(), CommitError>) {
        let Request { outcome, reply, .. } = *self;
        let answer = group
            .map_err(E::from)
            .and_then(|()| outcome.unwrap_or_else(|| Err(CommitError::Closed.into())));
        // The one who asked may have gone; the journal has it all the same.
        let _ = reply.send(answer);
    }
}

/// Room in the queue, in units of [`UNIT`] bytes: 128 MiB, or 32,768 small requests.
const ROOM: usize = 32_768;
const UNIT: usize = 4096;

/// The sending end, shared by all who write in this process.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: Sender<Message>,
    room: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new() -> (Queue, Receiver<Message>) {
        let (sender, receiver) = channel();
        (
            Queue {
                sender,
                room: Arc::new(Semaphore::new(ROOM)),
            },
            receiver,
        )
    }

    /// Waits for room, hands the request over, waits for its commit. If the caller goes away while waiting for room,
    /// nothing happened; later the request may be carried out unseen.
    pub(crate) async fn submit<T, E>(
        &self,
        cost: Cost,
        durability: Durability,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, Stop<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CommitError> + Send + 'static,
    {
        let units = u32::try_from(1 + cost.bytes / UNIT).unwrap_or(u32::MAX);
        let closed = |_| E::from(CommitError::Closed);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(units)
            .await
            .map_err(|_| E::from(CommitError::Closed))?;
        let (reply, answer) = oneshot::channel();
        let request = Request {
            durability,
            cost,
            work: Box::new(work),
            outcome: None,
            reply,
            _room: room,
        };
        self.sender
            .send(Message::Job(Box::new(request)))
            .map_err(|_| E::from(CommitError::Closed))?;
        answer.await.map_err(closed)?
    }

    /// Lets nobody in any more and waits until the thread has finished.
    pub(crate) async fn close(&self) {
        self.room.close();
        let (done, finished) = oneshot::channel();
        if self.sender.send(Message::Close(done)).is_ok() {
            let _ = finished.await;
        }
    }
}
