//! Operations in a workspace.

use crate::kit::{Scene, shell};
use keiko_contracts::action::Outcome;
use keiko_contracts::digest::Content;
use keiko_contracts::jail::{Edit, End, ExecSpec, GitOp, JailBody, JailOp};
use keiko_ports::Cancel;
use std::time::{Duration, Instant};

#[tokio::test]
async fn files_are_read_and_written_and_each_change_has_its_tree() {
    let Some(scene) = Scene::new("files_are_read_and_written") else {
        return;
    };
    scene.repository(&[("a.txt", "one\ntwo\n")]);
    let opened = scene.open(true).await;
    let read = scene
        .done(JailOp::ReadFile {
            path: "a.txt".into(),
            from_line: 1,
            lines: 10,
        })
        .await;
    assert!(
        matches!(&read.body, JailBody::Text(t) if t.text.text_or_empty().contains("two"))
            && read.tree.is_none()
    );
    let written = scene
        .done(JailOp::WriteFile {
            path: "b/c.txt".into(),
            text: "new\n".into(),
        })
        .await;
    assert!(matches!(&written.body, JailBody::Written(w) if w.created));
    let tree = written.tree.unwrap();
    assert_ne!(tree, opened.tree);
    let edit = Edit {
        old: "two".into(),
        new: "2".into(),
        all: false,
    };
    let edited = scene
        .done(JailOp::EditFile {
            path: "a.txt".into(),
            edits: vec![edit],
        })
        .await
        .tree
        .unwrap();
    let miss = Edit {
        old: "three".into(),
        new: "3".into(),
        all: false,
    };
    let refused = scene
        .done(JailOp::EditFile {
            path: "a.txt".into(),
            edits: vec![miss],
        })
        .await;
    assert!(matches!(refused.body, JailBody::Refused { .. }));
    assert_eq!(
        refused.tree,
        Some(edited.clone()),
        "a refusal changes nothing"
    );
    let diff = scene
        .done(JailOp::Diff {
            from: opened.tree.clone(),
            to: None,
        })
        .await;
    let JailBody::Text(diff) = diff.body else {
        panic!()
    };
    assert!(
        diff.text.text_or_empty().contains("+2\n")
            && diff.text.text_or_empty().contains("b/b/c.txt"),
        "{}",
        diff.text.text_or_empty()
    );
    let diff = scene
        .done(JailOp::Diff {
            from: tree,
            to: Some(edited),
        })
        .await;
    assert!(matches!(diff.body, JailBody::Text(d) if !d.text.text_or_empty().contains("c.txt")));
    scene.sandbox.close(scene.run).await;
    let again = scene
        .done(JailOp::ReadFile {
            path: "a.txt".into(),
            from_line: 1,
            lines: 10,
        })
        .await;
    assert!(
        matches!(&again.body, JailBody::Text(t) if t.text.text_or_empty().contains('2')),
        "a new worker does it"
    );
}

#[tokio::test]
async fn restoring_removes_new_files_and_keeps_ignored_ones() {
    let Some(scene) = Scene::new("restoring_removes_new_files") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n"), ("d/e", "e\n"), (".gitignore", "build/\n")]);
    let start = scene.open(true).await.tree;
    let script = "echo x > a.txt; rm -r d; ln -s /etc d; mkdir -p n/m build; echo 1 > n/m/new; echo 1 > build/out; echo 'hidden*' >> .gitignore; \
                  echo 1 > hidden1; git add -A; git commit -qm agent; chmod 600 a.txt";
    let (exec, after) = scene.sh(script).await;
    assert_eq!(exec.end, End::Exit(0), "{exec:?}");
    assert_eq!(exec.tree_before.as_ref(), Some(&start));
    assert_ne!(after, start);
    let restored = scene
        .done(JailOp::Restore {
            tree: start.clone(),
        })
        .await;
    assert_eq!(restored.tree, Some(start.clone()));
    let (exec, _) = scene.sh("cat a.txt d/e build/out; find . -path ./.git -prune -o -type f -print | sort | tr '\\n' ' '").await;
    assert_eq!(
        exec.stdout.text_or_empty(),
        "a\ne\n1\n./.gitignore ./a.txt ./build/out ./d/e "
    );
    let fault = scene
        .failed(JailOp::Restore {
            tree: keiko_contracts::jail::TreeId("0".repeat(40)),
        })
        .await;
    assert_eq!(fault.code, "KEI-5120");
}

