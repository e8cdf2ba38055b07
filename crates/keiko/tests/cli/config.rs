use crate::{Home, Ran, bare};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

#[test]
fn a_typo_gives_code_line_and_suggestion() {
    let home = Home::new();
    let file = home.write("config/config.toml", "[run]\n# few\nmax_stpes = 4\n");
    for command in [
        &["runs", "list"][..],
        &["config", "get", "run.max_steps"],
        &["models", "list"],
    ] {
        let ran = home.run(command);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.err.contains("error[KEI-1302]") && ran.err.contains("did you mean run.max_steps?"),
            "{ran:?}"
        );
        assert!(
            ran.err
                .contains(&format!("{}:3:1: max_stpes = 4", file.display())),
            "{ran:?}"
        );
        assert_eq!(ran.out, "");
    }
    let ran = home.run(&["config", "validate", "--json"]);
    assert_eq!(ran.code, 8, "{ran:?}");
    assert_eq!(ran.json()["problems"][0]["code"], "KEI-1302");
    let ran = Ran::of(
        home.keiko(&["runs", "list", "--json"])
            .stderr(Stdio::piped()),
    );
    assert_eq!(
        (ran.code, ran.json()["error"]["code"].as_str()),
        (2, Some("KEI-1302")),
        "{ran:?}"
    );
}

#[test]
fn a_typo_in_the_risk_policy_or_a_variable_is_no_silent_default() {
    let home = Home::new();
    home.write("config/risk.toml", "[classes]\ngit_psuh = \"forbid\"\n");
    let ran = home.run(&["runs", "list"]);
    assert!(
        ran.code == 2 && ran.err.contains("risk.toml:2:1") && ran.err.contains("git_push"),
        "{ran:?}"
    );
    let other = Home::new();
    let ran = Ran::of(
        other
            .keiko(&["runs", "list"])
            .env("KEIKO_RUN__MAX_STPES", "4"),
    );
    assert!(
        ran.code == 2 && ran.err.contains("did you mean KEIKO_RUN__MAX_STEPS?"),
        "{ran:?}"
    );
}

