//! The proxy that the operator's machine reaches the internet through, where it has one. Its password stays outside.

use super::head::{Host, authority};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::collections::BTreeMap;

/// A proxy, and what does not go through it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    /// For tunnels, as `https_proxy` says.
    tunnels: Option<Proxy>,
    /// For plain requests, as `http_proxy` says.
    plain: Option<Proxy>,
    /// Names that are connected to directly: `name` with all below it, or `*`.
    direct: Vec<String>,
}

/// One proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: Host,
    pub(super) port: u16,
    /// A line of header with the password, or nothing.
    pub(super) authorization: String,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({}:{})", self.host.shown(), self.port)
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("tunnels", &self.tunnels)
            .field("plain", &self.plain)
            .field("direct", &self.direct)
            .finish()
    }
}

impl Upstream {
    /// From environment variables as curl and package managers read them; `otherwise` is what their own files say.
    ///
    /// # Errors
    /// KEI-5150 for a proxy that is not spoken to in plain HTTP.
    pub fn of(env: &BTreeMap<String, String>, otherwise: Option<&str>) -> Result<Upstream, Fault> {
        let variable = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| env.get(*name))
                .map(String::as_str)
                .filter(|v| !v.trim().is_empty())
        };
        let all = variable(&["all_proxy", "ALL_PROXY"]).or(otherwise);
        let tunnels = variable(&["https_proxy", "HTTPS_PROXY", "CARGO_HTTP_PROXY"]).or(all);
        let plain = variable(&["http_proxy", "HTTP_PROXY"]).or(all);
        let direct = variable(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let direct = direct.split([',', ' ']).map(|n| {
            n.trim()
                .trim_start_matches("*.")
                .trim_start_matches('.')
                .to_ascii_lowercase()
        });
        Ok(Upstream {
            tunnels: tunnels.map(proxy).transpose()?,
            plain: plain.map(proxy).transpose()?,
            direct: direct.filter(|n| !n.is_empty()).take(256).collect(),
        })
    }

    /// The proxy for a place, if it is not reached directly.
    pub(super) fn toward(&self, host: &Host, port: u16, tunnel: bool) -> Option<&Proxy> {
        let name = match host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let is = |entry: &String| {
            let (entry, wanted) = match entry.rsplit_once(':') {
                Some((name, number)) if number.parse::<u16>().is_ok() && !name.contains(':') => {
                    (name, number.parse().ok())
                }
                _ => (entry.as_str(), None),
            };
            let below = name
                .strip_suffix(entry)
                .is_some_and(|front| front.is_empty() || front.ends_with('.'));
            entry == "*" || (below && wanted.is_none_or(|wanted: u16| wanted == port))
        };
        if self.direct.iter().any(is) {
            return None;
        }
        if tunnel {
            self.tunnels.as_ref()
        } else {
            self.plain.as_ref()
        }
    }
}

fn proxy(text: &str) -> Result<Proxy, Fault> {
    let odd = |why: Said| {
        Fault::new(
            Code::PROXY_UNUSABLE,
            say!(
                "dependencies cannot be installed through the configured proxy: {why}",
                why
            ),
        )
        .hint("set HTTPS_PROXY and HTTP_PROXY to an address such as http://proxy.example:3128")
    };
    let text = text.trim();
    let rest = match text.split_once("://") {
        Some(("http", rest)) => rest,
        Some((scheme, _)) => {
            return Err(odd(say!(
                "Keiko speaks plain HTTP to a proxy, not {scheme}",
                scheme = scheme.chars().take(16).collect::<String>()
            )));
        }
        None => text,
    };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) = place
        .rsplit_once('@')
        .map_or((None, place), |(user, place)| (Some(user), place));
    let (host, port) =
        authority(place, Some(80)).ok_or_else(|| odd("its address cannot be understood".into()))?;
    let authorization = user.map_or_else(String::new, |user| {
        format!(
            "Proxy-Authorization: Basic {}\r\n",
            base64(&percent_decoded(user))
        )
    });
    Ok(Proxy {
        host,
        port,
        authorization,
    })
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// RFC 4648; the one place in this crate that needs it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .enumerate()
            .fold(0u32, |n, (i, byte)| n | (u32::from(*byte) << (16 - 8 * i)));
        for letter in 0..4 {
            let known = letter <= three.len();
            out.push(if known {
                char::from(LETTERS[(number >> (18 - 6 * letter)) as usize & 63])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)], otherwise: Option<&str>) -> Result<Upstream, Fault> {
        Upstream::of(
            &env.iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            otherwise,
        )
    }

    #[test]
    fn proxies_are_found_as_other_programs_find_them() {
        let upstream = of(
            &[
                ("HTTPS_PROXY", "http://u%40corp:p:w@proxy:3128/"),
                ("no_proxy", "localhost,.corp,*.lan, host.example:8080"),
            ],
            None,
        )
        .unwrap();
        let toward = |place: &str, tunnel| {
            let (host, port) = authority(place, Some(443)).unwrap();
            upstream.toward(&host, port, tunnel).cloned()
        };
        let proxy = toward("pypi.org", true).unwrap();
        assert_eq!((proxy.host.shown().as_str(), proxy.port), ("proxy", 3128));
        assert_eq!(
            proxy.authorization,
            format!("Proxy-Authorization: Basic {}\r\n", "dUBjb3JwOnA6dw==")
        );
        assert_eq!(
            toward("pypi.org", false),
            None,
            "there is none for plain requests"
        );
        for direct in [
            "localhost",
            "corp",
            "a.corp",
            "a.b.lan",
            "host.example:8080",
        ] {
            assert_eq!(toward(direct, true), None, "{direct}");
        }
        for proxied in ["xcorp", "host.example:443", "corp.example"] {
            assert!(toward(proxied, true).is_some(), "{proxied}");
        }
        assert!(
            !format!("{upstream:?}").contains("p:w") && !format!("{upstream:?}").contains("dUBj")
        );
        let files = of(&[], Some("proxy.lan:8080")).unwrap();
        assert_eq!(
            files
                .toward(&Host::Name("a".into()), 80, false)
                .unwrap()
                .port,
            8080
        );
        assert_eq!(
            of(&[("https_proxy", " ")], None).unwrap(),
            Upstream::default()
        );
    }

    #[test]
    fn proxies_that_cannot_be_spoken_to_are_said() {
        for odd in [
            "https://proxy:443",
            "socks5h://proxy:1080",
            "http://",
            "http://0x7f.1:80",
        ] {
            let fault = of(&[("https_proxy", odd)], None).unwrap_err();
            assert!(fault.code == "KEI-5150" && fault.hint.is_some(), "{odd}");
        }
    }

    #[test]
    fn base64_is_the_standard_one() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(percent_decoded("a%40%zz%"), b"a@%zz%");
    }
}
