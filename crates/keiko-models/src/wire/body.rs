//! The body of a request, put together from pieces that were written before.

use serde::Serialize;
use std::borrow::Cow;

/// JSON that was written before, or now: some values with commas between them, or nothing.
pub(crate) type Piece<'a> = Cow<'a, [u8]>;

/// Writes values with commas between them.
pub(crate) fn values<T: Serialize>(
    all: impl IntoIterator<Item = T>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    for value in all {
        if !out.is_empty() {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, &value)?;
    }
    Ok(out)
}

/// An object in the making: some fields from a struct, long lists from pieces, the rest from another struct.
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// Begins with the fields of a struct; `room` is about how many bytes will follow.
    pub(crate) fn begin(fields: &impl Serialize, room: usize) -> Result<Body, serde_json::Error> {
        let mut out = Vec::with_capacity(room + 1024);
        serde_json::to_writer(&mut out, fields)?;
        out.pop();
        Ok(Body(out))
    }

    /// Adds a field: a list of what the pieces hold.
    pub(crate) fn list<'a>(&mut self, name: &str, pieces: impl IntoIterator<Item = &'a Piece<'a>>) {
        let out = &mut self.0;
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":[");
        let before = out.len();
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            if out.len() > before {
                out.push(b',');
            }
            out.extend_from_slice(piece);
        }
        out.push(b']');
    }

    /// Ends with the fields of another struct.
    pub(crate) fn end(mut self, fields: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
        let at = self.0.len();
        serde_json::to_writer(&mut self.0, fields)?;
        if self.0.len() == at + 2 {
            self.0.remove(at);
        } else if let Some(brace) = self.0.get_mut(at) {
            *brace = b',';
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pieces_become_one_object() {
        let mut body = Body::begin(&json!({"a": 1}), 0).unwrap();
        let pieces: Vec<Piece<'_>> = vec![
            values([1, 2]).unwrap().into(),
            Vec::new().into(),
            values(["x"]).unwrap().into(),
        ];
        body.list("b", &pieces);
        body.list("c", &[]);
        assert_eq!(
            body.end(&json!({"d": true})).unwrap(),
            br#"{"a":1,"b":[1,2,"x"],"c":[],"d":true}"#
        );
        assert_eq!(
            Body::begin(&json!({"a": 1}), 0)
                .unwrap()
                .end(&json!({}))
                .unwrap(),
            br#"{"a":1}"#,
            "nothing may follow"
        );
    }
}
