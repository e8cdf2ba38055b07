//! The head of a request to the proxy: strict, for it comes from code that nobody has looked at. Without IO.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest head, bytes.
pub(super) const HEAD_MAX: usize = 16 << 10;
/// Most header lines.
const HEADERS_MAX: usize = 100;

/// A host, after which there is only one way to understand it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    /// A name in small letters.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Refuses what different resolvers would understand differently: numbers in other notations, dots at the end, signs
    /// outside of host names.
    pub(super) fn parse(text: &str) -> Option<Host> {
        if let Some(v6) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return v6
                .parse::<Ipv6Addr>()
                .ok()
                .map(|v6| Host::Address(v6.into()));
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let labels_are_good = text
            .split('.')
            .all(|label| (1..64).contains(&label.len()) && label.bytes().all(good));
        if text.len() > 253 || !labels_are_good {
            return None;
        }
        // No name ends like a number: what does is an address, in dotted decimals or not at all.
        let last = text.rsplit('.').next().unwrap_or_default();
        if last.starts_with(|c: char| c.is_ascii_digit()) {
            return text
                .parse::<Ipv4Addr>()
                .ok()
                .map(|v4| Host::Address(v4.into()));
        }
        Some(Host::Name(text.to_ascii_lowercase()))
    }

    /// For a header or a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Host::Name(name) => name.clone(),
            Host::Address(IpAddr::V6(v6)) => format!("[{v6}]"),
            Host::Address(v4) => v4.to_string(),
        }
    }
}

/// Host and port of an authority without user information.
pub(super) fn authority(text: &str, default_port: Option<u16>) -> Option<(Host, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let plain =
                !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
            (host, plain.then(|| port.parse().ok())??)
        }
        _ => (text, default_port?),
    };
    Some((Host::parse(host)?, port)).filter(|(_, port)| *port != 0)
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A tunnel.
    Tunnel { host: Host, port: u16 },
    /// One plain request.
    Plain(Plain),
}

/// A plain HTTP request with an absolute address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) host: Host,
    pub(super) port: u16,
    method: String,
    path: String,
    /// Those that go to the server.
    headers: Vec<(String, String)>,
    /// Bytes of body that follow, and no more are passed on.
    pub(super) body: u64,
}

/// Why a head is refused, as a status line has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad(pub(super) u16, pub(super) &'static str);

impl Bad {
    /// The whole answer.
    pub(super) fn answer(&self) -> Vec<u8> {
        let Bad(status, why) = self;
        let text = format!("Keiko's sandbox: {why}.\n");
        let length = text.len();
        format!("HTTP/1.1 {status} {why}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
            .into_bytes()
    }
}

const NOT_UNDERSTOOD: Bad = Bad(400, "the request was not understood");

/// Headers between neighbours, and what this proxy writes itself.
const OURS: [&str; 12] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "proxy-authorization",
    "proxy-authenticate",
    "host",
    "content-length",
    "transfer-encoding",
    "http2-settings",
];

/// Reads a whole head, up to and with the empty line. Refused is also what a reader may take in good part, such as a line
/// that ends with a bare line feed: the server could read it in another way.
pub(super) fn parse(head: &[u8]) -> Result<Request, Bad> {
    let text = std::str::from_utf8(head).map_err(|_| NOT_UNDERSTOOD)?;
    let begins_at_once = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins_at_once || text.replace("\r\n", "").contains(['\r', '\n']) {
        return Err(NOT_UNDERSTOOD);
    }
    let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut read = httparse::Request::new(&mut room);
    match read.parse(head) {
        Ok(httparse::Status::Complete(all)) if all == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Bad(431, "too many headers")),
        Ok(_) | Err(_) => return Err(NOT_UNDERSTOOD),
    }
    let (Some(method), Some(target)) = (read.method, read.path) else {
        return Err(NOT_UNDERSTOOD);
    };
    if !method.bytes().all(|b| b.is_ascii_alphabetic())
        || target.bytes().any(|b| b.is_ascii_control())
    {
        return Err(NOT_UNDERSTOOD);
    }
    let headers = read
        .headers
        .iter()
        .map(header)
        .collect::<Option<Vec<_>>>()
        .ok_or(NOT_UNDERSTOOD)?;
    if method == "CONNECT" {
        let (host, port) =
            authority(target, None).ok_or(Bad(400, "this is no host that can be connected to"))?;
        return Ok(Request::Tunnel { host, port });
    }
    let rest = target
        .strip_prefix("http://")
        .ok_or(Bad(400, "this is a proxy: the address must be absolute"))?;
    let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(cut);
    let (host, port) =
        authority(place, Some(80)).ok_or(Bad(400, "this is no host that can be connected to"))?;
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let body = body_length(&headers)?;
    let headers = headers
        .into_iter()
        .filter(|(name, _)| !OURS.contains(&name.to_ascii_lowercase().as_str()))
        .collect();
    Ok(Request::Plain(Plain {
        host,
        port,
        method: method.to_owned(),
        path,
        headers,
        body,
    }))
}

