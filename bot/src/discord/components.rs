//! Discord's markup: texts that cannot be broken out of, and an embed with buttons that keeps to Discord's limits.

use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::{Action, Button, Look, Markup, Message};
use serde::Serialize;
use serenity::builder::{CreateActionRow, CreateButton, CreateEmbed};
use serenity::model::application::ButtonStyle;

/// What an embed's description may hold.
const DESCRIPTION: usize = 4096;
/// Left of it for the line that says how many were left out, and for the notes.
const RESERVE: usize = 600;
/// Buttons in one row.
const ROW: usize = 5;
/// Rows in one message.
const ROWS: usize = 5;
/// What stands between a button's name and its value.
const SEPARATOR: char = '|';

/// Discord's markup.
pub struct Markdown;

impl Markup for Markdown {
    fn time(&self, at: Timestamp) -> String {
        format!("<t:{}:f>", at.as_seconds())
    }

    fn text(&self, text: &str) -> String {
        escape(text)
    }

    fn bold(&self, text: &str) -> String {
        format!("**{text}**")
    }

    fn code(&self, text: &str) -> String {
        format!("`{}`", text.replace('`', "'"))
    }
}

/// A message as Discord takes it.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    /// The text.
    pub embed: CreateEmbed,
    /// The buttons.
    pub rows: Vec<CreateActionRow>,
}

/// Text of somebody else's, which must not become markup: neither a link nor a mention, nor a heading or a list.
pub fn escape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // What stands between two backticks is shown as it is, backslashes and all; and nothing in it is markup.
    let ticks = text.matches('`').count();
    let mut tick = 0;
    for character in text.chars() {
        tick += usize::from(character == '`');
        let in_code = tick % 2 == 1 && tick < ticks;
        if in_code || character == '`' && tick <= ticks / 2 * 2 {
            plain.push(character);
            continue;
        }
        if matches!(character, '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '@' | ':') {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}

/// A message's embed and buttons.
pub fn content(message: &Message) -> Content {
    let notes: Vec<_> = message.notes.iter().map(|note| format!("-# {}", note.replace('\n', " "))).collect();
    let text = [vec![lines(&message.lines)], notes].concat().join("\n");
    let rows = message.buttons.chunks(ROW).take(ROWS).map(|row| CreateActionRow::Buttons(row.iter().map(button).collect()));
    Content { embed: CreateEmbed::new().description(cut(&text, DESCRIPTION)), rows: rows.collect() }
}

/// The action of a component that somebody used.
pub fn action(custom_id: &str) -> Option<Action> {
    let (name, value) = custom_id.split_once(SEPARATOR).unwrap_or((custom_id, ""));
    Action::of_press(name, value)
}

fn lines(lines: &[String]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for (at, line) in lines.iter().enumerate() {
        length += line.chars().count() + 1;
        if length > DESCRIPTION - RESERVE {
            // What a message cannot hold is counted rather than silently cut.
            let rest = cut(line, if at == 0 { DESCRIPTION - RESERVE } else { 0 });
            return format!("{text}{rest}\n… and {} more", lines.len() - at);
        }
        if at > 0 {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}

fn button(button: &Button) -> CreateButton {
    let label = cut(&button.label, 80);
    if let Action::Confirm { url } = &button.action {
        return CreateButton::new_link(url).label(label);
    }
    let style = match button.look {
        Look::Plain => ButtonStyle::Secondary,
        Look::Primary => ButtonStyle::Success,
        Look::Danger => ButtonStyle::Danger,
    };
    CreateButton::new(format!("{}{SEPARATOR}{}", button.action.name(), button.action.value())).label(label).style(style)
}

fn cut(text: &str, at_most: usize) -> String {
    text.chars().take(at_most).collect()
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::SessionId;

    use super::*;

    #[test]
    fn text_of_others_does_not_become_markup() {
        assert_eq!(escape("@everyone [ok](https://evil) **b** <@1>"), r"\@everyone \[ok\](https\://evil) \*\*b\*\* \<\@1\>");
        assert_eq!(escape("say `list *all*`, *please*, or `"), r"say `list *all*`, \*please\*, or \`");
        assert_eq!(Markdown.code("a`b"), "`a'b`");
    }

    #[test]
    fn a_hundred_long_lines_fit_and_none_is_lost_silently() {
        let message = Message::of_lines("many", vec!["x".repeat(200); 100]);
        let json = serde_json::to_value(content(&message).embed).unwrap();
        let text = json["description"].as_str().unwrap();
        assert!(text.chars().count() <= DESCRIPTION && text.ends_with("… and 83 more"), "{text}");
    }

    #[test]
    fn a_press_means_what_its_button_did() {
        let action = Action::Stop(SessionId::from_stored("0a1b2c3d-0000-4000-8000-000000000000"));
        let pressed = serde_json::to_value(button(&Button::danger(action.clone(), "Stop"))).unwrap();
        let custom_id = pressed["custom_id"].as_str().unwrap();
        assert!(custom_id.len() <= 100);
        assert_eq!(super::action(custom_id), Some(action));
    }
}
