//! URLs of the configuration: one reader for all of them, so that each is refused for the same reasons, under its key.

use std::net::{IpAddr, Ipv6Addr};

use super::ConfigError;

/// What a URL is for, and so what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlUse {
    /// How people reach this server: a host, and nothing behind it.
    Origin,
    /// Something that is told no secret, so plain HTTP may lead anywhere.
    Open,
    /// Something that is shown a token or a secret, so plain HTTP stays on this machine.
    Secret,
    /// The same, with a query.
    Hook,
}

/// Reads a URL; `example` is one that is right. What is refused is not repeated: it may have a password in it.
pub(super) fn read_url(key: &str, text: &str, used: UrlUse, example: &str) -> Result<(), ConfigError> {
    let wrong = |why: &str| ConfigError::senseless(format!("{key} must be like {example}{why}"));
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(wrong(", without spaces and other invisible characters"));
    }
    let (is_plain, rest) = match text.split_once("://") {
        Some(("https", rest)) => (false, rest),
        Some(("http", rest)) => (true, rest),
        _ => return Err(wrong("")),
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(wrong(", without a name or a password before the host"));
    }
    let behind = &rest[authority.len()..];
    if used == UrlUse::Origin && !behind.trim_end_matches('/').is_empty() {
        return Err(wrong(", without a path"));
    }
    if behind.contains(['#', '\\']) || used != UrlUse::Hook && behind.contains('?') {
        return Err(wrong(", without a query or a fragment"));
    }
    if !is_host_and_port(authority) {
        return Err(wrong(""));
    }
    if is_plain && matches!(used, UrlUse::Secret | UrlUse::Hook) && !is_this_machine(authority) {
        return Err(wrong(": https://, or http:// on this machine's loopback address"));
    }
    Ok(())
}

fn is_host_and_port(authority: &str) -> bool {
    let is_name =
        |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address.parse::<Ipv6Addr>().is_ok(), None),
        Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), Some(rest.strip_prefix(':').unwrap_or_default())),
        None => match authority.split_once(':') {
            Some((host, port)) => (is_name(host), Some(port)),
            None => (is_name(authority), None),
        },
    };
    host && port.is_none_or(is_port)
}

/// Whether no third party can read it: by TLS, or because it stays on this machine.
pub fn is_private(url: &str) -> bool {
    match url.split_once("://") {
        Some(("https", _)) => true,
        Some(("http", rest)) => is_this_machine(rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest)),
        _ => false,
    }
}

/// Whether a host, with its port or without, is this machine by its name alone.
pub fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit())).map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, used: UrlUse) -> String {
        read_url("[x] url", text, used, "https://a.example").map_or_else(|error| error.to_string(), |()| "read".to_owned())
    }

    #[test]
    fn a_url_is_a_host_and_what_its_use_allows_behind_it() {
        use UrlUse::{Hook, Open, Origin, Secret};
        for (text, used) in [
            ("https://a.example", Origin),
            ("http://a.example:8080/", Origin),
            ("http://collector:4318/otlp", Open),
            ("https://a.example/api", Secret),
            ("https://[2606::1]:8443/api", Secret),
            ("http://127.0.0.1:8080/api", Secret),
            ("http://[::1]:8080", Secret),
            ("http://localhost", Secret),
            ("https://a.example/in?token=x", Hook),
        ] {
            assert_eq!(read(text, used), "read", "{text}");
        }
        for (text, used, why) in [
            ("a.example", Origin, "must be like https://a.example"),
            ("HTTPS://a.example", Origin, "must be like"),
            ("ftp://a.example", Origin, "must be like"),
            ("https://", Origin, "must be like"),
            ("https://:443", Origin, "must be like"),
            ("https://a.example:", Origin, "must be like"),
            ("https://a.example:0", Origin, "must be like"),
            ("https://a.example:+80", Origin, "must be like"),
            ("https://a.example:99999", Origin, "must be like"),
            ("https://[2606::1", Origin, "must be like"),
            ("https://2606::1", Origin, "must be like"),
            ("https://a,b", Origin, "must be like"),
            ("https://a.example/path", Origin, "without a path"),
            ("https://a.example?x", Origin, "without a path"),
            ("https://a.example/?x", Secret, "without a query"),
            ("https://a.example/#x", Hook, "without a query or a fragment"),
            ("https://a.example/\\x", Hook, "without a query or a fragment"),
            ("https://user:hunter2@a.example", Open, "without a name or a password"),
            ("https://hunter2@a.example/", Hook, "without a name or a password"),
            ("https://a.example/ x", Open, "without spaces"),
            ("\u{feff}https://a.example", Open, "without spaces"),
            ("http://a.example", Secret, "https://, or http:// on this machine"),
            ("http://localhost.a.example", Hook, "https://, or http:// on this machine"),
        ] {
            let said = read(text, used);
            assert!(said.starts_with("[x] url must be like") && said.contains(why), "{text}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn what_others_could_read_is_not_private() {
        for url in ["https://a.example", "http://127.0.0.1:1/x", "http://localhost", "http://[::1]:2?x"] {
            assert!(is_private(url), "{url}");
        }
        for url in
            ["http://a.example", "http://127.0.0.1.a.example", "http://127.0.0.1@a.example", "ftp://a.example", "a.example"]
        {
            assert!(!is_private(url), "{url}");
        }
    }
}
