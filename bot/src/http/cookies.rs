//! Cookies of ours: for this host alone, over HTTPS alone (or on this machine), and out of reach of scripts.

use entryguard_core::domain::Span;
use http::{HeaderMap, HeaderValue, header};

/// What a browser sent under this name.
pub fn sent<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim_start().split_once('='));
    pairs.find(|(sent, _)| *sent == name).map(|(_, value)| value)
}

/// A cookie for so long. `name` begins with `__Host-`, with which no other host can make one of that name, not even a subdomain.
pub fn kept(name: &str, value: &str, how_long: Span) -> Option<HeaderValue> {
    let seconds = how_long.as_millis() / 1000;
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax").parse().ok()
}

/// The end of a cookie.
pub fn dropped(name: &str) -> Option<HeaderValue> {
    kept(name, "", Span::from_seconds(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; __Host-entryguard-sign-in=x"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-entryguard=y=z"));
        assert_eq!(sent(&headers, "__Host-entryguard"), Some("y=z"));
        assert_eq!(sent(&headers, "entryguard"), None);
    }
}
