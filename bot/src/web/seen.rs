//! The addresses that a visitor comes from: both families, where the server is reached under a name of each.
//!
//! A request shows one address. The others are asked for under the server's other names, by the script or by following a link, and come
//! back sealed: nobody can change one, it is good for the visitor alone whose page asked, and not for long. So whatever is opened was
//! seen by us.

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use entryguard_core::domain::{AddressRefused, Addresses, HostAddress, Span, Timestamp};
use entryguard_core::random::{Random, bytes};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use super::asked::InAddress;
use super::parts::family;
use super::problem::problem;
use super::visitor::{Visitor, WebState};
use crate::http::client_address::ClientAddress;
use crate::http::{PRIVATE, Shared};

/// For how long an address that was seen may be opened.
const LIFE: Span = Span::from_minutes(10);

/// What addresses are sealed with.
#[derive(Clone)]
pub struct SealKey([u8; 64]);

/// An address that we saw a visitor come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The address.
    pub address: HostAddress,
    /// Whether that was lately.
    pub lately: bool,
}

/// What every form that opens something sends along: the addresses that its page showed.
#[derive(Debug, Default, Deserialize)]
pub struct Shown {
    /// The one that the page was reached from, sealed.
    pub seen: Option<String>,
    /// The one of the other family, sealed.
    pub other: Option<String>,
}

/// Why the addresses of a form are not opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// Not sealed by us, or for another visitor.
    #[error("The form does not say which address its page showed you. Nothing was opened: load the page again.")]
    NotOurs,
    /// Another one than the page showed.
    #[error("Your address is {now}, and the page showed you another one. Nothing was opened: look at the addresses below again.")]
    Changed {
        /// Where the form came from.
        now: HostAddress,
    },
    /// Seen too long ago.
    #[error("{0} was seen too long ago, so nothing was opened. Look at the addresses below, and start again.")]
    LongAgo(HostAddress),
    /// Never opened.
    #[error(transparent)]
    Refused(#[from] AddressRefused),
}

/// The address-telling routes. They know nobody: whoever asks is told their own address.
pub fn routes() -> Router<WebState> {
    Router::new().route("/address", get(tell)).route("/address/back", get(go_back))
}

#[derive(Deserialize)]
struct Asked {
    // For whose page: what ties the answer to a visitor.
    #[serde(rename = "for")]
    ticket: String,
}

#[derive(Serialize)]
struct Told {
    address: String,
    family: &'static str,
    sealed: String,
}

