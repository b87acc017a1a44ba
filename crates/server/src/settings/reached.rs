//! How the server is reached: the address people type, where it listens, which proxies stand before it.
//!
//! Knows: the spelling of addresses, hosts and networks. Must never know: requests; whoever answers those asks
//! here which address is a proxy's.
//!
//! Read next: `door::http::proxied`, where [`Proxies`] decide whom to believe.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::table::Wrong;

/// Longest path of a socket in bytes: what the operating system's own address of one holds (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Most networks of proxies, each of which is looked at for every address of a chain.
const PROXIES_MAX: usize = 64;
/// What a socket in the file system is called among addresses.
const SOCKET: &str = "unix";

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At an address and a port.
    Address(SocketAddr),
    /// At a socket in the file system.
    Socket(PathBuf),
}

impl Listen {
    /// Whether other machines can connect.
    pub fn is_beyond_this_machine(&self) -> bool {
        match self {
            Listen::Address(address) => !address.ip().to_canonical().is_loopback(),
            Listen::Socket(_) => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Address(address) => address.fmt(f),
            Listen::Socket(path) => write!(f, "{SOCKET}:{}", path.display()),
        }
    }
}

/// Who is believed about where a request came from; by default nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<IpNet>,
    socket: bool,
}

impl Proxies {
    /// Everybody in these networks and, where it is said, at the socket.
    pub fn new(networks: Vec<IpNet>, socket: bool) -> Proxies {
        Proxies { networks, socket }
    }

    /// Whether no address is a proxy's.
    pub fn have_no_network(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whether an address is a proxy's; an IPv4 address that is spelled as an IPv6 one is the IPv4 address.
    pub fn hold(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether everybody who connects to the socket in the file system is a proxy.
    pub fn hold_socket(&self) -> bool {
        self.socket
    }
}

/// Reads where to listen.
pub(super) fn listen(text: &str) -> Result<Listen, Wrong> {
    let Some(path) = text.strip_prefix("unix:") else {
        return text.parse().map(Listen::Address).map_err(|_| {
            let remedy = "write ADDR:PORT, for example 127.0.0.1:8443, or unix:/PATH";
            (format!("{text:?} is no address with a port"), remedy.to_owned())
        });
    };
    if (1..=SOCKET_PATH_BYTES_MAX).contains(&path.len()) {
        return Ok(Listen::Socket(path.into()));
    }
    let problem = format!("the path of a socket has 1 to {SOCKET_PATH_BYTES_MAX} bytes");
    Err((
        problem,
        "write unix:/PATH, for example unix:/run/countersign/http".into(),
    ))
}

/// Reads the address people type: scheme, host and perhaps a port, in the one spelling that browsers use.
pub(super) fn public_url(text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |problem: &str| {
        let remedy = "write scheme, host and perhaps a port, as in https://id.example.org";
        Err((format!("{text:?} {problem}"), remedy.to_owned()))
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("does not begin with https://");
    };
    let scheme = scheme.to_ascii_lowercase();
    let implied = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return wrong("does not begin with https://"),
    };
    // An address without a path and one with the path `/` are the same (RFC 3986 §6.2.3).
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '\\']) {
        return wrong("goes on behind the host, where our own paths begin");
    }
    if rest.contains('@') {
        return wrong("names somebody before the host");
    }
    let Some(authority) = authority(rest, implied) else {
        return wrong("has no host or port that can be read");
    };
    if scheme == "http" && !is_loopback_host(&authority) {
        return wrong("is not https, which every host but localhost needs");
    }
    Ok(Some(format!("{scheme}://{authority}")))
}

/// A host and perhaps a port in one spelling: lower case, IPv6 in brackets, no port that the scheme implies.
pub fn authority(text: &str, implied: u16) -> Option<String> {
    // The colons inside brackets are the address's own.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = match host.strip_prefix('[') {
        Some(address) => format!("[{}]", address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => Some(host.to_ascii_lowercase()).filter(|host| is_host_name(host))?,
    };
    let Some(port) = port else { return Some(host) };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| is_number && *port != 0)?;
    Some(if port == implied {
        host
    } else {
        format!("{host}:{port}")
    })
}

/// Whether a text can be a host's name or IPv4 address.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(is_known)
}

/// Whether the host of such an authority is this machine to itself.
fn is_loopback_host(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads which networks are proxies'.
pub(super) fn proxies(text: &str) -> Result<Proxies, Wrong> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let (sockets, networks): (Vec<&str>, Vec<&str>) = entries.partition(|entry| *entry == SOCKET);
    if networks.len() > PROXIES_MAX {
        let problem = format!("{} networks are too many", networks.len());
        return Err((
            problem,
            format!("name at most {PROXIES_MAX}, wider ones if need be"),
        ));
    }
    let networks: Result<Vec<IpNet>, Wrong> = networks.into_iter().map(network).collect();
    Ok(Proxies::new(networks?, !sockets.is_empty()))
}

