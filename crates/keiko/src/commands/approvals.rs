//! `approvals`: what waits for a person, and the answers.

use super::change::Changes;
use super::{Context, installing, operator};
use crate::cli::ApprovalsCommand;
use crate::error::CliError;
use crate::language::{plain_json, tr};
use crate::memory::{Memory, Remembered};
use crate::view::question::{self, Change};
use crate::view::{Output, plain};
use crate::wiring::{Keiko, read_fault};
use keiko_contracts::approval::{ApprovalRow, Decision, Installing};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::{fold, inbox, views};
use std::path::Path;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    command: ApprovalsCommand,
) -> Result<ExitCode, CliError> {
    match command {
        ApprovalsCommand::List { all } => list(context, keiko, all).await,
        ApprovalsCommand::Show { id } => {
            let row = find(keiko, &id).await?;
            if context.output.json() {
                context.output.data(&json(&row)?);
                return Ok(ExitCode::SUCCESS);
            }
            let change = Changes::of(keiko).about(&row.request).await;
            context
                .output
                .data(&describe(context.output, &row, change.as_ref())?);
            if let Some(change) = &change {
                context.output.data("");
                context.output.diff(change.diff.trim_end());
            } else if question::is_install(&row.request.action) {
                context.output.data("");
                context
                    .output
                    .data(&question::whole(context.output, &row.request, None).join("\n"));
            }
            Ok(ExitCode::SUCCESS)
        }
        ApprovalsCommand::Approve {
            id,
            reason,
            remember,
        } => {
            answer(
                context,
                keiko,
                &id,
                Answer {
                    decision: Decision::Approved,
                    reason,
                    remember,
                },
            )
            .await
        }
        ApprovalsCommand::Deny {
            id,
            reason,
            remember,
        } => {
            answer(
                context,
                keiko,
                &id,
                Answer {
                    decision: Decision::Denied,
                    reason,
                    remember,
                },
            )
            .await
        }
        ApprovalsCommand::Remembered => remembered(context, keiko),
        ApprovalsCommand::Forget { dir, .. } => forget(context, keiko, dir.as_deref()),
    }
}

async fn rows(keiko: &Keiko, query: ViewQuery) -> Result<Vec<ApprovalRow>, CliError> {
    let rows = keiko
        .journal
        .view_list(views::APPROVALS, query)
        .await
        .map_err(read_fault)?;
    Ok(rows
        .iter()
        .filter_map(|row| serde_json::from_slice(&row.body).ok())
        .collect())
}

