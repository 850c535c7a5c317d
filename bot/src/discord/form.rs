//! The form for a new session as a modal, and what Discord gives back of it. Discord's forms have text fields alone.

use entryguard_core::command::{AddressWay, FilledForm};
use entryguard_core::domain::Timestamp;
use entryguard_core::reply::{StartForm, last_time};
use serenity::builder::{CreateActionRow, CreateInputText, CreateModal};
use serenity::model::application::{ActionRowComponent, InputTextStyle, ModalInteractionData};

/// The form's name, by which Discord gives it back.
const FORM: &str = "entryguard_start";

const DURATION: &str = "duration";
const REASON: &str = "reason";
const ADDRESSES: &str = "addresses";
const BREAK_GLASS: &str = "break_glass";
/// What has to be typed to use the address that was confirmed last.
const SAME: &str = "same";
/// What a field's name may have.
const LABEL: usize = 45;
/// What may stand in an empty field.
const PLACEHOLDER: usize = 100;
/// What has to be typed to do without an approval.
const YES: &str = "yes";

/// The modal.
pub fn modal(form: &StartForm, now: Timestamp) -> CreateModal {
    let durations: Vec<_> = form.durations.iter().map(ToString::to_string).collect();
    let (label, example) = why(form);
    let mut rows = vec![
        field(InputTextStyle::Short, "For how long?", DURATION).value(form.default.to_string()).placeholder(durations.join(", ")),
        field(InputTextStyle::Short, label, REASON).placeholder(example).max_length(500).required(false),
    ];
    let ways = match (&form.remembered, form.explicit_ip) {
        (None, false) => None,
        (Some(last), false) => Some(format!("empty: a link; `{SAME}`: {}", last_time(last, now))),
        (None, true) => Some("empty: a link; or 192.0.2.1".to_owned()),
        (Some(_), true) => Some(format!("empty: a link; `{SAME}`: as last time; or 192.0.2.1")),
    };
    if let Some(ways) = ways {
        rows.push(field(InputTextStyle::Short, "Your address", ADDRESSES).placeholder(cut(&ways, PLACEHOLDER)).required(false));
    }
    if form.break_glass {
        let label = "Without approval? (break-glass)";
        rows.push(
            field(InputTextStyle::Short, label, BREAK_GLASS).placeholder(format!("`{YES}` in an emergency")).required(false),
        );
    }
    CreateModal::new(FORM, "Start a session").components(rows.into_iter().map(CreateActionRow::InputText).collect())
}

/// What the field of the reason is called, and what stands in it: who has to agree, for a form of Discord's has no other text.
fn why(form: &StartForm) -> (String, String) {
    let names: Vec<_> = form.approvers.iter().map(|name| name.as_str()).collect();
    match names.as_slice() {
        [] => ("Why?".to_owned(), "Deploying 4.2".to_owned()),
        names => {
            let names = names.join(" or ");
            let label = format!("Why? For {names}");
            let label = if label.chars().count() > LABEL { "Why? Somebody has to agree".to_owned() } else { label };
            (label, cut(&format!("It takes the approval of {names}."), PLACEHOLDER))
        }
    }
}

fn cut(text: &str, at_most: usize) -> String {
    text.chars().take(at_most).collect()
}

/// What somebody filled in.
pub fn filled(data: &ModalInteractionData) -> FilledForm {
    let typed = |name: &str| {
        let fields = data.components.iter().flat_map(|row| &row.components);
        let mut values = fields.filter_map(|field| match field {
            ActionRowComponent::InputText(input) if input.custom_id == name => input.value.clone(),
            _ => None,
        });
        values.next().map(|value| value.trim().to_owned()).unwrap_or_default()
    };
    let addresses = typed(ADDRESSES);
    let way = match addresses.as_str() {
        "" => AddressWay::Link,
        SAME => AddressWay::SameAsLast { confirmed_at: None },
        _ => AddressWay::ByHand,
    };
    let addresses = if way == AddressWay::ByHand { addresses } else { String::new() };
    let break_glass = typed(BREAK_GLASS).eq_ignore_ascii_case(YES);
    FilledForm { duration: typed(DURATION), reason: typed(REASON), way, addresses, break_glass }
}

fn field(style: InputTextStyle, label: impl Into<String>, name: &str) -> CreateInputText {
    CreateInputText::new(style, label, name)
}
