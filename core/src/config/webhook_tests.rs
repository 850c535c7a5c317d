//! What a webhook's table accepts, and how it refuses.

use super::*;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn parse(url: &str, events: Option<&[&str]>, secret: &str) -> Result<WebhookSettings, ConfigError> {
    let table = file::Webhook {
        name: WebhookName::new("siem").unwrap(),
        url: url.to_owned(),
        secret: OneOrTwo::One(SecretSource::Env("SECRET".to_owned())),
        events: events.map(|events| events.iter().map(|event| (*event).to_owned()).collect()),
    };
    webhook(table, &Secrets::new(&|_| Some(secret.to_owned())))
}

#[test]
fn by_default_every_event_of_a_session_is_told() {
    let webhook = parse("https://hooks.example.com/in", None, SECRET).unwrap();
    let told = |event: &str| webhook.events.iter().any(|pattern| pattern.covers(event));
    assert!(AuditAction::OF_SESSIONS.iter().all(|action| told(action.as_str())));
    assert!(!told("rule.applied") && !told("member.left"));
    let some = parse("https://hooks.example.com/in", Some(&["session.started", "session.e*"]), SECRET).unwrap();
    let told = AuditAction::OF_SESSIONS
        .map(AuditAction::as_str)
        .into_iter()
        .filter(|event| some.events.iter().any(|pattern| pattern.covers(event)));
    assert_eq!(told.collect::<Vec<_>>(), ["session.started", "session.extended", "session.expired"]);
}

#[test]
fn what_others_could_read_or_forge_is_refused_with_what_to_do() {
    for url in ["https://10.0.0.7/in", "http://127.0.0.1:9/in", "http://[::1]:9/in", "http://localhost/in"] {
        assert!(parse(url, None, SECRET).is_ok(), "{url}");
    }
    for url in [
        "http://hooks.example.com/in",
        "http://10.0.0.7/in",
        "ftp://127.0.0.1/",
        "https://a:b@hooks.example.com",
        "/in",
        "https://",
    ] {
        let refused = parse(url, None, SECRET).unwrap_err().to_string();
        assert!(refused.contains("webhook siem: url must be like https://hooks.example.com"), "{url}: {refused}");
    }
    for secret in ["hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!"] {
        let refused = parse("https://hooks.example.com", None, secret).unwrap_err().to_string();
        assert!(refused.contains("openssl rand -base64 32") && !refused.contains("hunter2"), "{refused}");
    }
    let refused = parse("https://hooks.example.com", Some(&["session.start"]), SECRET).unwrap_err().to_string();
    insta::assert_snapshot!(refused, @"webhook siem: there is no event `session.start`; did you mean `session.started`? `session.*` is all of them");
    assert!(!format!("{:?}", parse("https://hooks.example.com", None, SECRET).unwrap()).contains("MDEy"));
}
