//! What a press of a button asks for, in the chat language.

use super::Command;
use crate::engine::{Verdict, Which};
use crate::reply::message::Action;

impl Command {
    /// The command of a press; none where the press only opens something in the chat itself.
    pub fn of_press(action: Action) -> Option<Self> {
        let named = |id: crate::domain::SessionId| Which::Named(id.to_string());
        Some(match action {
            Action::OpenForm | Action::Follow { .. } => return None,
            Action::Start(duration) => {
                Self::Start { duration: Some(duration), addresses: Vec::new(), reason: None, break_glass: false }
            }
            Action::SameAddress { link, confirmed_at } => Self::StartSameAddress { link, confirmed_at },
            Action::Extend(id) => Self::Extend { which: named(id), by: None },
            Action::Stop(id) => Self::Stop(named(id)),
            Action::Details(id) => Self::Status(named(id)),
            Action::Approve(id) => Self::Answer { session: id.to_string(), verdict: Verdict::Approve },
            Action::CloseAtOnce { scope, asked_at } => Self::CloseAtOnce { scope, asked_at },
            Action::Join(code) => Self::Join(code),
            Action::Deny(id) => Self::Answer { session: id.to_string(), verdict: Verdict::Deny },
        })
    }
}
