//! How runs end, and what they wait for on the way.

use crate::kit::{Case, Person, Turn, check};
use insta::assert_snapshot;
use keiko_agent::native::{NativeEngine, NativeFinish, NativeStep};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::approval::Decision;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{EndStatus, RunLimits};
use keiko_governance::class::ActionClass;
use keiko_governance::policy::Level;
use serde_json::{Value, json};

type Call = (&'static str, Value);

fn finish() -> Call {
    ("finish", json!({"summary": "Done."}))
}
fn write(path: &str, text: &str) -> Call {
    ("write_file", json!({"path": path, "text": text}))
}
fn read(path: &str) -> Call {
    ("read_file", json!({"path": path}))
}
fn one(call: Call) -> Turn {
    Turn::Calls(vec![call])
}

#[test]
fn nothing_was_changed() {
    let case = Case {
        goal: "Look at the code",
        turns: vec![one(read("code")), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    read_file: read code from line 1
    2.0 asks the model
    ends unverified: Done.
    ");
}

#[test]
fn without_a_workspace() {
    let case = Case {
        goal: "What is a fold?",
        files: None,
        turns: vec![one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    1.0 asks the model
    ends succeeded: Done.
    ");
}

#[test]
fn words_are_a_claim() {
    let case = Case {
        goal: "What is a fold?",
        files: None,
        turns: vec![Turn::Says("A fold makes one thing of many.")],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    1.0 asks the model
    ends succeeded: A fold makes one thing of many.
    ");
}

#[test]
fn red_turns_green_and_is_proved_backwards() {
    let case = Case {
        turns: vec![one(write("code", "right")), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write code (5 bytes)
    2.0 asks the model
    harness: run the tests at the end
    tests: 1 passed, 0 failed
    harness: see what changed in existing tests
    harness: take the change back, to see the tests fail without it
    harness: run the tests without the change
      Exit(1)
    harness: put the change in again
    ends succeeded: Done.
    ");
}

#[test]
fn tests_that_stay_red_are_asked_about() {
    let about = (
        "finish",
        json!({"summary": "Described.", "red_tests_in_goal": false}),
    );
    let case = Case {
        goal: "Describe the code in a file",
        turns: vec![
            one(write("README", "It is code.")),
            one(finish()),
            one(about),
        ],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write README (11 bytes)
    2.0 asks the model
    harness: run the tests at the end
      Exit(1)
    tests: 0 passed, 1 failed
      sent back: Not accepted. The harness ran the tests: 1 still fail, as at the start: t.T.test_it. If making them...
    3.0 asks the model
    harness: see what changed in existing tests
    ends succeeded: Described.
    ");
}

#[test]
fn a_claim_on_red_tests_is_sent_back_three_times() {
    let case = Case {
        goal: "Make the tests pass",
        turns: vec![one(write("code", "still not")), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write code (9 bytes)
    2.0 asks the model
    harness: run the tests at the end
      Exit(1)
    tests: 0 passed, 1 failed
      sent back: Not accepted. The goal asks for tests that fail still: t.T.test_it. Make them pass.
    3.0 asks the model
      sent back: Not accepted. The goal asks for tests that fail still: t.T.test_it. Make them pass.
    4.0 asks the model
      sent back: Not accepted. The goal asks for tests that fail still: t.T.test_it. Make them pass.
    5.0 asks the model
    harness: see what changed in existing tests
    ends failed [KEI-6201]: Done.
    ");
}

#[test]
fn a_claim_in_words_on_red_tests_is_sent_back_twice() {
    let case = Case {
        goal: "Make the tests pass",
        turns: vec![one(write("code", "still not")), Turn::Says("It is done.")],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write code (9 bytes)
    2.0 asks the model
    harness: run the tests at the end
      Exit(1)
    tests: 0 passed, 1 failed
      sent back: Not accepted. The goal asks for tests that fail still: t.T.test_it. Make them pass.
    3.0 asks the model
      sent back: Not accepted. The goal asks for tests that fail still: t.T.test_it. Make them pass.
    4.0 asks the model
    harness: see what changed in existing tests
    ends failed [KEI-6201]: It is done.
    ");
}

#[test]
fn a_project_without_tests() {
    let case = Case {
        files: Some(&[("code", "wrong")]),
        turns: vec![one(write("code", "right")), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    1.0 asks the model
    write_file: write code (5 bytes)
    2.0 asks the model
    harness: see what changed in existing tests
    ends unverified: Done.
    ");
}

#[test]
fn tests_that_the_model_runs_are_observed() {
    let case = Case {
        turns: vec![
            one(("run_tests", json!({}))),
            one(write("code", "right")),
            one(("run_tests", json!({}))),
            one(finish()),
        ],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    run_tests: python3 /harness/keiko_run.py unittest -v
      Exit(1)
    tests: 0 passed, 1 failed
      sent back: python3 -m unittest -v: 0 passed, 1 failed, 0 errors, 0 skipped
    2.0 asks the model
    write_file: write code (5 bytes)
    3.0 asks the model
    run_tests: python3 /harness/keiko_run.py unittest -v
    tests: 1 passed, 0 failed
    4.0 asks the model
    harness: see what changed in existing tests
    harness: take the change back, to see the tests fail without it
    harness: run the tests without the change
      Exit(1)
    harness: put the change in again
    ends succeeded: Done.
    ");
}

#[test]
fn a_claim_beside_a_call_that_fails_is_overtaken() {
    let miss = (
        "edit_file",
        json!({"path": "../up", "edits": [{"old": "a", "new": "b"}]}),
    );
    let case = Case {
        turns: vec![Turn::Calls(vec![miss, finish()]), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
      Arguments refuses edit_file: `path` is `../up`: `..` is not allowed; give a path from the root of the workspac...
      Overtaken refuses finish: Not accepted: of the calls in the same answer, edit_file failed, and you have not se...
    2.0 asks the model
    ends unverified: Done.
    ");
}

#[test]
fn an_answer_that_is_cut_off_is_not_carried_out() {
    let case = Case {
        turns: vec![Turn::CutOff(vec![write("code", "ri")])],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
      CutOff refuses write_file: Your answer was cut off at the output limit of 8192 tokens, so nothing that stood i...
    2.0 asks the model
      CutOff refuses write_file: Your answer was cut off at the output limit of 16384 tokens, so nothing that stood ...
    3.0 asks the model
      CutOff refuses write_file: Your answer was cut off at the output limit of 16384 tokens, so nothing that stood ...
    ends failed [KEI-6221]
    ");
}

#[test]
fn answers_that_say_nothing() {
    let case = Case {
        turns: vec![Turn::Nothing],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    note, Model: Your answer was empty. Call a tool, or `finish`.
    2.0 asks the model
    note, Model: Your answer was empty. Call a tool, or `finish`.
    3.0 asks the model
    ends failed [KEI-6204]
    ");
}

#[test]
fn the_same_again_and_again() {
    let case = Case {
        turns: vec![one(read("code"))],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    read_file: read code from line 1
    2.0 asks the model
    read_file: read code from line 1
    3.0 asks the model
      LoopGuard refuses read_file: This exact call has come out the same several times and nothing has changed since...
    4.0 asks the model
      LoopGuard refuses read_file: This exact call has come out the same several times and nothing has changed since...
    5.0 asks the model
      LoopGuard refuses read_file: This exact call has come out the same several times and nothing has changed since...
    ends failed [KEI-6220]
    ");
}

#[test]
fn tools_that_there_are_not() {
    let case = Case {
        turns: vec![one(("fly_away", json!({}))), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
      Arguments refuses fly_away: there is no tool `fly_away`; there are: ask_operator, edit_file, execute, execute_...
    2.0 asks the model
    ends unverified: Done.
    ");
}

#[test]
fn arguments_that_make_no_sense() {
    let case = Case {
        turns: vec![one(("read_file", json!({"path": 5}))), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
      Arguments refuses read_file: `path` is the number 5; expected text: The file.
    2.0 asks the model
    ends unverified: Done.
    ");
}

#[test]
fn steps_are_used_up() {
    let case = Case {
        turns: vec![
            one(write("a", "1")),
            one(write("a", "2")),
            one(write("a", "3")),
        ],
        limits: RunLimits {
            max_steps: 2,
            ..RunLimits::default()
        },
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write a (1 byte)
    2.0 asks the model
    write_file: write a (1 byte)
    waits [KEI-6101]
    ");
}

#[test]
fn money_is_used_up() {
    let case = Case {
        turns: vec![
            one(write("a", "1")),
            one(write("a", "2")),
            one(write("a", "3")),
        ],
        limits: RunLimits {
            budget: Some(Micros(1_000_000)),
            ..RunLimits::default()
        },
        price: Micros(600),
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write a (1 byte)
    2.0 asks the model
    write_file: write a (1 byte)
    waits [KEI-6103]
    ");
}

#[test]
fn time_is_used_up() {
    let case = Case {
        turns: vec![
            one(write("a", "1")),
            one(write("a", "2")),
            one(write("a", "3")),
        ],
        limits: RunLimits {
            max_seconds: 10,
            ..RunLimits::default()
        },
        takes: 1_500,
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    write_file: write a (1 byte)
    2.0 asks the model
    write_file: write a (1 byte)
    waits [KEI-6102]
    ");
}

#[test]
fn a_context_that_does_not_hold_the_rules() {
    let case = Case {
        turns: vec![one(finish())],
        limits: RunLimits {
            context_tokens: 2_000,
            ..RunLimits::default()
        },
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    waits [KEI-6222]
    ");
}

#[test]
fn a_question_waits_for_its_answer() {
    let case = Case {
        turns: vec![
            one(("ask_operator", json!({"question": "Which?"}))),
            one(finish()),
        ],
        people: vec![Person::Says("The second.")],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    waits for an answer: Which?
    operator: The second.
    2.0 asks the model
    ends unverified: Done.
    ");
}

#[test]
fn a_question_in_words_to_nobody() {
    let case = Case {
        turns: vec![Turn::Says("Which of the two do you mean?")],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    note, Question: the agent asked, and nobody was there to answer: Which of the two do you mean?
    ends unverified: Which of the two do you mean?
    ");
}

#[test]
fn what_was_announced_and_not_done() {
    let case = Case {
        turns: vec![Turn::Says("Let me look at the code first."), one(finish())],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    note, Words: You said what you are going to do, and did not do it: your answer held no call of a tool. Make th...
    2.0 asks the model
    ends unverified: Done.
    ");
}

const ASKING: &[(ActionClass, Level)] = &[(ActionClass::Execute, Level::Ask)];

#[test]
fn an_approval_is_given_once() {
    let run = || ("execute", json!({"command": "append log x"}));
    let case = Case {
        files: Some(&[("code", "wrong")]),
        turns: vec![one(run()), one(run()), one(finish())],
        people: vec![
            Person::Answers(Decision::Approved),
            Person::Answers(Decision::Denied),
        ],
        levels: ASKING,
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    1.0 asks the model
    may it append log x?
    waits for a person
    Approved by me
    execute: append log x
    2.0 asks the model
    may it append log x?
    waits for a person
    Denied by me
      Person refuses execute: The operator does not allow this. Find another way, or finish and say what is missing.
    3.0 asks the model
    harness: see what changed in existing tests
    ends unverified: Done.
    ");
}

#[test]
fn what_the_policy_forbids() {
    let case = Case {
        files: Some(&[("code", "wrong")]),
        turns: vec![
            one(("execute", json!({"command": "append log x"}))),
            one(finish()),
        ],
        levels: &[(ActionClass::Execute, Level::Forbid)],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    1.0 asks the model
      Policy refuses execute: The policy does not allow this: class `execute`.
    2.0 asks the model
    ends unverified: Done.
    ");
}

#[test]
fn a_protected_test_waits_for_a_person() {
    let weaker = || write("tests/test_it.py", "pass\n");
    let case = Case {
        turns: vec![one(weaker()), one(write("code", "right")), one(finish())],
        people: vec![Person::Answers(Decision::Denied)],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    may it write tests/test_it.py (5 bytes)?
    waits for a person
    Denied by me
      Person refuses write_file: The operator does not allow this. Find another way, or finish and say what is missi...
    2.0 asks the model
    write_file: write code (5 bytes)
    3.0 asks the model
    harness: run the tests at the end
    tests: 1 passed, 0 failed
    harness: see what changed in existing tests
    harness: take the change back, to see the tests fail without it
    harness: run the tests without the change
      Exit(1)
    harness: put the change in again
    ends succeeded: Done.
    ");
}

#[test]
fn the_model_may_not_be_asked() {
    let case = Case {
        turns: vec![one(finish())],
        people: vec![Person::Answers(Decision::Denied)],
        levels: &[(ActionClass::Model, Level::Ask)],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    may it send the conversation of this run to fake/model, for all of its requests?
    waits for a person
    Denied by me
    ends failed [KEI-2106]
    ");
}

#[test]
fn the_model_cannot_be_reached() {
    let case = Case {
        turns: vec![Turn::Fails],
        people: vec![Person::Cancels],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
      failed [KEI-4001]
    waits [KEI-4001]
    ends cancelled: Cancelled by me: enough
    ");
}

#[test]
fn the_model_declines() {
    let case = Case {
        turns: vec![Turn::Declines],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    ends refused: the model declines this goal
    ");
}

#[test]
fn the_agent_declines() {
    let no = (
        "finish",
        json!({"summary": "That would harm people.", "refused": true}),
    );
    let case = Case {
        turns: vec![one(no)],
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    harness: make a private copy
    harness: look the workspace over
    harness: run the tests as they are
      Exit(1)
    tests: 0 passed, 1 failed
    1.0 asks the model
    ends refused: That would harm people.
    ");
}

/// An engine that begins one step after another and wants nothing.
#[derive(Debug, Clone, Default)]
struct Restless {
    ends: bool,
}

impl NativeEngine for Restless {
    fn next(&self) -> NativeStep {
        if self.ends {
            NativeStep::Finish(Box::new(NativeFinish {
                status: EndStatus::Examined,
                summary: "Nothing to do.".into(),
                report: "".into(),
                data: None,
                tests: None,
            }))
        } else {
            NativeStep::Act(Vec::new())
        }
    }
    fn boxed(&self) -> Box<dyn NativeEngine> {
        Box::new(self.clone())
    }
    fn observe(&mut self, _: &str, _: Result<&Outcome<Report>, &keiko_contracts::said::Said>) {}
}

#[test]
fn an_engine_is_done() {
    let case = Case {
        files: None,
        engine: |_| Some(Box::new(Restless { ends: true })),
        ..Case::default()
    };
    assert_snapshot!(check(&case), @r"
    ends examined: Nothing to do.
    ");
}

#[test]
#[should_panic(expected = "Endless(10000)")]
fn an_engine_that_turns_without_end_is_an_error() {
    let case = Case {
        files: None,
        engine: |_| Some(Box::new(Restless::default())),
        limits: RunLimits {
            max_steps: u32::MAX,
            ..RunLimits::default()
        },
        ..Case::default()
    };
    check(&case);
}