/// Tells the script from where it asks.
async fn tell(
    State(state): State<WebState>,
    InAddress(asked): InAddress<Asked>,
    headers: HeaderMap,
    ClientAddress(client): ClientAddress,
) -> Response {
    let mut response = match client {
        Ok(address) => {
            let sealed = state.seal_key.seal(address, &asked.ticket, state.shared.engine.now());
            (PRIVATE, Json(Told { address: address.to_string(), family: family(address), sealed })).into_response()
        }
        Err(doubt) => (StatusCode::BAD_REQUEST, PRIVATE, format!("{doubt}\n")).into_response(),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
    // A page of somebody else's is not told.
    if let Some(origin) = headers.get(header::ORIGIN).filter(|origin| is_ours(&state.shared, origin)) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

/// The same without script: notes the address, and leads back to the page.
async fn go_back(
    State(state): State<WebState>,
    InAddress(asked): InAddress<Asked>,
    ClientAddress(client): ClientAddress,
) -> Response {
    let address = match client {
        Ok(address) => address,
        Err(doubt) => return problem(StatusCode::BAD_REQUEST, "Your address is not certain", &doubt.to_string()),
    };
    let sealed = state.seal_key.seal(address, &asked.ticket, state.shared.engine.now());
    let back = format!("{}/?other={sealed}", state.shared.server.public_url);
    (StatusCode::SEE_OTHER, PRIVATE, [(header::LOCATION, back)]).into_response()
}

fn is_ours(shared: &Shared, origin: &HeaderValue) -> bool {
    let server = &shared.server;
    let others = [&server.ipv4_url, &server.ipv6_url].into_iter().flatten();
    std::iter::once(&server.public_url).chain(others).any(|ours| origin.as_bytes() == ours.as_bytes())
}

impl FromRef<WebState> for SealKey {
    fn from_ref(state: &WebState) -> Self {
        state.seal_key.clone()
    }
}

impl SealKey {
    /// A new key.
    pub fn new(random: &dyn Random) -> Self {
        Self(bytes(random))
    }

    /// The key that all replicas share.
    pub fn shared(secret: &SecretString) -> Self {
        Self(Sha512::digest(secret.expose_secret()).into())
    }

    /// A key for something else, of this one.
    pub fn derived(&self, purpose: &str, of: &str) -> [u8; 64] {
        let hash = Sha512::new().chain_update(self.0).chain_update(format!("entryguard {purpose}\0{of}"));
        hash.finalize().into()
    }

    /// An address that was seen, for the visitor of this ticket alone. It has only characters that a URL may have.
    pub fn seal(&self, address: HostAddress, ticket: &str, now: Timestamp) -> String {
        let (address, until) = (address.to_string(), now.plus(LIFE).as_seconds());
        let mac = hex::encode(self.mac(&address, until, ticket).finalize().into_bytes());
        format!("{until}_{mac}_{address}")
    }

    /// The address, if we sealed it for this visitor.
    pub fn unseal(&self, sealed: &str, ticket: &str, now: Timestamp) -> Option<Seen> {
        let mut parts = sealed.splitn(3, '_');
        let until: i64 = parts.next()?.parse().ok()?;
        let (mac, text) = (hex::decode(parts.next()?).ok()?, parts.next()?);
        self.mac(text, until, ticket).verify_slice(&mac).ok()?;
        Some(Seen { address: HostAddress::parse(text).ok()?, lately: now.is_good(Timestamp::from_seconds(until), LIFE) })
    }

    /// What a form opens: the address that it came from, if its page showed it, and the one of the other family, if that was seen
    /// lately. A program that was shown no page says nothing of what it showed: it opens where it is.
    pub fn to_open(&self, shown: &Shown, visitor: &Visitor, from: HostAddress, now: Timestamp) -> Result<Addresses, NotOpened> {
        let ticket = visitor.form_token.ticket();
        let given: Vec<_> = [&shown.seen, &shown.other].into_iter().flatten().filter(|sealed| !sealed.is_empty()).collect();
        if given.is_empty() {
            return Ok(Addresses::new(&[from])?);
        }
        let unsealed: Option<Vec<_>> = given.into_iter().map(|sealed| self.unseal(sealed, &ticket, now)).collect();
        agreed(from, &unsealed.ok_or(NotOpened::NotOurs)?)
    }

    fn mac(&self, address: &str, until: i64, ticket: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(format!("entryguard seen address\0{address}\0{until}\0{ticket}").as_bytes());
        mac
    }
}

fn agreed(from: HostAddress, shown: &[Seen]) -> Result<Addresses, NotOpened> {
    if shown.iter().all(|seen| seen.address != from) {
        return Err(NotOpened::Changed { now: from });
    }
    // A browser that has both families may send the form over the other one than it loaded the page over.
    match shown.iter().find(|seen| seen.address.ip().is_ipv4() != from.ip().is_ipv4()) {
        None => Ok(Addresses::new(&[from])?),
        Some(Seen { address, lately: true }) => Ok(Addresses::new(&[from, *address])?),
        Some(Seen { address, lately: false }) => Err(NotOpened::LongAgo(*address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostAddress {
        HostAddress::parse(text).unwrap()
    }

    #[test]
    fn i8_only_what_we_saw_of_this_visitor_is_believed_and_not_for_long() {
        let (key, now) = (SealKey([7; 64]), Timestamp::from_millis(1_767_268_800_000));
        for address in [host("93.184.216.34"), host("2606:2800:220:1::1")] {
            let sealed = key.seal(address, "ana", now);
            assert_eq!(key.unseal(&sealed, "ana", now), Some(Seen { address, lately: true }));
            assert_eq!(key.unseal(&sealed, "ana", now.plus(LIFE)), Some(Seen { address, lately: false }));
            let clock_was_ahead = key.seal(address, "ana", now.plus(Span::from_hours(1)));
            assert_eq!(key.unseal(&clock_was_ahead, "ana", now), Some(Seen { address, lately: false }));
            assert_eq!(key.unseal(&sealed, "bo", now), None);
            assert_eq!(SealKey([8; 64]).unseal(&sealed, "ana", now), None);
            let forged = sealed.replace(&address.to_string(), "198.41.0.4");
            assert_eq!(key.unseal(&forged, "ana", now), None);
        }
        for nonsense in ["", "_", "1_2_3", "x_y_z", "9999999999__93.184.216.34"] {
            assert_eq!(key.unseal(nonsense, "ana", now), None);
        }
    }

    #[test]
    fn i8_a_form_opens_what_its_page_showed_and_nothing_else() {
        let (four, six) = (host("93.184.216.34"), host("2606:2800:220:1::1"));
        let seen = |address| Seen { address, lately: true };
        let long_ago = |address| Seen { address, lately: false };
        let opens = |from, shown: &[Seen]| agreed(from, shown).map(|addresses| addresses.to_string());
        assert_eq!(opens(four, &[seen(four)]).unwrap(), "93.184.216.34");
        assert_eq!(opens(four, &[long_ago(four)]).unwrap(), "93.184.216.34", "it was seen just now");
        assert_eq!(opens(four, &[seen(four), seen(six)]).unwrap(), "93.184.216.34 and 2606:2800:220:1::1");
        assert_eq!(opens(six, &[seen(four), seen(six)]).unwrap(), "93.184.216.34 and 2606:2800:220:1::1");
        assert_eq!(opens(host("198.41.0.4"), &[seen(four)]), Err(NotOpened::Changed { now: host("198.41.0.4") }));
        assert_eq!(opens(four, &[seen(four), long_ago(six)]), Err(NotOpened::LongAgo(six)));
    }
}
