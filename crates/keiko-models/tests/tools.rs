//! Probing, detecting, recording, replaying, scripts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fixture;

use fixture::{BOTH, SECRET, chat, env, models, models_with, parts, request, start, user};
use keiko_contracts::action::Origin;
use keiko_contracts::model::{CallResult, Message, Part, Stop};
use keiko_models::detect::{self, Found};
use keiko_models::probe::probe;
use keiko_models::replay::{Player, Recorder};
use keiko_models::scripted::Scripted;
use keiko_ports::Cancel;
use keiko_testkit::models::{Day, Turn};
use std::sync::Arc;

async fn checks(
    model: &str,
    turns: impl IntoIterator<Item = Turn>,
) -> Vec<(&'static str, bool, String)> {
    let server = start(turns);
    let checks = probe(
        &models_with(&server, "[prices.'openai/*']\nprice = 0\n"),
        &model.parse().unwrap(),
        &Cancel::new(),
    )
    .await;
    server.assert_valid();
    checks
        .into_iter()
        .map(|c| {
            (
                c.name,
                c.ok,
                format!("{} {}", c.seen, c.hint.unwrap_or_default()),
            )
        })
        .collect()
}

#[tokio::test]
async fn probe_says_what_works() {
    let good = checks(
        BOTH[0],
        [
            Turn::text("ready"),
            Turn::call("report_number", "{\"number\": 7}"),
        ],
    )
    .await;
    assert!(good.iter().all(|c| c.1) && good.len() == 5, "{good:?}");
    let poor = checks(
        BOTH[1],
        [
            Turn::text("ready").on(Day::Whole),
            Turn::text("I cannot call tools."),
        ],
    )
    .await;
    let failed: Vec<_> = poor.iter().filter(|c| !c.1).map(|c| c.0).collect();
    assert_eq!(failed, ["streams", "calls tools", "has a price"]);
    let refused = checks(BOTH[1], [Turn::default().on(Day::status(401))]).await;
    assert_eq!(refused.len(), 1, "one failure is enough: {refused:?}");
    assert!(
        refused[0].2.contains("refuses the key")
            && refused[0].2.contains("ANTHROPIC_API_KEY")
            && !refused[0].2.contains(SECRET)
    );
    let wrong = checks(
        BOTH[0],
        [
            Turn::text("ready"),
            Turn::call("report_number", "{\"number\": "),
        ],
    )
    .await;
    assert!(
        wrong
            .iter()
            .any(|c| c.0 == "calls tools" && !c.1 && c.2.contains("not JSON")),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn finds_a_local_ollama_and_gives_up_soon() {
    let server = start([]);
    let host = server.addr().to_string();
    let env: keiko_models::Env =
        Arc::new(move |name| (name == "OLLAMA_HOST").then(|| host.clone()));
    // A busy machine may be slower than the patience.
    let mut found = None;
    for _ in 0..10 {
        found = found.or(detect::ollama(&env).await);
    }
    assert!(
        matches!(found, Some(Found::Ollama { models, .. }) if models == ["ollama/fake:latest"])
    );
    drop(server);
    assert_eq!(detect::ollama(&env).await, None);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let env: keiko_models::Env =
        Arc::new(move |name| (name == "OLLAMA_HOST").then(|| host.clone()));
    let began = std::time::Instant::now();
    assert_eq!(detect::ollama(&env).await, None);
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
}

#[tokio::test]
async fn records_and_replays_by_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = start([
        Turn::text("hi 😀").and_call("read_file", "{\"a\":1}"),
        Turn::default().on(Day::status(429).retry_after("3")),
    ]);
    let recorder = Recorder::new(Arc::new(models(&server)), dir.path()).unwrap();
    let asked = request(BOTH[1], vec![user("go")]);
    let live = chat(&recorder, &asked, 1).await.unwrap();
    let fault = chat(&recorder, &asked, 2).await.unwrap_err();
    drop(server);

    let player = Player::new(dir.path()).unwrap();
    let replayed = chat(&player, &asked, 1).await.unwrap();
    assert_eq!(
        (replayed.origin, replayed.stop, replayed.usage),
        (Origin::Recorded, Stop::Calls, live.usage)
    );
    assert_eq!(replayed.reply, live.reply);
    assert!(
        live.answered.is_some() && replayed.answered == live.answered,
        "the run goes by the recorded time, both times"
    );
    assert_eq!(
        chat(&player, &asked, 2).await.unwrap_err(),
        fault,
        "bad days are replayed too"
    );
    assert_eq!(chat(&player, &asked, 3).await.unwrap_err().code, "KEI-4201");
    let other = chat(&player, &request(BOTH[1], vec![user("go elsewhere")]), 1)
        .await
        .unwrap_err();
    assert_eq!(other.code, "KEI-4202");
    assert!(
        other
            .message
            .to_string()
            .lines()
            .any(|l| l.starts_with('-') && l.contains("\"go\"")),
        "{}",
        other.message
    );
    assert!(
        other
            .message
            .to_string()
            .lines()
            .any(|l| l.starts_with('+') && l.contains("go elsewhere")),
        "{}",
        other.message
    );

    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(SECRET));
        std::fs::write(&path, "{\"format\": 1").unwrap();
    }
    assert_eq!(
        chat(&player, &asked, 1).await.unwrap_err().code,
        "KEI-4203",
        "a torn recording is told"
    );
    assert!(Player::new(&dir.path().join("none")).is_err());
}

