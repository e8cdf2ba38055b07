//! `approvals`: what waits for a person, and the answers.

use super::Context;
use crate::cli::ApprovalsCommand;
use crate::error::CliError;
use crate::language::{plain_json, tr};
use crate::operator::operator;
use crate::view::{Output, plain, question};
use keiko_app::Keiko;
use keiko_app::approvals::Answer;
use keiko_app::change::{Change, Changes};
use keiko_app::installing::is_install;
use keiko_contracts::approval::{ApprovalRow, Decision, Installing};
use keiko_contracts::code::{Code, Fault};
use keiko_ports::shell::{Clock as _, SystemClock};
use std::path::Path;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    command: ApprovalsCommand,
) -> Result<ExitCode, CliError> {
    let given = |decision, reason, remember| Answer {
        by: operator(),
        decision,
        reason,
        remember,
    };
    match command {
        ApprovalsCommand::List { all } => list(context, keiko, all).await?,
        ApprovalsCommand::Show { id } => show(context, keiko, &id).await?,
        ApprovalsCommand::Approve {
            id,
            reason,
            remember,
        } => {
            let given = given(Decision::Approved, reason, remember);
            answer(context, keiko, &id, given).await?;
        }
        ApprovalsCommand::Deny {
            id,
            reason,
            remember,
        } => {
            let given = given(Decision::Denied, reason, remember);
            answer(context, keiko, &id, given).await?;
        }
        ApprovalsCommand::Remembered => remembered(context, keiko)?,
        ApprovalsCommand::Forget { dir, .. } => forget(context, keiko, dir.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context<'_>, keiko: &Keiko, all: bool) -> Result<(), CliError> {
    let rows = keiko.approvals(all).await?;
    if context.output.json() {
        return Ok(context
            .output
            .json_data(&plain_json!({ "approvals": rows }))?);
    }
    for row in &rows {
        let state = state(context.output, row);
        let (asked, summary) = (
            context.output.minute(row.asked),
            context.output.told(&row.request.summary),
        );
        context.output.data(&format!(
            "{}  {}  {asked}  {state}  {summary}",
            row.request.id, row.run
        ));
    }
    if rows.is_empty() {
        context.output.say(context.output.t(
            "Nothing waits for a person.",
            "Nichts wartet auf einen Menschen.",
        ));
    }
    Ok(())
}

async fn show(context: &Context<'_>, keiko: &Keiko, id: &str) -> Result<(), CliError> {
    let row = keiko.approval(id).await?;
    if context.output.json() {
        let text = keiko_contracts::said::plainly(|| serde_json::to_string(&row))
            .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()))?;
        context.output.data(&text);
        return Ok(());
    }
    let change = Changes::of(keiko).about(&row.request).await;
    context
        .output
        .data(&describe(context.output, &row, change.as_ref())?);
    if let Some(change) = &change {
        context.output.data("");
        context.output.diff(change.diff.trim_end());
    } else if is_install(&row.request.action) {
        context.output.data("");
        context
            .output
            .data(&question::whole(context.output, &row.request, None).join("\n"));
    }
    Ok(())
}

async fn answer(
    context: &Context<'_>,
    keiko: &Keiko,
    id: &str,
    given: Answer,
) -> Result<(), CliError> {
    let answered = keiko.answer(id, given).await?;
    if context.output.json() {
        return Ok(context.output.json_data(&answered)?);
    }
    let (yes, no) = (
        context.output.t("Approved", "Freigegeben"),
        context.output.t("Denied", "Abgelehnt"),
    );
    let summary = context.output.told(&answered.summary);
    context.output.say(&format!(
        "{}: {summary}",
        if answered.decision == Decision::Approved {
            yes
        } else {
            no
        }
    ));
    if let Some(kept) = &answered.kept {
        let folder = &kept.folder;
        context.output.say(&tr!(
            context.output,
            "Remembered for {folder}. To forget it: keiko approvals forget {folder}",
            "Gemerkt für {folder}. Zum Vergessen: keiko approvals forget {folder}"
        ));
    }
    if !answered.live {
        context.output.say(&tr!(
            context.output,
            "The run goes on with: keiko resume {}",
            "Der Lauf geht weiter mit: keiko resume {}",
            answered.run
        ));
    }
    Ok(())
}

