//! A model's answer as it comes reaches one who misses nothing of it, and who is told when a try began anew.

use crate::scenarios::{PLAIN, Scenario, Stage, finish};
use crate::storm::{OPTIONS, Storm, block_on, tools};
use async_trait::async_trait;
use keiko_agent::state::Setup;
use keiko_contracts::action::{ModelAction, ModelReport, Outcome};
use keiko_contracts::code::Fault;
use keiko_contracts::codes::Code;
use keiko_contracts::id::{EffectKey, ModelName};
use keiko_contracts::journal::Recorded;
use keiko_contracts::model::{ChatRequest, LiveFrame, Part};
use keiko_contracts::run::{EndStatus, RunEvent};
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use keiko_ports::reply::{self, Piece, Replies, ReplySink};
use keiko_runtime::drive::{Driver, Order, Rest, Watch};
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

fn answers(_: u32, _: &Stage) -> Vec<Part> {
    finish()
}

const SAYS: Scenario = Scenario {
    name: "says",
    answers,
    workspace: false,
    ends: EndStatus::Succeeded,
    ..PLAIN
};

fn said(text: &str) -> Piece {
    Piece::Delta(LiveFrame::Text {
        delta: text.to_owned(),
    })
}

/// A model that breaks off once in the middle of its answer.
struct Stutters {
    inner: Arc<dyn ChatModel>,
    asked: AtomicU64,
}

#[async_trait]
impl ChatModel for Stutters {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport> {
        let to = live.reply().expect("somebody listens").clone();
        to.send(said("Hel")).await;
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return Outcome::Failed(Fault::new(Code::TOO_MANY_REQUESTS, "busy").transient(None));
        }
        to.send(said("lo")).await;
        self.inner.chat(permit, request, live, cancel).await
    }
    fn quote(&self, model: &ModelName, input: u64, output: u32) -> Result<Quote, Fault> {
        self.inner.quote(model, input, output)
    }
}

/// Hands out one way for each request.
#[derive(Default)]
struct Listens(Mutex<Vec<(EffectKey, Replies)>>);

impl Watch for Listens {
    fn event(&self, _: &Recorded, _: &RunEvent) {}
    fn frame(&self, _: &EffectKey, _: LiveFrame) {}
    fn reply(&self, key: &EffectKey) -> Option<ReplySink> {
        let (to, from) = reply::channel(reply::ROOM);
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.push((key.clone(), from));
        Some(to)
    }
}

#[test]
fn who_listens_hears_every_piece_and_when_a_try_began_anew() {
    block_on(async {
        let storm = Storm::new(&SAYS, tools(), None);
        let fuse = Fuse::new(CrashPoint::Never);
        let journal = CrashJournal::new(storm.journal.clone(), fuse.clone());
        let calm = storm.driver(journal, &fuse, 1).ports().clone();
        let ports = Ports {
            models: Arc::new(Stutters {
                inner: calm.models.clone(),
                asked: AtomicU64::new(0),
            }),
            ..calm
        };
        let options = DriveOptions {
            tries: 2,
            ..OPTIONS
        };
        let driver = Driver::new(ports, options).of(Setup {
            tools: tools(),
            engine: |_| None,
        });
        let listens = Arc::new(Listens::default());
        let order = Order::Start(Box::new(SAYS.start()));
        let rest = driver
            .drive(order, listens.clone(), Cancel::new())
            .await
            .unwrap();
        assert!(matches!(rest, Rest::Ended(_)), "{rest:?}");
        let mut ways = std::mem::take(&mut *listens.0.lock().unwrap());
        assert_eq!(ways.len(), 1, "one way for the one request");
        let mut heard = Vec::new();
        while let Some(piece) = ways[0].1.next().await {
            heard.push(piece);
        }
        let again = [
            Piece::Began,
            said("Hel"),
            Piece::Began,
            said("Hel"),
            said("lo"),
        ];
        assert_eq!(heard, again);
    });
}
