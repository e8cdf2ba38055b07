//! The faults of this crate: codes, and what statuses and broken streams become.

use crate::key::ApiKey;
use crate::window::learn;
use crate::wire::{DecodeError, vendor_error};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::model::Window;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use serde_json::Value;

/// Longest message taken over from a vendor, in characters.
const MAX_WORDS: usize = 300;

/// What a fault needs to know about the request: who was asked for what, and with which key.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The vendor's name in the configuration.
    pub vendor: &'a str,
    /// The model's name at the vendor.
    pub model: &'a str,
    /// Scheme, host and path, without anything that may be secret.
    pub place: &'a str,
    /// The variable that holds the key.
    pub key_env: Option<&'a str>,
    /// The key, to be cut out of what the vendor says.
    pub key: Option<&'a ApiKey>,
}

impl Asked<'_> {
    /// A vendor's words, made fit for logs: short, one line, without keys.
    #[must_use]
    pub fn words(&self, text: &str) -> String {
        let text: String = ApiKey::scrub(self.key, text)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let text = text.trim();
        if text.chars().count() > MAX_WORDS {
            text.chars().take(MAX_WORDS).chain(['…']).collect()
        } else {
            text.to_owned()
        }
    }

    fn fault(&self, code: Code, message: Said) -> Fault {
        Fault::new(code, message).at(self.place)
    }

    fn probe(&self) -> Step {
        Step::probe(format_args!("{}/{}", self.vendor, self.model))
    }

    fn key_hint(&self) -> Said {
        match self.key_env {
            Some(name) => say!(
                "check the key in {name}, then: {step}",
                name,
                step = self.probe()
            ),
            None => {
                say!(
                    "set models.vendors.{name}.key_env or key_file, then: {step}",
                    name = self.vendor,
                    step = self.probe()
                )
            }
        }
    }

    /// What a status other than 200 means.
    #[must_use]
    pub fn status(&self, status: u16, body: &str, retry_after_ms: Option<u64>) -> Fault {
        let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let (kind, message) = match vendor_error(&json) {
            Some(DecodeError::Vendor { kind, message }) => (kind, message),
            _ => (
                String::new(),
                ["message", "detail"]
                    .iter()
                    .find_map(|n| json.get(n)?.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            ),
        };
        let words = self.words(&message);
        let said = if words.is_empty() {
            String::new()
        } else {
            format!(": {words}")
        };
        let vendor = self.vendor;
        match status {
            401 | 403 => self.fault(Code::KEY_REFUSED, say!("{vendor} refuses the key (HTTP {status}){said}", vendor, status, said)).hint(self.key_hint()),
            402 => self.no_credit(&said),
            429 if kind == "insufficient_quota" => self.no_credit(&said),
            404 => self
                .fault(Code::MODEL_UNKNOWN_TO_VENDOR, say!("{vendor} does not know the model {model} (HTTP 404){said}", vendor, model = self.model, said))
                .hint(say!("see the models there are: {step}", step = Step::Models)),
            413 => self.too_large_for_it(&said, learn(&kind, &message).unwrap_or_default()),
            400 | 422 | 500 if learn(&kind, &message).is_some() => self.too_large_for_it(&said, learn(&kind, &message).unwrap_or_default()),
            429 => self
                .fault(Code::TOO_MANY_REQUESTS, say!("{vendor} asks to slow down (HTTP 429){said}", vendor, said))
                .hint("wait, or choose another model with --model")
                .transient(retry_after_ms),
            408 | 409 | 425 | 500.. => self
                .fault(Code::VENDOR_IN_TROUBLE, say!("{vendor} is in trouble (HTTP {status}){said}", vendor, status, said))
                .hint("try again later, or choose another model with --model")
                .transient(retry_after_ms),
            300..400 => self
                .fault(Code::NO_STREAM, say!("{vendor} answers with a redirection (HTTP {status}), which is not followed with a key", vendor, status))
                .hint(say!("set models.vendors.{vendor}.base_url to the final address", vendor)),
            _ => self
                .fault(Code::REQUEST_REFUSED, say!("{vendor} refuses the request (HTTP {status}){said}", vendor, status, said))
                .hint(say!("try it alone: {step}", step = self.probe())),
        }
    }

    fn no_credit(&self, said: &str) -> Fault {
        self.fault(
            Code::NO_CREDIT,
            say!(
                "the account at {vendor} has no credit{said}",
                vendor = self.vendor,
                said
            ),
        )
        .hint("top it up, or choose another model with --model")
    }

    fn too_large_for_it(&self, said: &str, window: Window) -> Fault {
        let fault = match window.output {
            Some(most) => self
                .fault(
                    Code::ANSWER_WANTED_TOO_LONG,
                    say!(
                        "{model} writes at most {n} tokens at once{said}",
                        model = self.model,
                        n = most,
                        said
                    ),
                )
                .hint(Step::set("run.max_output_tokens", most)),
            None => self
                .fault(
                    Code::REQUEST_TOO_LONG,
                    say!(
                        "the request is longer than {model} can read{said}",
                        model = self.model,
                        said
                    ),
                )
                .hint("choose a model with a larger context with --model"),
        };
        fault.window(window)
    }

    /// The server has cut the prompt without a word: its answer is one to something else.
    #[must_use]
    pub fn cut_in_silence(&self, context: u32) -> Fault {
        let said = say!(
            "{vendor} has read the request in part only: its context holds {n} tokens",
            vendor = self.vendor,
            n = context
        );
        let hint = say!(
            "give it a larger one: OLLAMA_CONTEXT_LENGTH=32768 ollama serve, then: {step}",
            step = self.probe()
        );
        self.fault(Code::REQUEST_READ_IN_PART, said)
            .hint(hint)
            .window(Window {
                context: Some(context),
                ..Window::default()
            })
    }

    /// What a broken stream means.
    #[must_use]
    pub fn decode(&self, error: &DecodeError) -> Fault {
        let vendor = self.vendor;
        match error {
            DecodeError::Truncated => self
                .fault(
                    Code::ANSWER_CUT,
                    say!(
                        "truncated: the answer of {vendor} ends before it is complete",
                        vendor
                    ),
                )
                .transient(None),
            DecodeError::Shape(why) => self
                .fault(
                    Code::MODEL_ANSWER_UNREADABLE,
                    say!(
                        "the answer of {vendor} cannot be read: {why}",
                        vendor,
                        why = Said::words(self.words(why).to_string())
                    ),
                )
                .hint(say!(
                    "check models.vendors.{name}.family, then: {step}",
                    name = vendor,
                    step = self.probe()
                ))
                .transient(None),
            DecodeError::Vendor { kind, message } => {
                let fault = self.fault(
                    Code::ERROR_IN_ANSWER,
                    say!(
                        "{vendor} breaks off: {message} ({kind})",
                        vendor,
                        message = self.words(message),
                        kind = self.words(kind)
                    ),
                );
                if let Some(window) = learn(kind, message) {
                    self.too_large_for_it(&format!(": {}", self.words(message)), window)
                } else if passes(kind) {
                    fault.transient(None)
                } else {
                    fault.hint(say!("try it alone: {step}", step = self.probe()))
                }
            }
            DecodeError::TooManyParts | DecodeError::Sse(_) => self.fault(
                Code::ANSWER_TOO_LARGE,
                say!(
                    "the answer of {vendor} is not usable: {error}",
                    vendor,
                    error
                ),
            ),
        }
    }

    /// Nothing came in time.
    #[must_use]
    pub fn timeout(&self, what: &str, key: &str, waited: std::time::Duration) -> Fault {
        self.fault(
            Code::NOTHING_IN_TIME,
            say!(
                "{vendor} sent no {what} within {seconds} s",
                vendor = self.vendor,
                what = Said::words(what.to_string()),
                seconds = format_args!("{:.1}", waited.as_secs_f64())
            ),
        )
        .hint(say!(
            "allow more time: {step}",
            step = Step::set(format!("models.timeouts.{key}"), "MILLISECONDS")
        ))
        .transient(None)
    }

    /// The connection could not be made, or broke.
    #[must_use]
    pub fn network(&self, error: &reqwest::Error) -> Fault {
        let why = self.words(&root_cause(error));
        if error.is_connect() {
            let hint = if self.vendor == "ollama" {
                say!("start it: {step}", step = Step::shell("ollama serve"))
            } else {
                say!(
                    "check the address in models.vendors.{vendor}.base_url and the network",
                    vendor = self.vendor
                )
            };
            return self
                .fault(
                    Code::NOBODY_ANSWERS,
                    say!(
                        "{vendor} cannot be reached: {why}",
                        vendor = self.vendor,
                        why = Said::words(why.to_string())
                    ),
                )
                .hint(hint)
                .transient(None);
        }
        self.fault(
            Code::ANSWER_CUT,
            say!(
                "the connection to {vendor} broke: {why}",
                vendor = self.vendor,
                why = Said::words(why.to_string())
            ),
        )
        .transient(None)
    }

    /// A 200 that is not what was asked for.
    #[must_use]
    pub fn not_a_stream(&self, content_type: &str) -> Fault {
        let kind = if content_type.is_empty() {
            Said::from("something without a content type")
        } else {
            Said::words(self.words(content_type))
        };
        self.fault(
            Code::NO_STREAM,
            say!(
                "{vendor} answers with {kind}, not with a stream of events",
                vendor = self.vendor,
                kind
            ),
        )
        .hint(say!(
            "check models.vendors.{vendor}.base_url: it probably leads to a web page",
            vendor = self.vendor
        ))
    }

    /// The answer is larger than any real one.
    #[must_use]
    pub fn too_large(&self, limit: usize) -> Fault {
        self.fault(
            Code::ANSWER_TOO_LARGE,
            say!(
                "the answer of {vendor} is larger than {n} MiB",
                vendor = self.vendor,
                n = limit >> 20
            ),
        )
    }
}

/// Whether an error within a stream is one that passes.
fn passes(kind: &str) -> bool {
    let words = [
        "overloaded",
        "rate_limit",
        "api_error",
        "server_error",
        "timeout",
        "internal",
        "unavailable",
        "error",
        "429",
    ];
    words.iter().any(|word| {
        if *word == "error" {
            kind == "error"
        } else {
            kind.contains(word)
        }
    }) || kind.starts_with('5')
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
