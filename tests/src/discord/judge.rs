//! What Discord accepts: its limits, and the shapes that serenity's own models know; and what people read.

use serde_json::Value;
use serenity::model::application::ActionRow;
use serenity::model::channel::Embed;

/// What Discord would not accept of a message.
pub fn complaints_about(message: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let empty = Vec::new();
    let embeds = message["embeds"].as_array().unwrap_or(&empty);
    for embed in embeds {
        if let Err(error) = serde_json::from_value::<Embed>(embed.clone()) {
            complaints.push(format!("no embed: {error}"));
        }
        let length = embed["description"].as_str().unwrap_or_default().chars().count();
        if !(1..=4096).contains(&length) {
            complaints.push(format!("a description of {length} characters"));
        }
    }
    if embeds.is_empty() && message["content"].as_str().unwrap_or_default().is_empty() {
        complaints.push("an empty message".to_owned());
    }
    let rows = message["components"].as_array().unwrap_or(&empty);
    if rows.len() > 5 {
        complaints.push(format!("{} rows of components", rows.len()));
    }
    let mut names = Vec::new();
    for row in rows {
        if let Err(error) = serde_json::from_value::<ActionRow>(row.clone()) {
            complaints.push(format!("no row: {error}"));
        }
        let (select, buttons): (Vec<&Value>, Vec<&Value>) =
            row["components"].as_array().unwrap_or(&empty).iter().partition(|component| component["type"] == 3);
        complaints.extend(select.iter().filter_map(|select| complaint_about_select(select, buttons.len() + select_count(row))));
        names.extend(select.iter().filter_map(|select| select["custom_id"].as_str()));
        if !select.is_empty() {
            continue;
        }
        if !(1..=5).contains(&buttons.len()) {
            complaints.push(format!("{} buttons in a row", buttons.len()));
        }
        names.extend(buttons.iter().filter_map(|button| button["custom_id"].as_str()));
        let labels = buttons.iter().filter_map(|button| button["label"].as_str());
        complaints.extend(labels.filter(|label| label.chars().count() > 80).map(|label| format!("a long label: {label}")));
    }
    complaints.extend(names.iter().filter(|name| name.len() > 100).map(|name| format!("a long custom_id: {name}")));
    let many = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() < many {
        complaints.push("two components of one custom_id".to_owned());
    }
    complaints
}

fn select_count(row: &Value) -> usize {
    row["components"].as_array().map_or(0, |all| all.iter().filter(|component| component["type"] == 3).count())
}

/// A select has its row for itself.
fn complaint_about_select(select: &Value, in_row: usize) -> Option<String> {
    let options = select["options"].as_array().map_or(0, Vec::len);
    (in_row != 1 || !(1..=25).contains(&options)).then(|| format!("{in_row} components beside a select, {options} options in it"))
}

/// What people read.
pub fn text_of(message: &Value) -> String {
    shown(&text_as_sent(message))
}

/// What people read, in Discord's markup; of a form, its title and its fields.
pub fn text_as_sent(message: &Value) -> String {
    let fields = buttons_of(message).into_iter().filter(|field| field["type"] == 4).map(|field| {
        let value = field["value"].as_str().or_else(|| field["placeholder"].as_str()).unwrap_or_default();
        format!("{}\n  {value}", field["label"].as_str().unwrap_or_default())
    });
    if let Some(title) = message["title"].as_str() {
        return std::iter::once(title.to_owned()).chain(fields).collect::<Vec<_>>().join("\n");
    }
    let texts = message["embeds"].as_array().into_iter().flatten().filter_map(|embed| embed["description"].as_str());
    let labels = buttons_of(message).into_iter().map(|button| {
        let label = button["label"].as_str().unwrap_or_default();
        if let Some(options) = button["options"].as_array() {
            let options: Vec<_> = options.iter().filter_map(|option| option["label"].as_str()).collect();
            return format!("[{} {}]", button["placeholder"].as_str().unwrap_or_default(), options.join(" | "));
        }
        button["url"].as_str().map_or_else(|| format!("[{label}]"), |url| format!("[{label} → {url}]"))
    });
    let content = message["content"].as_str().filter(|text| !text.is_empty());
    content.into_iter().chain(texts).map(str::to_owned).chain(labels).collect::<Vec<_>>().join("\n")
}

/// Without the backslashes that only keep text from being markup.
fn shown(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = character == '\\' && characters.peek().is_some_and(char::is_ascii_punctuation);
        plain.extend(if escapes { characters.next() } else { Some(character) });
    }
    plain
}

/// Every button.
pub fn buttons_of(message: &Value) -> Vec<Value> {
    let rows = message["components"].as_array().into_iter().flatten();
    rows.flat_map(|row| row["components"].as_array().into_iter().flatten()).cloned().collect()
}
