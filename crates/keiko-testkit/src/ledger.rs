//! A ledger outside the process under test: it appends, never removes, and counts exactly. It shows whether an effect
//! happened twice.
//!
//! Lines from a client: `APPEND key text`, `ONCE key text` (recognises a key it has seen), `COUNT key`, `HAS key`.
//! Lines in the file: `did key text` for what was done, `again key` for a recognised repetition.

use async_trait::async_trait;
use keiko_contracts::action::{Impact, Outcome, Probe, Recovery, ToolAction, ToolReport};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::id::EffectKey;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest line of a client.
const MAX_LINE: u64 = 64 << 10;

/// A ledger that a thread of this process serves until it ends.
#[derive(Debug)]
pub struct Ledger {
    addr: SocketAddr,
    path: PathBuf,
}

impl Ledger {
    /// Serves the ledger in `path` on a free port, in a thread. What the file holds stays.
    ///
    /// # Errors
    /// When the file or a port cannot be had.
    pub fn start(path: &Path) -> io::Result<Ledger> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let addr = listener.local_addr()?;
        let file = open(path)?;
        let own = path.to_owned();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || accept(&listener, file, own))?;
        Ok(Ledger {
            addr,
            path: path.to_owned(),
        })
    }
    /// The address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// How often an effect was really done.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self, key: &str) -> io::Result<usize> {
        count(&self.path, key)
    }
    /// Every key that was done, in order, as often as it was done.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn done(&self) -> io::Result<Vec<String>> {
        let text = std::fs::read_to_string(&self.path)?;
        Ok(text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("did ")?
                    .split(' ')
                    .next()
                    .map(str::to_owned)
            })
            .collect())
    }
}

/// Serves the ledger in `path` on an address until the process ends.
///
/// # Errors
/// When the file or the address cannot be had.
pub fn serve_blocking(addr: SocketAddr, path: &Path) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    accept(&listener, open(path)?, path.to_owned());
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn count(path: &Path, key: &str) -> io::Result<usize> {
    let text = std::fs::read_to_string(path)?;
    Ok(text
        .lines()
        .filter(|line| {
            line.strip_prefix("did ")
                .and_then(|rest| rest.split(' ').next())
                == Some(key)
        })
        .count())
}

fn accept(listener: &TcpListener, file: File, path: PathBuf) {
    let shared = Arc::new((Mutex::new(file), path));
    for stream in listener.incoming().flatten() {
        let shared = shared.clone();
        let _ = std::thread::Builder::new().spawn(move || {
            let _ = talk(stream, &shared.0, &shared.1);
        });
    }
}

fn talk(stream: TcpStream, file: &Mutex<File>, path: &Path) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?.take(u64::MAX));
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Ok(());
        }
        let mut words = line.trim_end().splitn(3, ' ');
        let (verb, key, text) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        // Held for the whole line: looking and appending are one deed.
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = count(path, key)?;
        let answer = match verb {
            "APPEND" => append(&mut file, &format!("did {key} {text}\n"), "OK"),
            "ONCE" if before == 0 => append(&mut file, &format!("did {key} {text}\n"), "OK"),
            "ONCE" => append(&mut file, &format!("again {key}\n"), "AGAIN"),
            "COUNT" => Ok(before.to_string()),
            "HAS" => Ok(if before > 0 { "YES" } else { "NO" }.to_owned()),
            _ => Ok("ERROR unknown verb".to_owned()),
        }?;
        drop(file);
        writer.write_all(format!("{answer}\n").as_bytes())?;
    }
}

fn append(file: &mut File, line: &str, answer: &str) -> io::Result<String> {
    file.write_all(line.as_bytes())?;
    Ok(answer.to_owned())
}

