//! Whom a request comes from when proxies stand in front.
//!
//! Knows: the header `X-Forwarded-For`, and that it is worth what the connection it came over is worth. From a
//! peer that is no trusted proxy it is not even read. Must never know: what is done with the answer. `Forwarded`
//! (RFC 7239) is not read: of two spellings of one thing, a proxy that sets one would let a client choose the
//! other.
//!
//! Read next: `settings::reached` for who is trusted, [`super::forwarded`] for what a proxy asks about.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};

use super::answer;
use crate::service::networks;
use crate::settings::Proxies;

const FOR: &str = "x-forwarded-for";

/// Longest chain of addresses in bytes, over all lines of the header.
const CHAIN_BYTES_MAX: usize = 1024;

/// Somebody who sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// At an address; an IPv4 address is never spelled as an IPv6 one here.
    Address(IpAddr),
    /// A process of this machine, over the socket in the file system.
    Socket,
}

impl Sender {
    pub(super) fn at(address: IpAddr) -> Sender {
        Sender::Address(address.to_canonical())
    }

    /// What is throttled as one source: an IPv4 address, the /64 an IPv6 address lies in, or the socket.
    pub(super) fn network(&self) -> String {
        match self {
            Sender::Address(address) => networks::of(*address),
            Sender::Socket => networks::SOCKET.to_owned(),
        }
    }
}

/// The connection a request came over; put into every request by the listener.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) peer: Sender,
    pub(super) proxies: Arc<Proxies>,
}

