//! The ZeroMQ wire protocol (ZMTP 3.0, NULL mechanism) as far as a Jupyter client needs it. Without IO.
//!
//! Why not a crate: the code in a cell owns the other end of these sockets and can write to them what it likes. The
//! `zeromq` crate below `jupyter-zmq-client` reserves as much memory as a frame announces before it has come, and has
//! no limit: nine bytes from a cell end the process. Here a frame beyond the limit is passed over as it comes.

use std::fmt;

/// The longest message that is kept, all frames together, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Frames in one message.
const FRAMES_MAX: usize = 64;
const GREETING_BYTES: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// What we say first: signature, version 3.0, mechanism NULL, client.
pub(super) fn greeting() -> [u8; GREETING_BYTES] {
    let mut bytes = [0; GREETING_BYTES];
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

/// The handshake: which kind of socket we are.
pub(super) fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", socket_type), ("Identity", "")] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    let mut out = Vec::new();
    put_frame(&mut out, COMMAND, &body);
    out
}

/// A message of several frames.
pub(super) fn message(frames: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 9).sum());
    for (number, frame) in frames.iter().enumerate() {
        put_frame(
            &mut out,
            if number + 1 < frames.len() { MORE } else { 0 },
            frame,
        );
    }
    out
}

fn put_frame(out: &mut Vec<u8>, flags: u8, body: &[u8]) {
    match u8::try_from(body.len()) {
        Ok(short) => out.extend_from_slice(&[flags, short]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A message.
    Message(Vec<Vec<u8>>),
    /// A message too large to keep, of so many bytes.
    TooLarge(u64),
    /// A command: the handshake, or something of later versions.
    Command,
}

/// The other side does not speak the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotZmtp;

impl fmt::Display for NotZmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not speak ZMTP 3")
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    Greeting,
    Header,
    /// Flags, and bytes of the frame still to come; passed over when the message is too large.
    Body {
        flags: u8,
        left: u64,
    },
}

/// Turns bytes as they come into messages. Holds at most one message and one read.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    input: Vec<u8>,
    used: usize,
    frames: Vec<Vec<u8>>,
    frame: Vec<u8>,
    /// Bytes of the message so far, kept or not.
    size: u64,
    too_large: bool,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder {
            state: State::Greeting,
            input: Vec::new(),
            used: 0,
            frames: Vec::new(),
            frame: Vec::new(),
            size: 0,
            too_large: false,
        }
    }

    /// Takes bytes that came. To be emptied with [`Decoder::next`] before more are given.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next whole thing, if it is there.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, NotZmtp> {
        loop {
            let input = &self.input[self.used..];
            match self.state {
                State::Greeting => {
                    let Some(greeting) = input.get(..GREETING_BYTES) else {
                        return Ok(None);
                    };
                    if greeting[0] != 0xff
                        || greeting[9] & 1 != 1
                        || greeting[10] < 3
                        || !greeting[12..].starts_with(b"NULL\0")
                    {
                        return Err(NotZmtp);
                    }
                    self.used += GREETING_BYTES;
                    self.state = State::Header;
                }
                State::Header => {
                    let Some((flags, left, bytes)) = header(input) else {
                        return Ok(None);
                    };
                    self.used += bytes;
                    self.size = self.size.saturating_add(left);
                    self.too_large |=
                        self.size > MESSAGE_BYTES_MAX as u64 || self.frames.len() >= FRAMES_MAX;
                    if self.too_large {
                        self.frames.clear();
                    }
                    self.state = State::Body { flags, left };
                }
                State::Body { flags, left } => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    if !self.too_large {
                        self.frame.extend_from_slice(&input[..take]);
                    }
                    self.used += take;
                    let left = left - take as u64;
                    if left > 0 {
                        self.state = State::Body { flags, left };
                        return Ok(None);
                    }
                    self.state = State::Header;
                    if let Some(done) = self.end_frame(flags) {
                        return Ok(Some(done));
                    }
                }
            }
        }
    }

    fn end_frame(&mut self, flags: u8) -> Option<Incoming> {
        let frame = std::mem::take(&mut self.frame);
        if flags & COMMAND == 0 && !self.too_large {
            self.frames.push(frame);
        }
        if flags & (MORE | COMMAND) == MORE {
            return None;
        }
        let frames = std::mem::take(&mut self.frames);
        let size = std::mem::take(&mut self.size);
        Some(
            match (std::mem::take(&mut self.too_large), flags & COMMAND) {
                (true, _) => Incoming::TooLarge(size),
                (false, 0) => Incoming::Message(frames),
                (false, _) => Incoming::Command,
            },
        )
    }
}

