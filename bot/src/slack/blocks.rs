//! Slack's markup: texts that cannot be broken out of, and blocks that keep to Slack's limits.

use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::{Action, Button, Look, Markup, Message};
use slack_morphism::prelude::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle,
    SlackBlockMarkDownText, SlackBlockPlainTextOnly, SlackBlockText, SlackContextBlock, SlackMessageContent, SlackSectionBlock,
};

/// What one section's text may hold.
const SECTION: usize = 3000;
/// What a message's lines and notes may hold together. Slack documents no limit: it refuses some messages of 11,300 characters and takes none of
/// 13,300 (https://github.com/slackapi/bolt-js/issues/2509 and 2867).
const TEXT: usize = 10_000;
/// What a line for notifications may hold and still be read.
const SUMMARY: usize = 300;
/// The longest of what Slack reads as one, in bytes: a time with its fallback.
const LONGEST_ENTITY: usize = 120;
/// Buttons in one row: Slack takes 25, and a phone shows five.
const ROW: usize = 5;

/// Slack's markup.
pub struct Mrkdwn;

impl Markup for Mrkdwn {
    fn holds(&self) -> usize {
        TEXT
    }

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
        // In code nothing is markup, and whatever is copied from it has to be what it looks like.
        format!("`{}`", entities(text).replace('`', "'"))
    }
}

/// Text of somebody else's, which must not become markup: neither a link nor a mention, nor bold, slanted, struck, quoted or code.
pub fn escape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_within_word = before.is_some_and(char::is_alphanumeric) && rest.peek().is_some_and(|next| next.is_alphanumeric());
        // An invisible joiner before them keeps Slack from reading these as marks; names and reasons look as they did.
        if matches!(character, '*' | '~') || character == '_' && !is_within_word {
            plain.push('\u{2060}');
        }
        plain.push(if character == '`' { '\'' } else { character });
        before = Some(character);
    }
    entities(&plain)
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A message as Slack takes it.
pub fn content(message: &Message) -> SlackMessageContent {
    SlackMessageContent::new().with_text(cut(&escape(&message.summary), SUMMARY)).with_blocks(blocks(message))
}

/// A message's blocks.
pub fn blocks(message: &Message) -> Vec<SlackBlock> {
    let notes: usize = message.notes.iter().map(|note| note.chars().count() + 1).sum();
    let mut blocks = sections(&message.lines, TEXT.saturating_sub(notes));
    blocks.extend(message.buttons.chunks(ROW).map(actions));
    blocks.extend(packed(&message.notes).iter().map(|note| context(note)));
    blocks
}

/// A section with a text.
pub fn section(text: &str) -> SlackBlock {
    SlackSectionBlock::new().with_text(mrkdwn(&cut(text, SECTION))).into()
}

/// Small print.
pub fn context(text: &str) -> SlackBlock {
    SlackContextBlock::new(vec![SlackBlockMarkDownText::new(cut(text, SECTION)).into()]).into()
}

/// Lines, packed into as few sections as can be. What a message cannot hold is counted rather than silently cut.
pub fn lines(lines: &[String]) -> Vec<SlackBlock> {
    sections(lines, TEXT)
}

fn sections(lines: &[String], at_most: usize) -> Vec<SlackBlock> {
    packed(&within(lines, at_most)).iter().map(|text| section(text)).collect()
}

/// As many lines as fit, and how many do not.
fn within(lines: &[String], at_most: usize) -> Vec<String> {
    let mut kept: Vec<_> = lines.iter().map(|line| cut(line, SECTION)).collect();
    let mut ends = kept.iter().scan(0, |end, line| {
        *end += line.chars().count() + 1;
        Some(*end)
    });
    let fit = ends.position(|end| end > at_most).unwrap_or(kept.len());
    if fit < kept.len() {
        kept.truncate(fit);
        kept.push(format!("… and {} more", lines.len() - fit));
    }
    kept
}

/// Lines, in as few texts as can be.
fn packed(lines: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        let line = cut(line, SECTION);
        match texts.last_mut().filter(|last| last.chars().count() + line.chars().count() < SECTION) {
            Some(last) => {
                last.push('\n');
                last.push_str(&line);
            }
            None => texts.push(line),
        }
    }
    texts
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

/// The beginning of a text; what Slack reads as one, an entity or a time, is in it as a whole or not at all.
fn cut(text: &str, at_most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(at_most) else { return text.to_owned() };
    let kept = &text[..end];
    let torn = [('<', '>'), ('&', ';')].into_iter().filter_map(|(opens, closes)| {
        let opened = kept.rfind(opens)?;
        // Nothing that Slack reads as one is longer than this.
        (!kept[opened..].contains(closes) && kept.len() - opened < LONGEST_ENTITY).then_some(opened)
    });
    kept[..torn.min().unwrap_or(end)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_does_not_become_markup() {
        assert_eq!(escape("<!channel> & <https://evil|ok>"), "&lt;!channel&gt; &amp; &lt;https://evil|ok&gt;");
        assert_eq!(escape("*bold*"), "\u{2060}*bold\u{2060}*");
        assert_eq!(escape("_slanted_ group_1 ~no~"), "\u{2060}_slanted\u{2060}_ group_1 \u{2060}~no\u{2060}~");
        assert_eq!(escape("`code` & more"), "'code' &amp; more");
        assert_eq!(Mrkdwn.code("a`b *c* _d_"), "`a'b *c* _d_`");
    }

    #[test]
    fn what_slack_reads_as_one_is_never_torn() {
        let text = format!("{}&amp;{}", "x".repeat(8), Mrkdwn.time(Timestamp::from_millis(0)));
        for at_most in 0..text.len() {
            let kept = cut(&text, at_most);
            assert!(kept.len() <= at_most && text.starts_with(&kept), "{kept}");
            assert!(kept.is_empty() || kept.ends_with('x') || kept.ends_with("&amp;"), "{kept}");
        }
        assert_eq!(cut(&text, text.len()), text);
    }

    #[test]
    fn many_lines_keep_to_slacks_limits_and_none_is_lost_silently() {
        let long = vec!["x".repeat(2000); 60];
        let blocks = lines(&long);
        assert_eq!(blocks.len(), 4);
        assert!(serde_json::to_string(blocks.last().unwrap()).unwrap().contains("and 56 more"));
        assert_eq!(lines(&vec!["y".repeat(99); 100]).len(), 4);
        // A line of two is still one.
        let blocks = lines(&vec![format!("{}\nwhy", "z".repeat(295)); 100]);
        assert!(serde_json::to_string(blocks.last().unwrap()).unwrap().contains("and 67 more"));
    }
}
