//! The events of a run from the journal: those that are there, and new ones as they come.

use crate::wiring::Keiko;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Position, Recorded, Seq, StreamId};
use keiko_contracts::run::RunEvent;
use keiko_ports::journal::{Journal as _, ReadError};
use keiko_runtime::fold::{self, FoldError};
use keiko_store::SqliteJournal;
use std::sync::Arc;

/// An event as it was read.
#[derive(Debug, Clone)]
pub enum Happened {
    /// It can be read.
    Known(Recorded, Box<RunEvent>),
    /// A newer Keiko wrote it: its envelope is known.
    Opaque(Recorded),
}

/// The events of a run, one after another.
pub struct Events {
    journal: Arc<SqliteJournal>,
    run: RunId,
    follow: bool,
    last: (Seq, Position),
    ended: bool,
    from: From,
}

type Stream = BoxStream<'static, Result<Recorded, ReadError>>;

/// Where they come from.
enum From {
    /// Those that are there.
    Page(Stream),
    /// New ones, as processes commit them.
    Tail(Stream),
}

impl Keiko {
    /// The events of a run after a place, the first after `Seq(0)`; with `follow`, new ones as they come, until it ends.
    #[must_use]
    pub fn events(&self, run: RunId, after: Seq, follow: bool) -> Events {
        Events {
            from: From::Page(self.journal.read(&StreamId::run(run), after)),
            journal: self.journal.clone(),
            run,
            follow,
            last: (after, Position(0)),
            ended: false,
        }
    }
}

impl Events {
    /// The next one; none at the end.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Happened>, Fault> {
        let stream = StreamId::run(self.run);
        loop {
            let next = match &mut self.from {
                From::Page(page) => page.next().await,
                // It ends with the journal: somebody closes it here.
                From::Tail(_) if self.ended => None,
                From::Tail(tail) => match tail.next().await {
                    Some(Ok(recorded))
                        if recorded.stream != stream || recorded.seq <= self.last.0 =>
                    {
                        // Asked for what comes after its end: nothing does.
                        self.ended |=
                            recorded.stream == stream && recorded.kind == RunEvent::RUN_ENDED;
                        continue;
                    }
                    next => next,
                },
            };
            if let Some(recorded) = next {
                return self
                    .read(recorded.map_err(|error| error.fault())?)
                    .await
                    .map(Some);
            }
            if self.last.0 == Seq(0) {
                // It may begin later, and be asked for again.
                self.from = From::Page(self.journal.read(&stream, Seq(0)));
                return Err(FoldError::NoSuchRun(self.run).fault());
            }
            if !self.follow || self.ended || matches!(self.from, From::Tail(_)) {
                return Ok(None);
            }
            self.from = From::Tail(self.journal.tail(&stream.0, self.last.1));
        }
    }

    async fn read(&mut self, recorded: Recorded) -> Result<Happened, Fault> {
        self.last = (recorded.seq, recorded.position);
        match fold::hydrate(self.journal.as_ref(), &recorded).await {
            Ok(event) => {
                self.ended |= matches!(event, RunEvent::RunEnded(_));
                Ok(Happened::Known(recorded, Box::new(event)))
            }
            Err(error) if error.is_newer() => Ok(Happened::Opaque(recorded)),
            Err(error) => Err(error.fault()),
        }
    }
}
