//! The runner's address, as two services that know nothing of each other see it.

use std::net::IpAddr;
use std::time::Duration;

use entryguard_core::domain::{AddressRefused, Addresses, HostAddress, Network};
use futures_util::future::try_join_all;
use http::Uri;

use crate::http::{NoAnswer, text};
use crate::inputs::{Inputs, words};

/// Who is asked, unless the workflow names others. Each answers with the caller's IPv4 address alone.
const SERVICES: &str = "https://checkip.amazonaws.com https://api.ipify.org";
/// How often.
const TRIES: u32 = 3;

/// Why the runner's address is not known.
#[derive(Debug, thiserror::Error)]
pub enum AddressUnknown {
    /// One service alone could be anybody's word.
    #[error("`address-services` needs two services at least, of different hosts: one alone could say whatever it likes")]
    TooFew,
    /// Whoever is on the way could say what they like.
    #[error("`address-services`: {0} is not an https:// address; over plain HTTP anybody on the way could name an address")]
    Plain(String),
    /// One is silent.
    #[error(
        "the runner's address is not certain: {0}. Try again, name others in `address-services`, or give the address as `ip`"
    )]
    Silent(#[from] NoAnswer),
    /// One says something else than an address.
    #[error("the runner's address is not certain: {0} does not answer with an address. Name others in `address-services`")]
    NoAddress(String),
    /// They say different things.
    #[error(
        "the runner's address is not certain: {one} sees {address}, and {other} sees {another}. It may have several exits; \
         give the address as `ip`"
    )]
    Disagree {
        /// A service.
        one: String,
        /// What it sees.
        address: HostAddress,
        /// Another service.
        other: String,
        /// What that sees.
        another: HostAddress,
    },
    /// Not an address to open anything for.
    #[error(transparent)]
    Refused(#[from] AddressRefused),
}

/// The addresses that the workflow gives, or else the one that all services agree on.
pub async fn of_the_runner(inputs: &Inputs) -> Result<Addresses, AddressUnknown> {
    let given: Vec<_> = [&inputs.ip.v4, &inputs.ip.v6].into_iter().flatten().collect();
    let hosts = match given.as_slice() {
        [] => vec![agreed(services(&inputs.address_services)?).await?],
        given => given.iter().map(|address| HostAddress::parse(address)).collect::<Result<_, _>>()?,
    };
    for host in &hosts {
        host.admitted_by(Network::Public)?;
    }
    Ok(Addresses::new(&hosts)?)
}

fn services(named: &str) -> Result<Vec<&str>, AddressUnknown> {
    let named: Vec<_> = words(if named.trim().is_empty() { SERVICES } else { named }).collect();
    if let Some(plain) = named.iter().find(|url| !nobody_is_between(url)) {
        return Err(AddressUnknown::Plain((*plain).to_owned()));
    }
    let mut hosts: Vec<_> = named.iter().map(|url| host(url)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.len() < 2 { Err(AddressUnknown::TooFew) } else { Ok(named) }
}

/// Whether what answers there is who it says it is: by TLS, or because it is on this machine.
fn nobody_is_between(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    url.scheme_str() == Some("https") || url.scheme_str() == Some("http") && url.host().is_some_and(is_this_machine)
}

/// Whose word it is: its host, whatever the port. On this machine, where only tests ask, the port tells services apart.
fn host(url: &str) -> String {
    let url = url.parse::<Uri>().unwrap_or_default();
    let host = url.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let port = url.port_u16().filter(|_| is_this_machine(&host));
    port.map_or(host.clone(), |port| format!("{host}:{port}"))
}

fn is_this_machine(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn agreed(services: Vec<&str>) -> Result<HostAddress, AddressUnknown> {
    let seen = try_join_all(services.iter().map(|service| ask(service))).await?;
    let (Some(one), Some(address)) = (services.first(), seen.first()) else { return Err(AddressUnknown::TooFew) };
    match services.iter().zip(&seen).find(|(_, another)| *another != address) {
        None => Ok(*address),
        Some((other, another)) => {
            Err(AddressUnknown::Disagree { one: host(one), address: *address, other: host(other), another: *another })
        }
    }
}

async fn ask(service: &str) -> Result<HostAddress, AddressUnknown> {
    let mut tried = 1;
    loop {
        match text(service).await {
            Ok(text) => return HostAddress::parse(&text).map_err(|_| AddressUnknown::NoAddress(host(service))),
            Err(NoAnswer::Silent(..)) if tried < TRIES => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                tried += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_alone_or_a_plain_one_is_not_believed() {
        assert_eq!(services("").unwrap().len(), 2);
        let refused = |named: &str| services(named).unwrap_err().to_string();
        assert!(refused("https://a.example").contains("two services"));
        assert!(refused("https://a.example/x https://a.example/y").contains("two services"));
        assert!(refused("https://a.example https://a.example:8443 https://A.example.:444").contains("two services"));
        for plain in ["http://a.example", "http://127.0.0.1.example.com", "http://127.0.0.1:80@a.example", "ftp://a.example"] {
            assert!(refused(&format!("{plain} https://b.example")).contains("not an https:// address"), "{plain}");
        }
        assert_eq!(services("http://127.0.0.1:1/a http://127.0.0.1:2/a").unwrap().len(), 2);
    }
}
