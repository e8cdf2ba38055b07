//! Which addresses may be connected to. Without IO: a name has been resolved by then, and exactly the address that was
//! judged is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Somewhere on the internet.
    Public,
    /// This machine or a network of its owner's: only where the operator configured the very place.
    Private,
    /// Link-local, metadata of a cloud, multicast, or nothing that can be connected to: never.
    Never,
}

/// Metadata services outside of link-local ranges: Alibaba, Oracle and Azure; Amazon and Google over IPv6.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Judges an address, whichever way it is written.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => reach_v4(v4),
            None => reach_v6(v6),
        },
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    let [a, b, c, _] = v4.octets();
    let never = a == 0 || a >= 224 || v4.is_link_local() || METADATA_V4.contains(&v4);
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    match () {
        () if never => Reach::Never,
        () if v4.is_loopback()
            || v4.is_private()
            || shared
            || benchmark
            || (a, b, c) == (192, 0, 0) =>
        {
            Reach::Private
        }
        () => Reach::Public,
    }
}

/// The IPv4 address inside of an IPv6 one that leads to it: mapped, compatible, NAT64 and 6to4.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let from = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => from(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => from(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => from(high, low),
        [0x2002, high, low, ..] => from(high, low),
        _ => None,
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    let first = v6.segments()[0];
    let teredo = v6.segments()[..2] == [0x2001, 0];
    let discard = first == 0x100;
    let never = v6.is_unspecified()
        || v6.is_multicast()
        || (first & 0xffc0) == 0xfe80
        || teredo
        || discard
        || METADATA_V6.contains(&v6);
    let local_nat64 = v6.segments()[..3] == [0x64, 0xff9b, 1];
    match () {
        () if never => Reach::Never,
        () if v6.is_loopback()
            || (first & 0xfe00) == 0xfc00
            || (first & 0xffc0) == 0xfec0
            || local_nat64 =>
        {
            Reach::Private
        }
        () => Reach::Public,
    }
}

/// Whether it is an address of this machine's own, also a public one: what listens there is the host's.
pub(super) fn is_own(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_place_is_judged_alike() {
        let cases = [
            (
                Reach::Never,
                "169.254.169.254 ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 fe80::1 febf::1",
            ),
            (
                Reach::Never,
                "0.0.0.0 0.1.2.3 :: 224.0.0.1 255.255.255.255 240.0.0.1 ff02::1 2001:0:1::1 100::1",
            ),
            (
                Reach::Never,
                "100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254 ::ffff:100.100.100.200",
            ),
            (
                Reach::Private,
                "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 ::7f00:1 64:ff9b::7f00:1 2002:7f00:1::",
            ),
            (
                Reach::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 192.0.0.1 fc00::1 fdff::1 fec0::1",
            ),
            (Reach::Private, "64:ff9b:1::1 ::ffff:10.0.0.1"),
            (
                Reach::Public,
                "1.1.1.1 172.32.0.1 100.128.0.1 203.0.113.80 2606:4700::1111 2a04:4e42::223 ::ffff:1.1.1.1 64:ff9b::101:101",
            ),
        ];
        for (wanted, addresses) in cases {
            for address in addresses.split(' ') {
                assert_eq!(reach(address.parse().unwrap()), wanted, "{address}");
            }
        }
    }

    #[test]
    fn own_addresses_are_known() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("192.0.2.77".parse().unwrap()));
    }
}
