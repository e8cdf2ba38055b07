//! Workspaces that go on from what another run made.

use crate::kit::Scene;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{BaseKind, JailBody, JailOp, Opened, Source, TreeId};

async fn go_on(scene: &mut Scene, run: u8, of: RunId, tree: &TreeId) -> Opened {
    scene.run = RunId::from_bytes([run; 10]);
    let source = Source::Result {
        of,
        tree: tree.clone(),
    };
    match scene.done(JailOp::Open { source }).await.body {
        JailBody::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_goes_on_from_any_state_of_another_and_neither_changes_the_other() {
    let Some(mut scene) = Scene::new("a_run_goes_on_from_any_state") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        ("gone.txt", "x\n"),
        (".gitignore", "venv/\n"),
    ]);
    scene.files(&[
        ("venv/pyvenv.cfg", "home = /usr\n"),
        ("new.txt", "of the user\n"),
    ]);
    let first = scene.run;
    let begun = scene.open(true).await;
    // The agent of the first run is hostile to git, and moves on after the state that is asked for.
    let (_, then) = scene
        .sh("printf 'one\\n' > a.txt; rm gone.txt; printf '#!/bin/sh\\nexit 1\\n' > run.sh; chmod +x run.sh; \
             git add -A; git commit -qm mine; git config core.fsmonitor 'touch /tmp/evil'")
        .await;
    scene.sh("printf 'later\\n' > a.txt; rm -rf .git").await;

    let opened = go_on(&mut scene, 8, first, &then).await;
    assert_eq!((opened.kind, &opened.tree), (BaseKind::Result, &then));
    assert_eq!(opened.branch.as_deref(), Some("main"));
    let (seen, tree) = scene
        .sh("cat a.txt new.txt; ls gone.txt; stat -c %A run.sh; git status --short; git log --format=%s | tail -1; cat venv/pyvenv.cfg")
        .await;
    assert_eq!(
        seen.stdout.text_or_empty(),
        "one\nof the user\n-rwxr-xr-x\none\nhome = /usr\n",
        "its files, clean, with the history and the dependencies of the first: {seen:?}"
    );
    assert_eq!(tree, then);
    let (_, second) = scene.sh("printf 'two\\n' >> a.txt").await;

    // A third goes on from the second, and one from where the first began.
    let second_run = scene.run;
    let third = go_on(&mut scene, 9, second_run, &second).await;
    assert_eq!(third.tree, second);
    let (seen, _) = scene.sh("cat a.txt; cat venv/pyvenv.cfg").await;
    assert_eq!(seen.stdout.text_or_empty(), "one\ntwo\nhome = /usr\n");
    let base = go_on(&mut scene, 10, first, &begun.tree).await;
    assert_eq!(base.tree, begun.tree);
    assert_eq!(
        go_on(&mut scene, 8, first, &then).await,
        opened,
        "again, the same"
    );

    // The first is as it was, and the user's folder too.
    scene.run = first;
    let (seen, _) = scene.sh("cat a.txt").await;
    assert_eq!(seen.stdout.text_or_empty(), "later\n");
    assert!(scene.user.join("gone.txt").exists());
}

#[tokio::test]
async fn a_plain_folder_and_an_empty_one_are_gone_on_from_too() {
    let Some(mut scene) = Scene::new("a_plain_folder_is_gone_on_from") else {
        return;
    };
    scene.files(&[("x.py", "print(1)\n")]);
    let first = scene.run;
    scene.open(true).await;
    let (_, tree) = scene
        .sh("echo 'y = 2' > y.py; mkdir -p __pycache__; touch __pycache__/z.pyc")
        .await;
    go_on(&mut scene, 8, first, &tree).await;
    let (seen, after) = scene
        .sh("git ls-files; cat y.py; mkdir venv; touch venv/f")
        .await;
    assert_eq!(seen.stdout.text_or_empty(), "x.py\ny.py\ny = 2\n");
    assert_eq!(
        after, tree,
        "what is left out of the first is left out here"
    );

    scene.run = RunId::from_bytes([9; 10]);
    let source = Source::Empty;
    scene.done(JailOp::Open { source }).await;
    let (_, tree) = scene.sh("echo hello > report.md").await;
    let of = scene.run;
    go_on(&mut scene, 10, of, &tree).await;
    let (seen, _) = scene.sh("cat report.md").await;
    assert_eq!(seen.stdout.text_or_empty(), "hello\n");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let Some(mut scene) = Scene::new("what_is_not_there_is_said") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let first = scene.run;
    let opened = scene.open(true).await;
    scene.run = RunId::from_bytes([8; 10]);
    let none = Source::Result {
        of: RunId::from_bytes([77; 10]),
        tree: opened.tree.clone(),
    };
    let fault = scene.failed(JailOp::Open { source: none }).await;
    assert_eq!(fault.code, "KEI-5111", "{fault:?}");
    for tree in [
        "0123456789012345678901234567890123456789",
        "--upload-pack=x",
    ] {
        let source = Source::Result {
            of: first,
            tree: TreeId(tree.into()),
        };
        let fault = scene.failed(JailOp::Open { source }).await;
        assert!(
            ["KEI-5120", "KEI-5122"]
                .iter()
                .any(|code| fault.code == *code),
            "{fault:?}"
        );
    }
    assert!(!scene.tree_dir().exists(), "nothing half made is left");
}
