//! Where `./x services` has put moto, Slack's models and Postgres.

/// Where act, the linters and Node.js are, before whatever else is on this machine: a search path.
pub fn tools() -> String {
    format!("{}:{}", from_environment("ENTRYGUARD_TEST_TOOLS"), std::env::var("PATH").unwrap_or_default())
}

/// The address of moto.
pub fn moto_address() -> String {
    from_environment("ENTRYGUARD_TEST_MOTO")
}

/// Slack's own models and signature check.
pub fn slack_models_address() -> String {
    from_environment("ENTRYGUARD_TEST_SLACK_MODELS")
}

/// A Postgres in which a test may create databases.
pub fn postgres_address() -> String {
    from_environment("ENTRYGUARD_TEST_POSTGRES")
}

fn from_environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with ./x test, which starts what they need"))
}
