//! The languages of allowlist files: how a line lets an address in.

use std::net::IpAddr;

use entryguard_core::domain::{FileFormat, HostAddress};
use ipnet::IpNet;

/// The line that lets one address in.
pub(crate) fn write(format: FileFormat, address: HostAddress) -> String {
    match format {
        FileFormat::Plain => address.to_string(),
        FileFormat::Nginx => format!("allow {address};"),
        FileFormat::Apache => format!("Require ip {address}"),
        FileFormat::HostsAllow if address.ip().is_ipv6() => format!("ALL: [{address}]"),
        FileFormat::HostsAllow => format!("ALL: {address}"),
    }
}

/// Whom a line lets in, if it lets in one host or network and nothing else.
pub(crate) fn read(format: FileFormat, line: &str) -> Option<IpNet> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let source = match format {
        FileFormat::Plain => line,
        FileFormat::Nginx => line.strip_prefix("allow")?.strip_suffix(';')?,
        FileFormat::Apache => line.strip_prefix("Require ip")?,
        FileFormat::HostsAllow => line.strip_prefix("ALL:")?,
    };
    // tcp wrappers put the brackets around the address alone: `[2001:db8::]/32`.
    let source = source.trim().replace(['[', ']'], "");
    source.parse::<IpAddr>().map(IpNet::from).or_else(|_| source.parse()).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_in_every_format() {
        for format in [FileFormat::Plain, FileFormat::Nginx, FileFormat::Apache, FileFormat::HostsAllow] {
            for text in ["93.184.216.34", "2606:2800:220:1::1"] {
                let address = HostAddress::parse(text).unwrap();
                assert_eq!(read(format, &write(format, address)), Some(IpNet::from(address.ip())), "{format:?}");
            }
            assert_eq!(read(format, "deny all;"), None);
        }
        assert_eq!(read(FileFormat::HostsAllow, "ALL: [2606::]/32"), Some("2606::/32".parse().unwrap()));
        assert_eq!(read(FileFormat::Nginx, "  allow 10.0.0.0/8; # office"), Some("10.0.0.0/8".parse().unwrap()));
    }
}
