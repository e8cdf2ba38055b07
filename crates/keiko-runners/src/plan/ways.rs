//! The ways in which a project says that its tests are run: features, members, tags. One that does not build here is passed over.

use keiko_contracts::jail::Project;

/// How many ways are tried.
const WAYS_MAX: usize = 4;
/// How the output begins where there was a choice, with the number of the way after it.
const MARK: &str = "keiko: way ";

/// The words of the best way.
pub(super) fn best(project: &Project) -> &[String] {
    project.ways.first().map_or(&[], Vec::as_slice)
}

/// The words of those that are tried after it.
pub(super) fn others(project: &Project) -> &[Vec<String>] {
    let others = project.ways.get(1..).unwrap_or_default();
    others.get(..WAYS_MAX - 1).unwrap_or(others)
}

/// A script that runs cargo's tests in the first of the ways that builds, both streams in one, since cargo writes the headers of
/// targets to stderr and tests write to stdout. Its arguments come after the words of the way.
pub(super) fn of_cargo(project: &Project) -> String {
    let test = "cargo test --offline --no-fail-fast --color never";
    let words = |way: &[String]| {
        way.iter()
            .map(|word| format!(" {}", keiko_contracts::step::quoted(word)))
            .collect::<String>()
    };
    let others = others(project);
    let Some((last, before)) = others.split_last() else {
        return format!("exec {test}{} \"$@\" 2>&1", words(best(project)));
    };
    let mut script = "exec 2>&1\n".to_owned();
    for (number, way) in std::iter::once(best(project))
        .chain(before.iter().map(Vec::as_slice))
        .enumerate()
    {
        let words = words(way);
        script += &format!(
            "if cargo test --offline --color never --no-run{words} >/dev/null 2>&1; then\n"
        );
        script += &format!("    echo '{MARK}{number}'\n    exec {test}{words} \"$@\"\nfi\n");
    }
    script
        + &format!(
            "echo '{MARK}{}'\nexec {test}{} \"$@\"\n",
            others.len(),
            words(last)
        )
}

/// The number of the way that was taken: the script writes it before anything of the project runs.
pub(crate) fn taken(out: &str) -> Option<usize> {
    out.lines().next()?.strip_prefix(MARK)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::project;

    fn of(ways: &[&[&str]]) -> Project {
        let ways = ways
            .iter()
            .map(|way| way.iter().map(|word| (*word).to_owned()).collect())
            .collect();
        Project {
            ways,
            ..project("cargo")
        }
    }

    #[test]
    fn one_way_is_simply_run_and_of_several_the_first_that_builds() {
        assert_eq!(
            of_cargo(&of(&[])),
            "exec cargo test --offline --no-fail-fast --color never \"$@\" 2>&1"
        );
        let one = of_cargo(&of(&[&["--features", "a b"]]));
        assert_eq!(
            one,
            "exec cargo test --offline --no-fail-fast --color never --features 'a b' \"$@\" 2>&1"
        );
        let script = of_cargo(&of(&[&["--all-features"], &["--workspace"], &[]]));
        let places: Vec<_> = [
            "--no-run --all-features",
            "'keiko: way 0'",
            "--no-run --workspace",
            "'keiko: way 2'\nexec cargo test --offline --no-fail-fast --color never \"$@\"\n",
        ]
        .iter()
        .map(|piece| {
            script
                .find(piece)
                .unwrap_or_else(|| panic!("{piece} in {script}"))
        })
        .collect();
        assert!(places.is_sorted(), "{script}");
        assert_eq!(
            others(&of(&[&[], &[], &[], &[], &[], &[]])).len(),
            WAYS_MAX - 1
        );
    }

    #[test]
    fn what_was_taken_is_told_before_anything_else() {
        assert_eq!(taken("keiko: way 1\nrunning 2 tests\n"), Some(1));
        for out in ["", "running 1 test\nkeiko: way 1\n", "keiko: way x\n"] {
            assert_eq!(taken(out), None);
        }
    }
}
