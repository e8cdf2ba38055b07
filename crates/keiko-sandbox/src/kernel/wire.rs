//! Jupyter messages inside ZeroMQ messages: parts, signature, JSON. Without IO.

use crate::weight;
use jupyter_protocol::messaging::{JupyterMessage, JupyterMessageContent};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

const DELIMITER: &[u8] = b"<IDS|MSG>";
const BLOCK_BYTES: usize = 64;

/// The secret that both sides sign with, in hexadecimal: 256 random bits.
#[derive(Clone)]
pub(super) struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// Makes one.
    pub(super) fn random() -> std::io::Result<Key> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Key(hex(&bytes)))
    }
    /// For the connection file.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
    /// HMAC-SHA-256 (RFC 2104) over some parts.
    fn sign(&self, parts: &[impl AsRef<[u8]>]) -> [u8; 32] {
        hmac(self.0.as_bytes(), parts)
    }
}

fn hmac(key: &[u8], parts: &[impl AsRef<[u8]>]) -> [u8; 32] {
    let mut block = [0u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36));
    for part in parts {
        inner.update(part.as_ref());
    }
    let mut outer = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// A message of the kernel, verified and understood.
#[derive(Debug)]
pub(super) struct Heard {
    /// The request that it belongs to.
    pub(super) parent: Option<String>,
    /// What it says.
    pub(super) content: JupyterMessageContent,
}

#[derive(Deserialize)]
struct HeaderPart {
    msg_type: String,
}

#[derive(Deserialize)]
struct ParentPart {
    msg_id: Option<String>,
}

/// Reads a message; nothing if it is not signed with our key or is no message we understand.
pub(super) fn open(key: &Key, frames: &[Vec<u8>]) -> Option<Heard> {
    let at = frames.iter().position(|frame| frame == DELIMITER)?;
    let (signature, parts) = frames.get(at + 1..)?.split_first()?;
    let parts = parts.get(..4)?;
    let expected = hex(&key.sign(parts));
    let different = signature.len() != expected.len()
        || signature
            .iter()
            .zip(expected.bytes())
            .fold(0, |sum, (a, b)| sum | (a ^ b))
            != 0;
    if different {
        return None;
    }
    let header: HeaderPart = weight::parse(&parts[0]).ok()?;
    let parent: Option<ParentPart> = weight::parse(&parts[1]).ok();
    let content = weight::parse(&parts[3]).ok()?;
    let content = JupyterMessageContent::from_type_and_content(&header.msg_type, content).ok()?;
    Some(Heard {
        parent: parent.and_then(|parent| parent.msg_id),
        content,
    })
}

/// Signs a message: its frames for the wire.
pub(super) fn seal(key: &Key, message: &JupyterMessage) -> serde_json::Result<Vec<Vec<u8>>> {
    let parts = [
        serde_json::to_vec(&message.header)?,
        b"{}".to_vec(),
        b"{}".to_vec(),
        serde_json::to_vec(&message.content)?,
    ];
    let signature = hex(&key.sign(&parts)).into_bytes();
    Ok([DELIMITER.to_vec(), signature]
        .into_iter()
        .chain(parts)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::messaging::{ExecuteRequest, StreamContent};

    #[test]
    fn the_signature_is_the_standard_one() {
        // RFC 4231, test cases 1, 2 and 6.
        assert_eq!(
            hex(&hmac(&[0x0b; 20], &[b"Hi There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(&hmac(b"Jefe", &[&b"what do ya want "[..], b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = hmac(
            &[0xaa; 131],
            &[b"Test Using Larger Than Block-Size Key - Hash Key First"],
        );
        assert_eq!(
            hex(&long),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn what_is_not_signed_with_our_key_is_not_heard() {
        let key = Key::random().unwrap();
        let request: JupyterMessage = ExecuteRequest::new("1".into()).into();
        let stream = JupyterMessage::new(StreamContent::stdout("hello"), Some(&request));
        let mut frames = seal(&key, &stream).unwrap();
        frames.insert(0, b"topic".to_vec());
        assert!(matches!(
            open(&key, &frames).unwrap().content,
            JupyterMessageContent::StreamContent(_)
        ));
        assert!(open(&Key::random().unwrap(), &frames).is_none());
        for at in 1..frames.len() {
            let mut bent = frames.clone();
            bent[at].push(b' ');
            assert!(open(&key, &bent).is_none(), "frame {at}");
            assert!(open(&key, &frames[..at]).is_none());
        }
        let unsigned: Vec<Vec<u8>> = frames
            .iter()
            .enumerate()
            .map(|(at, frame)| if at == 2 { Vec::new() } else { frame.clone() })
            .collect();
        assert!(open(&key, &unsigned).is_none());
        assert!(open(&key, &[]).is_none());
        // Signed, as code in a cell can do it, and made to cost a hundred times its length.
        let mut heavy = [
            b"{}".to_vec(),
            b"{}".to_vec(),
            b"{}".to_vec(),
            format!("[{}0]", "0,".repeat(1 << 20)).into_bytes(),
        ];
        heavy[0] = frames[3].clone();
        let signature = hex(&key.sign(&heavy)).into_bytes();
        assert!(
            open(
                &key,
                &[DELIMITER.to_vec(), signature]
                    .into_iter()
                    .chain(heavy)
                    .collect::<Vec<_>>()
            )
            .is_none()
        );
        assert!(!format!("{key:?}").contains(key.reveal()));
    }
}
