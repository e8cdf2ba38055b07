//! The Python kernel of a run.

use crate::kit::Scene;
use keiko_contracts::jail::{CellReport, JailBody, JailOp, Prepare, PreparedSet, Toolchain};

async fn cell(scene: &Scene, code: &str) -> Result<CellReport, String> {
    let report = scene
        .done(JailOp::Cell {
            code: code.into(),
            timeout_ms: 60_000,
        })
        .await;
    assert!(report.tree.is_some());
    match report.body {
        JailBody::Cell(cell) => Ok(cell),
        JailBody::Refused { why, .. } => Err(why.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Where the machine has no ipykernel, the project brings one along. False when it cannot be had.
async fn has_kernel(scene: &Scene, test: &str) -> bool {
    let Err(why) = cell(scene, "None").await else {
        return true;
    };
    assert!(why.contains("ipykernel"), "{why}");
    let script = "python3 -m venv /cache/python/kernel/venv && /cache/python/kernel/venv/bin/pip install -q ipykernel";
    let commands = vec![vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]];
    let report = scene
        .done(crate::prepare::installation(
            Toolchain::Python,
            commands,
            "kernel",
        ))
        .await;
    let there = matches!(&report.body, JailBody::Prepared(prepared) if prepared.exit_code() == 0)
        && cell(scene, "None").await.is_ok();
    if !there {
        eprintln!(
            "SKIPPED: {test}: no Python in the jail has ipykernel: apt-get install python3-ipykernel"
        );
    }
    there
}

#[tokio::test]
async fn cells_share_variables_until_the_kernel_is_lost_and_that_is_told() {
    let test = "cells_share_variables";
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let start = scene.open(true).await.tree;
    if !has_kernel(&scene, test).await {
        return;
    }
    let first = cell(&scene, "x = 41; open('made.txt', 'w').write('1')")
        .await
        .unwrap();
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

/// Installs what a survey offers for the one project there. `None` when the registry cannot be reached.
async fn offered(scene: &Scene, test: &str) -> Option<PreparedSet> {
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else {
        panic!()
    };
    let [project] = survey.projects.as_slice() else {
        panic!("{survey:?}")
    };
    let sets = project.preparation.clone().into_iter().collect();
    let JailBody::Prepared(done) = scene.done(JailOp::Prepare(Prepare { sets })).await.body else {
        panic!()
    };
    let set = done.sets.into_iter().next().unwrap();
    let log = set.log.text_or_empty();
    if set.exit_code != 0
        || log
            .lines()
            .any(|line| line.starts_with("keiko: the Python kernel"))
    {
        let offline = [
            "resolve",
            "Temporary failure",
            "Connection",
            "timed out",
            "registry",
        ]
        .iter()
        .any(|s| log.contains(s));
        assert!(offline, "{log}");
        eprintln!(
            "SKIPPED: {test}: the package registry cannot be reached: connect to the network"
        );
        return None;
    }
    Some(set)
}

/// Where the machine has no kernel, one comes with a project's packages, and the project's tests see nothing of it.
#[tokio::test]
async fn slow_a_kernel_comes_with_the_packages_of_a_project_and_changes_none_of_them() {
    let test = "a_kernel_comes_with_the_packages";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    scene.repository(&[
        ("requirements.txt", "traitlets==5.9.0\n"),
        ("test_x.py", "import unittest, traitlets\n"),
    ]);
    scene.open(true).await;
    // As a survey puts it together where the machine has none.
    let script = "cd /cache/python/k1; echo traitlets==5.9.0 >held; python3 -m venv venv; venv/bin/pip install -q -r held; \
                  venv/bin/python -m pip install -q --target kernel --only-binary :all: -c held ipykernel";
    let there = match cell(&scene, "None").await {
        Ok(_) => crate::prepare::prepared(&scene, test, Toolchain::Python, "k1", script)
            .await
            .is_some(),
        Err(_) => offered(&scene, test).await.is_some(),
    };
    if !there {
        return;
    }
    scene.sandbox.close(scene.run).await;
    let code =
        "import sys, traitlets; open('seen.txt', 'w').write(sys.executable); traitlets.__version__";
    let report = cell(&scene, code).await.unwrap();
    assert_eq!(
        report.value.as_ref().map(|v| v.text_or_empty()),
        Some("'5.9.0'"),
        "the project's own goes first: {report:?}"
    );
    let (exec, _) = scene
        .sh("cat seen.txt; python -m pip list --format=freeze; python -c 'import ipykernel'")
        .await;
    let said = exec.stdout.text_or_empty();
    assert!(
        said.contains("/venv/bin/python")
            && said.contains("traitlets==5.9.0")
            && !said.contains("ipykernel"),
        "{said}"
    );
    assert!(
        exec.stderr
            .text_or_empty()
            .contains("No module named 'ipykernel'"),
        "{exec:?}"
    );
}

/// A project that needs no packages keeps the interpreter that it has.
#[tokio::test]
async fn slow_a_project_without_packages_can_have_a_kernel_and_keeps_its_python() {
    let test = "a_project_without_packages_can_have_a_kernel";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    scene.repository(&[
        ("app.py", "x = 41\n"),
        ("test_app.py", "import unittest, app\n"),
    ]);
    scene.open(true).await;
    // A machine that has a kernel offers none.
    let Err(why) = cell(&scene, "None").await else {
        return;
    };
    assert!(why.contains("call `prepare` with `dir`"), "{why}");
    let (before, _) = scene.sh("command -v python3; echo $VIRTUAL_ENV").await;
    if offered(&scene, test).await.is_none() {
        return;
    }
    let report = cell(&scene, "import app; app.x + 1").await.unwrap();
    assert_eq!(
        report.value.as_ref().map(|v| v.text_or_empty()),
        Some("42"),
        "{report:?}"
    );
    let (after, _) = scene.sh("command -v python3; echo $VIRTUAL_ENV").await;
    assert_eq!(after.stdout, before.stdout);
}
