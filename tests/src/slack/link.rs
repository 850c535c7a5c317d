//! Finding what a person would click.

use serde_json::Value;

use super::text::{blocks_of, text_of};

/// The element with this `action_id`, and the `block_id` that it is in.
pub fn button(content: &Value, action_id: &str) -> Option<(Value, String)> {
    buttons(content, action_id).into_iter().next()
}

/// Every such element.
pub fn buttons(content: &Value, action_id: &str) -> Vec<(Value, String)> {
    elements(content).into_iter().filter(|(element, _)| element["action_id"] == action_id).collect()
}

/// The first link: of a button, or else in the text.
pub fn link_in(content: &Value) -> Option<String> {
    let of_button = elements(content).iter().find_map(|(element, _)| element["url"].as_str().map(str::to_owned));
    of_button.or_else(|| url_in(&text_of(content)))
}

fn elements(content: &Value) -> Vec<(Value, String)> {
    let of_block = |block: Value| {
        let id = block["block_id"].as_str().unwrap_or_default().to_owned();
        let listed = block["elements"].as_array().cloned().unwrap_or_default();
        let single = [block["accessory"].clone(), block["element"].clone()];
        listed.into_iter().chain(single).map(move |element| (element, id.clone()))
    };
    blocks_of(content).into_iter().flat_map(of_block).collect()
}

/// Slack writes links as `<URL|label>`.
fn url_in(text: &str) -> Option<String> {
    let start = text.find("http://").or_else(|| text.find("https://"))?;
    let rest = &text[start..];
    let end = rest.find(|c: char| c.is_whitespace() || "|>)]`\"".contains(c)).unwrap_or(rest.len());
    Some(rest[..end].replace("&amp;", "&"))
}
