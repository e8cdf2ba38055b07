//! Randomness, for ids and names of folders.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Fault::new(
            Code::NO_RANDOMNESS,
            say!("the system gives no randomness: {error}", error),
        )
    })?;
    Ok(bytes)
}
