//! Digests, canonical JSON, and text that lives either in an event or in a blob.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A SHA-256 digest, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
    /// Of several pieces, each preceded by its length, so that no two lists of pieces collide.
    #[must_use]
    pub fn of_all(pieces: &[&[u8]]) -> Digest {
        let mut hasher = Sha256::new();
        for piece in pieces {
            hasher.update((piece.len() as u64).to_le_bytes());
            hasher.update(piece);
        }
        Digest(hasher.finalize().into())
    }
    /// Of a value as canonical JSON.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn of_json<T: Serialize>(value: &T) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of(
            canonical_json(&serde_json::to_value(value)?).as_bytes(),
        ))
    }
    /// The first eight digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        // Digits are text; the error cannot come.
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct InvalidDigest;

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(InvalidDigest);
        }
        let hex = |b: u8| (b as char).to_digit(16).ok_or(InvalidDigest);
        let mut out = [0u8; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = (hex(bytes[2 * i])? * 16 + hex(bytes[2 * i + 1])?) as u8;
        }
        Ok(Digest(out))
    }
}
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

/// JSON with sorted keys and no white space (RFC 8785 for the integers and strings that Keiko writes).
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, value)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_string(text, out),
        plain => out.push_str(&plain.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    if text
        .bytes()
        .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
    {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// Text of any size inside an event or an action: short text stands in the event itself, longer text in a
/// content-addressed blob, of which the event holds digest and length. See [`split_blobs`] and [`Content::fill`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Content {
    digest: Digest,
    len: u64,
    text: Option<Arc<str>>,
}

impl Content {
    /// Text up to this many bytes stays in the event.
    pub const INLINE_MAX: usize = 512;

    /// Holds a text.
    pub fn new(text: impl Into<Arc<str>>) -> Content {
        let text = text.into();
        Content {
            digest: Digest::of(text.as_bytes()),
            len: text.len() as u64,
            text: Some(text),
        }
    }
    /// The text, if it is in memory.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
    /// The text, or an empty one if it has not been read from its blob.
    #[must_use]
    pub fn text_or_empty(&self) -> &str {
        self.text.as_deref().unwrap_or("")
    }
    /// The digest of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }
    /// True when there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// True when the text must be read from its blob before it can be used.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.text.is_none()
    }
    /// Supplies the text read from the blob. Returns false, and changes nothing, if it is another text.
    pub fn fill(&mut self, text: Arc<str>) -> bool {
        let same = text.len() as u64 == self.len && Digest::of(text.as_bytes()) == self.digest;
        if same {
            self.text = Some(text);
        }
        same
    }
    /// Forgets the text, keeping digest and length.
    pub fn release(&mut self) {
        if self.len > Self::INLINE_MAX as u64 {
            self.text = None;
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) if text.len() <= 120 => write!(f, "{text:?}"),
            _ => write!(f, "<{} bytes {}>", self.len, self.digest.short()),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content::new(text)
    }
}
impl From<String> for Content {
    fn from(text: String) -> Self {
        Content::new(text)
    }
}

#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    #[serde(rename = "$text")]
    Text(std::borrow::Cow<'a, str>),
    #[serde(rename = "$blob")]
    Blob(Digest, u64),
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => Stored::Text(text.as_ref().into()).serialize(s),
            None => Stored::Blob(self.digest, self.len).serialize(s),
        }
    }
}
impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match Stored::deserialize(d)? {
            Stored::Text(text) => Content::new(text.as_ref()),
            Stored::Blob(digest, len) => Content {
                digest,
                len,
                text: None,
            },
        })
    }
}
impl schemars::JsonSchema for Content {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Content".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Text: in place as $text, or as $blob [sha256, length in bytes].",
            "oneOf": [
                {"type": "object", "required": ["$text"], "properties": {"$text": {"type": "string"}}},
                {"type": "object", "required": ["$blob"], "properties": {"$blob": {"type": "array"}}}
            ]
        })
    }
}

/// Replaces each `$text` longer than [`Content::INLINE_MAX`] inside a JSON value by its `$blob` reference and
/// returns the texts taken out, each once.
pub fn split_blobs(value: &mut Value, out: &mut Vec<(Digest, String)>) {
    match value {
        Value::Object(map) => {
            if map.len() == 1
                && let Some(Value::String(text)) = map.get_mut("$text")
            {
                if text.len() > Content::INLINE_MAX {
                    let text = std::mem::take(text);
                    let digest = Digest::of(text.as_bytes());
                    let reference = serde_json::json!([digest.to_string(), text.len()]);
                    map.clear();
                    map.insert("$blob".into(), reference);
                    if !out.iter().any(|(seen, _)| *seen == digest) {
                        out.push((digest, text));
                    }
                }
                return;
            }
            map.values_mut().for_each(|item| split_blobs(item, out));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| split_blobs(item, out)),
        _ => {}
    }
}

