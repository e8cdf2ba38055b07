//! A workspace without a jail, for the repositories under `evals/` that this project ships: it carries out the
//! operations of an engine directly on a folder. Never used for anybody else's code.

use keiko_agent::native::{NativeEngine, NativeFinish, NativeStep};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::*;
use keiko_testkit::cases::lay_out;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

/// Keiko's reporter, as the sandbox lays it out.
const REPORTERS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../keiko-workspace/src/harness"
);

/// A folder with a git repository.
pub(crate) struct Yard {
    pub(crate) root: PathBuf,
    /// Tell each operation on stderr.
    pub(crate) loud: bool,
}

impl Yard {
    /// A fresh folder below the build's own folder for temporary files, with the case's history as commits.
    pub(crate) fn new(case: &Path) -> Yard {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("repo-doctor-{name}"));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let yard = Yard {
            root,
            loud: std::env::var_os("YARD_LOUD").is_some(),
        };
        yard.git(&["init", "-q", "-b", "main"]);
        for (name, value) in [
            ("user.name", "Test"),
            ("user.email", "test@example.invalid"),
            ("commit.gpgsign", "false"),
        ] {
            yard.git(&["config", name, value]);
        }
        lay_out(case, &yard.root, |subject| yard.commit(subject)).unwrap();
        yard
    }

    /// Runs an engine to its end.
    pub(crate) fn run(&self, engine: &mut dyn NativeEngine) -> NativeFinish {
        for _ in 0..60 {
            match engine.next() {
                NativeStep::Finish(finish) => return *finish,
                NativeStep::Act(calls) => {
                    for call in calls {
                        let outcome = self.perform(&call.op);
                        if self.loud {
                            eprintln!("[{}] {} -> {}", call.id, call.title, tell(&outcome));
                        }
                        engine.observe(&call.id, Ok(&outcome));
                    }
                }
            }
        }
        panic!("the engine did not end within 60 steps");
    }

    fn perform(&self, op: &JailOp) -> Outcome<Report> {
        let done = match op {
            JailOp::Survey => Ok((JailBody::Surveyed(self.survey()), false)),
            JailOp::Exec(spec) => Ok((JailBody::Exec(self.exec(spec)), true)),
            JailOp::EditFile { path, edits } => self.edit(path, edits).map(|body| (body, true)),
            JailOp::WriteFile { path, text } => {
                fs::create_dir_all(self.root.join(path).parent().unwrap()).unwrap();
                fs::write(self.root.join(path), text.text().unwrap()).unwrap();
                Ok((written(path), true))
            }
            JailOp::Git(GitOp::Log { limit }) => Ok((
                text(self.git(&[
                    "log",
                    "--date=short",
                    "--format=%h %ad %an: %s",
                    &format!("-n{limit}"),
                ])),
                false,
            )),
            JailOp::Git(GitOp::Checkout { revision }) => {
                self.git(&["checkout", "-q", "-f", "--detach", revision]);
                self.git(&["clean", "-fdq"]);
                Ok((text(String::new()), true))
            }
            JailOp::Restore { tree } => {
                self.git(&["read-tree", &tree.0]);
                self.git(&["checkout-index", "-a", "-f"]);
                self.git(&["clean", "-fdq"]);
                Ok((JailBody::Restored, true))
            }
            JailOp::Diff { from, to } => {
                let to = to.clone().unwrap_or_else(|| self.tree());
                Ok((text(self.git(&["diff", &from.0, &to.0])), false))
            }
            other => Err(format!("not possible here: {other:?}")),
        };
        match done {
            Ok((body, changes)) => Outcome::Done(Report::Jail(JailReport {
                body,
                tree: changes.then(|| self.tree()),
            })),
            Err(why) => Outcome::Failed(Fault::new(Code::foreign(5999), why)),
        }
    }

    fn exec(&self, spec: &ExecSpec) -> ExecReport {
        let words = match &spec.command {
            Command::Argv(words) => words.clone(),
            Command::Shell(script) => {
                vec!["/bin/sh".into(), "-c".into(), script.text().unwrap().into()]
            }
        };
        // Reports for the runner's eyes go to a folder of the jail; here each yard has its own.
        let private = format!("{}/.git/keiko-", self.root.display());
        let harness = format!("{}/.git/harness/", self.root.display());
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                word.replace("/results/", &private)
                    .replace("/harness/", &harness)
            })
            .collect();
        if spec.report.is_some() {
            fs::create_dir_all(&harness).unwrap();
            for file in fs::read_dir(REPORTERS).unwrap().flatten() {
                let text = fs::read_to_string(file.path())
                    .unwrap()
                    .replace("/results/", &private)
                    .replace("/harness/", &harness);
                fs::write(format!("{harness}{}", file.file_name().display()), text).unwrap();
            }
            let _ = fs::remove_file(format!("{private}keiko.report"));
        }
        let tree_before = Some(self.tree());
        let (out, err) = (self.root.join(".git/out"), self.root.join(".git/err"));
        let begun = Instant::now();
        let mut process = Process::new(&words[0]);
        process
            .args(&words[1..])
            .current_dir(self.root.join(&spec.cwd))
            .envs(&spec.env)
            .env("CI", "1");
        let stdin = spec
            .report
            .map(|_| format!("{}\n", "00".repeat(32)).into())
            .or_else(|| spec.stdin.clone());
        process.stdin(if stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        process
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap());
        let end = match process.spawn() {
            Err(error) => End::NotStarted(error.to_string()),
            Ok(mut child) => {
                if let (Some(mut pipe), Some(input)) = (child.stdin.take(), &stdin) {
                    pipe.write_all(input.text().unwrap().as_bytes()).unwrap();
                }
                loop {
                    if let Some(status) = child.try_wait().unwrap() {
                        break status.code().map_or(End::Signal(9), End::Exit);
                    }
                    if begun.elapsed() > Duration::from_millis(u64::from(spec.limits.wall_ms)) {
                        child.kill().unwrap();
                        child.wait().unwrap();
                        break End::TimedOut;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        };
        let read =
            |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let artifacts = spec.collect.iter().filter_map(|path| {
            let text =
                fs::read_to_string(self.root.join(path.replace("/results/", &private))).ok()?;
            Some((path.clone(), text.into()))
        });
        // The codes are not checked here: the sandbox's own tests do that.
        let records = spec
            .report
            .map(|_| read(Path::new(&format!("{private}keiko.report"))));
        let records = records.map(|text| {
            text.lines()
                .filter_map(|line| line.splitn(3, ' ').nth(2))
                .map(|line| format!("{line}\n"))
                .collect()
        });
        let reported = records.as_ref().map(|text: &String| Reported {
            records: text.lines().count() as u32,
            ended: text.contains("\n{\"kind\":\"end\"") || text.starts_with("{\"kind\":\"end\""),
            forged: 0,
        });
        let artifacts = artifacts
            .chain(records.map(|text| (keiko_contracts::jail::REPORT.to_owned(), text.into())));
        ExecReport {
            reported,
            end,
            stdout: read(&out).into(),
            stderr: read(&err).into(),
            duration_ms: begun.elapsed().as_millis() as u64,
            tree_before,
            artifacts: artifacts.collect(),
            ..ExecReport::default()
        }
    }

    fn edit(&self, path: &str, edits: &[Edit]) -> Result<JailBody, String> {
        let mut whole =
            fs::read_to_string(self.root.join(path)).map_err(|error| error.to_string())?;
        for edit in edits {
            let (old, new) = (edit.old.text().unwrap(), edit.new.text().unwrap());
            if whole.matches(old).count() != 1 {
                let nearest = whole.clone().into();
                return Ok(JailBody::Refused {
                    why: format!("{} matches", whole.matches(old).count()).into(),
                    nearest,
                });
            }
            whole = whole.replacen(old, new, 1);
        }
        fs::write(self.root.join(path), whole).unwrap();
        Ok(written(path))
    }

    fn survey(&self) -> Survey {
        let listing = self.git(&["ls-files"]);
        let mut programs = BTreeMap::new();
        for name in ["python3", "node", "cargo", "git", "go"] {
            if has(name) {
                programs.insert(name.to_owned(), String::new());
            }
        }
        let known = [
            ("pyproject.toml", Toolchain::Python, "unittest"),
            ("package.json", Toolchain::Node, "node"),
            ("Cargo.toml", Toolchain::Rust, "cargo"),
            ("go.mod", Toolchain::Go, "go"),
        ];
        let mut projects = Vec::new();
        for (manifest, toolchain, runner) in known {
            if self.root.join(manifest).is_file() {
                projects.push(Project {
                    dir: String::new(),
                    toolchain,
                    manifests: vec![manifest.to_owned()],
                    runner: Some(runner.to_owned()),
                    ..Project::default()
                });
            }
        }
        Survey {
            files: listing.lines().count() as u32,
            projects,
            instructions: None,
            programs,
            listing: listing.into(),
            tests: Vec::new(),
            test_support: Vec::new(),
        }
    }

    /// The state of all files that are not ignored.
    pub(crate) fn tree(&self) -> TreeId {
        self.git(&["add", "-A"]);
        TreeId(self.git(&["write-tree"]).trim().to_owned())
    }

    fn commit(&self, subject: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", subject]);
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Process::new("git")
            .args(words)
            .current_dir(&self.root)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A program can be started.
pub(crate) fn has(program: &str) -> bool {
    let word = if program == "go" {
        "version"
    } else {
        "--version"
    };
    Process::new(program)
        .arg(word)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn written(path: &str) -> JailBody {
    JailBody::Written(WriteReport {
        path: path.to_owned(),
        created: false,
        diff: "".into(),
        matched: None,
    })
}

fn text(text: String) -> JailBody {
    JailBody::Text(TextReport {
        total: text.lines().count() as u32,
        text: text.into(),
        truncated: false,
    })
}

fn tell(outcome: &Outcome<Report>) -> String {
    match outcome {
        Outcome::Done(Report::Jail(JailReport {
            body: JailBody::Exec(report),
            ..
        })) => {
            let err: String = report.stderr.text_or_empty().chars().take(400).collect();
            format!("{:?} in {} ms {err}", report.end, report.duration_ms)
        }
        Outcome::Done(Report::Jail(JailReport { body, .. })) => {
            format!("{body:?}").chars().take(100).collect()
        }
        other => format!("{other:?}").chars().take(200).collect(),
    }
}
