//! `demo crash`: a process that works on a run is killed with SIGKILL, again and again, and started anew. At the end
//! the journal is held against an account that was kept outside it.

mod check;

use super::record::{Noted, Record, install_hook};
use super::{CRASH_MODEL, Place, Yard, script_of};
use crate::commands::Context;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::home::Home;
use crate::language::tr;
use crate::view::Tone;
use crate::wiring::{Keiko, random};
use check::{Crash, History, Verdict};
use keiko_contracts::approval::Decision;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, InboxMessage, Suspension};
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched};
use keiko_runtime::fold::FoldError;
use keiko_runtime::inbox;
use keiko_runtime::ports::{DriveOptions, Ports};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A dead process holds its run for so long.
const LEASE: Duration = Duration::from_millis(1_200);
/// The goal of the run.
const GOAL: &str =
    "Make February have 29 days in leap years, with a test, and push it to a branch.";
/// Where the account and the child's words are kept, below the demonstration's folder.
const RECORD: &str = "account.log";
const SAID: &str = "said.log";
/// A life is ended after at most so many events, and a little later.
const EVENTS_MAX: u32 = 12;
const LATER_MS_MAX: u32 = 60;
/// A run that needs more lives than it was killed, and these, is broken.
const SPARE_LIVES: u32 = 12;

/// Where one run of the demonstration happens.
struct Stage {
    /// Nobody clears it away meanwhile.
    _held: Place,
    place: PathBuf,
    yard: Yard,
    run: RunId,
    keiko: Keiko,
    record: Record,
}

/// The data of the process that is killed: its own journal, below the demonstration's folder.
fn home_in(place: &Path, home: &Home) -> Home {
    Home {
        data: place.join("data"),
        ..home.clone()
    }
}

/// Kills and resumes until the kills are used up and the run has ended; as many runs as that takes.
pub(super) async fn run(
    context: &Context<'_>,
    home: &Home,
    config: Config,
    rounds: u32,
) -> Result<ExitCode, CliError> {
    let say = |text: &str| context.output.say(text);
    let t = |english, german| context.output.t(english, german);
    say(t(
        "A scripted model works on a small repository. Its process is killed with SIGKILL at random points and started again.",
        "Ein Modell nach Drehbuch arbeitet an einem kleinen Repository. Sein Prozess wird an zufälligen Stellen mit SIGKILL beendet und neu gestartet.",
    ));
    say(t(
        "What was really done is counted outside Keiko: by the ports as they begin, and by a hook of the git remote.",
        "Was wirklich geschah, wird außerhalb von Keiko gezählt: an den Anschlüssen, bevor sie beginnen, und von einem Hook des Git-Remotes.",
    ));
    let (mut left, mut verdicts, mut crash, mut places) = (rounds, Vec::new(), 0, Vec::new());
    while left > 0 {
        let stage = Stage::new(home, config.clone(), &places)?;
        places.push(stage.place.clone());
        say("");
        say(&format!("{} {}", t("Run", "Lauf"), stage.run));
        let mut crashes = Vec::new();
        let tell = |killed: &Crash| {
            crash += 1;
            say(&killed.row(context.output, crash));
        };
        let asked = stage.play(&mut left, &mut crashes, tell).await?;
        let history = History::read(&stage.keiko, stage.run).await?;
        stage.keiko.close().await;
        verdicts.push(check::check(
            &history,
            &stage.record.read()?,
            &stage.yard,
            &crashes,
            asked,
        )?);
        say(&tr!(
            context.output,
            "  kept in {}",
            "  aufbewahrt in {}",
            stage.place.display()
        ));
    }
    say("");
    let verdict = Verdict::sum(&verdicts);
    context.output.data(&verdict.table(context.output));
    let exit = if verdict.holds() {
        Exit::Ok
    } else {
        Exit::CheckFailed
    };
    let (tone, word) = if verdict.holds() {
        (
            Tone::Good,
            t(
                "Nothing was lost, and nothing was done twice that may be done only once.",
                "Nichts ging verloren, und nichts geschah zweimal, was nur einmal geschehen darf.",
            ),
        )
    } else {
        (
            Tone::Bad,
            t(
                "The counts do not hold. Please report this, with the folder above.",
                "Die Zahlen stimmen nicht. Bitte melden Sie das mit dem oben genannten Ordner.",
            ),
        )
    };
    say(&context.output.paint(tone, word));
    Ok(exit.into())
}

