//! Slack's markup: texts that cannot be broken out of, blocks that keep to Slack's limits, and the words for statuses.

use entryguard_core::domain::{RuleStatus, SessionStatus, Timestamp};
use slack_morphism::prelude::{
    SlackBlock, SlackBlockButtonElement, SlackBlockMarkDownText, SlackBlockPlainTextOnly, SlackMessageContent, SlackSectionBlock,
};

/// What one section's text may hold.
const SECTION: usize = 3000;
/// What one message may hold, less one for the line that says how many were left out.
const BLOCKS: usize = 48;

/// Text of somebody else's, which must not become markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A time in the reader's own time zone.
pub fn time(at: Timestamp) -> String {
    format!("<!date^{}^{{date_short_pretty}} {{time}}|{at}>", at.as_seconds())
}

/// A section with a text.
pub fn section(text: &str) -> SlackBlock {
    let text: String = text.chars().take(SECTION).collect();
    SlackSectionBlock::new().with_text(SlackBlockMarkDownText::new(text).into()).into()
}

/// Lines, packed into as few sections as can be. What a message cannot hold is counted rather than silently cut.
pub fn lines(lines: &[String]) -> Vec<SlackBlock> {
    let mut texts: Vec<String> = Vec::new();
    let mut left_out = 0;
    for line in lines {
        let line: String = line.chars().take(SECTION).collect();
        let full = texts.len() == BLOCKS;
        match texts.last_mut().filter(|last| last.len() + line.len() < SECTION) {
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

/// A button that acts.
pub fn button(action: &str, label: &str, value: &str) -> SlackBlockButtonElement {
    SlackBlockButtonElement::new(SlackBlockPlainTextOnly::from(label)).with_action_id(action.into()).with_value(value.to_owned())
}

/// A message of blocks, with a text for notifications and for readers that show no blocks.
pub fn message(text: &str, blocks: Vec<SlackBlock>) -> SlackMessageContent {
    SlackMessageContent::new().with_text(text.to_owned()).with_blocks(blocks)
}

/// A session's status: a glyph and the word.
pub fn session_status(status: SessionStatus) -> String {
    let glyph = match status {
        SessionStatus::Pending => "🔵",
        SessionStatus::Active => "🟢",
        SessionStatus::Partial => "🟠",
        SessionStatus::Failed => "🔴",
        SessionStatus::Expiring => "⏳",
        SessionStatus::Expired | SessionStatus::Cancelled => "⚪",
    };
    format!("{glyph} {}", status.as_str())
}

/// A rule's status: a glyph and the word.
pub fn rule_status(status: RuleStatus) -> String {
    let glyph = match status {
        RuleStatus::Pending => "🔵",
        RuleStatus::Applied => "🟢",
        RuleStatus::Failed => "🔴",
        RuleStatus::Removing => "⏳",
        RuleStatus::Removed => "⚪",
    };
    format!("{glyph} {}", status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_does_not_become_markup() {
        assert_eq!(escape("<!channel> & <https://evil|ok>"), "&lt;!channel&gt; &amp; &lt;https://evil|ok&gt;");
    }

    #[test]
    fn many_lines_keep_to_slacks_limits_and_none_is_lost_silently() {
        let long = vec!["x".repeat(2000); 60];
        let blocks = lines(&long);
        assert_eq!(blocks.len(), 49);
        assert!(serde_json::to_string(blocks.last().unwrap()).unwrap().contains("and 12 more"));
        assert_eq!(lines(&vec!["y".repeat(100); 100]).len(), 4);
    }
}
