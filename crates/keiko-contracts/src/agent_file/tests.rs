//! Agent files as people and other programs write them.

use super::*;
use proptest::prelude::*;

const WHOLE: &str = r#"---
name: invoice-checker
description: Checks invoices against orders. Use it for bills, invoices and receipts.
tools: [read_file, search]
model: strong
keiko:
  engine: model
  examples:
    - Does this invoice match the order?
    - "Prüfe bitte: stimmt die Rechnung?"
  counter-examples: [Write an invoice]
  keywords: [invoice, Rechnung]
  languages: [de, EN]
  autonomy: ask
  budget: 0.50
  max-steps: 20
  folder: none
  voice: warm
  short: Check invoices.
  tests:
    - task: Is 3 x 5 EUR = 16 EUR right?
      contains: ["no", "15"]
      words-max: 60
---
You check invoices.

--- a line like this is text ---
"#;

fn errors(text: &str) -> Vec<String> {
    told(text, Weight::Error)
}

fn told(text: &str, weight: Weight) -> Vec<String> {
    let flaws = read("a", text.as_bytes()).flaws.into_iter();
    flaws
        .filter(|flaw| flaw.weight == weight)
        .map(|flaw| {
            let remedy = flaw.remedy.map(|r| format!(" | {r}")).unwrap_or_default();
            format!("{}: {}{remedy}", flaw.line, flaw.what)
        })
        .collect()
}

fn with(front: &str) -> String {
    format!("---\nname: a\ndescription: d\n{front}\n---\np\n")
}

#[test]
fn everything_that_can_stand_there_is_read() {
    let read = read("invoice-checker", WHOLE.as_bytes());
    assert_eq!(read.flaws, []);
    let agent = read.agent.unwrap();
    assert_eq!(agent.name.as_str(), "invoice-checker");
    assert_eq!(agent.tools.as_ref().unwrap().len(), 2);
    assert_eq!(agent.examples[1], "Prüfe bitte: stimmt die Rechnung?");
    assert_eq!(agent.languages, ["de", "en"]);
    assert_eq!(agent.budget, Some(Micros(500_000)));
    assert_eq!(
        (agent.max_steps, agent.folder),
        (Some(20), FolderNeed::None)
    );
    assert_eq!(agent.tests[0].words_max, Some(60));
    assert!(agent.prompt.ends_with("is text ---"));
    let role = agent.role();
    assert_eq!(role.short.unwrap().text_or_empty(), "Check invoices.");
}

#[test]
fn files_of_every_editor_are_the_same() {
    let plain = read("invoice-checker", WHOLE.as_bytes());
    let crlf = WHOLE.replace('\n', "\r\n");
    let bom = [b"\xef\xbb\xbf", WHOLE.as_bytes()].concat();
    let wide = |unit: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        let units = crlf.encode_utf16().flat_map(unit);
        mark.into_iter().chain(units).collect::<Vec<u8>>()
    };
    for bytes in [
        crlf.clone().into_bytes(),
        bom,
        wide(u16::to_le_bytes, [0xff, 0xfe]),
        wide(u16::to_be_bytes, [0xfe, 0xff]),
    ] {
        assert_eq!(read("invoice-checker", &bytes), plain);
    }
}

/// The form of the files that Claude Code's documentation shows, with what its users complain about: a description full of colons.
#[test]
fn files_of_others_are_taken() {
    let text = "---\nname: code-reviewer\ndescription: Use this agent when: code was written. Examples: <example>user: \"it's done\"</example> # now\ntools: Read, Grep, Bash(git diff:*, git log:*), TodoWrite\ndisallowedTools: Write\nmodel: sonnet\ncolor: blue\npermissionMode: bypassPermissions\nmaxTurns: 12\n---\n\nYou are a reviewer.\n";
    let read = read("code-reviewer", text.as_bytes());
    let agent = read.agent.unwrap();
    assert!(
        agent.description.starts_with("Use this agent when: code"),
        "{}",
        agent.description
    );
    assert!(agent.description.ends_with("# now"));
    let tools = agent.tools.clone().unwrap();
    let names: Vec<&str> = tools.iter().map(ToolName::as_str).collect();
    assert!(
        names.contains(&"read_file") && names.contains(&"search") && names.contains(&"execute")
    );
    assert!(!names.contains(&"git_push") && !names.contains(&"write_file"));
    assert_eq!(
        (agent.model.as_deref(), agent.max_steps),
        (Some("strong"), Some(12))
    );
    assert_eq!(agent.autonomy, None, "a file gives itself no rights");
    let lines: Vec<u32> = read.flaws.iter().map(|flaw| flaw.line).collect();
    assert_eq!(lines, [3, 4, 4, 7, 8], "{:?}", read.flaws);
    assert!(read.flaws.iter().all(|flaw| flaw.weight == Weight::Note));
}

