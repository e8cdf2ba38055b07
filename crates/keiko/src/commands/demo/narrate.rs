//! What is being seen, in a few sentences, in the language of the configuration.

use crate::view::Watch;
use crate::view::live::Say;
use keiko_app::going::Inbox;
use keiko_contracts::action::{Action, Outcome, Report};
use keiko_contracts::approval::{ApprovalRequest, Decision};
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::{JailBody, JailOp, JailReport};
use keiko_contracts::journal::Recorded;
use keiko_contracts::language::Language;
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::{InboxMessage, RunEvent};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Everything that the tour says.
pub(super) struct Words {
    pub(super) label: &'static str,
    pub(super) goal: &'static str,
    pub(super) before: &'static [&'static str],
    pub(super) yes: &'static str,
    pub(super) next: &'static str,
    pub(super) commands: &'static [(&'static str, &'static str)],
    pub(super) folder: &'static str,
    pub(super) stopped: &'static str,
    copy: &'static str,
    first_tests: &'static str,
    red: &'static str,
    python: &'static str,
    no_python: &'static str,
    green: &'static str,
    commit: &'static str,
    approval: &'static str,
    answered: &'static str,
    pushed: &'static str,
    denied: &'static str,
    closing: &'static str,
}

const ENGLISH: Words = Words {
    label: "Tour",
    goal: "Fix the failing date parser and add a test for leap years. Push the result to a branch.",
    before: &[
        "A guided tour: Keiko repairs a small Python library. A script plays the language model, and every record says so;",
        "the sandbox, the tests, the commit and the push are real. At one point a decision of yours is needed.",
    ],
    yes: "--yes: the approval is answered automatically, and the record says by whom.",
    next: "What you saw is kept. Have another look:",
    commands: &[
        ("keiko runs show RUN", "goal, result and evidence"),
        (
            "keiko runs verify RUN",
            "check the evidence again: journal, trees, tests",
        ),
        ("keiko runs events RUN", "every event, one after another"),
        (
            "keiko demo crash",
            "the same work, with the process killed at random points",
        ),
        (
            "keiko up --workspace DIR",
            "a repository of yours, without any model",
        ),
    ],
    folder: "The repository and its remote are in",
    stopped: "The tour is not at its end; the commands above go on with it. Its files are in",
    copy: "The agent works on a private copy. Nothing of yours is touched.",
    first_tests: "Before the first step Keiko runs the tests itself. They are red: that is what a success is measured against.",
    red: "Red. The agent reads why; nobody has to tell it.",
    python: "A Python session in the sandbox: variables stay from one call to the next.",
    no_python: "No Python session here (keiko doctor says what it needs), so the agent goes on without one.",
    green: "Green.",
    commit: "The commit is made in the private copy.",
    approval: "A push leaves the sandbox. So a person decides, about exactly this action and once.",
    answered: "--yes answers: approved.",
    pushed: "The commit is on the remote branch now.",
    denied: "You said no: nothing is pushed. The agent is told, and the tour goes on without it.",
    closing: "The agent says that it is done. Keiko checks: tests on the final files, no weakened test, then the evidence card.",
};

const GERMAN: Words = Words {
    label: "Rundgang",
    goal: "Reparieren Sie das Lesen von Daten und ergänzen Sie einen Test für Schaltjahre. Bringen Sie das Ergebnis auf einen Zweig des Remotes.",
    before: &[
        "Ein Rundgang: Keiko repariert eine kleine Python-Bibliothek. Ein Drehbuch spielt das Sprachmodell, und jeder Eintrag sagt das;",
        "Sandbox, Tests, Commit und Push sind echt. An einer Stelle wird Ihre Entscheidung gebraucht.",
    ],
    yes: "--yes: Die Freigabe wird automatisch erteilt, und das Protokoll sagt, von wem.",
    next: "Was Sie gesehen haben, ist aufgezeichnet. Sehen Sie es sich noch einmal an:",
    commands: &[
        ("keiko runs show RUN", "Auftrag, Ergebnis und Nachweis"),
        (
            "keiko runs verify RUN",
            "den Nachweis erneut prüfen: Protokoll, Dateibäume, Tests",
        ),
        ("keiko runs events RUN", "alle Ereignisse der Reihe nach"),
        (
            "keiko demo crash",
            "dieselbe Arbeit, während der Prozess immer wieder abgeschossen wird",
        ),
        (
            "keiko up --workspace ORDNER",
            "ein Repository von Ihnen, ganz ohne Modell",
        ),
    ],
    folder: "Das Repository und sein Remote liegen in",
    stopped: "Der Rundgang ist noch nicht zu Ende; mit den Befehlen oben geht er weiter. Seine Dateien liegen in",
    copy: "Der Agent arbeitet an einer eigenen Kopie. Ihre Dateien bleiben unberührt.",
    first_tests: "Vor dem ersten Schritt lässt Keiko selbst die Tests laufen. Sie sind rot: Daran wird ein Erfolg gemessen.",
    red: "Rot. Der Agent liest, warum; niemand muss es ihm sagen.",
    python: "Eine Python-Sitzung in der Sandbox: Variablen bleiben von Aufruf zu Aufruf erhalten.",
    no_python: "Hier gibt es keine Python-Sitzung (keiko doctor sagt, was dafür fehlt); der Agent macht ohne sie weiter.",
    green: "Grün.",
    commit: "Der Commit entsteht in der eigenen Kopie.",
    approval: "Ein Push verlässt die Sandbox. Deshalb entscheidet ein Mensch, über genau diese Aktion und nur einmal.",
    answered: "--yes antwortet: freigegeben.",
    pushed: "Der Commit liegt jetzt auf dem Zweig des Remotes.",
    denied: "Sie haben abgelehnt: Nichts wird übertragen. Der Agent erfährt es, und der Rundgang geht ohne das weiter.",
    closing: "Der Agent hält sich für fertig. Keiko prüft: Tests auf den endgültigen Dateien, kein geschwächter Test, dann der Nachweis.",
};