#[test]
fn without_a_home_it_says_what_to_set() {
    let ran = Ran::of(&mut bare(&["runs", "list"]));
    assert!(
        ran.code == 2 && ran.err.contains("error[KEI-1101]") && ran.err.contains("KEIKO_HOME"),
        "{ran:?}"
    );
    let ran = Ran::of(&mut bare(&["config", "schema"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["additionalProperties"], false);
}

#[test]
fn each_layer_goes_before_the_one_below_and_explain_says_so() {
    let home = Home::new();
    home.write(
        "config/config.toml",
        "[run]\nmax_steps = 40\nmodel = \"a/user\"\n",
    );
    home.write("here/.git/HEAD", "");
    home.write("here/keiko.toml", "run.max_steps = 30\nlanguage = \"de\"\n");
    let get = |key: &str, env: &[(&str, &str)]| {
        Ran::of(
            home.keiko(&["config", "get", key])
                .envs(env.iter().copied()),
        )
        .out
    };
    assert_eq!(get("run.max_steps", &[]), "30\n");
    assert_eq!(
        get("run.max_steps", &[("KEIKO_RUN__MAX_STEPS", "50")]),
        "50\n"
    );
    assert_eq!(get("run.model", &[]), "a/user\n");
    assert_eq!(get("language", &[]), "de\n");
    assert_eq!(get("run.max_seconds", &[]), "3600\n");
    let ran = home.run(&["config", "explain", "run.max_steps", "--json"]);
    let from = &ran.json()["values"][0]["from"];
    assert_eq!(
        (from[0]["layer"].as_str(), from[0]["holds"].as_bool()),
        (Some("project"), Some(true)),
        "{ran:?}"
    );
    assert!(
        from[0]["place"]
            .as_str()
            .unwrap_or_default()
            .ends_with("keiko.toml:1"),
        "{ran:?}"
    );
    assert!(
        from[1]["place"]
            .as_str()
            .unwrap_or_default()
            .ends_with("config.toml:2"),
        "{ran:?}"
    );
    let ran = home.run(&["config", "get", "run.budget"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{ran:?}");
    assert!(
        home.run(&["config", "get", "run"])
            .out
            .contains("max_steps = 30")
    );
}

#[test]
fn a_repository_cannot_choose_models_or_approvals_or_raise_limits() {
    let home = Home::new();
    home.write("here/.git/HEAD", "");
    for text in [
        "run.approval = \"never\"",
        "[models.vendors.openai]\nbase_url = \"http://evil.example/v1\"",
        "run.model = \"a/b\"",
        "[log]\nlevel = \"off\"",
    ] {
        home.write("here/keiko.toml", text);
        let ran = home.run(&["models", "list"]);
        assert!(
            ran.code == 2
                && ran.err.contains("error[KEI-1305]")
                && ran.err.contains("keiko config set"),
            "{text}: {ran:?}"
        );
    }
    home.write("here/keiko.toml", "run.max_steps = 9999\n");
    assert_eq!(home.run(&["config", "get", "run.max_steps"]).out, "60\n");
    std::fs::remove_file(home.path().join("here/keiko.toml")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", home.path().join("here/keiko.toml")).unwrap();
    let ran = home.run(&["models", "list"]);
    assert!(
        ran.code == 2 && ran.err.contains("symbolic link") && !ran.err.contains("root:"),
        "{ran:?}"
    );
}

#[test]
fn kill_works_whatever_the_files_say() {
    let home = Home::new();
    home.write("here/.git/HEAD", "");
    home.write("here/keiko.toml", "nonsense = = 1");
    let ran = home.run(&["kill", "--all", "--reason", "enough"]);
    assert!(ran.code == 0 && ran.err.contains("KEI-1301"), "{ran:?}");
}

#[test]
fn init_writes_private_files_once_and_set_keeps_the_comments() {
    let home = Home::new();
    let ran = home.run(&["config", "init", "--json"]);
    assert_eq!(
        ran.json()["written"].as_array().map(Vec::len),
        Some(2),
        "{ran:?}"
    );
    for name in ["config/config.toml", "config/risk.toml"] {
        assert_eq!(
            home.path()
                .join(name)
                .metadata()
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
    }
    assert_eq!(home.run(&["config", "validate"]).code, 0);
    let ran = home.run(&["config", "set", "run.budget", "0.50"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = std::fs::read_to_string(home.config_file()).unwrap();
    assert!(
        text.contains("budget = \"0.50\"") && text.contains("# Keiko's configuration."),
        "{text}"
    );
    let ran = home.run(&["config", "init"]);
    assert!(ran.out.contains("left as it is"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(home.config_file()).unwrap(), text);
    assert_eq!(home.run(&["config", "get", "run.budget"]).out, "0.50\n");
}

#[test]
fn set_refuses_nonsense_and_secrets_and_says_when_something_stronger_holds() {
    let home = Home::new();
    for (key, value, code) in [
        ("run.max_steps", "0", "KEI-1303"),
        ("run.budget", "0,50", "KEI-1303"),
        ("run.budget", "-1", "KEI-1303"),
        ("run.budget", "nan", "KEI-1303"),
        ("run.steps", "1", "KEI-1302"),
        ("models.vendors.openai.api_key", "hunter2", "KEI-1306"),
    ] {
        let ran = home.run(&["config", "set", key, value]);
        assert!(
            ran.code == 2 && ran.err.contains(code) && !ran.err.contains("hunter2"),
            "{key}: {ran:?}"
        );
    }
    assert!(!home.config_file().exists());
    let ran = Ran::of(
        home.keiko(&["config", "set", "run.max_steps", "7"])
            .env("KEIKO_RUN__MAX_STEPS", "9"),
    );
    assert!(
        ran.code == 0 && ran.err.contains("KEIKO_RUN__MAX_STEPS goes before it"),
        "{ran:?}"
    );
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let home = Home::new();
    for args in [
        &["runs", "list"][..],
        &["config", "schema"],
        &["models", "list"],
        &["--help"],
        &["completion", "bash"],
    ] {
        let mut child = home
            .keiko(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        let status = child.wait().unwrap();
        assert!(
            !said.contains("panicked") && status.code() == Some(0),
            "{args:?}: {status:?} {said}"
        );
    }
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let home = Home::new();
    assert_eq!(home.run(&["modles"]).code, 2);
    assert_eq!(home.run(&[]).code, 2);
    assert_eq!(home.run(&["--help"]).code, 0);
}

#[test]
fn a_setting_that_is_not_set_is_not_found() {
    let home = Home::new();
    let ran = home.run(&["config", "get", "run.model"]);
    assert!(
        ran.code == 3 && ran.out.is_empty() && ran.err.contains("keiko config explain run.model"),
        "{ran:?}"
    );
    let ran = home.run(&["config", "get", "run.model", "--json"]);
    assert_eq!(
        (ran.code, &ran.json()["value"]),
        (3, &serde_json::Value::Null),
        "{ran:?}"
    );
}

#[test]
fn lists_are_objects_with_a_name_for_the_rows() {
    let home = Home::new();
    for (command, name) in [
        ("runs", "runs"),
        ("approvals", "approvals"),
        ("models", "vendors"),
    ] {
        let ran = home.run(&[command, "list", "--json"]);
        assert!(ran.code == 0 && ran.json()[name].is_array(), "{ran:?}");
    }
}

#[test]
fn hints_begin_as_the_command_was_typed() {
    let home = Home::new();
    let ran = Ran::of(
        home.keiko(&["runs", "list"])
            .env("KEIKO_CALLED_AS", "./keiko"),
    );
    assert_eq!(ran.err, "No runs yet. Begin with: ./keiko up\n");
    let ran = Ran::of(
        home.keiko(&["runs", "show", "x"])
            .env("KEIKO_CALLED_AS", "./keiko"),
    );
    assert!(
        ran.code == 3 && ran.err.contains("hint: ./keiko runs list"),
        "{ran:?}"
    );
    let ran = Ran::of(home.keiko(&["logs"]).env("KEIKO_CALLED_AS", "./keiko"));
    assert!(
        ran.code == 2 && ran.err.contains("hint: ./keiko runs events last --follow"),
        "{ran:?}"
    );
    let ran = Ran::of(
        home.keiko(&["runs", "show", "x", "--json"])
            .env("KEIKO_CALLED_AS", "./keiko"),
    );
    assert_eq!(
        ran.json()["error"]["hint"],
        "keiko runs list",
        "what programs read is the same everywhere"
    );
}

#[test]
fn there_is_a_page_for_every_command() {
    let home = Home::new();
    let ran = home.run(&["man", "runs", "apply"]);
    assert!(
        ran.code == 0 && ran.out.contains(".TH") && ran.out.contains("\\-\\-check"),
        "{ran:?}"
    );
    assert!(home.run(&["man"]).out.contains("approvals"));
    let ran = home.run(&["man", "runs", "aply"]);
    assert!(
        ran.code == 2 && ran.err.contains("error[KEI-1250]") && ran.err.contains("apply"),
        "{ran:?}"
    );
    let pages = home.path().join("pages");
    assert_eq!(home.run(&["man", "--dir", pages.to_str().unwrap()]).code, 0);
    assert!(pages.join("keiko.1").is_file() && pages.join("keiko-runs-apply.1").is_file());
}

#[test]
fn the_version_says_what_it_was_built_from() {
    let home = Home::new();
    let ran = home.run(&["version", "--json"]);
    let said = ran.json();
    assert!(
        ["commit", "profile", "version"]
            .iter()
            .all(|name| said[name].as_str().is_some_and(|text| !text.is_empty())),
        "{said}"
    );
    assert_ne!(
        said["profile"], "unknown",
        "the folder of the build has the name"
    );
}
