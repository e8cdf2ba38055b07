//! Repositories that want to run something on the host.

use crate::kit::{Scene, git};
use keiko_contracts::jail::JailOp;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A repository in which everything that git could run leaves a canary.
fn hostile(scene: &Scene) -> std::path::PathBuf {
    let canary = scene.dir.path().join("canary");
    let script = scene.dir.path().join("fire.sh");
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", canary.display()),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let fire = script.to_str().unwrap();
    scene.repository(&[
        ("a.txt", "a\n"),
        ("b.dat", "b\n"),
        (
            ".gitattributes",
            "*.txt filter=evil diff=evil merge=evil\n*.dat filter=lfs\n",
        ),
    ]);
    let hooks = scene.user.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in [
        "post-checkout",
        "pre-commit",
        "post-index-change",
        "reference-transaction",
        "pre-auto-gc",
        "post-update",
        "fsmonitor-watchman",
        "pre-receive",
    ] {
        fs::copy(&script, hooks.join(hook)).unwrap();
    }
    let included = scene.dir.path().join("included");
    fs::write(
        &included,
        format!("[core]\n\tfsmonitor = {fire}\n\tpager = {fire}\n"),
    )
    .unwrap();
    for (key, value) in [
        ("core.fsmonitor", fire),
        ("core.sshCommand", fire),
        ("core.pager", fire),
        ("core.editor", fire),
        ("core.alternateRefsCommand", fire),
        ("core.gitProxy", fire),
        ("credential.helper", fire),
        ("diff.external", fire),
        ("filter.evil.clean", fire),
        ("filter.evil.smudge", fire),
        ("filter.evil.required", "true"),
        ("filter.lfs.process", fire),
        ("filter.lfs.clean", fire),
        ("diff.evil.textconv", fire),
        ("diff.evil.command", fire),
        ("merge.evil.driver", fire),
        ("uploadpack.packObjectsHook", fire),
        ("include.path", included.to_str().unwrap()),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ext::sh -c fire"),
        ("remote.origin.uploadpack", fire),
        ("gc.auto", "1"),
    ] {
        scene.git(&["config", key, value]);
    }
    let _ = fs::remove_file(&canary);
    canary
}

#[tokio::test]
async fn nothing_of_a_hostile_repository_runs_on_the_host() {
    let Some(scene) = Scene::new("nothing_of_a_hostile_repository_runs") else {
        return;
    };
    let canary = hostile(&scene);
    // An object that is missing makes a partial clone fetch it, with the program that its configuration names.
    fs::write(scene.user.join("a.txt"), "changed\n").unwrap();
    scene.open(true).await;
    assert!(!canary.exists(), "{}", fs::read_to_string(&canary).unwrap());
    let (_, tree) = scene.sh("echo agent > c.py; echo z > z.py").await;
    scene.sandbox.export_tree(scene.run, &tree).await.unwrap();
    scene.home.apply(scene.run, &tree).unwrap();
    scene.home.undo(scene.run).unwrap();
    assert!(!canary.exists(), "{}", fs::read_to_string(&canary).unwrap());
    // The canary itself works: git as a user runs it fires.
    let _ = std::process::Command::new("git")
        .args(["status"])
        .current_dir(&scene.user)
        .output();
    assert!(canary.exists());
}

#[tokio::test]
async fn a_missing_object_is_a_fault_and_not_a_fetch() {
    let Some(scene) = Scene::new("a_missing_object_is_a_fault") else {
        return;
    };
    let canary = hostile(&scene);
    let blob = scene.git(&[
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.pager=cat",
        "rev-parse",
        "HEAD:b.dat",
    ]);
    let _ = fs::remove_file(&canary);
    fs::remove_file(
        scene
            .user
            .join(".git/objects")
            .join(&blob[..2])
            .join(&blob[2..]),
    )
    .unwrap();
    let fault = scene
        .failed(JailOp::Open {
            source: scene.source(false),
        })
        .await;
    assert_eq!(fault.code, "KEI-5107", "{fault:?}");
    assert!(!canary.exists(), "{}", fs::read_to_string(&canary).unwrap());
}

#[tokio::test]
async fn a_clone_that_turned_hostile_runs_nothing_on_the_host() {
    let Some(scene) = Scene::new("a_clone_that_turned_hostile") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    scene.open(true).await;
    let canary = scene.dir.path().join("canary");
    fs::write(&canary, "").unwrap();
    fs::set_permissions(&canary, fs::Permissions::from_mode(0o666)).unwrap();
    let script = format!(
        "git config core.fsmonitor 'echo fired >> {c}; false'; git config filter.x.clean 'echo fired >> {c}; cat'; echo '* filter=x' > .gitattributes; \
         mkdir -p .git/hooks; printf '#!/bin/sh\\necho fired >> {c}\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/*; \
         echo /etc > .git/objects/info/alternates; ln -sf /etc/passwd link; echo n > n.txt",
        c = canary.display()
    );
    let (_, tree) = scene.sh(&script).await;
    scene.sandbox.export_tree(scene.run, &tree).await.unwrap();
    let fault = scene.home.apply(scene.run, &tree).unwrap_err();
    assert!(
        fault.code == "KEI-5131" && fault.message.contains("link"),
        "a link out of the folder is not brought home: {fault:?}"
    );
    let (_, tree) = scene.sh("rm link").await;
    scene.sandbox.export_tree(scene.run, &tree).await.unwrap();
    scene.home.apply(scene.run, &tree).unwrap();
    assert_eq!(fs::read_to_string(scene.user.join("n.txt")).unwrap(), "n\n");
    assert_eq!(fs::read_to_string(&canary).unwrap(), "");
    assert_eq!(git(&scene.user, &["rev-list", "--count", "HEAD"]), "1");
}
