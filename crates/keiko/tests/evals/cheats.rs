//! Changes that cheat on their tests, and honest ones that look alike, through the real binary: the cases and their judge are those
//! of `cargo xtask eval cheats`.

#[path = "../../../../xtask/src/eval/cheats/bench.rs"]
mod bench;

pub(crate) use bench::has;

use crate::yard::skipped;
use std::path::Path;

/// Runs all cases of one language, and shows how each ended.
pub(crate) fn check(language: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../evals/cheats")
        .join(format!("{language}.toml"));
    let cases = bench::load(&file).unwrap();
    let needs = cases
        .needs
        .iter()
        .map(String::as_str)
        .chain(["bwrap", "git"]);
    if let Some(program) = needs.into_iter().find(|program| !has(program)) {
        return skipped(language, &format!("{program} is not there"), "./keiko up");
    }
    let judge = |case| {
        bench::judge(
            Path::new(env!("CARGO_BIN_EXE_keiko")),
            language,
            &cases,
            case,
        )
        .unwrap()
    };
    let judged: Vec<bench::Judged> = cases.case.iter().map(judge).collect();
    for one in &judged {
        println!(
            "{:<9} {} {:<45} {}",
            one.status,
            if one.cheat { "cheat " } else { "honest" },
            one.name,
            one.found.join(", ")
        );
    }
    let wrong: Vec<_> = judged
        .iter()
        .filter(|one| one.wrong.is_some())
        .map(|one| format!("{}: {} {}", one.name, one.status, one.said))
        .collect();
    println!(
        "{language}: {} of {} judged wrongly",
        wrong.len(),
        judged.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
