//! The run that a text means.

use crate::rows;
use crate::wiring::Keiko;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::say;
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_runtime::views;

/// Most runs that a beginning is said to mean.
const NAMED: u32 = 3;
/// How many of the newest runs may be checks of others.
const CHECKS_MAX: u32 = 100;

impl Keiko {
    /// The run that a text means: an id, the beginning of one, or `last`.
    ///
    /// # Errors
    /// KEI-6001 when there is none, KEI-6004 when there are several.
    pub async fn run_id(&self, text: &str) -> Result<RunId, Fault> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        if text == "last" {
            return self.last_run().await;
        }
        let query = match text {
            prefix if !prefix.is_empty() => ViewQuery {
                key_prefix: Some(prefix.into()),
                limit: NAMED,
                ..ViewQuery::default()
            },
            _ => return Err(no_run(text)),
        };
        let rows = self
            .journal
            .view_list(views::RUNS, query)
            .await
            .map_err(|error| error.fault())?;
        match rows.as_slice() {
            [row] => row.key.parse().map_err(|_| no_run(text)),
            [] => Err(no_run(text)),
            more => {
                let names: Vec<&str> = more.iter().map(|row| row.key.as_str()).collect();
                Err(Fault::new(
                    Code::RUN_AMBIGUOUS,
                    say!(
                        "{text} could be {names}",
                        text = format_args!("{text:?}"),
                        names = names.join(" or ")
                    ),
                )
                .hint("write more of the id: keiko runs list"))
            }
        }
    }

    /// The newest run that is not a check of another one.
    async fn last_run(&self) -> Result<RunId, Fault> {
        let rows = rows::newest(self.journal.as_ref(), CHECKS_MAX).await?;
        rows.into_iter()
            .find(|row| row.parent.is_none())
            .map(|row| row.run)
            .ok_or_else(|| no_run("last"))
    }
}

fn no_run(text: &str) -> Fault {
    let shown: String = text.chars().take(64).collect();
    Fault::new(
        Code::RUN_UNKNOWN,
        say!("there is no run {run}", run = format_args!("{shown:?}")),
    )
    .hint("keiko runs list")
}
