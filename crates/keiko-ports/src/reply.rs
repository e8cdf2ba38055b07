//! A model's answer as it comes, for the one who must not miss a word of it: speech is made from it.
//!
//! [Live frames](crate::live) are for looking on, and a slow viewer loses some. Here nothing is lost: when the consumer is
//! slower than the model, the model's stream is read no further until there is room.

use keiko_contracts::model::LiveFrame;
use tokio::sync::mpsc;

/// Pieces that wait for the consumer, at most, when nothing else is asked for.
pub const ROOM: usize = 64;

/// What comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A request is sent. If pieces came before, they were those of a try that failed, and count no more.
    Began,
    /// A piece of text, of reasoning, or of a call's arguments.
    Delta(LiveFrame),
}

/// Where the pieces of one answer go. When the last clone is dropped, the answer has ended, well or not: the run's events
/// say which.
#[derive(Debug, Clone)]
pub struct ReplySink(mpsc::Sender<Piece>);

/// The consumer's end.
#[derive(Debug)]
pub struct Replies(mpsc::Receiver<Piece>);

/// A way for the pieces of one answer, with room for so many (at least one).
#[must_use]
pub fn channel(room: usize) -> (ReplySink, Replies) {
    let (to, from) = mpsc::channel(room.max(1));
    (ReplySink(to), Replies(from))
}

impl ReplySink {
    /// Hands on a piece, and waits for room. When the consumer is gone, it does nothing: the answer is still read to its
    /// end, because the run wants it.
    pub async fn send(&self, piece: Piece) {
        let _ = self.0.send(piece).await;
    }
}

impl Replies {
    /// The next piece; `None` at the end. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Option<Piece> {
        self.0.recv().await
    }
}
