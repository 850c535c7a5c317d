//! The addresses that a session may open: one host, and never one that many could claim or nobody can own.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv6Net};

/// One host's address: what a rule lets in, as a /32 or a /128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostAddress(IpAddr);

/// Where a resource stands, and so which addresses make sense for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// On the internet: only public addresses.
    Public,
    /// Inside a private network: private addresses as well.
    Private,
}

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// One host of the internet.
    Public,
    /// Means one host inside some network, and another one elsewhere.
    Private(&'static str),
    /// Never one host that could be let in.
    Unusable(&'static str),
}

/// Why an address is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Not an address.
    #[error("Address refused: `{0}` is not an IP address")]
    NotAnAddress(String),
    /// More than one host.
    #[error("Address refused: {0} is wider than one host; give one address, without a prefix")]
    WiderThanAHost(String),
    /// An IPv4 address in the clothes of an IPv6 one, which a firewall may read either way.
    #[error("Address refused: {0} is an IPv4 address written as IPv6; give it as IPv4")]
    Ipv4Mapped(Ipv6Addr),
    /// Private: it would let in whoever has it in another network.
    #[error(
        "Address refused: {0} is {1}, and none of your resources is inside a private network; reach EntryGuard over the internet"
    )]
    Private(IpAddr, &'static str),
    /// Reserved, multicast, unspecified and the like.
    #[error("Address refused: {0} is {1}, which is never one host of the internet")]
    Reserved(IpAddr, &'static str),
    /// Two addresses of one family.
    #[error("Address refused: a session opens one IPv4 and one IPv6 address at the most")]
    TwoOfAFamily,
    /// None at all.
    #[error("Address refused: a session needs an IPv4 or an IPv6 address")]
    None,
}

impl HostAddress {
    /// Reads one address; a /32 or a /128 behind it says the same.
    pub fn parse(text: &str) -> Result<Self, AddressRefused> {
        let text = text.trim();
        let (host, prefix) = match text.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = host.parse().map_err(|_| AddressRefused::NotAnAddress(text.to_owned()))?;
        let full = if address.is_ipv4() { "32" } else { "128" };
        match prefix {
            Some(prefix) if prefix != full => Err(AddressRefused::WiderThanAHost(text.to_owned())),
            _ => Self::new(address),
        }
    }

    /// An address that is at least possible for a resource in a private network.
    pub fn new(address: IpAddr) -> Result<Self, AddressRefused> {
        if let IpAddr::V6(v6) = address
            && v6.to_ipv4_mapped().is_some()
        {
            return Err(AddressRefused::Ipv4Mapped(v6));
        }
        match AddressClass::of(address) {
            AddressClass::Public | AddressClass::Private(_) => Ok(Self(address)),
            AddressClass::Unusable(kind) => Err(AddressRefused::Reserved(address, kind)),
        }
    }

    /// Whether a resource on `network` may be opened for it.
    pub fn admitted_by(self, network: Network) -> Result<(), AddressRefused> {
        match (AddressClass::of(self.0), network) {
            (AddressClass::Public, _) | (AddressClass::Private(_), Network::Private) => Ok(()),
            (AddressClass::Private(kind), Network::Public) => Err(AddressRefused::Private(self.0, kind)),
            (AddressClass::Unusable(kind), _) => Err(AddressRefused::Reserved(self.0, kind)),
        }
    }

    /// The address itself.
    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// As the network of one host that firewalls are told: `/32` or `/128`.
    pub fn cidr(self) -> String {
        match self.0 {
            IpAddr::V4(v4) => format!("{v4}/32"),
            IpAddr::V6(v6) => format!("{v6}/128"),
        }
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The addresses of one session: IPv4, IPv6 or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    first: HostAddress,
    second: Option<HostAddress>,
}

impl Addresses {
    /// From one or two addresses of different families.
    pub fn new(addresses: &[HostAddress]) -> Result<Self, AddressRefused> {
        match addresses {
            [] => Err(AddressRefused::None),
            [one] => Ok(Self { first: *one, second: None }),
            [a, b] if a == b => Ok(Self { first: *a, second: None }),
            [a, b] if a.0.is_ipv4() != b.0.is_ipv4() => {
                let (v4, v6) = if a.0.is_ipv4() { (*a, *b) } else { (*b, *a) };
                Ok(Self { first: v4, second: Some(v6) })
            }
            _ => Err(AddressRefused::TwoOfAFamily),
        }
    }

    /// Each address, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = HostAddress> + use<> {
        std::iter::once(self.first).chain(self.second)
    }

    /// The IPv4 address.
    pub fn ipv4(&self) -> Option<HostAddress> {
        self.iter().find(|address| address.0.is_ipv4())
    }

    /// The IPv6 address.
    pub fn ipv6(&self) -> Option<HostAddress> {
        self.iter().find(|address| address.0.is_ipv6())
    }
}

impl Addresses {
    /// Whether somebody at these addresses now comes from elsewhere: one of a family that is here, and another address.
    pub fn differ_from(&self, seen: &[HostAddress]) -> bool {
        let differs = |seen: &HostAddress| self.iter().any(|own| own.0.is_ipv4() == seen.0.is_ipv4() && own != *seen);
        seen.iter().any(differs)
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.second.map_or(Ok(()), |second| write!(f, " and {second}"))
    }
}

impl AddressClass {
    /// The class of `address`, after IANA's special-purpose registries.
    pub fn of(address: IpAddr) -> Self {
        let special = SPECIAL.iter().find(|(net, _)| net.contains(&address)).map(|(_, class)| *class);
        let is_unassigned = matches!(address, IpAddr::V6(v6) if !GLOBAL_UNICAST.contains(&v6));
        special.or(is_unassigned.then_some(Self::Unusable("an unassigned address"))).unwrap_or(Self::Public)
    }
}

/// What is handed out as global unicast: outside of it nothing is a host of the internet.
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The networks of IANA's registries; what a line has to be is beside them.
static SPECIAL: LazyLock<Vec<(IpNet, AddressClass)>> = LazyLock::new(|| special_lines().filter_map(special_network).collect());

fn special_lines() -> impl Iterator<Item = &'static str> {
    include_str!("special_networks.tsv").lines().filter(|line| !line.starts_with('#'))
}

