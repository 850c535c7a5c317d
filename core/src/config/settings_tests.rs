//! What the configuration accepts, and how it refuses.

use std::path::Path;

use super::*;
use crate::domain::{Identity, Span};

const GOOD: &str = r#"
[server]
listen = "127.0.0.1:8080"
public_url = "https://entryguard.example.com/"
trusted_proxies = ["10.0.0.0/8"]
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h", "2h", "8h"]
default_duration = "2h"
max_duration = "24h"
max_sessions_per_member = 3
[slack]
signing_secret = { env = "SLACK_SIGNING_SECRET" }
bot_token = { env = "SLACK_BOT_TOKEN" }
team_id = "T0123456"
[[credential]]
name = "prod"
provider = "aws"
[[resource]]
name = "bastion"
provider = "aws"
type = "security_group"
id = "sg-0123456789abcdef0"
region = "eu-west-1"
credential = "prod"
ports = [{ protocol = "tcp", from = 22, to = 22 }]
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/etc/nginx/entryguard.allow"
format = "nginx"
after_change = ["nginx", "-s", "reload"]
[[member]]
name = "ana"
admin = true
identities = ["slack:T0123456/U111"]
[[role]]
name = "developers"
members = ["ana"]
resources = ["bastion", "intranet"]
max_duration = "8h"
"#;

fn parse(text: &str) -> Result<Settings, ConfigError> {
    let env = |name: &str| name.starts_with("SLACK_").then(|| format!("value-of-{name}"));
    Settings::parse(text, Path::new("entryguard.toml"), &env)
}

fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_browser_stays_signed_in_for_as_long_as_it_is_said_and_over_plain_http_not_at_all() {
    let with = |url: &str, more: &str| {
        let text = EXAMPLE_FOR_SIGN_IN.replace("URL", url) + more;
        Settings::parse(&text, Path::new("test"), &|_| Some("secret".to_owned()))
    };
    let https = "https://entryguard.example.com";
    let usual = with(https, "").unwrap();
    assert_eq!((usual.web, usual.server.keeps_sign_ins()), (WebLimits::default(), true));
    let short = with(https, "[web]\nlongest = \"1h\"\n").unwrap().web;
    assert_eq!(short, WebLimits { idle: Span::from_hours(1), longest: Span::from_hours(1) });
    for url in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
        assert!(with(url, "").unwrap().server.keeps_sign_ins(), "{url}");
    }
    for url in ["http://10.0.0.1:8080", "http://127.0.0.1.example.com", "http://localhost.example.com:80"] {
        assert!(!with(url, "").unwrap().server.keeps_sign_ins(), "{url}");
    }
    let oidc = |issuer: &str| format!("[oidc]\nissuer = \"{issuer}\"\nclient_id = \"x\"\nclient_secret = {{ env = \"X\" }}\n");
    let issuer = with(https, &oidc("https://login.example.com/realms/acme")).unwrap().oidc.unwrap();
    assert_eq!((issuer.host.as_str(), issuer.match_email), ("login.example.com", false));
    let error = |url: &str, more: &str| with(url, more).unwrap_err().to_string();
    insta::assert_snapshot!(error(https, "[web]\nidle = \"8d\"\n"), @"[web] idle 192h has to be longer than nothing and no longer than longest, which is 168h");
    insta::assert_snapshot!(error("http://entryguard.example.com", &oidc("https://login.example.com")), @"[oidc] needs HTTPS: browsers keep no sign-in over http://entryguard.example.com; serve EntryGuard behind HTTPS, and say so in [server] public_url");
    insta::assert_snapshot!(error(https, &oidc("http://login.example.com")), @"[oidc] issuer must be like https://login.example.com, as the issuer itself writes it: https://, or http:// on this machine's loopback address");
    let twice = format!(
        "{}match_email = true\n[[member]]\nname = \"bo\"\nemail = \"Ana@example.com\"\n",
        oidc("https://login.example.com")
    );
    insta::assert_snapshot!(error(https, &twice), @"email Ana@example.com is of ana and of bo; with [oidc] match_email it has to be of one");
}

