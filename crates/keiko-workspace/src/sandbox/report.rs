//! Keiko's own reporters of tests: laid beside the workspace, given a secret, and their records checked.
//!
//! The secret is made here for one execution and stands nowhere else: the reporter reads it from its standard input before any
//! code of the workspace is loaded. A record is a line `number code payload`; the code is an HMAC under a key that both sides
//! replace after each record, so that whoever learns a key later cannot change what was written before.

use crate::workspace::{Place, copy, io_fault};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{HARNESS, Reported, ReporterKind};
use keiko_contracts::say;
use keiko_sandbox::jail::Identity;
use keiko_sandbox::spec::Mount;
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Most bytes that are read of a report.
pub(super) const REPORT_CAP: u64 = 32 << 20;
/// Most records.
const RECORDS: u32 = 60_000;
/// Longest record, bytes.
const RECORD_MAX: usize = 64 << 10;

const PYTHON: &[(&str, &str)] = &[
    ("keiko_run.py", include_str!("../harness/keiko_run.py")),
    (
        "keiko_canary.py",
        include_str!("../harness/keiko_canary.py"),
    ),
];
const NODE: &[(&str, &str)] = &[
    ("keiko_node.cjs", include_str!("../harness/keiko_node.cjs")),
    ("keiko_main.cjs", include_str!("../harness/keiko_main.cjs")),
    (
        "keiko_canary.cjs",
        include_str!("../harness/keiko_canary.cjs"),
    ),
    (
        "keiko_reporter.cjs",
        include_str!("../harness/keiko_reporter.cjs"),
    ),
    (
        "keiko_mocha.cjs",
        include_str!("../harness/keiko_mocha.cjs"),
    ),
    ("keiko_jest.cjs", include_str!("../harness/keiko_jest.cjs")),
    (
        "keiko_jest_reporter.cjs",
        include_str!("../harness/keiko_jest_reporter.cjs"),
    ),
    (
        "keiko_vitest.mjs",
        include_str!("../harness/keiko_vitest.mjs"),
    ),
    (
        "keiko_vitest_setup.mjs",
        include_str!("../harness/keiko_vitest_setup.mjs"),
    ),
];

/// A reporter that is laid out for one execution.
pub(super) struct Harness {
    dir: PathBuf,
    key: [u8; 32],
}

impl Harness {
    /// Lays a reporter out, where only Keiko writes.
    pub(super) fn prepare(
        place: &Place,
        kind: ReporterKind,
        owner: Identity,
    ) -> Result<Harness, Fault> {
        let dir = place.harness();
        copy::wipe(&dir)?;
        std::fs::create_dir(&dir).map_err(|e| io_fault("make a folder", &dir, &e))?;
        let files = match kind {
            ReporterKind::Python => PYTHON,
            ReporterKind::Node => NODE,
        };
        for (name, text) in files {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|e| io_fault("write", &path, &e))?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444))
                .map_err(|e| io_fault("write", &path, &e))?;
            copy::give(&path, owner.uid, owner.gid)?;
        }
        copy::give(&dir, owner.uid, owner.gid)?;
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(|e| {
            Fault::new(
                Code::NO_SECRET_FOR_TESTS,
                say!("no secret for the reporter of tests: {e}", e),
            )
        })?;
        Ok(Harness { dir, key })
    }

    pub(super) fn mount(&self) -> Mount {
        Mount {
            host: self.dir.clone(),
            inside: HARNESS.into(),
            writable: false,
        }
    }

    /// What the reporter reads first.
    pub(super) fn input(&self) -> Vec<u8> {
        let mut line: String = self.key.iter().map(|byte| format!("{byte:02x}")).collect();
        line.push('\n');
        line.into_bytes()
    }

    /// The records that hold, one payload a line, and what came of checking. Hostile: whatever is no record of the reporter's is
    /// counted and left out; the order is the reporter's, so that nothing can be taken out of the middle.
    pub(super) fn check(&self, bytes: &[u8]) -> (Reported, String) {
        let (mut key, mut reported, mut text) = (self.key, Reported::default(), String::new());
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            if reported.records >= RECORDS {
                break;
            }
            let Some(payload) = payload(line, reported.records, &key) else {
                reported.forged = reported.forged.saturating_add(1);
                continue;
            };
            reported.ended = payload.starts_with("{\"kind\":\"end\"");
            reported.records += 1;
            text.push_str(payload);
            text.push('\n');
            key = hmac(&key, &[b"next"]);
        }
        (reported, text)
    }
}

