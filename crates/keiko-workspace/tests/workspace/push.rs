//! Pushing to remotes.

use crate::kit::{Scene, git, key};
use keiko_contracts::action::{HostAction, Outcome, Probe};
use keiko_contracts::jail::{GitOp, JailBody, JailOp};
use keiko_ports::perform::Perform;
use std::fs;

async fn committed(scene: &Scene, text: &str) -> String {
    scene
        .done(JailOp::WriteFile {
            path: "a.txt".into(),
            text: text.into(),
        })
        .await;
    let report = scene
        .done(JailOp::Git(GitOp::Commit {
            message: "change".into(),
            at_seconds: 1_700_000_000,
        }))
        .await;
    let JailBody::Committed { commit, .. } = report.body else {
        panic!("{report:?}")
    };
    commit.0
}

fn failed(outcome: Outcome<keiko_contracts::action::HostReport>) -> keiko_contracts::code::Fault {
    match outcome {
        Outcome::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_commit_is_pushed_once_and_never_over_others() {
    let Some(scene) = Scene::new("a_commit_is_pushed_once") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let remote = scene.dir.path().join("remote.git");
    git(
        scene.dir.path(),
        &[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            remote.to_str().unwrap(),
        ],
    );
    scene.git(&["push", "-q", remote.to_str().unwrap(), "main"]);
    let base = scene.open(true).await.base.0;
    let commit = committed(&scene, "b\n").await;
    let action = |branch: &str, commit: &str, expected: Option<&str>| HostAction::Push {
        workspace: scene.run,
        remote: remote.to_str().unwrap().into(),
        branch: branch.into(),
        commit: commit.into(),
        expected: expected.map(str::to_owned),
    };
    let probe = async |a: &HostAction| scene.push.probe(&key(scene.run), a).await;
    let first = action("main", &commit, Some(&base));
    assert_eq!(probe(&first).await, Probe::DidNot);
    assert!(matches!(scene.host(first.clone()).await, Outcome::Done(_)));
    assert_eq!(git(&remote, &["rev-parse", "main"]), commit);
    assert!(matches!(probe(&first).await, Probe::Happened(_)));
    // A new branch; and again, when it is there already.
    assert!(matches!(
        scene.host(action("fix/ü", &commit, None)).await,
        Outcome::Done(_)
    ));
    let other = committed(&scene, "c\n").await;
    assert_eq!(
        failed(scene.host(action("fix/ü", &other, None)).await).code,
        "KEI-5142"
    );
    // Moved since it was looked at.
    let fault = failed(scene.host(action("main", &other, Some(&base))).await);
    assert!(
        fault.code == "KEI-5142" && fault.hint.is_some(),
        "{fault:?}"
    );
    // Backwards.
    let fault = failed(scene.host(action("main", &base, Some(&commit))).await);
    assert_eq!(fault.code, "KEI-5142", "{fault:?}");
    assert_eq!(git(&remote, &["rev-parse", "main"]), commit);
}

/// A person is shown what a push would publish while another terminal allows it.
#[tokio::test]
async fn a_push_is_looked_at_while_it_is_made() {
    let Some(scene) = Scene::new("a_push_is_looked_at_while_it_is_made") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let remote = scene.dir.path().join("remote.git");
    git(
        scene.dir.path(),
        &[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            remote.to_str().unwrap(),
        ],
    );
    scene.open(true).await;
    for round in 0..8 {
        let commit = committed(&scene, &format!("{round}\n")).await;
        let (remote, branch) = (remote.to_str().unwrap().to_owned(), format!("fix/{round}"));
        let push = HostAction::Push {
            workspace: scene.run,
            remote,
            branch,
            commit,
            expected: None,
        };
        let looks = async || scene.push.published(&push).await;
        let (one, other, made) = tokio::join!(looks(), looks(), scene.host(push.clone()));
        assert!(matches!(made, Outcome::Done(_)), "round {round}: {made:?}");
        for look in [one, other] {
            let look = look.unwrap_or_else(|fault| panic!("round {round}: {fault:?}"));
            assert!(look.diff.contains(&format!("+{round}")), "{}", look.diff);
        }
    }
}

#[tokio::test]
async fn odd_remotes_and_commits_are_coded() {
    let Some(scene) = Scene::new("odd_remotes") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let base = scene.open(true).await.base.0;
    let canary = scene.dir.path().join("canary");
    let ext = format!("ext::sh -c touch% {}", canary.display());
    let cases = [
        ("/nowhere/at/all.git", "main", base.as_str(), "KEI-5141"),
        ("--upload-pack=x", "main", &base, "KEI-5140"),
        (ext.as_str(), "main", &base, "KEI-5140"),
        ("/tmp", "-f", &base, "KEI-5140"),
        ("/tmp", "main", "HEAD", "KEI-5140"),
        ("/tmp", "main", &"0".repeat(40), "KEI-5120"),
    ];
    for (remote, branch, commit, code) in cases {
        let action = HostAction::Push {
            workspace: scene.run,
            remote: remote.into(),
            branch: branch.into(),
            commit: commit.into(),
            expected: None,
        };
        let fault = failed(scene.host(action).await);
        assert_eq!(fault.code, code, "{remote} {branch} {commit}: {fault:?}");
    }
    assert!(!canary.exists());
    let gone = HostAction::Push {
        workspace: scene.run,
        remote: "/nowhere.git".into(),
        branch: "main".into(),
        commit: base,
        expected: None,
    };
    assert!(matches!(
        scene.push.probe(&key(scene.run), &gone).await,
        Probe::CannotTell { .. }
    ));
}

#[tokio::test]
async fn hooks_of_the_clone_do_not_run_and_those_of_the_remote_are_told() {
    let Some(scene) = Scene::new("hooks_of_the_clone") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let remote = scene.dir.path().join("remote.git");
    git(
        scene.dir.path(),
        &["init", "-q", "--bare", remote.to_str().unwrap()],
    );
    let hook = remote.join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho not today >&2\nexit 1\n").unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut fs::metadata(&hook).unwrap().permissions(),
        0o755,
    );
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    scene.open(true).await;
    scene
        .sh("mkdir -p .git/hooks; printf '#!/bin/sh\\ntouch /workspace/fired\\n' > .git/hooks/pre-push; chmod +x .git/hooks/pre-push")
        .await;
    let commit = committed(&scene, "b\n").await;
    let action = HostAction::Push {
        workspace: scene.run,
        remote: remote.to_str().unwrap().into(),
        branch: "main".into(),
        commit,
        expected: None,
    };
    let fault = failed(scene.host(action).await);
    assert_eq!(fault.code, "KEI-5144", "{fault:?}");
    assert!(!scene.tree_dir().join("fired").exists());
}