const EXAMPLE_FOR_SIGN_IN: &str = "[server]\npublic_url = \"URL\"\n[organization]\nname = \"Acme\"\ntier = \"team\"\n[[tier]]\nname = \"team\"\n\
    durations = [\"1h\"]\ndefault_duration = \"1h\"\nmax_duration = \"1h\"\n[[member]]\nname = \"ana\"\nemail = \"ana@example.com\"\n";

#[test]
fn the_documented_configuration_is_accepted() {
    let settings = parse(GOOD).unwrap();
    let ana = settings.directory.member_of(&"slack:T0123456/U111".parse::<Identity>().unwrap()).unwrap();
    let limit = settings.directory.limit_of(&ana.name);
    assert_eq!((limit.longest, limit.set_by.to_string().as_str()), (Span::from_hours(8), "role developers"));
    assert_eq!(settings.directory.resources_of(&ana.name).len(), 2);
    assert_eq!(settings.server.public_url, "https://entryguard.example.com");
    assert_eq!(settings.slack.unwrap().api_url, "https://slack.com/api");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let refused = refusal("max_duration = \"8h\"", "max_durations = \"8h\"");
    assert!(refused.contains("unknown field `max_durations`") && refused.contains("did you mean `max_duration`?"), "{refused}");
}

#[test]
fn a_secret_that_stands_in_the_file_is_refused_and_not_repeated() {
    let refused = refusal("{ env = \"SLACK_BOT_TOKEN\" }", "\"xoxb-very-secret\"");
    assert!(refused.contains("a secret must not be written here") && !refused.contains("very-secret"), "{refused}");
    let missing = refusal("SLACK_BOT_TOKEN", "NOT_SET");
    insta::assert_snapshot!(missing, @"[slack] bot_token: the environment variable NOT_SET is not set");
}

#[test]
fn what_stands_in_a_secrets_place_is_never_repeated_whatever_its_type() {
    let of_bot = [
        "12345678",
        "1234.5678",
        "hunter2",
        "\"xoxb-hunter2\"",
        "\"xoxb-hunter2",
        "'xoxb-hunter2\"",
        "[\"xoxb-hunter2\"]",
        "[12345678]",
        "{ env = 12345678 }",
        "{ env = \"xoxb-hunter2\" }",
        "{ env = \"hunter2\" }",
        "{ env = [\"hunter2\"] }",
        "{ file = 12345678 }",
        "{ file = \"xoxb-hunter2\" }",
        "{ token = \"xoxb-hunter2\" }",
        "{ env = \"A\", file = \"xoxb-hunter2\" }",
        "true",
    ];
    let is_secret = |said: &str| ["hunter2", "12345678", "1234.5678"].iter().any(|secret| said.contains(secret));
    for wrong in of_bot {
        for key in ["SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"] {
            let said = refusal(&format!("{{ env = \"{key}\" }}"), wrong);
            assert!(!is_secret(&said), "{wrong}: {said}");
        }
        let said = refusal("{ env = \"SLACK_BOT_TOKEN\" }", wrong);
        assert!(said.contains("bot_token"), "{wrong}: {said}");
    }
    for table in ["[slack]\n", "[server]\n"] {
        let said = refusal(table, &format!("{table}headers = \"x-api-key: hunter2\"\n"));
        assert!(!is_secret(&said), "{said}");
    }
    let telemetry = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\nheaders = \"x-api-key: hunter2\"\n[organization]";
    let said = refusal("[organization]", telemetry);
    assert!(!is_secret(&said) && said.contains("`headers`: invalid type: string, expected a map"), "{said}");
}

