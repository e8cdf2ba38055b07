//! What can go wrong with an answer.

use std::time::Duration;

/// What goes wrong with an answer.
#[derive(Debug, Clone, Default)]
pub enum Day {
    /// Nothing: frames are cut at awkward places all the same.
    #[default]
    Good,
    /// Nothing, and every byte comes alone.
    ByteByByte,
    /// Another status.
    Status(StatusDay),
    /// The connection breaks after so many frames.
    CutConnection(usize),
    /// The stream ends properly after so many frames, without its terminal event.
    CutClean(usize),
    /// A frame that is not JSON, after so many good ones.
    BadJson(usize),
    /// Headers at once, the first frame late.
    SlowFirst(Duration),
    /// Not even headers for so long.
    SlowHeaders(Duration),
    /// So many frames, then nothing for so long.
    Stall(usize, Duration),
    /// A web page with status 200.
    Html,
    /// An error as JSON with status 200.
    JsonError,
    /// The whole answer as one JSON document: `stream` is ignored.
    Whole,
    /// An error event of this kind, after so many frames.
    ErrorEvent(usize, String),
    /// These bytes as the event stream.
    Raw(Vec<u8>),
}

/// A status other than 200.
#[derive(Debug, Clone)]
pub struct StatusDay {
    /// The status.
    pub status: u16,
    /// The header `retry-after`.
    pub retry_after: Option<String>,
    /// The body; an error in the words of the wire if there is none.
    pub body: Option<String>,
}

impl Day {
    /// Another status.
    #[must_use]
    pub fn status(status: u16) -> StatusDay {
        StatusDay {
            status,
            retry_after: None,
            body: None,
        }
    }
}

impl StatusDay {
    /// With the header `retry-after`.
    #[must_use]
    pub fn retry_after(mut self, value: &str) -> StatusDay {
        self.retry_after = Some(value.to_owned());
        self
    }
    /// With this body.
    #[must_use]
    pub fn body(mut self, body: &str) -> StatusDay {
        self.body = Some(body.to_owned());
        self
    }
}

impl From<StatusDay> for Day {
    fn from(day: StatusDay) -> Day {
        Day::Status(day)
    }
}
