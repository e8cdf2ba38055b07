//! `approvals`: what waits for a person, and the answers.

use super::{Context, operator};
use crate::cli::ApprovalsCommand;
use crate::error::CliError;
use crate::language::tr;
use crate::view::{Output, plain};
use crate::wiring::{Keiko, read_fault};
use keiko_contracts::approval::{ApprovalRow, Decision};
use keiko_contracts::code::{Code, Fault};
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::{inbox, views};
use std::process::ExitCode;

pub(crate) async fn run(context: &Context<'_>, keiko: &Keiko, command: ApprovalsCommand) -> Result<ExitCode, CliError> {
    match command {
        ApprovalsCommand::List { all } => list(context, keiko, all).await,
        ApprovalsCommand::Show { id } => {
            let row = find(keiko, &id).await?;
            context.output.data(&if context.output.json() { json(&row)? } else { describe(context.output, &row)? });
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
        let state = state(context.output, row);
        let (asked, summary) = (row.asked.to_minute(), context.output.told(&row.request.summary));
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
    let answer = row.request.answer(decision, operator(), reason);
    inbox::answer(keiko.journal.as_ref(), &row, answer, SystemClock.now()).await.map_err(|error| error.fault(row.run))?;
    let live = keiko.journal.holder(&keiko_contracts::journal::StreamId::run(row.run)).await.map_err(read_fault)?.is_some();
    if context.output.json() {
        context
            .output
            .data(&serde_json::json!({"approval": row.request.id, "run": row.run, "decision": decision, "live": live}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let (yes, no) = (context.output.t("Approved", "Freigegeben"), context.output.t("Denied", "Abgelehnt"));
    let summary = context.output.told(&row.request.summary);
    context.output.say(&format!("{}: {summary}", if decision == Decision::Approved { yes } else { no }));
    if !live {
        context.output.say(&tr!(
            context.output,
            "The run goes on with: keiko resume {}",
            "Der Lauf geht weiter mit: keiko resume {}",
            row.run
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, CliError> {
    serde_json::to_string(value).map_err(|error| Fault::new(Code(9008), error.to_string()).into())
}

/// Where an approval stands. One that is late is decided, although the run that waits for it has not said so yet.
fn state(output: &Output, row: &ApprovalRow) -> String {
    match &row.answer {
        Some(answer) => plain::answered(output, answer),
        None if row.request.is_late(SystemClock.now()) => output.t("expired", "abgelaufen").into(),
        None => output.t("open", "offen").into(),
    }
}

fn describe(output: &Output, row: &ApprovalRow) -> Result<String, CliError> {
    let action = serde_json::to_string_pretty(&row.request.action).map_err(|error| Fault::new(Code(9008), error.to_string()))?;
    let expires = row.request.expires.map_or_else(|| output.t("never", "nie").into(), |at| at.to_string());
    let state = state(output, row);
    let (summary, reason) = (output.told(&row.request.summary), output.told(&row.request.reason));
    Ok(tr!(
        output,
        "approval {}\nrun      {}\neffect   {}\nwould    {summary}\nbecause  {reason}\nasked    {}\nexpires  {expires}\nstate    {state}\ndigest   {}\naction   {action}",
        "Freigabe   {}\nLauf       {}\nWirkung    {}\nwürde      {summary}\nGrund      {reason}\ngefragt    {}\nläuft ab   {expires}\nZustand    {state}\nPrüfsumme  {}\nAktion     {action}",
        row.request.id,
        row.run,
        row.request.key,
        row.asked,
        row.request.digest.0
    ))
}
