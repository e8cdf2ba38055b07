//! An answer as it comes, for one who must not miss a word of it: nothing is lost, and a slow consumer holds the model up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fixture;

use fixture::{BOTH, models, parts, permit, request, start, user};
use keiko_contracts::action::{ModelReport, Outcome};
use keiko_contracts::model::{LiveFrame, Part};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::ChatModel as _;
use keiko_ports::reply::{self, Piece, ReplySink};
use keiko_testkit::models::{FakeModelServer, Turn};
use std::time::Duration;

/// Thousands of pieces, where the consumer has room for a few.
fn long() -> String {
    (0..8_000).map(|n| format!("Wort{n} ")).collect()
}

async fn ask(
    server: &FakeModelServer,
    model: &str,
    reply: ReplySink,
    cancel: Cancel,
) -> Outcome<ModelReport> {
    let asked = request(model, vec![user("go")]);
    let live = LiveSink::none().with_reply(Some(reply));
    models(server)
        .chat(permit(&asked, 1), &asked, live, cancel)
        .await
}

fn text(piece: Piece) -> String {
    match piece {
        Piece::Delta(LiveFrame::Text { delta }) => delta,
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_gets_every_word_and_the_model_waits_for_it() {
    for model in BOTH {
        let long = long();
        let server = start([Turn::text(&long)]);
        let (sink, mut replies) = reply::channel(4);
        let asked = async { ask(&server, model, sink, Cancel::new()).await };
        tokio::pin!(asked);
        // Nobody takes anything: the answer cannot end.
        let early = tokio::time::timeout(Duration::from_millis(700), &mut asked).await;
        assert!(early.is_err(), "the model did not wait");
        let mut heard = String::new();
        let hear = async {
            while let Some(piece) = replies.next().await {
                heard.push_str(&text(piece));
            }
        };
        let (outcome, ()) = tokio::join!(asked, hear);
        let Outcome::Done(report) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            parts(&report),
            [Part::Text {
                text: heard.clone()
            }]
        );
        assert!(heard == long, "{} of {} bytes", heard.len(), long.len());
    }
}

#[tokio::test]
async fn an_answer_is_read_to_its_end_when_its_consumer_is_gone() {
    let long = long();
    let server = start([Turn::text(&long)]);
    let (sink, replies) = reply::channel(1);
    drop(replies);
    let outcome = ask(&server, BOTH[0], sink, Cancel::new()).await;
    assert!(
        matches!(outcome, Outcome::Done(report) if parts(&report) == [Part::Text { text: long }])
    );
}

#[tokio::test]
async fn a_model_that_waits_for_its_consumer_can_be_stopped() {
    let server = start([Turn::text(&long())]);
    let (sink, mut replies) = reply::channel(1);
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let hear = async {
        let first = replies.next().await;
        stop.cancel();
        first
    };
    let (outcome, first) = tokio::join!(ask(&server, BOTH[0], sink, cancel), hear);
    assert!(
        first.is_some() && matches!(outcome, Outcome::Cancelled),
        "{outcome:?}"
    );
}
