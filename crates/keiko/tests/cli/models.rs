use crate::{Home, Ran};
use keiko_testkit::models::{Day, FakeModelServer, Script, Turn};

#[test]
fn with_nothing_configured_three_ways_are_told() {
    let home = Home::new();
    let ran = home.run(&["models", "list"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for word in [
        "Three ways",
        "ANTHROPIC_API_KEY",
        "ollama serve",
        "models.vendors.custom.base_url",
    ] {
        assert!(ran.err.contains(word), "{word}: {ran:?}");
    }
    let ran = home.run(&["models", "list", "--json"]);
    let found = ran.json();
    assert_eq!(found["default"], serde_json::Value::Null);
    assert_eq!(found["ways"].as_array().map(Vec::len), Some(3));
    assert!(
        found["prices_as_of"]
            .as_str()
            .is_some_and(|date| date.len() == 10)
    );
}

#[test]
fn the_third_way_really_works() {
    let server = FakeModelServer::start(answers()).unwrap();
    let home = Home::new();
    assert_eq!(
        home.run(&[
            "config",
            "set",
            "models.vendors.custom.base_url",
            &server.chat_url()
        ])
        .code,
        0
    );
    assert_eq!(
        home.run(&["config", "set", "run.model", "custom/anything"])
            .code,
        0
    );
    let ran = home.run(&["models", "list", "--json"]);
    assert_eq!(ran.json()["default"], "custom/anything", "{ran:?}");
    let ran = home.run(&["models", "probe", "custom/anything", "--json"]);
    assert_eq!(
        (ran.code, ran.json()["works"].as_bool()),
        (0, Some(true)),
        "{ran:?}"
    );
    server.assert_valid();
    // The price is the one thing that nobody knows; the hint is a command that works.
    let checks = ran.json()["checks"].clone();
    let price = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "has a price")
        .unwrap()
        .clone();
    assert_eq!(price["ok"], false);
    assert_eq!(
        home.run(&[
            "config",
            "set",
            "models.prices.\"custom/anything\".price",
            "0"
        ])
        .code,
        0
    );
    let ran = home.run(&["models", "probe", "custom/anything"]);
    assert!(ran.out.contains("so money budgets hold"), "{ran:?}");
}

#[test]
fn a_key_alone_is_shown_by_name_and_a_model_is_proposed() {
    let home = Home::new();
    let ran = Ran::of(
        home.keiko(&["models", "list"])
            .env("OPENAI_API_KEY", "hunter2hunter2"),
    );
    assert!(
        ran.code == 0
            && ran.err.contains("OPENAI_API_KEY")
            && ran.err.contains("keiko config set run.model openai/"),
        "{ran:?}"
    );
    assert!(!format!("{ran:?}").contains("hunter2"));
}

#[test]
fn a_wrong_key_is_explained() {
    let server =
        FakeModelServer::start(Script::policy(|_| Turn::text("").on(Day::status(401)))).unwrap();
    let home = Home::new();
    for (variables, model) in [
        (
            [
                ("OPENAI_BASE_URL", server.chat_url()),
                ("OPENAI_API_KEY", "hunter2hunter2".into()),
            ],
            "openai/gpt-4o",
        ),
        (
            [
                ("ANTHROPIC_BASE_URL", server.messages_url()),
                ("ANTHROPIC_API_KEY", "hunter2hunter2".into()),
            ],
            "anthropic/claude-x",
        ),
    ] {
        let ran = Ran::of(home.keiko(&["models", "probe", model]).envs(variables));
        assert!(
            ran.code == 4 && ran.out.contains("[KEI-4101]") && ran.out.contains("check the key in"),
            "{ran:?}"
        );
        assert!(!format!("{ran:?}").contains("hunter2"));
    }
}

#[test]
fn a_missing_key_is_not_allowed_rather_than_not_available() {
    let home = Home::new();
    let ran = home.run(&["models", "probe", "openai/gpt-4o"]);
    assert!(
        ran.code == 4 && ran.out.contains("[KEI-4002]") && ran.out.contains("OPENAI_API_KEY"),
        "{ran:?}"
    );
    assert!(
        !ran.err.contains("Asking"),
        "nobody is asked without a key: {ran:?}"
    );
    let asked = Ran::of(
        home.keiko(&["models", "probe", "openai/gpt-4o"])
            .env("OPENAI_API_KEY", "x")
            .env("OPENAI_BASE_URL", "http://127.0.0.1:9"),
    );
    assert!(asked.err.contains("Asking openai/gpt-4o"), "{asked:?}");
}

#[test]
fn a_name_that_is_no_model_is_refused_when_it_is_set_and_hides_nothing_in_a_file() {
    let home = Home::new();
    let ran = home.run(&["config", "set", "run.model", "foo"]);
    assert!(
        ran.code == 7
            && ran.err.contains("error[KEI-4001]")
            && ran.err.contains("keiko config set run.model anthropic/"),
        "{ran:?}"
    );
    assert!(!home.config_file().exists());
    home.write("config/config.toml", "[run]\nmodel = \"foo\"\n");
    let ran = home.run(&["models", "list"]);
    assert!(
        ran.code == 7 && ran.out.contains("anthropic") && ran.err.contains("config.toml:2"),
        "{ran:?}"
    );
    assert!(
        !ran.err.contains("keiko models list"),
        "a hint that leads in a circle: {ran:?}"
    );
    let ran = home.run(&["models", "list", "--json"]);
    assert_eq!(
        (ran.code, ran.json()["wrong"]["code"].as_str()),
        (7, Some("KEI-4001")),
        "{ran:?}"
    );
    assert_eq!(home.run(&["config", "validate"]).code, 8);
}

#[test]
fn an_address_where_nobody_answers_is_explained() {
    let home = Home::new();
    let ran = Ran::of(
        home.keiko(&["models", "probe", "openai/x"])
            .env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
    );
    assert!(
        ran.code == 7 && ran.out.contains("[KEI-4103]") && ran.out.contains("cannot be reached"),
        "{ran:?}"
    );
}

#[test]
fn a_model_that_the_vendor_does_not_know_is_explained() {
    let server =
        FakeModelServer::start(Script::policy(|_| Turn::text("").on(Day::status(404)))).unwrap();
    let home = Home::new();
    let ran = Ran::of(
        home.keiko(&["models", "probe", "openai/gpt-99"])
            .env("OPENAI_BASE_URL", server.chat_url()),
    );
    assert!(
        ran.code == 7 && ran.out.contains("[KEI-4102]") && ran.out.contains("keiko models list"),
        "{ran:?}"
    );
}

#[test]
fn a_name_that_is_no_model_and_a_vendor_that_is_none_are_told_before_anything_is_sent() {
    let home = Home::new();
    for name in ["gpt-4o", "nobody/gpt", "openai/", ""] {
        let ran = home.run(&["models", "probe", name]);
        assert!(
            ran.code == 7 && ran.err.contains("error[KEI-4001]"),
            "{name}: {ran:?}"
        );
    }
}

#[test]
fn an_address_that_is_none_is_told_with_its_line() {
    let home = Home::new();
    home.write(
        "config/config.toml",
        "[models.vendors.mine]\nbase_url = \"mine:8080\"\n",
    );
    let ran = home.run(&["models", "list"]);
    assert!(
        ran.code == 7 && ran.err.contains("error[KEI-4004]") && ran.err.contains("config.toml:2"),
        "{ran:?}"
    );
}

#[test]
fn a_key_file_that_others_can_read_is_not_used() {
    let home = Home::new();
    let key = home.write("key", "hunter2hunter2\n");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    home.write(
        "config/config.toml",
        &format!("[models.vendors.openai]\nkey_file = {key:?}\n"),
    );
    let ran = home.run(&["models", "list"]);
    assert!(
        ran.out.contains("others can read the key file") && !format!("{ran:?}").contains("hunter2"),
        "{ran:?}"
    );
}

/// A server whose model does what the probe asks for.
fn answers() -> Script {
    Script::policy(|request| match request.tools().first() {
        Some(tool) => Turn::call(tool, r#"{"number": 7}"#),
        None => Turn::text("ready"),
    })
}
