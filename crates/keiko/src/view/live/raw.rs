//! The terminal's own settings: single keys without echo, and back again on every way out.

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize, tcgetattr,
    tcgetwinsize, tcsetattr,
};
use std::io::Write as _;
use std::sync::{Mutex, Once, PoisonError};

/// The settings as they were found, while they are changed.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Bracketed paste on and off: a paste arrives as one piece and sends nothing by itself.
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l\x1b[0m";

/// Takes single keys without echo. Output is still translated, so that log lines stay in order. False when the terminal
/// does not take it.
pub(super) fn enter() -> bool {
    let stdin = std::io::stdin();
    let Ok(found) = tcgetattr(&stdin) else {
        return false;
    };
    let mut wanted = found.clone();
    wanted.local_modes -=
        LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
    wanted.input_modes -=
        InputModes::ICRNL | InputModes::INLCR | InputModes::IXON | InputModes::ISTRIP;
    wanted.special_codes[SpecialCodeIndex::VMIN] = 1;
    wanted.special_codes[SpecialCodeIndex::VTIME] = 0;
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
    });
    let mut kept = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if tcsetattr(&stdin, OptionalActions::Drain, &wanted).is_err() {
        return false;
    }
    kept.get_or_insert(found);
    // A terminal that does not know it ignores it.
    drop(std::io::stderr().lock().write_all(PASTE_ON));
    true
}

/// Puts the terminal back as it was found. What was typed and not read is thrown away: it was meant for the run, not for
/// the shell. May be called at any time and more than once.
pub(crate) fn restore() {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(found) = found {
        drop(std::io::stderr().lock().write_all(PASTE_OFF));
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &found);
    }
}

/// Columns and rows.
pub(super) fn size() -> (usize, usize) {
    match tcgetwinsize(std::io::stderr()) {
        Ok(Winsize { ws_col, ws_row, .. }) if ws_col > 0 && ws_row > 0 => {
            (ws_col.into(), ws_row.into())
        }
        _ => (80, 24),
    }
}
