//! Input that means harm, or is only broken: pipes where files are read, sizes that are claimed, names that git refuses.

use crate::kit::{Scene, git, shell};
use keiko_contracts::jail::{BaseKind, End, JailBody, JailOp};
use keiko_contracts::note::{OpenNote, Unfinished};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Kinds of things that are no files.
const KINDS: [&str; 5] = [
    "pipe",
    "socket",
    "link to a pipe",
    "link to nowhere",
    "folder",
];

/// Makes one on the host.
fn make(kind: &str, at: &Path) -> Option<UnixListener> {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let fifo = |at: &Path| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
    };
    match kind {
        "pipe" => fifo(at),
        "socket" => return Some(UnixListener::bind(at).unwrap()),
        "link to a pipe" => {
            let target = at.with_file_name(".the-pipe");
            if target.symlink_metadata().is_err() {
                fifo(&target);
            }
            std::os::unix::fs::symlink(".the-pipe", at).unwrap();
        }
        "link to nowhere" => std::os::unix::fs::symlink("nowhere", at).unwrap(),
        _ => fs::create_dir(at).unwrap(),
    }
    None
}

/// The same inside.
fn script(kind: &str, at: &str) -> String {
    match kind {
        "pipe" => format!("mkfifo {at}"),
        "socket" => format!(
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{at}\")' || mkfifo {at}"
        ),
        "link to a pipe" => format!("mkfifo .the-pipe; ln -s .the-pipe {at}"),
        "link to nowhere" => format!("ln -s nowhere {at}"),
        _ => format!("mkdir {at}"),
    }
}

/// Names that something reads by itself: git, the survey, package managers, the model's instructions.
const READ: [&str; 12] = [
    ".gitignore",
    ".gitattributes",
    ".gitmodules",
    "AGENTS.md",
    "pyproject.toml",
    "package.json",
    "Cargo.toml",
    "go.mod",
    "requirements.txt",
    ".env",
    "tox.ini",
    "risk.toml",
];

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(40), future)
        .await
        .unwrap_or_else(|_| panic!("{what} hangs"))
}

#[tokio::test]
async fn nothing_in_the_users_folder_holds_up_whoever_reads_it() {
    for kind in KINDS {
        let Some(scene) = Scene::new("nothing_in_the_users_folder_holds_up") else {
            return;
        };
        scene.repository(&[("a.py", "x = 1\n"), ("sub/b.txt", "b\n")]);
        let mut sockets = Vec::new();
        for name in READ {
            // Also deeper down, and what git knew as a file before.
            sockets.push(make(kind, &scene.user.join("sub").join(name)));
            sockets.push(make(kind, &scene.user.join(name)));
        }
        let opened = in_time(kind, scene.open(true)).await;
        let report = in_time(kind, scene.done(JailOp::Survey)).await;
        assert!(
            matches!(&report.body, JailBody::Surveyed(survey) if survey.files >= 2),
            "{kind}: {report:?}"
        );
        let (exec, tree) = in_time(kind, scene.sh("cat a.py sub/b.txt")).await;
        assert_eq!(exec.stdout.text_or_empty(), "x = 1\nb\n", "{kind}");
        assert_eq!(tree, opened.tree, "{kind}");
        let (_, tree) = in_time(kind, scene.sh("echo new > a.py")).await;
        in_time(kind, scene.sandbox.export_tree(scene.run, &tree))
            .await
            .unwrap();
        scene.home.apply(scene.run, &tree).unwrap();
        scene.home.undo(scene.run).unwrap();
    }
}

