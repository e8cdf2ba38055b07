//! The real binary, ended by SIGKILL at random times, again and again until its runs are done: nothing is lost, no
//! effect comes out twice.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::expect_used, reason = "in a test a panic is the message; clippy excepts only the test functions themselves")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Each run writes, appends twice with a command that must not run twice, and ends.
const WITH_FOLDER: &str = r#"
[[turn]]
pause_ms = 20
[[turn.call]]
tool = "write_file"
arguments = { path = "log", text = "begin\n" }
[[turn]]
pause_ms = 20
[[turn.call]]
tool = "execute"
arguments = { command = "echo one >> log" }
[[turn.call]]
tool = "execute"
arguments = { command = "echo two >> log" }
[[turn]]
pause_ms = 20
[[turn.call]]
tool = "finish"
arguments = { summary = "Done." }
"#;

/// Without a sandbox: steps that only the journal sees.
const WITHOUT_FOLDER: &str = r#"
[[turn]]
pause_ms = 60
text = "First."
[[turn.call]]
tool = "show_more"
arguments = { reference = "o1.0" }
[[turn]]
pause_ms = 60
text = "Second."
[[turn.call]]
tool = "show_more"
arguments = { reference = "o2.0" }
[[turn]]
pause_ms = 60
[[turn.call]]
tool = "finish"
arguments = { summary = "Done." }
"#;

/// A home with a script in it.
struct Home {
    dir: tempfile::TempDir,
    folder: bool,
}

impl Home {
    fn new(folder: bool) -> Home {
        let home = Home { dir: tempfile::tempdir().expect("a folder"), folder };
        std::fs::create_dir(home.path("work")).expect("a folder");
        std::fs::write(home.path("work/readme"), "A folder.\n").expect("a file");
        std::fs::write(home.path("script.toml"), if folder { WITH_FOLDER } else { WITHOUT_FOLDER }).expect("a file");
        home
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn keiko(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keiko"));
        command.args(args).env("KEIKO_HOME", self.dir.path().join("home")).env("KEIKO_LEASE_MS", "300").env("CI", "1");
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
    fn output(&self, args: &[&str]) -> Output {
        self.keiko(args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("the binary starts")
    }
    fn json(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }
    fn start(&self) -> Child {
        let script = self.path("script.toml");
        let script = script.to_str().expect("text");
        let mut args = vec!["run", "Write the log", "--script", script, "--quiet"];
        if self.folder {
            args.extend(["--workspace", "work"])
        } else {
            args.push("--no-workspace")
        }
        self.keiko(&args).spawn().expect("the binary starts")
    }
    fn resume(&self, run: &str) -> Child {
        let script = self.path("script.toml");
        self.keiko(&["resume", run, "--script", script.to_str().expect("text"), "--quiet"]).spawn().expect("the binary starts")
    }
    /// The newest run that has not ended.
    fn unfinished(&self) -> Option<String> {
        let list = self.json(&["runs", "list", "--json", "--limit", "1"]);
        let run = list["runs"].get(0)?;
        let over = ["succeeded", "examined", "unverified", "failed", "refused", "cancelled"].contains(&run["state"].as_str()?);
        (!over).then(|| run["run"].as_str().unwrap_or_default().to_owned())
    }
}

/// Numbers from a seed, so that a storm can be told again.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Ends the process at a random time. True if it was still alive then.
fn kill_some_time(child: &mut Child, dice: &mut Dice) -> bool {
    let end = Instant::now() + Duration::from_millis(10 + dice.up_to(500));
    while Instant::now() < end {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a child");
    std::os::unix::process::ExitStatusExt::signal(&child.wait().expect("a child")) == Some(9)
}

/// What must hold of a run that is over.
fn check(home: &Home, run: &str) {
    let verify = home.output(&["runs", "verify", run, "--no-tests"]);
    assert!(verify.status.success(), "{run}: {verify:?}");
    let events = home.output(&["runs", "events", run, "--json"]);
    let mut effects: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let (mut seq, mut last) = (0, String::new());
    for line in String::from_utf8(events.stdout).expect("text").lines() {
        let line: Value = serde_json::from_str(line).expect("an event");
        seq += 1;
        assert_eq!(line["seq"].as_u64(), Some(seq), "{run}: an event is missing");
        line["body"]["event"].as_str().expect("a kind").clone_into(&mut last);
        let key = line["body"]["data"]["key"].as_str().unwrap_or_default().to_owned();
        match last.as_str() {
            "effect_intended" => effects.entry(key).or_default().0 += 1,
            "effect_ended" => effects.entry(key).or_default().1 += 1,
            _ => {}
        }
    }
    assert_eq!(last, "run_ended", "{run}");
    for (key, counts) in effects {
        assert_eq!(counts, (1, 1), "{run}: effect {key}");
    }
    if home.folder {
        let diff = String::from_utf8(home.output(&["runs", "diff", run]).stdout).expect("text");
        for line in ["+begin", "+one", "+two"] {
            assert_eq!(diff.lines().filter(|l| *l == line).count(), 1, "{run}: {line} in {diff}");
        }
    }
}

/// Kills until it has killed often enough and the last run is over. Says how many runs there were.
fn storm(folder: bool, kills: u32, seed: u64) -> (u32, u32) {
    let (home, mut dice) = (Home::new(folder), Dice(seed | 1));
    let (mut killed, mut runs, mut tries) = (0, 0, 0);
    loop {
        let run = if runs == 0 && tries == 0 { None } else { home.unfinished() };
        if run.is_none() && killed >= kills {
            break;
        }
        tries += 1;
        assert!(tries < 40 * kills + 400, "seed {seed}: the runs do not come to their end");
        let mut child = match &run {
            Some(run) => home.resume(run),
            None => home.start(),
        };
        if killed < kills {
            killed += u32::from(kill_some_time(&mut child, &mut dice));
        } else {
            child.wait().expect("a child");
        }
        runs += u32::from(run.is_none());
        // A dead process's lease must run out first; trying before that is refused, which is part of the storm.
        std::thread::sleep(Duration::from_millis(dice.up_to(400)));
    }
    let list = home.json(&["runs", "list", "--json", "--limit", "10000"]);
    let list = list["runs"].as_array().expect("a list").clone();
    for run in &list {
        check(&home, run["run"].as_str().expect("an id"));
    }
    (killed, list.len() as u32)
}

fn has_sandbox() -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_keiko"));
    program.exists()
        && Command::new("bwrap").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Two homes at a time; with a sandbox if there is one.
fn storms(kills: u32) {
    let folder = has_sandbox();
    if !folder {
        eprintln!("SKIPPED: the folder of kills_lose_nothing_and_repeat_nothing: bubblewrap is missing: apt-get install bubblewrap");
    }
    let seed =
        std::env::var("KEIKO_CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()) << 16);
    eprintln!("seed {seed}");
    let begin = Instant::now();
    let halves = [(folder, kills / 2, seed), (false, kills - kills / 2, seed.wrapping_add(2))];
    let threads = halves.map(|(folder, kills, seed)| std::thread::spawn(move || storm(folder, kills, seed)));
    let done = threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    let (killed, runs) = done.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    eprintln!("| kills | runs | with a sandbox | seconds |\n| {killed} | {runs} | {} | {:.0} |", done[0].1, begin.elapsed().as_secs_f32());
    assert!(killed >= kills);
}

/// Sixty, or as many as `cargo xtask soak crash` asks for.
#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    storms(std::env::var("KEIKO_CRASH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(60));
}