/// Reads one network, or one address.
fn network(entry: &str) -> Result<IpNet, Wrong> {
    let one = entry.parse::<IpAddr>().map(IpNet::from);
    let Ok(network) = one.or_else(|_| entry.parse::<IpNet>()) else {
        let remedy = "write networks such as 192.0.2.0/24, addresses, or unix".to_owned();
        return Err((format!("{entry:?} is no network"), remedy));
    };
    if network.trunc() != network {
        let remedy = format!("write {}, or one address without a prefix", network.trunc());
        return Err((format!("{entry:?} names part of a network"), remedy));
    }
    if network.prefix_len() == 0 {
        let remedy = "name the proxies' own addresses".to_owned();
        return Err((
            format!("{entry:?} is everybody, and anybody would be believed"),
            remedy,
        ));
    }
    if matches!(network.addr(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some()) {
        let remedy = "write the IPv4 network itself".to_owned();
        return Err((
            format!("{entry:?} is an IPv4 network in the spelling of IPv6"),
            remedy,
        ));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_has_one_spelling() {
        for (given, kept) in [
            ("https://id.example.org", "https://id.example.org"),
            ("https://id.example.org/", "https://id.example.org"),
            ("HTTPS://Id.Example.org:443", "https://id.example.org"),
            ("https://id.example.org:8443", "https://id.example.org:8443"),
            ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
            ("https://192.0.2.7", "https://192.0.2.7"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8787", "http://[::1]:8787"),
        ] {
            assert_eq!(public_url(given), Ok(Some(kept.to_owned())), "{given}");
        }
        assert_eq!(public_url(""), Ok(None));
    }

    #[test]
    fn what_is_wrong_with_a_public_url_is_named() {
        for (given, problem) in [
            ("id.example.org", "does not begin with https://"),
            ("ftp://id.example.org", "does not begin with https://"),
            ("https://id.example.org/auth", "goes on behind the host"),
            ("https://id.example.org//", "goes on behind the host"),
            ("https://id.example.org?x", "goes on behind the host"),
            ("https://id.example.org/#x", "goes on behind the host"),
            ("https://me@id.example.org", "names somebody"),
            ("https://", "has no host or port"),
            ("https://:8443", "has no host or port"),
            ("https://a b", "has no host or port"),
            ("https://id.example.org:", "has no host or port"),
            ("https://id.example.org:0", "has no host or port"),
            ("https://id.example.org:+1", "has no host or port"),
            ("https://id.example.org:65536", "has no host or port"),
            ("https://2001:db8::1", "has no host or port"),
            ("https://[2001:db8::1", "has no host or port"),
            ("https://[192.0.2.7]", "has no host or port"),
            ("https://b\u{fc}cher.example", "has no host or port"),
            ("http://id.example.org", "is not https"),
            ("http://localhost.example.org", "is not https"),
        ] {
            let (found, remedy) = public_url(given).expect_err(given);
            assert!(found.contains(problem), "{given}: {found}");
            assert!(remedy.contains("https://id.example.org"));
        }
    }

    #[test]
    fn server_listens_at_an_address_or_at_a_socket() {
        let loopback = listen("[::1]:8443").expect("an address");
        assert!(!loopback.is_beyond_this_machine());
        assert!(listen("[::]:8443").expect("an address").is_beyond_this_machine());
        assert!(
            !listen("[::ffff:127.0.0.1]:1")
                .expect("an address")
                .is_beyond_this_machine()
        );
        let socket = listen("unix:/run/countersign/http").expect("a socket");
        assert_eq!(socket, Listen::Socket("/run/countersign/http".into()));
        assert!(!socket.is_beyond_this_machine());
        for text in ["127.0.0.1:8443", "unix:/run/countersign/http"] {
            assert_eq!(listen(text).expect("it can be read").to_string(), text);
        }
        let longest = "p".repeat(SOCKET_PATH_BYTES_MAX);
        assert!(listen(&format!("unix:{longest}")).is_ok());
        for wrong in ["", "8443", "localhost:8443", "unix:", &format!("unix:{longest}p")] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_whole_networks_and_the_socket() {
        let few = proxies("192.0.2.0/24, 2001:db8::1, unix").expect("right");
        assert!(few.hold_socket() && !few.have_no_network());
        assert!(proxies("unix").expect("right").have_no_network());
        for (address, held) in [
            ("192.0.2.255", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.3.0", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(few.hold(address.parse().expect("an address")), held, "{address}");
        }
        let none = proxies("").expect("right");
        assert!(none.have_no_network() && !none.hold_socket() && !none.hold(IpAddr::from([127, 0, 0, 1])));
        for (wrong, problem) in [
            ("proxy.example.org", "is no network"),
            ("192.0.2.0/33", "is no network"),
            ("unix:/run/proxy", "is no network"),
            ("192.0.2.7/24", "names part of a network"),
            ("0.0.0.0/0", "is everybody"),
            ("::/0", "is everybody"),
            ("::ffff:192.0.2.0/120", "in the spelling of IPv6"),
        ] {
            let (found, _) = proxies(wrong).expect_err(wrong);
            assert!(found.contains(problem), "{wrong}: {found}");
        }
    }

    #[test]
    fn proxies_are_sixty_four_networks_at_most() {
        let networks = |count: usize| vec!["192.0.2.1"; count].join(",");
        assert!(proxies(&networks(PROXIES_MAX)).is_ok());
        assert!(proxies(&networks(PROXIES_MAX + 1)).is_err());
    }
}
