//! What a jail is asked to run.

use crate::egress::Egress;
use keiko_contracts::jail::Limits;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One process tree in one fresh jail.
#[derive(Debug, Clone)]
pub struct JailSpec {
    /// Program and arguments, as seen inside.
    pub argv: Vec<String>,
    /// Working folder inside, `/workspace` or below.
    pub cwd: String,
    /// The whole environment on top of the jail's fixed base (PATH, HOME, LANG, TMPDIR).
    pub env: BTreeMap<String, String>,
    /// What is bound in besides the allow-listed system and toolchains.
    pub mounts: Vec<Mount>,
    /// Links that stand in the root before anything is mounted by the caller: where, and what they lead to.
    pub links: Vec<(String, String)>,
    /// Limits.
    pub limits: Limits,
    /// What it reaches beyond its own loopback.
    pub network: Network,
    /// Standard input.
    pub stdin: Vec<u8>,
}

/// What a command reaches beyond a loopback of its own. There is no third way: no jail shares the network of the host.
#[derive(Debug, Clone, Default)]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// What this proxy permits, as an approval permitted the proxy.
    Through(Egress),
}

/// A host folder or file seen inside the jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the host.
    pub host: PathBuf,
    /// Inside: absolute.
    pub inside: String,
    /// May be written.
    pub writable: bool,
}

/// What came of it. Decoding and cutting for models is done by the caller.
#[derive(Debug, Clone, Default)]
pub struct JailOutput {
    /// How it ended.
    pub end: keiko_contracts::jail::End,
    /// Standard output: first and last half of the limit.
    pub stdout: Captured,
    /// Standard error, the same.
    pub stderr: Captured,
    /// Wall clock, milliseconds.
    pub duration_ms: u64,
    /// Processor time, milliseconds, if measured.
    pub cpu_ms: Option<u64>,
    /// Peak memory, KiB, if measured.
    pub peak_kib: Option<u64>,
    /// What the jail refused, as far as noticed.
    pub violations: Vec<String>,
    /// It was stopped by the caller's cancellation.
    pub cancelled: bool,
}

/// A bounded capture of a stream.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes, when some in between were left out.
    pub tail: Vec<u8>,
    /// How many bytes were left out between head and tail.
    pub omitted: u64,
}

impl Captured {
    /// As text; a line says how much is missing in the middle.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.omitted > 0 {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("[... {} bytes left out ...]\n", self.omitted));
        }
        text.push_str(&String::from_utf8_lossy(&self.tail));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said_on_its_own_line() {
        let captured = Captured {
            head: b"ab".to_vec(),
            tail: b"yz\n".to_vec(),
            omitted: 22,
        };
        assert_eq!(captured.text(), "ab\n[... 22 bytes left out ...]\nyz\n");
        assert_eq!(
            Captured {
                head: b"a\xff".to_vec(),
                ..Captured::default()
            }
            .text(),
            "a\u{fffd}"
        );
    }
}
