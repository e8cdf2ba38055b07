//! What a goal must be: plain words, and not too many of them.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;

/// The longest goal, in bytes.
pub const GOAL_MAX: u64 = 256 << 10;

/// A goal of these bytes; `place` is where they come from.
///
/// # Errors
/// KEI-1202 when it is too long, KEI-1203 when it is no text, KEI-1204 when it is empty.
pub fn checked(bytes: Vec<u8>, place: &str) -> Result<String, Fault> {
    if bytes.len() as u64 > GOAL_MAX {
        return Err(too_long(place));
    }
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let Some(text) = text else {
        return Err(Fault::new(Code::GOAL_NOT_TEXT, "the goal is not text")
            .at(place)
            .hint("write it in plain words, in UTF-8"));
    };
    if text.trim().is_empty() {
        return Err(Fault::new(Code::GOAL_EMPTY, "the goal is empty")
            .at(place)
            .hint("say what is to be done: keiko run \"Fix the failing date parser\""));
    }
    Ok(text.trim().to_owned())
}

/// It is longer than any goal may be.
#[must_use]
pub fn too_long(place: &str) -> Fault {
    Fault::new(
        Code::GOAL_TOO_LONG,
        say!("the goal is longer than {n} KiB", n = GOAL_MAX >> 10),
    )
    .at(place)
    .hint("put the material into the workspace and say where it is")
}
