//! Which server, and with which key: what the environment says, or else what `entryguard configure` has written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use etcetera::{BaseStrategy, choose_base_strategy};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// The variable that names the server.
pub const URL: &str = "ENTRYGUARD_URL";
/// The variable that has the key.
pub const KEY: &str = "ENTRYGUARD_API_KEY";

/// A server, and the key to show it.
#[derive(Debug)]
pub struct Access {
    /// The server.
    pub url: ServerUrl,
    /// The key.
    pub key: SecretString,
}

/// Where a server is: over HTTPS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl(String);

/// Where the client's own files are.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
}

/// What `config.toml` has.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The server.
    pub url: String,
}

/// Why there is nobody to ask, or nothing to show them.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No server is named anywhere.
    #[error("no server is named: run `entryguard configure --url https://…`, or set {URL}")]
    NoUrl,
    /// No key anywhere.
    #[error(
        "there is no API key: run `entryguard configure`, or set {KEY}; whoever runs the server makes one with `entryguard api-key create`"
    )]
    NoKey,
    /// A key that is another server's.
    #[error(
        "the key that is written down is for {kept_for}, and is shown to nobody else: set {KEY} to a key of {url}, or run `entryguard configure --url {url}` to change to that server"
    )]
    KeyElsewhere {
        /// The server that is to be asked.
        url: ServerUrl,
        /// The server whose key it is.
        kept_for: ServerUrl,
    },
    /// A key of nobody knows whose.
    #[error("{path} does not say which server its key is for, so it is shown to none: run `entryguard configure --url {url}`", path = .path.display())]
    KeyOfNobody {
        /// The file.
        path: PathBuf,
        /// The server that is to be asked.
        url: ServerUrl,
    },
    /// A key would travel in the open.
    #[error("`{0}` is not an address that a key may be sent to: it has to begin with https:// (http:// for this machine alone)")]
    Url(String),
    /// Others can read the key.
    #[error("{path} can be read by others (mode {mode:o}), so its key is not used: run `chmod 600 {path}`, and exchange the key if this machine has other users", path = .path.display())]
    KeyFileOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file that is there and cannot be used.
    #[error("{path} cannot be used: {why}", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nowhere to keep files.
    #[error("this account has no home, so there is no place for a configuration: set {URL} and {KEY}")]
    NoHome,
}

impl Access {
    /// What the environment says comes before what is written down. A key that is written down is for the server that it was written
    /// down with, whichever the environment names.
    pub fn find() -> Result<Self, AccessError> {
        let said = |name| std::env::var(name).ok().filter(|value: &String| !value.trim().is_empty());
        let url = match said(URL) {
            Some(url) => url.parse()?,
            None => Files::find()?.url()?.ok_or(AccessError::NoUrl)?,
        };
        let key = match said(KEY) {
            Some(key) => SecretString::from(key.trim().to_owned()),
            None => Files::find()?.key_for(&url)?,
        };
        Ok(Self { url, key })
    }
}

impl Files {
    /// The usual place for them.
    pub fn find() -> Result<Self, AccessError> {
        let strategy = choose_base_strategy().map_err(|_| AccessError::NoHome)?;
        Ok(Self { folder: strategy.config_dir().join("entryguard") })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that names the server.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The file that has the key, and whose it is.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("api-key")
    }

    /// The server, if one is written down.
    pub fn url(&self) -> Result<Option<ServerUrl>, AccessError> {
        let path = self.config();
        let Some(text) = read(&path)? else { return Ok(None) };
        let written: Written =
            toml::from_str(&text).map_err(|error| AccessError::Unusable { path, why: error.message().to_owned() })?;
        Ok(Some(written.url.parse()?))
    }

    /// The key, if it is this server's.
    fn key_for(&self, url: &ServerUrl) -> Result<SecretString, AccessError> {
        let path = self.key_file();
        if let Some(mode) = open_to_others(&path) {
            return Err(AccessError::KeyFileOpen { path, mode });
        }
        let text = read(&path)?.unwrap_or_default();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let key = lines.next().ok_or(AccessError::NoKey)?;
        let kept_for = lines.next().and_then(|line| line.strip_prefix(KEPT_FOR));
        match kept_for.map(str::parse::<ServerUrl>).transpose()? {
            Some(kept_for) if kept_for.is(url) => Ok(SecretString::from(key.to_owned())),
            Some(kept_for) => Err(AccessError::KeyElsewhere { url: url.clone(), kept_for }),
            None => Err(AccessError::KeyOfNobody { path, url: url.clone() }),
        }
    }
}

