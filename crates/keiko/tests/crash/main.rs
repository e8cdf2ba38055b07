//! The real binary, ended by SIGKILL at moments spread over its runs, again and again until they are done: nothing that
//! it said is lost, no effect comes out twice, nobody is asked. What each recovery class does, with a ledger that counts
//! deeds, is in `keiko-runtime/tests/it/sigkill.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]
#![expect(
    clippy::expect_used,
    reason = "in a test a panic is the message; clippy excepts only the test functions themselves"
)]

mod home;
mod process;

use home::Home;
use process::{Calm, When};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Numbers from a seed, so that a storm can be told again.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn up_to(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

/// Where a kill fell, as the journal tells it afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Before the process committed anything.
    Starting,
    /// In a run, with no effect open.
    Between,
    /// Between the intent of an effect and its outcome.
    Open(String),
    /// After the run's last event.
    Over,
}

/// An effect that an event begins (true) or ends, by its key, with a word for it.
fn effect(event: &Value) -> Option<(bool, String, String)> {
    let (body, data) = (&event["body"], &event["body"]["data"]);
    let begins = match body["event"].as_str()? {
        "effect_intended" => true,
        "effect_ended" => false,
        _ => return None,
    };
    let action = data["action"]
        .as_object()
        .and_then(|action| action.iter().next());
    let what = action.map_or("", |(kind, action)| {
        action["op"]["op"].as_str().unwrap_or(kind)
    });
    Some((begins, data["key"].as_str()?.to_owned(), what.to_owned()))
}

fn parse(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect()
}

/// What a storm came to.
#[derive(Debug, Default)]
struct Counts {
    kills: u32,
    runs: u32,
    fell: BTreeMap<Place, u32>,
    /// Events that a process said were committed, by run and line.
    said: BTreeMap<String, Vec<String>>,
}

struct Storm {
    home: Home,
    dice: Dice,
    calm: Calm,
    counts: Counts,
}

impl Storm {
    fn new(folder: bool, seed: u64) -> Storm {
        let home = Home::new(folder);
        let began = Instant::now();
        let lines = home.drive(None).end();
        let calm = Calm {
            events: lines.len() as u32,
            took: began.elapsed(),
        };
        assert!(
            lines
                .last()
                .is_some_and(|line| line.contains("\"run_ended\"")),
            "without a kill: {lines:?}"
        );
        let mut storm = Storm {
            home,
            dice: Dice(seed | 1),
            calm,
            counts: Counts {
                runs: 1,
                ..Counts::default()
            },
        };
        storm.hear(lines);
        storm
    }

    fn hear(&mut self, lines: Vec<String>) {
        for line in lines {
            let event: Value = serde_json::from_str(&line).expect("an event");
            self.counts
                .said
                .entry(event["run"].as_str().expect("an id").to_owned())
                .or_default()
                .push(line);
        }
    }

    /// Kills until it has killed often enough and the last run is over.
    fn rage(&mut self, kills: u32) {
        let mut tries = 0;
        loop {
            let run = self.home.unfinished();
            if run.is_none() && self.counts.kills >= kills {
                return;
            }
            tries += 1;
            assert!(
                tries < 40 * kills + 400,
                "the runs do not come to their end: {:?}",
                self.counts.fell
            );
            self.one_process(run.as_deref(), self.counts.kills < kills);
            // A dead process's lease must run out first; trying before that is refused, which is part of the storm.
            std::thread::sleep(Duration::from_millis(self.dice.up_to(400)));
        }
    }

    fn one_process(&mut self, run: Option<&str>, kill: bool) {
        let before = run.map_or(0, |run| self.home.events(run).len());
        let newest = self.home.runs(1).pop().map(|(run, _)| run);
        let process = self.home.drive(run);
        let (killed, lines) = if kill {
            process.kill(When::draw(self.calm, &mut self.dice))
        } else {
            (false, process.end())
        };
        self.hear(lines);
        let now = run.map(str::to_owned).or_else(|| {
            self.home
                .runs(1)
                .pop()
                .map(|(run, _)| run)
                .filter(|now| newest.as_ref() != Some(now))
        });
        self.counts.runs += u32::from(run.is_none() && now.is_some());
        if let Some(now) = &now {
            self.counts.said.entry(now.clone()).or_default();
        }
        if killed {
            let place = now.map_or(Place::Starting, |now| self.place(&now, before));
            self.counts.kills += 1;
            *self.counts.fell.entry(place).or_default() += 1;
        }
    }

    fn place(&self, run: &str, before: usize) -> Place {
        let events = parse(&self.home.events(run));
        if events.len() == before {
            return Place::Starting;
        }
        if events
            .last()
            .is_some_and(|event| event["body"]["event"] == "run_ended")
        {
            return Place::Over;
        }
        let mut open = BTreeMap::new();
        for (begins, key, what) in events.iter().filter_map(effect) {
            if begins {
                drop(open.insert(key, what))
            } else {
                drop(open.remove(&key))
            }
        }
        // While a workspace is put back, the effect that it is put back for is open too: the newest is told.
        open.into_values()
            .next_back()
            .map_or(Place::Between, Place::Open)
    }
}

