//! Whether jails can be made here, and whether they hold: escapes are really tried.

use super::{Row, State};
use crate::config::SandboxConfig;
use crate::wiring::jail_options;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_sandbox::jail::Jail;
use keiko_sandbox::jail::{IsolationReport, LimitedBy};

/// What is there, and where a jail looks for programs.
pub(super) async fn rows() -> (Vec<Row>, Vec<String>) {
    let detected =
        tokio::task::spawn_blocking(|| Jail::detect(jail_options(&SandboxConfig::default())?))
            .await;
    let jail = match detected.unwrap_or_else(|error| {
        Err(Fault::new(
            Code::SANDBOX_SEARCH_FAILED,
            say!("looking for the sandbox broke down: {error}", error),
        ))
    }) {
        Ok(jail) => jail,
        Err(fault) => {
            let row = Row::fault("sandbox", State::Broken, &fault);
            // KEI-5001: bubblewrap itself is not there.
            let row = if fault.code == Code::NO_BUBBLEWRAP {
                row.package("bubblewrap")
            } else {
                row
            };
            return (vec![row], Vec::new());
        }
    };
    let report = jail.report();
    let mut rows = vec![Row::ok("sandbox", seen(&report)), isolation(&report)];
    rows.push(self_test(&jail.self_test().await));
    (rows, jail.search_path().to_vec())
}

fn seen(report: &IsolationReport) -> Said {
    let (bubblewrap, uid) = (&report.bubblewrap, report.identity.uid);
    if report.switches_user {
        say!(
            "{bubblewrap}; commands run as an unprivileged user ({uid})",
            bubblewrap,
            uid
        )
    } else {
        say!(
            "{bubblewrap}; commands run as your user, mapped ({uid})",
            bubblewrap,
            uid
        )
    }
}

fn isolation(report: &IsolationReport) -> Row {
    let by = |limit: LimitedBy| match limit {
        LimitedBy::CgroupV1 | LimitedBy::CgroupV2 => "control groups",
        LimitedBy::Rlimit => "process limits",
        LimitedBy::Watching => "watching",
        LimitedBy::Nothing => "nothing",
    };
    let landlock = serde_json::to_value(report.landlock)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    let seen = say!(
        "own {namespaces}; landlock {landlock}; seccomp {seccomp}; memory limited by {memory}; processes by {processes}",
        namespaces = report.namespaces.join(", "),
        landlock = Said::words(landlock),
        seccomp = Said::from(if report.seccomp { "on" } else { "off" }),
        memory = Said::from(by(report.memory)),
        processes = Said::from(by(report.processes))
    );
    if report.degraded.is_empty() {
        return Row::ok("isolation", seen);
    }
    Row::new(
        "isolation",
        State::Warn,
        say!(
            "{seen}. Weaker than it could be: {why}",
            seen,
            why = Said::in_a_row(report.degraded.iter().map(Said::words).collect())
        ),
    )
}

fn self_test(results: &[keiko_sandbox::selftest::SelfTestResult]) -> Row {
    let failed: Vec<String> = results
        .iter()
        .filter(|test| !test.held)
        .map(|test| format!("{} ({})", test.name, test.detail))
        .collect();
    if results.is_empty() {
        return Row::new("escapes tried", State::Broken, "nothing could be tried");
    }
    if failed.is_empty() {
        return Row::ok(
            "escapes tried",
            say!("{n} ways, all held", n = results.len()),
        );
    }
    Row::new("escapes tried", State::Broken, say!("NOT held: {ways}", ways = failed.join("; ")))
        .todo("do not run goals of strangers on this machine; report this with the output of: keiko doctor --json")
}
