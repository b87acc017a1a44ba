//! What counts as one source: an IPv4 address, or the /64 that an IPv6 address lies in.
//!
//! Knows: how a network is spelt, in the audit and in the throttle. Must never know: who sits there.

use std::net::{IpAddr, Ipv6Addr};

/// What counts as one source are also all processes of this machine, over the socket in the file system.
pub const SOCKET: &str = "unix";

/// The network that an address counts as.
pub fn of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The network that a person means by an address, or by a network as it is spelt here.
pub fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    if text == SOCKET {
        return Some(text.to_owned());
    }
    text.strip_suffix("/64").unwrap_or(text).parse().ok().map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_an_address_or_a_network_in_one_spelling() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1 ", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("2001:DB8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
            ("2001:db8:1:2::/64", Some("2001:db8:1:2::/64")),
            ("2001:db8:1:2::/48", None),
            ("192.0.2", None),
            ("unix", Some("unix")),
            ("", None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text:?}");
        }
    }
}
