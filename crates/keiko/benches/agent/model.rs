//! The model server, in a process of its own so that its work is not counted as the agent's.

use anyhow::{Context as _, Result, bail};
use keiko_testkit::models::{Script, Turn, serve_blocking};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How many actions a run of the paced model takes; then it finishes.
pub(crate) const ACTIONS: u32 = 10;
/// How long the paced model takes for each answer.
pub(crate) const PACE: Duration = Duration::from_millis(200);

/// What the server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The same action again and again, at once.
    Endless,
    /// [`ACTIONS`] actions and a finish, at once.
    Ten,
    /// The same, each answer after [`PACE`].
    Paced,
}

/// A turn of about the size that models write: a sentence or two and a call.
fn action() -> Turn {
    let text = "The failing case is the leap year: the parser takes 29 February for an error. I look at the code that checks the day first.";
    Turn {
        text: Some(text.to_owned()),
        ..Turn::call(
            "look",
            r#"{"path":"src/calendar/parser.py","from_line":120,"lines":40}"#,
        )
    }
}

/// Plays the server until standard input ends, which it does with the process that started this one.
pub(crate) fn serve(addr: SocketAddr, kind: Kind) -> Result<()> {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
    let finish = Turn::call(
        "finish",
        r#"{"summary":"The parser accepts leap days now; a test covers it."}"#,
    );
    let ten = || std::iter::repeat_n(action(), ACTIONS as usize).chain([finish]);
    let script = match kind {
        Kind::Endless => Script::zero_latency([action()]),
        Kind::Ten => Script::zero_latency(ten()),
        Kind::Paced => Script::paced(PACE, ten()),
    };
    serve_blocking(addr, script).context("the model server stopped")
}

/// A running server. Ends when dropped.
pub(crate) struct ModelServer {
    child: Child,
    addr: SocketAddr,
}

impl ModelServer {
    pub(crate) fn start(kind: Kind) -> Result<ModelServer> {
        let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let value = clap::ValueEnum::to_possible_value(&kind).context("a kind has a name")?;
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", &addr.to_string(), value.get_name()])
            .stdin(Stdio::piped())
            .spawn()
            .context("the model server does not start")?;
        let server = ModelServer { child, addr };
        for _ in 0..500 {
            if TcpStream::connect(addr).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the model server does not answer on {addr}")
    }

    /// The base URL of the chat family.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
