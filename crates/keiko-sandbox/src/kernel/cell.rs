//! What a kernel says while it runs one cell, put together into a report. Without IO.
//!
//! Everything here comes from code that nobody has looked at: each piece has its cap.

use jupyter_protocol::ReplyStatus;
use jupyter_protocol::media::{Media, MediaType};
use jupyter_protocol::messaging::{ErrorOutput, ExecutionState, JupyterMessageContent};
use keiko_contracts::jail::{CellError, CellReport};

/// Printed text kept: the first and the last half of it, in bytes.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// The value's text.
const VALUE_BYTES_MAX: usize = 32 << 10;
/// A table as HTML.
const HTML_BYTES_MAX: usize = 64 << 10;
/// An image, in base64.
const IMAGE_BYTES_MAX: usize = 2 << 20;
/// Displays kept.
const DISPLAYS_MAX: usize = 8;
/// The traceback.
const TRACEBACK_BYTES_MAX: usize = 16 << 10;
/// A piece shown live.
const LIVE_BYTES_MAX: usize = 8 << 10;

/// A cell that runs.
#[derive(Debug)]
pub(super) struct Cell {
    output: HeadTail,
    value: Option<String>,
    error: Option<CellError>,
    displays: Vec<(String, String)>,
    displays_left_out: usize,
    count: u32,
    idle: bool,
    replied: bool,
}

impl Cell {
    pub(super) fn new() -> Cell {
        Cell {
            output: HeadTail::new(OUTPUT_BYTES_MAX),
            value: None,
            error: None,
            displays: Vec::new(),
            displays_left_out: 0,
            count: 0,
            idle: false,
            replied: false,
        }
    }
    /// The kernel has said everything.
    pub(super) fn is_done(&self) -> bool {
        self.idle && self.replied
    }
    /// The reply is there; only output may still come.
    pub(super) fn is_replied(&self) -> bool {
        self.replied
    }

    /// Takes a message that belongs to this cell; returns text to show live.
    pub(super) fn hear(&mut self, content: JupyterMessageContent) -> Option<String> {
        match content {
            JupyterMessageContent::StreamContent(stream) => {
                let text = without_escapes(&stream.text);
                self.output.push(&text);
                return Some(cut(text, LIVE_BYTES_MAX));
            }
            JupyterMessageContent::ExecuteResult(result) => {
                self.take_value(result.data);
            }
            JupyterMessageContent::DisplayData(display) => self.take_display(display.data),
            JupyterMessageContent::UpdateDisplayData(display) => self.take_display(display.data),
            JupyterMessageContent::ErrorOutput(error) => self.take_error(error),
            JupyterMessageContent::Status(status) => {
                self.idle |= status.execution_state == ExecutionState::Idle
            }
            JupyterMessageContent::ExecuteReply(reply) => {
                self.replied = true;
                self.count = u32::try_from(reply.execution_count.value()).unwrap_or(u32::MAX);
                if reply.status == ReplyStatus::Aborted {
                    self.take_error(ErrorOutput {
                        ename: "Aborted".into(),
                        evalue: "the kernel did not run the cell".into(),
                        traceback: Vec::new(),
                    });
                }
                if let Some(error) = reply.error {
                    self.take_error(ErrorOutput {
                        ename: error.ename,
                        evalue: error.evalue,
                        traceback: error.traceback,
                    });
                }
            }
            _ => {}
        }
        None
    }

    /// A message was too large to be taken at all.
    pub(super) fn lost_message(&mut self, bytes: u64) {
        self.output
            .push(&format!("\n[a message of {bytes} bytes was left out]\n"));
    }

    /// The report so far.
    pub(super) fn report(self) -> CellReport {
        let mut displays: Vec<_> = self
            .displays
            .into_iter()
            .map(|(kind, data)| (kind, data.into()))
            .collect();
        if self.displays_left_out > 0 {
            displays.push((
                "text/plain".into(),
                format!("[{} more displays left out]", self.displays_left_out).into(),
            ));
        }
        CellReport {
            output: self.output.text().into(),
            value: self.value.map(Into::into),
            error: self.error,
            displays,
            count: self.count,
            ..CellReport::default()
        }
    }

    fn take_value(&mut self, data: Media) {
        for media in data.content {
            match media {
                MediaType::Plain(text) => {
                    self.value = Some(cut(without_escapes(&text), VALUE_BYTES_MAX))
                }
                other => self.take_media(other),
            }
        }
    }