/// Before the server in the file of its key.
const KEPT_FOR: &str = "for ";

/// What the key's file has: both in one, which is written at once, so that no key is ever found beside another server's name.
pub fn kept(url: &ServerUrl, key: &SecretString) -> String {
    format!("{}\n{KEPT_FOR}{url}\n", key.expose_secret())
}

fn read(path: &Path) -> Result<Option<String>, AccessError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AccessError::Unusable { path: path.to_owned(), why: error.to_string() }),
    }
}

/// The file's permissions, where anybody but its owner has any.
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

impl ServerUrl {
    /// The address of a part of the API.
    pub fn api(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.0)
    }

    /// Whether both are one server, however they are written.
    fn is(&self, other: &Self) -> bool {
        let parts = |url: &Self| {
            let uri: http::Uri = url.0.parse().ok()?;
            let scheme = uri.scheme_str()?.to_ascii_lowercase();
            let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
            Some((scheme, uri.host()?.to_ascii_lowercase(), port, uri.path().trim_end_matches('/').to_owned()))
        };
        parts(self).is_some_and(|ours| parts(other) == Some(ours))
    }
}

impl FromStr for ServerUrl {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let refused = || AccessError::Url(text.to_owned());
        let url = text.trim().trim_end_matches('/');
        let uri: http::Uri = url.parse().map_err(|_| refused())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(refused)?;
        let no_credentials = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        match uri.scheme_str() {
            Some("https") if no_credentials => Ok(Self(url.to_owned())),
            Some("http") if no_credentials && is_this_machine(host) => Ok(Self(url.to_owned())),
            _ => Err(refused()),
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_over_https_or_not_at_all() {
        for url in [
            "https://guard.example.com",
            "https://guard.example.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
        ] {
            assert!(url.parse::<ServerUrl>().is_ok(), "{url}");
        }
        for url in [
            "http://guard.example.com",
            "http://127.0.0.1.example.com",
            "guard.example.com",
            "",
            "https://",
            "ftp://x",
            "https://key@guard.example.com",
        ] {
            assert!(matches!(url.parse::<ServerUrl>(), Err(AccessError::Url(_))), "{url}");
        }
    }

    #[test]
    fn i8_a_key_that_is_written_down_is_for_its_own_server_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let files = Files { folder: folder.path().to_owned() };
        let write = |text: &str| {
            std::fs::write(files.key_file(), text).unwrap();
            std::fs::set_permissions(files.key_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let url = |text: &str| text.parse::<ServerUrl>().unwrap();
        let home = url("https://guard.example.com");
        assert!(matches!(files.key_for(&home), Err(AccessError::NoKey)));
        write(&kept(&home, &SecretString::from("egk_1")));
        for same in ["https://guard.example.com/", "https://Guard.Example.com:443"] {
            assert_eq!(files.key_for(&url(same)).unwrap().expose_secret(), "egk_1", "{same}");
        }
        for other in [
            "https://guard.example.com:8443",
            "https://guard.example.com.evil.test",
            "https://guard.example.com/other",
            "http://localhost",
        ] {
            assert!(matches!(files.key_for(&url(other)), Err(AccessError::KeyElsewhere { .. })), "{other}");
        }
        let elsewhere = files.key_for(&url("https://staging.example.com")).unwrap_err().to_string();
        insta::assert_snapshot!(elsewhere, @"the key that is written down is for https://guard.example.com, and is shown to nobody else: set ENTRYGUARD_API_KEY to a key of https://staging.example.com, or run `entryguard configure --url https://staging.example.com` to change to that server");
        write("egk_1\n");
        assert!(matches!(files.key_for(&home), Err(AccessError::KeyOfNobody { .. })));
    }
}
