//! Dependencies: installed once with network, used without.

use crate::kit::Scene;
use keiko_contracts::jail::{End, JailBody, JailOp, Toolchain};

fn reachable(test: &str, program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|p| p.join(program).is_file());
    if !found {
        eprintln!("SKIPPED: {test}: {program} is not installed: install {program}");
    }
    found
}

/// Installs, and says if the registry cannot be reached.
async fn prepared(scene: &Scene, test: &str, toolchain: Toolchain, key: &str, script: &str) -> Option<bool> {
    let commands = vec![vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]];
    let report = scene.done(JailOp::Prepare { toolchain, commands, cache_key: key.into() }).await;
    let JailBody::Prepared { cached, log, exit_code } = report.body else { panic!("{report:?}") };
    if exit_code != 0 {
        let log = log.text_or_empty();
        let offline = ["resolve", "Temporary failure", "ENOTFOUND", "EAI_AGAIN", "Connection", "timed out"].iter().any(|s| log.contains(s));
        assert!(offline, "{log}");
        eprintln!("SKIPPED: {test}: the package registry cannot be reached: connect to the network");
        return None;
    }
    Some(cached)
}

#[tokio::test]
async fn a_python_package_is_there_offline_afterwards() {
    let test = "a_python_package_is_there_offline_afterwards";
    let Some(mut scene) = Scene::new(test) else { return };
    if !reachable(test, "python3") {
        return;
    }
    scene.repository(&[("requirements.txt", "six==1.16.0\n")]);
    scene.open(true).await;
    let script = "python3 -m venv /cache/python/k1/venv && /cache/python/k1/venv/bin/pip install -q -r requirements.txt";
    let Some(cached) = prepared(&scene, test, Toolchain::Python, "k1", script).await else { return };
    assert!(!cached);
    let check = "python -c 'import six; print(six.__version__, six.__file__)'; touch /cache/python/k1/x; python -m pip install attrs";
    let (exec, _) = scene.sh(check).await;
    assert!(exec.stdout.text_or_empty().starts_with("1.16.0 /cache/python/k1/venv"), "{exec:?}");
    assert!(exec.stderr.text_or_empty().contains("Read-only") && exec.end != End::Exit(0), "{exec:?}");
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    scene.open(true).await;
    assert_eq!(prepared(&scene, test, Toolchain::Python, "k1", "exit 1").await, Some(true), "the second run takes it from the cache");
    scene.restarted(test);
    let (exec, _) = scene.sh("python -c 'import six'").await;
    assert_eq!(exec.end, End::Exit(0), "{exec:?}");
}

