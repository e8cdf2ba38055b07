//! How often the reader of changes holds up commits that nobody made to cheat: reads `git log -p --no-renames` from its
//! input, and shows what it would ask a person about.
//!
//! `git log -p --no-renames -n 200 | cargo run -p keiko-agent --example read_changes`

use keiko_agent::honesty;
use std::io::Read as _;

fn main() -> std::io::Result<()> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (mut commits, mut held) = (0, 0);
    for commit in text.split("\ncommit ") {
        let Some((head, diff)) = commit.split_once("\ndiff --git ") else {
            continue;
        };
        let diff = format!("diff --git {diff}");
        // A commit that adds or changes code outside of tests is one that a run could have made.
        let touches = |line: &str| {
            let path = line.strip_prefix("+++ b/").unwrap_or_default();
            !keiko_contracts::jail::is_test_path(path)
                && [".py", ".js", ".ts", ".rs", ".go", ".tsx", ".mjs"]
                    .iter()
                    .any(|end| path.ends_with(end))
        };
        if !diff.lines().any(touches) {
            continue;
        }
        commits += 1;
        let findings = honesty::read(
            &diff,
            &honesty::Around {
                goal: head,
                ..honesty::Around::default()
            },
        );
        if let Some(first) = findings.first() {
            held += 1;
            let hash: String = head
                .trim_start_matches("commit ")
                .chars()
                .take(10)
                .collect();
            println!(
                "  {hash} {:?} {}:{} {}",
                first.kind, first.file, first.line, first.text
            );
        }
    }
    println!("{held} of {commits} commits held up");
    Ok(())
}
