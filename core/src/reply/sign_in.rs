//! What is said of signing in to the pages.

use super::message::{Action, Button, Markup, Message};
use crate::engine::IssuedSignIn;

/// A link, to its owner alone.
pub(super) fn link(issued: &IssuedSignIn, public_url: &str, markup: &dyn Markup) -> Message {
    let url = format!("{public_url}/sign-in/{}", issued.token.expose());
    let lines = vec![
        "This signs your browser in to the Sessions page.".to_owned(),
        "Show the link to nobody: whoever follows it is you there.".to_owned(),
    ];
    let buttons = vec![Button::primary(Action::Follow { url }, "Sign in")];
    let notes = vec![format!("It works once, until {}.", markup.time(issued.expires_at))];
    Message { summary: "Sign in to the Sessions page".to_owned(), lines, buttons, notes }
}