#[tokio::test]
async fn a_node_package_is_there_offline_afterwards() {
    let test = "a_node_package_is_there_offline_afterwards";
    let Some(scene) = Scene::new(test) else { return };
    if !reachable(test, "npm") {
        return;
    }
    scene.repository(&[
        ("package.json", r#"{"name":"x","version":"1.0.0","dependencies":{"is-number":"7.0.0"}}"#),
        (".gitignore", "node_modules\n"),
    ]);
    scene.open(true).await;
    let script = "cp package.json /cache/node/k1/ && npm install --silent --prefix /cache/node/k1";
    if prepared(&scene, test, Toolchain::Node, "k1", script).await.is_none() {
        return;
    }
    let (exec, _) = scene.sh("node -e 'console.log(require(\"is-number\")(5))'").await;
    assert_eq!(exec.stdout.text_or_empty(), "true\n", "{exec:?}");
}

#[tokio::test]
async fn a_crate_is_there_offline_afterwards() {
    let test = "a_crate_is_there_offline_afterwards";
    let Some(scene) = Scene::new(test) else { return };
    if !reachable(test, "cargo") {
        return;
    }
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n";
    scene.repository(&[
        ("Cargo.toml", manifest),
        ("src/main.rs", "fn main() { print!(\"{}\", itoa::Buffer::new().format(42)); }\n"),
        (".gitignore", "target\n"),
    ]);
    scene.open(true).await;
    if prepared(&scene, test, Toolchain::Rust, "k1", "cargo fetch").await.is_none() {
        return;
    }
    let (exec, _) = scene.sh("cargo run -q").await;
    assert_eq!(exec.stdout.text_or_empty(), "42", "{exec:?}");
}

#[tokio::test]
async fn a_failed_installation_leaves_nothing_and_commands_have_no_network() {
    let test = "a_failed_installation_leaves_nothing";
    let Some(scene) = Scene::new(test) else { return };
    scene.repository(&[("a", "a")]);
    scene.open(true).await;
    let commands = vec![vec!["sh".into(), "-c".into(), "echo trying; echo half > /cache/python/k9/half; exit 7".into()]];
    let report = scene.done(JailOp::Prepare { toolchain: Toolchain::Python, commands, cache_key: "k9".into() }).await;
    assert!(
        matches!(&report.body, JailBody::Prepared { exit_code: 7, cached: false, log } if log.text_or_empty().contains("trying")),
        "{report:?}"
    );
    let (exec, _) = scene.sh("ls /cache/python/k9; cat /proc/net/dev | grep -c :").await;
    assert!(exec.stderr.text_or_empty().contains("No such file") && exec.stdout.text_or_empty() == "1\n", "{exec:?}");
    let fault = scene.failed(JailOp::Prepare { toolchain: Toolchain::Go, commands: vec![], cache_key: "../x".into() }).await;
    assert_eq!(fault.code, "KEI-5130");
}

#[tokio::test]
async fn what_a_survey_asks_for_is_enough() {
    let test = "what_a_survey_asks_for_is_enough";
    let Some(scene) = Scene::new(test) else { return };
    if !["python3", "npm", "cargo"].iter().all(|p| reachable(test, p)) {
        return;
    }
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n";
    scene.repository(&[
        ("py/requirements.txt", "toolz==0.12.1\n"),
        ("py/test_x.py", "import toolz\n"),
        ("web/package.json", r#"{"name":"x","version":"1.0.0","dependencies":{"is-number":"7.0.0"}}"#),
        ("rs/Cargo.toml", manifest),
        ("rs/src/main.rs", "fn main() { print!(\"{}\", itoa::Buffer::new().format(42)); }\n"),
        (".gitignore", "node_modules\ntarget\n"),
    ]);
    let start = scene.open(true).await.tree;
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else { panic!() };
    for project in survey.projects.iter().filter(|p| p.needs_prepare) {
        let op = JailOp::Prepare { toolchain: project.toolchain, commands: project.prepare.clone(), cache_key: project.cache_key.clone() };
        let report = scene.done(op).await;
        let JailBody::Prepared { log, exit_code, .. } = report.body else { panic!("{report:?}") };
        if exit_code != 0 {
            assert!(
                ["resolve", "ENOTFOUND", "EAI_AGAIN", "Connection"].iter().any(|s| log.text_or_empty().contains(s)),
                "{}",
                log.text_or_empty()
            );
            eprintln!("SKIPPED: {test}: the package registry cannot be reached: connect to the network");
            return;
        }
    }
    let script =
        "python -c 'import toolz; print(toolz.__version__)'; (cd web && node -p 'require(\"is-number\")(5)'); (cd rs && cargo run -q)";
    let (exec, _) = scene.sh(script).await;
    assert_eq!(exec.stdout.text_or_empty(), "0.12.1\ntrue\n42", "{exec:?}");
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else { panic!() };
    let open: Vec<_> = survey.projects.iter().filter(|p| p.needs_prepare).map(|p| &p.dir).collect();
    assert!(open.is_empty(), "{open:?}");
    let diff = scene.done(JailOp::Diff { from: start, to: None }).await;
    let JailBody::Text(diff) = diff.body else { panic!() };
    assert!(!diff.text.text_or_empty().contains("node_modules"), "{}", diff.text.text_or_empty());
}
