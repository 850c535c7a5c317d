//! Where to go after signing in: a page of ours, and no other site's.

use std::fmt;

/// A path of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next(String);

/// Longer than any path of ours.
const LONGEST: usize = 512;

impl Next {
    /// The path that a request names, if it is one of ours; else the first page.
    pub fn of(text: Option<&str>) -> Self {
        let text = text.filter(|text| is_ours(text)).unwrap_or("/");
        Self(text.to_owned())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a query's value: `/` alone needs none.
    pub fn query(&self) -> String {
        if self.0 == "/" {
            return String::new();
        }
        let query = serde_urlencoded::to_string([("next", &self.0)]).unwrap_or_default();
        format!("?{query}")
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Browsers take `//host` and `/\host` for another site, and drop tabs and line ends before they look.
fn is_ours(text: &str) -> bool {
    let mut rest = text.chars();
    rest.next() == Some('/')
        && !matches!(rest.next(), Some('/' | '\\'))
        && text.len() <= LONGEST
        && text.chars().all(|c| c.is_ascii_graphic() && c != '\\')
        && !text.starts_with("/sign-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for text in ["/", "/sessions?page=2", "/audit#x"] {
            assert_eq!(Next::of(Some(text)).as_str(), text);
        }
        for text in
            ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\t/evil.example", "evil", "/sign-out", "/a\\b"]
        {
            assert_eq!(Next::of(Some(text)).as_str(), "/", "{text:?}");
        }
        assert_eq!(Next::of(None).as_str(), "/");
    }
}
