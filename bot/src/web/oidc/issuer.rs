//! The issuer: where people sign in, and whose word on who they are is taken. Its description and keys are fetched when they are first
//! needed, and again after an hour or where a token is signed with a key that we do not know.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entryguard_core::config::OidcSettings;
use entryguard_core::domain::{Identity, Timestamp};
use http::{Request, header};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreProviderMetadata};
use openidconnect::url::form_urlencoded::byte_serialize;
use openidconnect::{ClientId, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::attempt::Attempt;
use super::id_token::{Expected, IdTokenError, Person, verify};
use crate::http::outgoing::{self, FetchError};

/// How long the issuer's description is taken for the present one.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How often an unknown key makes us look again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Why nobody could be signed in through the issuer.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// It cannot be asked, or answers nonsense.
    #[error("The issuer cannot be asked right now. Try again in a minute; if that does not help, ask whoever runs EntryGuard.")]
    Away(String),
    /// It does not exchange the code.
    #[error(
        "The issuer does not confirm that you have signed in. Sign in again; if that does not help, ask whoever runs EntryGuard."
    )]
    CodeRefused(String),
    /// Its token is not taken.
    #[error("What the issuer says of you is not taken. Sign in again; if that does not help, ask whoever runs EntryGuard.")]
    TokenRefused(String),
    /// Somebody who cannot be named.
    #[error("The issuer's name for you cannot be written into a configuration. Ask whoever runs EntryGuard.")]
    Unnameable,
}

impl IssuerError {
    /// What was wrong, for the log.
    pub fn cause(&self) -> &str {
        match self {
            Self::Away(cause) | Self::CodeRefused(cause) | Self::TokenRefused(cause) => cause,
            Self::Unnameable => "a subject with characters that no identity may have",
        }
    }
}

/// Who has signed in at the issuer.
#[derive(Debug)]
pub struct Verified {
    /// Who.
    pub identity: Identity,
    /// By the email address that is theirs, as the issuer says, where that counts.
    pub by_email: Option<Identity>,
}

/// The issuer.
pub struct Issuer {
    settings: OidcSettings,
    redirect: RedirectUrl,
    url: IssuerUrl,
    asked: Mutex<Asked>,
}

/// What came of asking the issuer.
#[derive(Default)]
struct Asked {
    known: Option<Known>,
    failed: Option<Instant>,
}

#[derive(Clone)]
struct Known {
    metadata: CoreProviderMetadata,
    fetched: Instant,
}

/// What the issuer gives for a code.
#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
}

