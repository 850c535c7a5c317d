//! The limits of what is inside a block: texts, buttons, menus.

use serde_json::Value;

use super::{Complaints, Kind, image};

/// A button, a menu, a picture or a text.
pub fn element(complaints: &mut Complaints, at: &str, element: &Value) {
    complaints.once(&format!("{at}.action_id"), &element["action_id"], Kind::Action);
    match element["type"].as_str().unwrap_or_default() {
        "button" => button(complaints, at, element),
        "mrkdwn" | "plain_text" => text_object(complaints, at, element, 3000),
        "image" => image(complaints, at, element),
        "overflow" => options(complaints, at, element, 5),
        "static_select" | "multi_static_select" => options(complaints, at, element, 100),
        "radio_buttons" | "checkboxes" => options(complaints, at, element, 10),
        "" => complaints.add(at, "an element needs a type"),
        _ => {}
    }
    if !element["placeholder"].is_null() {
        plain_text(complaints, &format!("{at}.placeholder"), &element["placeholder"], 150);
    }
    if !element["confirm"].is_null() {
        confirm(complaints, &format!("{at}.confirm"), &element["confirm"]);
    }
}

fn button(complaints: &mut Complaints, at: &str, button: &Value) {
    plain_text(complaints, &format!("{at}.text"), &button["text"], 75);
    complaints.at_most(&format!("{at}.value"), 2000, button["value"].as_str().unwrap_or_default());
    complaints.at_most(&format!("{at}.url"), 3000, button["url"].as_str().unwrap_or_default());
    complaints.at_most(&format!("{at}.accessibility_label"), 75, button["accessibility_label"].as_str().unwrap_or_default());
    let style = &button["style"];
    if !style.is_null() && style != "primary" && style != "danger" {
        complaints.add(at, format!("style {style}: primary, danger or none"));
    }
}

fn options(complaints: &mut Complaints, at: &str, menu: &Value, limit: usize) {
    let list = menu["options"].as_array().map_or(&[][..], Vec::as_slice);
    if menu["option_groups"].is_null() && (list.is_empty() || list.len() > limit) {
        complaints.add(at, format!("{} options: 1 to {limit}", list.len()));
    }
    for (number, option) in list.iter().enumerate() {
        let at = format!("{at}.options[{number}]");
        text_object(complaints, &format!("{at}.text"), &option["text"], 75);
        complaints.at_most(&format!("{at}.value"), 150, option["value"].as_str().unwrap_or_default());
    }
}

fn confirm(complaints: &mut Complaints, at: &str, dialog: &Value) {
    plain_text(complaints, &format!("{at}.title"), &dialog["title"], 100);
    text_object(complaints, &format!("{at}.text"), &dialog["text"], 300);
    plain_text(complaints, &format!("{at}.confirm"), &dialog["confirm"], 30);
    plain_text(complaints, &format!("{at}.deny"), &dialog["deny"], 30);
}

/// A text object of either kind, not empty, of at most `limit` characters.
pub fn text_object(complaints: &mut Complaints, at: &str, text: &Value, limit: usize) {
    let kind = text["type"].as_str().unwrap_or_default();
    if !["mrkdwn", "plain_text"].contains(&kind) {
        complaints.add(at, format!("{kind:?} is neither mrkdwn nor plain_text"));
    }
    match text["text"].as_str() {
        None | Some("") => complaints.add(at, "no text"),
        Some(words) => complaints.at_most(at, limit, words),
    }
}

/// A text object where Slack takes no markup.
pub fn plain_text(complaints: &mut Complaints, at: &str, text: &Value, limit: usize) {
    text_object(complaints, at, text, limit);
    if text["type"] == "mrkdwn" {
        complaints.add(at, "only plain_text here");
    }
}
