use super::*;
use crate::view::Color;
use crossterm::event::{KeyCode, KeyModifiers};
use keiko_contracts::action::{ActionDigest, HostAction, ModelReport, Origin};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{RunId, TaskId};
use keiko_contracts::model::Stop;
use keiko_contracts::run::Ended;

fn board() -> Board {
    Board::new(
        Output::new(Color::Never, false, false),
        "maria".into(),
        true,
        false,
    )
}

fn key(step: u32) -> EffectKey {
    EffectKey {
        run: RunId::from_bytes([1; 10]),
        task: TaskId::main(),
        attempt: 1,
        step,
        ordinal: 0,
    }
}

fn request(step: u32) -> ApprovalRequest {
    let action = Action::Host(HostAction::Push {
        workspace: RunId::from_bytes([1; 10]),
        remote: "/srv/r.git".into(),
        branch: "fix/x".into(),
        commit: "a".repeat(40),
        expected: None,
    });
    let digest = ActionDigest(Digest::of(&[step as u8]));
    let id = keiko_governance::approval::approval_id(&key(step), digest);
    ApprovalRequest {
        id,
        key: key(step),
        action,
        digest,
        reason: "class `git_push`".into(),
        summary: "push".into(),
        expires: None,
    }
}

fn type_in(board: &mut Board, text: &str) -> Option<Deed> {
    for c in text.chars() {
        board.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
    board.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE))
}

fn said(deed: Option<Deed>) -> InboxMessage {
    match deed {
        Some(Deed::Say(message)) => message,
        other => panic!("nothing said: {other:?}"),
    }
}

#[test]
fn typed_words_steer() {
    let mut board = board();
    let InboxMessage::Words { by, text } = said(type_in(&mut board, "nimm ISO-Daten, bitte"))
    else {
        panic!("no words")
    };
    assert_eq!(
        (by.as_str(), text.text_or_empty()),
        ("maria", "nimm ISO-Daten, bitte")
    );
}

#[test]
fn an_approval_is_shown_in_full_and_answered_once() {
    let mut board = board();
    board.event(&RunEvent::ApprovalRequested(Box::new(request(1))));
    let shown = board.take_lines().join("\n");
    for part in [
        "push",
        "class `git_push`",
        "/srv/r.git",
        "fix/x",
        &"a".repeat(40),
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let InboxMessage::Approval(answer) = said(type_in(&mut board, "n, erst nach dem Review"))
    else {
        panic!("no answer")
    };
    assert_eq!(
        (answer.decision, answer.reason.as_deref()),
        (Decision::Denied, Some("erst nach dem Review"))
    );
    assert_eq!(
        (answer.id, answer.digest, answer.by.as_str()),
        (request(1).id, request(1).digest, "maria")
    );
    assert!(
        matches!(said(type_in(&mut board, "y")), InboxMessage::Words { .. }),
        "it was answered already"
    );
}

#[test]
fn a_question_mark_shows_all_of_what_is_decided_about() {
    let mut board = board();
    board.event(&RunEvent::ApprovalRequested(Box::new(request(1))));
    let diff = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-old\n+new\n";
    board.change(
        request(1).id,
        Change {
            subjects: vec!["abc1234 Fix it".into()],
            diff: diff.into(),
        },
    );
    let shown = board.take_lines().join("\n");
    assert!(
        shown.contains("1 commit, 1 file, +1, -1")
            && shown.contains("abc1234 Fix it")
            && !shown.contains("+new")
            && !shown.contains('{'),
        "{shown}"
    );
    assert!(
        board
            .key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE))
            .is_none()
    );
    assert!(board.take_lines().join("\n").contains("+new"));
    board.key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE));
    let data = board.take_lines().join("\n");
    assert!(
        data.contains("\"do\": \"push\"") && !data.contains("+new"),
        "{data}"
    );
    let InboxMessage::Approval(answer) = said(type_in(&mut board, "y")) else {
        panic!("no answer")
    };
    assert_eq!(answer.decision, Decision::Approved, "the key was no word");
    assert!(
        matches!(
            said(type_in(&mut board, "really?")),
            InboxMessage::Words { .. }
        ),
        "a word with a question mark is one"
    );
}