/// The same as [`split_blobs`] for JSON that was just written without white space: there a quote inside a text is
/// escaped, so that the beginning of a `$text` object can be found as it stands.
#[must_use]
pub fn split_written(json: String, out: &mut Vec<(Digest, String)>) -> String {
    const BEGIN: &str = r#"{"$text":"#;
    if json.len() <= Content::INLINE_MAX {
        return json;
    }
    let (mut kept, mut from, mut at) = (String::new(), 0, 0);
    while let Some(found) = json[at..].find(BEGIN) {
        let (start, literal) = (at + found, at + found + BEGIN.len());
        let end = literal + string_len(&json.as_bytes()[literal..]);
        at = end;
        // Written, a text is at least as long as it is.
        if end - literal <= Content::INLINE_MAX + 2 || json.as_bytes().get(end) != Some(&b'}') {
            continue;
        }
        let Ok(text) = serde_json::from_str::<String>(&json[literal..end]) else {
            continue;
        };
        if text.len() > Content::INLINE_MAX {
            let digest = Digest::of(text.as_bytes());
            kept.push_str(&json[from..start]);
            kept.push_str(&format!("{{\"$blob\":[\"{digest}\",{}]}}", text.len()));
            from = end + 1;
            if !out.iter().any(|(seen, _)| *seen == digest) {
                out.push((digest, text));
            }
        }
    }
    if from == 0 {
        return json;
    }
    kept.push_str(&json[from..]);
    kept
}

/// The bytes of the JSON string that stands at the beginning, its quotes included; none if there is no string.
fn string_len(json: &[u8]) -> usize {
    if json.first() != Some(&b'"') {
        return 0;
    }
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_sorts_at_every_depth() {
        let value: Value = serde_json::from_str(r#"{"b":[{"z":1,"a":"ü\n"}],"a":null}"#).unwrap();
        assert_eq!(
            canonical_json(&value),
            "{\"a\":null,\"b\":[{\"a\":\"ü\\n\",\"z\":1}]}"
        );
    }

    #[test]
    fn long_text_moves_to_a_blob_and_comes_back() {
        let long = "x".repeat(600);
        let content = Content::new(long.as_str());
        let mut value = serde_json::json!({"a": [content, Content::new("short")]});
        let mut blobs = Vec::new();
        split_blobs(&mut value, &mut blobs);
        assert_eq!(blobs, vec![(content.digest(), long.clone())]);
        let mut back: Content = serde_json::from_value(value["a"][0].clone()).unwrap();
        assert!(back.is_missing());
        assert!(!back.fill("other".into()));
        assert!(back.fill(long.into()));
        assert_eq!(back, content);
        let short: Content = serde_json::from_value(value["a"][1].clone()).unwrap();
        assert_eq!(short.text(), Some("short"));
    }

    #[test]
    fn what_was_written_is_split_as_its_value_is() {
        let long = |c: &str| c.repeat(600);
        let texts = [
            long("x"),
            long("ü\"\\\n"),
            "x".repeat(512),
            "\u{1}".repeat(200),
            String::new(),
            r#"{"$text":"in a text"}"#.repeat(40),
        ];
        for text in &texts {
            let odd = serde_json::json!({"$text": {"$text": text}, "$blob": text});
            let more = serde_json::json!({"$text": text, "more": text});
            let value = serde_json::json!({"a": [Content::new(text.as_str()), {"b": Content::new("short")}], "c": odd, "d": more, "e": text});
            let (mut walked, mut from_value, mut from_written) =
                (value.clone(), Vec::new(), Vec::new());
            split_blobs(&mut walked, &mut from_value);
            assert_eq!(
                split_written(value.to_string(), &mut from_written),
                walked.to_string()
            );
            assert_eq!(from_written, from_value);
        }
    }

    #[test]
    fn pieces_do_not_run_together() {
        assert_ne!(
            Digest::of_all(&[b"ab", b"c"]),
            Digest::of_all(&[b"a", b"bc"])
        );
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
