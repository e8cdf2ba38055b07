//! JSON from hostile sources, read only when it cannot cost much more memory than its text: `[0,0,0,...]` becomes a value
//! of some dozen bytes for every two that came.

use serde::de::DeserializeOwned;

/// More values than any honest message has.
const VALUES_MAX: usize = 200_000;

/// Reads a message.
///
/// # Errors
/// Why it is none, or that it has too many values.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if values(bytes) > VALUES_MAX {
        return Err(format!("it has more than {VALUES_MAX} values"));
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// At least as many as there are values: what stands between them, outside of texts.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b',' | b':' | b'[' | b'{' if !text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn texts_weigh_nothing_and_values_do() {
        assert_eq!(values(br#"{"a,[:{\"": ["x\\", 1, {"b": null}]}"#), 7);
        let text = format!("[\"{}\"]", ",".repeat(VALUES_MAX * 2));
        assert!(parse::<Value>(text.as_bytes()).is_ok());
        for flood in [
            format!("[{}0]", "0,".repeat(VALUES_MAX)),
            "[".repeat(VALUES_MAX + 1),
            format!("[{}{{}}]", "{},".repeat(VALUES_MAX)),
        ] {
            assert!(
                parse::<Value>(flood.as_bytes())
                    .unwrap_err()
                    .contains("values")
            );
        }
        assert!(parse::<Value>(b"[1,").is_err());
    }
}
