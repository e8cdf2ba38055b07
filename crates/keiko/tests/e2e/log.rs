//! The log, for machines.

use crate::keiko::*;
use serde_json::Value;

#[test]
fn spans_stand_within_their_step_and_the_step_within_its_run() {
    if !ready("spans_stand_within_their_step") {
        return;
    }
    let server = playing(vec![execute("true"), finish("Nothing to do.")]);
    let mut keiko = Keiko::chat(&server);
    keiko.configure("[log]\nformat = \"json\"\n");
    keiko.set("KEIKO_LOG", "keiko_runtime=info");
    let repo = leap_years(&keiko);
    let done = keiko.goal(&repo, "Look around", &[]);
    done.expect(0);
    let closed: Vec<Value> = done
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["fields"]["message"] == "close")
        .collect();
    let named = |name: &str| {
        closed
            .iter()
            .filter(|line| line["span"]["name"] == name)
            .collect::<Vec<_>>()
    };
    let chats = named("chat");
    assert_eq!(chats.len(), 2, "{}", done.stderr);
    for (chat, step) in chats.iter().zip([1, 2]) {
        assert_eq!(chat["span"]["gen_ai.operation.name"], "chat");
        assert_eq!(
            (&chat["spans"][0]["name"], &chat["spans"][1]["name"]),
            (&"invoke_agent".into(), &"step".into()),
            "{chat}"
        );
        assert_eq!(chat["spans"][1]["keiko.step"], step, "{chat}");
    }
    let tool = named("execute_tool")
        .into_iter()
        .find(|line| line["span"]["gen_ai.tool.name"] == "execute")
        .unwrap();
    assert_eq!(
        (&tool["spans"][1]["name"], &tool["spans"][1]["keiko.step"]),
        (&"step".into(), &1.into()),
        "{tool}"
    );
    let steps: Vec<_> = named("step")
        .iter()
        .map(|line| line["span"]["keiko.step"].as_u64().unwrap())
        .collect();
    assert!(steps.starts_with(&[0, 1]), "each is closed once: {steps:?}");
    let mut once = steps.clone();
    once.dedup();
    assert_eq!(once, steps);
    server.assert_valid();
}
