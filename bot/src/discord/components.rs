//! Discord's markup: texts that cannot be broken out of, and an embed with buttons that keeps to Discord's limits.

use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::{Action, Button, Look, Markup, Message};
use serde::Serialize;
use serenity::builder::{
    CreateActionRow, CreateButton, CreateEmbed, CreateSelectMenu, CreateSelectMenuKind, CreateSelectMenuOption,
};
use serenity::model::application::{ButtonStyle, ComponentInteractionData, ComponentInteractionDataKind};

/// What an embed's description may hold.
const DESCRIPTION: usize = 4096;
/// Left of it for the line that says how many were left out, and for the notes.
const RESERVE: usize = 600;
/// Buttons in one row.
const ROW: usize = 5;
/// Rows in one message.
const ROWS: usize = 5;
/// What a button or an option may have on it.
const LABEL: usize = 80;
/// Options in one select.
const OPTIONS: usize = 25;
/// The name of the select of durations; what counts is the option.
const DURATIONS: &str = "entryguard_durations";
/// What makes markup of a text.
const MARKUP: &str = r"\*_~`|><#[]@:";
/// What stands between a button's name and its value.
const SEPARATOR: char = '|';

/// Discord's markup.
pub struct Markdown;

impl Markup for Markdown {
    fn holds(&self) -> usize {
        DESCRIPTION - RESERVE
    }

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

/// Text of somebody else's, which must not become markup: neither a link nor a mention, nor a heading.
pub fn escape(text: &str) -> String {
    text.split('\n').map(escape_line).collect::<Vec<_>>().join("\n")
}

/// What stands between two backticks is shown as it is, backslashes and all; and nothing in it is markup. That holds of single ones
/// alone: Discord pairs a run of them with the next run of that length, so where there is a run no backtick is let through.
fn escape_line(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let ticks = if line.contains("``") { 0 } else { line.matches('`').count() };
    let mut tick = 0;
    for character in line.chars() {
        tick += usize::from(character == '`');
        let in_code = tick % 2 == 1 && tick < ticks;
        if in_code || character == '`' && tick <= ticks / 2 * 2 {
            plain.push(character);
            continue;
        }
        if MARKUP.contains(character) {
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
    Content { embed: CreateEmbed::new().description(cut(&text, DESCRIPTION)), rows: rows(&message.buttons) }
}

/// The action of a component that somebody used: a button's own, or what was chosen in a select.
pub fn action(used: &ComponentInteractionData) -> Option<Action> {
    let chosen = match &used.kind {
        ComponentInteractionDataKind::StringSelect { values } => values.first()?,
        _ => &used.custom_id,
    };
    let (name, value) = chosen.split_once(SEPARATOR).unwrap_or((chosen, ""));
    Action::of_press(name, value)
}

/// Several durations are one select; what is left are buttons.
fn rows(buttons: &[Button]) -> Vec<CreateActionRow> {
    let (durations, others): (Vec<_>, Vec<_>) = buttons.iter().partition(|button| matches!(button.action, Action::Start(_)));
    let (select, others) = match durations.as_slice() {
        [] | [_] => (None, buttons.iter().collect()),
        durations => (Some(CreateActionRow::SelectMenu(durations_select(durations))), others),
    };
    let buttons = others.chunks(ROW).map(|row| CreateActionRow::Buttons(row.iter().map(|each| button(each)).collect()));
    select.into_iter().chain(buttons).take(ROWS).collect()
}

fn durations_select(durations: &[&Button]) -> CreateSelectMenu {
    let option = |button: &&Button| {
        let option = CreateSelectMenuOption::new(cut(&button.label, LABEL), custom_id(&button.action));
        // One that is chosen beforehand cannot be chosen any more.
        if button.look == Look::Primary { option.description("What most people want") } else { option }
    };
    let options = durations.iter().take(OPTIONS).map(option).collect();
    CreateSelectMenu::new(DURATIONS, CreateSelectMenuKind::String { options }).placeholder("For how long?")
}

fn custom_id(action: &Action) -> String {
    format!("{}{SEPARATOR}{}", action.name(), action.value())
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
    let label = cut(&button.label, LABEL);
    if let Action::Follow { url } = &button.action {
        return CreateButton::new_link(url).label(label);
    }
    let style = match button.look {
        Look::Plain => ButtonStyle::Secondary,
        Look::Primary => ButtonStyle::Success,
        Look::Danger => ButtonStyle::Danger,
    };
    CreateButton::new(custom_id(&button.action)).label(label).style(style)
}

fn cut(text: &str, at_most: usize) -> String {
    text.chars().take(at_most).collect()
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{SessionId, Span};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_of_others_does_not_become_markup() {
        assert_eq!(escape("@everyone [ok](https://evil) **b** <@1>"), r"\@everyone \[ok\](https\://evil) \*\*b\*\* \<\@1\>");
        assert_eq!(escape("say `list *all*`, *please*, or `"), r"say `list *all*`, \*please\*, or \`");
        assert_eq!(Markdown.code("a`b"), "`a'b`");
        // Discord takes the first two for no code at all, and so would show the link.
        let masked = "``a`b`` [Confirm my address](https://evil.example) `";
        assert_eq!(escape(masked), r"\`\`a\`b\`\` \[Confirm my address\](https\://evil.example) \`");
    }

    /// A text as Discord reads it: what is shown, and whatever could be markup.
    fn read_by_discord(text: &str) -> (String, Vec<char>) {
        let all: Vec<char> = text.chars().collect();
        let run = |from: usize| all[from..].iter().take_while(|character| **character == '`').count();
        let (mut shown, mut markup, mut at) = (String::new(), Vec::new(), 0);
        while at < all.len() {
            let ticks = run(at);
            match all[at] {
                '\\' if all.get(at + 1).is_some_and(char::is_ascii_punctuation) => {
                    shown.push(all[at + 1]);
                    at += 2;
                }
                '`' => {
                    // Code goes to the next run of the same length.
                    let end = (at + ticks..all.len()).find(|end| all[*end] == '`' && all[end - 1] != '`' && run(*end) == ticks);
                    let end = end.filter(|end| *end > at + ticks).map_or(at + ticks, |end| end + ticks);
                    if end == at + ticks {
                        markup.push('`');
                    }
                    shown.extend(&all[at..end]);
                    at = end;
                }
                character => {
                    if MARKUP.contains(character) {
                        markup.push(character);
                    }
                    shown.push(character);
                    at += 1;
                }
            }
        }
        (shown, markup)
    }

    proptest! {
        #[test]
        fn no_text_of_others_is_markup_and_none_of_it_is_lost(text in r"[`\\*\[\]()@:<a \n]{0,40}") {
            prop_assert_eq!(read_by_discord(&escape(&text)), (text, Vec::new()));
        }
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
        let shown = serde_json::to_value(button(&Button::danger(action.clone(), "Stop"))).unwrap();
        assert!(shown["custom_id"].as_str().unwrap().len() <= 100);
        assert_eq!(used(&serde_json::json!({ "component_type": 2, "custom_id": shown["custom_id"] })), Some(action));
    }

    #[test]
    fn durations_are_chosen_from_a_select() {
        let start = |hours| Button::plain(Action::Start(Span::from_hours(hours)), format!("Start {hours}h"));
        let message = Message {
            buttons: (1..=30).map(start).chain([Button::plain(Action::OpenForm, "More…")]).collect(),
            ..Message::default()
        };
        let rows = serde_json::to_value(content(&message).rows).unwrap();
        let select = &rows[0]["components"][0];
        assert_eq!((rows.as_array().unwrap().len(), select["options"].as_array().unwrap().len()), (2, OPTIONS));
        let chosen =
            serde_json::json!({ "component_type": 3, "custom_id": DURATIONS, "values": [select["options"][1]["value"]] });
        assert_eq!(used(&chosen), Some(Action::Start(Span::from_hours(2))));
    }

    fn used(data: &serde_json::Value) -> Option<Action> {
        action(&serde_json::from_value(data.clone()).unwrap())
    }
}
