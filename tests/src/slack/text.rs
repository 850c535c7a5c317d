//! Blocks as a person reads them, one line each: for snapshots, and for "it says".

use serde_json::Value;

/// The readable text of a message, an answer or a view; a button is `[Label]`, with its link as `[Label → URL]`.
pub fn text_of(content: &Value) -> String {
    let lines: Vec<String> = blocks_of(content).iter().map(block).filter(|line| !line.is_empty()).collect();
    let title = content["title"]["text"].as_str().map(str::to_owned);
    // With blocks, `text` is for notifications alone.
    let plain = || content["text"].as_str().unwrap_or_default().to_owned();
    if lines.is_empty() { plain() } else { title.into_iter().chain(lines).collect::<Vec<_>>().join("\n") }
}

/// The blocks of the content and of its attachments.
pub fn blocks_of(content: &Value) -> Vec<Value> {
    let attachments = content["attachments"].as_array().into_iter().flatten().flat_map(|each| array(&each["blocks"]));
    array(&content["blocks"]).iter().chain(attachments).cloned().collect()
}

fn block(block: &Value) -> String {
    match block["type"].as_str().unwrap_or_default() {
        "divider" => "---".to_owned(),
        "header" => format!("# {}", text(&block["text"])),
        "image" => format!("(image: {})", text(&block["alt_text"])),
        "actions" | "context" => joined(&block["elements"], " "),
        "input" => format!("{}: {}", text(&block["label"]), element(&block["element"])),
        "rich_text" => rich(block),
        _ => section(block),
    }
}

fn section(block: &Value) -> String {
    let fields = joined(&block["fields"], " | ");
    let parts = [text(&block["text"]), fields, element(&block["accessory"])];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn element(element: &Value) -> String {
    let kind = element["type"].as_str().unwrap_or_default();
    match kind {
        "" => String::new(),
        "mrkdwn" | "plain_text" => text(element),
        "image" => format!("(image: {})", text(&element["alt_text"])),
        "button" => match element["url"].as_str() {
            Some(url) => format!("[{} → {url}]", text(&element["text"])),
            None => format!("[{}]", text(&element["text"])),
        },
        "overflow" | "static_select" | "radio_buttons" | "checkboxes" => {
            let options: Vec<_> = array(&element["options"]).iter().map(option).collect();
            format!("<{}>", options.join(", "))
        }
        other => format!("<{other}>"),
    }
}

fn option(option: &Value) -> String {
    let (label, below) = (text(&option["text"]), text(&option["description"]));
    if below.is_empty() { label } else { format!("{label} ({below})") }
}

/// Rich text nests; its leaves are what is read.
fn rich(node: &Value) -> String {
    match node["elements"].as_array() {
        Some(children) => children.iter().map(rich).collect(),
        None => ["text", "url", "user_id"].iter().find_map(|key| node[key].as_str()).unwrap_or_default().to_owned(),
    }
}

fn joined(elements: &Value, between: &str) -> String {
    array(elements).iter().map(element).collect::<Vec<_>>().join(between)
}

fn text(value: &Value) -> String {
    value["text"].as_str().or_else(|| value.as_str()).unwrap_or_default().to_owned()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
