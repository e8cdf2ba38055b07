//! The one way from a jail to the network: a proxy of ours on the host, for installing dependencies.
//!
//! The jail has a network namespace of its own, with nothing in it but a loopback. Its process 1 makes a listening socket
//! there and hands it over to the host, which accepts what connects: no route, no name server and no file leads out, and
//! other processes of the host cannot use it. The proxy takes tunnels (CONNECT) and plain requests, decides by the list
//! of [`Destinations`], resolves the name once, and connects to exactly the address that it judged. Everything else is
//! refused, written down, and told to the person who installs.
//!
//! A permitted place that cannot be reached, or takes a request and never answers, is written down the same way; after a few
//! of them it is given up, so that a dead registry costs an installation minutes at most and the person learns which it was.
//!
//! It does not look into tunnels: what a permitted registry takes in, from anybody, can be used to carry data out.

mod address;
mod allowed;
mod head;
mod upstream;

pub use allowed::Destinations;
pub use upstream::Upstream;

use allowed::Verdict;
use head::{Bad, HEAD_MAX, Host, Plain, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::io::InspectReader;
use upstream::Proxy;

/// Where the proxy is seen in the jail. Every port of its namespace is free.
pub(crate) const PORT: u16 = 3128;
/// Connections at a time; more wait.
const CONNECTIONS: usize = 64;
/// How long a request, a name or a connection may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses of one name that are tried.
const TRIES: usize = 4;
/// Longest answer of another proxy before a tunnel stands, bytes.
const ANSWER_MAX: usize = 16 << 10;
/// How long a place may take for the first byte of an answer: mirrors fetch large files first.
const ANSWER: Duration = Duration::from_secs(60);
/// Failures of one place after which it is asked no more.
const FAILURES_MOST: u32 = 3;
/// Refused places that are remembered, and failed ones.
const REFUSED_MOST: usize = 32;

/// A proxy for jails. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    destinations: Destinations,
    upstream: Upstream,
    refused: Mutex<BTreeSet<String>>,
    failed: Mutex<BTreeMap<String, Failure>>,
    answer: Duration,
}

/// What a permitted place did last instead of serving, and how often in a row.
#[derive(Debug)]
struct Failure {
    why: &'static str,
    times: u32,
}

impl Egress {
    /// To these places, directly or through the operator's own proxy.
    #[must_use]
    pub fn new(destinations: Destinations, upstream: Upstream) -> Egress {
        Egress::with_patience(destinations, upstream, ANSWER)
    }

    /// The same, which waits only so long for the first byte of an answer.
    #[must_use]
    pub fn with_patience(
        destinations: Destinations,
        upstream: Upstream,
        answer: Duration,
    ) -> Egress {
        Egress(Arc::new(Rules {
            destinations,
            upstream,
            refused: Mutex::default(),
            failed: Mutex::default(),
            answer,
        }))
    }

