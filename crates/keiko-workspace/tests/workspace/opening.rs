//! Making workspaces.

use crate::kit::{Scene, git};
use keiko_contracts::jail::{BaseKind, JailBody, JailOp, Source};
use std::fs;

#[tokio::test]
async fn a_clean_repository_is_its_head_and_a_changed_one_a_snapshot() {
    let Some(scene) = Scene::new("a_clean_repository_is_its_head") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        ("sub/ö b.sh", "#!/bin/sh\n"),
        (".gitignore", "build/\n*.log\n"),
    ]);
    scene.git(&[
        "remote",
        "add",
        "origin",
        "https://me:secret@example.org/a.git",
    ]);
    let head = scene.git(&["rev-parse", "HEAD"]);
    let opened = scene.open(true).await;
    assert_eq!(
        (
            opened.kind,
            opened.base.0.as_str(),
            opened.branch.as_deref()
        ),
        (BaseKind::Head, head.as_str(), Some("main"))
    );
    assert_eq!(opened.tree.0, scene.git(&["rev-parse", "HEAD^{tree}"]));
    assert_eq!(
        opened.remotes,
        [("origin".to_owned(), "https://example.org/a.git".to_owned())]
    );
    assert_eq!(
        scene.open(true).await,
        opened,
        "opening again gives the same"
    );
    // The jail sees the same tree as the host made.
    let (exec, tree) = scene
        .sh("git status --short; git log --oneline | wc -l; ls -A")
        .await;
    assert_eq!(tree, opened.tree, "{exec:?}");
    assert!(exec.stdout.text_or_empty().starts_with("1\n"), "{exec:?}");
    let fault = scene
        .failed(JailOp::Open {
            source: Source::Empty,
        })
        .await;
    assert_eq!(fault.code, "KEI-5112");
}

#[tokio::test]
async fn a_snapshot_takes_changes_along_and_leaves_the_repository_as_it_was() {
    let Some(mut scene) = Scene::new("a_snapshot_takes_changes_along") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        ("gone.txt", "x\n"),
        ("kept.log", "tracked although ignored\n"),
        ("d/f", "1\n"),
    ]);
    scene.files(&[
        (".gitignore", "*.log\n"),
        ("a.txt", "changed\n"),
        ("new.txt", "new\n"),
        ("other.log", "ignored\n"),
    ]);
    fs::remove_file(scene.user.join("gone.txt")).unwrap();
    fs::remove_dir_all(scene.user.join("d")).unwrap();
    fs::write(scene.user.join("d"), "a file where a folder was\n").unwrap();
    let before = listing(&scene);
    let opened = scene.open(true).await;
    assert_eq!(
        listing(&scene),
        before,
        "not even a lock or an index was touched"
    );
    assert_eq!(opened.kind, BaseKind::Snapshot);
    let names = git(
        &scene.tree_dir(),
        &[
            "-c",
            "safe.directory=*",
            "ls-tree",
            "-r",
            "--name-only",
            &opened.tree.0,
        ],
    );
    assert_eq!(
        names.lines().collect::<Vec<_>>(),
        [".gitignore", "a.txt", "d", "kept.log", "new.txt"]
    );
    // Another run of the same folder: the same base, bit for bit.
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    assert_eq!(scene.open(true).await, opened);
    scene.run = keiko_contracts::id::RunId::from_bytes([9; 10]);
    let head = scene.open(false).await;
    assert_eq!(
        (head.kind, head.base.0),
        (BaseKind::Head, scene.git(&["rev-parse", "HEAD"]))
    );
    assert!(scene.tree_dir().join("gone.txt").exists());
}

/// Every file with its size and time, `.git` included.
fn listing(scene: &Scene) -> String {
    let output = std::process::Command::new("find")
        .arg(&scene.user)
        .args(["-printf", "%P %s %T@ %m\n"])
        .output()
        .unwrap();
    let mut lines: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn plain_folders_empty_ones_and_repositories_before_the_first_commit() {
    let Some(mut scene) = Scene::new("plain_folders") else {
        return;
    };
    scene.files(&[
        ("x.py", "print(1)\n"),
        ("node_modules/m/index.js", "1"),
        ("__pycache__/x.pyc", "1"),
    ]);
    let opened = scene.open(true).await;
    assert_eq!(
        (opened.kind, opened.branch.as_deref()),
        (BaseKind::Shadow, None)
    );
    assert!(!scene.user.join(".git").exists());
    let (exec, _) = scene
        .sh("git ls-files; cat node_modules/m/index.js; touch node_modules/y")
        .await;
    assert_eq!(
        exec.stdout.text_or_empty(),
        "x.py\n1",
        "the dependency folder is seen, and is not part of the tree"
    );
    assert!(
        exec.stderr.text_or_empty().contains("Read-only"),
        "{exec:?}"
    );

    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    let report = scene
        .done(JailOp::Open {
            source: Source::Empty,
        })
        .await;
    assert!(matches!(report.body, JailBody::Opened(o) if o.kind == BaseKind::Empty));

    scene.run = keiko_contracts::id::RunId::from_bytes([9; 10]);
    scene.git(&["init", "-q", "-b", "trunk"]);
    let opened = scene.open(true).await;
    assert_eq!(
        (opened.kind, opened.branch.as_deref()),
        (BaseKind::Snapshot, Some("trunk"))
    );
    assert!(scene.tree_dir().join("x.py").exists());
}

#[tokio::test]
async fn worktrees_work_and_submodules_are_left() {
    let Some(mut scene) = Scene::new("worktrees_work") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let other = scene.dir.path().join("inner");
    fs::create_dir(&other).unwrap();
    git(&other, &["init", "-q"]);
    git(
        &other,
        &[
            "-c",
            "user.name=U",
            "-c",
            "user.email=u@x",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    );
    scene.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        other.to_str().unwrap(),
        "module",
    ]);
    scene.commit();
    let tree = scene.dir.path().join("second");
    scene.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        tree.to_str().unwrap(),
    ]);
    let main = scene.open(true).await;
    assert_eq!(main.kind, BaseKind::Head, "a submodule is not a change");
    assert!(
        scene
            .sandbox
            .notes(scene.run)
            .unwrap()
            .iter()
            .any(|n| n.contains("module"))
    );
    scene.user = tree;
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    fs::write(scene.user.join("a.txt"), "side\n").unwrap();
    let side = scene.open(true).await;
    assert_eq!(
        (side.kind, side.branch.as_deref()),
        (BaseKind::Snapshot, Some("side"))
    );
}