impl Stage {
    fn new(home: &Home, config: Config, earlier: &[PathBuf]) -> Result<Stage, CliError> {
        let held = Place::new(home, "crash", |path| {
            earlier.iter().any(|place| place == path)
        })?;
        let place = held.path.clone();
        let yard = Yard::new(&place)?;
        let path = place.join(RECORD);
        install_hook(&yard.remote, &path).map_err(|error| {
            Fault::new(
                Code::OWN_FOLDER,
                say!("the remote's hook cannot be written: {error}", error),
            )
            .at(yard.remote.display())
        })?;
        let keiko = Keiko::open(home_in(&place, home), config)?;
        Ok(Stage {
            record: Record::new(path),
            yard,
            run: RunId::from_bytes(random()?),
            keiko,
            place,
            _held: held,
        })
    }

    /// One life after the other until the run has ended. Returns how often a person was asked, and about what.
    async fn play(
        &self,
        left: &mut u32,
        crashes: &mut Vec<Crash>,
        mut tell: impl FnMut(&Crash),
    ) -> Result<Vec<String>, CliError> {
        let (mut asked, mut spare) = (Vec::new(), SPARE_LIVES);
        loop {
            let from = self.events().await?;
            let mut child = self.life()?;
            let ended = if *left > 0 {
                self.kill_somewhere(&mut child, from).await?
            } else {
                Some(wait(&mut child).await?)
            };
            match ended {
                None => {
                    *left -= 1;
                    let crash = self.crash(from, true).await?;
                    tell(&crash);
                    crashes.push(crash);
                }
                Some(code) if code == Exit::Ok as i32 => return Ok(asked),
                Some(code) if code == Exit::Waiting as i32 => asked.extend(self.answer().await?),
                // It gave up by itself, because a busy machine cost it its lease, for example: the same as a crash.
                Some(code) => {
                    crashes.push(self.crash(from, false).await?);
                    spare = spare.saturating_sub(1);
                    if spare == 0 {
                        let said =
                            std::fs::read_to_string(self.place.join(SAID)).unwrap_or_default();
                        let last: String = said
                            .lines()
                            .next_back()
                            .unwrap_or("nothing")
                            .chars()
                            .take(300)
                            .collect();
                        let fault = Fault::new(
                            Code::DEMO_DOES_NOT_END,
                            say!(
                                "the run does not come to its end: exit {code}, {last}",
                                code,
                                last
                            ),
                        );
                        return Err(fault.at(self.place.display()).into());
                    }
                }
            }
        }
    }

