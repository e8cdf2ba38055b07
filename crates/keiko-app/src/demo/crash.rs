//! `demo crash`: a process that works on a run is killed with SIGKILL, again and again, and started anew. At the end
//! the journal is held against an account that was kept outside it.

use super::check::{self, History};
use super::record::{Noted, Record, install_hook};
use super::{Place, Yard};
use crate::config::Config;
use crate::home::Home;
use crate::random::random;
use crate::scripts::{CRASH_MODEL, script_of};
use crate::start;
use crate::wiring::{Keiko, setup};
use keiko_agent::state::RunState;
use keiko_contracts::agent::Agent;
use keiko_contracts::approval::Decision;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::run::{EndStatus, InboxMessage, RunTerms, StartRun, Suspension};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_ports::model::ChatModel;
use keiko_runtime::drive::{DriveError, Driver, DriverOf, Order, Rest, Unwatched};
use keiko_runtime::fold::FoldError;
use keiko_runtime::ports::{DriveOptions, Ports};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};

pub use super::check::{Crash, Verdict};

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

/// How the process that is killed ends, when it ends by itself: what one says to the other with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEnd {
    /// The run reached its goal.
    Succeeded = 0,
    /// It ended otherwise.
    Failed = 1,
    /// It waits for an answer.
    Waiting = 5,
    /// It waits for something else.
    Interrupted = 130,
}

