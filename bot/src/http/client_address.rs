//! The caller's address: the peer's, or what a trusted proxy says of it. Anything doubtful is refused rather than guessed,
//! because whatever comes out of here is what gets opened.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use entryguard_core::config::ServerSettings;
use entryguard_core::domain::{AddressRefused, HostAddress};
use http::HeaderMap;
use ipnet::IpNet;

use super::Shared;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// What could be told of the caller's address.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub Result<HostAddress, AddressDoubt>);

/// Why the caller's address is not known for certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressDoubt {
    /// The proxy did not say.
    #[error(
        "The request came through the proxy {0}, which did not say whose it is. The proxy has to add X-Forwarded-For; `Forwarded` \
         is not read."
    )]
    ProxySilent(IpAddr),
    /// What the proxy said cannot be read.
    #[error("The proxy {proxy} passed on an X-Forwarded-For that cannot be read (`{entry}`), so your address is not certain.")]
    Unreadable {
        /// Who passed it on.
        proxy: IpAddr,
        /// What cannot be read.
        entry: String,
    },
    /// Only proxies all the way.
    #[error("Every address in X-Forwarded-For is a trusted proxy's, so your own is not known.")]
    OnlyProxies,
    /// Somebody forwards who is not trusted to, or somebody forges.
    #[error(
        "The request has an X-Forwarded-For, but {0} is not a trusted proxy, so it is not believed. \
         If {0} is a proxy of yours, add it to [server] trusted_proxies; otherwise send the request without that header."
    )]
    UntrustedForwarding(IpAddr),
    /// Known, and never opened.
    #[error(transparent)]
    Refused(#[from] AddressRefused),
}

/// The address of the caller, from the connection's peer and the request's headers.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Result<HostAddress, AddressDoubt> {
    // A socket that listens on both families shows an IPv4 peer as a mapped one, here and in what a proxy writes of its own peers.
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if !is_trusted(peer) {
        return match headers.contains_key(FORWARDED_FOR) {
            true => Err(AddressDoubt::UntrustedForwarding(peer)),
            false => Ok(HostAddress::new(peer)?),
        };
    }
    let mut entries = Vec::new();
    for line in headers.get_all(FORWARDED_FOR) {
        let unreadable = |_| AddressDoubt::Unreadable { proxy: peer, entry: "not text".into() };
        entries.extend(line.to_str().map_err(unreadable)?.split(',').map(str::trim));
    }
    if entries.is_empty() {
        return Err(AddressDoubt::ProxySilent(peer));
    }
    // From the right: each proxy appends whom it saw, and only what trusted ones appended is evidence.
    for entry in entries.into_iter().rev() {
        let unreadable = || AddressDoubt::Unreadable { proxy: peer, entry: entry.chars().take(64).collect() };
        let address = forwarded_address(entry).ok_or_else(unreadable)?;
        if !is_trusted(address) {
            return Ok(HostAddress::new(address)?);
        }
    }
    Err(AddressDoubt::OnlyProxies)
}

