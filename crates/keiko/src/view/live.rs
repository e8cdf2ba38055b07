//! The live view of a run on a terminal: what happens scrolls by; at the foot stand what runs now and a line to type.
//!
//! No alternate screen: what has scrolled stays. Only two threads touch the terminal, one draws and one reads keys; the
//! run never waits for either of them.

mod board;
mod canvas;
mod line;
mod raw;

use super::clean::wrapped;
use super::{Output, Tone, Watch};
use crate::language::tr;
use board::{Board, Deed};
use canvas::Canvas;
use crossterm::event::Event;
use futures_util::future::BoxFuture;
use keiko_app::change::{Change, has_change};
use keiko_app::going::Inbox;
use keiko_app::memory::Memory;
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::id::EffectKey;
use keiko_contracts::journal::Recorded;
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::{InboxMessage, RunEvent};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use raw::restore;

/// Ends this process at once, with the terminal as it was found.
pub(crate) fn leave() {
    restore();
    std::process::exit(crate::error::Exit::Interrupted as i32);
}

/// The shortest time between two drawings, and the longest: the clock at the foot goes on.
const BETWEEN: Duration = Duration::from_millis(33);
const TICK: Duration = Duration::from_secs(1);
/// Messages typed faster than the journal takes them.
const MESSAGES_MAX: usize = 64;

/// Something that shows a line.
pub(crate) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What the threads and the run share.
struct Shared {
    board: Mutex<Board>,
    bell: Condvar,
    over: AtomicBool,
    /// The terminal takes single keys and lets the cursor move.
    raw: bool,
    begun: Instant,
    /// Looks up what a question is about.
    look: Option<Look>,
    /// The view itself, for what is looked up.
    own: Weak<Shared>,
}

/// Looks up the change behind a question.
pub(crate) type Look =
    Box<dyn Fn(ApprovalRequest) -> BoxFuture<'static, Option<Change>> + Send + Sync>;

/// Whose run is shown, and what the view may need for its questions.
pub(crate) struct Subject {
    /// Under which name answers are given.
    pub(crate) by: String,
    /// Its agent works by rules, and hears no words.
    pub(crate) native: bool,
    /// Looks up the change behind a question.
    pub(crate) look: Option<Look>,
    /// Where answers are remembered, and for which folder.
    pub(crate) memory: Option<(Memory, String)>,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn tell(&self, text: &str) {
        self.board().tell(text);
        self.bell.notify_one();
    }
}

impl Watch for Shared {
    fn event(&self, _: &Recorded, event: &RunEvent) {
        self.board().event(event);
        self.bell.notify_one();
        if let (RunEvent::ApprovalRequested(request), Some(look), Some(own)) =
            (event, &self.look, self.own.upgrade())
            && has_change(&request.action)
        {
            let (id, found) = (request.id, look((**request).clone()));
            tokio::spawn(async move {
                if let Some(change) = found.await {
                    own.board().change(id, change);
                    own.bell.notify_one();
                }
            });
        }
    }
    fn frame(&self, key: &EffectKey, frame: &LiveFrame) {
        self.board().frame(key, frame.clone());
        self.bell.notify_one();
    }
}

/// The live view while it is up. Dropped or ended, it leaves the terminal as it was.
pub(crate) struct Screen {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    deliver: Option<tokio::task::JoinHandle<()>>,
    resized: tokio::task::JoinHandle<()>,
    /// Closed, it wakes the thread that waits for keys.
    wake: Option<OwnedFd>,
}

impl Screen {
    /// Puts the live view up. What is typed goes to the run's inbox.
    pub(crate) fn start(output: Output, inbox: Inbox, subject: Subject) -> Screen {
        let Subject {
            by,
            native,
            look,
            memory,
        } = subject;
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let raw = !dumb && raw::enter();
        let shared = Arc::new_cyclic(|own| Shared {
            board: Mutex::new(Board::new(output, by, raw, native).remembering(memory)),
            bell: Condvar::new(),
            over: AtomicBool::new(false),
            raw,
            begun: Instant::now(),
            look,
            own: own.clone(),
        });
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let deliver = tokio::spawn(deliver(inbox, messages, output, shared.clone()));
        let resized = tokio::spawn(resized(shared.clone()));
        let mut threads = Vec::new();
        let drawn = shared.clone();
        threads.extend(
            std::thread::Builder::new()
                .name("screen".into())
                .spawn(move || draw(&drawn, output)),
        );
        let mut wake = None;
        if let Ok((woken, waker)) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) {
            let typed = shared.clone();
            let keys = move || {
                if raw {
                    keys(&typed, &woken, &sender)
                } else {
                    lines(&typed, &woken, &sender)
                }
            };
            threads.extend(std::thread::Builder::new().name("keys".into()).spawn(keys));
            wake = Some(waker);
        }
        Screen {
            shared,
            threads,
            deliver: Some(deliver),
            resized,
            wake,
        }
    }

    /// Watches the run for the view.
    pub(crate) fn watch(&self) -> Arc<dyn Watch> {
        self.shared.clone()
    }

    /// Shows lines beside those of the run.
    pub(crate) fn say(&self) -> Say {
        let shared = self.shared.clone();
        Arc::new(move |text| shared.tell(text))
    }

    /// Takes the view down; what was typed reaches the journal first.
    pub(crate) async fn end(mut self) {
        self.down();
        if let Some(deliver) = self.deliver.take() {
            drop(tokio::time::timeout(Duration::from_secs(2), deliver).await);
        }
    }

    fn down(&mut self) {
        // Under the lock, so that the word does not fall between the drawing thread's look and its sleep.
        let board = self.shared.board();
        self.shared.over.store(true, Ordering::Release);
        drop(board);
        self.shared.bell.notify_all();
        drop(self.wake.take());
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
        self.resized.abort();
        if self.shared.raw {
            raw::restore();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.down();
    }
}

