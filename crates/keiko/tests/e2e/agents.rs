//! Agents as files: what their prompt, tools and limits do to a run, and what a broken file does not.

use crate::keiko::*;
use keiko_testkit::models::FakeModelServer;
use serde_json::{Value, json};
use std::path::Path;

const REVIEWER: &str = "---
name: reviewer
description: Reviews code.
tools: Read, Grep
permissionMode: bypassPermissions
keiko:
  max-steps: 7
  budget: 0.10
---
You review code and say QUOKKA at the end.
";

fn agent(folder: &Path, name: &str, text: &str) {
    put(folder, &format!("{name}.md"), text);
}

/// The system prompt and the names of the tools of a request.
fn head(server: &FakeModelServer, at: usize) -> (String, Vec<String>) {
    let body = &server.requests()[at].body;
    let system = body["messages"][0]["content"].to_string();
    let tools = body["tools"].as_array().into_iter().flatten();
    let names = tools.filter_map(|tool| tool["function"]["name"].as_str());
    (system, names.map(str::to_owned).collect())
}

fn started(keiko: &Keiko) -> Value {
    let events = keiko.events(&keiko.newest());
    events
        .into_iter()
        .find(|event| event["body"]["event"] == "run_started")
        .unwrap()
}

#[test]
fn a_file_says_how_an_agent_works_and_not_what_it_may() {
    if !ready("a_file_says_how_an_agent_works_and_not_what_it_may") {
        return;
    }
    let server = playing(vec![
        call("write_file", json!({"path": "x.py", "text": "x = 1\n"})),
        call("read_file", json!({"path": "dates.py"})),
        finish("Looks right. QUOKKA"),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    agent(&keiko.home().join("config/agents"), "reviewer", REVIEWER);
    keiko
        .goal(&repo, "Review dates.py", &["--agent", "reviewer"])
        .expect(0)
        .gives("QUOKKA");
    server.assert_valid();
    let (system, tools) = head(&server, 0);
    assert!(system.contains("say QUOKKA at the end") && system.contains("Stay lawful"));
    assert!(
        !system.contains("failing test first"),
        "it is not the coder: {system}"
    );
    assert_eq!(
        tools,
        ["ask_operator", "finish", "read_file", "search", "show_more"]
    );
    let refused = server.requests()[1].body.to_string();
    assert!(
        refused.contains("there is no tool `write_file`"),
        "{refused}"
    );
    let start = started(&keiko);
    let limits = &start["body"]["data"]["limits"];
    assert_eq!(
        (&limits["max_steps"], &limits["budget"]),
        (&json!(7), &json!(100_000)),
        "{start:#}"
    );
    assert_eq!(start["body"]["data"]["approval"], "policy");

    // More than the file allows is the operator's to give.
    let server = playing(vec![finish("Done.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    agent(&repo.join(".keiko/agents"), "reviewer", REVIEWER);
    keiko
        .goal(
            &repo,
            "Review dates.py",
            &["--agent", "reviewer", "--max-steps", "30"],
        )
        .expect(0)
        .says("This agent is the workspace's own");
    assert_eq!(started(&keiko)["body"]["data"]["limits"]["max_steps"], 30);

    // Where nobody was named, a repository does not say who works in it.
    let server = playing(vec![finish("Done.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let coder = REVIEWER.replace("name: reviewer", "name: coder");
    agent(&repo.join(".keiko/agents"), "coder", &coder);
    keiko.goal(&repo, "Look at dates.py", &[]).expect(0);
    let (system, _) = head(&server, 0);
    assert!(
        system.contains("failing test first") && !system.contains("QUOKKA"),
        "{system}"
    );
}

#[test]
fn a_run_keeps_the_agent_it_began_with() {
    if !ready("a_run_keeps_the_agent_it_began_with") {
        return;
    }
    let server = playing(vec![
        call("ask_operator", json!({"question": "Which file?"})),
        finish("Seen."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let folder = keiko.home().join("config/agents");
    agent(&folder, "reviewer", REVIEWER);
    keiko
        .goal(&repo, "Review", &["--agent", "reviewer"])
        .expect(5);
    let run = keiko.newest();
    agent(
        &folder,
        "reviewer",
        &REVIEWER
            .replace("QUOKKA", "WOMBAT")
            .replace("Read, Grep", "Bash"),
    );
    keiko.run(&["resume", &run, "dates.py"]).expect(0);
    let (system, tools) = head(&server, 1);
    assert!(system.contains("QUOKKA") && !system.contains("WOMBAT"));
    assert!(tools.contains(&"read_file".to_owned()) && !tools.contains(&"execute".to_owned()));

    // And without the file at all; the next run has the new one, or is told that there is none.
    std::fs::remove_file(folder.join("reviewer.md")).unwrap();
    keiko
        .run(&["runs", "show", &run])
        .expect(0)
        .gives("reviewer");
    keiko
        .goal(&repo, "Review", &["--agent", "reviewer"])
        .fails(2, "KEI-1230");
}

#[test]
fn a_broken_file_is_named_with_its_line_and_hides_nobody_else() {
    let keiko = Keiko::new();
    let folder = keiko.home().join("config/agents");
    agent(
        &folder,
        "coder",
        "---\nname: coder\ndescripton: x\n---\np\n",
    );
    agent(&folder, "fine", "---\ndescription: Fine.\n---\nBe fine.\n");
    put(&folder, "README.md", "Agents of mine.\n");
    keiko
        .run(&["agents"])
        .expect(0)
        .gives("fine")
        .says("coder.md:3: error: there is no field `descripton`")
        .says("do you mean `description`?");
    keiko
        .run(&["agents", "validate"])
        .expect(8)
        .gives("1 cannot be used");
    keiko
        .run(&["agents", "show", "fine"])
        .expect(0)
        .gives("Be fine.");
    // It does not become another agent of the same name in silence.
    keiko
        .ask("hello", &["--agent", "coder"])
        .fails(2, "KEI-1231");
    let all = keiko.json(&["agents", "--json"]);
    let coders: Vec<&Value> = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|a| a["name"] == "coder")
        .collect();
    assert_eq!(
        (coders.len(), &coders[1]["hidden_by"]),
        (2, &json!("user")),
        "{coders:#?}"
    );
    keiko
        .run(&["agents", "show", "fien"])
        .fails(2, "KEI-1230")
        .says("do you mean `fine`?");
}

#[test]
fn pipes_links_and_folders_among_agents_hold_nobody_up() {
    let keiko = Keiko::new();
    let folder = keiko.home().join("config/agents");
    std::fs::create_dir_all(folder.join("folder.md")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("link.md")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.join("pipe.md"))
        .status();
    assert!(made.unwrap().success());
    agent(&folder, "large", &"x".repeat(300 << 10));
    keiko
        .run(&["agents", "validate"])
        .expect(8)
        .gives("4 cannot be used")
        .says("this is no plain file")
        .says("at most 256 KiB");
}

#[test]
fn a_new_agent_is_one_from_the_start_and_is_not_written_over() {
    let keiko = Keiko::new();
    let made = keiko.json(&["agents", "new", "invoice-checker", "--json"]);
    assert!(
        made["path"]
            .as_str()
            .unwrap()
            .ends_with("agents/invoice-checker.md")
    );
    keiko
        .run(&["agents", "validate", "invoice-checker"])
        .expect(0);
    keiko
        .run(&["--lang", "de", "agents", "new", "invoice-checker"])
        .expect(2)
        .says("KEI-1233")
        .says("kann nicht geschrieben werden");
    keiko
        .run(&["agents", "new", "../evil"])
        .fails(2, "KEI-1230");
    assert!(!keiko.home().join("config/evil.md").exists());
}

#[test]
fn who_works_without_a_folder_is_the_generalist() {
    let server = playing(vec![finish("It is 4.")]);
    let keiko = Keiko::chat(&server);
    keiko.ask("What is 2 + 2?", &[]).expect(0).gives("It is 4.");
    assert_eq!(started(&keiko)["body"]["data"]["agent"], "generalist");
    let (_, tools) = head(&server, 0);
    assert_eq!(tools, ["ask_operator", "finish", "show_more"]);
    keiko
        .ask("Fix it", &["--agent", "coder"])
        .fails(2, "KEI-1232");
}

#[test]
fn whom_a_task_is_for_is_said_with_reasons_in_both_languages() {
    let keiko = Keiko::new();
    let task = "Übersetze diesen Brief ins Englische";
    keiko
        .run(&["agents", "match", task])
        .expect(0)
        .gives("translator is the likeliest")
        .gives("words in common");
    keiko
        .run(&["--lang", "de", "agents", "match", task])
        .expect(0)
        .gives("translator passt am ehesten")
        .gives("gemeinsame Wörter");
    let found = keiko.json(&["agents", "match", task, "--json"]);
    assert_eq!(found["candidates"][0]["agent"], "translator", "{found:#}");
    assert_eq!(found["calibrated"], true);
    keiko.run(&["agents", "match", " "]).fails(2, "KEI-1204");

    // An agent of one's own is found by what its file says, without anything else.
    let own = "---
description: Checks invoices against orders.
keiko:
  examples: [Does this invoice match the order?, Prüfe diese Rechnung, Is the VAT on this bill right?, Stimmt der Betrag der Rechnung?]
  keywords: [invoice, Rechnung, VAT, bill]
---
Check it.
";
    agent(&keiko.home().join("config/agents"), "invoice-checker", own);
    let found = keiko.json(&[
        "agents",
        "match",
        "Bitte die Rechnungen von Mai prüfen",
        "--json",
    ]);
    assert_eq!(
        found["candidates"][0]["agent"], "invoice-checker",
        "{found:#}"
    );
}

#[test]
fn an_agent_is_tried_on_the_tests_of_its_file() {
    let server = playing(vec![finish("It is 15.")]);
    let keiko = Keiko::chat(&server);
    let text = "---
description: Adds up.
keiko:
  folder: none
  examples: [What is 3 x 5?, Add up 4 and 9]
  tests:
    - {task: What is 3 x 5?, contains: [\"15\"], words-max: 9}
    - {task: And 3 x 5 again?, contains: [fifteen], lacks: [\"15\"]}
---
Add up.
";
    agent(&keiko.home().join("config/agents"), "adder", text);
    keiko
        .run(&["agents", "test", "adder", "--model", "openai/gpt-5"])
        .expect(8)
        .gives("passed  What is 3 x 5?")
        .gives("it does not hold `fifteen`")
        .gives("it holds `15`")
        .gives("2 tests, 1 failed");
    server.assert_valid();
    let request = server.requests()[0].body.to_string();
    assert!(
        request.contains("Add up.") && request.contains("There is no workspace"),
        "{request}"
    );
    // Those that come along have tests, and without a model it is said how to get one.
    Keiko::new()
        .run(&["agents", "test", "summarizer"])
        .fails(7, "KEI-4008");
    keiko
        .run(&["agents", "test", "nobody"])
        .fails(2, "KEI-1230");
}

#[test]
fn a_goal_is_cut_into_tasks_with_their_agents_and_nothing_is_run() {
    let keiko = Keiko::new();
    let goal =
        "Recherchiere aktuelle KI-Trends und fasse sie zusammen, dann übersetze ins Englische";
    let plan = keiko.json(&["plan", goal, "--json"]);
    let tasks: Vec<(&str, &str)> = plan["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            (
                task["id"].as_str().unwrap(),
                task["agent"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        tasks,
        [
            ("t1", "researcher"),
            ("t2", "summarizer"),
            ("t3", "translator")
        ],
        "{plan:#}"
    );
    assert_eq!(
        (&plan["with_model"], &plan["by"]),
        (&json!(3), &json!("rules"))
    );
    let plan = keiko.json(&[
        "plan",
        "Recherchiere KI-Trends UND Blockchain-Trends, dann vergleiche beides",
        "--json",
    ]);
    assert_eq!(
        (&plan["width"], &plan["tasks"][2]["needs"]),
        (&json!(2), &json!(["t1", "t2"])),
        "{plan:#}"
    );
    keiko
        .run(&[
            "--lang",
            "de",
            "plan",
            "Untersuche dieses Repository, danach @coder repariere den Fehler",
        ])
        .expect(0)
        .gives("2 Aufgaben, nach Regeln, ohne Sprachmodell")
        .gives("t2  coder")
        .gives("(nach t1)")
        .says("1 davon brauchen ein Sprachmodell");
    keiko.run(&["plan", " "]).fails(2, "KEI-1204");
    keiko.run(&["plan", "fix it, @nobody"]).fails(2, "KEI-1230");
    assert!(
        keiko.json(&["runs", "--json"])["runs"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
