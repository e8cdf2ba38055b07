//! HTTP, time-outs and statuses for every wire family.

use crate::config::{Auth, Timeouts};
use crate::fault::Asked;
use crate::key::ApiKey;
use crate::reply::{Assembly, Reply};
use crate::sse::Sse;
use crate::tap::{Exchange, Tap, is_secret, scrub};
use crate::wire::{DecodeError, Decoder, Event, Family};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::EffectKey;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Response, Url};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 32 << 20;
/// Largest error body that is read, in bytes.
const MAX_ERROR: usize = 64 << 10;
/// Longest wait that a server may ask for, in milliseconds: a day.
const MAX_WAIT_MS: u64 = 86_400_000;

/// The clients, each made when it is first needed. The one for plain `http` has no TLS roots, so that a local model works on a
/// machine without certificates, and uses no proxy.
#[derive(Debug, Default)]
pub struct Transport {
    timeouts: Timeouts,
    plain: OnceLock<Result<Client, String>>,
    tls: OnceLock<Result<Client, String>>,
}

/// One request.
#[derive(Debug)]
pub struct Post<'a> {
    /// Who is asked for what.
    pub asked: Asked<'a>,
    /// The effect that it is.
    pub effect: Option<&'a EffectKey>,
    /// Where it goes.
    pub url: &'a Url,
    /// The wire.
    pub family: Family,
    /// The header that carries the key.
    pub auth: Auth,
    /// The request as JSON.
    pub body: Vec<u8>,
}

/// A complete answer and how it came.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The answer.
    pub reply: Reply,
    /// Until its first bytes.
    pub first: Duration,
    /// In all.
    pub total: Duration,
    /// False when the server ignored `stream` and sent one document.
    pub streamed: bool,
    /// Bytes of the request.
    pub sent: usize,
    /// Bytes of the answer.
    pub received: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Stopped {
    /// It was cancelled.
    Cancelled,
    /// Something went wrong.
    Fault(Fault),
}

impl Transport {
    /// With time limits.
    #[must_use]
    pub fn new(timeouts: Timeouts) -> Self {
        Transport {
            timeouts,
            ..Transport::default()
        }
    }

    /// The client for a URL.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client(&self, url: &Url) -> Result<&Client, Fault> {
        let secure = url.scheme() == "https";
        let slot = if secure { &self.tls } else { &self.plain };
        let connect = Duration::from_millis(self.timeouts.connect_ms);
        let client = slot.get_or_init(|| {
            let builder = Client::builder()
                .connect_timeout(connect)
                .redirect(reqwest::redirect::Policy::none())
                .tcp_nodelay(true)
                .user_agent(concat!("keiko/", env!("CARGO_PKG_VERSION")));
            let builder = if secure {
                builder
            } else {
                builder.no_proxy().tls_certs_only([])
            };
            builder.build().map_err(|e| format!("{e:?}"))
        });
        client.as_ref().map_err(|why| {
            Fault::new(
                Code::NO_HTTP_CLIENT,
                say!(
                    "the HTTPS client cannot be set up: {why}",
                    why = Said::words(why.to_string())
                ),
            )
            .at(url.host_str().unwrap_or("?"))
            .hint("install the system's CA certificates: apt-get install ca-certificates")
        })
    }

    /// Sends a request and reads its answer. One attempt. Dropped or cancelled, it closes the connection.
    ///
    /// # Errors
    /// [`Stopped`], with a fault that says whether another try may help.
    pub async fn post(
        &self,
        post: Post<'_>,
        live: LiveSink,
        cancel: &Cancel,
        tap: Option<&Tap>,
    ) -> Result<Answered, Stopped> {
        let (asked, effect, url) = (post.asked, post.effect, post.url);
        let mut seen = Exchange::default();
        if tap.is_some() {
            seen.request.clone_from(&post.body);
        }
        let total = Duration::from_millis(self.timeouts.total_ms);
        let work = tokio::time::timeout(total, self.exchange(post, live, tap.is_some(), &mut seen));
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Stopped::Cancelled),
            done = work => match done {
                Ok(done) => done.map_err(Stopped::Fault),
                Err(_) => Err(Stopped::Fault(asked.timeout("complete answer", "total_ms", total))),
            },
        };
        if let Some(tap) = tap {
            let secret = asked.key.map_or(&b""[..], |key| key.reveal().as_bytes());
            seen.effect = effect.cloned();
            seen.vendor = asked.vendor.to_owned();
            seen.url = url.as_str().to_owned();
            seen.request = scrub(seen.request, secret);
            seen.body = scrub(seen.body, secret);
            if let Err(Stopped::Fault(fault)) = &result {
                seen.fault = Some(fault.clone());
            }
            tap(seen);
        }
        result
    }

    async fn exchange(
        &self,
        post: Post<'_>,
        live: LiveSink,
        tapped: bool,
        seen: &mut Exchange,
    ) -> Result<Answered, Fault> {
        let asked = post.asked;
        let (began, sent) = (Instant::now(), post.body.len());
        let patience = Duration::from_millis(self.timeouts.first_token_ms);
        let request = self
            .client(post.url)?
            .post(post.url.clone())
            .headers(headers(&post)?)
            .body(post.body);
        let response = match tokio::time::timeout(patience, request.send()).await {
            Ok(sent) => sent.map_err(|e| asked.network(&e))?,
            Err(_) => return Err(asked.timeout("answer", "first_token_ms", patience)),
        };
        let status = response.status().as_u16();
        if tapped {
            seen.status = Some(status);
            seen.headers = visible(response.headers(), asked.key);
        }
        let mut body = Body {
            response,
            seen: tapped.then_some(&mut seen.body),
            received: 0,
            began,
            first: None,
            timeouts: &self.timeouts,
        };
        if status != 200 {
            let retry = retry_after(body.response.headers());
            let text = body.text(MAX_ERROR).await;
            return Err(asked.status(status, &text, retry));
        }
        let kind = body
            .response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let (assembly, streamed) = if kind.starts_with("text/event-stream") {
            (stream(&mut body, &asked, post.family, live).await?, true)
        } else if kind.starts_with("application/json") {
            (whole(&mut body, &asked, post.family, live).await?, false)
        } else {
            let _ = body.text(MAX_ERROR).await;
            return Err(asked.not_a_stream(&kind));
        };
        let reply = assembly
            .finish()
            .ok_or_else(|| asked.decode(&DecodeError::Truncated))?;
        let total = began.elapsed();
        Ok(Answered {
            reply,
            first: body.first.unwrap_or(total),
            total,
            streamed,
            sent,
            received: body.received,
        })
    }
}

