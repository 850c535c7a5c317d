//! The form for a new session as a modal, and what Slack gives back of it.

use std::collections::HashMap;

use entryguard_core::command::{AddressWay, Field, FieldError, FilledForm};
use entryguard_core::domain::Timestamp;
use entryguard_core::reply::message::Message;
use entryguard_core::reply::{StartForm, confirmed_ago};
use serde::Deserialize;
use slack_morphism::prelude::{
    SlackBlock, SlackBlockCheckboxesElement, SlackBlockChoiceItem, SlackBlockPlainText, SlackBlockPlainTextInputElement,
    SlackBlockPlainTextOnly, SlackBlockRadioButtonsElement, SlackBlockStaticSelectElement, SlackBlockText, SlackInputBlock,
    SlackModalView, SlackView,
};

use super::blocks::{self, context};
use super::typed;

/// The modal's name, by which Slack gives it back.
pub const CALLBACK: &str = "entryguard_start";
/// The shortcut's name.
pub const SHORTCUT: &str = "entryguard_start";

const DURATION: &str = "duration";
const REASON: &str = "reason";
const WAY: &str = "way";
const ADDRESSES: &str = "addresses";
const BREAK_GLASS: &str = "break_glass";
/// A reason longer than this nobody reads; the parser says so, too.
const LONGEST_REASON: u64 = 500;

/// The values of a submitted view: block → action → what was chosen or typed.
pub type Values = HashMap<String, HashMap<String, Value>>;

/// What was chosen or typed.
#[derive(Debug, Default, Deserialize)]
pub struct Value {
    #[serde(default, deserialize_with = "typed::maybe")]
    value: Option<String>,
    selected_option: Option<Choice>,
    #[serde(default)]
    selected_options: Vec<Choice>,
}

/// A chosen option.
#[derive(Debug, Deserialize)]
pub struct Choice {
    value: String,
}

/// The modal. `place` comes back with it.
pub fn modal(form: &StartForm, now: Timestamp, place: String) -> SlackView {
    let mut all = vec![duration(form), reason(), way(form, now)];
    if form.explicit_ip {
        all.push(addresses());
    }
    if !form.approvers.is_empty() {
        let names: Vec<_> = form.approvers.iter().map(|name| blocks::escape(name.as_str())).collect();
        all.push(context(&format!("It takes the approval of {}. Its time begins with that.", names.join(" or "))));
        if form.break_glass {
            all.push(break_glass());
        }
    }
    view(
        SlackModalView::new(plain("Start a session"), all)
            .with_submit(plain("Start"))
            .with_close(plain("Cancel"))
            .with_private_metadata(place)
            .with_callback_id(CALLBACK.into()),
    )
}

/// What a modal shows in the form's place.
pub fn said(message: &Message) -> SlackView {
    view(SlackModalView::new(plain("EntryGuard"), blocks::blocks(message)).with_close(plain("Close")))
}

/// What somebody filled in.
pub fn filled(values: &Values) -> FilledForm {
    let of = |name: &str| values.get(name).and_then(|block| block.get(name));
    let typed = |name| of(name).and_then(|value| value.value.clone()).unwrap_or_default();
    let chosen = |name| of(name).and_then(|value| value.selected_option.as_ref()).map(|choice| choice.value.clone());
    FilledForm {
        duration: chosen(DURATION).unwrap_or_default(),
        reason: typed(REASON),
        way: chosen(WAY).and_then(|way| AddressWay::parse(&way)).unwrap_or_default(),
        addresses: typed(ADDRESSES),
        break_glass: of(BREAK_GLASS).is_some_and(|value| value.selected_options.iter().any(|choice| choice.value == BREAK_GLASS)),
    }
}

