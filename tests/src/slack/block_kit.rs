//! Block Kit's limits, as Slack's reference states them. Slack answers `invalid_blocks`; this says why.

mod element;

use std::collections::BTreeSet;

use serde_json::Value;

use element::{element, plain_text, text_object};

/// Collects complaints; `at` says where in the content.
#[derive(Debug, Default)]
pub struct Complaints {
    found: Vec<String>,
    action_ids: BTreeSet<String>,
    block_ids: BTreeSet<String>,
}

impl Complaints {
    fn add(&mut self, at: &str, what: impl std::fmt::Display) {
        self.found.push(format!("{at}: {what}"));
    }

    fn at_most(&mut self, at: &str, limit: usize, text: &str) {
        let length = text.chars().count();
        if length > limit {
            self.add(at, format!("{length} characters, at most {limit}"));
        }
    }

    fn once(&mut self, at: &str, id: &Value, kind: Kind) {
        let Some(id) = id.as_str() else { return };
        self.at_most(at, 255, id);
        let seen = match kind {
            Kind::Action => &mut self.action_ids,
            Kind::Block => &mut self.block_ids,
        };
        if !seen.insert(id.to_owned()) {
            self.add(at, format!("{id:?} is there twice"));
        }
    }
}

enum Kind {
    Action,
    Block,
}

/// What a message's blocks may hold together. Slack documents it nowhere: from about here on it answers `msg_blocks_too_long`
/// (https://github.com/slackapi/bolt-js/issues/2509).
const ALL_BLOCKS: usize = 13_200;

/// Everything in a message that Slack would refuse; nothing where it would accept it.
pub fn what_slack_refuses(message: &Value) -> Vec<String> {
    let mut complaints = Complaints::default();
    match message["text"].as_str() {
        None | Some("") => complaints.add("text", "missing: notifications and screen readers show it"),
        Some(text) => complaints.at_most("text", 40_000, text),
    }
    blocks(&mut complaints, "blocks", &message["blocks"], 50);
    let characters = characters(&message["blocks"]);
    if characters > ALL_BLOCKS {
        complaints.add("blocks", format!("msg_blocks_too_long: {characters} characters in all, at most {ALL_BLOCKS}"));
    }
    for attachment in message["attachments"].as_array().into_iter().flatten() {
        blocks(&mut complaints, "attachments.blocks", &attachment["blocks"], 50);
    }
    complaints.found
}

/// Every text in it.
fn characters(content: &Value) -> usize {
    match content {
        Value::Array(all) => all.iter().map(characters).sum(),
        Value::Object(all) => all
            .iter()
            .map(|(key, each)| match each {
                Value::String(text) if key == "text" => text.chars().count(),
                other => characters(other),
            })
            .sum(),
        _ => 0,
    }
}

/// The same for a modal or the Home tab.
pub fn what_slack_refuses_in_a_view(view: &Value) -> Vec<String> {
    let mut complaints = Complaints::default();
    let kind = view["type"].as_str().unwrap_or_default();
    if !["modal", "home"].contains(&kind) {
        complaints.add("view.type", format!("{kind:?} is neither modal nor home"));
    }
    if kind == "modal" {
        plain_text(&mut complaints, "view.title", &view["title"], 24);
        for label in ["submit", "close"].iter().filter(|label| !view[*label].is_null()) {
            plain_text(&mut complaints, &format!("view.{label}"), &view[*label], 24);
        }
    }
    complaints.at_most("view.callback_id", 255, view["callback_id"].as_str().unwrap_or_default());
    complaints.at_most("view.private_metadata", 3000, view["private_metadata"].as_str().unwrap_or_default());
    blocks(&mut complaints, "view.blocks", &view["blocks"], 100);
    complaints.found
}

fn blocks(complaints: &mut Complaints, at: &str, blocks: &Value, limit: usize) {
    if blocks.is_null() {
        return;
    }
    let Some(list) = blocks.as_array() else { return complaints.add(at, "not a list") };
    if list.len() > limit {
        complaints.add(at, format!("{} blocks, at most {limit}", list.len()));
    }
    for (number, each) in list.iter().enumerate() {
        block(complaints, &format!("{at}[{number}]"), each);
    }
}

fn block(complaints: &mut Complaints, at: &str, block: &Value) {
    // "Should be unique among all other action_ids in the containing block", and in no more than that:
    // https://docs.slack.dev/tools/node-slack-sdk/reference/types/interfaces/Actionable
    complaints.action_ids.clear();
    complaints.once(&format!("{at}.block_id"), &block["block_id"], Kind::Block);
    match block["type"].as_str().unwrap_or_default() {
        "section" => section(complaints, at, block),
        "header" => plain_text(complaints, &format!("{at}.text"), &block["text"], 150),
        "actions" => elements(complaints, at, block, 25),
        "context" => elements(complaints, at, block, 10),
        "image" => image(complaints, at, block),
        "input" => {
            plain_text(complaints, &format!("{at}.label"), &block["label"], 2000);
            element(complaints, &format!("{at}.element"), &block["element"]);
        }
        "divider" | "rich_text" | "markdown" => {}
        unknown => complaints.add(at, format!("no block is called {unknown:?}")),
    }
}

fn section(complaints: &mut Complaints, at: &str, block: &Value) {
    if block["text"].is_null() && block["fields"].is_null() {
        complaints.add(at, "a section needs text or fields");
    }
    if !block["text"].is_null() {
        text_object(complaints, &format!("{at}.text"), &block["text"], 3000);
    }
    if let Some(fields) = block["fields"].as_array() {
        if fields.is_empty() || fields.len() > 10 {
            complaints.add(at, format!("{} fields: 1 to 10", fields.len()));
        }
        for (number, field) in fields.iter().enumerate() {
            text_object(complaints, &format!("{at}.fields[{number}]"), field, 2000);
        }
    }
    if !block["accessory"].is_null() {
        element(complaints, &format!("{at}.accessory"), &block["accessory"]);
    }
}

fn elements(complaints: &mut Complaints, at: &str, block: &Value, limit: usize) {
    let list = block["elements"].as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() || list.len() > limit {
        complaints.add(at, format!("{} elements: 1 to {limit}", list.len()));
    }
    for (number, each) in list.iter().enumerate() {
        element(complaints, &format!("{at}.elements[{number}]"), each);
    }
}

fn image(complaints: &mut Complaints, at: &str, image: &Value) {
    if image["alt_text"].as_str().is_none_or(str::is_empty) {
        complaints.add(at, "an image needs alt_text");
    }
    complaints.at_most(&format!("{at}.image_url"), 3000, image["image_url"].as_str().unwrap_or_default());
}