fn headers(post: &Post<'_>) -> Result<HeaderMap, Fault> {
    let mut map = HeaderMap::with_capacity(5);
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    map.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if post.family == Family::Messages {
        map.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static("2023-06-01"),
        );
    }
    if let Some(key) = post.asked.key {
        let (name, value) = match post.auth {
            Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
            Auth::XApiKey => (
                HeaderName::from_static("x-api-key"),
                key.reveal().to_owned(),
            ),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            Fault::new(
                Code::KEY_UNUSABLE,
                say!(
                    "the key of {vendor} cannot be sent in a header",
                    vendor = post.asked.vendor
                ),
            )
        })?;
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(map)
}

fn visible(headers: &HeaderMap, key: Option<&ApiKey>) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let name = name.as_str().to_owned();
            let value = if is_secret(&name) {
                "[redacted]".to_owned()
            } else {
                ApiKey::scrub(key, &String::from_utf8_lossy(value.as_bytes()))
            };
            (name, value)
        })
        .collect()
}

/// Seconds, or `retry-after-ms`. A date is not read: clocks differ, and the caller's own delay is as good.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: HeaderName| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::trim)
    };
    let exact = text(HeaderName::from_static("retry-after-ms")).and_then(|t| t.parse::<u64>().ok());
    let seconds = text(RETRY_AFTER)
        .and_then(|t| t.parse::<f64>().ok())
        .filter(|s| s.is_finite() && *s >= 0.0);
    let after = exact.or(seconds.map(|s| (s * 1000.0).ceil() as u64));
    after.map(|ms| ms.min(MAX_WAIT_MS))
}

/// A body that is read against the clock.
struct Body<'a> {
    response: Response,
    seen: Option<&'a mut Vec<u8>>,
    received: usize,
    began: Instant,
    first: Option<Duration>,
    timeouts: &'a Timeouts,
}

