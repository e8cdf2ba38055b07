//! `runs prune`: gives back the space of runs that have ended, and of installed dependencies that nothing used for long.

use super::Context;
use crate::cli::PruneArgs;
use crate::error::{CliError, Exit};
use crate::language::tr;
use crate::view::Output;
use crate::view::result::state_word;
use keiko_app::Keiko;
use keiko_app::prune::{Done, Holding, Keep, Pruning, Standing, Stays, Taken, What, next};
use keiko_app::retention::{Age, Bytes};
use keiko_contracts::code::Fault;
use keiko_contracts::run::RunStatus;
use keiko_contracts::say;
use std::io::BufRead as _;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &PruneArgs,
) -> Result<ExitCode, CliError> {
    let keep = Keep {
        older_than: args.older_than.as_deref().map(Age::of_flag).transpose()?,
        most: args.keep.as_deref().map(Bytes::of_flag).transpose()?,
        unapplied: args.unapplied,
    };
    let pruning = keiko.prune(keep).await?;
    let asks = context.attended && !args.yes && !args.dry_run;
    if asks && !agreed(context.output, &pruning)? {
        context.output.say(
            context
                .output
                .t("Nothing was given back.", "Es wurde nichts freigegeben."),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let done = if args.dry_run {
        pruning.would()
    } else {
        pruning.carry_out()
    };
    if context.output.json() {
        context
            .output
            .json_data(&pruning.data(&done, args.dry_run))?;
    } else {
        let told = Told {
            output: context.output,
            pruning: &pruning,
            dry_run: args.dry_run,
        };
        told.all(&done);
        if pruning.keeps_too_much() {
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
fn agreed(output: &Output, pruning: &Pruning) -> Result<bool, CliError> {
    let lost = pruning.lost();
    if lost.is_empty() {
        return Ok(true);
    }
    for one in &lost {
        output.line(&format!("  {}", line(output, one, one.bytes, pruning)));
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

/// What is told to people.
struct Told<'a> {
    output: &'a Output,
    pruning: &'a Pruning,
    dry_run: bool,
}

impl Told<'_> {
    fn all(&self, done: &Done) {
        let (output, plan) = (self.output, &self.pruning.plan);
        if !done.given.is_empty() {
            output.data(match self.dry_run {
                true => output.t("would give back:", "würde freigeben:"),
                false => output.t("given back:", "freigegeben:"),
            });
        }
        for (one, freed) in &done.given {
            output.data(&format!(
                "  {}",
                line(output, one, freed.bytes, self.pruning)
            ));
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
            output.data(&format!("  {}", line(output, one, one.bytes, self.pruning)));
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
        self.sums(done);
    }

    fn sums(&self, done: &Done) {
        let (output, plan) = (self.output, &self.pruning.plan);
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
        let age = self.pruning.older_than;
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
fn line(output: &Output, one: &Holding, bytes: u64, pruning: &Pruning) -> String {
    let (size, when, why) = (
        Bytes(bytes).to_string(),
        output.minute(one.last_used),
        reason(output, one),
    );
    match &one.what {
        What::Run(run) => {
            let goal = pruning
                .goal(*run)
                .unwrap_or(output.t("belongs to no run", "gehört zu keinem Lauf"));
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