/// What is wrong, where it stands. A form without the field for addresses says it at the choice of the way.
pub fn errors(wrong: &[FieldError], values: &Values) -> serde_json::Value {
    let block = |field| match field {
        Field::Duration => DURATION,
        Field::Reason => REASON,
        Field::Addresses if values.contains_key(ADDRESSES) => ADDRESSES,
        Field::Addresses => WAY,
    };
    let errors: HashMap<_, _> = wrong.iter().map(|error| (block(error.field), error.why.clone())).collect();
    serde_json::json!({ "response_action": "errors", "errors": errors })
}

fn duration(form: &StartForm) -> SlackBlock {
    let option = |span: &entryguard_core::domain::Span| choice(&span.to_string(), &span.to_string());
    let mut durations = form.durations.clone();
    // The default may be shorter than everything on offer, where a role says so.
    if !durations.contains(&form.default) {
        durations.insert(0, form.default);
    }
    let options = durations.iter().map(option).collect();
    let select = SlackBlockStaticSelectElement::new()
        .with_action_id(DURATION.into())
        .with_options(options)
        .with_initial_option(option(&form.default));
    input(DURATION, SlackInputBlock::new(plain("For how long?"), select.into()))
}

fn reason() -> SlackBlock {
    let text = SlackBlockPlainTextInputElement::new()
        .with_action_id(REASON.into())
        .with_placeholder(plain("Deploying 4.2"))
        .with_max_length(LONGEST_REASON);
    input(REASON, SlackInputBlock::new(plain("Why?"), text.into()).with_optional(true))
}

fn way(form: &StartForm, now: Timestamp) -> SlackBlock {
    let option = |way: AddressWay, label: &str| {
        SlackBlockChoiceItem::<SlackBlockText>::new(SlackBlockPlainText::new(label.to_owned()).into(), way.value())
    };
    let link = option(AddressWay::Link, "I open a link, and its page sees it");
    let mut options = vec![link.clone()];
    let mut first = link;
    if let Some(remembered) = &form.remembered {
        let way = AddressWay::SameAsLast { confirmed_at: Some(remembered.confirmed_at) };
        // Two addresses and their age are more than a label holds.
        let label = format!("Same as last time, confirmed {}", confirmed_ago(remembered, now));
        first = option(way, &label).with_description(plain(&remembered.addresses.to_string()));
        options.insert(0, first.clone());
    }
    if form.explicit_ip {
        options.push(option(AddressWay::ByHand, "I write it below"));
    }
    let radio = SlackBlockRadioButtonsElement::new(options).with_action_id(WAY.into()).with_initial_option(first);
    input(WAY, SlackInputBlock::new(plain("Your address"), radio.into()))
}

fn addresses() -> SlackBlock {
    let text = SlackBlockPlainTextInputElement::new()
        .with_action_id(ADDRESSES.into())
        .with_placeholder(plain("93.184.216.34, 2606:2800:220:1::1"));
    let block = SlackInputBlock::new(plain("Addresses"), text.into())
        .with_optional(true)
        .with_hint(plain("One IPv4 and one IPv6 address at the most; only if you write them yourself."));
    input(ADDRESSES, block)
}

fn break_glass() -> SlackBlock {
    let label = SlackBlockPlainText::new("Break the glass: start now, and tell everybody".to_owned());
    let option = SlackBlockChoiceItem::<SlackBlockText>::new(label.into(), BREAK_GLASS.to_owned());
    let boxes = SlackBlockCheckboxesElement::new(vec![option]).with_action_id(BREAK_GLASS.into());
    input(BREAK_GLASS, SlackInputBlock::new(plain("Emergency"), boxes.into()).with_optional(true))
}

fn input(name: &str, block: SlackInputBlock) -> SlackBlock {
    block.with_block_id(name.into()).into()
}

fn choice(text: &str, value: &str) -> SlackBlockChoiceItem<SlackBlockPlainTextOnly> {
    SlackBlockChoiceItem::new(plain(text), value.to_owned())
}

fn plain(text: &str) -> SlackBlockPlainTextOnly {
    SlackBlockPlainTextOnly::from(text)
}

fn view(modal: SlackModalView) -> SlackView {
    SlackView::Modal(modal)
}