fn special_network(line: &'static str) -> Option<(IpNet, AddressClass)> {
    let mut columns = line.split('\t');
    let (net, class, words) = (columns.next()?.parse().ok()?, columns.next()?, columns.next()?);
    match class {
        "private" => Some((net, AddressClass::Private(words))),
        "unusable" => Some((net, AddressClass::Unusable(words))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn refusal_on_the_internet(text: &str) -> String {
        let refused = HostAddress::parse(text).and_then(|address| address.admitted_by(Network::Public));
        refused.map_or_else(|e| e.to_string(), |()| "admitted".to_owned())
    }

    #[test]
    fn i4_only_a_public_host_address_is_opened() {
        for text in ["93.184.216.34", "93.184.216.34/32", "2606:2800:220:1::1", "2606:2800:220:1::1/128"] {
            assert_eq!(refusal_on_the_internet(text), "admitted", "{text}");
        }
        for (text, why) in [
            ("10.1.2.3", "a private address"),
            ("100.64.0.1", "CGNAT"),
            ("127.0.0.1", "loopback"),
            ("0.0.0.0", "unspecified"),
            ("224.0.0.1", "multicast"),
            ("203.0.113.7", "documentation"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:93.184.216.34", "IPv4 address written as IPv6"),
            ("fe80::1", "link-local"),
            ("ff02::1", "multicast"),
            ("4000::1", "unassigned"),
            ("192.31.196.1", "AS112"),
            ("192.175.48.255", "AS112"),
            ("192.52.193.1", "multicast relays"),
            ("192.88.99.2", "6to4 relay"),
            ("192.0.0.9", "reserved"),
            ("198.19.255.255", "benchmarking"),
            ("255.255.255.255", "reserved"),
            ("2620:4f:8000::1", "AS112"),
            ("2001:4:112::1", "AS112"),
            ("2001::1", "Teredo"),
            ("2001:1::3", "a protocol's own"),
            ("2001:1ff:ffff::1", "a protocol's own"),
            ("2002::1", "6to4"),
            ("3fff:fff::1", "documentation"),
            ("5f00::1", "reserved"),
            ("100::1", "discard"),
            ("100:0:0:1::1", "dummy"),
            ("64:ff9b:1::1", "translator"),
            ("93.184.216.0/24", "wider than one host"),
            ("0.0.0.0/0", "wider than one host"),
            ("2606::/64", "wider than one host"),
            ("093.184.216.34", "not an IP address"),
            ("fe80::1%eth0", "not an IP address"),
            ("example.com", "not an IP address"),
        ] {
            assert!(refusal_on_the_internet(text).contains(why), "{text}: {}", refusal_on_the_internet(text));
        }
    }

    #[test]
    fn i4_every_line_of_the_registries_counts_and_its_neighbours_do_not() {
        assert_eq!(SPECIAL.len(), special_lines().count());
        assert_eq!(special_lines().filter(|line| line.split('\t').count() == 5).count(), SPECIAL.len());
        for (net, class) in SPECIAL.iter() {
            for address in [net.network(), net.broadcast()] {
                assert_ne!(AddressClass::of(address), AddressClass::Public, "{address} of {net}");
            }
            assert!(net.addr() == net.trunc().addr() && !matches!(class, AddressClass::Public), "{net}");
        }
        for text in ["192.31.195.255", "192.31.197.0", "192.175.49.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"] {
            assert_eq!(refusal_on_the_internet(text), "admitted", "{text}");
        }
        for text in ["2001:200::1", "2001:db7::1", "2003::1", "2620:4f:8001::1", "2620:4f:7fff::1", "3fff:1000::1"] {
            assert_eq!(refusal_on_the_internet(text), "admitted", "{text}");
        }
    }

    #[test]
    fn a_resource_inside_a_private_network_admits_private_addresses_too() {
        let admits = |text| HostAddress::parse(text).is_ok_and(|address| address.admitted_by(Network::Private).is_ok());
        assert!(admits("10.1.2.3") && admits("127.0.0.1") && admits("93.184.216.34"));
        assert!(!admits("224.0.0.1") && !admits("0.0.0.0"));
    }

    #[test]
    fn a_session_has_one_address_of_a_family_at_the_most() {
        let [a, b, six] = ["93.184.216.34", "93.184.216.35", "2606::1"].map(|text| HostAddress::parse(text).unwrap());
        assert_eq!(Addresses::new(&[six, a]).unwrap().to_string(), "93.184.216.34 and 2606::1");
        assert_eq!(Addresses::new(&[a, b]), Err(AddressRefused::TwoOfAFamily));
        assert_eq!(Addresses::new(&[]), Err(AddressRefused::None));
    }

    proptest! {
        #[test]
        fn i4_whatever_is_admitted_is_one_global_host(bits: u32) {
            let ip = Ipv4Addr::from(bits);
            if let Ok(address) = HostAddress::new(ip.into()) && address.admitted_by(Network::Public).is_ok() {
                prop_assert!(!ip.is_private() && !ip.is_loopback() && !ip.is_link_local() && !ip.is_multicast());
                prop_assert!(!ip.is_broadcast() && !ip.is_unspecified() && !ip.is_documentation());
                prop_assert!(address.cidr().ends_with("/32"));
            }
        }

        #[test]
        fn any_text_is_refused_or_reads_back(text in "\\PC{0,40}") {
            if let Ok(address) = HostAddress::parse(&text) {
                prop_assert_eq!(HostAddress::parse(&address.cidr()), Ok(address));
            }
        }
    }
}
