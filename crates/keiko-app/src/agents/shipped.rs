//! The agents that come with the program.

/// Name and file of each.
pub(super) const AGENTS: &[(&str, &str)] = &[
    (
        "code-reviewer",
        include_str!("../../../../agents/code-reviewer.md"),
    ),
    ("coder", include_str!("../../../../agents/coder.md")),
    (
        "data-analyst",
        include_str!("../../../../agents/data-analyst.md"),
    ),
    (
        "fact-checker",
        include_str!("../../../../agents/fact-checker.md"),
    ),
    (
        "generalist",
        include_str!("../../../../agents/generalist.md"),
    ),
    ("planner", include_str!("../../../../agents/planner.md")),
    (
        "receptionist",
        include_str!("../../../../agents/receptionist.md"),
    ),
    (
        "repo-doctor",
        include_str!("../../../../agents/repo-doctor.md"),
    ),
    (
        "researcher",
        include_str!("../../../../agents/researcher.md"),
    ),
    (
        "summarizer",
        include_str!("../../../../agents/summarizer.md"),
    ),
    (
        "translator",
        include_str!("../../../../agents/translator.md"),
    ),
    ("verifier", include_str!("../../../../agents/verifier.md")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::agent_file;

    #[test]
    fn each_is_without_a_flaw_and_says_enough_to_be_found() {
        let mut files: Vec<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../agents"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
        files.sort();
        let names: Vec<String> = AGENTS
            .iter()
            .map(|(name, _)| format!("{name}.md"))
            .collect();
        assert_eq!(names, files, "every file of agents/ is shipped");
        for (name, text) in AGENTS {
            let read = agent_file::read(name, text.as_bytes());
            assert_eq!(read.flaws, [], "{name}");
            let agent = read.agent.unwrap();
            assert!(
                agent.examples.len() >= 7,
                "{name}: {} examples",
                agent.examples.len()
            );
            assert!(
                !agent.keywords.is_empty() && agent.languages == ["de", "en"],
                "{name}"
            );
            let has = |words: [&str; 4]| {
                agent
                    .examples
                    .iter()
                    .any(|e| words.iter().any(|w| e.contains(w)))
            };
            assert!(
                has(["ie ", "ü", "st ", "ch "]) && has(["the", "this", "What", "an "]),
                "{name}: both languages"
            );
            let tested = agent.is_native() || *name == "coder" || agent.tests.len() >= 2;
            assert!(tested, "{name} has no tests");
        }
    }
}
