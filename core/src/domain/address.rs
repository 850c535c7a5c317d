//! The addresses that a session may open: one host, and never one that many could claim or nobody can own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

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
        let found = match address {
            IpAddr::V4(v4) => SPECIAL_V4.iter().find(|(net, _)| v4_net(net).contains(&v4)).map(|(_, class)| *class),
            // Outside the one block that is handed out as global unicast, nothing is a host of the internet.
            IpAddr::V6(v6) => SPECIAL_V6
                .iter()
                .find(|(net, _)| v6_net(net).contains(&v6))
                .map(|(_, class)| *class)
                .or((!v6_net(&GLOBAL_UNICAST).contains(&v6)).then_some(Self::Unusable("an unassigned address"))),
        };
        found.unwrap_or(Self::Public)
    }
}

type V4Block = ([u8; 4], u8);
type V6Block = ([u16; 8], u8);

const GLOBAL_UNICAST: V6Block = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

fn v4_net((octets, prefix): &V4Block) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from(*octets), *prefix)
}

fn v6_net((segments, prefix): &V6Block) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from(*segments), *prefix)
}

use AddressClass::{Private, Unusable};

const SPECIAL_V4: [(V4Block, AddressClass); 18] = [
    (([0, 0, 0, 0], 8), Unusable("an unspecified address")),
    (([10, 0, 0, 0], 8), Private("a private address")),
    (([100, 64, 0, 0], 10), Private("an address that a carrier's NAT (CGNAT) shares among many")),
    (([127, 0, 0, 0], 8), Private("a loopback address")),
    (([169, 254, 0, 0], 16), Unusable("a link-local address")),
    (([172, 16, 0, 0], 12), Private("a private address")),
    (([192, 0, 0, 0], 24), Unusable("a reserved address")),
    (([192, 0, 2, 0], 24), Unusable("a documentation address")),
    (([192, 31, 196, 0], 24), Unusable("a reserved address")),
    (([192, 52, 193, 0], 24), Unusable("a reserved address")),
    (([192, 88, 99, 0], 24), Unusable("a reserved address")),
    (([192, 168, 0, 0], 16), Private("a private address")),
    (([192, 175, 48, 0], 24), Unusable("a reserved address")),
    (([198, 18, 0, 0], 15), Unusable("a benchmarking address")),
    (([198, 51, 100, 0], 24), Unusable("a documentation address")),
    (([203, 0, 113, 0], 24), Unusable("a documentation address")),
    (([224, 0, 0, 0], 4), Unusable("a multicast address")),
    (([240, 0, 0, 0], 4), Unusable("a reserved address")),
];

const SPECIAL_V6: [(V6Block, AddressClass); 14] = [
    (([0, 0, 0, 0, 0, 0, 0, 0], 128), Unusable("an unspecified address")),
    (([0, 0, 0, 0, 0, 0, 0, 1], 128), Private("a loopback address")),
    (([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), Unusable("an IPv4 address written as IPv6")),
    (([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), Unusable("an IPv4 address behind a translator")),
    (([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Unusable("an IPv4 address behind a translator")),
    (([0x100, 0, 0, 0, 0, 0, 0, 0], 64), Unusable("a discard address")),
    (([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Unusable("a protocol's own address")),
    (([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Unusable("a documentation address")),
    (([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Unusable("a 6to4 address")),
    (([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Unusable("a documentation address")),
    (([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), Unusable("a reserved address")),
    (([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Private("a private address")),
    (([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Unusable("a link-local address")),
    (([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Unusable("a multicast address")),
];

#[cfg(test)]
mod tests {
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
