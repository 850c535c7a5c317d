//! `entryguard configure`: asks for the key, tries it, and keeps it where nobody else reads it.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use secrecy::SecretString;

use super::access::{Access, AccessError, Files, ServerUrl, Written, kept};
use super::api::Api;
use super::options::ConfigureOptions;
use super::verbs::say;

/// No key is longer.
const LONGEST_KEY: u64 = 1024;

/// Asks for what is missing, and writes it down once the server has taken it.
pub async fn run(options: ConfigureOptions) -> anyhow::Result<ExitCode> {
    let files = Files::find()?;
    let url: ServerUrl = match options.url {
        Some(url) => url.parse()?,
        None => files.url()?.ok_or(AccessError::NoUrl)?,
    };
    let key = ask_for_key()?;
    let api = Api::new(Access { url: url.clone(), key: key.clone() });
    let me = api.get("whoami").await.context("nothing was written")?;
    // The key says whose it is: where the second is not written any more, it is not shown to the server that was there before.
    write(&files.key_file(), &kept(&url, &key))?;
    write(&files.config(), &toml::to_string(&Written { url: url.to_string() })?)?;
    let name = me["member"].as_str().unwrap_or("a member");
    say(&format!("You are {name} at {url}. It is written down in {}.", files.folder().display()));
    Ok(ExitCode::SUCCESS)
}

/// From whoever sits at the terminal, without showing it; or from a pipe. Never from an argument, which others could see.
fn ask_for_key() -> anyhow::Result<SecretString> {
    let text = if std::io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        terminal.write_str("API key (it is not shown): ")?;
        terminal.read_secure_line().context("the key could not be read")?
    } else {
        let mut text = String::new();
        std::io::stdin().take(LONGEST_KEY).read_to_string(&mut text).context("the key could not be read")?;
        text
    };
    let key = text.trim();
    if key.is_empty() {
        bail!("no key was given: type it, or pipe it in (`entryguard configure --url … < FILE`)");
    }
    Ok(SecretString::from(key.to_owned()))
}

/// Writes a file at once or not at all, for nobody but its owner.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    let failed = || format!("cannot write {}", path.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    // Such a file is its owner's alone from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
