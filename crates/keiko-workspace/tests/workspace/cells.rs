//! The Python kernel of a run.

use crate::kit::Scene;
use keiko_contracts::jail::{CellReport, JailBody, JailOp, Toolchain};

async fn cell(scene: &Scene, code: &str) -> Result<CellReport, String> {
    let report = scene.done(JailOp::Cell { code: code.into(), timeout_ms: 60_000 }).await;
    assert!(report.tree.is_some());
    match report.body {
        JailBody::Cell(cell) => Ok(cell),
        JailBody::Refused { why, .. } => Err(why),
        other => panic!("{other:?}"),
    }
}

/// Where the machine has no ipykernel, the project brings one along. False when it cannot be had.
async fn has_kernel(scene: &Scene, test: &str) -> bool {
    let Err(why) = cell(scene, "None").await else { return true };
    assert!(why.contains("ipykernel"), "{why}");
    let script = "python3 -m venv /cache/python/kernel/venv && /cache/python/kernel/venv/bin/pip install -q ipykernel";
    let commands = vec![vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]];
    let report = scene.done(crate::prepare::installation(Toolchain::Python, commands, "kernel")).await;
    let there = matches!(&report.body, JailBody::Prepared(prepared) if prepared.exit_code() == 0) && cell(scene, "None").await.is_ok();
    if !there {
        eprintln!("SKIPPED: {test}: no Python in the jail has ipykernel: apt-get install python3-ipykernel");
    }
    there
}

#[tokio::test]
async fn cells_share_variables_until_the_kernel_is_lost_and_that_is_told() {
    let test = "cells_share_variables";
    let Some(mut scene) = Scene::new(test) else { return };
    scene.repository(&[("a.txt", "a\n")]);
    let start = scene.open(true).await.tree;
    if !has_kernel(&scene, test).await {
        return;
    }
    let first = cell(&scene, "x = 41; open('made.txt', 'w').write('1')").await.unwrap();
    assert!(!first.state_lost && first.error.is_none(), "{first:?}");
    let second = cell(&scene, "x + 1").await.unwrap();
    assert_eq!(second.value.as_ref().map(|v| v.text_or_empty()), Some("42"));
    let (_, tree) = scene.sh("true").await;
    assert_ne!(tree, start, "what a cell writes is part of the tree");
    scene.restarted(test);
    let third = cell(&scene, "x").await.unwrap();
    assert!(third.state_lost && third.error.is_some_and(|e| e.name == "NameError"));
    scene.sandbox.close(scene.run).await;
}
