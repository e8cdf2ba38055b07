//! Checking a run's evidence: the journal, the trees, and the tests again, as a run of its own on a fresh copy of the result.

use crate::holdings::pruned;
use crate::wiring::Keiko;
use keiko_contracts::agent::Agent;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::evidence::{EvidenceCard, TestSummary};
use keiko_contracts::id::RunId;
use keiko_contracts::id::TaskId;
use keiko_contracts::jail::{Source, TreeId};
use keiko_contracts::run::Parent;
use keiko_contracts::run::{EndStatus, RunEnd, StartRun};
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_runtime::drive::{Order, Rest, Unwatched};
use keiko_runtime::verify::{self, Check};
use keiko_workspace::home::Home as Homeward;
use serde::Serialize;
use std::sync::Arc;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The run.
    pub run: RunId,
    /// Everything holds.
    pub ok: bool,
    /// What was checked.
    pub checks: Vec<Check>,
    /// The card.
    pub card: EvidenceCard,
}

impl Keiko {
    /// Checks a run's card: the journal first, then the trees and, with `tests`, the tests, in the sandbox, on a fresh copy of
    /// the result. `by` is who wants to know.
    ///
    /// # Errors
    /// When the run has no card, or its workspace was given back and the tests are to be run.
    pub async fn verify(&self, run: RunId, tests: bool, by: &str) -> Result<Verified, Fault> {
        let mut verified = verify::journal(self.journal.as_ref(), run)
            .await
            .map_err(|error| error.fault())?;
        let pruned = pruned(&self.home, run);
        if let (Some(pruned), true) = (&pruned, tests) {
            let fault = pruned.fault();
            return Err(fault.hint(say!(
                "the journal alone can still be checked: keiko runs verify {run} --no-tests",
                run
            )));
        }
        if pruned.is_none() && verified.card.tree_after.is_some() {
            let checks = check(self, &verified.card, tests, by).await?;
            verified.checks.extend(checks);
        }
        Ok(Verified {
            run,
            ok: verified.checks.iter().all(|check| check.ok),
            checks: verified.checks,
            card: verified.card,
        })
    }
}

/// Checks that the result's tree is there and, if asked, that its tests come out as the card says.
async fn check(
    keiko: &Keiko,
    card: &EvidenceCard,
    tests: bool,
    by: &str,
) -> Result<Vec<Check>, Fault> {
    let Some(tree) = &card.tree_after else {
        return Ok(Vec::new());
    };
    let folder = tempfile::Builder::new()
        .prefix("keiko-verify-")
        .tempdir()
        .map_err(|error| {
            Fault::new(
                Code::WORKSPACE_IO,
                say!("no folder for the copy can be made: {error}", error),
            )
        })?;
    let parts = keiko.sandbox()?;
    let exported = match parts.sandbox.export_tree(card.run, tree).await {
        Ok(()) => Homeward::new(parts.spaces).write_out(card.run, tree, folder.path()),
        Err(fault) => Err(fault),
    };
    let there = Check {
        what: "the result's tree".into(),
        ok: exported.is_ok(),
        seen: exported
            .as_ref()
            .err()
            .map_or_else(|| short(tree).into(), Fault::said),
    };
    let (true, true, Some(expected)) = (there.ok, tests, &card.tests_after) else {
        return Ok(vec![there]);
    };
    let end = run_tests(keiko, &folder.path().display().to_string(), card.run, by).await?;
    let again = end.card.tests_after.as_ref();
    let same = again.is_some_and(|now| counts(now) == counts(expected))
        && end.status == EndStatus::Succeeded;
    let seen = say!("{seen} (run {run})", seen = end.told(), run = end.card.run);
    let begun = end.card.tree_before.as_ref();
    let tree_again = Check {
        what: "the copy's tree".into(),
        ok: begun == Some(tree),
        seen: begun.map_or_else(|| "none".into(), |tree| short(tree).into()),
    };
    Ok(vec![
        there,
        tree_again,
        Check {
            what: "tests run again".into(),
            ok: same,
            seen,
        },
    ])
}

fn short(tree: &TreeId) -> String {
    tree.0.get(..10).unwrap_or(&tree.0).to_owned()
}

fn counts(tests: &TestSummary) -> (u32, u32, u32) {
    (tests.passed, tests.failed, tests.errors)
}

async fn run_tests(keiko: &Keiko, folder: &str, of: RunId, by: &str) -> Result<RunEnd, Fault> {
    let goal = keiko.config.language().pick(
        "Run the tests of a result again.",
        "Die Tests eines Ergebnisses noch einmal ausführen.",
    );
    let start = StartRun {
        parent: Some(Parent {
            run: of,
            effect: None,
            task: TaskId::main(),
            attempt: 1,
        }),
        source: Some(Source::Copy {
            path: folder.to_owned(),
            of,
        }),
        ..keiko.configured(by, goal, Agent::Verifier)?
    };
    let order = Order::Start(Box::new(start));
    match keiko
        .driver()
        .drive(order, Arc::new(Unwatched), Cancel::new())
        .await
        .map_err(|error| error.fault())?
    {
        Rest::Ended(end) => Ok((*end).clone()),
        Rest::Waiting(_) => Err(Fault::new(
            Code::TESTS_NEED_A_PERSON,
            "the tests could not be run again without a person",
        )
        .hint("keiko runs list")),
    }
}
