//! Language models.

use crate::Cancel;
use crate::live::LiveSink;
use async_trait::async_trait;
use keiko_contracts::action::{ModelAction, ModelReport, Outcome};
use keiko_contracts::code::Fault;
use keiko_contracts::id::ModelName;
use keiko_contracts::model::ChatRequest;
use keiko_contracts::money::Micros;
use keiko_governance::permit::Permit;

/// What a request to a model may cost, for reserving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// At most this, for the whole request with all its output tokens.
    pub at_most: Micros,
    /// The model has a price (which may be nothing).
    pub priced: bool,
}

/// A language model, or a router over several.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Answers a request. The permit's action refers to this very request. Streams to `live`; one attempt, retries are
    /// the runtime's. A fault says whether another try may help.
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport>;

    /// What a request with about so many input tokens may cost.
    ///
    /// # Errors
    /// When the model is not known or not configured.
    fn quote(
        &self,
        model: &ModelName,
        input_tokens: u64,
        max_output_tokens: u32,
    ) -> Result<Quote, Fault>;
}
