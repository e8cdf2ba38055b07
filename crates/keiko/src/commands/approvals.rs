//! `approvals`: what waits for a person, and the answers.

use super::{Context, operator};
use crate::cli::ApprovalsCommand;
use crate::error::CliError;
use crate::wiring::{Keiko, read_fault};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRow, Decision};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::run::InboxMessage;
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::{inbox, views};
use std::process::ExitCode;

pub(crate) async fn run(context: &Context<'_>, keiko: &Keiko, command: ApprovalsCommand) -> Result<ExitCode, CliError> {
    match command {
        ApprovalsCommand::List { all } => list(context, keiko, all).await,
        ApprovalsCommand::Show { id } => {
            let row = find(keiko, &id).await?;
            context.output.data(&if context.output.json() { json(&row)? } else { describe(&row)? });
            Ok(ExitCode::SUCCESS)
        }
        ApprovalsCommand::Approve { id, reason } => answer(context, keiko, &id, Decision::Approved, reason).await,
        ApprovalsCommand::Deny { id, reason } => answer(context, keiko, &id, Decision::Denied, reason).await,
    }
}

async fn rows(keiko: &Keiko, query: ViewQuery) -> Result<Vec<ApprovalRow>, CliError> {
    let rows = keiko.journal.view_list(views::APPROVALS, query).await.map_err(read_fault)?;
    Ok(rows.iter().filter_map(|row| serde_json::from_slice(&row.body).ok()).collect())
}

async fn list(context: &Context<'_>, keiko: &Keiko, all: bool) -> Result<ExitCode, CliError> {
    let group = (!all).then(|| "open".to_owned());
    let rows = rows(keiko, ViewQuery { group, newest_first: true, ..ViewQuery::default() }).await?;
    if context.output.json() {
        context.output.data(&serde_json::json!({ "approvals": rows }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for row in &rows {
        let state =
            row.answer.as_ref().map_or_else(|| "open".into(), |answer| format!("{:?} by {}", answer.decision, answer.by).to_lowercase());
        let (asked, summary) = (row.asked.to_minute(), &row.request.summary);
        context.output.data(&format!("{}  {}  {asked}  {state}  {summary}", row.request.id, row.run));
    }
    if rows.is_empty() {
        context.output.say(context.output.t("Nothing waits for a person.", "Nichts wartet auf einen Menschen."));
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(keiko: &Keiko, id: &str) -> Result<ApprovalRow, CliError> {
    let missing = || Fault::new(Code(2101), format!("there is no approval {id:?}")).hint("keiko approvals list");
    if id == "last" {
        return newest(keiko).await?.ok_or_else(|| missing().into());
    }
    if id.is_empty() {
        return Err(missing().into());
    }
    let mut rows = rows(keiko, ViewQuery { key_prefix: Some(id.to_owned()), limit: 2, ..ViewQuery::default() }).await?;
    match (rows.pop(), rows.pop()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(missing().into()),
        (Some(_), Some(_)) => {
            Err(Fault::new(Code(2102), format!("{id:?} is the beginning of several approvals")).hint("keiko approvals list").into())
        }
    }
}

/// The newest that is open; if none is, the newest.
async fn newest(keiko: &Keiko) -> Result<Option<ApprovalRow>, CliError> {
    for group in [Some("open".to_owned()), None] {
        let query = ViewQuery { group, newest_first: true, limit: 1, ..ViewQuery::default() };
        if let Some(row) = rows(keiko, query).await?.pop() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

async fn answer(context: &Context<'_>, keiko: &Keiko, id: &str, decision: Decision, reason: Option<String>) -> Result<ExitCode, CliError> {
    let row = find(keiko, id).await?;
    if let Some(answer) = &row.answer {
        let message = format!("this approval was answered already: {:?} by {}", answer.decision, answer.by).to_lowercase();
        return Err(Fault::new(Code(2103), message).hint(format!("keiko runs show {}", row.run)).into());
    }
    let answer = ApprovalAnswer { id: row.request.id, digest: row.request.digest, decision, by: operator(), reason };
    inbox::say(keiko.journal.as_ref(), row.run, &InboxMessage::Approval(answer), SystemClock.now()).await.map_err(|error| error.fault())?;
    let live = keiko.journal.holder(&keiko_contracts::journal::StreamId::run(row.run)).await.map_err(read_fault)?.is_some();
    if context.output.json() {
        context
            .output
            .data(&serde_json::json!({"approval": row.request.id, "run": row.run, "decision": decision, "live": live}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let (yes, no) = (context.output.t("Approved", "Freigegeben"), context.output.t("Denied", "Abgelehnt"));
    context.output.say(&format!("{}: {}", if decision == Decision::Approved { yes } else { no }, row.request.summary));
    if !live {
        context.output.say(&format!("{}: keiko resume {}", context.output.t("The run goes on with", "Der Lauf geht weiter mit"), row.run));
    }
    Ok(ExitCode::SUCCESS)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, CliError> {
    serde_json::to_string(value).map_err(|error| Fault::new(Code(9008), error.to_string()).into())
}

fn describe(row: &ApprovalRow) -> Result<String, CliError> {
    let action = serde_json::to_string_pretty(&row.request.action).map_err(|error| Fault::new(Code(9008), error.to_string()))?;
    let expires = row.request.expires.map_or_else(|| "never".into(), |at| at.to_string());
    let state =
        row.answer.as_ref().map_or_else(|| "open".into(), |answer| format!("{:?} by {}", answer.decision, answer.by).to_lowercase());
    Ok(format!(
        "approval {}\nrun      {}\neffect   {}\nwould    {}\nbecause  {}\nasked    {}\nexpires  {expires}\nstate    {state}\ndigest   {}\naction   {action}",
        row.request.id, row.run, row.request.key, row.request.summary, row.request.reason, row.asked, row.request.digest.0
    ))
}