#[tokio::test]
async fn a_change_is_taken_out_file_by_file() {
    let Some(scene) = Scene::new("a_change_is_taken_out") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        ("gone", "g\n"),
        ("keep", "k\n"),
        ("turns/inner", "i\n"),
        ("*", "star\n"),
    ]);
    let base = scene.open(true).await.tree;
    let script = "echo x > a.txt; rm gone; printf '\\0\\1' > 'ü b.png'; chmod +x keep; echo s > '*'; rm -r turns; ln -s /etc turns; echo n > new";
    let (exec, tree) = scene.sh(script).await;
    assert_eq!(exec.end, End::Exit(0), "{exec:?}");
    let without = |paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        JailOp::Without {
            tree: tree.clone(),
            base: base.clone(),
            paths,
        }
    };
    let all = [
        "a.txt",
        "gone",
        "ü b.png",
        "keep",
        "*",
        "turns",
        "turns/inner",
        "new",
    ];
    let back = scene.done(without(&all)).await;
    assert!(matches!(back.body, JailBody::Restored));
    assert_eq!(back.tree, Some(base.clone()), "all of it comes to the base");
    let part = scene
        .done(without(&["gone", "turns", "turns/inner", "*"]))
        .await
        .tree
        .unwrap();
    assert!(part != base && part != tree);
    let (exec, same) = scene
        .sh("cat a.txt gone turns/inner new '*' | tr '\\n' ' '; test -x keep && echo x")
        .await;
    assert_eq!(
        (exec.stdout.text_or_empty(), same),
        ("x g i n star x\n", part)
    );
    assert_eq!(scene.done(without(&[])).await.tree, Some(tree.clone()));
    assert_eq!(
        scene
            .done(JailOp::Restore { tree: tree.clone() })
            .await
            .tree,
        Some(tree.clone())
    );
    assert_eq!(scene.failed(without(&["../out"])).await.code, "KEI-5120");
}

#[tokio::test]
async fn what_is_repeated_after_a_crash_starts_from_the_recorded_tree() {
    let Some(mut scene) = Scene::new("what_is_repeated_after_a_crash") else {
        return;
    };
    scene.repository(&[("count", "")]);
    let start = scene.open(true).await.tree;
    let append = || JailOp::Exec(shell("echo x >> count; wc -l < count"));
    let first = scene
        .perform(append(), Some(start.clone()), Cancel::new())
        .await;
    scene.restarted("what_is_repeated_after_a_crash");
    let second = scene.perform(append(), Some(start), Cancel::new()).await;
    let (Outcome::Done(first), Outcome::Done(second)) = (first, second) else {
        panic!()
    };
    assert_eq!(first.tree, second.tree);
    assert!(matches!(second.body, JailBody::Exec(e) if e.stdout.text_or_empty() == "1\n"));
}

#[tokio::test]
async fn states_do_not_depend_on_what_the_agent_does_to_its_git() {
    let Some(scene) = Scene::new("states_do_not_depend") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let start = scene.open(true).await.tree;
    let script = "git config core.fsmonitor true; git config filter.x.clean 'echo lie'; git config core.worktree /tmp; \
                  git update-index --assume-unchanged a.txt 2>/dev/null; echo b > a.txt; rm -rf .git/objects; mkdir nested; cd nested; git init -q; echo 1 > f";
    let (_, after) = scene.sh(script).await;
    assert_ne!(after, start);
    let diff = scene
        .done(JailOp::Diff {
            from: start.clone(),
            to: Some(after),
        })
        .await;
    assert!(matches!(diff.body, JailBody::Text(d) if d.text.text_or_empty().contains("+b\n")));
    assert_eq!(
        scene
            .done(JailOp::Restore {
                tree: start.clone()
            })
            .await
            .tree,
        Some(start)
    );
}