/// What happens meanwhile, for whoever looks on.
pub enum Meanwhile<'a> {
    /// A run begins.
    Begins(RunId),
    /// Its process was killed.
    Killed(&'a Crash),
    /// It has ended; its files are kept here.
    Kept(&'a Path),
}

/// Kills and resumes until the kills are used up and the run has ended; as many runs as that takes. `leave` is that of
/// [`Keiko::open`].
///
/// # Errors
/// When a run does not come to its end, or the demonstration cannot be set up.
pub async fn run(
    home: &Home,
    config: Config,
    rounds: u32,
    leave: fn(),
    mut tell: impl FnMut(Meanwhile<'_>),
) -> Result<Verdict, Fault> {
    let (mut left, mut verdicts, mut places) = (rounds, Vec::new(), Vec::new());
    while left > 0 {
        let stage = Stage::new(home, config.clone(), leave, &places)?;
        places.push(stage.place.clone());
        tell(Meanwhile::Begins(stage.run));
        let mut crashes = Vec::new();
        let asked = stage
            .play(&mut left, &mut crashes, |crash| {
                tell(Meanwhile::Killed(crash));
            })
            .await?;
        let history = History::read(&stage.keiko, stage.run).await?;
        stage.keiko.close().await;
        verdicts.push(check::check(
            &history,
            &stage.record.read()?,
            &stage.yard,
            &crashes,
            asked,
        )?);
        tell(Meanwhile::Kept(&stage.place));
    }
    Ok(Verdict::sum(&verdicts))
}

impl Stage {
    fn new(home: &Home, config: Config, leave: fn(), earlier: &[PathBuf]) -> Result<Stage, Fault> {
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
        let keiko = Keiko::open(home_in(&place, home), config, leave)?;
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
    ) -> Result<Vec<Said>, Fault> {
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
                Some(code) if code == LifeEnd::Succeeded as i32 => return Ok(asked),
                Some(code) if code == LifeEnd::Waiting as i32 => asked.extend(self.answer().await?),
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
                        return Err(fault.at(self.place.display()));
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

    async fn events(&self) -> Result<u64, Fault> {
        check::head(self.keiko.journal.as_ref(), self.run).await
    }

    /// Kills the process once it has written some events, and a little later. `Some` when it ended before.
    async fn kill_somewhere(&self, child: &mut Child, from: u64) -> Result<Option<i32>, Fault> {
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
    async fn crash(&self, from: u64, killed: bool) -> Result<Crash, Fault> {
        let history = History::read(&self.keiko, self.run).await?;
        Ok(Crash {
            killed,
            events: history.len().saturating_sub(from),
            open: history.open(),
        })
    }

    /// Answers as the person who was asked.
    async fn answer(&self) -> Result<Vec<Said>, Fault> {
        let history = History::read(&self.keiko, self.run).await?;
        let mut asked = Vec::new();
        for request in history.open_approvals() {
            let message =
                InboxMessage::Approval(request.answer(Decision::Approved, "demo crash", None));
            self.keiko.inbox(self.run).say(&message).await?;
            asked.push(say!(
                "{summary} ({reason})",
                summary = request.summary,
                reason = request.reason
            ));
        }
        Ok(asked)
    }
}

fn lost(error: std::io::Error) -> Fault {
    Fault::new(
        Code::OWN_FILE_MISSING,
        say!("the process that works cannot be watched: {error}", error),
    )
}

async fn wait(child: &mut Child) -> Result<i32, Fault> {
    child
        .wait()
        .await
        .map(|status| status.code().unwrap_or(-1))
        .map_err(lost)
}

/// The process that is killed: works on the run until it ends or waits. `by` is who began it.
///
/// # Errors
/// When the run cannot be driven.
pub async fn life(
    home: &Home,
    config: Config,
    place: &Path,
    run: &str,
    leave: fn(),
    by: &str,
) -> Result<LifeEnd, Fault> {
    let run: RunId = run
        .parse()
        .map_err(|_| Fault::new(Code::RUN_UNKNOWN, "this is no run of the demonstration"))?;
    let language = config.language();
    let keiko = Keiko::open(home_in(place, home), config, leave)?;
    let yard = Yard {
        repo: place.join("dates"),
        remote: place.join("dates.git"),
    };
    let start = StartRun {
        run,
        ..start::plain(by, GOAL, Agent::Coder)?
    };
    let start = yard.start(start, CRASH_MODEL, language)?;
    let script = script_of(&start)
        .ok_or_else(|| Fault::new(Code::BUILT_IN_NAME, "the demonstration has no script"))??;
    let driver = noted(&keiko, script, Record::new(place.join(RECORD)));
    let rest = to_its_rest(&driver, start).await?;
    keiko.close().await;
    Ok(match rest {
        Rest::Ended(end) if end.status == EndStatus::Succeeded => LifeEnd::Succeeded,
        Rest::Ended(_) => LifeEnd::Failed,
        Rest::Waiting(Suspension::Approval { .. }) => LifeEnd::Waiting,
        Rest::Waiting(_) => LifeEnd::Interrupted,
    })
}

/// A driver whose ports note what they do.
fn noted(keiko: &Keiko, script: Arc<dyn ChatModel>, record: Record) -> DriverOf<RunState> {
    let options = DriveOptions {
        lease: LEASE,
        ..DriveOptions::default()
    };
    let ports = keiko.driver().ports().clone();
    let ports = Ports {
        models: Arc::new(Noted {
            port: script,
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
    Driver::new(ports, options).of(setup())
}

/// Begins the run, or takes it up again, as often as it takes.
async fn to_its_rest(driver: &DriverOf<RunState>, start: StartRun) -> Result<Rest, Fault> {
    let run = start.run;
    loop {
        let order = match driver.fold(run).await {
            Ok(_) => Order::Resume {
                run,
                by: "demo crash".into(),
                terms: RunTerms::default(),
            },
            Err(FoldError::NoSuchRun(_)) => Order::Start(Box::new(start.clone())),
            Err(error) => return Err(error.fault()),
        };
        match driver
            .drive(order, Arc::new(Unwatched), Cancel::new())
            .await
        {
            // The process that was killed still holds the run.
            Err(DriveError::Live { for_ms, .. }) => {
                tokio::time::sleep(Duration::from_millis(for_ms.clamp(10, 500))).await
            }
            rest => return rest.map_err(|error| error.fault()),
        }
    }
}