#[tokio::test]
async fn what_a_crash_left_is_made_again() {
    let Some(mut scene) = Scene::new("what_a_crash_left") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    fs::write(scene.user.join("b.txt"), "b\n").unwrap();
    let whole = scene.open(true).await;
    for missing in [
        "meta.json",
        "state.git",
        "tree/.git",
        "repo.git/objects",
        "index",
    ] {
        let place = scene
            .dir
            .path()
            .join("data/workspaces")
            .join(scene.run.to_string());
        let _ = fs::remove_file(place.join("meta.json"));
        let _ = fs::remove_file(place.join(missing));
        let _ = fs::remove_dir_all(place.join(missing));
        scene.restarted("what_a_crash_left");
        assert_eq!(scene.open(true).await, whole, "after losing {missing}");
        assert_eq!(scene.sh("true").await.1, whole.tree);
    }
}

#[tokio::test]
async fn odd_folders_are_coded_faults() {
    let Some(scene) = Scene::new("odd_folders") else {
        return;
    };
    let open = |path: &str| JailOp::Open {
        source: Source::Folder {
            path: path.into(),
            snapshot: true,
        },
    };
    let place = scene
        .dir
        .path()
        .join("data/workspaces")
        .join(scene.run.to_string());
    for (path, code) in [
        ("/", "KEI-5103"),
        ("/nowhere/at/all", "KEI-5101"),
        ("/etc/passwd", "KEI-5102"),
    ] {
        let fault = scene.failed(open(path)).await;
        assert_eq!(fault.code, code, "{fault:?}");
        assert!(fault.hint.is_some());
        assert!(!place.exists(), "nothing is left behind");
    }
}

#[tokio::test]
async fn what_a_filter_hides_is_not_taken_along_in_the_clear() {
    let Some(scene) = Scene::new("what_a_filter_hides") else {
        return;
    };
    scene.git(&["init", "-q", "-b", "main"]);
    scene.git(&["config", "filter.crypt.clean", "tr a-z n-za-m"]);
    scene.git(&["config", "filter.crypt.smudge", "tr a-z n-za-m"]);
    scene.files(&[
        (".gitattributes", "*.key filter=crypt\n"),
        ("a.key", "secret\n"),
        ("b.txt", "b\n"),
    ]);
    scene.commit();
    scene.files(&[("b.txt", "changed\n")]);
    let opened = scene.open(true).await;
    assert_eq!(opened.kind, BaseKind::Snapshot);
    let (exec, tree) = scene
        .sh("cat a.key b.txt; git log -p --all | grep -c secret")
        .await;
    assert_eq!(
        exec.stdout.text_or_empty(),
        "frperg\nchanged\n0\n",
        "{exec:?}"
    );
    assert_eq!(tree, opened.tree);
    assert!(
        scene
            .sandbox
            .notes(scene.run)
            .unwrap()
            .iter()
            .any(|n| n.contains("a.key"))
    );
}

#[tokio::test]
async fn tags_on_the_way_to_head_come_along_and_others_do_not() {
    let Some(scene) = Scene::new("tags_on_the_way_to_head") else {
        return;
    };
    scene.repository(&[("a", "1\n")]);
    scene.git(&["tag", "v1.0"]);
    scene.git(&[
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@localhost",
        "tag",
        "-a",
        "v1.1",
        "-m",
        "the first",
    ]);
    scene.git(&["switch", "-q", "-c", "side"]);
    scene.files(&[("a", "side\n")]);
    scene.commit();
    scene.git(&["tag", "v9"]);
    scene.git(&["switch", "-q", "main"]);
    scene.files(&[("a", "2\n")]);
    scene.commit();
    scene.files(&[("a", "3, not committed\n")]);
    scene.open(true).await;
    let (exec, _) = scene.sh("git tag; git describe --tags --abbrev=0").await;
    assert_eq!(
        exec.stdout.text_or_empty(),
        "v1.0\nv1.1\nv1.1\n",
        "{exec:?}"
    );
}
