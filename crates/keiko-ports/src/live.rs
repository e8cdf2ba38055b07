//! Live frames: what is shown while something runs, and not stored.

use keiko_contracts::model::LiveFrame;
use std::sync::Arc;

/// Takes frames and never blocks: frames are dropped when nobody looks or the viewer is slow.
#[derive(Clone, Default)]
pub struct LiveSink(Option<Arc<dyn Fn(LiveFrame) + Send + Sync>>);

impl LiveSink {
    /// Nobody looks.
    #[must_use]
    pub fn none() -> Self {
        LiveSink(None)
    }
    /// Frames go to a function, which must not block.
    pub fn to(f: impl Fn(LiveFrame) + Send + Sync + 'static) -> Self {
        LiveSink(Some(Arc::new(f)))
    }
    /// True when somebody looks.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.0.is_some()
    }
    /// Hands on a frame.
    pub fn send(&self, frame: LiveFrame) {
        if let Some(f) = &self.0 {
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
