//! What is said while the database does not work: what is wrong, that nothing was changed, that closing goes on, and what to do.

use crate::domain::PanicScope;
use crate::store::Outage;

/// The answer to a request that could not be carried out. `closes` is what it was to close at once.
pub fn unavailable(outage: Outage, closes: Option<&PanicScope>) -> String {
    let (wrong, next) = (what_is_wrong(outage), what_to_do(outage));
    let changed = match outage {
        Outage::OutcomeUnknown => "the change may have been made or not",
        _ => "nothing was changed",
    };
    format!("{wrong}, so {changed}. Closing goes on. {next}{}", on_the_host(closes))
}

/// The first answer to a request that waits for the database. `accepted` says whether it is being carried out already.
pub fn waiting(outage: Outage, accepted: bool, closes: Option<&PanicScope>) -> String {
    let wrong = what_is_wrong(outage);
    let changed = if accepted { "EntryGuard is still working on this" } else { "nothing has been changed yet" };
    format!("{wrong}: {changed}. The answer follows here. Closing goes on.{}", on_the_host(closes))
}

const fn what_is_wrong(outage: Outage) -> &'static str {
    match outage {
        Outage::DiskFull => "The disk of EntryGuard's database is full",
        Outage::DiskFailed => "The disk of EntryGuard's database reports an error",
        Outage::ReadOnly => "EntryGuard's database is read-only",
        Outage::Missing => "EntryGuard's database is missing or cannot be opened",
        Outage::Damaged => "EntryGuard's database is damaged or was replaced",
        Outage::Unreachable => "EntryGuard cannot reach its database",
        Outage::Slow => "EntryGuard's database is too slow to answer",
        Outage::Conflict => "Another change came in between",
        Outage::OutcomeUnknown => "EntryGuard lost its database's answer",
        Outage::Other => "EntryGuard's database reports an error",
    }
}

const fn what_to_do(outage: Outage) -> &'static str {
    match outage {
        Outage::DiskFull | Outage::DiskFailed | Outage::ReadOnly | Outage::Missing | Outage::Damaged => {
            "Tell the operator of EntryGuard, and try again once it is repaired."
        }
        Outage::Unreachable | Outage::Slow | Outage::Other => {
            "Try again in a minute; if this continues, tell the operator of EntryGuard."
        }
        Outage::Conflict => "Try again.",
        Outage::OutcomeUnknown => "Run `list` to see the current state before you try again.",
    }
}

/// The command that closes without the database, for a request that was to close at once.
fn on_the_host(closes: Option<&PanicScope>) -> String {
    let (command, whose) = match closes {
        None => return String::new(),
        Some(PanicScope::All) => ("entryguard sweep --all".to_owned(), ""),
        Some(PanicScope::Member(_)) => {
            ("entryguard sweep --all".to_owned(), " The rules do not say whose they are, so that closes everyone's.")
        }
        Some(PanicScope::Resource(name)) => (format!("entryguard sweep --all --resource {name}"), ""),
    };
    format!(
        " To close now, run `{command}` on EntryGuard's host, which needs no database.{whose} Give this command again once the database \
         is repaired: nothing keeps it closed until then."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MemberName;

    #[test]
    fn it_says_what_is_wrong_that_nothing_was_changed_and_that_closing_goes_on() {
        let full = unavailable(Outage::DiskFull, None);
        assert!(
            full.starts_with("The disk of EntryGuard's database is full, so nothing was changed. Closing goes on."),
            "{full}"
        );
        let unknown = unavailable(Outage::OutcomeUnknown, None);
        assert!(unknown.contains("may have been made or not") && !unknown.contains("nothing was changed"), "{unknown}");
        let slow = waiting(Outage::Slow, false, None);
        assert!(slow.contains("nothing has been changed yet") && slow.contains("follows here"), "{slow}");
        assert!(!waiting(Outage::Slow, true, None).contains("nothing"), "what is under way may change something");
    }

    #[test]
    fn a_panic_that_cannot_be_stored_names_the_command_that_does_it() {
        let ana = PanicScope::Member(MemberName::new("ana").unwrap());
        for (scope, command) in [(PanicScope::All, "`entryguard sweep --all`"), (ana, "closes everyone's")] {
            for said in [unavailable(Outage::Missing, Some(&scope)), waiting(Outage::Slow, false, Some(&scope))] {
                assert!(said.contains(command) && said.contains("entryguard sweep --all"), "{said}");
            }
        }
    }
}