fn header(read: &httparse::Header<'_>) -> Option<(String, String)> {
    let value = std::str::from_utf8(read.value).ok()?;
    Some((read.name.to_owned(), value.trim().to_owned()))
}

/// Whether the head of another proxy's answer says that a tunnel stands. Its other lines are nobody's business.
pub(super) fn is_ok(head: &[u8]) -> bool {
    let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut read = httparse::Response::new(&mut room);
    use httparse::Error::{HeaderName, HeaderValue, TooManyHeaders};
    let understood = matches!(
        read.parse(head),
        Ok(_) | Err(HeaderName | HeaderValue | TooManyHeaders)
    );
    understood && read.code == Some(200)
}

/// Two lengths, or a length that two readers may understand differently, would smuggle a second request in.
fn body_length(headers: &[(String, String)]) -> Result<u64, Bad> {
    let named = |wanted: &str| {
        headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, v)| v)
            .collect::<Vec<_>>()
    };
    if !named("transfer-encoding").is_empty() {
        return Err(Bad(411, "a request must have a length"));
    }
    match named("content-length").as_slice() {
        [] => Ok(0),
        [length] if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse().map_err(|_| NOT_UNDERSTOOD)
        }
        _ => Err(NOT_UNDERSTOOD),
    }
}

impl Plain {
    /// The head as the server gets it, or the next proxy: with the absolute address then. The server is told to end the
    /// connection, so that it carries one request only.
    pub(super) fn rewritten(&self, to_proxy: Option<&str>) -> Vec<u8> {
        let authority = if self.port == 80 {
            self.host.shown()
        } else {
            format!("{}:{}", self.host.shown(), self.port)
        };
        let before = if to_proxy.is_some() {
            format!("http://{authority}")
        } else {
            String::new()
        };
        let mut head = format!(
            "{} {before}{} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.body > 0 || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body));
        }
        head.push_str(to_proxy.unwrap_or_default());
        head.push_str("\r\n");
        head.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Host {
        Host::Name(text.into())
    }

    #[test]
    fn a_host_can_be_understood_in_one_way_only() {
        assert_eq!(Host::parse("PyPI.org"), Some(name("pypi.org")));
        assert_eq!(
            Host::parse("1.2.3.4"),
            Some(Host::Address([1, 2, 3, 4].into()))
        );
        assert_eq!(
            Host::parse("[::1]"),
            Some(Host::Address(Ipv6Addr::LOCALHOST.into()))
        );
        assert_eq!(Host::parse("3com.example"), Some(name("3com.example")));
        let long = "a".repeat(64);
        for bad in [
            "",
            ".",
            "a.",
            "a..b",
            "evil\0.pypi.org",
            "a b",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0x7f000001",
            "0177.0.0.1",
            "1.2.3.4.5",
            "pypi.org@evil",
            "ü.example",
            "[fe80::1%eth0]",
            "::1",
            "a/b",
            "pypi.org%2eevil",
            &long,
        ] {
            assert_eq!(Host::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_tunnel_names_host_and_port() {
        let tunnel = |host: &str, port| {
            Ok(Request::Tunnel {
                host: Host::parse(host).unwrap(),
                port,
            })
        };
        assert_eq!(
            parse(b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: other\r\n\r\n"),
            tunnel("pypi.org", 443)
        );
        assert_eq!(
            parse(b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n"),
            tunnel("[::1]", 443)
        );
        for bad in [
            "pypi.org",
            "pypi.org:",
            "pypi.org:0",
            "pypi.org:+443",
            "pypi.org:65536",
            "u@pypi.org:443",
            "[::1]",
            "a:1:2",
            "http://a/",
        ] {
            assert!(
                parse(format!("CONNECT {bad} HTTP/1.1\r\n\r\n").as_bytes()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_plain_request_is_written_anew() {
        let head = b"GET http://Mirror.example:3141/simple/?a=b HTTP/1.1\r\nHost: 169.254.169.254\r\nProxy-Authorization: x\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n";
        let Ok(Request::Plain(plain)) = parse(head) else {
            panic!()
        };
        assert_eq!(
            (&plain.host, plain.port, plain.body),
            (&name("mirror.example"), 3141, 0)
        );
        let text = String::from_utf8(plain.rewritten(None)).unwrap();
        assert_eq!(
            text,
            "GET /simple/?a=b HTTP/1.1\r\nHost: mirror.example:3141\r\nConnection: close\r\nAccept: */*\r\n\r\n"
        );
        let text = String::from_utf8(plain.rewritten(Some("Proxy-Authorization: Basic eA==\r\n")))
            .unwrap();
        assert!(
            text.starts_with("GET http://mirror.example:3141/simple/?a=b HTTP/1.1\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Proxy-Authorization: Basic eA==\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn what_could_smuggle_a_second_request_is_refused() {
        for lines in [
            "Transfer-Encoding: chunked",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: +1",
            "Content-Length: 1, 1",
            "Content-Length: 99999999999999999999",
            "A: b\nTransfer-Encoding: chunked",
            "A: b\r\n c",
            "A : b",
            "no colon",
            ": b",
            "A: b\0",
            "A: b\x7f",
            "A: b\r",
        ] {
            assert!(
                parse(format!("POST http://a/ HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes()).is_err(),
                "{lines}"
            );
        }
        for line in [
            "GET / HTTP/1.1",
            "GET https://a/ HTTP/1.1",
            "GET http://a@b/ HTTP/1.1",
            "GET  http://a/ HTTP/1.1",
            "GET http://a/ HTTP/2",
            "GET http://a/ HTTP/1.2",
            "G-T http://a/ HTTP/1.1",
            "\r\nGET http://a/ HTTP/1.1",
            "GET http://a/\u{1} HTTP/1.1",
            "GET http://a/ HTTP/1.1\r\n\r\nGET http://b/ HTTP/1.1",
        ] {
            assert!(
                parse(format!("{line}\r\n\r\n").as_bytes()).is_err(),
                "{line}"
            );
        }
    }

    #[test]
    fn a_head_has_only_so_many_headers() {
        let head = |n: usize| format!("GET http://a/ HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(n));
        assert!(parse(head(HEADERS_MAX).as_bytes()).is_ok());
        assert_eq!(
            parse(head(HEADERS_MAX + 1).as_bytes()),
            Err(Bad(431, "too many headers"))
        );
    }

    #[test]
    fn a_tunnel_stands_when_the_other_proxy_says_so() {
        for good in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200 Connection established\r\nA: b\r\n\r\n",
            "HTTP/1.1 200\r\nno header\r\n\r\n",
        ] {
            assert!(is_ok(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "HTTP/1.1 407 No\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "200 OK\r\n\r\n",
        ] {
            assert!(!is_ok(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(GET|CONNECT) [!-~]{0,40} HTTP/1.1\r\n([ -~]{0,30}\r\n){0,4}\r\n") {
            let _ = parse(&bytes);
            if let Ok(Request::Plain(plain)) = parse(text.as_bytes()) {
                let out = plain.rewritten(None);
                prop_assert_eq!(out.windows(4).filter(|w| w == b"\r\n\r\n").count(), 1);
            }
        }
    }
}