async fn list(context: &Context<'_>, keiko: &Keiko, all: bool) -> Result<ExitCode, CliError> {
    let group = (!all).then(|| "open".to_owned());
    let rows = rows(
        keiko,
        ViewQuery {
            group,
            newest_first: true,
            ..ViewQuery::default()
        },
    )
    .await?;
    if context.output.json() {
        context
            .output
            .data(&plain_json!({ "approvals": rows }).to_string());
        return Ok(ExitCode::SUCCESS);
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
    Ok(ExitCode::SUCCESS)
}

async fn find(keiko: &Keiko, id: &str) -> Result<ApprovalRow, CliError> {
    let missing = || {
        Fault::new(
            Code::APPROVAL_UNKNOWN,
            say!("there is no approval {id}", id = format_args!("{id:?}")),
        )
        .hint("keiko approvals list")
    };
    if id == "last" {
        return newest(keiko).await?.ok_or_else(|| missing().into());
    }
    if id.is_empty() {
        return Err(missing().into());
    }
    let mut rows = rows(
        keiko,
        ViewQuery {
            key_prefix: Some(id.to_owned()),
            limit: 2,
            ..ViewQuery::default()
        },
    )
    .await?;
    match (rows.pop(), rows.pop()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(missing().into()),
        (Some(_), Some(_)) => Err(Fault::new(
            Code::APPROVAL_AMBIGUOUS,
            say!(
                "{id} is the beginning of several approvals",
                id = format_args!("{id:?}")
            ),
        )
        .hint("keiko approvals list")
        .into()),
    }
}

/// The newest that is open; if none is, the newest.
async fn newest(keiko: &Keiko) -> Result<Option<ApprovalRow>, CliError> {
    for group in [Some("open".to_owned()), None] {
        let query = ViewQuery {
            group,
            newest_first: true,
            limit: 1,
            ..ViewQuery::default()
        };
        if let Some(row) = rows(keiko, query).await?.pop() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// What a person answers.
struct Answer {
    decision: Decision,
    reason: Option<String>,
    remember: bool,
}

async fn answer(
    context: &Context<'_>,
    keiko: &Keiko,
    id: &str,
    given: Answer,
) -> Result<ExitCode, CliError> {
    let row = find(keiko, id).await?;
    let Answer {
        decision,
        reason,
        remember,
    } = given;
    let kept = if remember {
        Some(to_remember(keiko, &row, decision).await?)
    } else {
        None
    };
    let answer = row.request.answer(decision, operator(), reason);
    inbox::answer(keiko.journal.as_ref(), &row, answer, SystemClock.now())
        .await
        .map_err(|error| error.fault(row.run))?;
    if let Some(kept) = &kept {
        Memory::below(&keiko.home.data).keep(kept)?;
    }
    let live = keiko
        .journal
        .holder(&keiko_contracts::journal::StreamId::run(row.run))
        .await
        .map_err(read_fault)?
        .is_some();
    if context.output.json() {
        context
            .output
            .data(&plain_json!({"approval": row.request.id, "run": row.run, "decision": decision, "live": live}).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let (yes, no) = (
        context.output.t("Approved", "Freigegeben"),
        context.output.t("Denied", "Abgelehnt"),
    );
    let summary = context.output.told(&row.request.summary);
    context.output.say(&format!(
        "{}: {summary}",
        if decision == Decision::Approved {
            yes
        } else {
            no
        }
    ));
    if let Some(kept) = &kept {
        let folder = &kept.folder;
        context.output.say(&tr!(
            context.output,
            "Remembered for {folder}. To forget it: keiko approvals forget {folder}",
            "Gemerkt für {folder}. Zum Vergessen: keiko approvals forget {folder}"
        ));
    }
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

/// What is to be remembered of an answer.
async fn to_remember(
    keiko: &Keiko,
    row: &ApprovalRow,
    decision: Decision,
) -> Result<Remembered, CliError> {
    let state = fold::fold(keiko.journal.as_ref(), row.run, &crate::wiring::setup())
        .await
        .map_err(|error| error.fault())?;
    let source = state.start.as_ref().and_then(|start| start.source.as_ref());
    installing::to_remember(&row.request, decision, source).map_err(Into::into)
}

/// What is remembered, for all repositories.
fn remembered(context: &Context<'_>, keiko: &Keiko) -> Result<ExitCode, CliError> {
    let (all, broken) = Memory::below(&keiko.home.data).all()?;
    if context.output.json() {
        context
            .output
            .data(&plain_json!({ "remembered": all }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let t = |english, german| context.output.t(english, german);
    for known in &all {
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
    if all.is_empty() {
        context
            .output
            .say(t("Nothing is remembered.", "Nichts ist gemerkt."));
    }
    if broken > 0 {
        context.output.warn(&tr!(
            context.output,
            "{broken} remembered answers cannot be read and do not count; keiko approvals forget --all removes them",
            "{broken} gemerkte Antworten sind nicht lesbar und zählen nicht; keiko approvals forget --all entfernt sie"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn forget(context: &Context<'_>, keiko: &Keiko, dir: Option<&Path>) -> Result<ExitCode, CliError> {
    let memory = Memory::below(&keiko.home.data);
    let forgotten = match dir {
        Some(dir) => {
            // The folder may be gone: then its name is what it was remembered by.
            let folder = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
            memory.forget(&folder.to_string_lossy())?;
            1
        }
        None => memory.forget_all()?,
    };
    if context.output.json() {
        context
            .output
            .data(&plain_json!({ "forgotten": forgotten }).to_string());
    } else {
        context.output.say(context.output.t(
            "Forgotten: it will be asked again.",
            "Vergessen: Es wird wieder gefragt.",
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, CliError> {
    keiko_contracts::said::plainly(|| serde_json::to_string(value))
        .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()).into())
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
        for (index, line) in change.summary(output).iter().enumerate() {
            text.push_str(&format!(
                "\n{} {line}",
                if index == 0 { name } else { "         " }
            ));
        }
    }
    Ok(text)
}
