//! A second face for one thing that people do: a program that lists open approvals as JSON, and answers one. See
//! `docs/howto/add-a-face.md`.
//!
//! `cargo run --example second_face` lists; `cargo run --example second_face -- ID yes|no WHO` answers.

use keiko_app::Keiko;
use keiko_app::approvals::Answer;
use keiko_app::config::Config;
use keiko_app::home::Home;
use keiko_contracts::approval::Decision;
use keiko_contracts::code::Fault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    let home = Home::find()?;
    let config = Config::load(&home)?;
    let keiko = Keiko::open(home, config, || ())?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let came = match words.as_slice() {
        [id, word, by] => answer(&keiko, id, word, by).await,
        _ => keiko.approvals(false).await.map(|rows| json(&rows)),
    };
    keiko.close().await;
    println!("{}", came?);
    Ok(())
}

async fn answer(keiko: &Keiko, id: &str, word: &str, by: &str) -> Result<String, Fault> {
    let decision = match word {
        "yes" => Decision::Approved,
        _ => Decision::Denied,
    };
    let given = Answer {
        by: by.to_owned(),
        decision,
        reason: None,
        remember: false,
    };
    keiko
        .answer(id, given)
        .await
        .map(|answered| json(&answered))
}

fn json(data: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(data).unwrap_or_default()
}
