//! All configured models behind one port.

use crate::config::ModelsConfig;
use crate::key::{ApiKey, Env};
use crate::price::{Price, Prices};
use crate::tap::Tap;
use crate::transport::{Answered, Post, Stopped, Transport};
use crate::vendor::Vendor;
use crate::window::{Memory, cut_in_silence};
use crate::wire::ThinkingStyle;
use async_trait::async_trait;
use keiko_contracts::action::{ModelAction, ModelReport, Origin, Outcome};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::id::{EffectKey, ModelName};
use keiko_contracts::model::{ChatRequest, Usage, Window};
use keiko_contracts::money::Micros;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use std::collections::BTreeMap;

/// Fewest bytes that a token stands for, when a server does not count: errs on the dear side.
const BYTES_PER_TOKEN: u64 = 3;

/// All configured models.
pub struct Models {
    vendors: BTreeMap<String, Vendor>,
    profiles: BTreeMap<String, String>,
    default: Option<String>,
    prices: Prices,
    transport: Transport,
    env: Env,
    tap: Option<Tap>,
    memory: Option<Memory>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Models({})",
            self.vendors
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        )
    }
}

impl Models {
    /// From the configuration and the environment. Reads no key and opens no connection.
    ///
    /// # Errors
    /// When a base URL or a price is none.
    pub fn new(config: &ModelsConfig, env: Env) -> Result<Models, Fault> {
        let vendors = Vendor::all(config, &env)?
            .into_iter()
            .map(|vendor| (vendor.name.clone(), vendor))
            .collect();
        Ok(Models {
            vendors,
            profiles: config.profiles.clone(),
            default: config.default.clone(),
            prices: Prices::new(&config.prices)?,
            transport: Transport::new(config.timeouts.clone()),
            env,
            tap: None,
            memory: None,
        })
    }

    /// Shows every exchange to a tap.
    #[must_use]
    pub fn with_tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Remembers in a file what servers say of their sizes.
    #[must_use]
    pub fn with_memory(mut self, path: std::path::PathBuf) -> Self {
        self.memory = Some(Memory::new(path));
        self
    }

    /// What earlier runs have learnt of a model.
    #[must_use]
    pub fn known(&self, model: &ModelName) -> Window {
        self.memory
            .as_ref()
            .map_or_else(Window::default, |memory| memory.of(model))
    }

    /// Forgets what earlier runs have learnt of a model.
    pub fn forget(&self, model: &ModelName) {
        if let Some(memory) = &self.memory {
            memory.forget(model);
        }
    }

    /// Whether a model can be told how hard to think.
    ///
    /// # Errors
    /// When its vendor is not known.
    pub fn takes_effort(&self, model: &ModelName) -> Result<bool, Fault> {
        Ok(self.vendor(model)?.dialect_of(model.model()).thinking != ThinkingStyle::None)
    }

    /// The model that a profile or `vendor/model` stands for.
    ///
    /// # Errors
    /// When it is neither.
    pub fn resolve(&self, name: &str) -> Result<ModelName, Fault> {
        let full = self.profiles.get(name).map_or(name, String::as_str);
        let model: ModelName = full.parse().map_err(|e: keiko_contracts::id::InvalidId| {
            Fault::new(Code::MODEL_UNKNOWN, e.said())
        })?;
        self.vendor(&model)?;
        Ok(model)
    }

    /// Whether a profile of this name is configured.
    #[must_use]
    pub fn has_profile(&self, name: &str) -> bool {
        self.profiles.contains_key(name)
    }

    /// The model for runs that name none: the configured default, or the profile `code`, `strong` or `fast`.
    ///
    /// # Errors
    /// When the configured one is not known.
    pub fn default_model(&self) -> Result<Option<ModelName>, Fault> {
        let profile = || {
            ["code", "strong", "fast"]
                .iter()
                .find_map(|name| self.profiles.get(*name))
        };
        self.default
            .as_ref()
            .or_else(profile)
            .map(|name| self.resolve(name))
            .transpose()
    }

    /// A model to offer to somebody who has a key and has named no model.
    #[must_use]
    pub fn suggestion(&self) -> Option<ModelName> {
        let with_key = |vendor: &&Vendor| matches!(vendor.key(&self.env), Ok(Some(_)));
        self.vendors
            .values()
            .filter(with_key)
            .find_map(|vendor| format!("{}/{}", vendor.name, vendor.suggests?).parse().ok())
    }

    /// The vendors by name.
    pub fn vendors(&self) -> impl Iterator<Item = &Vendor> {
        self.vendors.values()
    }

    /// True when a vendor can be asked: it has a key, or needs none.
    #[must_use]
    pub fn is_ready(&self, vendor: &Vendor) -> bool {
        vendor.key(&self.env).is_ok()
    }

