//! Failures that say nothing about the code: the sandbox has no network, no display and no terminal, other services do
//! not run in it, and files that git ignores are not taken along. Such tests are told apart, and neither traced back nor
//! repaired.

use super::answer::{Answer, argv, run};
use super::report::SetAside;
use super::{Facts, NativeCall, Phase, is_red};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// How many paths are asked about.
const PATHS: usize = 60;

const NETWORK: &str = "they need the network; the sandbox has none";
const SERVICE: &str = "they need a service that does not run in the sandbox";
const DISPLAY: &str = "they need a display; the sandbox has none";
const TERMINAL: &str = "they need a terminal; the sandbox has none";

/// What failures of each kind say, in the words of Python, Node, Go, Rust and the system. Words of which some could also
/// come from a mistake in the code under test are left out.
const SIGNS: [(&str, &[&str]); 4] = [
    (
        NETWORK,
        &[
            "Temporary failure in name resolution",
            "Name or service not known",
            "nodename nor servname provided",
            "getaddrinfo EAI_AGAIN",
            "getaddrinfo ENOTFOUND",
            "Could not resolve host",
            "NameResolutionError",
            "failed to lookup address information",
            "Network is unreachable",
            "ENETUNREACH",
        ],
    ),
    (
        SERVICE,
        &[
            "Cannot connect to the Docker daemon",
            "docker.sock",
            "port 5432 failed: Connection refused",
            "Error 111 connecting to localhost:6379",
            "Error 111 connecting to 127.0.0.1:6379",
            "Can't connect to MySQL server on",
            "Can't connect to local MySQL server",
        ],
    ),
    (
        DISPLAY,
        &[
            "no $DISPLAY environment variable",
            "no display name and no $DISPLAY",
            "cannot open display",
            "could not connect to display",
            "Missing X server or $DISPLAY",
            "Authorization required, but no authorization protocol specified",
        ],
    ),
    (
        TERMINAL,
        &[
            "Inappropriate ioctl for device",
            "could not find terminal",
            "/dev/tty: no such device",
            "'/dev/tty'",
            "input is not a terminal",
            "stdin is not a terminal",
        ],
    ),
];

/// Services by the ports that they listen at.
const PORTS: [&str; 8] = [
    "5432", "3306", "6379", "27017", "5672", "9200", "11211", "9092",
];

/// What a test needs that the sandbox does not have, by the words of its failure.
fn need(message: &str) -> Option<&'static str> {
    let sign = SIGNS
        .iter()
        .find(|(_, signs)| signs.iter().any(|sign| message.contains(sign)))
        .map(|(why, _)| *why);
    let refused = || {
        ["ECONNREFUSED", "Connection refused", "connection refused"]
            .iter()
            .any(|word| message.contains(word))
    };
    sign.or_else(|| {
        (refused()
            && PORTS
                .iter()
                .any(|port| message.contains(&format!(":{port}"))))
        .then_some(SERVICE)
    })
}

/// Paths that a failure says are not there.
fn missing_paths(message: &str) -> Vec<String> {
    let absent = [
        "No such file or directory",
        "ENOENT",
        "FileNotFoundError",
        "no such file or directory",
        "NotFound",
    ];
    if !absent.iter().any(|word| message.contains(word)) {
        return Vec::new();
    }
    let Ok(path) = Regex::new(r#"['"]([^'"\n]{1,300})['"]|open ([^\s:'"]{1,300}):"#) else {
        return Vec::new();
    };
    let found = path
        .captures_iter(message)
        .filter_map(|c| c.get(1).or(c.get(2)))
        .map(|found| found.as_str().to_owned());
    found
        .filter(|path| path.contains(['/', '.']) && !path.starts_with('-'))
        .collect()
}

/// Tells such failures apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Causes {
    /// For each suite that was asked about, the paths that its tests miss.
    asked: Vec<(usize, BTreeMap<String, Vec<String>>)>,
}

