//! The server itself, on a thread of its own.

use super::{Day, Family, Kind, Request, Script, Turn, Violation, render, validate};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Largest request that is taken.
const MAX_REQUEST: usize = 256 << 20;

/// A fake model server on a loopback port. Stops when it is dropped.
pub struct FakeModelServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    script: Script,
    /// Rendered answers of [`Kind::Fast`] and [`Kind::Paced`]: chat, Messages.
    fast: Vec<(Bytes, Bytes)>,
    next: AtomicUsize,
    connections: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    violations: Vec<Violation>,
}

impl Shared {
    fn new(script: Script) -> Arc<Shared> {
        let rendered = |family, turn: &Turn, at| {
            Bytes::from(render::frames(family, turn, "fake", at).concat())
        };
        let fast = match &script.0 {
            Kind::Fast(turns) | Kind::Paced(_, turns) => turns
                .iter()
                .enumerate()
                .map(|(at, t)| {
                    (
                        rendered(Family::Chat, t, at),
                        rendered(Family::Messages, t, at),
                    )
                })
                .collect(),
            _ => Vec::new(),
        };
        Arc::new(Shared {
            script,
            fast,
            next: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            seen: Mutex::default(),
        })
    }
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeModelServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start(script: Script) -> io::Result<FakeModelServer> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Shared::new(script);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = shared.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("fake-models".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = serve(listener, served) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(FakeModelServer {
            addr,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// The base URL of the chat family, as `OPENAI_BASE_URL` has it.
    #[must_use]
    pub fn chat_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }
    /// The base URL of the Messages family, as `ANTHROPIC_BASE_URL` has it.
    #[must_use]
    pub fn messages_url(&self) -> String {
        format!("http://{}", self.addr)
    }
    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen().requests.clone()
    }
    /// How many connections clients have made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
    /// The broken rules so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.seen().violations.clone()
    }
    /// Fails the test when a request broke a rule.
    ///
    /// # Panics
    /// When a request broke a rule.
    pub fn assert_valid(&self) {
        let violations: Vec<String> = self.violations().iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "requests that a real vendor would refuse:\n{}",
            violations.join("\n")
        );
    }
}

impl Drop for FakeModelServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves on an address until the process ends: for benchmarks, where the model must not share the process.
///
/// # Errors
/// When the address cannot be had.
pub fn serve_blocking(addr: SocketAddr, script: Script) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let shared = Shared::new(script);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listener, shared))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    use axum::serve::ListenerExt as _;
    let counted = shared.clone();
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(move |stream| {
        counted.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app(shared)).await
}

fn app(shared: Arc<Shared>) -> Router {
    Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path();
    let family = if path.ends_with("/chat/completions") {
        Family::Chat
    } else if path.ends_with("/v1/messages") {
        Family::Messages
    } else {
        return other(path);
    };
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    if !shared.fast.is_empty() {
        let at = match &shared.script.0 {
            Kind::Paced(pace, turns) => {
                tokio::time::sleep(*pace).await;
                answers_in(&body).min(turns.len() - 1)
            }
            _ => number % shared.fast.len(),
        };
        let (chat, messages) = &shared.fast[at];
        let bytes = if family == Family::Chat {
            chat
        } else {
            messages
        };
        return respond(
            StatusCode::OK,
            "text/event-stream",
            Body::from(bytes.clone()),
        );
    }
    let parsed = serde_json::from_slice(&body);
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Request {
        number,
        family,
        path: path.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body: parsed.unwrap_or_default(),
    };
    let turn = match &shared.script.0 {
        Kind::Turns(turns) | Kind::Fast(turns) | Kind::Paced(_, turns) => {
            turns.get(number).cloned()
        }
        Kind::Policy(policy) => Some(policy(&request)),
    };
    let mut violations = validate::check(&request);
    if turn.is_none() {
        violations.push(Violation {
            request: number,
            what: "a request too many for the script".to_owned(),
        });
    }
    let model = request.body["model"].as_str().unwrap_or("fake").to_owned();
    {
        let mut seen = shared.seen();
        seen.violations.extend(violations);
        seen.requests.push(request);
    }
    match turn {
        Some(turn) => answer(family, &turn, &model, number).await,
        None => json_body(
            StatusCode::INTERNAL_SERVER_ERROR,
            &render::error(family, "server_error", "the script is over"),
        ),
    }
}

/// How many answers of the model a request holds, without parsing it: inside a text the quotes would be escaped.
fn answers_in(body: &[u8]) -> usize {
    const ANSWER: &[u8] = br#""role":"assistant""#;
    body.windows(ANSWER.len())
        .filter(|window| *window == ANSWER)
        .count()
}

