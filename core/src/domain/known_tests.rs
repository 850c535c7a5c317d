//! Who somebody is, and what they may reach, by the configuration and by what surfaces have told of them.

use std::path::Path;

use super::*;
use crate::config::Settings;
use crate::domain::ResourceName;

const CONFIG: &str = r#"
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h"]
default_duration = "1h"
max_duration = "1h"
[discord]
application_id = "700"
gateway = true
bot_token = { env = "TOKEN" }
guild_id = "800"
[[resource]]
name = "bastion"
provider = "file"
type = "allowlist"
id = "/bastion"
[[resource]]
name = "database"
provider = "file"
type = "allowlist"
id = "/database"
[[member]]
name = "ana"
identities = ["slack:T1/U1"]
[[member]]
name = "bo"
identities = ["discord:800/2"]
[[role]]
name = "developers"
members = ["ana"]
resources = ["bastion"]
[[role]]
name = "on-call"
identities = ["discord-role:800/55"]
resources = ["database"]
"#;

fn directory() -> Directory {
    Settings::parse(CONFIG, Path::new("test"), &|_| Some("secret".to_owned())).unwrap().directory
}

fn identity(text: &str) -> Identity {
    text.parse().unwrap()
}

fn holding(identities: &[&str]) -> Known {
    let role = BTreeSet::from(["discord-role:800/55".parse().unwrap()]);
    Known { held: identities.iter().map(|one| (identity(one), role.clone())).collect(), ..Known::default() }
}

fn joining(known: Known, pairs: &[(&str, &str)]) -> Known {
    let pair = |(one, name): &(&str, &str)| (identity(one), MemberName::new(*name).unwrap());
    Known { joined: pairs.iter().map(pair).collect(), ..known }
}

/// Whom a surface's identity is, and what they may reach.
fn reach(directory: &Directory, of: &str) -> Option<(String, Vec<String>)> {
    let member = directory.member_of(&identity(of))?;
    let names = directory.resources_of(&member.name).into_iter().map(|resource| ResourceName::to_string(&resource.name));
    Some((member.name.to_string(), names.collect()))
}

fn is(name: &str, resources: &[&str]) -> Option<(String, Vec<String>)> {
    Some((name.to_owned(), resources.iter().map(|one| (*one).to_owned()).collect()))
}

#[test]
fn whoever_holds_the_role_is_given_what_it_gives_and_only_as_long() {
    let known = directory().knowing(&holding(&["discord:800/2", "discord:800/3"]));
    assert_eq!(reach(&known, "discord:800/2"), is("bo", &["database"]));
    assert_eq!(reach(&known, "discord:800/3"), is("discord-3", &["database"]), "a member by the role alone");
    assert_eq!(reach(&known, "discord:800/4"), None);
    let without = directory().knowing(&Known::default());
    assert_eq!(reach(&without, "discord:800/2"), is("bo", &[]));
    assert_eq!(reach(&without, "discord:800/3"), None);
}

#[test]
fn a_joined_identity_is_its_member_with_the_roles_of_both() {
    let known = directory().knowing(&joining(holding(&["discord:800/3"]), &[("discord:800/3", "ana")]));
    assert_eq!(reach(&known, "discord:800/3"), is("ana", &["bastion", "database"]));
    assert_eq!(reach(&known, "slack:T1/U1"), is("ana", &["bastion", "database"]));
    assert!(!known.members.keys().any(is_guest));
}

#[test]
fn what_the_configuration_gives_to_somebody_cannot_be_joined_away_from_them() {
    let known = directory().knowing(&joining(Known::default(), &[("discord:800/2", "ana"), ("slack:T1/U9", "gone")]));
    assert_eq!(reach(&known, "discord:800/2"), is("bo", &[]));
    assert_eq!(reach(&known, "slack:T1/U9"), None, "a member who is not configured any more");
}

#[test]
fn a_role_that_no_role_names_gives_nothing() {
    let mut known = holding(&["discord:800/3"]);
    known.held.values_mut().for_each(|held| *held = BTreeSet::from(["discord-role:800/56".parse().unwrap()]));
    assert_eq!(reach(&directory().knowing(&known), "discord:800/3"), None);
}

#[test]
fn identities_of_roles_are_written_as_they_are_read() {
    assert_eq!("discord-role:800/55".parse::<RoleIdentity>().unwrap().to_string(), "discord-role:800/55");
    assert_eq!("github-team:acme/on-call".parse::<RoleIdentity>().unwrap().to_string(), "github-team:acme/on-call");
    for text in [
        "github-team:acme",
        "github-team:acme/a/b",
        "github-team:acme/",
        "discord-role:800",
        "discord-role:800/x",
        "discord:800/55",
        "discord-role:0/1",
        "discord-role:800/800",
    ] {
        assert!(text.parse::<RoleIdentity>().is_err(), "{text}");
    }
}