#[test]
fn a_network_is_named_with_its_key_its_line_and_how_to_write_it() {
    let one = parse(&GOOD.replace("10.0.0.0/8", "10.0.0.5")).unwrap().server.trusted_proxies;
    assert_eq!(one, ["10.0.0.5/32".parse().unwrap()]);
    let all = [
        refusal("[\"10.0.0.0/8\"]", "[\"10.0.0.0/8\", \"proxy\"]"),
        refusal("[\"10.0.0.0/8\"]", "[\n  \"10.0.0.0/8\",\n  \"10.0.0.5/8\",\n]"),
        refusal("[\"10.0.0.0/8\"]", "[10]"),
        refusal("[organization]", "[web]\nshared_exits = [{ name = \"VPN\", networks = [\"10.0.0.0/33\"] }]\n[organization]"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    entryguard.toml: line 5, `trusted_proxies`: `proxy` is not a network; write one like `10.0.0.0/8` or `2001:db8::/32`, or an address like `10.0.0.5`
    entryguard.toml: line 7, `trusted_proxies`: `10.0.0.5/8` is not a network: its address has bits beyond its prefix; write `10.0.0.0/8` for all of it, or `10.0.0.5` for one address
    entryguard.toml: line 5, `trusted_proxies`: invalid type: integer, expected a network like "10.0.0.0/8", or an address like "10.0.0.5"
    entryguard.toml: line 7, `shared_exits`: `10.0.0.0/33` is not a network; write one like `10.0.0.0/8` or `2001:db8::/32`, or an address like `10.0.0.5`
    "#);
}

#[test]
fn what_is_accepted_and_hardly_meant_is_told_of() {
    let quoted =
        |name: &str| name.starts_with("SLACK_").then(|| if name.ends_with("SECRET") { "\"secret\"" } else { "xoxb" }.to_owned());
    let never = GOOD.replace("\"slack:T0123456/U111\"", "\"slack:T0123456/U111\", \"github:repository_id=42;ref=refs/heads/*\"");
    let warnings = Settings::parse(&never, Path::new("test"), &quoted).unwrap().warnings;
    insta::assert_snapshot!(warnings.join("\n"), @r"
    [slack] signing_secret: the environment variable SLACK_SIGNING_SECRET has quotation marks around it, which count as part of the secret (`docker run --env-file` keeps them); remove them
    member ana: identities: no workflow can ever have `github:repository_id=42;ref=refs/heads/*`: `ref=refs/heads/*` is taken to the letter, and no value has a `*`; write one whole value
    ");
    assert_eq!(parse(GOOD).unwrap().warnings, [""; 0]);
}

#[test]
fn every_cron_expression_is_read_alike() {
    let sweep = |cron: &str| refusal("[organization]", &format!("[sweep]\nschedule = \"{cron}\"\n[organization]"));
    for (cron, why) in
        [("0 8 * * 1-5", "weekdays are written as Mon"), ("0 8 30 2 *", "a day that no month has"), ("@daily", "it has 1 fields")]
    {
        let said = sweep(cron);
        assert!(said.starts_with("[sweep] schedule: ") && said.contains(why), "{said}");
        let schedule = format!(
            "{GOOD}[[schedule]]\nname = \"s\"\ncron = \"{cron}\"\ntimezone = \"UTC\"\nmember = \"ana\"\naddresses = [\"93.184.216.34\"]\nduration = \"1h\"\n"
        );
        let said = parse(&schedule).unwrap_err().to_string();
        assert!(said.starts_with("schedule s: cron: ") && said.contains(why), "{said}");
    }
    let five = parse(&GOOD.replace("[organization]", "[sweep]\nschedule = \"*/5 * * * *\"\n[organization]")).unwrap().sweep;
    assert_eq!(five.next_after(Timestamp::from_millis(1_000)), Some(Timestamp::from_millis(300_000)));
}

#[test]
fn what_is_shown_a_secret_is_reached_by_https_or_on_this_machine() {
    let github = |key: &str, url: &str| format!("[github]\n{key} = \"{url}\"\n[organization]");
    for key in ["api_url", "login_url", "oidc_issuer"] {
        for url in ["http://github.example.com", "github.example.com", "https://user:hunter2@github.example.com"] {
            let said = refusal("[organization]", &github(key, url));
            assert!(said.starts_with(&format!("[github] {key} must be like https://")) && !said.contains("hunter2"), "{said}");
        }
        assert!(parse(&GOOD.replace("[organization]", &github(key, "http://127.0.0.1:1"))).is_ok(), "{key}");
    }
    let said = refusal("team_id", "api_url = \"http://slack.example.com/api\"\nteam_id");
    assert!(said.starts_with("[slack] api_url must be like https://slack.com/api"), "{said}");
    let said = refusal("name = \"prod\"\n", "name = \"prod\"\nendpoint_url = \"ec2.example.com\"\n");
    assert!(said.starts_with("credential prod: endpoint_url must be like"), "{said}");
}

#[test]
fn names_that_are_not_defined_are_refused_with_the_nearest_that_is() {
    insta::assert_snapshot!(refusal("resources = [\"bastion\"", "resources = [\"bastoin\""), @"role developers names resource `bastoin`, which is not defined; did you mean `bastion`?");
    insta::assert_snapshot!(refusal("credential = \"prod\"", "credential = \"production\""), @"resource bastion names credential `production`, which is not defined; did you mean `prod`?");
    insta::assert_snapshot!(refusal("tier = \"team\"", "tier = \"teem\""), @"[organization] names tier `teem`, which is not defined; did you mean `team`?");
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    for (from, to, why) in [
        ("default_duration = \"2h\"", "default_duration = \"48h\"", "longer than max_duration"),
        ("[\"1h\", \"2h\", \"8h\"]", "[\"48h\"]", "is on offer"),
        ("region = \"eu-west-1\"\n", "", "needs `region`"),
        ("format = \"nginx\"", "region = \"eu-west-1\"", "means nothing to a file"),
        ("/etc/nginx/entryguard.allow", "entryguard.allow", "absolute path"),
        ("10.0.0.0/8", "0.0.0.0/0", "anybody could then claim any address"),
        ("after_change = [\"nginx\", \"-s\", \"reload\"]", "after_change_timeout = \"1m\"", "is too long"),
        ("from = 22, to = 22", "from = 23, to = 22", "no range"),
        ("https://entryguard.example.com/", "entryguard.example.com", "public_url must be like"),
        ("name = \"intranet\"", "name = \"bastion\"", "defined twice"),
    ] {
        let refused = refusal(from, to);
        assert!(refused.contains(why), "{refused}");
    }
    let twice = format!("{GOOD}\n[[member]]\nname = \"bo\"\nidentities = [\"slack:T0123456/U111\"]\n");
    assert!(parse(&twice).unwrap_err().to_string().contains("belongs to ana and to bo"));
}

#[test]
fn secrets_are_in_no_debug_print() {
    let settings = parse(GOOD).unwrap();
    assert!(!format!("{settings:?}").contains("value-of-"));
}

#[test]
fn the_sweep_follows_its_schedule() {
    let schedule = parse(GOOD).unwrap().sweep;
    assert_eq!(schedule.next_after(Timestamp::from_millis(1_000)), Some(Timestamp::from_millis(300_000)));
}

#[test]
fn a_role_says_whose_approval_it_takes_and_how_an_address_is_learnt() {
    let role = "max_duration = \"8h\"\n";
    let settings = |more: &str| parse(&GOOD.replace(role, more)).unwrap();
    let terms = |more: &str| settings(more).directory.terms_of(&crate::domain::MemberName::new("ana").unwrap());
    assert_eq!(terms("").remember_address, Some(Span::from_hours(12)));
    assert_eq!(terms("remember_address = false\n").remember_address, None);
    assert_eq!(terms("remember_address = \"30m\"\n").remember_address, Some(Span::from_minutes(30)));
    assert!(!terms("").explicit_ip && terms("explicit_ip = true\n").explicit_ip);
    let asking = terms("approval = { by = [\"developers\"], within = \"30m\" }\nbreak_glass = true\n");
    assert!(
        asking.break_glass && asking.approval.is_some_and(|approval| approval.approvers.is_empty()),
        "ana alone is in the role"
    );
}

#[test]
fn terms_that_make_no_sense_are_refused_with_what_to_do() {
    let refused = |more: &str| refusal("max_duration = \"8h\"\n", more);
    let all = [
        refused("break_glass = true\n"),
        refused("approval = { by = [], within = \"30m\" }\n"),
        refused("approval = { by = [\"developer\"], within = \"30m\" }\n"),
        refused("approval = { by = [\"developers\"], within = \"soon\" }\n"),
        refused("approval = { by = [\"developers\"] }\n"),
        refused("remember_address = \"yes\"\n"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    role developers: `break_glass` means nothing without `approval`; remove it
    role developers needs `approval.by`, for example ["leads"]
    role developers: approval.by names role or member `developer`, which is not defined; did you mean `developers`?
    entryguard.toml: line 45, `approval`: `soon` is not a duration; write for example `90m`, `2h` or `1d`
    entryguard.toml: line 45, `approval`: missing field `within`
    entryguard.toml: line 45, `remember_address`: expected a duration like "12h", or false
    "#);
}

#[test]
fn a_workflow_has_to_say_whose_it_is() {
    let refused = refusal("slack:T0123456/U111", "github:environment=production");
    assert!(refused.contains("anybody's could show them") && refused.contains("repository_id"), "{refused}");
    assert!(parse(&GOOD.replace("slack:T0123456/U111", "github:repository_id=42;environment=production")).is_ok());
}

#[test]
fn the_guide_of_discord_shows_a_whole_configuration() {
    let guide = include_str!("../../../docs/discord.md");
    let shown = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let filled =
        shown.replace("SERVER/USER", "800/111").replace("public_key = \"…\"", &format!("public_key = {:?}", "0".repeat(64)));
    let filled = filled.replace("\"…\"", "\"800\"").replace("DISCORD_BOT_TOKEN", "SLACK_X");
    let settings = parse(&filled).unwrap();
    assert!(settings.discord.is_some() && settings.slack.is_none());
    assert_eq!(settings.directory.members.len(), 1);
}

#[test]
fn a_role_of_another_guild_and_a_name_that_is_kept_are_refused() {
    let discord = "[discord]\napplication_id = \"700\"\ngateway = true\nbot_token = { env = \"SLACK_X\" }\nguild_id = \"800\"\n";
    let role = |guild: u32| {
        format!("{GOOD}{discord}").replace("members = [\"ana\"]", &format!("identities = [\"discord-role:{guild}/5\"]"))
    };
    assert!(parse(&role(800)).is_ok());
    let refused = parse(&role(801)).unwrap_err().to_string();
    assert!(refused.contains("of another guild"), "{refused}");
    let refused = parse(&GOOD.replace("\"ana\"", "\"discord-77\"")).unwrap_err().to_string();
    assert!(refused.contains("names like this are kept"), "{refused}");
    let no_way_in = format!("{GOOD}{discord}").replace("gateway = true", "gateway = false");
    assert!(parse(&no_way_in).unwrap_err().to_string().contains("needs `public_key`, or `gateway = true`"));
}

#[test]
fn traces_go_where_the_configuration_says_with_headers_that_stay_secret() {
    let telemetry = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318/\"\nheaders = { \"x-key\" = { env = \"SLACK_KEY\" } }\n[organization]";
    let settings = parse(&GOOD.replace("[organization]", telemetry)).unwrap();
    let telemetry = settings.telemetry.unwrap();
    assert_eq!((telemetry.otlp_endpoint.as_str(), telemetry.service_name.as_str()), ("http://127.0.0.1:4318", "entryguard"));
    assert_eq!(telemetry.headers["x-key"].expose_secret(), "value-of-SLACK_KEY");
    assert!(!format!("{telemetry:?}").contains("value-of-SLACK_KEY"));
    for wrong in ["127.0.0.1:4318", "ftp://collector", "http://user:key@collector", "https://"] {
        let said = refusal("[organization]", &format!("[telemetry]\notlp_endpoint = \"{wrong}\"\n[organization]"));
        assert!(said.contains("otlp_endpoint must be like") && !said.contains("user:key"), "{said}");
    }
}