/// Why it gives nothing.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Issuer {
    /// The issuer of the configuration, for the server that browsers reach there.
    pub fn new(settings: OidcSettings, public_url: &str) -> anyhow::Result<Self> {
        let redirect = RedirectUrl::new(format!("{public_url}/sign-in/oidc/callback"))?;
        let url = IssuerUrl::new(settings.issuer.clone())?;
        Ok(Self { settings, redirect, url, asked: Mutex::default() })
    }

    /// The issuer as the configuration has it.
    pub const fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Where to sign in.
    pub async fn sign_in_url(&self, attempt: &Attempt) -> Result<String, IssuerError> {
        let key = &self.settings.client_secret;
        let metadata = self.known(FRESH).await?.metadata;
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata, id, None).set_redirect_uri(self.redirect.clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(attempt.verifier(key)));
        let (state, nonce) = (attempt.state(key), attempt.nonce(key));
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(nonce),
        );
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let (url, _, _) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        Ok(url.into())
    }

    /// Who has signed in, by the code that the issuer gave for it.
    pub async fn who(&self, attempt: &Attempt, code: &str, now: Timestamp) -> Result<Verified, IssuerError> {
        let key = &self.settings.client_secret;
        let known = self.known(FRESH).await?;
        let token = self.exchange(&known.metadata, code, &attempt.verifier(key)).await?;
        let nonce = attempt.nonce(key);
        let expected = Expected {
            issuer: &self.settings.issuer,
            client: &self.settings.client_id,
            other_audiences: &self.settings.allowed_audience,
            nonce: &nonce,
            now,
        };
        let person = match verify(&token, known.metadata.jwks(), &expected) {
            // Keys are exchanged, so one that we do not know makes us look, but not at anybody's pace.
            Err(IdTokenError::UnknownKey) => verify(&token, self.known(LOOK_AGAIN).await?.metadata.jwks(), &expected),
            verified => verified,
        };
        self.verified(person.map_err(|error| IssuerError::TokenRefused(error.to_string()))?)
    }

    /// The token on who has signed in, for the code.
    async fn exchange(&self, metadata: &CoreProviderMetadata, code: &str, verifier: &str) -> Result<String, IssuerError> {
        let url = metadata.token_endpoint().map(|url| url.as_str());
        let url = url.ok_or_else(|| IssuerError::Away("it names no token_endpoint".to_owned()))?;
        let (id, secret) = (self.settings.client_id.as_str(), self.settings.client_secret.expose_secret());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect.as_str()),
            ("code_verifier", verifier),
        ];
        let mut request = Request::post(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let methods = metadata.token_endpoint_auth_methods_supported().cloned().unwrap_or_default();
        let only_in_body = methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        if only_in_body {
            form.extend([("client_id", id), ("client_secret", secret)]);
        } else {
            // RFC 6749, 2.3.1: each is form-encoded before both are put together.
            let [id, secret] = [id, secret].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
            request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        }
        let form = serde_urlencoded::to_string(form).map_err(|error| IssuerError::Away(error.to_string()))?;
        let request = request.body(form.into_bytes()).map_err(|error| IssuerError::Away(error.to_string()))?;
        let answer =
            send(self.settings.issuer.clone(), request).await.map_err(|error| IssuerError::CodeRefused(error.to_string()))?;
        if !answer.status().is_success() {
            let why = serde_json::from_slice::<Refusal>(answer.body());
            let why = why.map_or_else(
                |_| String::new(),
                |Refusal { error, error_description }| format!(": {error} {}", error_description.unwrap_or_default()),
            );
            return Err(IssuerError::CodeRefused(format!("it answers {}{why}", answer.status())));
        }
        let tokens = serde_json::from_slice::<Tokens>(answer.body());
        let tokens = tokens.map_err(|error| IssuerError::CodeRefused(format!("its answer cannot be read: {error}")))?;
        tokens.id_token.ok_or_else(|| IssuerError::TokenRefused("there is no id_token".to_owned()))
    }

    fn verified(&self, person: Person) -> Result<Verified, IssuerError> {
        let host = &self.settings.host;
        let identity = format!("oidc:{host}/{}", person.subject).parse().map_err(|_| IssuerError::Unnameable)?;
        let email = person.verified_email.filter(|_| self.settings.match_email);
        let by_email = email.and_then(|email| format!("oidc-email:{host}/{}", email.to_ascii_lowercase()).parse().ok());
        Ok(Verified { identity, by_email })
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, String> {
        let issuer = self.settings.issuer.clone();
        let send = move |request| send(issuer.clone(), request);
        let metadata = CoreProviderMetadata::discover_async(self.url.clone(), &send).await.map_err(|error| causes(&error))?;
        as_private_as(&self.settings.issuer, metadata)
    }

    /// The issuer's description and keys, no older than this where it can be asked.
    async fn known(&self, no_older: Duration) -> Result<Known, IssuerError> {
        let began = Instant::now();
        let mut asked = self.asked.lock().await;
        if let Some(known) = asked.known.as_ref().filter(|known| known.fetched.elapsed() < no_older) {
            return Ok(known.clone());
        }
        let cause = match asked.failed {
            // Whoever was before us waited for nothing, and so would we.
            Some(at) if at > began => "there was no answer a moment ago".to_owned(),
            _ => match self.discover().await {
                Ok(metadata) => return Ok(asked.known.insert(Known { metadata, fetched: Instant::now() }).clone()),
                Err(cause) => {
                    asked.failed = Some(Instant::now());
                    cause
                }
            },
        };
        match asked.known.clone() {
            // Keys that are an hour old are as good as any while there are no others.
            Some(known) => {
                tracing::warn!(cause, "the issuer's description could not be had anew");
                Ok(known)
            }
            None => Err(IssuerError::Away(cause)),
        }
    }
}

/// Refuses a description by which secrets would be sent in the open, or browsers be led there.
fn as_private_as(issuer: &str, metadata: CoreProviderMetadata) -> Result<CoreProviderMetadata, String> {
    let named = [
        ("authorization_endpoint", Some(metadata.authorization_endpoint().as_str())),
        ("token_endpoint", metadata.token_endpoint().map(|url| url.as_str())),
    ];
    let open = named.into_iter().find(|(_, url)| url.is_some_and(|url| !outgoing::is_as_private(url, issuer)));
    match open {
        Some((key, _)) => Err(format!("its `{key}` is not an https:// address; correct how the issuer names itself")),
        None => Ok(metadata),
    }
}

/// Sends a request to an address that the issuer names. What goes there is a secret, or decides who is who.
async fn send(issuer: String, request: Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError> {
    let url = request.uri().to_string();
    if !outgoing::is_as_private(&url, &issuer) {
        let why = "the issuer names it, and it is not an https:// address".to_owned();
        return Err(FetchError::Senseless { url, why });
    }
    outgoing::send(request).await
}

/// An error with what caused it, on one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(authorization: &str, token: &str) -> CoreProviderMetadata {
        let described = json!({
            "issuer": "https://id.example", "authorization_endpoint": authorization, "token_endpoint": token,
            "jwks_uri": "https://id.example/keys", "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        serde_json::from_value(described).unwrap()
    }

    #[test]
    fn an_https_issuer_that_names_an_http_endpoint_is_refused_by_the_name_of_the_endpoint() {
        let (secure, open) = ("https://id.example/x", "http://id.example/x");
        let judged = |authorization, token| as_private_as("https://id.example", described(authorization, token)).map(drop);
        assert_eq!(judged(secure, secure), Ok(()));
        assert!(judged(open, secure).unwrap_err().contains("`authorization_endpoint` is not an https:// address"));
        assert!(judged(secure, open).unwrap_err().contains("`token_endpoint` is not an https:// address"));
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_http_address_for_an_https_issuer() {
        let request = http::Request::post("http://id.example/token").body(Vec::new()).unwrap();
        let refused = send("https://id.example".to_owned(), request).await.unwrap_err();
        assert!(matches!(refused, FetchError::Senseless { .. }), "{refused}");
    }
}