    fn take_display(&mut self, data: Media) {
        let rich = data.content.iter().any(|media| {
            matches!(
                media,
                MediaType::Html(_) | MediaType::Png(_) | MediaType::Jpeg(_)
            )
        });
        for media in data.content {
            match media {
                // "<Figure size 640x480>" says nothing beside the figure.
                MediaType::Plain(_) if rich => {}
                MediaType::Plain(text) => {
                    self.keep("text/plain", cut(without_escapes(&text), VALUE_BYTES_MAX))
                }
                other => self.take_media(other),
            }
        }
    }

    fn take_media(&mut self, media: MediaType) {
        match media {
            MediaType::Html(text) => self.keep("text/html", cut(text, HTML_BYTES_MAX)),
            MediaType::Png(data) => self.take_image("image/png", data),
            MediaType::Jpeg(data) => self.take_image("image/jpeg", data),
            // Kept by nobody: the plain text stands beside it.
            _ => {}
        }
    }

    fn take_image(&mut self, kind: &str, mut data: String) {
        data.retain(|c| !c.is_ascii_whitespace());
        let is_base64 = data
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        if data.len() > IMAGE_BYTES_MAX || !is_base64 {
            self.keep(
                "text/plain",
                format!("[{kind} of {} bytes left out]", data.len()),
            );
        } else {
            self.keep(kind, data);
        }
    }

    fn keep(&mut self, kind: &str, data: String) {
        if self.displays.len() < DISPLAYS_MAX {
            self.displays.push((kind.to_owned(), data));
        } else {
            self.displays_left_out += 1;
        }
    }

    fn take_error(&mut self, error: ErrorOutput) {
        // The same error comes on two channels; the first has the traceback.
        if self.error.is_some() {
            return;
        }
        let mut traceback = HeadTail::new(TRACEBACK_BYTES_MAX);
        for line in &error.traceback {
            traceback.push(&without_escapes(line));
            traceback.push("\n");
        }
        self.error = Some(CellError {
            name: cut(without_escapes(&error.ename), 200),
            message: cut(without_escapes(&error.evalue), 4 << 10),
            traceback: traceback.text().into(),
        });
    }
}

/// The beginning and the end of a text of any length, in bounded memory.
#[derive(Debug)]
struct HeadTail {
    half: usize,
    head: String,
    tail: String,
    left_out: u64,
}

impl HeadTail {
    fn new(max: usize) -> HeadTail {
        HeadTail {
            half: max / 2,
            head: String::new(),
            tail: String::new(),
            left_out: 0,
        }
    }
    fn push(&mut self, text: &str) {
        let room = if self.tail.is_empty() {
            self.half.saturating_sub(self.head.len())
        } else {
            0
        };
        let (first, rest) = text.split_at(text.floor_char_boundary(room));
        self.head.push_str(first);
        // Only what may survive is copied.
        let skip = rest.ceil_char_boundary(rest.len().saturating_sub(self.half));
        if skip > 0 {
            self.left_out += (self.tail.len() + skip) as u64;
            self.tail.clear();
        }
        self.tail.push_str(&rest[skip..]);
        if self.tail.len() > 2 * self.half {
            self.trim();
        }
    }
    fn trim(&mut self) {
        let from = self
            .tail
            .ceil_char_boundary(self.tail.len().saturating_sub(self.half));
        self.left_out += from as u64;
        self.tail.drain(..from);
    }
    fn text(mut self) -> String {
        self.trim();
        if self.left_out == 0 {
            return self.head + &self.tail;
        }
        format!(
            "{}\n[{} bytes left out]\n{}",
            self.head, self.left_out, self.tail
        )
    }
}

fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let left_out = text.len() - text.floor_char_boundary(max);
        text.truncate(text.floor_char_boundary(max));
        text.push_str(&format!("\n[{left_out} bytes left out]"));
    }
    text
}

/// The text without terminal escape sequences (colours, cursor, titles).
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            // A control sequence ends with a letter or one of @[\]^_`{|}~.
            Some('[') => {
                let _ = chars.by_ref().find(|c| ('@'..='~').contains(c));
            }
            Some(']') => skip_command(&mut chars),
            _ => {}
        }
    }
    out
}