#[tokio::test]
async fn git_commits_are_deterministic_and_refusals_are_told() {
    let Some(mut scene) = Scene::new("git_commits_are_deterministic") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let mut commits = vec![];
    for byte in [1, 2] {
        scene.run = keiko_contracts::id::RunId::from_bytes([byte; 10]);
        scene.open(true).await;
        scene
            .done(JailOp::WriteFile {
                path: "a.txt".into(),
                text: "b\n".into(),
            })
            .await;
        let status = scene.done(JailOp::Git(GitOp::Status)).await;
        assert!(
            matches!(&status.body, JailBody::Text(t) if t.text.text_or_empty().contains(" M a.txt")),
            "{status:?}"
        );
        let commit = || {
            JailOp::Git(GitOp::Commit {
                message: "Änderung\n\nwhy".into(),
                at_seconds: 1_700_000_000,
            })
        };
        let JailBody::Committed {
            commit: first,
            summary,
        } = scene.done(commit()).await.body
        else {
            panic!()
        };
        assert_eq!(summary.text_or_empty().trim(), "M\ta.txt");
        let JailBody::Committed {
            commit: second,
            summary,
        } = scene.done(commit()).await.body
        else {
            panic!()
        };
        assert_eq!(
            (&second, summary.text_or_empty()),
            (&first, "nothing to commit")
        );
        commits.push(first);
    }
    assert_eq!(commits[0], commits[1]);
    for _ in 0..2 {
        let branch = scene
            .done(JailOp::Git(GitOp::Branch {
                name: "fix/it".into(),
            }))
            .await;
        assert!(
            matches!(&branch.body, JailBody::Text(t) if t.text.text_or_empty().contains("on branch fix/it")),
            "{branch:?}"
        );
    }
    let diff = scene
        .done(JailOp::Git(GitOp::Diff {
            against: None,
            path: None,
        }))
        .await;
    assert!(
        matches!(&diff.body, JailBody::Text(t) if t.text.text_or_empty().contains("+b\n")),
        "{diff:?}"
    );
    let out = scene
        .done(JailOp::Git(GitOp::Checkout {
            revision: "HEAD~1".into(),
        }))
        .await;
    assert!(matches!(&out.body, JailBody::Text(_)), "{out:?}");
    let log = scene.done(JailOp::Git(GitOp::Log { limit: 5 })).await;
    assert!(
        matches!(&log.body, JailBody::Text(t) if t.total == 1),
        "{log:?}"
    );
    for op in [
        GitOp::Checkout {
            revision: "nowhere".into(),
        },
        GitOp::Checkout {
            revision: "--orphan=x".into(),
        },
        GitOp::Branch { name: "-f".into() },
        GitOp::Diff {
            against: Some("--output=/workspace/x".into()),
            path: None,
        },
    ] {
        let report = scene.done(JailOp::Git(op.clone())).await;
        assert!(
            matches!(report.body, JailBody::Refused { .. }),
            "{op:?}: {report:?}"
        );
    }
}

#[tokio::test]
async fn commands_have_folder_input_and_files_to_bring_back() {
    let Some(scene) = Scene::new("commands_have_folder_input") else {
        return;
    };
    scene.repository(&[("sub/old.xml", "old")]);
    scene.open(true).await;
    let spec = ExecSpec {
        cwd: "sub".into(),
        stdin: Some(Content::new("in")),
        collect: vec![
            "sub/new.xml".into(),
            "sub/old.xml".into(),
            "missing".into(),
            "../etc/passwd".into(),
            "/etc/passwd".into(),
        ],
        env: [("NAME".to_owned(), "value".to_owned())].into(),
        ..shell("cat; echo $NAME; pwd; echo '<x/>' > new.xml; exit 3")
    };
    let JailBody::Exec(exec) = scene.done(JailOp::Exec(spec)).await.body else {
        panic!()
    };
    assert_eq!(
        (exec.end, exec.stdout.text_or_empty()),
        (End::Exit(3), "invalue\n/workspace/sub\n")
    );
    let artifacts: Vec<_> = exec
        .artifacts
        .iter()
        .map(|(n, c)| (n.as_str(), c.text_or_empty()))
        .collect();
    assert_eq!(
        artifacts,
        [("sub/new.xml", "<x/>\n")],
        "what an earlier command left is not this one's"
    );
    for cwd in ["..", "/etc", "sub/../.."] {
        let spec = ExecSpec {
            cwd: cwd.into(),
            ..shell("true")
        };
        assert!(
            matches!(
                scene.done(JailOp::Exec(spec)).await.body,
                JailBody::Refused { .. }
            ),
            "{cwd}"
        );
    }
    let mut noisy = shell("head -c 300000 /dev/zero | tr '\\0' x; echo end");
    noisy.limits.output_bytes = 1000;
    let JailBody::Exec(exec) = scene.done(JailOp::Exec(noisy)).await.body else {
        panic!()
    };
    assert!(
        exec.truncated_bytes > 290_000
            && exec.stdout.text_or_empty().contains("bytes left out")
            && exec.stdout.text_or_empty().ends_with("end\n")
    );
}

#[tokio::test]
async fn a_cancelled_command_ends_soon_and_the_workspace_stays_usable() {
    let Some(scene) = Scene::new("a_cancelled_command_ends_soon") else {
        return;
    };
    scene.repository(&[("a", "a\n")]);
    let start = scene.open(true).await.tree;
    let cancel = Cancel::new();
    let trigger = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        trigger.cancel();
    });
    let began = Instant::now();
    let outcome = scene
        .perform(JailOp::Exec(shell("echo b > a; sleep 60")), None, cancel)
        .await;
    assert!(matches!(outcome, Outcome::Cancelled), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let report = scene
        .perform(JailOp::Exec(shell("cat a")), Some(start), Cancel::new())
        .await;
    assert!(
        matches!(report, Outcome::Done(r) if matches!(&r.body, JailBody::Exec(e) if e.stdout.text_or_empty() == "a\n"))
    );
}
