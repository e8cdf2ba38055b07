//! Live frames: what is shown while something runs, and not stored.

use crate::reply::ReplySink;
use keiko_contracts::model::LiveFrame;
use std::sync::Arc;

/// Takes frames and never blocks: frames are dropped when nobody looks or the viewer is slow.
#[derive(Clone, Default)]
pub struct LiveSink {
    frames: Option<Arc<dyn Fn(LiveFrame) + Send + Sync>>,
    reply: Option<ReplySink>,
}

impl LiveSink {
    /// Nobody looks.
    #[must_use]
    pub fn none() -> Self {
        LiveSink::default()
    }
    /// Frames go to a function, which must not block.
    pub fn to(f: impl Fn(LiveFrame) + Send + Sync + 'static) -> Self {
        LiveSink {
            frames: Some(Arc::new(f)),
            reply: None,
        }
    }
    /// And a model's answer to somebody who misses nothing of it.
    #[must_use]
    pub fn with_reply(self, reply: Option<ReplySink>) -> Self {
        LiveSink { reply, ..self }
    }
    /// Who misses nothing of an answer.
    #[must_use]
    pub fn reply(&self) -> Option<&ReplySink> {
        self.reply.as_ref()
    }
    /// True when somebody looks.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.frames.is_some()
    }
    /// Hands on a frame.
    pub fn send(&self, frame: LiveFrame) {
        if let Some(f) = &self.frames {
            f(frame);
        }
    }
}

impl std::fmt::Debug for LiveSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "LiveSink({})",
            if self.is_watched() { "watched" } else { "none" }
        )
    }
}