impl Counts {
    fn fell(&self, what: impl Fn(&Place) -> bool) -> u32 {
        self.fell
            .iter()
            .filter(|(place, _)| what(place))
            .map(|(_, n)| n)
            .sum()
    }
    fn print(&self, name: &str, seconds: f32) {
        let said: usize = self.said.values().map(Vec::len).sum();
        let places: Vec<String> = self
            .fell
            .iter()
            .map(|(place, n)| format!("{n} {place:?}"))
            .collect();
        eprintln!(
            "| {name} | {} kills | {} runs | {said} events said, lost 0, repeated 0, asked 0 | {seconds:.0} s | {} |",
            self.kills,
            self.runs,
            places.join(", ")
        );
    }
}

/// What must hold of a run that is over; `said` are the lines of its processes.
fn check(home: &Home, run: &str, said: &[String]) {
    let verify = home.output(&["runs", "verify", run, "--no-tests"]);
    assert!(verify.status.success(), "{run}: {verify:?}");
    let lines = home.events(run);
    let lost: Vec<&String> = said.iter().filter(|line| !lines.contains(line)).collect();
    assert!(lost.is_empty(), "{run}: lost {lost:?}");
    let events = parse(&lines);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(
            event["seq"].as_u64(),
            Some(n as u64 + 1),
            "{run}: an event is missing"
        );
        assert_ne!(
            event["body"]["event"], "run_suspended",
            "{run}: nobody need be asked"
        );
    }
    assert!(
        events
            .last()
            .is_some_and(|event| event["body"]["event"] == "run_ended"),
        "{run}"
    );
    let mut effects: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (begins, key, _) in events.iter().filter_map(effect) {
        let counts = effects.entry(key).or_default();
        if begins { counts.0 += 1 } else { counts.1 += 1 }
    }
    for (key, counts) in effects {
        assert_eq!(counts, (1, 1), "{run}: effect {key}");
    }
    if home.folder {
        let diff = String::from_utf8(home.output(&["runs", "diff", run]).stdout).expect("text");
        for line in ["+begin", "+one", "+two"] {
            assert_eq!(
                diff.lines().filter(|l| *l == line).count(),
                1,
                "{run}: {line} in {diff}"
            );
        }
    }
}

fn storm(folder: bool, kills: u32, seed: u64) -> Counts {
    let begin = Instant::now();
    let mut storm = Storm::new(folder, seed);
    storm.rage(kills);
    let Storm { home, counts, .. } = storm;
    let runs = home.runs(100_000);
    assert_eq!(runs.len(), counts.runs as usize);
    for (run, _) in &runs {
        check(&home, run, &counts.said[run]);
    }
    counts.print(
        if folder {
            "real sandbox"
        } else {
            "no workspace"
        },
        begin.elapsed().as_secs_f32(),
    );
    // The storm was one: it fell on runs, on open effects, and runs came to their end between the kills.
    let open = counts.fell(|place| matches!(place, Place::Open(_)));
    assert!(counts.kills >= kills && open >= kills / 5, "{counts:?}");
    assert!(
        open + counts.fell(|place| *place == Place::Between) >= kills / 3,
        "{counts:?}"
    );
    assert!(counts.runs > kills / 20, "{counts:?}");
    if folder {
        assert!(
            counts.fell(|place| matches!(place, Place::Open(what) if what != "model"))
                >= kills / 10,
            "{counts:?}"
        );
    }
    counts
}

fn has_sandbox() -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_keiko"));
    program.exists()
        && Command::new("bwrap")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
}

/// Sixty, or as many as `cargo xtask soak crash` asks for; two homes at a time, one with a sandbox if there is one.
#[test]
fn slow_kills_lose_nothing_and_repeat_nothing() {
    let kills = std::env::var("KEIKO_CRASH_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let folder = has_sandbox();
    if !folder {
        eprintln!(
            "SKIPPED: the folder of slow_kills_lose_nothing_and_repeat_nothing: bubblewrap is missing: apt-get install bubblewrap"
        );
    }
    let seed = std::env::var("KEIKO_CRASH_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) << 16);
    eprintln!("seed {seed}");
    let halves = [
        (folder, kills / 2, seed),
        (false, kills - kills / 2, seed.wrapping_add(2)),
    ];
    let threads =
        halves.map(|(folder, kills, seed)| std::thread::spawn(move || storm(folder, kills, seed)));
    let done = threads.map(|thread| {
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    assert!(done.iter().map(|counts| counts.kills).sum::<u32>() >= kills);
}