    /// Starts a process of its own, in a group of its own, so that all of it can be killed at once.
    fn life(&self) -> Result<Child, Fault> {
        let fault = |error: std::io::Error| {
            Fault::new(
                Code::OWN_FILE_MISSING,
                say!("this program cannot start itself: {error}", error),
            )
        };
        let own = std::env::current_exe().map_err(fault)?;
        let said = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.place.join(SAID))
            .map_err(fault)?;
        let mut command = Command::new(own);
        command
            .args(["demo", "life", "--run", &self.run.to_string(), "--place"])
            .arg(&self.place);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(fault)
    }

    async fn events(&self) -> Result<u64, CliError> {
        check::head(self.keiko.journal.as_ref(), self.run).await
    }

    /// Kills the process once it has written some events, and a little later. `Some` when it ended before.
    async fn kill_somewhere(&self, child: &mut Child, from: u64) -> Result<Option<i32>, CliError> {
        let [events, later] = [EVENTS_MAX + 1, LATER_MS_MAX]
            .map(|below| random::<4>().map(|bytes| u32::from_le_bytes(bytes) % below));
        let (events, later) = (u64::from(events?), u64::from(later?));
        loop {
            if let Some(status) = child.try_wait().map_err(lost)? {
                return Ok(Some(status.code().unwrap_or(-1)));
            }
            if self.events().await? >= from + events {
                break;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tokio::time::sleep(Duration::from_millis(later)).await;
        if let Some(status) = child.try_wait().map_err(lost)? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // The child is not reaped yet, so the number is still its own.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        wait(child).await?;
        Ok(None)
    }

    /// What the end of a life left behind.
    async fn crash(&self, from: u64, killed: bool) -> Result<Crash, CliError> {
        let history = History::read(&self.keiko, self.run).await?;
        Ok(Crash {
            killed,
            events: history.len().saturating_sub(from),
            open: history.open(),
        })
    }

    /// Answers as the person who was asked.
    async fn answer(&self) -> Result<Vec<String>, CliError> {
        let history = History::read(&self.keiko, self.run).await?;
        let mut asked = Vec::new();
        for request in history.open_approvals() {
            let message =
                InboxMessage::Approval(request.answer(Decision::Approved, "demo crash", None));
            inbox::say(
                self.keiko.journal.as_ref(),
                self.run,
                &message,
                SystemClock.now(),
            )
            .await
            .map_err(|error| error.fault())?;
            asked.push(format!("{} ({})", request.summary, request.reason));
        }
        Ok(asked)
    }
}

fn lost(error: std::io::Error) -> CliError {
    Fault::new(
        Code::OWN_FILE_MISSING,
        say!("the process that works cannot be watched: {error}", error),
    )
    .into()
}

async fn wait(child: &mut Child) -> Result<i32, CliError> {
    child
        .wait()
        .await
        .map(|status| status.code().unwrap_or(-1))
        .map_err(lost)
}

/// The process that is killed: works on the run until it ends or waits.
pub(super) async fn life(
    home: Home,
    config: Config,
    place: &Path,
    run: &str,
) -> Result<ExitCode, CliError> {
    let run: RunId = run
        .parse()
        .map_err(|_| Fault::new(Code::RUN_UNKNOWN, "this is no run of the demonstration"))?;
    let language = config.language();
    let keiko = Keiko::open(home_in(place, &home), config)?;
    let yard = Yard {
        repo: place.join("dates"),
        remote: place.join("dates.git"),
    };
    let start = yard.start(run, GOAL, CRASH_MODEL, language)?;
    let script = script_of(&start)
        .ok_or_else(|| Fault::new(Code::BUILT_IN_NAME, "the demonstration has no script"))??;
    let record = Record::new(place.join(RECORD));
    let options = DriveOptions {
        lease: LEASE,
        ..DriveOptions::default()
    };
    let ports = keiko.driver(script, options)?.ports().clone();
    let ports = Ports {
        models: Arc::new(Noted {
            port: ports.models.clone(),
            record: record.clone(),
        }),
        sandbox: Arc::new(Noted {
            port: ports.sandbox.clone(),
            record: record.clone(),
        }),
        host: Arc::new(Noted {
            port: ports.host.clone(),
            record,
        }),
        ..ports
    };
    let driver = Driver::new(ports, options).of(crate::wiring::setup());
    let rest = loop {
        let order = match driver.fold(run).await {
            Ok(_) => Order::Resume {
                run,
                by: "demo crash".into(),
                terms: RunTerms::default(),
            },
            Err(FoldError::NoSuchRun(_)) => Order::Start(Box::new(start.clone())),
            Err(error) => return Err(error.fault().into()),
        };
        match driver
            .drive(order, Arc::new(Unwatched), Cancel::new())
            .await
        {
            // The process that was killed still holds the run.
            Err(DriveError::Live { for_ms, .. }) => {
                tokio::time::sleep(Duration::from_millis(for_ms.clamp(10, 500))).await
            }
            rest => break rest.map_err(|error| error.fault())?,
        }
    };
    keiko.close().await;
    Ok(match rest {
        Rest::Ended(end) if end.status == EndStatus::Succeeded => Exit::Ok,
        Rest::Ended(_) => Exit::Failed,
        Rest::Waiting(Suspension::Approval { .. }) => Exit::Waiting,
        Rest::Waiting(_) => Exit::Interrupted,
    }
    .into())
}
