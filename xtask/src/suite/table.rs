//! The table at the end.

use super::Options;
use super::stage::{Counts, Stage};
use std::fmt::Write;

/// The sum of all stages. In strict mode a skip is a failure.
pub(super) fn total(stages: &[Stage], strict: bool) -> Counts {
    let mut total = Counts::default();
    for stage in stages {
        let counts = judged(stage.counts, strict);
        total.passed += counts.passed;
        total.failed += counts.failed;
        total.skipped += counts.skipped;
    }
    total
}

fn judged(counts: Counts, strict: bool) -> Counts {
    match strict {
        true => Counts {
            failed: counts.failed + counts.skipped,
            skipped: 0,
            ..counts
        },
        false => counts,
    }
}

/// The table, then what was skipped or left out and how to have it.
pub(super) fn render(stages: &[Stage], options: &Options) -> String {
    let mut out = format!(
        "\n{:<18} {:>7} {:>7} {:>8} {:>9}\n",
        "stage", "passed", "failed", "skipped", "time"
    );
    for stage in stages {
        row(
            &mut out,
            stage.name,
            judged(stage.counts, options.strict),
            stage.took.as_secs_f64(),
        );
    }
    row(
        &mut out,
        "all",
        total(stages, options.strict),
        stages.iter().map(|stage| stage.took.as_secs_f64()).sum(),
    );
    for skip in stages.iter().flat_map(|stage| &stage.skips) {
        let _ = writeln!(out, "skipped {}: {}", skip.test, skip.why);
        if !skip.enable.is_empty() {
            let _ = writeln!(out, "    to run it: {}", skip.enable);
        }
    }
    if options.strict && stages.iter().any(|stage| stage.counts.skipped > 0) {
        out.push_str("a skipped test counts as failed (KEIKO_TEST_STRICT)\n");
    }
    if options.quick {
        out.push_str("left out: slow tests\n    to run them: cargo xtask test\n");
    }
    if options.filter.is_some() {
        out.push_str("left out: checks and the other tests\n    to run them: cargo xtask test\n");
    }
    out
}

fn row(out: &mut String, name: &str, counts: Counts, seconds: f64) {
    let _ = writeln!(
        out,
        "{name:<18} {:>7} {:>7} {:>8} {seconds:>7.1} s",
        counts.passed, counts.failed, counts.skipped
    );
}

#[cfg(test)]
mod tests {
    use super::super::skips::Skip;
    use super::*;
    use std::time::Duration;

    fn stages() -> Vec<Stage> {
        let counts = Counts {
            passed: 5,
            failed: 1,
            skipped: 1,
        };
        let skips = vec![Skip::new(
            "jail",
            "no bwrap",
            "apt-get install -y bubblewrap",
        )];
        vec![Stage {
            name: "tests",
            counts,
            skips,
            took: Duration::from_millis(1500),
        }]
    }

    #[test]
    fn a_skip_is_shown_with_what_enables_it() {
        let options = Options {
            quick: true,
            filter: None,
            strict: false,
        };
        let text = render(&stages(), &options);
        assert!(
            text.contains("tests                    5       1        1     1.5 s\n"),
            "{text}"
        );
        assert!(
            text.contains("skipped jail: no bwrap\n    to run it: apt-get install -y bubblewrap\n"),
            "{text}"
        );
        assert!(text.contains("left out: slow tests"), "{text}");
    }

    #[test]
    fn in_strict_mode_a_skip_fails() {
        assert_eq!(
            total(&stages(), false),
            Counts {
                passed: 5,
                failed: 1,
                skipped: 1
            }
        );
        assert_eq!(
            total(&stages(), true),
            Counts {
                passed: 5,
                failed: 2,
                skipped: 0
            }
        );
    }
}
