//! An answer, put together from the events of its stream.

use crate::wire::Event;
use keiko_contracts::model::{LiveFrame, Part, Stop, Usage};
use keiko_ports::live::LiveSink;
use keiko_ports::reply::Piece;

/// A complete answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its parts in wire order.
    pub parts: Vec<Part>,
    /// Why it stopped.
    pub stop: Stop,
    /// Why, in the vendor's words.
    pub raw_stop: String,
    /// Tokens; `None` when the server did not say.
    pub usage: Option<Usage>,
    /// Who answered, in the vendor's words.
    pub served_by: Option<String>,
    /// How many pieces it came in.
    pub pieces: u32,
}

/// Puts an answer together and shows its pieces to whoever looks.
#[derive(Debug)]
pub struct Assembly {
    reply: Reply,
    indexed: Vec<(usize, Part)>,
    live: LiveSink,
    /// Shown, and not handed over yet to who misses nothing.
    waiting: Vec<LiveFrame>,
    complete: bool,
}

impl Assembly {
    /// An empty one.
    #[must_use]
    pub fn new(live: LiveSink) -> Self {
        Assembly {
            reply: Reply::default(),
            indexed: Vec::new(),
            live,
            waiting: Vec::new(),
            complete: false,
        }
    }

    /// Takes events, leaving the buffer empty.
    pub fn take(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            match event {
                Event::Start { model, .. } => self.reply.served_by = model,
                Event::Text(delta) => self.show(LiveFrame::Text { delta }),
                Event::Reasoning(delta) => self.show(LiveFrame::Reasoning { delta }),
                Event::Arguments { tool, delta } => self.show(LiveFrame::Arguments { tool, delta }),
                Event::Part { index, part } => self.indexed.push((index, part)),
                Event::Unknown(name) => {
                    tracing::debug!(name, "passed over something unknown in a model's stream")
                }
                Event::Done {
                    stop,
                    raw_stop,
                    usage,
                } => {
                    (self.reply.stop, self.reply.raw_stop, self.reply.usage) =
                        (stop, raw_stop, usage);
                    self.complete = true;
                }
            }
        }
    }

    fn show(&mut self, frame: LiveFrame) {
        self.reply.pieces = self.reply.pieces.saturating_add(1);
        if self.live.reply().is_some() {
            self.waiting.push(frame.clone());
        }
        self.live.send(frame);
    }

    /// Hands what was taken to who misses nothing of it, and waits until there is room.
    pub async fn hand_over(&mut self) {
        if let Some(reply) = self.live.reply() {
            for frame in self.waiting.drain(..) {
                reply.send(Piece::Delta(frame)).await;
            }
        }
    }

    /// The answer, if it is complete.
    #[must_use]
    pub fn finish(mut self) -> Option<Reply> {
        self.indexed.sort_by_key(|(index, _)| *index);
        self.reply.parts = self.indexed.into_iter().map(|(_, part)| part).collect();
        self.complete.then_some(self.reply)
    }
}