/// The payload of a line, if it is the record that comes next.
fn payload<'a>(line: &'a [u8], number: u32, key: &[u8; 32]) -> Option<&'a str> {
    let line = std::str::from_utf8(line)
        .ok()
        .filter(|line| line.len() <= RECORD_MAX)?;
    let mut parts = line.splitn(3, ' ');
    let (given, code, payload) = (parts.next()?, parts.next()?, parts.next()?);
    let number = number.to_string();
    let expected: String = hmac(key, &[number.as_bytes(), b" ", payload.as_bytes()])
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // Whoever could measure how long this takes is gone by now.
    (given == number && code == expected).then_some(payload)
}

/// HMAC-SHA-256 (RFC 2104) with a key of 32 bytes.
fn hmac(key: &[u8; 32], message: &[&[u8]]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    message.iter().for_each(|piece| inner.update(piece));
    Sha256::new_with_prefix(pad(0x5c))
        .chain_update(inner.finalize())
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harness() -> Harness {
        Harness {
            dir: PathBuf::new(),
            key: [7; 32],
        }
    }

    fn records(payloads: &[&str]) -> Vec<String> {
        let mut key = [7; 32];
        let line = |(number, payload): (usize, &&str)| {
            let number = number.to_string();
            let code: String = hmac(&key, &[number.as_bytes(), b" ", payload.as_bytes()])
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            key = hmac(&key, &[b"next"]);
            format!("{number} {code} {payload}\n")
        };
        payloads.iter().enumerate().map(line).collect()
    }

    #[test]
    fn the_code_is_that_of_the_standard() {
        // RFC 4231 has no case with a key of 32 bytes; this one is made by `hmac.digest` of Python.
        let shown: String = hmac(&[7; 32], &[b"0 ", b"{}"])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            shown,
            "647802b09c684c77b48ffc7fbb824bebdbdd44d3dd4b633cf36172f80705f4ab"
        );
    }

    #[test]
    fn records_hold_in_their_order_only() {
        let lines = records(&[
            "{\"kind\":\"start\"}",
            "{\"kind\":\"case\"}",
            "{\"kind\":\"end\"}",
        ]);
        let (reported, text) = harness().check(lines.concat().as_bytes());
        assert_eq!(
            reported,
            Reported {
                records: 3,
                ended: true,
                forged: 0
            }
        );
        assert_eq!(text.lines().count(), 3);
        for wrong in [
            [lines[0].as_str(), &lines[2]].concat(),
            [lines[1].as_str(), &lines[0]].concat(),
            lines.concat().replace("case", "same"),
            format!("0 00 {{}}\n{}", lines.concat()),
        ] {
            assert!(harness().check(wrong.as_bytes()).0.forged > 0, "{wrong}");
        }
        assert!(!harness().check(lines[..2].concat().as_bytes()).0.ended);
    }

    #[test]
    fn anything_may_stand_in_a_report() {
        for odd in [
            b"\xff\xfe\n".as_slice(),
            b"",
            b"\n\n\n",
            b"0",
            b"0 1",
            b"0 1 ",
            &[b'x'; 100_000],
        ] {
            let (reported, text) = harness().check(odd);
            assert!(reported.records == 0 && text.is_empty());
        }
    }
}
