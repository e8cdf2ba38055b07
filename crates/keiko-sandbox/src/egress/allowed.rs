//! Where the jail that installs dependencies may connect to: registries by name, and what the operator configured.

use super::address::{Reach, reach};
use super::head::{Host, authority};
use keiko_contracts::jail::Toolchain;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Ports of names on the list.
const PORTS: [u16; 2] = [80, 443];
/// Most places that are taken from settings.
const MOST: usize = 256;

/// The registries that the package managers of a toolchain use when nothing else is configured.
fn registries(toolchain: Toolchain) -> &'static [&'static str] {
    match toolchain {
        Toolchain::Python => &["pypi.org", "files.pythonhosted.org"],
        Toolchain::Node => &["registry.npmjs.org", "registry.yarnpkg.com"],
        Toolchain::Rust => &["index.crates.io", "static.crates.io", "crates.io"],
        Toolchain::Go => &["proxy.golang.org", "sum.golang.org"],
    }
}

/// Places that may be connected to. Nothing is, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Names, and `*.name` for all names below one.
    named: BTreeSet<String>,
    /// Places in settings of the operator's: also on an address that others may not reach.
    configured: BTreeSet<(Host, u16)>,
}

/// What the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not on it.
    Refused(&'static str),
    /// Only at addresses of the internet.
    Public,
    /// Also at private addresses.
    Configured,
}

impl Destinations {
    /// The usual registries of a toolchain.
    #[must_use]
    pub fn of(toolchain: Toolchain) -> Destinations {
        Destinations::default().and(toolchain)
    }

    /// Those of another toolchain as well.
    #[must_use]
    pub fn and(self, toolchain: Toolchain) -> Destinations {
        registries(toolchain)
            .iter()
            .fold(self, |all, name| all.and_name(name))
    }

    /// A name that may be connected to on the ports of the web, as long as it leads to the internet; `*.name` for all
    /// names below it. What is no name is passed over.
    #[must_use]
    pub fn and_name(mut self, name: &str) -> Destinations {
        let bare = name.strip_prefix("*.").unwrap_or(name);
        if let Some(Host::Name(bare)) = Host::parse(bare)
            && self.named.len() < MOST
        {
            let stars = if bare.len() < name.len() { "*." } else { "" };
            self.named.insert(format!("{stars}{bare}"));
        }
        self
    }

    /// The places that a text of the operator's settings names as `http://` or `https://` addresses: whatever they are,
    /// and with their ports.
    #[must_use]
    pub fn and_configured(mut self, settings: &str) -> Destinations {
        let separators = |c: char| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '"' | '\'' | ',' | '|' | '<' | '>' | '=' | '+')
        };
        for word in settings.split(separators) {
            let (port, rest) = match (word.strip_prefix("https://"), word.strip_prefix("http://")) {
                (Some(rest), _) => (443, rest),
                (None, Some(rest)) => (80, rest),
                (None, None) => continue,
            };
            let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
            if let Some(place) = authority(place, Some(port))
                && self.configured.len() < MOST
            {
                self.configured.insert(place);
            }
        }
        self
    }

    pub(super) fn judge(&self, host: &Host, port: u16) -> Verdict {
        if self.configured.contains(&(host.clone(), port)) {
            return Verdict::Configured;
        }
        let Host::Name(name) = host else {
            return Verdict::Refused("an address is not a package registry");
        };
        let below = |listed: &String| {
            listed
                .strip_prefix('*')
                .is_some_and(|end| name.ends_with(end))
        };
        if !self.named.contains(name) && !self.named.iter().any(below) {
            return Verdict::Refused("it is not on the list of package registries");
        }
        if PORTS.contains(&port) {
            Verdict::Public
        } else {
            Verdict::Refused("only ports 80 and 443 are open")
        }
    }
}

impl Verdict {
    /// Whether a place that was judged so may be connected to at this address.
    pub(super) fn permits(self, address: IpAddr, own: impl FnOnce(IpAddr) -> bool) -> bool {
        match (self, reach(address)) {
            (Verdict::Refused(_), _) | (_, Reach::Never) => false,
            (Verdict::Configured, _) => true,
            (Verdict::Public, Reach::Public) => !own(address),
            (Verdict::Public, Reach::Private) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(list: &Destinations, place: &str) -> Verdict {
        let (host, port) = authority(place, Some(443)).unwrap();
        list.judge(&host, port)
    }

    #[test]
    fn only_what_is_listed_can_be_reached() {
        let list = Destinations::of(Toolchain::Python)
            .and_name("*.Files.example")
            .and_name("10.0.0.1")
            .and_name("not a name");
        for place in [
            "pypi.org",
            "PYPI.ORG:80",
            "files.pythonhosted.org:443",
            "a.files.example",
            "a.b.files.example",
        ] {
            assert_eq!(judge(&list, place), Verdict::Public, "{place}");
        }
        for place in [
            "evil.example",
            "xpypi.org",
            "pypi.org.evil.example",
            "pypi.org:22",
            "files.example",
            "xfiles.example",
            "10.0.0.1",
            "[::1]",
            "localhost",
        ] {
            assert!(
                matches!(judge(&list, place), Verdict::Refused(_)),
                "{place}"
            );
        }
    }

    #[test]
    fn places_in_settings_are_open_as_they_are_named() {
        let settings = "index = \"sparse+https://crates.corp/index/\"\nGOPROXY=http://10.1.2.3:3000,https://proxy.corp|direct\nregistry=http://localhost:4873/\nx=https://user:pw@other.corp:8443/\nftp://no.corp git+ssh://git@no.corp/x";
        let list = Destinations::default().and_configured(settings);
        for place in [
            "crates.corp:443",
            "10.1.2.3:3000",
            "proxy.corp:443",
            "localhost:4873",
            "other.corp:8443",
        ] {
            assert_eq!(judge(&list, place), Verdict::Configured, "{place}");
        }
        for place in [
            "crates.corp:80",
            "10.1.2.3:22",
            "localhost:80",
            "no.corp:443",
            "no.corp:80",
        ] {
            assert!(
                matches!(judge(&list, place), Verdict::Refused(_)),
                "{place}"
            );
        }
    }

    #[test]
    fn a_name_that_leads_inwards_is_not_followed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let foreign = |_| false;
        assert!(Verdict::Public.permits(ip("203.0.113.80"), foreign));
        assert!(
            !Verdict::Public.permits(ip("203.0.113.80"), |_| true),
            "an address of this machine"
        );
        for inwards in ["127.0.0.1", "::ffff:10.0.0.1", "192.168.1.1", "fd00::1"] {
            assert!(!Verdict::Public.permits(ip(inwards), foreign), "{inwards}");
            assert!(
                Verdict::Configured.permits(ip(inwards), foreign),
                "{inwards}"
            );
        }
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "224.0.0.1",
            "fd00:ec2::254",
        ] {
            assert!(!Verdict::Configured.permits(ip(never), foreign), "{never}");
        }
        assert!(!Verdict::Refused("x").permits(ip("203.0.113.80"), foreign));
    }
}