fn other(path: &str) -> Response<Body> {
    match path {
        "/api/tags" => json_body(
            StatusCode::OK,
            &json!({"models": [{"name": "fake:latest", "size": 1}]}),
        ),
        "/v1/models" => json_body(
            StatusCode::OK,
            &json!({"object": "list", "data": [{"id": "fake", "object": "model"}]}),
        ),
        _ => json_body(
            StatusCode::NOT_FOUND,
            &json!({"error": {"message": "no such path"}}),
        ),
    }
}

fn respond(status: StatusCode, kind: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn json_body(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    respond(status, "application/json", Body::from(body.to_string()))
}

enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    Break,
}

async fn answer(family: Family, turn: &Turn, model: &str, number: usize) -> Response<Body> {
    let frames = || render::frames(family, turn, model, number);
    let cut = |at: usize| frames().into_iter().take(at).collect::<Vec<_>>();
    let mut steps = Vec::new();
    match &turn.day {
        Day::Good => steps.extend(frames().into_iter().flat_map(halves)),
        Day::ByteByByte => steps.extend(
            frames()
                .concat()
                .into_bytes()
                .into_iter()
                .map(|byte| Step::Send(vec![byte])),
        ),
        Day::Status(day) => {
            let kind = if day.status == 529 {
                "overloaded_error"
            } else {
                "error_of_the_fake"
            };
            let body = day
                .body
                .clone()
                .unwrap_or_else(|| render::error(family, kind, "so it is today").to_string());
            let status =
                StatusCode::from_u16(day.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = respond(status, "application/json", Body::from(body));
            if let Some(value) = day.retry_after.as_ref().and_then(|v| v.parse().ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            return response;
        }
        Day::CutConnection(at) => {
            steps.extend(cut(*at).into_iter().flat_map(halves));
            steps.extend([Step::Wait(Duration::from_millis(20)), Step::Break]);
        }
        Day::CutClean(at) => steps.extend(cut(*at).into_iter().flat_map(halves)),
        Day::BadJson(at) => {
            steps.extend(cut(*at).into_iter().flat_map(halves));
            steps.push(Step::Send(b"data: {\"choices\":[{\"del\n\n".to_vec()));
            steps.extend(frames().into_iter().skip(*at).flat_map(halves));
        }
        Day::SlowFirst(wait) => {
            steps.push(Step::Wait(*wait));
            steps.extend(frames().into_iter().flat_map(halves));
        }
        Day::SlowHeaders(wait) => {
            tokio::time::sleep(*wait).await;
            steps.extend(frames().into_iter().flat_map(halves));
        }
        Day::Stall(at, wait) => {
            steps.extend(cut(*at).into_iter().flat_map(halves));
            steps.push(Step::Wait(*wait));
        }
        Day::Html => {
            return respond(
                StatusCode::OK,
                "text/html; charset=utf-8",
                Body::from("<html><body>Welcome</body></html>"),
            );
        }
        Day::JsonError => {
            return json_body(
                StatusCode::OK,
                &render::error(family, "invalid_request_error", "so it is today"),
            );
        }
        Day::Whole => {
            return json_body(StatusCode::OK, &render::whole(family, turn, model, number));
        }
        Day::ErrorEvent(at, kind) => {
            steps.extend(cut(*at).into_iter().flat_map(halves));
            steps.push(Step::Send(render::error_frame(family, kind).into_bytes()));
        }
        Day::Raw(bytes) => steps.push(Step::Send(bytes.clone())),
    }
    respond(StatusCode::OK, "text/event-stream", body_of(steps))
}

/// A frame in two chunks, cut in the middle, wherever that is: within a line, a word, a character.
fn halves(frame: String) -> [Step; 2] {
    let mut bytes = frame.into_bytes();
    let middle = bytes
        .iter()
        .position(|b| *b >= 0x80)
        .map_or(bytes.len() / 2, |at| at + 1);
    let second = bytes.split_off(middle);
    [Step::Send(bytes), Step::Send(second)]
}

fn body_of(steps: Vec<Step>) -> Body {
    let chunks = stream::iter(steps).filter_map(|step| async move {
        match step {
            Step::Send(bytes) => {
                // Gives hyper the occasion to send what it has, so that the cut is seen on the wire.
                tokio::task::yield_now().await;
                (!bytes.is_empty()).then_some(Ok(Bytes::from(bytes)))
            }
            Step::Wait(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Step::Break => Some(Err(io::Error::other("the connection breaks"))),
        }
    });
    Body::from_stream(chunks)
}
