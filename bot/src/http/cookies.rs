//! Cookies of ours: for this host alone, over HTTPS alone (or on this machine), and out of reach of scripts.

use std::fmt;

use entryguard_core::domain::Span;
use http::{HeaderMap, HeaderValue, header};

/// What no other host can begin a cookie's name with, not even a subdomain.
const PREFIX: &str = "__Host-";

/// The name of a cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieName(&'static str);

impl CookieName {
    /// A name that begins with `__Host-`; any other does not compile where it stands in a constant.
    pub const fn new(name: &'static str) -> Self {
        let (mut index, prefix) = (0, PREFIX.as_bytes());
        while index < prefix.len() {
            assert!(name.as_bytes()[index] == prefix[index], "a cookie's name begins with __Host-");
            index += 1;
        }
        Self(name)
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What a browser sent under this name. Other cookies of the same header are ignored, whatever bytes they have.
pub fn sent(headers: &HeaderMap, name: CookieName) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let values = pairs.filter_map(|pair| pair.strip_prefix(name.0.as_bytes())?.strip_prefix(b"="));
    values.filter_map(|value| std::str::from_utf8(value).ok()).next()
}

/// A cookie for so long.
pub fn kept(name: CookieName, value: &str, how_long: Span) -> Option<HeaderValue> {
    let seconds = how_long.as_millis() / 1000;
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax").parse().ok()
}

/// The end of a cookie.
pub fn dropped(name: CookieName) -> Option<HeaderValue> {
    kept(name, "", Span::from_seconds(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: CookieName = CookieName::new("__Host-entryguard");

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; __Host-entryguard-sign-in=x"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-entryguard=y=z"));
        assert_eq!(sent(&headers, NAME), Some("y=z"));
        assert_eq!(sent(&headers, CookieName::new("__Host-entry")), None);
    }

    #[test]
    fn an_odd_byte_in_another_cookie_hides_none_of_ours() {
        for line in [
            &b"a=\xff\xfe; __Host-entryguard=x"[..],
            b"caf\xc3\xa9=\t;__Host-entryguard=x;b=\x80",
            b"__Host-entryguard=x; ;=;\xe9",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
            assert_eq!(sent(&headers, NAME), Some("x"), "{line:?}");
        }
    }

    #[test]
    #[should_panic(expected = "begins with __Host-")]
    fn a_name_that_another_host_could_use_is_none() {
        let _ = CookieName::new("entryguard_link");
    }

    #[test]
    fn every_cookie_is_made_here() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut read) = (vec![folder], 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if !entry.ends_with("http/cookies.rs") {
                    let text = std::fs::read_to_string(&entry).unwrap();
                    assert!(
                        !text.contains("; HttpOnly") && !text.contains("SameSite="),
                        "{} makes a cookie itself",
                        entry.display()
                    );
                    read += 1;
                }
            }
        }
        assert!(read > 50, "{read}");
    }
}