/// Flags, length of the body, and bytes of the header itself.
fn header(input: &[u8]) -> Option<(u8, u64, usize)> {
    let flags = *input.first()?;
    if flags & LONG == 0 {
        return Some((flags, u64::from(*input.get(1)?), 2));
    }
    let len: [u8; 8] = input.get(1..9)?.try_into().ok()?;
    Some((flags, u64::from_be_bytes(len), 9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8], piece: usize) -> Result<Vec<Incoming>, NotZmtp> {
        let mut decoder = Decoder::new();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece.max(1)) {
            decoder.push(piece);
            while let Some(incoming) = decoder.next()? {
                out.push(incoming);
            }
            assert!(
                decoder.frame.len() + decoder.frames.iter().map(Vec::len).sum::<usize>()
                    <= MESSAGE_BYTES_MAX
            );
        }
        Ok(out)
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let long = vec![7u8; 70_000];
        let stream = [
            &greeting()[..],
            &ready("PUB"),
            &message(&[b"a", b"", &long]),
            &message(&[b"b"]),
        ]
        .concat();
        for piece in [1, 7, 64, 4096, stream.len()] {
            let got = decode(&stream, piece).unwrap();
            assert_eq!(got.len(), 3);
            assert_eq!(got[0], Incoming::Command);
            assert_eq!(
                got[1],
                Incoming::Message(vec![b"a".to_vec(), Vec::new(), long.clone()])
            );
            assert_eq!(got[2], Incoming::Message(vec![b"b".to_vec()]));
        }
    }

    #[test]
    fn an_announced_exabyte_costs_nothing() {
        let mut decoder = Decoder::new();
        decoder.push(
            &[
                &greeting()[..],
                &[LONG],
                &(u64::MAX >> 1).to_be_bytes(),
                &[0; 1000],
            ]
            .concat(),
        );
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(decoder.frame.capacity(), 0);
    }

    #[test]
    fn a_message_too_large_is_passed_over_and_the_next_one_comes() {
        let large = vec![1u8; MESSAGE_BYTES_MAX / 2 + 1];
        let many: Vec<&[u8]> = vec![b"x"; FRAMES_MAX + 1];
        let stream = [
            &greeting()[..],
            &message(&[&large, &large]),
            &message(&many),
            &message(&[b"ok"]),
        ]
        .concat();
        let got = decode(&stream, 1 << 20).unwrap();
        assert_eq!(
            got,
            [
                Incoming::TooLarge(2 * large.len() as u64),
                Incoming::TooLarge(many.len() as u64),
                Incoming::Message(vec![b"ok".to_vec()])
            ]
        );
    }

    #[test]
    fn another_protocol_is_an_error() {
        assert_eq!(decode(&[b'H'; 64], 64), Err(NotZmtp));
        let mut curve = greeting();
        curve[12..17].copy_from_slice(b"CURVE");
        assert_eq!(decode(&curve, 64), Err(NotZmtp));
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..600), piece in 1usize..80) {
            let _ = decode(&[&greeting()[..], &bytes].concat(), piece);
            let _ = decode(&bytes, piece);
        }
    }
}