#[tokio::test]
async fn nothing_that_a_command_leaves_holds_up_the_recording() {
    for kind in KINDS {
        let Some(scene) = Scene::new("nothing_that_a_command_leaves_holds_up") else {
            return;
        };
        scene.repository(&[("a.py", "x = 1\n"), ("sub/b.txt", "b\n")]);
        let opened = scene.open(true).await;
        let all: String = READ
            .iter()
            .map(|name| format!("{}; ", script(kind, name)))
            .collect();
        in_time(kind, scene.sh(&format!("mkdir all; cd all; {all}"))).await;
        in_time(kind, scene.done(JailOp::Survey)).await;
        in_time(kind, scene.sh("rm -rf all")).await;
        for name in READ.iter().take(4) {
            let (exec, _) = in_time(
                name,
                scene.sh(&format!(
                    "{}; cd sub; {}",
                    script(kind, name),
                    script(kind, name)
                )),
            )
            .await;
            assert_eq!(exec.end, End::Exit(0), "{kind} {name}: {exec:?}");
            let blocks = matches!(
                (kind, *name),
                ("pipe", ".gitignore" | ".gitattributes")
                    | ("pipe" | "link to a pipe", ".gitmodules")
            );
            assert_eq!(
                exec.violations
                    .iter()
                    .any(|v| v.contains(*name) && v.contains("was removed")),
                blocks,
                "{kind} {name}: {exec:?}"
            );
            for op in [
                JailOp::ReadFile {
                    path: (*name).into(),
                    from_line: 1,
                    lines: 0,
                },
                JailOp::Search {
                    pattern: "x".into(),
                    path: String::new(),
                    glob: None,
                    context: 0,
                    limit: 10,
                    ignore_case: false,
                },
                JailOp::WriteFile {
                    path: (*name).into(),
                    text: "x".into(),
                },
            ] {
                in_time(name, scene.done(op)).await;
            }
            let (_, tree) = in_time(
                name,
                scene.sh(&format!("rm -rf {name} sub/{name} .the-pipe sub/.the-pipe")),
            )
            .await;
            assert_eq!(tree, opened.tree, "{kind} {name}");
        }
    }
}