impl Body<'_> {
    /// The next bytes. Until the first ones the patience for the first token holds, also when the headers came early.
    async fn next(&mut self, asked: &Asked<'_>) -> Result<Option<impl AsRef<[u8]> + use<>>, Fault> {
        let (what, key, limit) = match self.first {
            None => (
                "first token",
                "first_token_ms",
                self.timeouts.first_token_ms,
            ),
            Some(_) => ("further token", "idle_ms", self.timeouts.idle_ms),
        };
        let limit = Duration::from_millis(limit);
        let wait = if self.first.is_none() {
            limit.saturating_sub(self.began.elapsed())
        } else {
            limit
        };
        let chunk = match tokio::time::timeout(wait, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|e| asked.network(&e))?,
            Err(_) => return Err(asked.timeout(what, key, limit)),
        };
        if let Some(chunk) = &chunk {
            self.first.get_or_insert_with(|| self.began.elapsed());
            self.received += chunk.len();
            if let Some(seen) = &mut self.seen {
                seen.extend_from_slice(chunk);
            }
            if self.received > MAX_ANSWER {
                return Err(asked.too_large(MAX_ANSWER));
            }
        }
        Ok(chunk)
    }

    /// The beginning of the body as text, whatever happens.
    async fn text(&mut self, limit: usize) -> String {
        let mut all = Vec::new();
        let idle = Duration::from_millis(self.timeouts.idle_ms.min(10_000));
        while all.len() < limit
            && let Ok(Ok(Some(chunk))) = tokio::time::timeout(idle, self.response.chunk()).await
        {
            if let Some(seen) = &mut self.seen {
                seen.extend_from_slice(&chunk);
            }
            all.extend_from_slice(&chunk);
        }
        all.truncate(limit);
        String::from_utf8_lossy(&all).into_owned()
    }
}

async fn stream(
    body: &mut Body<'_>,
    asked: &Asked<'_>,
    family: Family,
    live: LiveSink,
) -> Result<Assembly, Fault> {
    let (mut sse, mut decoder, mut assembly) =
        (Sse::default(), Decoder::new(family), Assembly::new(live));
    let mut events: Vec<Event> = Vec::new();
    while !decoder.finished() {
        let Some(chunk) = body.next(asked).await? else {
            break;
        };
        let fed = sse.push(chunk.as_ref(), &mut |event, data| {
            decoder.decode(event, data, &mut events)
        });
        assembly.take(&mut events);
        assembly.hand_over().await;
        fed.map_err(|e| asked.decode(&e))?;
    }
    if !decoder.finished() {
        let fed = sse.end(&mut |event, data| decoder.decode(event, data, &mut events));
        // Half an event at the end is not bad JSON but a cut.
        let fed = fed.map_err(|e| {
            if matches!(e, DecodeError::Shape(_)) {
                DecodeError::Truncated
            } else {
                e
            }
        });
        let ended = fed.and_then(|()| decoder.end(&mut events));
        assembly.take(&mut events);
        assembly.hand_over().await;
        ended.map_err(|e| asked.decode(&e))?;
    } else {
        drain(body, asked).await;
    }
    Ok(assembly)
}

/// Reads the end of the body, so that the connection can be used again; not for long.
async fn drain(body: &mut Body<'_>, asked: &Asked<'_>) {
    let rest = async { while let Ok(Some(_)) = body.next(asked).await {} };
    let _ = tokio::time::timeout(Duration::from_millis(200), rest).await;
}

async fn whole(
    body: &mut Body<'_>,
    asked: &Asked<'_>,
    family: Family,
    live: LiveSink,
) -> Result<Assembly, Fault> {
    let (mut all, mut events) = (Vec::new(), Vec::new());
    while let Some(chunk) = body.next(asked).await? {
        all.extend_from_slice(chunk.as_ref());
    }
    Decoder::new(family)
        .whole(&all, &mut events)
        .map_err(|e| match e {
            // Some JSON, but no answer: another kind of server.
            DecodeError::Shape(_) | DecodeError::Truncated => asked.not_a_stream("some other JSON"),
            e => asked.decode(&e),
        })?;
    let mut assembly = Assembly::new(live);
    assembly.take(&mut events);
    assembly.hand_over().await;
    Ok(assembly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_retry_after() {
        let after = |name: &'static str, value: &'static str| {
            retry_after(
                &[(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )]
                .into_iter()
                .collect(),
            )
        };
        assert_eq!(after("retry-after", "2"), Some(2000));
        assert_eq!(after("retry-after", "0.5"), Some(500));
        assert_eq!(after("retry-after-ms", "17"), Some(17));
        assert_eq!(after("retry-after", "1e300"), Some(MAX_WAIT_MS));
        for none in ["-1", "NaN", "", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(after("retry-after", none), None, "{none}");
        }
    }

    #[test]
    fn plain_http_needs_no_certificates() {
        let transport = Transport::new(Timeouts::default());
        assert!(
            transport
                .client(&Url::parse("http://127.0.0.1:1").unwrap())
                .is_ok()
        );
        assert!(transport.tls.get().is_none());
    }
}