    /// The prices.
    #[must_use]
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// The vendor of a model.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn vendor(&self, model: &ModelName) -> Result<&Vendor, Fault> {
        let known = || {
            self.vendors
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let Some(name) = model.vendor().filter(|_| !model.model().is_empty()) else {
            return Err(Fault::new(
                Code::MODEL_UNKNOWN,
                say!("{model} is not a model: expected vendor/model", model),
            )
            .hint(say!(
                "such as: anthropic/claude-sonnet-4-5; vendors: {names}",
                names = known()
            )));
        };
        self.vendors.get(name).ok_or_else(|| {
            Fault::new(Code::MODEL_UNKNOWN, say!("there is no vendor {name}", name))
                .at(model)
                .hint(say!(
                    "vendors: {names}; a new one needs: {step}",
                    names = known(),
                    step = Step::set(format!("models.vendors.{name}.base_url"), "URL")
                ))
        })
    }

    fn price(&self, vendor: &Vendor, model: &ModelName) -> Option<Price> {
        self.prices
            .of(model)
            .copied()
            .or(vendor.free.then(Price::default))
    }

    /// Whether the price of a model is known.
    pub(crate) fn quote_of(&self, model: &ModelName) -> bool {
        self.vendor(model)
            .is_ok_and(|vendor| self.price(vendor, model).is_some())
    }

    /// Asks without a permit: for `probe`, where the user asks for the very call.
    pub(crate) async fn ask(
        &self,
        request: &ChatRequest,
        effect: Option<&EffectKey>,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<(Answered, ModelReport), Stopped> {
        let vendor = self.vendor(&request.model).map_err(Stopped::Fault)?;
        let key: Option<&ApiKey> = vendor.key(&self.env).map_err(Stopped::Fault)?;
        let asked = vendor.asked(request.model.model(), key);
        let body = vendor
            .family
            .render(request, &vendor.dialect_of(request.model.model()))
            .map_err(|e| {
                Stopped::Fault(
                    Fault::new(
                        Code::REQUEST_REFUSED,
                        say!("the request cannot be written as JSON: {e}", e),
                    )
                    .at(vendor.place()),
                )
            })?;
        let post = Post {
            asked,
            effect,
            url: &vendor.url,
            family: vendor.family,
            auth: vendor.auth,
            body,
        };
        let mut answered = self
            .transport
            .post(post, live, cancel, self.tap.as_ref())
            .await?;
        let counted = answered
            .reply
            .usage
            .map_or(0, |usage| usage.input + usage.cached + usage.cache_write);
        if vendor.cuts_in_silence
            && let Some(context) = cut_in_silence(answered.sent, counted)
        {
            return Err(Stopped::Fault(asked.cut_in_silence(context)));
        }
        crate::spoken::read(
            &mut answered.reply,
            &request.tools,
            request.max_output_tokens,
        );
        let parts = std::mem::take(&mut answered.reply.parts);
        let text = serde_json::to_string(&parts).map_err(|e| {
            Stopped::Fault(Fault::new(Code::MODEL_ANSWER_UNREADABLE, e.to_string()))
        })?;
        answered.reply.parts = parts;
        let usage = answered.reply.usage.filter(|usage| *usage != Usage::default()).unwrap_or_else(|| {
            tracing::debug!(model = %request.model, "the server does not count tokens; they are estimated");
            guess(answered.sent, text.len())
        });
        let price = self.price(vendor, &request.model);
        let report = ModelReport {
            reply: Content::new(text),
            stop: answered.reply.stop,
            usage,
            cost: price.map_or(Micros::ZERO, |price| price.cost(&usage)),
            unpriced: price.is_none(),
            served_by: answered.reply.served_by.clone(),
            origin: Origin::Live,
            answered: None,
            first_token_ms: millis(answered.first),
            duration_ms: millis(answered.total),
        };
        Ok((answered, report))
    }
}

/// A server that does not count its tokens must not make a budget endless.
fn guess(sent: usize, received: usize) -> Usage {
    let tokens = |bytes: usize| (bytes as u64).div_ceil(BYTES_PER_TOKEN);
    Usage {
        input: tokens(sent),
        output: tokens(received),
        ..Usage::default()
    }
}

fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[async_trait]
impl ChatModel for Models {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport> {
        let (key, action) = permit.consume();
        if action.model != request.model || action.max_output_tokens < request.max_output_tokens {
            let said = say!(
                "the permit is for {first}, the request for {second}",
                first = action.model,
                second = request.model
            );
            return Outcome::Failed(Fault::new(Code::PERMIT_FOR_ANOTHER, said).at(&key));
        }
        match self.ask(request, Some(&key), live, &cancel).await {
            Ok((_, report)) => Outcome::Done(report),
            Err(Stopped::Cancelled) => Outcome::Cancelled,
            Err(Stopped::Fault(fault)) => {
                if let (Some(said), Some(memory)) = (fault.window.as_deref().copied(), &self.memory)
                {
                    memory.learn(&request.model, said);
                }
                Outcome::Failed(fault)
            }
        }
    }

    fn quote(
        &self,
        model: &ModelName,
        input_tokens: u64,
        max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        let price = self.price(self.vendor(model)?, model);
        Ok(Quote {
            at_most: price.map_or(Micros::ZERO, |price| {
                price.at_most(input_tokens, u64::from(max_output_tokens))
            }),
            priced: price.is_some(),
        })
    }
}