/// The words of a language.
pub(super) fn words(language: Language) -> &'static Words {
    language.pick(&ENGLISH, &GERMAN)
}

/// What has been told already.
#[derive(Debug, Default)]
struct Told {
    tests: bool,
    no_python: bool,
    cells: BTreeSet<EffectKey>,
}

/// Watches the tour and says what is being seen. With `--yes` it also answers.
pub(super) struct Narrator {
    words: &'static Words,
    label: String,
    say: Say,
    answers: Option<(Inbox, String)>,
    told: Mutex<Told>,
}

impl Narrator {
    pub(super) fn new(
        words: &'static Words,
        label: String,
        say: Say,
        answers: Option<(Inbox, String)>,
    ) -> Self {
        Narrator {
            words,
            label,
            say,
            answers,
            told: Mutex::default(),
        }
    }

    fn tell(&self, text: &str) {
        (self.say)(&format!("{} {text}", self.label));
    }

    /// What an event deserves to have said about it.
    fn about(&self, event: &RunEvent) -> Option<&'static str> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let words = self.words;
        match event {
            RunEvent::TestsObserved(tests) => {
                let first = !std::mem::replace(&mut told.tests, true);
                Some(match (first, tests.is_green()) {
                    (true, false) => words.first_tests,
                    (false, false) => words.red,
                    (_, true) => words.green,
                })
            }
            RunEvent::EffectIntended(intent) => match &intent.action {
                Action::Jail(jail) if matches!(jail.op, JailOp::Cell { .. }) => {
                    let first = told.cells.is_empty();
                    told.cells.insert(intent.key.clone());
                    first.then_some(words.python)
                }
                _ => None,
            },
            RunEvent::EffectEnded(ended) => match &ended.outcome {
                // The kernel is missing.
                Outcome::Done(Report::Jail(JailReport {
                    body: JailBody::Refused { .. },
                    ..
                }))
                | Outcome::Failed(_)
                    if told.cells.contains(&ended.key)
                        && !std::mem::replace(&mut told.no_python, true) =>
                {
                    Some(words.no_python)
                }
                Outcome::Done(Report::Jail(report)) => match &report.body {
                    JailBody::Opened(_) => Some(words.copy),
                    JailBody::Committed { .. } => Some(words.commit),
                    _ => None,
                },
                Outcome::Done(Report::Host(_)) => Some(words.pushed),
                _ => None,
            },
            RunEvent::ApprovalRequested(_) => Some(words.approval),
            RunEvent::ApprovalResolved(answer) if answer.decision == Decision::Denied => {
                Some(words.denied)
            }
            RunEvent::RunClosing(_) => Some(words.closing),
            _ => None,
        }
    }

    fn answer(&self, request: &ApprovalRequest) {
        let Some((inbox, by)) = self.answers.clone() else {
            return;
        };
        self.tell(self.words.answered);
        let answer = request.answer(Decision::Approved, by, None);
        let message = InboxMessage::Approval(answer);
        tokio::spawn(async move {
            if let Err(error) = inbox.say(&message).await {
                tracing::error!(%error, "the approval could not be written");
            }
        });
    }
}

impl Watch for Narrator {
    fn event(&self, _: &Recorded, event: &RunEvent) {
        if let Some(text) = self.about(event) {
            self.tell(text);
        }
        if let RunEvent::ApprovalRequested(request) = event {
            self.answer(request);
        }
    }
    fn frame(&self, _: &EffectKey, _: &LiveFrame) {}
}
