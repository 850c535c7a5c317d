//! Addresses that many people come from at once: whoever opens something for one of them lets all of these people in.

use ipnet::IpNet;

use super::HostAddress;

/// The way out of a network that many people share: an office's VPN, a mobile carrier's gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedExit {
    /// What people call it.
    pub name: String,
    /// Where it comes out.
    pub networks: Vec<IpNet>,
}

impl SharedExit {
    /// Whether an address is one of its.
    pub fn has(&self, address: HostAddress) -> bool {
        self.networks.iter().any(|network| network.contains(&address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Addresses;

    fn host(text: &str) -> HostAddress {
        HostAddress::parse(text).unwrap()
    }

    #[test]
    fn an_exit_has_the_addresses_of_its_networks() {
        let networks = vec!["93.184.216.0/24".parse().unwrap(), "2606:2800::/32".parse().unwrap()];
        let exit = SharedExit { name: "Office VPN".to_owned(), networks };
        assert!(exit.has(host("93.184.216.34")) && exit.has(host("2606:2800::1")));
        assert!(!exit.has(host("93.184.217.34")) && !exit.has(host("2606:2801::1")));
    }

    #[test]
    fn only_another_address_of_the_same_family_differs() {
        let both = Addresses::new(&[host("93.184.216.34"), host("2606:2800::1")]).unwrap();
        let four = Addresses::new(&[host("93.184.216.34")]).unwrap();
        assert!(!both.differ_from(&[host("93.184.216.34")]));
        assert!(both.differ_from(&[host("93.184.216.34"), host("2606:2800::2")]));
        assert!(four.differ_from(&[host("93.184.216.35")]));
        assert!(!four.differ_from(&[host("2606:2800::1")]), "what is not seen is not known to have changed");
    }
}
