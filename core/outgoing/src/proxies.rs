//! The proxies of the environment, as curl and most others read them: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in capitals or not.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use ipnet::IpNet;

/// Where no proxy ever leads: this machine, and what tells a machine in a cloud who it is, which answers by who asks.
const ALWAYS_DIRECT: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::254,fd00:ec2::23,fd20:ce::254,100.100.100.200,\
                             168.63.129.16,metadata.google.internal";

/// A proxy of the environment that nothing can go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} has to be like http://proxy.example.com:3128, with a name and a password before the host where the proxy wants them"
)]
pub struct ProxyUnusable(&'static str);

/// The proxies to go through.
#[derive(Clone, Debug)]
pub struct Proxies {
    https: Option<String>,
    http: Option<String>,
    direct: String,
    matcher: Arc<Matcher>,
}

impl Proxies {
    /// Those of this process's environment.
    pub fn of_the_environment() -> Result<Self, ProxyUnusable> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// Those of an environment.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ProxyUnusable> {
        let set = |name: &str| env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_lowercase()));
        let proxy = |name: &'static str| either(name).map(|url| proxy(name, &url)).transpose();
        let (https, http) = (proxy("HTTPS_PROXY")?, proxy("HTTP_PROXY")?);
        let named = either("NO_PROXY").map(|named| direct(&named)).unwrap_or_default();
        let direct = if named.is_empty() { ALWAYS_DIRECT.to_owned() } else { format!("{ALWAYS_DIRECT},{named}") };
        let builder = Matcher::builder().https(https.clone().unwrap_or_default()).http(http.clone().unwrap_or_default());
        let matcher = Arc::new(builder.no(direct.clone()).build());
        Ok(Self { https, http, direct, matcher })
    }

    /// The proxy for `https://` addresses.
    pub fn https(&self) -> Option<&str> {
        self.https.as_deref()
    }

    /// The proxy for `http://` addresses.
    pub fn http(&self) -> Option<&str> {
        self.http.as_deref()
    }

    /// What is reached without one, with commas between: names with all below them, addresses and networks.
    pub fn direct(&self) -> &str {
        &self.direct
    }

    /// The proxy to go through to an address, if there is one.
    pub(crate) fn to(&self, uri: &Uri) -> Option<Intercept> {
        self.matcher.intercept(uri)
    }
}

/// A proxy's address; where it has no scheme, http is meant.
fn proxy(name: &'static str, text: &str) -> Result<String, ProxyUnusable> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = url.parse().map_err(|_| ProxyUnusable(name))?;
    let is_usable = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if is_usable { Ok(url) } else { Err(ProxyUnusable(name)) }
}

/// The entries of `NO_PROXY`, each in the one form that is compared: some write `*.name` for all below a name, a port that makes no
/// difference, brackets, or spaces between.
fn direct(named: &str) -> String {
    let entries = named.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    entries.map(|entry| one_direct(entry).to_owned()).collect::<Vec<_>>().join(",")
}

fn one_direct(entry: &str) -> &str {
    if entry == "*" || entry.parse::<IpNet>().is_ok() || entry.parse::<IpAddr>().is_ok() {
        return entry;
    }
    if let Some((address, _)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => host,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, ProxyUnusable> {
        Proxies::read(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn way(proxies: &Proxies, url: &str) -> String {
        let proxy = proxies.to(&url.parse().unwrap());
        proxy.map_or_else(|| "direct".to_owned(), |proxy| proxy.uri().authority().unwrap().to_string())
    }

    #[test]
    fn each_scheme_has_its_proxy_in_capitals_or_not() {
        let both = proxies(&[("HTTPS_PROXY", "http://s.example:1"), ("http_proxy", "p.example:2")]).unwrap();
        assert_eq!(way(&both, "https://slack.com/api"), "s.example:1");
        assert_eq!(way(&both, "http://collector.example:4318"), "p.example:2");
        let empty = proxies(&[("HTTPS_PROXY", " "), ("https_proxy", "https://s.example")]).unwrap();
        assert_eq!((way(&empty, "https://slack.com"), way(&empty, "http://slack.com")), ("s.example".into(), "direct".into()));
        assert_eq!(way(&proxies(&[]).unwrap(), "https://slack.com"), "direct");
        let with_password = proxies(&[("HTTPS_PROXY", "http://ana:hunter2@s.example:1")]).unwrap();
        let proxy = with_password.to(&"https://slack.com".parse().unwrap()).unwrap();
        assert_eq!((proxy.uri().authority().unwrap().as_str(), proxy.basic_auth().is_some()), ("s.example:1", true));
        for wrong in ["socks5://s.example:1", "http://", "ftp://s.example", "http://a b"] {
            assert_eq!(proxies(&[("HTTPS_PROXY", wrong)]).unwrap_err(), ProxyUnusable("HTTPS_PROXY"), "{wrong}");
        }
    }

    #[test]
    fn what_no_proxy_names_is_reached_directly_however_it_is_written() {
        let with = |named: &str| {
            proxies(&[("HTTPS_PROXY", "http://p.example:1"), ("HTTP_PROXY", "http://p.example:1"), ("no_proxy", named)]).unwrap()
        };
        for (named, url, is_direct) in [
            ("corp.example", "https://corp.example", true),
            ("corp.example", "https://guard.corp.example", true),
            ("CORP.example", "https://guard.corp.EXAMPLE", true),
            ("corp.example", "https://acorp.example", false),
            (".corp.example", "https://guard.corp.example", true),
            ("*.corp.example", "https://guard.corp.example", true),
            ("*.corp.example", "https://other.example", false),
            ("a.example, corp.example", "https://corp.example", true),
            ("a.example corp.example", "https://corp.example", true),
            ("corp.example:8443", "https://corp.example:8443", true),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("10.0.0.5", "https://10.0.0.5:8443", true),
            ("10.0.0.5:8443", "https://10.0.0.5:8443", true),
            ("2001:db8::/32", "https://[2001:db8::1]", true),
            ("[2001:db8::1]", "https://[2001:db8::1]:8443", true),
            ("*", "https://slack.com", true),
            ("", "https://slack.com", false),
        ] {
            assert_eq!(way(&with(named), url) == "direct", is_direct, "{url} with NO_PROXY={named}");
        }
    }

    #[test]
    fn this_machine_and_a_clouds_metadata_are_never_asked_through_a_proxy() {
        let all = proxies(&[("HTTPS_PROXY", "http://p.example:1"), ("HTTP_PROXY", "http://p.example:1")]).unwrap();
        for url in [
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "https://127.1.2.3",
            "http://[::1]:8080",
            "http://169.254.169.254/latest/meta-data",
            "http://169.254.170.2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://metadata.google.internal/computeMetadata",
            "http://168.63.129.16/",
        ] {
            assert_eq!(way(&all, url), "direct", "{url}");
        }
        assert_eq!(way(&all, "http://10.0.0.1"), "p.example:1");
    }
}
