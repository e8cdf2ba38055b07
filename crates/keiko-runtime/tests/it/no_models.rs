//! Models that nobody may ask: those of a driver whose runs bring their own.

use async_trait::async_trait;
use keiko_contracts::action::{ModelAction, ModelReport, Outcome};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::ModelName;
use keiko_contracts::model::ChatRequest;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};

/// Models that nobody may ask.
pub(crate) struct NoModels;

fn nobody_asks() -> Fault {
    Fault::new(
        Code::REQUEST_NOT_RENDERED,
        "the models of the driver were asked",
    )
}

#[async_trait]
impl ChatModel for NoModels {
    async fn chat(
        &self,
        _: Permit<ModelAction>,
        _: &ChatRequest,
        _: LiveSink,
        _: Cancel,
    ) -> Outcome<ModelReport> {
        Outcome::Failed(nobody_asks())
    }
    fn quote(&self, _: &ModelName, _: u64, _: u32) -> Result<Quote, Fault> {
        Err(nobody_asks())
    }
}
