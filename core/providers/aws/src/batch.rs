//! Which additions may share a call: those that bear the same expiry, because a call's tags are one set.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range};
use entryguard_core::domain::{Ports, RulePart, Timestamp};
use entryguard_core::provider::Addition;

use crate::mark::description;

/// A tag's value holds 256 characters, and so six ids of 36 with the spaces between them.
pub(crate) const OPENINGS_A_CALL: u32 = 6;

/// One call's worth of additions.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) until: Timestamp,
    pub(crate) additions: Vec<&'a Addition>,
}

/// Splits additions into as few calls as the tags allow. What asks for none of the group's parts takes no part in any.
pub(crate) fn batches<'a>(additions: &'a [Addition], parts: &[RulePart]) -> Vec<Batch<'a>> {
    let mut by_expiry: BTreeMap<i64, Vec<&Addition>> = BTreeMap::new();
    for addition in additions.iter().filter(|addition| addition.parts.iter().any(|wanted| parts.contains(wanted))) {
        by_expiry.entry(addition.until.as_seconds()).or_default().push(addition);
    }
    let mut batches = Vec::new();
    for together in by_expiry.values() {
        for additions in together.chunks(OPENINGS_A_CALL as usize) {
            batches.extend(additions.first().map(|first| Batch { until: first.until, additions: additions.to_vec() }));
        }
    }
    batches
}

/// A call's permissions: for each range of ports, its IPv4 and IPv6 addresses together.
pub(crate) fn permissions(additions: &[&Addition], ports: &[Ports]) -> Vec<IpPermission> {
    ports.iter().filter_map(|range| permission(*range, additions)).collect()
}

fn permission(range: Ports, additions: &[&Addition]) -> Option<IpPermission> {
    let part = range.to_string();
    let wanted: Vec<_> = additions.iter().filter(|addition| addition.parts.iter().any(|wanted| wanted.0 == part)).collect();
    let mut permission = IpPermission::builder()
        .ip_protocol(range.protocol().as_str())
        .from_port(i32::from(range.from()))
        .to_port(i32::from(range.to()));
    for addition in &wanted {
        let (cidr, text) = (addition.address.cidr(), description(addition));
        permission = if addition.address.ip().is_ipv4() {
            permission.ip_ranges(IpRange::builder().cidr_ip(cidr).description(text).build())
        } else {
            permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).description(text).build())
        };
    }
    (!wanted.is_empty()).then(|| permission.build())
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{HostAddress, MemberName, OpeningId, Protocol, SessionId};

    use super::*;

    fn ssh() -> [RulePart; 1] {
        [RulePart("tcp 22".into())]
    }

    fn addition(opening: usize, address: &str, until: i64) -> Addition {
        Addition {
            opening: OpeningId::from_stored(format!("{opening:036}")),
            address: HostAddress::parse(address).unwrap(),
            parts: ssh().to_vec(),
            until: Timestamp::from_millis(until),
            member: MemberName::new("ana").unwrap(),
            session: SessionId::from_stored("0a1b2c3d"),
        }
    }

    #[test]
    fn a_sessions_two_addresses_share_a_call() {
        let both = [addition(1, "93.184.216.34", 1_000), addition(2, "2606::1", 1_000)];
        let batches = batches(&both, &ssh());
        assert_eq!(batches.len(), 1);
        let ports = [Ports::new(Protocol::Tcp, 22, 22).unwrap(), Ports::new(Protocol::Tcp, 443, 443).unwrap()];
        let permissions = permissions(&batches[0].additions, &ports);
        assert_eq!(permissions.len(), 1, "only the parts that are asked for");
        assert_eq!((permissions[0].ip_ranges().len(), permissions[0].ipv6_ranges().len()), (1, 1));
    }

    #[test]
    fn a_calls_tags_hold_one_expiry_and_at_most_six_openings() {
        let mut all: Vec<_> = (0..13).map(|n| addition(n, &format!("93.184.216.{n}"), 1_000)).collect();
        all.push(addition(13, "93.184.216.99", 2_000));
        all.push(Addition { parts: Vec::new(), ..addition(14, "93.184.216.100", 3_000) });
        let sizes: Vec<_> = batches(&all, &ssh()).iter().map(|batch| batch.additions.len()).collect();
        assert_eq!(sizes, [6, 6, 1, 1]);
        let ids: Vec<_> = batches(&all, &ssh())[0].additions.iter().map(|addition| addition.opening.as_str()).collect();
        assert!(ids.join(" ").len() <= 256);
    }
}
