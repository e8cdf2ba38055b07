//! One place that sees what went over the wire.

use keiko_contracts::code::Fault;
use keiko_contracts::id::EffectKey;
use std::sync::Arc;

/// One request and what came back, without any key.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// The effect that it was, if it was one.
    pub effect: Option<EffectKey>,
    /// The vendor's name.
    pub vendor: String,
    /// Where it went.
    pub url: String,
    /// The request as JSON.
    pub request: Vec<u8>,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The headers of the answer; what may be secret is `[redacted]`.
    pub headers: Vec<(String, String)>,
    /// The answer's bytes as they came.
    pub body: Vec<u8>,
    /// What went wrong.
    pub fault: Option<Fault>,
}

/// Sees every exchange when it is over. Must not block.
pub type Tap = Arc<dyn Fn(Exchange) + Send + Sync>;

/// Headers whose values are not handed on.
pub(crate) fn is_secret(header: &str) -> bool {
    ["cookie", "authorization", "api-key", "token"]
        .iter()
        .any(|word| header.contains(word))
        && !header.contains("ratelimit")
}

/// Puts `[key]` wherever the key's bytes stand: some servers echo what they were sent.
pub(crate) fn scrub(body: Vec<u8>, key: &[u8]) -> Vec<u8> {
    if key.is_empty() || !body.windows(key.len()).any(|w| w == key) {
        return body;
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.as_slice();
    while let Some(at) = rest.windows(key.len()).position(|w| w == key) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"[key]");
        rest = &rest[at + key.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_out_keys_and_names_secret_headers() {
        assert_eq!(
            scrub(b"a KEY b KEYKEY".to_vec(), b"KEY"),
            b"a [key] b [key][key]"
        );
        assert_eq!(scrub(b"abc".to_vec(), b""), b"abc");
        assert!(
            is_secret("set-cookie")
                && is_secret("x-api-key")
                && !is_secret("anthropic-ratelimit-tokens-remaining")
        );
    }
}
