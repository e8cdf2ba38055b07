//! The way to the network of the jail that installs dependencies: what it lets through, and every way around it that was
//! published for comparable proxies, each really tried from inside.

use crate::kit::{good, jail, python};
use keiko_contracts::jail::Toolchain;
use keiko_sandbox::egress::{Destinations, Egress, Upstream};
use keiko_sandbox::jail::Jail;
use keiko_sandbox::spec::{JailSpec, Network};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// A server on the host that answers every connection once, and keeps what it was told.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answer: &'static [u8]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let keep = keep.clone();
                std::thread::spawn(move || {
                    let mut client = client;
                    client
                        .set_read_timeout(Some(std::time::Duration::from_millis(300)))
                        .unwrap();
                    let (mut all, mut part) = (Vec::new(), [0; 4096]);
                    let mut answered = false;
                    while let Ok(n @ 1..) = client.read(&mut part) {
                        all.extend_from_slice(&part[..n]);
                        if !answered && all.windows(4).any(|w| w == b"\r\n\r\n") {
                            answered = true;
                            let _ = client.write_all(answer);
                        }
                    }
                    keep.lock()
                        .unwrap()
                        .push(String::from_utf8_lossy(&all).into_owned());
                });
            }
        });
        Server { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        // What is read last is written down when the connection has been quiet for a moment.
        std::thread::sleep(std::time::Duration::from_millis(500));
        self.heard.lock().unwrap().clone()
    }
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

/// Defines `ask(bytes)`, which speaks to the proxy directly and gives the first line and the last one.
const ASK: &str = "
import socket
def ask(text, then=b''):
    s = socket.create_connection(('127.0.0.1', 3128)); s.settimeout(20)
    s.sendall(text.encode('latin-1') if isinstance(text, str) else text)
    got = b''
    try:
        while True:
            part = s.recv(65536)
            if not part: break
            got += part
            if then and b'\\r\\n\\r\\n' in got: s.sendall(then); then = b''
    except OSError as e: got += b'!' + str(e).encode()
    return got.split(b'\\r\\n')[0].decode() + ' | ' + got.decode('latin-1').strip().split('\\n')[-1]
def connect(place): return ask('CONNECT %s HTTP/1.1\\r\\nHost: pypi.org:443\\r\\n\\r\\n' % place)
def get(url): return ask('GET %s HTTP/1.1\\r\\nHost: pypi.org\\r\\n\\r\\n' % url)
";

