//! Networks of the configuration: one reader for all of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A network, or one address of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network(pub(super) IpNet);

/// Why a text is no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotANetwork {
    #[error("`{0}` is not a network; write one like `10.0.0.0/8` or `2001:db8::/32`, or an address like `10.0.0.5`")]
    Unreadable(String),
    #[error(
        "`{0}` is not a network: its address has bits beyond its prefix; write `{1}` for all of it, or `{2}` for one address"
    )]
    BitsBeyondThePrefix(String, IpNet, IpAddr),
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let net: IpNet = text.parse().ok().or_else(address).ok_or_else(|| NotANetwork::Unreadable(text.to_owned()))?;
        if net.trunc().addr() != net.addr() {
            return Err(NotANetwork::BitsBeyondThePrefix(text.to_owned(), net.trunc(), net.addr()));
        }
        Ok(Self(as_ipv4(net).unwrap_or(net)))
    }
}

/// IPv4 addresses are compared as such, however the network is written.
fn as_ipv4(net: IpNet) -> Option<IpNet> {
    let IpNet::V6(net) = net else { return None };
    let prefix = net.prefix_len().checked_sub(96)?;
    Ipv4Net::new(net.addr().to_ipv4_mapped()?, prefix).ok().map(IpNet::V4)
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NetworkVisitor)
    }
}

struct NetworkVisitor;

impl Visitor<'_> for NetworkVisitor {
    type Value = Network;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network like \"10.0.0.0/8\", or an address like \"10.0.0.5\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Network, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_or_an_address_and_nothing_that_could_mean_both() {
        for (text, net) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.5", "10.0.0.5/32"),
            ("10.0.0.5/32", "10.0.0.5/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::5", "2001:db8::5/128"),
            ("::ffff:10.0.0.5", "10.0.0.5/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(text.parse::<Network>().map(|net| net.0.to_string()), Ok(net.to_owned()), "{text}");
        }
        for text in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0-10.0.0.9", "10.0.0.*", "proxy", "10.0.0.0/255.0.0.0"] {
            assert!(matches!(text.parse::<Network>(), Err(NotANetwork::Unreadable(_))), "{text}");
        }
        let said = "10.0.0.5/8".parse::<Network>().unwrap_err().to_string();
        assert!(said.contains("`10.0.0.0/8` for all of it, or `10.0.0.5` for one address"), "{said}");
    }
}