/// What is remembered, for all repositories.
fn remembered(context: &Context<'_>, keiko: &Keiko) -> Result<(), CliError> {
    let all = keiko.remembered()?;
    if context.output.json() {
        return Ok(context.output.json_data(&all)?);
    }
    let t = |english, german| context.output.t(english, german);
    for known in &all.remembered {
        let answer = match known.answer {
            Installing::Yes => t("install: yes", "Installieren: ja"),
            Installing::No => t("install: no", "Installieren: nein"),
            Installing::Ask => t("install: ask", "Installieren: fragen"),
        };
        let from = if known.registries.is_empty() {
            String::new()
        } else {
            format!(" ({})", known.registries.join(", "))
        };
        context.output.data(&format!(
            "{}  {answer}{from}  {}  {}",
            known.folder,
            known.by,
            context.output.minute(known.at)
        ));
    }
    if all.remembered.is_empty() {
        context
            .output
            .say(t("Nothing is remembered.", "Nichts ist gemerkt."));
    }
    let broken = all.broken;
    if broken > 0 {
        context.output.warn(&tr!(
            context.output,
            "{broken} remembered answers cannot be read and do not count; keiko approvals forget --all removes them",
            "{broken} gemerkte Antworten sind nicht lesbar und zählen nicht; keiko approvals forget --all entfernt sie"
        ));
    }
    Ok(())
}

fn forget(context: &Context<'_>, keiko: &Keiko, dir: Option<&Path>) -> Result<(), CliError> {
    let forgotten = keiko.forget(dir)?;
    if context.output.json() {
        context
            .output
            .json_data(&plain_json!({ "forgotten": forgotten }))?;
    } else {
        context.output.say(context.output.t(
            "Forgotten: it will be asked again.",
            "Vergessen: Es wird wieder gefragt.",
        ));
    }
    Ok(())
}

/// Where an approval stands. One that is late is decided, although the run that waits for it has not said so yet.
fn state(output: &Output, row: &ApprovalRow) -> String {
    match &row.answer {
        Some(answer) => plain::answered(output, answer),
        None if row.request.is_late(SystemClock.now()) => output.t("expired", "abgelaufen").into(),
        None => output.t("open", "offen").into(),
    }
}

fn describe(
    output: &Output,
    row: &ApprovalRow,
    change: Option<&Change>,
) -> Result<String, CliError> {
    let action = serde_json::to_string_pretty(&row.request.action)
        .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()))?;
    let expires = row
        .request
        .expires
        .map_or_else(|| output.t("never", "nie").into(), |at| output.instant(at));
    let state = state(output, row);
    let (summary, reason) = (
        output.told(&row.request.summary),
        output.told(&row.request.reason),
    );
    let mut text = tr!(
        output,
        "approval {}\nrun      {}\neffect   {}\nwould    {summary}\nbecause  {reason}\nasked    {}\nexpires  {expires}\nstate    {state}\ndigest   {}\naction   {action}",
        "Freigabe   {}\nLauf       {}\nWirkung    {}\nwürde      {summary}\nGrund      {reason}\ngefragt    {}\nläuft ab   {expires}\nZustand    {state}\nPrüfsumme  {}\nAktion     {action}",
        row.request.id,
        row.run,
        row.request.key,
        output.instant(row.asked),
        row.request.digest.0
    );
    if let Some(change) = change {
        let name = output.t("change   ", "Änderung  ");
        for (index, line) in question::summary(output, change).iter().enumerate() {
            text.push_str(&format!(
                "\n{} {line}",
                if index == 0 { name } else { "         " }
            ));
        }
    }
    Ok(text)
}
