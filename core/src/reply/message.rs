//! A message before any markup: what a chat says and which buttons it offers. Each chat has a [`Markup`] and renders the rest alike.

use crate::domain::{ConfirmationId, PanicScope, SessionId, Span, Timestamp};
use crate::engine::JoinCode;

/// What a chat's markup can do.
pub trait Markup {
    /// A time in the reader's own time zone, where the chat knows it.
    fn time(&self, at: Timestamp) -> String;
    /// Somebody else's text, which must not become markup.
    fn text(&self, text: &str) -> String;
    /// Bold, of text that is escaped already.
    fn bold(&self, text: &str) -> String;
    /// Text to be typed as it stands.
    fn code(&self, text: &str) -> String;
    /// How many characters of lines a message holds.
    fn holds(&self) -> usize {
        100_000
    }
}

/// No markup at all: for notifications, and for readers that show none.
pub struct Words;

impl Markup for Words {
    fn time(&self, at: Timestamp) -> String {
        let text = at.to_string();
        match (text.get(..10), text.get(11..16)) {
            (Some(day), Some(time)) => format!("{day} {time} UTC"),
            _ => text,
        }
    }

    fn text(&self, text: &str) -> String {
        text.to_owned()
    }

    fn bold(&self, text: &str) -> String {
        text.to_owned()
    }

    fn code(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// One line for notifications, and for readers that show no markup: it has none.
    pub summary: String,
    /// What it says.
    pub lines: Vec<String>,
    /// What can be done.
    pub buttons: Vec<Button>,
    /// What stands below the buttons.
    pub notes: Vec<String>,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it does.
    pub action: Action,
    /// What is on it.
    pub label: String,
    /// How it looks.
    pub look: Look,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Like any other.
    Plain,
    /// What most people want.
    Primary,
    /// What ends something.
    Danger,
}

/// What a button does. It acts for whoever presses it, with their rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens the form for a new session.
    OpenForm,
    /// Asks for a session so long.
    Start(Span),
    /// Leads to a page of ours.
    Follow {
        /// The one-time link.
        url: String,
    },
    /// Starts what a link offers, from the address that was confirmed last.
    SameAddress {
        /// By which link.
        link: ConfirmationId,
        /// When the address that was shown was confirmed: no other one is meant.
        confirmed_at: Timestamp,
    },
    /// Gives a session more time.
    Extend(SessionId),
    /// Ends a session.
    Stop(SessionId),
    /// Shows every resource of a session.
    Details(SessionId),
    /// Agrees to a session.
    Approve(SessionId),
    /// Refuses a session.
    Deny(SessionId),
    /// Joins whoever presses it to the member whose code it is.
    Join(JoinCode),
    /// Closes at once, and keeps closed, if that was asked about lately.
    CloseAtOnce {
        /// What.
        scope: PanicScope,
        /// When somebody was asked whether to, to the second.
        asked_at: Timestamp,
    },
}

impl Action {
    /// The action's name within a message, the same in every chat: no two buttons of one message share it.
    pub fn name(&self) -> String {
        match self {
            Self::OpenForm => "entryguard_form".to_owned(),
            Self::Start(duration) => format!("entryguard_start_{}", duration.to_string().replace(' ', "")),
            Self::Follow { .. } => "entryguard_confirm".to_owned(),
            Self::SameAddress { .. } => "entryguard_same_address".to_owned(),
            Self::Extend(_) => "entryguard_extend".to_owned(),
            Self::Stop(_) => "entryguard_stop".to_owned(),
            Self::Details(_) => "entryguard_details".to_owned(),
            Self::Approve(_) => "entryguard_approve".to_owned(),
            Self::Deny(_) => "entryguard_deny".to_owned(),
            Self::Join(_) => "entryguard_join".to_owned(),
            Self::CloseAtOnce { .. } => "entryguard_panic".to_owned(),
        }
    }

