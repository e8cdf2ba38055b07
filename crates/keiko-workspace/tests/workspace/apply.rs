//! Bringing results home, and taking them back.

use crate::kit::Scene;
use keiko_contracts::jail::TreeId;
use keiko_workspace::home::{ApplyReport, ChangeKind};
use std::fs;
use std::os::unix::fs::PermissionsExt;

async fn result(scene: &Scene, script: &str) -> TreeId {
    let (exec, tree) = scene.sh(script).await;
    assert_eq!(exec.end, keiko_contracts::jail::End::Exit(0), "{exec:?}");
    scene.sandbox.export_tree(scene.run, &tree).await.unwrap();
    tree
}

fn shown(report: &ApplyReport) -> Vec<(String, ChangeKind)> {
    report
        .changes
        .iter()
        .map(|c| (c.path.display().to_string(), c.kind))
        .collect()
}

fn text(scene: &Scene, name: &str) -> String {
    fs::read_to_string(scene.user.join(name)).unwrap_or_else(|_| "-".into())
}

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

#[tokio::test]
async fn a_result_comes_home_and_goes_again() {
    let Some(scene) = Scene::new("a_result_comes_home") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        ("merge.txt", LINES),
        ("gone/x", "x\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("dir/f", "f\n"),
    ]);
    scene.open(true).await;
    let script = "echo b > a.txt; sed -i s/9/nine/ merge.txt; rm -r gone; chmod +x run.sh; mkdir -p 'n w/ü'; echo n > 'n w/ü/f'; ln -s a.txt link; \
                  rm -r dir; echo now-a-file > dir";
    let tree = result(&scene, script).await;
    // Meanwhile, the user goes on.
    scene.files(&[
        ("merge.txt", &LINES.replace('1', "one")),
        ("own.txt", "mine\n"),
    ]);
    fs::set_permissions(scene.user.join("a.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    let plan = scene.home.plan(scene.run, &tree).unwrap();
    assert_eq!(text(&scene, "a.txt"), "a\n", "a plan writes nothing");
    let report = scene.home.apply(scene.run, &tree).unwrap();
    assert_eq!(report, plan);
    use ChangeKind::{Added, Deleted, Merged, Modified};
    let wanted = [
        ("a.txt", Modified),
        ("dir", Added),
        ("dir/f", Deleted),
        ("gone/x", Deleted),
        ("link", Added),
        ("merge.txt", Merged),
        ("n w/ü/f", Added),
        ("run.sh", Modified),
    ];
    assert_eq!(shown(&report), wanted.map(|(p, k)| (p.to_owned(), k)));
    assert_eq!(
        (
            text(&scene, "a.txt"),
            text(&scene, "dir"),
            text(&scene, "n w/ü/f")
        ),
        ("b\n".into(), "now-a-file\n".into(), "n\n".into())
    );
    assert_eq!(
        text(&scene, "merge.txt"),
        "one\n2\n3\n4\n5\n6\n7\n8\nnine\n"
    );
    assert_eq!(
        fs::metadata(scene.user.join("a.txt"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640,
        "the mode stays"
    );
    assert!(
        fs::metadata(scene.user.join("run.sh"))
            .unwrap()
            .permissions()
            .mode()
            & 0o100
            != 0
    );
    assert!(!scene.user.join("gone").exists());
    let again = scene.home.apply(scene.run, &tree).unwrap();
    assert!(again.changes.is_empty(), "{again:?}");
    scene.home.undo(scene.run).unwrap();
    assert_eq!(
        (
            text(&scene, "a.txt"),
            text(&scene, "dir/f"),
            text(&scene, "gone/x")
        ),
        ("a\n".into(), "f\n".into(), "x\n".into())
    );
    assert_eq!(text(&scene, "merge.txt"), LINES.replace('1', "one"));
    assert!(!scene.user.join("n w").exists() && !scene.user.join("link").is_symlink());
    assert_eq!(text(&scene, "own.txt"), "mine\n");
    assert_eq!(
        scene.git(&["status", "--short"]),
        " M merge.txt\n?? own.txt"
    );
    assert_eq!(scene.home.undo(scene.run).unwrap_err().code, "KEI-5134");
}

#[tokio::test]
async fn what_the_folder_holds_decides_and_not_what_was_written_down() {
    let Some(scene) = Scene::new("what_the_folder_holds_decides") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n"), ("b.txt", LINES), ("c.txt", "c\n")]);
    scene.open(true).await;
    let tree = result(
        &scene,
        "echo b > a.txt; sed -i s/9/nine/ b.txt; rm c.txt; echo n > new",
    )
    .await;
    let four = scene.home.apply(scene.run, &tree).unwrap();
    scene.git(&["checkout", "-q", "."]);
    fs::remove_file(scene.user.join("new")).unwrap();
    assert_eq!(
        scene.home.apply(scene.run, &tree).unwrap(),
        four,
        "all of it was gone"
    );
    assert_eq!(
        (
            text(&scene, "a.txt"),
            text(&scene, "c.txt"),
            text(&scene, "new")
        ),
        ("b\n".into(), "-".into(), "n\n".into())
    );
    // Back to the beginning, then on by hand: the result comes on top, as it would have at first.
    scene.git(&["checkout", "-q", "."]);
    scene.files(&[("b.txt", &LINES.replace('1', "one"))]);
    assert_eq!(shown(&scene.home.apply(scene.run, &tree).unwrap()).len(), 3);
    assert_eq!(text(&scene, "b.txt"), "one\n2\n3\n4\n5\n6\n7\n8\nnine\n");
    // On by hand after it was applied: that stays, and nothing is to be done.
    scene.files(&[("b.txt", "one\ntwo\n3\n4\n5\n6\n7\n8\nnine\n")]);
    assert_eq!(shown(&scene.home.apply(scene.run, &tree).unwrap()), []);
    assert_eq!(scene.home.undo(scene.run).unwrap_err().code, "KEI-5133");
    // One file is taken back by hand: `undo` does the rest, and then there is nothing to do.
    scene.files(&[("b.txt", "one\n2\n3\n4\n5\n6\n7\n8\nnine\n")]);
    scene.git(&["checkout", "-q", "a.txt"]);
    let undone = shown(&scene.home.undo(scene.run).unwrap());
    assert_eq!(
        undone
            .iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>(),
        ["b.txt", "c.txt"]
    );
    assert_eq!(text(&scene, "b.txt"), LINES.replace('1', "one"));
}

#[tokio::test]
async fn a_later_result_comes_home_over_an_earlier_one() {
    let Some(scene) = Scene::new("a_later_result_comes_home") else {
        return;
    };
    scene.repository(&[("a.txt", LINES), ("b.txt", "b\n")]);
    scene.open(true).await;
    let first = result(&scene, "sed -i s/2/two/ a.txt; echo x > b.txt").await;
    scene.home.apply(scene.run, &first).unwrap();
    scene.files(&[("a.txt", &LINES.replace('2', "two").replace('9', "nine"))]);
    let second = result(&scene, "sed -i 's/two/2/; s/5/five/' a.txt; echo b > b.txt").await;
    scene.home.apply(scene.run, &second).unwrap();
    assert_eq!(
        text(&scene, "a.txt"),
        LINES.replace('5', "five").replace('9', "nine"),
        "what the later one took back is gone"
    );
    assert_eq!(text(&scene, "b.txt"), "b\n");
}

#[tokio::test]
async fn one_conflict_and_nothing_is_written() {
    let Some(scene) = Scene::new("one_conflict") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        ("b.txt", "b\n"),
        ("c.txt", "c\n"),
        ("bin", "\0"),
    ]);
    scene.open(true).await;
    let tree =
        result(&scene, "echo run > a.txt; echo run > b.txt; rm c.txt; mkdir d; echo run > d/x; printf '\\0run' > bin; echo run > new")
            .await;
    scene.files(&[
        ("a.txt", "user\n"),
        ("c.txt", "user\n"),
        ("d", "a file of the user's\n"),
        ("new", "user\n"),
        ("bin", "\0user"),
    ]);
    let before: Vec<_> = ["a.txt", "b.txt", "c.txt", "d", "new", "bin"]
        .map(|n| text(&scene, n))
        .to_vec();
    for fault in [
        scene.home.plan(scene.run, &tree).unwrap_err(),
        scene.home.apply(scene.run, &tree).unwrap_err(),
    ] {
        assert_eq!(fault.code, "KEI-5131");
        for name in ["a.txt", "c.txt", "d/x", "new", "bin"] {
            assert!(fault.message.contains(name), "{name}: {}", fault.message);
        }
        assert!(!fault.message.contains("b.txt"));
    }
    let after: Vec<_> = ["a.txt", "b.txt", "c.txt", "d", "new", "bin"]
        .map(|n| text(&scene, n))
        .to_vec();
    assert_eq!(before, after);
}

#[tokio::test]
async fn undo_stops_at_later_changes_and_names_them() {
    let Some(scene) = Scene::new("undo_stops_at_later_changes") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n"), ("b.txt", "b\n")]);
    scene.open(true).await;
    let tree = result(&scene, "echo run > a.txt; echo run > b.txt").await;
    scene.home.apply(scene.run, &tree).unwrap();
    scene.files(&[("b.txt", "edited since\n")]);
    let fault = scene.home.undo(scene.run).unwrap_err();
    assert!(
        fault.code == "KEI-5133"
            && fault.message.contains("b.txt")
            && !fault.message.contains("a.txt"),
        "{fault:?}"
    );
    assert_eq!(text(&scene, "a.txt"), "run\n");
    // A second application goes on from the first, and is undone for itself.
    scene.files(&[("b.txt", "run\n")]);
    let second = result(&scene, "echo second > a.txt").await;
    scene.home.apply(scene.run, &second).unwrap();
    scene.home.undo(scene.run).unwrap();
    assert_eq!(text(&scene, "a.txt"), "run\n");
    scene.home.undo(scene.run).unwrap();
    assert_eq!(
        (text(&scene, "a.txt"), text(&scene, "b.txt")),
        ("a\n".into(), "b\n".into())
    );
}

#[tokio::test]
async fn a_crash_in_the_middle_is_put_back() {
    let Some(scene) = Scene::new("a_crash_in_the_middle") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n"), ("b.txt", "b\n")]);
    scene.open(true).await;
    let tree = result(
        &scene,
        "echo run > a.txt; echo run > b.txt; echo run > c.txt",
    )
    .await;
    scene.home.apply(scene.run, &tree).unwrap();
    // As a crash leaves it: written down as begun, one file not written yet, one half-written beside its place.
    let ledger = scene
        .dir
        .path()
        .join("data/workspaces")
        .join(scene.run.to_string())
        .join("applied/1/ledger.json");
    let record = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, record.replace("\"applied\"", "\"applying\"")).unwrap();
    scene.files(&[("b.txt", "b\n"), (".keiko-new-c.txt", "half")]);
    fs::remove_file(scene.user.join("c.txt")).unwrap();
    assert_eq!(scene.home.undo(scene.run).unwrap_err().code, "KEI-5134");
    assert_eq!(
        (text(&scene, "a.txt"), text(&scene, "b.txt")),
        ("a\n".into(), "b\n".into())
    );
    assert_eq!(scene.git(&["status", "--short"]), "");
    scene.home.apply(scene.run, &tree).unwrap();
    assert_eq!(
        (text(&scene, "a.txt"), text(&scene, "c.txt")),
        ("run\n".into(), "run\n".into())
    );
}

#[tokio::test]
async fn links_in_the_users_folder_are_not_written_through() {
    let Some(scene) = Scene::new("links_are_not_written_through") else {
        return;
    };
    scene.repository(&[("dir/f", "f\n"), ("g", "g\n")]);
    scene.open(true).await;
    let tree = result(&scene, "echo run > dir/f; echo run > dir/new; echo run > g").await;
    let outside = scene.dir.path().join("outside");
    fs::rename(scene.user.join("dir"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, scene.user.join("dir")).unwrap();
    let fault = scene.home.apply(scene.run, &tree).unwrap_err();
    assert!(
        fault.message.contains("dir/f") && fault.message.contains("dir/new"),
        "{fault:?}"
    );
    assert_eq!(fs::read_to_string(outside.join("f")).unwrap(), "f\n");
    assert_eq!(text(&scene, "g"), "g\n");
}
