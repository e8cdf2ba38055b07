//! Which actions would change a test, so that an existing one is not weakened unseen. What is protected are the tests that
//! existed when the work began, see [`crate::testing::ProtectedTests`].

pub use crate::testing::{is_test_file, is_test_path};

use keiko_contracts::action::Action;
use keiko_contracts::jail::JailOp;

/// The file that a write or an edit would change, if it is a test by its path. To be asked of files that existed at the
/// base; a file that holds tests beside its code is found by [`crate::testing::ProtectedTests`].
#[must_use]
pub fn touches_test(action: &Action) -> Option<&str> {
    written_path(action).filter(|path| is_test_path(path))
}

/// The file that a write or an edit would change.
#[must_use]
pub fn written_path(action: &Action) -> Option<&str> {
    match action {
        Action::Jail(jail) => match &jail.op {
            JailOp::WriteFile { path, .. } | JailOp::EditFile { path, .. } => Some(path),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::id::RunId;
    use keiko_contracts::jail::JailAction;

    #[test]
    fn only_changes_of_files_touch_a_test() {
        let action = |op| Action::Jail(JailAction { workspace: RunId::from_bytes([1; 10]), op, tree: None });
        let write = |path: &str| action(JailOp::WriteFile { path: path.into(), text: "".into() });
        assert_eq!(touches_test(&write("tests/a.rs")), Some("tests/a.rs"));
        assert_eq!(touches_test(&write("src/a.rs")), None);
        assert_eq!(touches_test(&action(JailOp::EditFile { path: "test_a.py".into(), edits: vec![] })), Some("test_a.py"));
        assert_eq!(touches_test(&action(JailOp::ReadFile { path: "test_a.py".into(), from_line: 1, lines: 1 })), None);
    }
}
