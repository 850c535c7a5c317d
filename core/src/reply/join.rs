//! What is said of joining somebody's identities in several chats.

use super::message::{Action, Button, Markup, Message};
use crate::domain::Identity;
use crate::engine::{IssuedCode, Joining};

/// A code, to its owner alone.
pub(super) fn code(issued: &IssuedCode, public_url: &str, markup: &dyn Markup) -> Message {
    let code = issued.code.expose();
    let typed = markup.code(&super::typed(&format!("link {code}")));
    let url = format!("{public_url}/link/github/{code}");
    let login = issued.logins.then(|| Button::plain(Action::Follow { url }, "Join my GitHub login"));
    let lines = vec![
        format!("To be the same member in another chat, write {typed} there."),
        "Show it to nobody: whoever writes it and confirms it is you from then on.".to_owned(),
    ];
    let notes = vec![format!("It works once, until {}.", markup.time(issued.expires_at))];
    Message { summary: "Your code".to_owned(), lines, buttons: login.into_iter().collect(), notes }
}

/// What a code would do, before it does.
pub(super) fn question(joining: &Joining, markup: &dyn Markup) -> Message {
    let (member, from) = (markup.bold(&markup.text(joining.member.as_str())), markup.code(&joining.from.to_string()));
    let mut lines = vec![
        format!("This makes {} the member {member}, who got the code as {from}.", markup.code(&joining.identity.to_string())),
        format!("Whatever either of them may reach, both may reach then. Go on only if {from} is you."),
    ];
    let ends = |name: &crate::domain::MemberName| format!("What you have open as {} is closed.", markup.text(name.as_str()));
    lines.extend(joining.instead_of.as_ref().map(ends));
    let join = Button::primary(Action::Join(joining.code.clone()), "Yes, both are me");
    Message { summary: "Is this you?".to_owned(), lines, buttons: vec![join], notes: Vec::new() }
}

/// It is done.
pub(super) fn done(joining: &Joining, markup: &dyn Markup) -> Message {
    let line = format!(
        "You are {} here now, too. {} takes that back.",
        markup.bold(&markup.text(joining.member.as_str())),
        markup.code(&super::typed("unlink"))
    );
    Message::of_lines("Joined", vec![line])
}

/// It is taken back.
pub(super) fn parted(identity: &Identity, markup: &dyn Markup) -> Message {
    Message::of_lines("Taken back", vec![format!("{} is not joined to you any more.", markup.code(&identity.to_string()))])
}
