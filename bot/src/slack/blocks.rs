//! Slack's markup: texts that cannot be broken out of, and blocks that keep to Slack's limits.

use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::{Action, Button, Look, Markup, Message};
use slack_morphism::prelude::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle,
    SlackBlockMarkDownText, SlackBlockPlainTextOnly, SlackBlockText, SlackContextBlock, SlackMessageContent, SlackSectionBlock,
};

/// What one section's text may hold.
const SECTION: usize = 3000;
/// What a message may hold, less the buttons, the notes and the line that says how many were left out.
const SECTIONS: usize = 44;
/// What a line for notifications may hold and still be read.
const SUMMARY: usize = 300;
/// Buttons in one row: Slack takes 25, and a phone shows five.
const ROW: usize = 5;

/// Slack's markup.
pub struct Mrkdwn;

impl Markup for Mrkdwn {
    fn time(&self, at: Timestamp) -> String {
        format!("<!date^{}^{{date_short_pretty}} at {{time}}|{at}>", at.as_seconds())
    }

    fn text(&self, text: &str) -> String {
        escape(text)
    }

    fn bold(&self, text: &str) -> String {
        format!("*{text}*")
    }

    fn code(&self, text: &str) -> String {
        format!("`{}`", escape(text).replace('`', "'"))
    }
}

/// Text of somebody else's, which must not become markup: neither a link nor a mention, nor bold, struck or quoted.
pub fn escape(text: &str) -> String {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // An invisible joiner before them keeps Slack from reading these as marks; names and reasons look as they did.
    plain.replace('*', "\u{2060}*").replace('~', "\u{2060}~")
}

/// A message as Slack takes it.
pub fn content(message: &Message) -> SlackMessageContent {
    let summary: String = escape(&message.summary).chars().take(SUMMARY).collect();
    SlackMessageContent::new().with_text(summary).with_blocks(blocks(message))
}

/// A message's blocks.
pub fn blocks(message: &Message) -> Vec<SlackBlock> {
    let mut blocks = lines(&message.lines);
    blocks.extend(message.buttons.chunks(ROW).map(actions));
    blocks.extend(message.notes.iter().map(|note| context(note)));
    blocks
}

/// A section with a text.
pub fn section(text: &str) -> SlackBlock {
    SlackSectionBlock::new().with_text(mrkdwn(&cut(text))).into()
}

/// Small print.
pub fn context(text: &str) -> SlackBlock {
    SlackContextBlock::new(vec![SlackBlockMarkDownText::new(cut(text)).into()]).into()
}

/// Lines, packed into as few sections as can be. What a message cannot hold is counted rather than silently cut.
pub fn lines(lines: &[String]) -> Vec<SlackBlock> {
    let mut texts: Vec<String> = Vec::new();
    let mut left_out = 0;
    for line in lines {
        let line = cut(line);
        let full = texts.len() == SECTIONS;
        match texts.last_mut().filter(|last| last.chars().count() + line.chars().count() < SECTION) {
            Some(last) => {
                last.push('\n');
                last.push_str(&line);
            }
            None if full => left_out += 1,
            None => texts.push(line),
        }
    }
    let mut blocks: Vec<_> = texts.iter().map(|text| section(text)).collect();
    if left_out > 0 {
        blocks.push(section(&format!("… and {left_out} more")));
    }
    blocks
}

/// A row of buttons.
pub fn actions(buttons: &[Button]) -> SlackBlock {
    let elements: Vec<SlackActionBlockElement> = buttons.iter().map(|each| button(each).into()).collect();
    SlackActionsBlock::new(elements).into()
}

fn button(button: &Button) -> SlackBlockButtonElement {
    let label: String = button.label.chars().take(75).collect();
    let mut element =
        SlackBlockButtonElement::new(SlackBlockPlainTextOnly::from(label.as_str())).with_action_id(button.action.name().into());
    let value = button.action.value();
    element.value = (!value.is_empty()).then_some(value);
    element.style = match button.look {
        Look::Plain => None,
        Look::Primary => Some(SlackBlockButtonStyle::Primary),
        Look::Danger => Some(SlackBlockButtonStyle::Danger),
    };
    if let Action::Follow { url } = &button.action {
        // A link that we made ourselves, of a checked public URL and hexadecimal digits, always parses.
        element.url = url.parse().ok();
    }
    element
}

fn mrkdwn(text: &str) -> SlackBlockText {
    SlackBlockMarkDownText::new(text.to_owned()).into()
}

fn cut(text: &str) -> String {
    text.chars().take(SECTION).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_does_not_become_markup() {
        assert_eq!(escape("<!channel> & <https://evil|ok>"), "&lt;!channel&gt; &amp; &lt;https://evil|ok&gt;");
        assert_eq!(escape("*bold*"), "\u{2060}*bold\u{2060}*");
        assert_eq!(Mrkdwn.code("a`b"), "`a'b`");
    }

    #[test]
    fn many_lines_keep_to_slacks_limits_and_none_is_lost_silently() {
        let long = vec!["x".repeat(2000); 60];
        let blocks = lines(&long);
        assert_eq!(blocks.len(), 45);
        assert!(serde_json::to_string(blocks.last().unwrap()).unwrap().contains("and 16 more"));
        assert_eq!(lines(&vec!["y".repeat(100); 100]).len(), 4);
    }
}