    /// What goes along with the name.
    pub fn value(&self) -> String {
        match self {
            Self::OpenForm | Self::Follow { .. } => String::new(),
            Self::Start(duration) => duration.to_string(),
            Self::SameAddress { link, confirmed_at } => format!("{link} {}", confirmed_at.as_millis()),
            Self::Join(code) => code.expose(),
            // In few digits: Discord takes a hundred characters in all.
            Self::CloseAtOnce { scope, asked_at } => {
                let (word, name) = scope.as_words();
                format!("{:x} {word} {name}", asked_at.as_millis() / 1000)
            }
            Self::Extend(id) | Self::Stop(id) | Self::Details(id) | Self::Approve(id) | Self::Deny(id) => id.to_string(),
        }
    }

    /// Whether the session's thread shows what comes of it: then only a refusal is answered, for a second message says nothing new.
    pub const fn is_seen_in_thread(&self) -> bool {
        matches!(self, Self::Extend(_) | Self::Stop(_))
    }

    /// The action of a press. A link acts by itself: there is nothing to do for us.
    pub fn of_press(name: &str, value: &str) -> Option<Self> {
        let session = || SessionId::from_stored(value);
        // One message may offer several sessions: what follows a dot only keeps the names apart.
        match name.split('.').next().unwrap_or(name) {
            "entryguard_form" => Some(Self::OpenForm),
            "entryguard_same_address" => {
                let (link, confirmed_at) = value.split_once(' ')?;
                let confirmed_at = Timestamp::from_millis(confirmed_at.parse().ok()?);
                Some(Self::SameAddress { link: ConfirmationId::from_stored(link), confirmed_at })
            }
            "entryguard_extend" => Some(Self::Extend(session())),
            "entryguard_stop" => Some(Self::Stop(session())),
            "entryguard_details" => Some(Self::Details(session())),
            "entryguard_approve" => Some(Self::Approve(session())),
            "entryguard_deny" => Some(Self::Deny(session())),
            "entryguard_panic" => {
                let (seconds, scope) = value.split_once(' ')?;
                let (word, name) = scope.split_once(' ')?;
                let asked_at = Timestamp::from_millis(i64::from_str_radix(seconds, 16).ok()?.checked_mul(1000)?);
                PanicScope::parse(word, name).map(|scope| Self::CloseAtOnce { scope, asked_at })
            }
            "entryguard_join" => Some(Self::Join(JoinCode::typed(value))),
            name if name.starts_with("entryguard_start_") => value.parse().ok().map(Self::Start),
            _ => None,
        }
    }
}

impl Button {
    /// A button like any other.
    pub fn plain(action: Action, label: impl Into<String>) -> Self {
        Self { action, label: label.into(), look: Look::Plain }
    }

    /// The button that most people want.
    pub fn primary(action: Action, label: impl Into<String>) -> Self {
        Self { action, label: label.into(), look: Look::Primary }
    }

    /// A button that ends something.
    pub fn danger(action: Action, label: impl Into<String>) -> Self {
        Self { action, label: label.into(), look: Look::Danger }
    }
}

impl Message {
    /// A message of lines alone.
    pub fn of_lines(summary: impl Into<String>, lines: Vec<String>) -> Self {
        Self { summary: summary.into(), lines, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_means_what_its_button_did() {
        let session = SessionId::from_stored("0a1b2c3d-0000-4000-8000-000000000000");
        let asked_at = Timestamp::from_millis(1_767_268_800_000);
        let every = [
            Action::OpenForm,
            Action::Start(Span::from_minutes(90)),
            Action::SameAddress { link: ConfirmationId::from_stored("link"), confirmed_at: asked_at },
            Action::Extend(session.clone()),
            Action::Stop(session.clone()),
            Action::Details(session.clone()),
            Action::Approve(session.clone()),
            Action::Deny(session),
            Action::Join(JoinCode::typed("0123-ABCD-EFGH")),
            Action::CloseAtOnce { scope: PanicScope::All, asked_at },
            Action::CloseAtOnce { scope: PanicScope::parse("RESOURCE", "postgres-prod").unwrap(), asked_at },
        ];
        for action in every {
            assert_eq!(Action::of_press(&action.name(), &action.value()), Some(action));
        }
        assert_eq!(Action::of_press("entryguard_confirm", ""), None);
        assert_eq!(Action::of_press("somebody_elses", "x"), None);
    }
}