/// Puts what was typed into the inbox.
async fn deliver(
    inbox: Inbox,
    mut messages: mpsc::Receiver<InboxMessage>,
    output: Output,
    shared: Arc<Shared>,
) {
    while let Some(message) = messages.recv().await {
        if let Err(why) = inbox.say(&message).await {
            let text = tr!(
                output,
                "what you typed could not be kept: {}",
                "Ihre Eingabe ließ sich nicht festhalten: {}",
                output.told(&why.message)
            );
            shared.tell(&output.paint(Tone::Bad, &text));
        }
    }
}

async fn resized(shared: Arc<Shared>) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    while changes.recv().await.is_some() {
        shared.board().changed();
        shared.bell.notify_one();
    }
}

/// Draws when there is something new, and once a second.
fn draw(shared: &Shared, output: Output) {
    let mut canvas = Canvas::default();
    loop {
        let over = shared.over.load(Ordering::Acquire);
        let (width, height) = raw::size();
        let mut board = shared.board();
        let lines = board.take_lines();
        let foot = (shared.raw && !over).then(|| board.foot(width, height, shared.begun.elapsed()));
        drop(board);
        let shown = lines.iter().filter(|_| !output.quiet());
        let lines: Vec<String> = if shared.raw {
            shown
                .flat_map(|line| wrapped(line, width.saturating_sub(1), board::MARGIN.len()))
                .collect()
        } else {
            shown.cloned().collect()
        };
        let text = canvas.draw(&lines, foot, width);
        let mut err = std::io::stderr().lock();
        let written = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        drop(err);
        if over || written.is_err() {
            return;
        }
        std::thread::sleep(BETWEEN);
        let board = shared.board();
        let idle = |board: &mut Board| !shared.over.load(Ordering::Acquire) && !board.is_changed();
        drop(shared.bell.wait_timeout_while(board, TICK, idle));
    }
}

/// Waits for something to read; false when the view is taken down or the terminal is gone.
fn readable(woken: &OwnedFd) -> bool {
    loop {
        let stdin = std::io::stdin();
        let mut fds = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::new(woken, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return false,
            Ok(_) => {}
        }
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if !fds[1].revents().is_empty() || fds[0].revents().intersects(gone) {
            return false;
        }
        if fds[0].revents().contains(PollFlags::IN) {
            return true;
        }
    }
}

fn keys(shared: &Shared, woken: &OwnedFd, sender: &mpsc::Sender<InboxMessage>) {
    while readable(woken) {
        while let Ok(true) = crossterm::event::poll(Duration::ZERO) {
            let Ok(event) = crossterm::event::read() else {
                return;
            };
            let mut board = shared.board();
            let deed = match event {
                Event::Key(key) => board.key(key),
                Event::Paste(text) => {
                    board.paste(&text);
                    None
                }
                _ => None,
            };
            board.changed();
            drop(board);
            shared.bell.notify_one();
            match deed {
                None => {}
                Some(Deed::Say(message)) => send(shared, sender, message),
                Some(Deed::Leave) => {
                    // As after a second Ctrl-C: what runs is recovered when the run is resumed.
                    leave();
                }
            }
        }
    }
}

/// Whole lines from a terminal that knows nothing better.
fn lines(shared: &Shared, woken: &OwnedFd, sender: &mpsc::Sender<InboxMessage>) {
    let (mut typed, mut chunk) = (Vec::new(), [0; 4096]);
    while readable(woken) {
        let Ok(count @ 1..) = std::io::stdin().lock().read(&mut chunk) else {
            return;
        };
        typed.extend_from_slice(&chunk[..count]);
        while let Some(end) = typed.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = typed.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if !line.is_empty() {
                let message = shared.board().say(&line, true);
                if let Some(message) = message {
                    send(shared, sender, message);
                }
            }
        }
        if typed.len() > 64 << 10 {
            typed.clear();
        }
    }
}

fn send(shared: &Shared, sender: &mpsc::Sender<InboxMessage>, message: InboxMessage) {
    if sender.try_send(message).is_err() {
        let text = shared.board().too_fast();
        shared.tell(text);
    }
}
