//! What was measured, as people read it.

use super::compare::{Compared, interval, median};
use super::plant::Judged;
use super::project::{Project, Source};
use std::fmt::Write;

/// Each project in a line, with what pins it.
pub(super) fn listing(projects: &[Project]) -> String {
    let mut out = String::new();
    for project in projects {
        let pin = match &project.source {
            Source::Git { repository, commit } => format!("{repository} {}", &commit[..12]),
            Source::Pypi { version, .. } => format!("source package {version}"),
            Source::Crates { version, .. } => format!("crate {version}"),
        };
        let planted = if project.planted.is_some() { "bug" } else { "" };
        let _ = writeln!(
            out,
            "{:<16} {:<11} {pin:<46} {planted:<4} {}",
            project.name,
            project.language.name(),
            project.kinds
        );
        if !project.by_hand.note.is_empty() {
            let _ = writeln!(out, "{:<16} {}", "", project.by_hand.note);
        }
    }
    out
}

/// A project by hand and by Keiko: passed/failed/skipped of each, and both times.
pub(super) fn compared_row(row: &Compared) -> String {
    if let Some(why) = &row.impossible {
        return format!("{:<16} not measured: {why}", row.project);
    }
    let counts = |counts: super::compare::Counts| {
        format!("{}/{}/{}", counts.passed, counts.failed, counts.skipped)
    };
    let same = if row.same { "same" } else { "DIFFERENT" };
    let measured = if row.hand_measured { " " } else { "*" };
    let mut out = format!(
        "{:<16} {:>14} {:>14} {same:<9} {:>7.1} s{measured} {:>7.1} s {:>6.2}x {:>7.1} s",
        row.project,
        counts(row.by_hand),
        counts(row.keiko),
        row.hand_took.whole(),
        row.keiko_tested_seconds,
        row.ratio(),
        row.keiko_seconds
    );
    if !row.same {
        for line in row.said.iter().take(4) {
            let line: String = line.replace('\n', " ").chars().take(160).collect();
            let _ = write!(out, "\n{:<16} {line}", "");
        }
    }
    out
}

/// The end of the comparison: what the columns are, and shares.
pub(super) fn compared(rows: &[Compared]) -> String {
    let measured: Vec<&Compared> = rows.iter().filter(|row| row.impossible.is_none()).collect();
    let same = measured.iter().filter(|row| row.same).count();
    let mut out = String::from(
        "\ncolumns: project, by hand passed/failed/skipped, Keiko's, same, time by hand (* recorded earlier), Keiko until tested, ratio, \
         Keiko until the report\n",
    );
    share(&mut out, "same counts", same, measured.len());
    for language in ["python", "javascript", "rust", "go", "mixed"] {
        let of: Vec<_> = measured
            .iter()
            .filter(|row| row.language.name() == language)
            .collect();
        if !of.is_empty() {
            share(
                &mut out,
                &format!("  {language}"),
                of.iter().filter(|row| row.same).count(),
                of.len(),
            );
        }
    }
    if let Some(ratio) = median(
        measured
            .iter()
            .filter(|row| row.same)
            .map(|row| row.ratio())
            .collect(),
    ) {
        let _ = writeln!(
            out,
            "time until tested against by hand, median of those: {ratio:.2}x"
        );
    }
    for row in rows.iter().filter(|row| row.impossible.is_some()) {
        let _ = writeln!(out, "not measured: {}", row.project);
    }
    out
}

/// What was said of a planted bug.
pub(super) fn planted_row(row: &Judged) -> String {
    if let Some(why) = &row.impossible {
        return format!("{:<16} not judged: {why}", row.project);
    }
    let yes = |is: bool, word: &str| {
        if is {
            word.to_owned()
        } else {
            "-".repeat(word.len())
        }
    };
    let mut out = format!(
        "{:<16} commit {} of 5  {}  {}  {}  {} wrong  {:>7.1} s",
        row.project,
        row.place,
        yes(row.seen, "seen"),
        yes(row.named, "named"),
        yes(row.repaired, "repaired"),
        row.wrong.len(),
        row.seconds
    );
    for wrong in &row.wrong {
        let line: String = wrong.replace('\n', " ").chars().take(200).collect();
        let _ = write!(out, "\n{:<16} wrong: {line}", "");
    }
    out
}

/// The end of the judgement.
pub(super) fn planted(rows: &[Judged]) -> String {
    let judged: Vec<&Judged> = rows.iter().filter(|row| row.impossible.is_none()).collect();
    let mut out = String::from("\n");
    share(
        &mut out,
        "failure seen",
        judged.iter().filter(|row| row.seen).count(),
        judged.len(),
    );
    share(
        &mut out,
        "commit named",
        judged.iter().filter(|row| row.named).count(),
        judged.len(),
    );
    share(
        &mut out,
        "repair among the candidates",
        judged.iter().filter(|row| row.repaired).count(),
        judged.len(),
    );
    let wrong: usize = judged.iter().map(|row| row.wrong.len()).sum();
    let _ = writeln!(out, "wrong statements: {wrong}");
    for row in rows.iter().filter(|row| row.impossible.is_some()) {
        let _ = writeln!(out, "not judged: {}", row.project);
    }
    out
}

fn share(out: &mut String, what: &str, hits: usize, of: usize) {
    let (low, high) = interval(hits, of);
    let part = if of == 0 {
        0.0
    } else {
        100.0 * ratio(hits, of)
    };
    let _ = writeln!(
        out,
        "{what}: {hits} of {of}, {part:.0} % (95 %: {:.0} to {:.0} %)",
        low * 100.0,
        high * 100.0
    );
}

fn ratio(hits: usize, of: usize) -> f64 {
    f64::from(u32::try_from(hits).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}