/// The address of an entry, in each of the ways that proxies write one: alone or with the port of the connection, IPv6 in brackets or
/// without, either in quotes, and IPv4 as a socket of both families shows it. IPv6 with a port and no brackets reads as another address,
/// so it is taken for what it says.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let entry = match entry.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => entry,
    };
    let in_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    // A scope names an interface of the proxy's own machine, and means nothing here.
    let with_port = || entry.parse().ok().filter(|_| !entry.contains('%')).map(|socket: SocketAddr| socket.ip());
    let address = entry.parse().ok().or_else(in_brackets).or_else(with_port)?;
    Some(address.to_canonical())
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    Shared: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let shared = Shared::from_ref(state);
        let ServerSettings { trusted_proxies, .. } = shared.server.as_ref();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        // Without a peer there is no evidence of any kind; an unspecified address is refused like every other.
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        Ok(Self(client_address(peer, &parts.headers, trusted_proxies)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.7";
    const CALLER: &str = "93.184.216.34";

    fn seen(peer: &str, forwarded: &[&str]) -> Result<String, AddressDoubt> {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn the_peer_is_the_caller_where_no_proxy_is() {
        assert_eq!(seen(CALLER, &[]), Ok(CALLER.into()));
        assert_eq!(seen("::ffff:93.184.216.34", &[]), Ok(CALLER.into()));
    }

    #[test]
    fn a_trusted_proxy_is_believed_from_the_right() {
        assert_eq!(seen(PROXY, &[CALLER]), Ok(CALLER.into()));
        assert_eq!(seen(PROXY, &["1.1.1.1, 93.184.216.34, 10.0.0.9"]), Ok(CALLER.into()));
        assert_eq!(seen(PROXY, &["1.1.1.1", "93.184.216.34"]), Ok(CALLER.into()));
    }

    #[test]
    fn a_forged_header_is_not_believed() {
        assert_eq!(seen(CALLER, &["1.1.1.1"]), Err(AddressDoubt::UntrustedForwarding(CALLER.parse().unwrap())));
    }

    #[test]
    fn what_is_doubtful_is_refused() {
        assert_eq!(seen(PROXY, &[]), Err(AddressDoubt::ProxySilent(PROXY.parse().unwrap())));
        assert_eq!(seen(PROXY, &["10.0.0.9"]), Err(AddressDoubt::OnlyProxies));
        for entry in [
            "unknown",
            "_hidden",
            "",
            "93.184.216.34,",
            "93.184.216.34 1.1.1.1",
            "93.184.216.34/32",
            "93.184.216.034",
            "93.184.216.34:",
            "93.184.216.34:99999",
            "93.184.216.34:+80",
            "93.184.216.34:80:80",
            "[93.184.216.34]",
            "[93.184.216.34]:80",
            "[2606:4700::1111",
            "2606:4700::1111]",
            "2606:4700::1111]:1",
            "[2606:4700::1111]443",
            "[2606:4700::1111]:",
            "[2606:4700::1111%eth0]:443",
            "[2606:4700::1111%2]:443",
            "::ffff:93.184.216.34:443",
            "\"93.184.216.34",
            "93.184.216.34\"",
            "\"\"",
            "for=93.184.216.34",
        ] {
            assert!(matches!(seen(PROXY, &[entry]), Err(AddressDoubt::Unreadable { .. })), "{entry}");
            let as_hop = format!("93.184.216.34, {entry}");
            assert!(matches!(seen(PROXY, &[&as_hop]), Err(AddressDoubt::Unreadable { .. })), "{as_hop}");
        }
        assert!(matches!(seen(PROXY, &["::ffff:224.0.0.1"]), Err(AddressDoubt::Refused(AddressRefused::Reserved(..)))));
    }

    #[test]
    fn every_way_in_which_proxies_write_an_address_is_read() {
        let six = "2606:4700::1111";
        for (entry, address) in [
            ("93.184.216.34:51008", CALLER),
            ("\"93.184.216.34\"", CALLER),
            ("\"93.184.216.34:51008\"", CALLER),
            ("::ffff:93.184.216.34", CALLER),
            ("::FFFF:5db8:d822", CALLER),
            ("[::ffff:93.184.216.34]:51008", CALLER),
            ("\t93.184.216.34  ", CALLER),
            (six, six),
            ("2606:4700:0:0:0:0:0:1111", six),
            ("2606:4700:0000::1111", six),
            ("[2606:4700::1111]", six),
            ("[2606:4700::1111]:443", six),
            ("\"[2606:4700::1111]\"", six),
            ("\"[2606:4700::1111]:443\"", six),
        ] {
            assert_eq!(seen(PROXY, &[entry]), Ok(address.into()), "{entry}");
            for hop in ["10.0.0.9", "10.0.0.9:443", "\"10.0.0.9:443\"", "::ffff:10.0.0.9", "[::ffff:10.0.0.9]:443"] {
                let line = format!("1.1.1.1,{entry},{hop}");
                assert_eq!(seen(PROXY, &[&line]), Ok(address.into()), "{line}");
            }
        }
    }
}