#[test]
fn an_answer_about_installing_is_remembered_when_that_is_wanted() {
    use keiko_contracts::jail::{JailAction, JailOp, Packages, Preparation, Prepare, Toolchain};
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::below(dir.path());
    let set = Preparation {
        toolchain: Toolchain::Python,
        dirs: vec![String::new()],
        commands: vec![vec!["pip".into(), "install".into(), "a b".into()]],
        cache_key: "k".into(),
        packages: Packages {
            count: 2,
            complete: true,
            bytes: None,
        },
        registries: vec!["pypi.org".into()],
        cached: false,
    };
    let op = JailOp::Prepare(Prepare { sets: vec![set] });
    let action = Action::Jail(JailAction {
        workspace: RunId::from_bytes([1; 10]),
        op,
        tree: None,
    });
    let request = ApprovalRequest {
        summary: keiko_agent::describe::action(&action),
        action,
        ..request(1)
    };
    let mut board = board().remembering(Some((memory.clone(), "/srv/shop".into())));
    board.event(&RunEvent::ApprovalRequested(Box::new(request)));
    let shown = board.take_lines().join("\n");
    assert!(
        shown.contains(
            "install 2 packages for Python from pypi.org; code of the packages runs in the sandbox"
        ),
        "{shown}"
    );
    assert!(
        !shown.contains("cache_key") && !shown.contains("pip install"),
        "{shown}"
    );
    board.key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE));
    assert!(
        board
            .take_lines()
            .join("\n")
            .contains("$ pip install 'a b'")
    );
    let InboxMessage::Approval(answer) = said(type_in(&mut board, "y always")) else {
        panic!("no answer")
    };
    assert_eq!((answer.decision, answer.reason), (Decision::Approved, None));
    let known = memory.about("/srv/shop").unwrap();
    assert_eq!(
        (known.answer, known.by.as_str(), known.registries),
        (Installing::Yes, "maria", vec!["pypi.org".to_owned()])
    );
}

#[test]
fn two_approvals_are_answered_in_their_order() {
    let mut board = board();
    board.event(&RunEvent::ApprovalRequested(Box::new(request(1))));
    board.event(&RunEvent::ApprovalRequested(Box::new(request(2))));
    for step in [1, 2] {
        let InboxMessage::Approval(answer) = said(type_in(&mut board, "y")) else {
            panic!("no answer")
        };
        assert_eq!(
            (answer.id, answer.decision),
            (request(step).id, Decision::Approved)
        );
    }
}

#[test]
fn what_was_typed_before_an_approval_came_does_not_answer_it() {
    let mut board = board();
    board.key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::NONE));
    board.event(&RunEvent::ApprovalRequested(Box::new(request(1))));
    let enter = board.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    assert!(matches!(said(enter), InboxMessage::Words { .. }));
    assert!(matches!(
        said(type_in(&mut board, "y")),
        InboxMessage::Approval(_)
    ));
}

#[test]
fn esc_stops_and_a_second_one_leaves() {
    let mut board = board();
    let esc = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
    assert!(matches!(
        board.key(esc),
        Some(Deed::Say(InboxMessage::Stop { .. }))
    ));
    assert!(matches!(board.key(esc), Some(Deed::Leave)));
}

