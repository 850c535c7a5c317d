//! What people typed, as Slack writes it: in the texts of commands, messages and forms it puts `&amp;`, `&lt;` and `&gt;` for the three
//! characters that its own markup takes, and no other entity. They are read once, here, where a text comes in.

use serde::{Deserialize, Deserializer};

/// The characters that were typed. In one pass, so that an entity that a person typed stays one.
fn decoded(text: &str) -> String {
    let mut typed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        let (character, length) = match entity {
            _ if entity.starts_with("&amp;") => ('&', 5),
            _ if entity.starts_with("&lt;") => ('<', 4),
            _ if entity.starts_with("&gt;") => ('>', 4),
            _ => ('&', 1),
        };
        typed.push_str(before);
        typed.push(character);
        rest = &entity[length..];
    }
    typed + rest
}

/// Reads a text that a person typed.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| decoded(&text))
}

/// Reads one that may be missing.
pub fn maybe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| decoded(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_entities_are_read_once_and_nothing_else_is() {
        for (written, typed) in [
            ("R&amp;D load &lt; 5 &gt; 3", "R&D load < 5 > 3"),
            ("&amp;lt; &amp;amp;", "&lt; &amp;"),
            ("&quot; &#39; &AMP; &amp &", "&quot; &#39; &AMP; &amp &"),
            ("&&amp;&", "&&&"),
            ("", ""),
            ("ünï&lt;", "ünï<"),
        ] {
            assert_eq!(decoded(written), typed, "{written}");
        }
    }
}