const SCRIPT: &str = r#"
[[turn]]
reasoning = "First I look."
text = "I read the file."
[[turn.call]]
tool = "read_file"
arguments = { path = "date.py" }

[[turn]]
expect = "def parse"
text = "Done."
"#;

#[tokio::test]
async fn a_script_plays_the_model_and_says_so() {
    let script = Scripted::parse(SCRIPT, "tour.toml").unwrap();
    let first = chat(&script, &request("scripted/tour", vec![user("go")]), 1)
        .await
        .unwrap();
    assert_eq!((first.origin, first.stop), (Origin::Scripted, Stop::Calls));
    let said = parts(&first);
    let Part::Call { id, arguments, .. } = &said[2] else {
        panic!("{said:?}")
    };
    assert_eq!(arguments, r#"{"path":"date.py"}"#);
    let result = |text: &str| Message::Results {
        results: vec![CallResult {
            id: id.as_str().into(),
            name: "read_file".into(),
            text: text.into(),
            is_error: false,
        }],
        cache: false,
    };
    let with = |text: &str| {
        request(
            "scripted/tour",
            vec![
                user("def parse stood in the goal"),
                Message::Assistant(said.as_slice().into()),
                result(text),
            ],
        )
    };
    // A resumed run asks the same again and gets the same.
    for _ in 0..2 {
        assert_eq!(
            parts(&chat(&script, &with("def parse(x):"), 2).await.unwrap()),
            [Part::Text {
                text: "Done.".into()
            }]
        );
    }
    let fault = chat(&script, &with("no such file"), 2).await.unwrap_err();
    assert!(
        fault.code == "KEI-4302" && fault.message.contains("no such file"),
        "{fault:?}"
    );
    let mut over = with("def parse");
    over.messages.extend([
        Message::Assistant(
            [Part::Text {
                text: "Done.".into(),
            }]
            .into(),
        )
        .into(),
        user("more").into(),
    ]);
    assert_eq!(chat(&script, &over, 3).await.unwrap_err().code, "KEI-4301");
}

#[test]
fn scripts_in_json_and_what_is_none() {
    for good in [
        r#"[{"text": "hi"}]"#,
        "[\n{\"text\": \"hi\", \"call\": [{\"tool\": \"t\", \"arguments\": \"raw {\"}]}]",
        r#"{"turn": [{"text": "hi"}]}"#,
    ] {
        assert!(Scripted::parse(good, "x").is_ok(), "{good}");
    }
    for bad in [
        "",
        "[]",
        "turn = []",
        "[[turn]]\ntxt = 'typo'",
        "{",
        "\u{0}",
        "[[turn]]\ntext = 'x'\n[[turn.call]]\n",
    ] {
        assert_eq!(
            Scripted::parse(bad, "x").unwrap_err().code,
            "KEI-4303",
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn keys_are_found_by_name() {
    let server = start([]);
    let found = detect::keys(&env(&server));
    assert_eq!(found.len(), 2);
    assert!(!format!("{found:?}").contains(SECRET));
}