#[tokio::test]
async fn a_pipe_among_gits_own_files_is_refused_with_its_name() {
    for place in [
        "config",
        "HEAD",
        "packed-refs",
        "index",
        "shallow",
        "refs/heads/x",
        "objects/info/alternates",
        "info/exclude",
        "MERGE_HEAD",
    ] {
        let Some(scene) = Scene::new("a_pipe_among_gits_own_files") else {
            return;
        };
        scene.repository(&[("a.txt", "a\n")]);
        let at = scene.user.join(".git").join(place);
        let _ = fs::remove_file(&at);
        make("pipe", &at);
        let outcome = in_time(
            place,
            scene.perform(
                JailOp::Open {
                    source: scene.source(true),
                },
                None,
                keiko_ports::Cancel::new(),
            ),
        )
        .await;
        match outcome {
            keiko_contracts::action::Outcome::Failed(fault) => {
                assert_eq!(fault.code, "KEI-5161", "{place}: {fault:?}");
                assert!(fault.hint.unwrap().contains(place), "{place}");
            }
            // A folder without HEAD is none of git's.
            other => assert!(place == "HEAD", "{place}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn sizes_that_are_only_claimed_cost_nothing() {
    let Some(scene) = Scene::new("sizes_that_are_only_claimed") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let opened = scene.open(true).await;
    let began = Instant::now();
    let (exec, tree) = scene.sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do truncate -s 1000M sparse$i; done; echo b > b.txt").await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?} {exec:?}",
        began.elapsed()
    );
    assert_eq!(
        exec.violations
            .iter()
            .filter(|v| v.contains("sparse"))
            .count(),
        12,
        "{exec:?}"
    );
    let (exec, again) = scene.sh("git status --short | wc -l; true").await;
    assert_eq!((again, exec.violations.len()), (tree, 0), "it is told once");
    let (_, tree) = scene.sh("rm sparse* b.txt").await;
    assert_eq!(tree, opened.tree);
    // In the user's own folder they are refused before anything is copied.
    for i in 0..12 {
        fs::File::create(scene.user.join(format!("s{i}")))
            .unwrap()
            .set_len(1000 << 20)
            .unwrap();
    }
    let other = Scene {
        run: keiko_contracts::id::RunId::from_bytes([8; 10]),
        ..scene
    };
    let began = Instant::now();
    assert_eq!(
        other
            .failed(JailOp::Open {
                source: other.source(true)
            })
            .await
            .code,
        "KEI-5106"
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn names_that_git_refuses_are_told_and_the_rest_is_applied() {
    let Some(scene) = Scene::new("names_that_git_refuses") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    scene.open(true).await;
    let hidden = ".g\u{200c}it";
    let bad = [
        ".GIT/config",
        "git~1",
        "sub/.Git",
        &format!("{hidden}/config"),
        "x/.git./hooks",
        ".git::$INDEX_ALLOCATION",
    ];
    for name in bad {
        let (exec, _) = scene
            .sh(&format!(
                "mkdir -p \"$(dirname '{name}')\"; echo x > '{name}'; echo 1 >> ok.txt"
            ))
            .await;
        let told = exec
            .violations
            .iter()
            .filter(|v| v.contains("git keeps that name to itself"))
            .count();
        assert_eq!(
            (exec.end.clone(), told),
            (End::Exit(0), 1),
            "{name}: {exec:?}"
        );
        let written = scene
            .done(JailOp::WriteFile {
                path: name.into(),
                text: "x".into(),
            })
            .await;
        assert!(
            matches!(&written.body, JailBody::Refused { why, .. } if why.contains("git")),
            "{name}: {written:?}"
        );
    }
    // Odd names that are nobody's: all of them come home.
    let long = "l".repeat(250);
    let (exec, tree) = scene
        .sh(&format!(
            "printf n > \"$(printf 'new\\nline')\"; printf b > 'back\\slash'; printf u > \"$(printf 'in\\377valid')\"; printf l > {long}"
        ))
        .await;
    assert_eq!(exec.end, End::Exit(0), "{exec:?}");
    scene.sandbox.export_tree(scene.run, &tree).await.unwrap();
    let report = scene.home.apply(scene.run, &tree).unwrap();
    assert_eq!(report.changes.len(), 5, "{report:?}");
    assert_eq!(
        fs::read_to_string(scene.user.join("ok.txt")).unwrap(),
        "1\n".repeat(bad.len())
    );
    assert_eq!(
        fs::read_to_string(scene.user.join("new\nline")).unwrap(),
        "n"
    );
    assert_eq!(
        fs::read_to_string(scene.user.join("back\\slash")).unwrap(),
        "b"
    );
    assert!(scene.user.join(&long).exists());
    assert!(!scene.user.join(hidden).exists());
}

#[tokio::test]
async fn what_git_still_refuses_is_a_fault_with_a_way_on() {
    let Some(scene) = Scene::new("what_git_still_refuses") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    scene.open(true).await;
    let (_, tree) = scene
        .sh("printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = -u./payload\\n' > .gitmodules")
        .await;
    let fault = scene
        .sandbox
        .export_tree(scene.run, &tree)
        .await
        .unwrap_err();
    assert_eq!(fault.code, "KEI-5164", "{fault:?}");
    assert!(
        fault.message.contains("ubmodule") && fault.hint.is_some(),
        "{fault:?}"
    );
    assert_eq!(fault.place.as_deref(), Some(".gitmodules"), "{fault:?}");
}

#[tokio::test]
async fn a_workspace_that_was_removed_behind_a_run_is_a_fault() {
    for gone in ["", "tree", "state.git"] {
        let Some(scene) = Scene::new("a_workspace_that_was_removed") else {
            return;
        };
        scene.repository(&[("a.txt", "a\n")]);
        scene.open(true).await;
        scene.sh("echo b > b.txt").await;
        let place = scene
            .dir
            .path()
            .join("data/workspaces")
            .join(scene.run.to_string());
        fs::remove_dir_all(place.join(gone)).unwrap();
        for op in [
            JailOp::Exec(shell("true")),
            JailOp::ReadFile {
                path: "a.txt".into(),
                from_line: 1,
                lines: 0,
            },
            JailOp::Survey,
        ] {
            let fault = in_time(gone, scene.failed(op)).await;
            assert_eq!(fault.code, "KEI-5163", "{gone}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn keikos_own_folders_are_no_workspace() {
    let Some(scene) = Scene::new("keikos_own_folders") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    scene.open(true).await;
    let data = scene.dir.path().join("data");
    std::os::unix::fs::symlink(&data, scene.dir.path().join("link")).unwrap();
    let open = |path: &Path| JailOp::Open {
        source: keiko_contracts::jail::Source::Folder {
            path: path.to_str().unwrap().into(),
            snapshot: true,
        },
    };
    let other = Scene {
        run: keiko_contracts::id::RunId::from_bytes([8; 10]),
        ..scene
    };
    for bad in [
        data.clone(),
        data.join("workspaces"),
        other.dir.path().to_owned(),
        other.dir.path().join("link"),
        other.tree_dir(),
    ] {
        if bad.is_dir() {
            assert_eq!(
                other.failed(open(&bad)).await.code,
                "KEI-5160",
                "{}",
                bad.display()
            );
        }
    }
}

fn has(notes: &[OpenNote], wanted: impl Fn(&OpenNote) -> bool) -> bool {
    notes.iter().any(wanted)
}

#[tokio::test]
async fn a_history_that_cannot_be_read_leaves_the_files() {
    let Some(mut scene) = Scene::new("a_history_that_cannot_be_read") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "one\n"),
        ("kept.log", "tracked although ignored\n"),
    ]);
    let old = scene.git(&["rev-parse", "HEAD:a.txt"]);
    scene.files(&[("a.txt", "two\n"), (".gitignore", "*.log\n")]);
    let head = scene.commit();
    let object = |id: &str| {
        scene
            .user
            .join(".git/objects")
            .join(&id[..2])
            .join(&id[2..])
    };
    // An old blob is missing, as in a partial clone: the newest commit is there all the same.
    fs::remove_file(object(&old)).unwrap();
    let opened = scene.open(true).await;
    assert_eq!(
        (opened.kind, opened.base.0.as_str()),
        (BaseKind::Head, head.as_str()),
        "{opened:?}"
    );
    assert!(
        has(&opened.notes, |n| matches!(n, OpenNote::HistoryCut { .. })),
        "{opened:?}"
    );
    let (exec, tree) = scene
        .sh("git log --oneline | wc -l; cat a.txt kept.log")
        .await;
    assert_eq!(
        (exec.stdout.text_or_empty(), &tree),
        ("1\ntwo\ntracked although ignored\n", &opened.tree)
    );
    // One of the newest commit is missing too: the files, without any history.
    let new = scene.git(&["rev-parse", "HEAD:a.txt"]);
    fs::remove_file(
        scene
            .user
            .join(".git/objects")
            .join(&new[..2])
            .join(&new[2..]),
    )
    .unwrap();
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    let opened = scene.open(true).await;
    assert!(
        has(
            &opened.notes,
            |n| matches!(n, OpenNote::WithoutHistory { why } if !why.is_empty())
        ),
        "{opened:?}"
    );
    assert_eq!(opened.kind, BaseKind::Snapshot);
    assert_eq!(opened.branch.as_deref(), Some("main"));
    assert_eq!(
        scene
            .sh("cat a.txt kept.log")
            .await
            .0
            .stdout
            .text_or_empty(),
        "two\ntracked although ignored\n"
    );
    // Broken alternates.
    fs::write(
        scene.user.join(".git/objects/info/alternates"),
        "/nowhere\n",
    )
    .unwrap();
    scene.run = keiko_contracts::id::RunId::from_bytes([9; 10]);
    let opened = scene.open(true).await;
    assert!(
        has(
            &opened.notes,
            |n| matches!(n, OpenNote::WithoutHistory { why } if why.contains("borrows"))
        ),
        "{opened:?}"
    );
    // Only what is committed was asked for: that cannot be had.
    scene.run = keiko_contracts::id::RunId::from_bytes([10; 10]);
    let fault = scene
        .failed(JailOp::Open {
            source: scene.source(false),
        })
        .await;
    assert!(
        fault.code == "KEI-5107" && fault.hint.is_some(),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_part_of_a_repository_is_opened_with_its_history() {
    let Some(mut scene) = Scene::new("a_part_of_a_repository") else {
        return;
    };
    let project = "[project]\nname = \"p\"\nversion = \"1\"\n";
    scene.repository(&[
        ("one/pyproject.toml", project),
        ("one/test_a.py", "def test_a(): pass\n"),
        ("two/pyproject.toml", project),
        ("two/test_b.py", "def test_b(): pass\n"),
        (".gitignore", "apart/\n"),
    ]);
    let head = scene.git(&["rev-parse", "HEAD"]);
    let repository = scene.user.clone();
    scene.user = repository.join("one");
    let opened = scene.open(true).await;
    assert_eq!(
        (opened.part.as_str(), opened.base.0.as_str()),
        ("one", head.as_str()),
        "{opened:?}"
    );
    assert!(has(
        &opened.notes,
        |n| matches!(n, OpenNote::Part { part, .. } if part == "one")
    ));
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else {
        panic!()
    };
    assert_eq!(
        survey
            .projects
            .iter()
            .map(|p| p.dir.as_str())
            .collect::<Vec<_>>(),
        ["one"]
    );
    // A folder that the repository ignores is a project of its own.
    scene.user = repository.join("apart");
    scene.files(&[("x.py", "print(1)\n")]);
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    let opened = scene.open(true).await;
    assert_eq!((opened.kind, opened.part.as_str()), (BaseKind::Shadow, ""));
}

#[tokio::test]
async fn what_was_left_out_and_what_is_under_way_is_said() {
    let Some(mut scene) = Scene::new("what_was_left_out") else {
        return;
    };
    scene.repository(&[
        ("a.txt", "a\n"),
        (".gitignore", "fixtures/\n*.bin\nnode_modules/\n"),
    ]);
    scene.files(&[
        ("fixtures/x.json", "{}"),
        ("d.bin", "1"),
        ("node_modules/m/i.js", "1"),
        (".env", "K=1"),
    ]);
    let opened = scene.open(true).await;
    let ignored = |n: &OpenNote| matches!(n, OpenNote::Ignored { paths, count: 2 } if *paths == ["d.bin", "fixtures/"]);
    assert!(has(&opened.notes, ignored), "{opened:?}");
    assert!(
        has(&opened.notes, |n| matches!(
            n,
            OpenNote::Credentials { count: 1, .. }
        )),
        "{opened:?}"
    );
    // A merge.
    scene.git(&["checkout", "-q", "-b", "side"]);
    scene.files(&[("a.txt", "side\n")]);
    scene.commit();
    scene.git(&["checkout", "-q", "main"]);
    scene.files(&[("a.txt", "main\n")]);
    scene.commit();
    let merged = std::process::Command::new("git")
        .args(["-c", "user.name=U", "-c", "user.email=u@x", "merge", "side"])
        .current_dir(&scene.user)
        .output()
        .unwrap();
    assert!(!merged.status.success());
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    let opened = scene.open(true).await;
    let merge = |n: &OpenNote| matches!(n, OpenNote::Unfinished { what: Unfinished::Merge, paths, count: 1 } if *paths == ["a.txt"]);
    assert!(has(&opened.notes, merge), "{opened:?}");
    // A shallow clone.
    scene.git(&["merge", "--abort"]);
    let shallow = scene.dir.path().join("shallow");
    git(
        scene.dir.path(),
        &[
            "clone",
            "-q",
            "--depth=1",
            &format!("file://{}", scene.user.display()),
            shallow.to_str().unwrap(),
        ],
    );
    scene.user = shallow;
    scene.run = keiko_contracts::id::RunId::from_bytes([9; 10]);
    assert!(has(&scene.open(true).await.notes, |n| matches!(
        n,
        OpenNote::Shallow
    )));
}

#[tokio::test]
async fn submodules_come_along_as_they_are_checked_out() {
    let Some(mut scene) = Scene::new("submodules_come_along") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let inner = scene.dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q"]);
    fs::write(inner.join("data.txt"), "data\n").unwrap();
    git(&inner, &["add", "-A"]);
    git(
        &inner,
        &[
            "-c",
            "user.name=U",
            "-c",
            "user.email=u@x",
            "commit",
            "-q",
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
        inner.to_str().unwrap(),
        "module",
    ]);
    scene.commit();
    let opened = scene.open(true).await;
    assert_eq!(
        opened.kind,
        BaseKind::Head,
        "a submodule is not a change: {opened:?}"
    );
    assert!(
        has(
            &opened.notes,
            |n| matches!(n, OpenNote::SubmoduleTaken { path, files: 1 } if path == "module")
        ),
        "{opened:?}"
    );
    let (exec, tree) = scene
        .sh("cat module/data.txt; echo more >> module/data.txt; git status --short")
        .await;
    assert_eq!(
        (exec.stdout.text_or_empty(), &tree),
        ("data\n", &opened.tree),
        "{exec:?}"
    );
    // Not checked out.
    let clone = scene.dir.path().join("clone");
    git(
        scene.dir.path(),
        &[
            "clone",
            "-q",
            scene.user.to_str().unwrap(),
            clone.to_str().unwrap(),
        ],
    );
    scene.user = clone;
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    let opened = scene.open(true).await;
    assert!(
        has(
            &opened.notes,
            |n| matches!(n, OpenNote::SubmoduleEmpty { path } if path == "module")
        ),
        "{opened:?}"
    );
}

/// Opening and the first two commands, in seconds. The bounds below are those of a machine that does much else.
async fn costs(scene: &Scene) -> [f32; 3] {
    let mut out = [0.0; 3];
    let began = Instant::now();
    scene.open(true).await;
    out[0] = began.elapsed().as_secs_f32();
    for slot in out.iter_mut().skip(1) {
        let began = Instant::now();
        scene.sh("true").await;
        *slot = began.elapsed().as_secs_f32();
    }
    out
}

#[tokio::test]
async fn slow_a_large_committed_file_costs_seconds() {
    let Some(scene) = Scene::new("slow_a_large_committed_file_costs_seconds") else {
        return;
    };
    scene.repository(&[("a.txt", "a\n")]);
    let mut random = std::io::Read::take(fs::File::open("/dev/urandom").unwrap(), 300 << 20);
    std::io::copy(
        &mut random,
        &mut fs::File::create(scene.user.join("large.bin")).unwrap(),
    )
    .unwrap();
    scene.commit();
    let costs = costs(&scene).await;
    eprintln!("300 MB: {costs:?} s");
    assert!(
        costs[0] < 60.0 && costs[1] < 60.0 && costs[2] < 20.0,
        "{costs:?}"
    );
}

#[tokio::test]
async fn slow_a_repository_of_100_000_files_is_bounded() {
    let Some(scene) = Scene::new("slow_a_repository_of_100_000_files_is_bounded") else {
        return;
    };
    for folder in 0..500 {
        let dir = scene.user.join(format!("d{folder:03}"));
        fs::create_dir(&dir).unwrap();
        for file in 0..200 {
            fs::write(
                dir.join(format!("f{file}.txt")),
                format!("{folder} {file}\n"),
            )
            .unwrap();
        }
    }
    scene.git(&["init", "-q", "-b", "main"]);
    scene.commit();
    let costs = costs(&scene).await;
    eprintln!("100,000 files: {costs:?} s");
    assert!(
        costs[0] < 240.0 && costs[1] < 240.0 && costs[2] < 90.0,
        "{costs:?}"
    );
}