#[test]
fn a_mistake_is_named_with_its_line_and_what_to_do() {
    for (text, wanted) in [
        (
            "hello",
            "1: the file does not begin with a line of three dashes | begin it",
        ),
        ("", "1: the file does not begin"),
        (
            "---\nname: a\ndescription: d\n",
            "1: the front matter does not end | put a line",
        ),
        (
            "---\nname: a\n---\np\n",
            "2: there is no description | add a line",
        ),
        (
            "---\nname: a\ndescription: d\n---\n \n",
            "5: there is no prompt",
        ),
        (
            "---\nname: b\ndescription: d\n---\np\n",
            "2: the agent is called `b` and its file `a`",
        ),
        (
            &with("descripton: x"),
            "4: there is no field `descripton` | do you mean `description`?",
        ),
        (
            &with("examples: [x]"),
            "4: there is no field `examples` | put `examples` under `keiko:`",
        ),
        (
            &with("keiko:\n  exmaples: [x]"),
            "5: there is no field `exmaples` | do you mean `examples`?",
        ),
        (
            &with("keiko:\n  examples: {a: b}"),
            "5: `examples` must be a list, not a table",
        ),
        (
            &with("keiko: yes please"),
            "4: `keiko` must be a table of fields, not text",
        ),
        (
            &with("keiko:\n  max-steps: many"),
            "5: `max-steps` must be a number from 1 to 10000, not `many`",
        ),
        (
            &with("keiko:\n  max-steps: 0"),
            "5: `max-steps` must be a number",
        ),
        (
            &with("keiko:\n  autonomy: yolo"),
            "5: `yolo` is nothing that `autonomy` can be | there are: ask, policy, never",
        ),
        (
            &with("keiko:\n  engine: gpt"),
            "5: `gpt` is no engine | write model",
        ),
        (
            &with("keiko:\n  languages: [german]"),
            "5: `german` is no code of a language | write two letters",
        ),
        (
            &with("keiko:\n  budget: 0,50"),
            "5: \"0,50\" is not an amount of money: write a point",
        ),
        (
            &with("keiko:\n  tests:\n    - task: x"),
            "6: this test cannot fail | say what",
        ),
        (&with("tools: [rm -rf]"), "4: `rm -rf` is no name of a tool"),
        (
            &with("model: x\nmodel: y"),
            "5: `model` stands twice, first on line 4",
        ),
        (
            &with("a: &x [1]\nb: *x"),
            "5: aliases (*name) are not read here",
        ),
        (&with("keiko:\n\texamples: [x]"), "5: this is no YAML: "),
        (&with("keiko:\n  voice: a: b"), "5: this is no YAML: "),
    ] {
        let errors = errors(text);
        assert!(
            errors.iter().any(|error| error.starts_with(wanted)),
            "{wanted:?} is not in {errors:?}"
        );
        assert!(read("a", text.as_bytes()).agent.is_none());
    }
    assert!(read("Not A Name", WHOLE.as_bytes()).agent.is_none());
    let latin = read(
        "a",
        b"---\nname: a\ndescription: f\xfcr Rechnungen\n---\np\n",
    );
    assert_eq!((latin.agent, latin.flaws[0].line), (None, 3));
}

#[test]
fn what_is_large_or_deep_is_refused() {
    let deep = with(&format!(
        "keiko: {}{}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    ));
    let wide = with(&format!("keiko: [{}]", "a,".repeat(30_000)));
    let long = format!("---\ndescription: {}\n---\np", "d".repeat(5_000));
    for text in [deep, wide, long, "-".repeat(FILE_MAX + 1)] {
        assert_eq!(read("a", text.as_bytes()).agent, None);
    }
}

#[test]
fn what_others_have_is_noted_and_left_out() {
    let notes = told(&with("hooks: [x]\nfrobnicate: 7"), Weight::Note);
    assert_eq!(
        notes,
        [
            "4: `hooks` is for other programs",
            "5: there is no field `frobnicate`"
        ]
    );
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,200}", at in 0usize..600, insert in "[-:\\[\\]{}&*!|>'\"#\n\t ,a-z]{0,8}") {
        let _ = read("a", &bytes);
        let _ = read("a", format!("---\n{text}\n---\n{text}").as_bytes());
        let mut mutated = WHOLE.to_owned();
        let at = (0..=at.min(mutated.len())).rev().find(|at| mutated.is_char_boundary(*at)).unwrap_or(0);
        mutated.insert_str(at, &insert);
        let read = read("invoice-checker", mutated.as_bytes());
        prop_assert!(read.agent.is_some() || !read.flaws.is_empty());
    }
}
