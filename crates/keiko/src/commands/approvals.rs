//! `approvals`: what waits for a person, and the answers.

use super::Context;
use crate::cli::ApprovalsCommand;
use crate::error::CliError;
use crate::language::{plain_json, tr};
use crate::operator::operator;
use crate::view::table::Column;
use crate::view::{Output, plain, question};
use keiko_app::Keiko;
use keiko_app::approvals::Answer;
use keiko_app::change::{Change, Changes};
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
        ApprovalsCommand::Show { id, details } => show(context, keiko, &id, details).await?,
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
    let output = context.output;
    let heads = [
        Column::Left(output.t("approval", "Freigabe")),
        Column::Left(output.t("run", "Lauf")),
        Column::Left(output.t("asked", "gefragt")),
        Column::Left(output.t("state", "Zustand")),
        Column::Left(output.t("would", "würde")),
    ];
    let cells = |row: &ApprovalRow| {
        [
            row.request.id.to_string(),
            row.run.to_string(),
            output.minute(row.asked),
            state(output, row),
            output.told(&row.request.summary).into_owned(),
        ]
    };
    output.list(heads, &rows.iter().map(cells).collect::<Vec<_>>());
    if rows.is_empty() {
        context.output.say(context.output.t(
            "Nothing waits for a person.",
            "Nichts wartet auf einen Menschen.",
        ));
    }
    Ok(())
}

async fn show(
    context: &Context<'_>,
    keiko: &Keiko,
    id: &str,
    details: bool,
) -> Result<(), CliError> {
    let row = keiko.approval(id).await?;
    if context.output.json() {
        let text = keiko_contracts::said::plainly(|| serde_json::to_string(&row))
            .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()))?;
        context.output.data(&text);
        return Ok(());
    }
    let (output, request) = (context.output, &row.request);
    let change = Changes::of(keiko).about(request).await;
    output.data(&describe(output, &row, change.as_ref()));
    if details {
        let (digest, action) = (request.digest.0, question::data(request).join("\n"));
        output.data(&tr!(
            output,
            "digest   {digest}\naction   {action}",
            "Prüfsumme  {digest}\nAktion     {action}"
        ));
    }
    let words = question::words(output, request);
    if !words.is_empty() {
        output.data(&format!("\n{}", words.join("\n")));
    }
    if let Some(change) = &change {
        output.data("");
        output.diff(change.diff.trim_end());
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
    let mut rows = Vec::new();
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
        rows.push([
            known.folder.clone(),
            format!("{answer}{from}"),
            known.by.clone(),
            context.output.minute(known.at),
        ]);
    }
    let heads = [
        Column::Left(t("folder", "Ordner")),
        Column::Left(t("answer", "Antwort")),
        Column::Left(t("by", "von")),
        Column::Left(t("since", "seit")),
    ];
    context.output.list(heads, &rows);
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

/// What would be done, why it is asked about, and what it touches.
fn describe(output: &Output, row: &ApprovalRow, change: Option<&Change>) -> String {
    let expires = row
        .request
        .expires
        .map_or_else(|| output.t("never", "nie").into(), |at| output.instant(at));
    let state = state(output, row);
    let (summary, reason, touches) = (
        output.told(&row.request.summary),
        output.told(&row.request.reason),
        question::touches(output, &row.request.action),
    );
    let mut text = tr!(
        output,
        "approval {}\nrun      {}\nwould    {summary}\nbecause  {reason}\ntouches  {touches}\nasked    {}\nexpires  {expires}\nstate    {state}",
        "Freigabe   {}\nLauf       {}\nwürde      {summary}\nGrund      {reason}\nbetrifft   {touches}\ngefragt    {}\nläuft ab   {expires}\nZustand    {state}",
        row.request.id,
        row.run,
        output.instant(row.asked)
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
    text
}