/// Asks the ledger one thing.
///
/// # Errors
/// When it cannot be reached within two seconds.
pub fn ask(addr: SocketAddr, verb: &str, key: &str, text: &str) -> io::Result<String> {
    let patience = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&addr, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    stream.write_all(format!("{verb} {key} {text}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// One tool for each recovery class, over a ledger: `ledger_repeat` (looks, and changes nothing), `ledger_same_key`,
/// `ledger_probe`, `ledger_person`.
#[derive(Debug, Clone)]
pub struct LedgerTools {
    addr: SocketAddr,
    pause: Duration,
}

/// What these tools' contracts say of their impact: one for each of their classes of recovery.
#[must_use]
pub fn impact_of(recovery: Recovery) -> Impact {
    match recovery {
        Recovery::Repeat => Impact::Read,
        Recovery::SameKey => Impact::Add,
        Recovery::Restore | Recovery::Probe | Recovery::Person => Impact::Change,
    }
}

impl LedgerTools {
    /// The names of the tools with their recovery classes.
    pub const TOOLS: [(&'static str, Recovery); 4] = [
        ("ledger_repeat", Recovery::Repeat),
        ("ledger_same_key", Recovery::SameKey),
        ("ledger_probe", Recovery::Probe),
        ("ledger_person", Recovery::Person),
    ];

    /// Tools over the ledger at an address.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        LedgerTools {
            addr,
            pause: Duration::ZERO,
        }
    }
    /// Pauses before and after each deed, so that a crash can fall in between.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    async fn ask(&self, verb: &'static str, key: &EffectKey, text: &str) -> io::Result<String> {
        let (addr, key, text) = (self.addr, key.to_string(), text.to_owned());
        tokio::task::spawn_blocking(move || ask(addr, verb, &key, &text))
            .await
            .map_err(io::Error::other)?
    }
}

/// Code of the faults of these tools.
const LEDGER: Code = Code::foreign(9901);

#[async_trait]
impl Perform<ToolAction> for LedgerTools {
    async fn perform(
        &self,
        permit: Permit<ToolAction>,
        _live: LiveSink,
        _cancel: Cancel,
    ) -> Outcome<ToolReport> {
        let (key, action) = permit.consume();
        let verb = match action.tool.as_str() {
            "ledger_repeat" => "COUNT",
            "ledger_same_key" => "ONCE",
            "ledger_probe" | "ledger_person" => "APPEND",
            other => {
                return Outcome::Failed(Fault::new(LEDGER, format!("there is no tool {other}")));
            }
        };
        tokio::time::sleep(self.pause).await;
        let answer = self.ask(verb, &key, action.arguments.text_or_empty()).await;
        tokio::time::sleep(self.pause).await;
        match answer {
            Ok(answer) => Outcome::Done(ToolReport {
                output: Content::new(answer),
                is_error: false,
            }),
            Err(e) => Outcome::Failed(
                Fault::new(LEDGER, format!("the ledger cannot be reached: {e}")).transient(None),
            ),
        }
    }

    async fn probe(&self, key: &EffectKey, action: &ToolAction) -> Probe<ToolReport> {
        if action.tool.as_str() != "ledger_probe" {
            return Probe::CannotTell {
                why: format!("{} cannot be asked", action.tool).into(),
            };
        }
        match self.ask("HAS", key, "").await.as_deref() {
            Ok("YES") => Probe::Happened(ToolReport {
                output: Content::new("OK"),
                is_error: false,
            }),
            Ok("NO") => Probe::DidNot,
            Ok(other) => Probe::CannotTell {
                why: format!("the ledger says {other}").into(),
            },
            Err(e) => Probe::CannotTell {
                why: format!("the ledger cannot be reached: {e}").into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_exactly_and_recognises_a_key_only_when_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(&dir.path().join("ledger")).unwrap();
        let say = |verb: &str, key: &str| ask(ledger.addr(), verb, key, "some\ntext").unwrap();
        assert_eq!(say("HAS", "a/1"), "NO");
        assert_eq!(
            (say("APPEND", "a/1"), say("APPEND", "a/1")),
            ("OK".into(), "OK".into()),
            "duplicates stay"
        );
        assert_eq!(
            (say("ONCE", "b"), say("ONCE", "b")),
            ("OK".into(), "AGAIN".into())
        );
        assert_eq!(
            (say("COUNT", "a/1"), say("COUNT", "b"), say("COUNT", "a")),
            ("2".into(), "1".into(), "0".into())
        );
        assert!(say("DELETE", "a/1").starts_with("ERROR"));
        assert_eq!(ledger.done().unwrap(), ["a/1", "a/1", "b"]);
        assert_eq!(ledger.count("a/1").unwrap(), 2);
    }

    #[tokio::test]
    async fn each_recovery_class_behaves_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(&dir.path().join("ledger")).unwrap();
        let tools = LedgerTools::new(ledger.addr());
        let run = keiko_contracts::id::RunId::from_bytes([1; 10]);
        for (ordinal, (name, recovery)) in LedgerTools::TOOLS.into_iter().enumerate() {
            let task = keiko_contracts::id::TaskId::main();
            let key = EffectKey {
                run,
                task,
                attempt: 1,
                step: 1,
                ordinal: u16::try_from(ordinal).unwrap(),
            };
            let action = ToolAction {
                tool: name.parse().unwrap(),
                arguments: Content::new("{}"),
                recovery,
                impact: impact_of(recovery),
            };
            let before = tools.probe(&key, &action).await;
            for _ in 0..2 {
                let outcome = tools
                    .perform(
                        Permit::for_test(key.clone(), action.clone()),
                        LiveSink::none(),
                        Cancel::new(),
                    )
                    .await;
                assert!(matches!(outcome, Outcome::Done(_)), "{name}");
            }
            let after = tools.probe(&key, &action).await;
            let done = match recovery {
                Recovery::Repeat => 0,
                Recovery::SameKey => 1,
                _ => 2,
            };
            assert_eq!(ledger.count(&key.to_string()).unwrap(), done, "{name}");
            if recovery == Recovery::Probe {
                assert!(matches!(
                    (before, after),
                    (Probe::DidNot, Probe::Happened(_))
                ));
            } else {
                assert!(matches!(after, Probe::CannotTell { .. }));
            }
        }
    }
}
