//! Keeps the first and the last part of a stream, whatever its length.

use crate::spec::Captured;
use keiko_contracts::model::LiveFrame;
use keiko_ports::live::LiveSink;
use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Shown live of one stream at most: a flood is not worth watching.
const LIVE_MAX: usize = 1 << 20;
const CHUNK: usize = 32 << 10;

/// A bounded memory of a stream.
#[derive(Debug)]
pub(crate) struct Keep {
    head: Vec<u8>,
    head_max: usize,
    tail: VecDeque<u8>,
    tail_max: usize,
    omitted: u64,
}

impl Keep {
    /// Keeps at most `bytes`, half from the start and half from the end.
    pub(crate) fn new(bytes: u32) -> Self {
        let all = bytes as usize;
        Keep {
            head: Vec::new(),
            head_max: all - all / 2,
            tail: VecDeque::new(),
            tail_max: all / 2,
            omitted: 0,
        }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let (first, rest) = piece.split_at(piece.len().min(self.head_max - self.head.len()));
        self.head.extend_from_slice(first);
        // Of a piece longer than the tail only its end can stay.
        let (skipped, kept) = rest.split_at(rest.len().saturating_sub(self.tail_max));
        let surplus = (self.tail.len() + kept.len()).saturating_sub(self.tail_max);
        self.tail.drain(..surplus);
        self.tail.extend(kept);
        self.omitted += (skipped.len() + surplus) as u64;
    }

    /// What was kept. When nothing was left out, all of it is in the head.
    pub(crate) fn finish(mut self) -> Captured {
        let tail: Vec<u8> = self.tail.into();
        if self.omitted == 0 {
            self.head.extend_from_slice(&tail);
            return Captured {
                head: self.head,
                tail: Vec::new(),
                omitted: 0,
            };
        }
        Captured {
            head: self.head,
            tail,
            omitted: self.omitted,
        }
    }
}

/// Cuts a stream of bytes into text without tearing characters apart.
#[derive(Debug, Default)]
struct Decoder(Vec<u8>);

impl Decoder {
    fn text(&mut self, piece: &[u8]) -> String {
        self.0.extend_from_slice(piece);
        // At most the last three bytes can be the start of a character.
        let torn = match std::str::from_utf8(&self.0) {
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => (self.0.len().saturating_sub(3)..self.0.len())
                .find(|i| starts_unfinished(&self.0[*i..]))
                .unwrap_or(self.0.len()),
            Ok(_) => self.0.len(),
        };
        let rest = self.0.split_off(torn);
        String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)).into_owned()
    }
}

fn starts_unfinished(end: &[u8]) -> bool {
    matches!(std::str::from_utf8(end), Err(e) if e.valid_up_to() == 0 && e.error_len().is_none())
}

/// Reads a stream to its end.
pub(crate) async fn capture(
    mut stream: impl AsyncRead + Unpin,
    bytes: u32,
    live: LiveSink,
) -> Captured {
    let mut keep = Keep::new(bytes);
    let mut decoder = Decoder::default();
    let (mut shown, mut buffer) = (0, vec![0; CHUNK]);
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        keep.push(&buffer[..n]);
        if shown < LIVE_MAX && live.is_watched() {
            let delta = decoder.text(&buffer[..n]);
            shown += n;
            live.send(LiveFrame::Output { delta });
            if shown >= LIVE_MAX {
                live.send(LiveFrame::Output {
                    delta: "\n[more output is not shown live]\n".into(),
                });
            }
        }
    }
    keep.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn first_and_last_bytes_stay_and_the_rest_is_counted(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20), limit in 0_u32..200
        ) {
            let all: Vec<u8> = pieces.concat();
            let mut keep = Keep::new(limit);
            pieces.iter().for_each(|p| keep.push(p));
            let got = keep.finish();
            let limit = limit as usize;
            prop_assert_eq!(got.head.len() + got.tail.len() + got.omitted as usize, all.len());
            prop_assert!(got.head.len() + got.tail.len() <= limit);
            prop_assert!(all.starts_with(&got.head) && all.ends_with(&got.tail));
            prop_assert_eq!(got.omitted == 0, all.len() <= limit);
        }

        #[test]
        fn pieces_of_text_come_out_whole(text in "\\PC{0,40}", cut in 1_usize..5) {
            let mut decoder = Decoder::default();
            let out: String = text.as_bytes().chunks(cut).map(|c| decoder.text(c)).collect();
            prop_assert_eq!(out, text);
        }

        #[test]
        fn any_bytes_are_shown_somehow(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 1_usize..7) {
            let mut decoder = Decoder::default();
            for chunk in bytes.chunks(cut) {
                decoder.text(chunk);
                prop_assert!(decoder.0.len() <= 3);
            }
        }
    }
}