async fn asked(jail: &Jail, egress: &Egress, script: &str) -> Vec<String> {
    let spec = JailSpec {
        network: Network::Through(egress.clone()),
        ..python(&format!("{ASK}{script}"))
    };
    good(jail, spec).await.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_host_and_its_networks_is_reached() {
    let Some(jail) = jail("nothing_of_the_host_and_its_networks_is_reached") else {
        return;
    };
    let server = Server::new(PAGE);
    let port = server.address.port();
    // `localhost` stands for a listed name whose owner lets it lead inwards.
    let list = Destinations::of(Toolchain::Python).and_name("localhost");
    let egress = Egress::new(list, Upstream::default());
    let places = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        "localhost:80".into(),
        "localhost:443".into(),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("0.0.0.0:{port}"),
        "169.254.169.254:80".into(),
        "[::ffff:169.254.169.254]:80".into(),
        "[fd00:ec2::254]:80".into(),
        "metadata.google.internal:80".into(),
        "10.0.0.1:443".into(),
        "192.168.1.1:80".into(),
        "[fe80::1]:80".into(),
        "pypi.org:22".into(),
        "pypi.org.:443".into(),
        "evil.example:443".into(),
        "pypi.org.evil.example:443".into(),
        "evil.example\0.pypi.org:443".into(),
        "user@pypi.org:443".into(),
        "pypi.org@127.0.0.1:443".into(),
        "pypi.org:443@127.0.0.1:80".into(),
    ];
    let script = format!(
        "for p in {}:\n  print(connect(p))\n  print(get('http://' + p + '/'))",
        serde_json::to_string(&places).unwrap()
    );
    let got = asked(&jail, &egress, &script).await;
    assert_eq!(got.len(), 2 * places.len(), "{got:#?}");
    for (place, got) in places.iter().flat_map(|p| [p, p]).zip(&got) {
        assert!(
            got.starts_with("HTTP/1.1 403 ") || got.starts_with("HTTP/1.1 400 "),
            "{place}: {got}"
        );
        assert!(got.contains("Keiko's sandbox"), "{place}: {got}");
    }
    assert_eq!(
        server.heard(),
        [""; 0],
        "the server of the host heard something"
    );
    assert!(
        egress
            .refused()
            .iter()
            .any(|r| r == "evil.example:443: it is not on the list of package registries"),
        "{:?}",
        egress.refused()
    );
    assert!(egress.refused().len() <= 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_beside_the_proxy() {
    let Some(jail) = jail("there_is_no_way_beside_the_proxy") else {
        return;
    };
    let server = Server::new(PAGE);
    let port = server.address.port();
    let egress = Egress::new(Destinations::of(Toolchain::Python), Upstream::default());
    let script = format!(
        "
import os
def direct(family, kind, to):
    s = socket.socket(family, kind); s.settimeout(3)
    try: s.connect(to); s.send(b'x'); return 'ok'
    except OSError as e: return e.__class__.__name__ + ' %s' % e.errno
for to in [('127.0.0.1', {port}), ('169.254.169.254', 80), ('203.0.113.80', 443), ('10.0.0.1', 53)]: print(direct(socket.AF_INET, socket.SOCK_STREAM, to))
print(direct(socket.AF_INET, socket.SOCK_DGRAM, ('1.1.1.1', 53)), direct(socket.AF_INET6, socket.SOCK_STREAM, ('2606:4700::1111', 443)))
try: print(socket.getaddrinfo('pypi.org', 443))
except OSError as e: print('no names')
try: socket.socket().bind(('127.0.0.1', 3128)); print('took the port')
except OSError as e: print('the port is taken')
print([n for _, n in socket.if_nameindex()], os.path.exists('/etc/resolv.conf'), [f for f in os.listdir('/proc/1/fd')] if os.access('/proc/1/fd', os.R_OK) else 'hidden')"
    );
    let got = asked(&jail, &egress, &script).await;
    assert_eq!(got[0], "ConnectionRefusedError 111");
    assert!(
        got[1..4].iter().all(|line| line == "OSError 101"),
        "{got:?}"
    );
    assert_eq!(got[4], "OSError 101 OSError 101");
    assert_eq!(
        got[5..],
        ["no names", "the port is taken", "['lo'] False hidden"]
    );
    assert_eq!(server.heard(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_mirror_is_reached_wherever_it_is_and_only_there() {
    let Some(jail) = jail("a_configured_mirror_is_reached_wherever_it_is_and_only_there") else {
        return;
    };
    let (mirror, other) = (Server::new(PAGE), Server::new(PAGE));
    let list =
        Destinations::default().and_configured(&format!("registry=http://{}/npm/", mirror.address));
    let egress = Egress::new(list, Upstream::default());
    let (mirror_at, other_at) = (mirror.address, other.address);
    let script = format!(
        "
import os, urllib.request
os.environ['http_proxy'] = 'http://127.0.0.1:3128'
print(urllib.request.urlopen('http://{mirror_at}/npm/x').read())
print(connect('{other_at}'), get('http://{other_at}/'))
# A tunnel carries bytes both ways.
print(ask('CONNECT {mirror_at} HTTP/1.1\\r\\n\\r\\n', then=b'GET /tunnel HTTP/1.1\\r\\n\\r\\n'))
# A second request behind the first one, for another place: with and without a length that ends the first.
second = 'GET http://{other_at}/second HTTP/1.1\\r\\nHost: {other_at}\\r\\n\\r\\n'
print(ask('GET http://{mirror_at}/first HTTP/1.1\\r\\nHost: {mirror_at}\\r\\nConnection: keep-alive\\r\\n\\r\\n' + second))
print(ask('POST http://{mirror_at}/post HTTP/1.1\\r\\nContent-Length: 4\\r\\n\\r\\nbody' + second))
print(ask('POST http://{mirror_at}/chunked HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n' + second))
print(ask('POST http://{mirror_at}/two HTTP/1.1\\r\\nContent-Length: 4\\r\\nContent-Length: 0\\r\\n\\r\\n' + second))"
    );
    let got = asked(&jail, &egress, &script).await;
    assert_eq!(got[0], "b'hello'");
    assert!(got[1].matches("HTTP/1.1 403 ").count() == 2, "{got:?}");
    assert_eq!(got[2], "HTTP/1.1 200 Connection established | hello");
    assert!(
        got[3..5]
            .iter()
            .all(|line| line == "HTTP/1.1 200 OK | hello"),
        "{got:?}"
    );
    assert!(
        got[5].starts_with("HTTP/1.1 411 ") && got[6].starts_with("HTTP/1.1 400 "),
        "{got:?}"
    );
    assert_eq!(other.heard(), [""; 0]);
    let heard = mirror.heard();
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert!(
        heard
            .iter()
            .all(|h| !h.contains("/second") && !h.contains("keep-alive")),
        "{heard:?}"
    );
    assert!(
        heard
            .iter()
            .any(|h| h.ends_with("Content-Length: 4\r\n\r\nbody")),
        "{heard:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_the_operator_is_used_with_a_password_that_stays_outside() {
    let Some(jail) = jail("the_proxy_of_the_operator_is_used") else {
        return;
    };
    let proxy = Server::new(b"HTTP/1.1 200 OK\r\n\r\n");
    let env = ["http_proxy", "https_proxy"].map(|name| {
        (
            name.to_owned(),
            format!("http://user:secret@{}", proxy.address),
        )
    });
    let upstream = Upstream::of(&env.into(), None).unwrap();
    let egress = Egress::new(
        Destinations::of(Toolchain::Node).and_configured("http://mirror.invalid/"),
        upstream,
    );
    let script = "
import os
print(ask('CONNECT registry.npmjs.org:443 HTTP/1.1\\r\\nProxy-Authorization: mine\\r\\n\\r\\n', then=b'inside the tunnel'))
print(get('http://mirror.invalid/x'))
print(connect('evil.example:443'), connect('169.254.169.254:80'))
print(any('secret' in open(f, errors='replace').read() for f in ['/proc/self/environ', '/proc/1/cmdline']))";
    let got = asked(&jail, &egress, script).await;
    assert!(
        got[0].starts_with("HTTP/1.1 200 Connection established"),
        "{got:?}"
    );
    assert!(
        got[1].starts_with("HTTP/1.1 200 OK") && got[2].matches("HTTP/1.1 403 ").count() == 2,
        "{got:?}"
    );
    assert_eq!(got[3], "False");
    let heard = proxy.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    let authorization = "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";
    assert!(heard.iter().any(|h| h
        == &format!("CONNECT registry.npmjs.org:443 HTTP/1.1\r\nHost: registry.npmjs.org:443\r\n{authorization}\r\ninside the tunnel")));
    assert!(heard.iter().any(|h| {
        h.starts_with("GET http://mirror.invalid/x HTTP/1.1\r\nHost: mirror.invalid\r\n")
            && h.contains(authorization)
    }));
}

/// A registry that is down, one that hangs and one that ends every connection: each is named, and asked no more after a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_registry_is_named_and_given_up() {
    let Some(jail) = jail("a_dead_registry_is_named_and_given_up") else {
        return;
    };
    let bound = || TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |listener: &TcpListener| listener.local_addr().unwrap();
    let down = at(&bound());
    let hangs = bound();
    let ends = bound();
    let (hangs_at, ends_at) = (at(&hangs), at(&ends));
    std::thread::spawn(move || ends.incoming().for_each(drop));
    let good = Server::new(PAGE);
    let good_at = good.address;
    let names = [down, hangs_at, ends_at, good_at].map(|at| format!("http://{at}/"));
    let list = names.iter().fold(Destinations::default(), |list, name| {
        list.and_configured(name)
    });
    let egress = Egress::with_patience(
        list,
        Upstream::default(),
        std::time::Duration::from_millis(400),
    );
    let script = format!(
        "
for place in ['{down}', '{hangs_at}', '{ends_at}', '{good_at}']:
    print([get('http://%s/' % place).split(' |')[0] for _ in range(5)])
print(ask('CONNECT {hangs_at} HTTP/1.1\\r\\n\\r\\n', then=b'hello').split(' |')[0])"
    );
    let got = asked(&jail, &egress, &script).await;
    let given_up = "HTTP/1.1 504 this place failed too often and is asked no more";
    for (line, why) in got
        .iter()
        .zip(["the server cannot be reached", "the server gave no answer"])
    {
        assert_eq!(
            line.matches(&format!("HTTP/1.1 504 {why}")).count(),
            3,
            "{got:?}"
        );
        assert_eq!(line.matches(given_up).count(), 2, "{got:?}");
    }
    assert_eq!(got[2].matches(given_up).count(), 2, "{got:?}");
    assert_eq!(got[3].matches("HTTP/1.1 200 OK").count(), 5, "{got:?}");
    assert_eq!(got[4], given_up, "{got:?}");
    let silent = |at| format!("{at}: the server gave no answer");
    let mut all = [
        format!("{down}: the server cannot be reached"),
        silent(hangs_at),
        silent(ends_at),
    ];
    all.sort();
    assert_eq!(egress.failed(), all);
    drop(hangs);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_clients_cost_little_and_end_with_the_jail() {
    let Some(jail) = jail("hostile_clients_cost_little") else {
        return;
    };
    let mirror = Server::new(PAGE);
    let list = Destinations::default().and_configured(&format!("http://{}/", mirror.address));
    let egress = Egress::new(list, Upstream::default());
    let at = mirror.address;
    let script = format!(
        "
print(ask(b'GET http://{at}/' + b'a' * 20000))
print(ask(b'\\x16\\x03\\x01' + b'\\xff' * 100 + b'\\r\\n\\r\\n'))
print(ask('GET http://{at}/ HTTP/1.1\\r\\n' + 'A: b\\r\\n' * 200 + '\\r\\n'))
# Most places are taken by connections that say nothing; the rest is served.
held = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(60)]
print(get('http://{at}/'))"
    );
    let got = asked(&jail, &egress, &script).await;
    for (line, status) in got.iter().zip(["431", "400", "431", "200"]) {
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{got:?}");
    }
    // The jail of the held connections has ended: the next one has a proxy of its own.
    assert_eq!(
        asked(&jail, &egress, &format!("print(get('http://{at}/'))")).await,
        ["HTTP/1.1 200 OK | hello"]
    );
}
