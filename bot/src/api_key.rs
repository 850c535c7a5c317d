//! `entryguard api-key`: makes keys of the API and takes them back, beside a running server or without one.

use std::process::ExitCode;
use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use entryguard_core::clock::SystemClock;
use entryguard_core::config::Settings;
use entryguard_core::domain::{ApiKeyRecord, ApiKeyStanding, Scopes, Timestamp};
use entryguard_core::engine::{KeyRequest, api_keys, close_sessions_of_api_key, create_api_key, revoke_api_key};
use entryguard_core::random::SystemRandom;
use entryguard_core::store::Store;
use serde_json::{Value, json};

use crate::cli::{ApiKeyVerb, ConfigOptions, CreateKeyOptions, ListOptions, RevokeKeyOptions};
use crate::operator::operator;

/// Creates, lists or revokes.
pub async fn run(verb: ApiKeyVerb) -> anyhow::Result<ExitCode> {
    match verb {
        ApiKeyVerb::Create(options) => create(options).await?,
        ApiKeyVerb::List(options) => list(&options).await?,
        ApiKeyVerb::Revoke(options) => revoke(&options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn create(options: CreateKeyOptions) -> anyhow::Result<()> {
    let CreateKeyOptions { config, member, scopes, name, expires_in, json } = options;
    let directory = Settings::read_directory(&config.config)?;
    let store = open(&config).await?;
    let scopes = Scopes::union(&scopes);
    let request = KeyRequest { member, scopes, name, expires_in };
    let (key, record) = create_api_key(&store, &directory, &request, &operator(), &SystemRandom).await?;
    if json {
        let mut shown = in_json(&record, record.created_at);
        shown["key"] = Value::from(key.expose());
        println!("{shown:#}");
    } else {
        // Whoever catches the output has the key alone; whoever reads along sees the rest as well.
        println!("{}", key.expose());
        let until = record.expires_at.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at}"));
        eprintln!("Key {} acts as {} ({}) {until}. It is not shown again.", record.name, record.member, record.scopes);
    }
    store.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn list(options: &ListOptions) -> anyhow::Result<()> {
    let store = open(&options.config).await?;
    let keys = api_keys(&store).await?;
    let now = store.now_without_database();
    match options.json {
        true => println!("{:#}", Value::from(keys.iter().map(|key| in_json(key, now)).collect::<Vec<_>>())),
        false if keys.is_empty() => println!("There is no key. `entryguard api-key create` makes one."),
        false => println!("{}", in_words(&keys, now)),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
async fn revoke(options: &RevokeKeyOptions) -> anyhow::Result<()> {
    let store = open(&options.config).await?;
    let by = operator();
    let revoked = revoke_api_key(&store, &options.name, &by, &SystemRandom).await?;
    let ended = match options.close {
        true => Some(close_sessions_of_api_key(&store, &options.name, &by, &SystemRandom).await?),
        false => None,
    };
    store.close().await;
    if options.json {
        println!("{:#}", json!({ "name": options.name.as_str(), "revoked": revoked, "sessionsEnded": ended }));
        return Ok(());
    }
    match revoked {
        true => println!("Key {} is revoked: nothing is done with it any more.", options.name),
        false => println!("Key {} was revoked before.", options.name),
    }
    if let Some(ended) = ended {
        println!("Sessions that were started with it and are ended now: {ended}. A running server removes their rules.");
    }
    Ok(())
}

async fn open(config: &ConfigOptions) -> anyhow::Result<Store> {
    Ok(Store::open_beside(&Settings::read_database(&config.config)?, Arc::new(SystemClock)).await?)
}

fn in_json(key: &ApiKeyRecord, now: Timestamp) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "name": key.name.as_str(), "member": key.member.as_str(), "status": status(key, now),
        "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(), "createdAt": key.created_at.to_string(),
        "createdBy": key.created_by, "expiresAt": time(key.expires_at), "revokedAt": time(key.revoked_at),
        "lastUsedAt": time(key.last_used_at),
    })
}

fn in_words(keys: &[ApiKeyRecord], now: Timestamp) -> String {
    table(keys, now).trim_fmt()
}

/// As wide as its words, and on a terminal no wider than that.
fn table(keys: &[ApiKeyRecord], now: Timestamp) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["NAME", "MEMBER", "SCOPES", "STATUS", "CREATED", "EXPIRES", "LAST USED"]);
    for key in keys {
        let time = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let (name, member, status) = (key.name.to_string(), key.member.to_string(), status(key, now).to_owned());
        let created = key.created_at.to_string();
        table.add_row([name, member, key.scopes.to_string(), status, created, time(key.expires_at), time(key.last_used_at)]);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

fn status(key: &ApiKeyRecord, now: Timestamp) -> &'static str {
    match key.standing(now) {
        ApiKeyStanding::Good => "good",
        ApiKeyStanding::Expired(_) => "expired",
        ApiKeyStanding::Revoked(_) => "revoked",
    }
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{ApiKeyName, MemberName};

    use super::*;

    #[test]
    fn a_list_says_what_each_key_is_for_and_how_it_stands() {
        let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + seconds * 1000);
        let key = |name: &str, expires_at, revoked_at, last_used_at| ApiKeyRecord {
            name: ApiKeyName::new(name).unwrap(),
            member: MemberName::new("ana").unwrap(),
            scopes: "sessions:read,sessions:write".parse::<Scopes>().unwrap(),
            created_at: at(0),
            created_by: "root".into(),
            expires_at,
            revoked_at,
            last_used_at,
        };
        let keys =
            [key("ci", None, None, Some(at(60))), key("old", Some(at(5)), None, None), key("lost", None, Some(at(7)), None)];
        insta::assert_snapshot!(in_words(&keys, at(100)));
        let narrow = table(&keys, at(100)).set_width(80).trim_fmt();
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "it fits a terminal:\n{narrow}");
        insta::assert_snapshot!(in_json(&keys[1], at(100)).to_string(), @r#"{"createdAt":"2027-01-15T08:00:00Z","createdBy":"root","expiresAt":"2027-01-15T08:00:05Z","lastUsedAt":null,"member":"ana","name":"old","revokedAt":null,"scopes":["sessions:read","sessions:write"],"status":"expired"}"#);
    }
}