#[test]
fn hostile_output_stays_text() {
    let mut board = board();
    let frame = LiveFrame::Output {
        delta: "\x1b[2J\x1b]0;owned\x07\u{202e}x\n".into(),
    };
    board.frame(&key(1), frame);
    let parts = serde_json::to_string(&[Part::Text {
        text: "done\x1b[1A\rfaked\u{9b}2K".into(),
    }])
    .unwrap();
    let report = ModelReport {
        reply: parts.into(),
        stop: Stop::End,
        usage: Usage {
            input: 5,
            ..Usage::default()
        },
        cost: Micros(7),
        unpriced: false,
        served_by: None,
        origin: Origin::Scripted,
        answered: None,
        first_token_ms: 0,
        duration_ms: 0,
    };
    let foot = board.foot(60, 24, Duration::from_secs(61));
    let ended = Ended {
        key: key(2),
        outcome: Outcome::Done(Report::Model(report)),
        tries: 1,
        recovered: false,
    };
    board.event(&RunEvent::EffectEnded(Box::new(ended)));
    let all = format!("{}{}", foot.rows.join(""), board.take_lines().join(""));
    assert!(!all.chars().any(char::is_control), "{all:?}");
    assert!(
        all.contains("owned") && all.contains("faked") && all.contains("1:01"),
        "{all:?}"
    );
    assert!(
        board
            .foot(80, 24, Duration::ZERO)
            .rows
            .join("")
            .contains("5 tokens")
    );
}

#[test]
fn the_foot_fits_any_terminal() {
    let mut board = board();
    board.frame(
        &key(1),
        LiveFrame::Text {
            delta: "Größe über alles und 日本語 ".repeat(40),
        },
    );
    board.event(&RunEvent::ApprovalRequested(Box::new(request(1))));
    type_in(&mut board, "");
    board.paste(&"ä".repeat(300));
    for width in 3..120 {
        for height in [1, 2, 5, 24] {
            let foot = board.foot(width, height, Duration::from_secs(3_600));
            assert!(
                foot.rows.len() <= height.max(1),
                "{height} rows: {:?}",
                foot.rows
            );
            for row in &foot.rows {
                assert!(columns(row) < width.max(4), "{width} columns: {row:?}");
            }
            assert!(foot.cursor < width.max(5));
        }
    }
}

#[test]
fn when_nobody_draws_the_oldest_lines_go() {
    let mut board = board();
    for n in 0..WAITING_MAX + 10 {
        board.tell(&n.to_string());
    }
    let lines = board.take_lines();
    assert_eq!(lines.len(), WAITING_MAX + 1);
    assert_eq!(lines.last().map(String::as_str), Some("5009"));
}

#[test]
fn rules_are_not_spoken_to() {
    let mut board = Board::new(
        Output::new(Color::Never, false, false),
        "maria".into(),
        true,
        true,
    );
    assert!(type_in(&mut board, "nimm ISO-Daten").is_none());
    assert!(board.take_lines().join("").contains("hears no words"));
    let foot = board.foot(80, 24, Duration::ZERO).rows.join("\n");
    assert!(
        !foot.contains("Say something") && !foot.contains("tokens") && foot.contains("Esc stops"),
        "{foot}"
    );
    board.frame(
        &key(1),
        LiveFrame::Output {
            delta: "{\"raw\": 1}".into(),
        },
    );
    assert!(
        !board
            .foot(80, 24, Duration::ZERO)
            .rows
            .join("")
            .contains("raw")
    );
    board.event(&RunEvent::ApprovalRequested(Box::new(request(1))));
    assert!(
        matches!(said(type_in(&mut board, "y")), InboxMessage::Approval(_)),
        "an approval is answered all the same"
    );
}

#[test]
fn the_status_line_is_in_the_language_of_whoever_reads_it() {
    use keiko_contracts::asked::{Asked, Chore};
    use keiko_contracts::jail::{JailAction, JailOp};
    use keiko_contracts::journal::Epoch;
    use keiko_contracts::language::Language;
    let output = Output::new(Color::Never, false, false).in_language(Language::German);
    let mut board = Board::new(output, "maria".into(), true, false);
    let run = RunId::from_bytes([1; 10]);
    let survey = Action::Jail(JailAction {
        workspace: run,
        op: JailOp::Survey,
        tree: None,
    });
    let asked = Asked::Harness(Chore::Open);
    let intent = keiko_governance::intent::intent(key(1), survey, asked, Epoch(0)).unwrap();
    board.event(&RunEvent::EffectIntended(Box::new(intent)));
    let foot = board.foot(80, 20, Duration::from_secs(61));
    assert!(
        foot.rows[0].starts_with("eine eigene Kopie anlegen · Schritt 1 · 1:01"),
        "{:?}",
        foot.rows
    );
}