impl Phase for Causes {
    fn title(&self) -> &'static str {
        "why tests fail"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        for index in 0..facts.suites.len() {
            let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut needs: Vec<(String, &'static str)> = Vec::new();
            for case in facts.suites[index]
                .cases()
                .iter()
                .filter(|case| is_red(case.status))
            {
                let message = case.message.as_deref().unwrap_or("");
                if let Some(why) = need(message) {
                    needs.push((case.name.clone(), why));
                }
                for path in missing_paths(message) {
                    missing.entry(path).or_default().push(case.name.clone());
                }
            }
            needs
                .into_iter()
                .for_each(|(name, why)| set_aside(facts, index, name, &why.into()));
            if !missing.is_empty() {
                let script = "for p; do git check-ignore -q -- \"$p\" 2>/dev/null && printf '%s\\n' \"$p\"; done; true";
                let mut words = vec!["sh", "-c", script, "sh"];
                words.extend(missing.keys().take(PATHS).map(String::as_str));
                let id = format!("ignored-{}", index + 1);
                calls.push(run(
                    id,
                    "ask git which missing files it ignores",
                    &facts.suites[index].project.dir,
                    argv(&words),
                    30_000,
                ));
                self.asked.push((index, missing));
            }
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        for ((index, missing), answer) in std::mem::take(&mut self.asked).into_iter().zip(answers) {
            let ignored: BTreeSet<String> = answer
                .exec()
                .map(|report| {
                    report
                        .stdout
                        .text_or_empty()
                        .lines()
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default();
            for (path, tests) in missing
                .into_iter()
                .filter(|(path, _)| ignored.contains(path))
            {
                let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
                let why = say!(
                    "they read {file}, which git ignores: ignored files are not taken along",
                    file = name
                );
                tests
                    .into_iter()
                    .for_each(|test| set_aside(facts, index, test, &why));
            }
        }
        Vec::new()
    }
}

fn set_aside(facts: &mut Facts, index: usize, test: String, why: &Said) {
    if !facts.suites[index].aside.insert(test.clone()) {
        return;
    }
    match facts
        .report
        .set_aside
        .iter_mut()
        .find(|aside| aside.why == *why)
    {
        Some(aside) => aside.tests.push(test),
        None => facts.report.set_aside.push(SetAside {
            why: why.clone(),
            tests: vec![test],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sandbox_lacks_is_told_by_its_words() {
        let cases = [
            (
                "socket.gaierror: [Errno -3] Temporary failure in name resolution",
                Some(NETWORK),
            ),
            ("Error: getaddrinfo EAI_AGAIN example.com", Some(NETWORK)),
            ("connect ECONNREFUSED 127.0.0.1:5432", Some(SERVICE)),
            (
                "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
                Some(SERVICE),
            ),
            (
                "_tkinter.TclError: no display name and no $DISPLAY environment variable",
                Some(DISPLAY),
            ),
            (
                "OSError: [Errno 25] Inappropriate ioctl for device",
                Some(TERMINAL),
            ),
            (
                "ConnectionRefusedError: [Errno 111] Connection refused",
                None,
            ),
            ("connect ECONNREFUSED 127.0.0.1:40123", None),
            ("AssertionError: 'network' != 'net'", None),
        ];
        for (message, wanted) in cases {
            assert_eq!(need(message), wanted, "{message}");
        }
    }

    #[test]
    fn paths_come_from_failures_about_files_only() {
        assert_eq!(
            missing_paths(
                "FileNotFoundError: [Errno 2] No such file or directory: 'tests/data/a.json'"
            ),
            ["tests/data/a.json"]
        );
        assert_eq!(
            missing_paths("ENOENT: no such file or directory, open 'a/b.txt'"),
            ["a/b.txt"]
        );
        assert_eq!(
            missing_paths("open testdata/x.golden: no such file or directory"),
            ["testdata/x.golden"]
        );
        assert_eq!(
            missing_paths("AssertionError: 'a/b' != 'a/c'"),
            Vec::<String>::new()
        );
    }
}
