//! Server-sent events, parsed as the bytes come in, wherever they are cut.

use keiko_contracts::said::Said;
use keiko_contracts::say;

/// Longest line and longest event, in bytes. A whole file in one call's arguments fits.
pub const MAX_EVENT: usize = 8 << 20;

/// Why bytes are not a stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SseError {
    /// A line or an event is longer than [`MAX_EVENT`].
    TooLong,
    /// A line is not UTF-8.
    NotUtf8,
}

impl SseError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            SseError::TooLong => say!("an event is longer than {n} bytes", n = MAX_EVENT),
            SseError::NotUtf8 => say!("an event is not UTF-8"),
        }
    }
}

keiko_contracts::said_is_error!(SseError);

/// An incremental parser. Lines end in CR, LF or CRLF.
#[derive(Debug, Default)]
pub struct Sse {
    line: Vec<u8>,
    data: String,
    event: String,
    has_data: bool,
    after_cr: bool,
    past_start: bool,
}

impl Sse {
    /// Takes some bytes; hands each complete event (its name, if it has one, and its data) to `on`.
    ///
    /// # Errors
    /// When the bytes are no such stream, or `on` refuses an event.
    pub fn push<E: From<SseError>>(
        &mut self,
        mut bytes: &[u8],
        on: &mut impl FnMut(Option<&str>, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = line_end(bytes) else {
                return Ok(self.keep(bytes)?);
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(&bytes[..end], on)?;
            } else {
                self.keep(&bytes[..end])?;
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, on)?;
                self.line = line;
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    /// The stream has ended: hands on an event that only lacks its empty line, as some servers forget the last one.
    ///
    /// # Errors
    /// As [`Sse::push`].
    pub fn end<E: From<SseError>>(
        &mut self,
        on: &mut impl FnMut(Option<&str>, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, on)?;
        }
        self.dispatch(on)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + bytes.len() > MAX_EVENT {
            return Err(SseError::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn take_line<E: From<SseError>>(
        &mut self,
        line: &[u8],
        on: &mut impl FnMut(Option<&str>, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut line = std::str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        if !std::mem::replace(&mut self.past_start, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(on);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.data.len() + value.len() >= MAX_EVENT {
                    return Err(SseError::TooLong.into());
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event),
            // A comment (empty field), an id, a retry time, or something new: nothing that a model's answer needs.
            _ => {}
        }
        Ok(())
    }

    fn dispatch<E: From<SseError>>(
        &mut self,
        on: &mut impl FnMut(Option<&str>, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let had_data = std::mem::take(&mut self.has_data);
        let done = if had_data {
            on(
                (!self.event.is_empty()).then_some(self.event.as_str()),
                &self.data,
            )
        } else {
            Ok(())
        };
        self.data.clear();
        self.event.clear();
        done
    }
}

/// Where the first line ends. Most bytes are no end: they are looked at in blocks, many at once.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| *byte == b'\n' || *byte == b'\r';
    let without = |block: &&[u8]| !block.iter().fold(false, |found, byte| found | is_end(byte));
    let passed = bytes.chunks_exact(32).take_while(without).count() * 32;
    bytes[passed..]
        .iter()
        .position(is_end)
        .map(|at| passed + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = Vec<(Option<String>, String)>;

    fn parse(chunks: &[&[u8]]) -> Result<Seen, SseError> {
        let (mut sse, mut seen) = (Sse::default(), Seen::new());
        let mut on = |event: Option<&str>, data: &str| {
            seen.push((event.map(str::to_owned), data.to_owned()));
            Ok::<(), SseError>(())
        };
        for chunk in chunks {
            sse.push(chunk, &mut on)?;
        }
        sse.end(&mut on)?;
        Ok(seen)
    }

    #[test]
    fn reads_every_line_ending_comments_names_and_several_data_lines() {
        let want: Seen = vec![(Some("a".into()), "1\n2".into()), (None, "ü".into())];
        for end in ["\n", "\r", "\r\n"] {
            let text = [
                "\u{feff}: hello",
                "event: a",
                "data: 1",
                "data:2",
                "id: 7",
                "",
                "",
                "data: ü",
                "",
                "",
            ]
            .join(end);
            assert_eq!(parse(&[text.as_bytes()]), Ok(want.clone()), "{end:?}");
        }
        assert_eq!(
            parse(&[b"data: x"]),
            Ok(vec![(None, "x".into())]),
            "the last empty line may be missing"
        );
        assert_eq!(
            parse(&[b"event: a\n\ndata: x\n\n"]),
            Ok(vec![(None, "x".into())]),
            "an event without data is none"
        );
    }

    #[test]
    fn refuses_endless_lines_endless_events_and_binary() {
        let line = vec![b'x'; MAX_EVENT / 2 + 1];
        assert_eq!(parse(&[&line, &line]), Err(SseError::TooLong));
        let mut frame = b"data: ".to_vec();
        frame.extend_from_slice(&line);
        frame.push(b'\n');
        assert_eq!(parse(&[&frame, &frame]), Err(SseError::TooLong));
        assert_eq!(parse(&[b"data: \xff\n\n"]), Err(SseError::NotUtf8));
    }

    proptest! {
        #[test]
        fn the_same_events_however_it_is_cut(lines in proptest::collection::vec("(data: [a-zä€😀 ]{0,12}|: c|event: [a-z]{1,4}|)(\n|\r|\r\n)", 0..20), cuts in proptest::collection::vec(0usize..400, 0..12)) {
            let text = lines.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % (text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            prop_assert_eq!(parse(&chunks), parse(&[&text]));
        }
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) { let _ = parse(&[&bytes]); }
    }
}