/// An operating-system command ends with a bell or with escape and backslash.
fn skip_command(chars: &mut std::str::Chars<'_>) {
    if chars.find(|c| matches!(c, '\u{7}' | '\u{1b}')) == Some('\u{1b}') {
        let _ = chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn heard(messages: &[(&str, serde_json::Value)]) -> Cell {
        let mut cell = Cell::new();
        for (kind, content) in messages {
            cell.hear(JupyterMessageContent::from_type_and_content(kind, content.clone()).unwrap());
        }
        cell
    }

    #[test]
    fn a_cell_is_done_when_it_is_idle_and_answered() {
        let mut cell = heard(&[
            ("status", json!({"execution_state": "busy"})),
            (
                "stream",
                json!({"name": "stdout", "text": "a\u{1b}[31mb\u{1b}[0m\n"}),
            ),
        ]);
        cell.hear(
            JupyterMessageContent::from_type_and_content(
                "stream",
                json!({"name": "stderr", "text": "c"}),
            )
            .unwrap(),
        );
        cell.hear(
            JupyterMessageContent::from_type_and_content(
                "status",
                json!({"execution_state": "idle"}),
            )
            .unwrap(),
        );
        assert!(!cell.is_done());
        cell.hear(
            JupyterMessageContent::from_type_and_content(
                "execute_reply",
                json!({"status": "ok", "execution_count": 3}),
            )
            .unwrap(),
        );
        assert!(cell.is_done());
        let report = cell.report();
        assert_eq!(
            (report.output.text().unwrap(), report.count, report.error),
            ("ab\nc", 3, None)
        );
    }

    #[test]
    fn values_tables_and_images_are_kept_within_their_caps() {
        let image = "iVBO\nRw0K";
        let data = json!({"data": {"text/plain": "<Figure>", "image/png": image}, "metadata": {}});
        let mut messages = vec![(
            "execute_result",
            json!({"execution_count": 1, "metadata": {}, "data": {"text/plain": "   x\n0  1", "text/html": "<table>"}}),
        )];
        messages.extend(std::iter::repeat_n(("display_data", data), 10));
        messages.push((
            "display_data",
            json!({"data": {"image/png": "x".repeat(IMAGE_BYTES_MAX + 1)}, "metadata": {}}),
        ));
        let report = heard(&messages).report();
        assert_eq!(report.value.unwrap().text(), Some("   x\n0  1"));
        assert_eq!(report.displays.len(), DISPLAYS_MAX + 1);
        assert_eq!(
            (report.displays[0].0.as_str(), report.displays[0].1.text()),
            ("text/html", Some("<table>"))
        );
        assert_eq!(
            (report.displays[1].0.as_str(), report.displays[1].1.text()),
            ("image/png", Some("iVBORw0K"))
        );
        assert_eq!(
            report.displays[8].1.text(),
            Some("[4 more displays left out]")
        );
        let large = heard(&[(
            "display_data",
            json!({"data": {"image/jpeg": "<script>"}, "metadata": {}}),
        )])
        .report();
        assert_eq!(
            large.displays[0].1.text(),
            Some("[image/jpeg of 8 bytes left out]")
        );
    }

    #[test]
    fn an_error_has_no_colours() {
        let error = json!({"ename": "ValueError", "evalue": "\u{1b}[1mbad\u{1b}[0m", "traceback": ["\u{1b}[0;31m---\u{1b}[0m", "line 1"]});
        let reply = json!({"status": "error", "execution_count": 2, "ename": "ValueError", "evalue": "bad", "traceback": []});
        let report = heard(&[("error", error), ("execute_reply", reply)]).report();
        let error = report.error.unwrap();
        assert_eq!(
            (
                error.name.as_str(),
                error.message.as_str(),
                error.traceback.text()
            ),
            ("ValueError", "bad", Some("---\nline 1\n"))
        );
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end() {
        let mut cell = Cell::new();
        for n in 0..20_000 {
            let text = format!("line {n} ü\n");
            cell.hear(
                JupyterMessageContent::from_type_and_content(
                    "stream",
                    json!({"name": "stdout", "text": text}),
                )
                .unwrap(),
            );
        }
        let text = cell.report().output.text().unwrap().to_owned();
        assert!(
            text.len() < OUTPUT_BYTES_MAX + 100
                && text.starts_with("line 0 ü\n")
                && text.ends_with("line 19999 ü\n")
        );
        assert!(text.contains(" bytes left out]\n"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_below_the_cap_and_nothing_kept_beyond(pieces in prop::collection::vec("[aü\u{1b}\\[m]{0,40}", 0..60)) {
            let mut kept = HeadTail::new(200);
            pieces.iter().for_each(|piece| kept.push(piece));
            let whole = pieces.concat();
            let text = kept.text();
            prop_assert!(text.len() <= 200 + 60);
            if whole.len() <= 200 {
                prop_assert!(text == whole || text.contains("left out"));
            }
            if whole.len() <= 100 { prop_assert_eq!(text, whole); }
            let _ = without_escapes(&pieces.concat());
        }
    }
}