/// What is wrong with a header of a trusted proxy; each names the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(super) enum Bad {
    /// It is not there.
    Missing(&'static str),
    /// It is there more than once, so a client may have sent one of them.
    Repeated(&'static str),
    /// It is longer than is read.
    TooLong(&'static str),
    /// It can't be read.
    Malformed(&'static str),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Missing(name) => write!(f, "{name} is missing; the proxy must set it"),
            Bad::Repeated(name) => write!(
                f,
                "{name} is there twice; the proxy must replace what it was sent"
            ),
            Bad::TooLong(name) => write!(f, "{name} is too long"),
            Bad::Malformed(name) => write!(f, "{name} can't be read"),
        }
    }
}

impl IntoResponse for Bad {
    fn into_response(self) -> Response {
        answer::bad_request("forwarded", &self.to_string())
    }
}

impl Connection {
    /// The connection of a request; one that no listener took is trusted with nothing.
    pub(super) fn of(extensions: &Extensions) -> Connection {
        let taken = extensions.get::<Connection>().cloned();
        taken.unwrap_or_else(|| Connection {
            peer: Sender::Address(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            proxies: Arc::default(),
        })
    }

    /// One over the socket, to proxies or to nobody in particular.
    pub(super) fn over_socket(trusted: bool) -> Connection {
        Connection {
            peer: Sender::Socket,
            proxies: Arc::new(Proxies::new(Vec::new(), trusted)),
        }
    }

    /// Whether whoever is at the other end is a proxy to be believed.
    pub(super) fn is_trusted(&self) -> bool {
        match self.peer {
            Sender::Address(address) => self.proxies.hold(address),
            Sender::Socket => self.proxies.hold_socket(),
        }
    }

    /// Who sent the request: of the chain of addresses that trusted proxies vouch for, the farthest.
    ///
    /// # Errors
    /// [`Bad`], when a trusted proxy says what can't be read. What stands behind the first address that is no
    /// proxy's was written by whoever has that address; it is not read.
    pub(super) fn sender(&self, headers: &HeaderMap) -> Result<Sender, Bad> {
        if !self.is_trusted() {
            return Ok(self.peer);
        }
        let lines = headers.get_all(FOR);
        if lines.iter().map(|line| line.len() + 1).sum::<usize>() > CHAIN_BYTES_MAX + 1 {
            return Err(Bad::TooLong(FOR));
        }
        let mut farthest = self.peer;
        let nearest_first = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for entry in nearest_first {
            let address = address(entry).ok_or(Bad::Malformed(FOR))?;
            farthest = Sender::at(address);
            if !self.proxies.hold(address) {
                break;
            }
        }
        Ok(farthest)
    }
}

/// One address of a chain, with or without a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = || entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || {
        let inside = entry.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    bare().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
pub(super) mod tests {
    use ipnet::IpNet;

    use super::*;

    pub(in super::super) const PROXY: &str = "10.0.0.1";

    pub(in super::super) fn over(peer: &str, proxies: &str) -> Connection {
        let peer = match peer {
            "unix" => Sender::Socket,
            address => Sender::at(address.parse().expect("an address")),
        };
        let entries = proxies.split(", ").filter(|entry| !entry.is_empty());
        let (sockets, networks): (Vec<&str>, Vec<&str>) = entries.partition(|entry| *entry == "unix");
        let one = |entry: &str| entry.parse::<IpAddr>().map(IpNet::from);
        let network = |entry: &str| one(entry).or_else(|_| entry.parse()).expect("a network");
        let networks = networks.into_iter().map(network).collect();
        let proxies = Arc::new(Proxies::new(networks, !sockets.is_empty()));
        Connection { peer, proxies }
    }

    pub(in super::super) fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    /// Who sent a request with these chains, over a connection from a proxy in 10.0.0.0/8 or 2001:db8::/32.
    fn sender(peer: &str, chains: &[&str]) -> Result<String, Bad> {
        let lines: Vec<_> = chains.iter().map(|chain| (FOR, *chain)).collect();
        let connection = over(peer, "10.0.0.0/8, 2001:db8::/32");
        connection.sender(&headers(&lines)).map(|sender| sender.network())
    }

    #[test]
    fn source_is_the_ipv4_address_or_the_ipv6_network_or_the_socket() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
            ("unix", "unix"),
        ] {
            assert_eq!(over(address, "").peer.network(), expected);
        }
    }

    #[test]
    fn chain_is_believed_as_far_as_trusted_proxies_vouch_for_it() {
        for (chains, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&[], PROXY),
            (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7, 10.9.9.9,10.8.8.8"], "203.0.113.7"),
            (&["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7", "10.9.9.9"], "203.0.113.7"),
            (&["10.7.7.7, 10.9.9.9"], "10.7.7.7"),
        ] {
            assert_eq!(sender(PROXY, chains).as_deref(), Ok(expected), "{chains:?}");
        }
    }

    #[test]
    fn chain_of_a_stranger_is_ignored_whatever_it_says() {
        for chain in ["203.0.113.7", "10.0.0.1", "nonsense", &"1".repeat(4096)] {
            assert_eq!(
                sender("192.0.2.1", &[chain]).as_deref(),
                Ok("192.0.2.1"),
                "{chain}"
            );
        }
        let connection = over("unix", PROXY);
        let answer = connection.sender(&headers(&[(FOR, "203.0.113.7")]));
        assert_eq!(answer, Ok(Sender::Socket));
    }

    #[test]
    fn other_headers_of_the_kind_are_not_read() {
        let lines = [
            ("forwarded", "for=203.0.113.7"),
            ("x-real-ip", "203.0.113.7"),
            ("x_forwarded_for", "203.0.113.7"),
        ];
        let answer = over(PROXY, PROXY).sender(&headers(&lines));
        assert_eq!(answer.map(|sender| sender.network()).as_deref(), Ok(PROXY));
    }

    #[test]
    fn whoever_connects_to_the_socket_is_believed_where_that_is_said() {
        let chain = headers(&[(FOR, "203.0.113.7")]);
        let answer = over("unix", "unix").sender(&chain);
        assert_eq!(
            answer.map(|sender| sender.network()).as_deref(),
            Ok("203.0.113.7")
        );
        assert_eq!(over("unix", "unix").sender(&HeaderMap::new()), Ok(Sender::Socket));
    }

    #[test]
    fn address_is_read_with_port_in_brackets_and_as_ipv4_in_ipv6() {
        for (chain, expected) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:4711", "203.0.113.7"),
            ("2a00:1:2:3::4", "2a00:1:2:3::/64"),
            ("[2a00:1:2:3::4]", "2a00:1:2:3::/64"),
            ("[2a00:1:2:3::4]:4711", "2a00:1:2:3::/64"),
            ("203.0.113.7, ::ffff:10.9.9.9", "203.0.113.7"),
            ("203.0.113.7,[2001:db8::1]:80", "203.0.113.7"),
            (" \t203.0.113.7 ", "203.0.113.7"),
        ] {
            assert_eq!(sender(PROXY, &[chain]).as_deref(), Ok(expected), "{chain}");
        }
        let mapped = sender("::ffff:10.0.0.1", &["203.0.113.7"]);
        assert_eq!(
            mapped.as_deref(),
            Ok("203.0.113.7"),
            "a peer on a socket for both"
        );
    }

    #[test]
    fn chain_that_a_proxy_should_not_have_passed_on_is_refused() {
        for chain in [
            "",
            "unknown",
            "_hidden",
            "203.0.113.7,",
            "203.0.113.7, ,10.9.9.9",
            "203.0.113.256",
            "203.0.113.7:65536",
            "[203.0.113.7]",
            "[2a00::1",
            "2a00::1]",
            "203.0.113.7;10.9.9.9",
            "\"203.0.113.7\"",
            "for=203.0.113.7",
            "0x7f.1",
        ] {
            assert_eq!(sender(PROXY, &[chain]), Err(Bad::Malformed(FOR)), "{chain:?}");
        }
        let spoofed = sender(PROXY, &["unknown, 203.0.113.7"]);
        assert_eq!(
            spoofed.as_deref(),
            Ok("203.0.113.7"),
            "what a stranger wrote before it is not read"
        );
    }

    #[test]
    fn chain_has_at_most_1024_bytes() {
        let longest = format!("{:>1024}", "203.0.113.7");
        assert_eq!(sender(PROXY, &[&longest]).as_deref(), Ok("203.0.113.7"));
        assert_eq!(sender(PROXY, &[&format!(" {longest}")]), Err(Bad::TooLong(FOR)));
        let (half, line) = (format!("{:>512}", "203.0.113.7"), format!("{:>512}", "10.9.9.9"));
        assert_eq!(
            sender(PROXY, &[&half, &line]),
            Err(Bad::TooLong(FOR)),
            "over all lines"
        );
    }
}
