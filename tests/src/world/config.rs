//! The configuration file of a world, table by table, as INTERFACE.md promises it.

use std::path::{Path, PathBuf};

use crate::discord::DiscordDouble;
use crate::moto::GroupId;
use crate::slack::SlackDouble;

/// Where the server listens, and whom it speaks to.
#[derive(Debug, Clone, Copy)]
pub struct Peers<'a> {
    pub port: u16,
    pub database: &'a str,
    pub slack: &'a str,
    pub cloud: &'a str,
}

/// A member to be.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub identity: String,
    pub admin: bool,
}

/// A role to be.
#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    pub members: Vec<String>,
    pub resources: Vec<String>,
    pub more: String,
}

impl Member {
    pub fn toml(&self) -> String {
        let Self { name, identity, admin } = self;
        format!("[[member]]\nname = {name:?}\nemail = \"{name}@example.com\"\nadmin = {admin}\nidentities = [{identity:?}]\n\n")
    }
}

impl Role {
    /// Everything for everybody.
    pub fn of_everybody(members: &[Member], resources: Vec<String>) -> Self {
        let members = members.iter().map(|member| member.name.clone()).collect();
        Self { name: "developers".to_owned(), members, resources, more: String::new() }
    }

    pub fn toml(&self) -> String {
        let Self { name, members, resources, more } = self;
        format!("[[role]]\nname = {name:?}\nmembers = {members:?}\nresources = {resources:?}\n{more}\n\n")
    }
}

/// The browser of a test is on loopback, and says with X-Forwarded-For where it pretends to be.
pub fn server(Peers { port, database, .. }: &Peers) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n\n\
         [database]\nurl = {database:?}\n\n[organization]\nname = \"Acme\"\ntier = \"team\"\n\n"
    )
}

pub fn tier(durations: &[String], max_sessions: u32) -> String {
    let longest = durations.last().expect("a tier offers a duration");
    let default = durations.iter().find(|duration| *duration == "2h").unwrap_or(longest);
    format!(
        "[[tier]]\nname = \"team\"\ndurations = {durations:?}\ndefault_duration = {default:?}\nmax_duration = {longest:?}\n\
         max_sessions_per_member = {max_sessions}\n\n"
    )
}

pub fn slack(Peers { slack: api_url, .. }: &Peers) -> String {
    format!(
        "[slack]\nsigning_secret = [{{ env = \"SLACK_SIGNING_SECRET\" }}, {{ env = \"SLACK_OLD_SECRET\" }}]\nbot_token = {{ env = \"SLACK_BOT_TOKEN\" }}\n\
         team_id = \"{}\"\napi_url = {api_url:?}\n\n",
        SlackDouble::TEAM
    )
}

pub fn discord(api_url: &str) -> String {
    format!(
        "[discord]\napplication_id = \"{}\"\npublic_key = \"{}\"\nbot_token = {{ env = \"DISCORD_BOT_TOKEN\" }}\nguild_id = \"{}\"\n\
         api_url = {api_url:?}\n\n",
        DiscordDouble::APPLICATION,
        DiscordDouble::public_key(),
        DiscordDouble::GUILD
    )
}

pub fn credential(Peers { cloud: endpoint, .. }: &Peers) -> String {
    format!("[[credential]]\nname = \"cloud\"\nprovider = \"aws\"\nendpoint_url = {endpoint:?}\n\n")
}

pub fn groups(groups: &[GroupId]) -> String {
    let table = |(index, id): (usize, &GroupId)| {
        let (name, region) = (group_name(index + 1), super::World::REGION);
        format!(
            "[[resource]]\nname = {name:?}\nprovider = \"aws\"\ntype = \"security_group\"\nid = {id:?}\nregion = {region:?}\n\
             credential = \"cloud\"\nports = [{{ protocol = \"tcp\", from = 22, to = 22 }}]\n\n"
        )
    };
    groups.iter().enumerate().map(table).collect()
}

pub fn files(place: &Path, names: &[String]) -> String {
    let table = |name: &String| {
        let path = allowlist(place, name);
        format!("[[resource]]\nname = {name:?}\nprovider = \"file\"\ntype = \"allowlist\"\nid = {path:?}\nformat = \"plain\"\n\n")
    };
    names.iter().map(table).collect()
}

pub fn group_name(number: usize) -> String {
    format!("group-{number}")
}

pub fn allowlist(place: &Path, resource: &str) -> PathBuf {
    place.join(format!("{resource}.allow"))
}
