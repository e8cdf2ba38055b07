//! `runs prune`: gives back the space of runs that have ended, and of installed dependencies that nothing used for long.
//!
//! What may go is decided in `keiko_workspace::space`; here it is asked for, carried out and told.

use super::Context;
use crate::cli::PruneArgs;
use crate::error::{CliError, Exit};
use crate::holdings::{Gathered, gather};
use crate::language::{plain_json, tr};
use crate::retention::{Age, Bytes};
use crate::view::Output;
use crate::view::result::state_word;
use crate::wiring::Keiko;
use keiko_contracts::code::Fault;
use keiko_contracts::run::RunStatus;
use keiko_contracts::say;
use keiko_contracts::time::Timestamp;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_workspace::space::{
    Freed, Holding, Patience, Plan, Rule, Space, Standing, Stays, Taken, What, plan,
};
use serde_json::Value;
use std::io::BufRead as _;
use std::process::ExitCode;

/// What became of what was to go.
#[derive(Debug, Default)]
struct Done {
    given: Vec<(Holding, Freed)>,
    failed: Vec<(Holding, Fault)>,
    /// What an interrupted prune had left behind.
    swept: Freed,
}

impl Done {
    fn bytes(&self) -> u64 {
        self.given.iter().fold(self.swept.bytes, |sum, (_, freed)| {
            sum.saturating_add(freed.bytes)
        })
    }
}

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &PruneArgs,
) -> Result<ExitCode, CliError> {
    let configured = keiko.config.retention;
    let older_than = args
        .older_than
        .as_deref()
        .map_or(Ok(configured.older_than), Age::of_flag)?;
    let keep = args
        .keep
        .as_deref()
        .map(Bytes::of_flag)
        .transpose()?
        .or(configured.keep);
    let rule = Rule {
        older_than: older_than.duration(),
        keep: keep.map(|keep| keep.0),
        unapplied: args.unapplied,
    };
    let space = Space::below(&keiko.home.data, &keiko.home.cache);
    let found = gather(keiko.journal.as_ref(), &space, &mut Patience::endless()).await?;
    let now = SystemClock.now();
    let plan = plan(found.holdings.clone(), rule, now);
    let asks = context.attended && !args.yes && !args.dry_run;
    if asks && !agreed(context.output, &plan, &found)? {
        context.output.say(
            context
                .output
                .t("Nothing was given back.", "Es wurde nichts freigegeben."),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let done = if args.dry_run {
        would(&plan, &found)
    } else {
        carry_out(&space, &plan, &found, now)
    };
    if context.output.json() {
        context
            .output
            .data(&in_json(&plan, &done, args.dry_run).to_string());
    } else {
        Told {
            output: context.output,
            found: &found,
            older_than,
            dry_run: args.dry_run,
        }
        .all(&plan, &done);
        if keep.is_some_and(|keep| plan.keeps() > keep.0) {
            context.output.warn(context.output.t(
                "more stays than was to stay: what is needed or not applied is not given back",
                "Es bleibt mehr, als bleiben sollte: Was gebraucht wird oder nicht übernommen ist, wird nicht freigegeben",
            ));
        }
    }
    Ok(if done.failed.is_empty() {
        Exit::Ok
    } else {
        Exit::Failed
    }
    .into())
}

/// Asks a person before changes are deleted that nobody took over.
fn agreed(output: &Output, plan: &Plan, found: &Gathered) -> Result<bool, CliError> {
    let lost: Vec<&Holding> = plan
        .goes
        .iter()
        .filter(|one| one.standing == Standing::Unapplied)
        .collect();
    if lost.is_empty() {
        return Ok(true);
    }
    for one in &lost {
        output.line(&format!("  {}", line(output, one, one.bytes, found)));
    }
    let count = lost.len();
    output.line(&tr!(
        output,
        "These changes were never applied nor pushed ({count}). Delete their workspaces? Type yes to do it:",
        "Diese Änderungen wurden nie übernommen oder gepusht ({count}). Ihre Arbeitsbereiche löschen? Mit ja bestätigen:"
    ));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| {
        Fault::new(
            keiko_contracts::code::Code::ANSWER_UNREADABLE,
            say!("the answer cannot be read: {error}", error),
        )
        .hint("--yes")
    })?;
    Ok(["yes", "y", "ja", "j"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Does what the plan says. What cannot be removed keeps nothing else from it.
fn carry_out(space: &Space, plan: &Plan, found: &Gathered, now: Timestamp) -> Done {
    let mut done = Done::default();
    for one in &plan.goes {
        let freed = match &one.what {
            // Somebody applied or took back its result since it was looked at.
            What::Run(run)
                if space
                    .touched(*run)
                    .is_some_and(|touched| touched > one.last_used) =>
            {
                continue;
            }
            What::Run(run) => space.give_back_run(*run, now),
            What::Cache(name) => found
                .caches
                .get(name)
                .map_or(Ok(None), |cached| space.give_back_cache(cached)),
        };
        match freed {
            // Another prune was faster, or it has been used since.
            Ok(None) => {}
            Ok(Some(freed)) => done.given.push((one.clone(), freed)),
            Err(fault) => done.failed.push((one.clone(), fault)),
        }
    }
    match space.sweep() {
        Ok(freed) => done.swept = freed,
        Err(fault) => {
            tracing::warn!(%fault, "what an interrupted prune left behind cannot be removed")
        }
    }
    done
}

/// What would become of it.
fn would(plan: &Plan, found: &Gathered) -> Done {
    let given = plan
        .goes
        .iter()
        .map(|one| {
            (
                one.clone(),
                Freed {
                    files: 0,
                    bytes: one.bytes,
                },
            )
        })
        .collect();
    Done {
        given,
        failed: Vec::new(),
        swept: Freed {
            files: 0,
            bytes: found.rest,
        },
    }
}

fn in_json(plan: &Plan, done: &Done, dry_run: bool) -> Value {
    let count = |runs: bool| {
        done.given
            .iter()
            .filter(|(one, _)| matches!(one.what, What::Run(_)) == runs)
            .count()
    };
    let given: Vec<Value> = done
        .given
        .iter()
        .map(|(one, freed)| plain_json!({"what": one, "freed_bytes": freed.bytes}))
        .collect();
    let kept: Vec<Value> = plan
        .stays
        .iter()
        .map(|(one, why)| plain_json!({"what": one, "why": why, "next": next(one)}))
        .collect();
    let failed: Vec<Value> = done
        .failed
        .iter()
        .map(|(one, fault)| plain_json!({"what": one, "error": fault}))
        .collect();
    plain_json!({
        "dry_run": dry_run,
        "freed": {"runs": count(true), "caches": count(false), "bytes": done.bytes(), "left_over_bytes": done.swept.bytes},
        "given_back": given,
        "kept": kept,
        "kept_bytes": plan.keeps(),
        "failed": failed,
    })
}

/// How the result of a run that stays is taken over.
fn next(one: &Holding) -> Vec<String> {
    match (&one.what, &one.standing) {
        (What::Run(run), Standing::Unapplied) => vec![
            format!("keiko runs apply {run}"),
            format!("keiko runs diff {run}"),
        ],
        _ => Vec::new(),
    }
}

/// What is told to people.
struct Told<'a> {
    output: &'a Output,
    found: &'a Gathered,
    older_than: Age,
    dry_run: bool,
}

impl Told<'_> {
    fn all(&self, plan: &Plan, done: &Done) {
        let output = self.output;
        if !done.given.is_empty() {
            output.data(match self.dry_run {
                true => output.t("would give back:", "würde freigeben:"),
                false => output.t("given back:", "freigegeben:"),
            });
        }
        for (one, freed) in &done.given {
            output.data(&format!("  {}", line(output, one, freed.bytes, self.found)));
        }
        let named: Vec<_> = plan
            .stays
            .iter()
            .filter(|(_, why)| *why != Stays::Young)
            .collect();
        if !named.is_empty() {
            output.data(output.t("kept:", "behalten:"));
        }
        for (one, _) in named {
            output.data(&format!("  {}", line(output, one, one.bytes, self.found)));
            if let [apply, diff] = next(one).as_slice() {
                let typed = format!("{apply}, {diff}");
                output.data(&format!(
                    "    -> {}",
                    crate::view::program::as_typed(&typed)
                ));
            }
        }
        done.failed
            .iter()
            .for_each(|(_, fault)| output.fault(fault));
        self.sums(plan, done);
    }

    fn sums(&self, plan: &Plan, done: &Done) {
        let output = self.output;
        let runs = done
            .given
            .iter()
            .filter(|(one, _)| matches!(one.what, What::Run(_)))
            .count();
        let (caches, bytes) = (done.given.len() - runs, Bytes(done.bytes()));
        let runs = output.language().count(
            runs as u64,
            ["workspace", "workspaces"],
            ["Arbeitsbereich", "Arbeitsbereiche"],
        );
        let caches = output.language().count(
            caches as u64,
            ["cache", "caches"],
            ["Zwischenspeicher", "Zwischenspeicher"],
        );
        output.say(&match self.dry_run {
            true => tr!(
                output,
                "Would give back {runs} and {caches}: {bytes}.",
                "Würde {runs} und {caches} freigeben: {bytes}."
            ),
            false => tr!(
                output,
                "Gave back {runs} and {caches}: {bytes}.",
                "{runs} und {caches} freigegeben: {bytes}."
            ),
        });
        let (kept, bytes) = (plan.stays.len(), Bytes(plan.keeps()));
        let young = plan
            .stays
            .iter()
            .filter(|(_, why)| *why == Stays::Young)
            .count();
        let age = self.older_than;
        output.say(&tr!(
            output,
            "Kept: {kept}, {bytes}; of these {young} only because they are younger than {age}.",
            "Behalten: {kept}, {bytes}; davon {young} nur, weil sie jünger sind als {age}."
        ));
        if plan.stays.iter().any(|(_, why)| *why == Stays::Unapplied) {
            output.say(output.t(
                "What was never applied nor pushed goes only with --unapplied.",
                "Was nie übernommen oder gepusht wurde, wird nur mit --unapplied freigegeben.",
            ));
        }
    }
}

/// One thing in a line: what it is, what it takes, when it was of use, how it stands.
fn line(output: &Output, one: &Holding, bytes: u64, found: &Gathered) -> String {
    let (size, when, why) = (
        Bytes(bytes).to_string(),
        output.minute(one.last_used),
        reason(output, one),
    );
    match &one.what {
        What::Run(run) => {
            let goal = found.goals.get(run).map_or_else(
                || output.t("belongs to no run", "gehört zu keinem Lauf"),
                String::as_str,
            );
            format!("{run}  {size:>9}  {when}  {why}  {goal}")
        }
        What::Cache(name) => format!("{name}  {size:>9}  {when}  {why}"),
    }
}

fn reason(output: &Output, one: &Holding) -> String {
    match &one.standing {
        Standing::Needed(by) => match &one.what {
            What::Run(_) => RunStatus::of(by).map_or_else(
                || by.clone(),
                |status| state_word(output, status).to_owned(),
            ),
            What::Cache(_) => tr!(output, "used by run {by}", "verwendet von Lauf {by}"),
        },
        Standing::Unapplied => output.t("not applied", "nicht übernommen").to_owned(),
        Standing::Taken(Taken::Applied) => output.t("applied", "übernommen").to_owned(),
        Standing::Taken(Taken::Pushed) => output.t("pushed", "gepusht").to_owned(),
        Standing::Taken(Taken::Unchanged) => output.t("no change", "keine Änderung").to_owned(),
        Standing::Taken(Taken::Check) => output
            .t("a check of another run", "Prüfung eines anderen Laufs")
            .to_owned(),
        Standing::Rebuildable => output
            .t("installed dependencies", "installierte Abhängigkeiten")
            .to_owned(),
    }
}