    /// The variables by which programs in the jail find it.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        let names = [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "CARGO_HTTP_PROXY",
            "PIP_PROXY",
        ];
        names
            .into_iter()
            .map(|name| (name.to_owned(), format!("http://127.0.0.1:{PORT}")))
    }

    /// The places that were asked for and refused so far, with the reason.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.0
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// The permitted places that could not be used, with what was wrong last.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        let failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed
            .iter()
            .map(|(place, failure)| format!("{place}: {}", failure.why))
            .collect()
    }

    /// Takes over the listening socket that comes over `gate`, and serves it until dropped.
    pub(crate) async fn serve(self, gate: std::os::unix::net::UnixStream) {
        let Ok(listener) = handed_over(gate).await else {
            return;
        };
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        // Dropped with this future, and all connections with it.
        let mut open = JoinSet::new();
        while let Ok(permit) = room.clone().acquire_owned().await {
            while open.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((client, _)) => {
                    let rules = self.0.clone();
                    open.spawn(async move {
                        let _ = rules.attend(client).await;
                        drop(permit);
                    });
                }
                // Out of descriptors: it gets better when a connection ends.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// Receives one descriptor.
async fn handed_over(gate: std::os::unix::net::UnixStream) -> io::Result<TcpListener> {
    gate.set_nonblocking(true)?;
    let gate = UnixStream::from_std(gate)?;
    let fd = gate
        .async_io(tokio::io::Interest::READABLE, || receive(&gate))
        .await?;
    let listener = std::net::TcpListener::from(fd);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn receive(gate: &UnixStream) -> io::Result<OwnedFd> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        gate,
        &mut [io::IoSliceMut::new(&mut byte)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    fds.next()
        .and_then(|mut fds| fds.next())
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Makes the listening socket, in process 1 of the jail, and hands it over.
pub(crate) fn open_gate(gate: &std::os::unix::net::UnixStream) -> io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::os::fd::AsFd as _;
    let listener = std::net::TcpListener::bind(("127.0.0.1", PORT))?;
    let fds = [listener.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(
        gate,
        &[io::IoSlice::new(b"g")],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

impl Rules {
    async fn attend(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, rest) = match timeout(PATIENCE, read_head(&mut client, HEAD_MAX)).await {
            Ok(Ok(read)) => read,
            Ok(Err(bad)) => return refuse(&mut client, bad).await,
            Err(_) => {
                return refuse(&mut client, Bad(408, "the request did not come in time")).await;
            }
        };
        let request = match head::parse(&head) {
            Ok(request) => request,
            Err(bad) => return refuse(&mut client, bad).await,
        };
        match request {
            Request::Tunnel { host, port } => self.tunnel(client, &host, port, &rest).await,
            Request::Plain(plain) => self.plain(client, &plain, &rest).await,
        }
    }

    async fn tunnel(
        &self,
        mut client: TcpStream,
        host: &Host,
        port: u16,
        rest: &[u8],
    ) -> io::Result<()> {
        let (mut server, proxy) = match self.connect(host, port, true).await {
            Ok(connected) => connected,
            Err(bad) => return refuse(&mut client, bad).await,
        };
        if let Some(proxy) = proxy {
            let place = format!("{}:{port}", host.shown());
            let asked = format!(
                "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{}\r\n",
                proxy.authorization
            );
            server.write_all(asked.as_bytes()).await?;
            let answer = timeout(PATIENCE, read_head(&mut server, ANSWER_MAX)).await;
            let stands = matches!(&answer, Ok(Ok((head, _))) if head::is_ok(head));
            let Ok(Ok((_, early))) = answer.as_ref().map(Result::as_ref) else {
                return refuse(&mut client, Bad(502, "the configured proxy gave no answer")).await;
            };
            if !stands {
                return refuse(
                    &mut client,
                    Bad(502, "the configured proxy refused the connection"),
                )
                .await;
            }
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await?;
            client.write_all(early).await?;
        } else {
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await?;
        }
        let (asked, heard) = (AtomicBool::new(!rest.is_empty()), AtomicBool::new(false));
        let relayed = async {
            server.write_all(rest).await?;
            let mut server = InspectReader::new(server, |bytes: &[u8]| note(&heard, bytes));
            let mut client = InspectReader::new(client, |bytes: &[u8]| note(&asked, bytes));
            tokio::select! {
                done = tokio::io::copy_bidirectional(&mut client, &mut server) => done.map(drop),
                () = self.silence(&heard) => Ok(()),
            }
        };
        let relayed = relayed.await;
        // A tunnel that was opened and not used says nothing of the place.
        if asked.load(Relaxed) {
            self.served(host, port, heard.load(Relaxed));
        }
        relayed
    }

    /// Ends when nothing was heard in all the time that is given for an answer.
    async fn silence(&self, heard: &AtomicBool) {
        tokio::time::sleep(self.answer).await;
        if heard.load(Relaxed) {
            std::future::pending().await
        }
    }

    /// One request with its body, and whatever comes back. Nothing else of the client's is passed on: a second request
    /// could be meant for another place.
    async fn plain(&self, mut client: TcpStream, plain: &Plain, rest: &[u8]) -> io::Result<()> {
        let (mut server, proxy) = match self.connect(&plain.host, plain.port, false).await {
            Ok(connected) => connected,
            Err(bad) => return refuse(&mut client, bad).await,
        };
        let heard = AtomicBool::new(false);
        let (from_client, mut to_client) = client.split();
        let relayed = async {
            server
                .write_all(&plain.rewritten(proxy.map(|p| p.authorization.as_str())))
                .await?;
            let early = usize::try_from(plain.body)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            server.write_all(&rest[..early]).await?;
            let (from_server, mut to_server) = server.split();
            let mut from_server =
                InspectReader::new(from_server, |bytes: &[u8]| note(&heard, bytes));
            let mut body = from_client.take(plain.body - early as u64);
            let sending = async {
                let _ = tokio::io::copy(&mut body, &mut to_server).await;
                // Whatever became of it, an answer may still be on its way.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                done = tokio::io::copy(&mut from_server, &mut to_client) => done.map(drop),
                () = sending => Ok(()),
                () = self.silence(&heard) => Ok(()),
            }
        };
        let relayed = relayed.await;
        self.served(&plain.host, plain.port, heard.load(Relaxed));
        if !heard.load(Relaxed) {
            return refuse(&mut client, Bad(504, NO_ANSWER)).await;
        }
        relayed?;
        to_client.shutdown().await
    }

    /// Decides, resolves once, and connects to what was judged. With a proxy of the operator's, names are its to resolve.
    async fn connect(
        &self,
        host: &Host,
        port: u16,
        tunnel: bool,
    ) -> Result<(TcpStream, Option<&Proxy>), Bad> {
        let verdict = self.destinations.judge(host, port);
        if let Verdict::Refused(why) = verdict {
            return Err(self.refusal(host, port, why));
        }
        if self.is_given_up(host, port) {
            return Err(Bad(504, "this place failed too often and is asked no more"));
        }
        if let Some(proxy) = self.upstream.toward(host, port, tunnel) {
            // The operator named it: wherever it is.
            let addresses = resolve(&proxy.host, proxy.port).await;
            let addresses = addresses.map_err(|_| {
                self.failure(host, port, 502, "the configured proxy's name is not known")
            })?;
            let stream = first(&addresses).await.ok_or_else(|| {
                self.failure(host, port, 502, "the configured proxy cannot be reached")
            })?;
            return Ok((stream, Some(proxy)));
        }
        let addresses = resolve(host, port)
            .await
            .map_err(|_| self.failure(host, port, 502, "the name cannot be resolved"))?;
        let good: Vec<SocketAddr> = addresses
            .iter()
            .filter(|a| verdict.permits(a.ip(), address::is_own))
            .copied()
            .collect();
        if good.is_empty() {
            return Err(self.refusal(
                host,
                port,
                "its address is of this machine or of a private network",
            ));
        }
        let stream = first(&good)
            .await
            .ok_or_else(|| self.failure(host, port, 504, "the server cannot be reached"))?;
        Ok((stream, None))
    }

    fn refusal(&self, host: &Host, port: u16, why: &'static str) -> Bad {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < REFUSED_MOST {
            refused.insert(format!("{}:{port}: {why}", host.shown()));
        }
        Bad(403, why)
    }

    /// Writes down that a permitted place could not be used.
    fn failure(&self, host: &Host, port: u16, status: u16, why: &'static str) -> Bad {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let place = format!("{}:{port}", host.shown());
        if failed.len() < REFUSED_MOST || failed.contains_key(&place) {
            let failure = failed.entry(place).or_insert(Failure { why, times: 0 });
            (failure.why, failure.times) = (why, failure.times.saturating_add(1));
        }
        Bad(status, why)
    }

    /// How a connection that stood came out. One answer makes good what was before.
    fn served(&self, host: &Host, port: u16, heard: bool) {
        if heard {
            self.failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&format!("{}:{port}", host.shown()));
        } else {
            self.failure(host, port, 504, NO_ANSWER);
        }
    }

    fn is_given_up(&self, host: &Host, port: u16) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed
            .get(&format!("{}:{port}", host.shown()))
            .is_some_and(|failure| failure.times >= FAILURES_MOST)
    }
}

/// Keeps in mind that something came.
fn note(heard: &AtomicBool, bytes: &[u8]) {
    if !bytes.is_empty() {
        heard.store(true, Relaxed);
    }
}

const NO_ANSWER: &str = "the server gave no answer";

/// Reads up to the end of a head, and what came after it.
async fn read_head(from: &mut TcpStream, most: usize) -> Result<(Vec<u8>, Vec<u8>), Bad> {
    let mut bytes = Vec::new();
    let mut seen = 0;
    loop {
        if let Some(at) = bytes
            .get(seen..)
            .and_then(|new: &[u8]| new.windows(4).position(|w| w == b"\r\n\r\n"))
        {
            let rest = bytes.split_off(seen + at + 4);
            return Ok((bytes, rest));
        }
        seen = bytes.len().saturating_sub(3);
        if bytes.len() >= most {
            return Err(Bad(431, "the head is too long"));
        }
        let mut part = (&mut *from).take((most - bytes.len()) as u64);
        if part.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return Err(Bad(400, "the connection ended early"));
        }
    }
}

/// Most programs show the reason in the first line, and nothing else.
async fn refuse(client: &mut TcpStream, bad: Bad) -> io::Result<()> {
    client.write_all(&bad.answer()).await?;
    client.shutdown().await?;
    // What is still on its way would otherwise make the kernel reset the connection, answer and all.
    let _ = timeout(
        Duration::from_secs(1),
        tokio::io::copy(&mut client.take(1 << 20), &mut tokio::io::sink()),
    )
    .await;
    Ok(())
}

async fn resolve(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host {
        Host::Address(address) => Ok(vec![(*address, port).into()]),
        Host::Name(name) => {
            let found = timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), port)))
                .await
                .map_err(io::Error::from)??;
            let mut all: Vec<SocketAddr> = found.take(64).collect();
            // Many machines have no way out over IPv6.
            all.sort_by_key(|a| matches!(a.ip(), IpAddr::V6(_)));
            Ok(all)
        }
    }
}

async fn first(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses.iter().take(TRIES) {
        if let Ok(Ok(stream)) = timeout(PATIENCE / 3, TcpStream::connect(address)).await {
            return Some(stream);
        }
    }
    None
}
