//! The issuer: where people sign in, and whose word on who they are is taken. Its description and keys are fetched when they are first
//! needed, and again after an hour or where a token is signed with a key that we do not know.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use entryguard_core::config::OidcSettings;
use entryguard_core::domain::{Identity, Timestamp};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
    CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, SignatureVerificationError,
    TokenResponse,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::attempt::Attempt;
use crate::http::outgoing;

/// How long the issuer's description is taken for the present one.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How often an unknown key makes us look again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How far clocks may be apart.
const LEEWAY: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// What signs tokens with a key that only the issuer has. Whatever a token says of its algorithm, no other is taken: above all no HMAC,
/// whose key could be a public one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

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

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

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
        let client = self.client(self.known(FRESH).await?);
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
        let client = self.client(known);
        let exchange = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        let exchange = exchange.map_err(|error| IssuerError::Away(error.to_string()))?;
        let verifier = PkceCodeVerifier::new(attempt.verifier(key));
        let answer = exchange.set_pkce_verifier(verifier).request_async(&outgoing::send).await;
        let answer = answer.map_err(|error| IssuerError::CodeRefused(causes(&error)))?;
        let token = answer.id_token().ok_or_else(|| IssuerError::TokenRefused("there is no id_token".to_owned()))?;
        let nonce = Nonce::new(attempt.nonce(key));
        let claims = match self.claims(&client, token, &nonce, now) {
            // Keys are exchanged, so one that we do not know makes us look, but not at anybody's pace.
            Err(error) if is_unknown_key(&error) => {
                let client = self.client(self.known(LOOK_AGAIN).await?);
                self.claims(&client, token, &nonce, now).cloned()
            }
            claims => claims.cloned(),
        };
        self.verified(&claims.map_err(|error| IssuerError::TokenRefused(causes(&error)))?)
    }

    fn claims<'a>(
        &self,
        client: &Client,
        token: &'a CoreIdToken,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<&'a CoreIdTokenClaims, ClaimsVerificationError> {
        let now = DateTime::<Utc>::from_timestamp_millis(now.as_millis()).unwrap_or_default();
        let issued =
            move |at: DateTime<Utc>| if at > now + LEEWAY { Err("it was issued in the future".to_owned()) } else { Ok(()) };
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now)
            .set_issue_time_verifier_fn(issued)
            .set_other_audience_verifier_fn(|audience| self.settings.allowed_audience.contains(audience));
        token.claims(&verifier, nonce)
    }

    fn verified(&self, claims: &CoreIdTokenClaims) -> Result<Verified, IssuerError> {
        let host = &self.settings.host;
        let identity = format!("oidc:{host}/{}", claims.subject().as_str()).parse().map_err(|_| IssuerError::Unnameable)?;
        let email = claims.email().filter(|_| self.settings.match_email && claims.email_verified() == Some(true));
        let by_email = email.and_then(|email| format!("oidc-email:{host}/{}", email.to_ascii_lowercase()).parse().ok());
        Ok(Verified { identity, by_email })
    }

    fn client(&self, known: Known) -> Client {
        let id = ClientId::new(self.settings.client_id.clone());
        let secret = ClientSecret::new(self.settings.client_secret.expose_secret().to_owned());
        let methods = known.metadata.token_endpoint_auth_methods_supported().cloned().unwrap_or_default();
        let only_in_body = methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let client = CoreClient::from_provider_metadata(known.metadata, id, Some(secret)).set_redirect_uri(self.redirect.clone());
        client.set_auth_type(if only_in_body { AuthType::RequestBody } else { AuthType::BasicAuth })
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
            _ => match CoreProviderMetadata::discover_async(self.url.clone(), &outgoing::send).await {
                Ok(metadata) => return Ok(asked.known.insert(Known { metadata, fetched: Instant::now() }).clone()),
                Err(error) => {
                    asked.failed = Some(Instant::now());
                    causes(&error)
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

fn is_unknown_key(error: &ClaimsVerificationError) -> bool {
    matches!(error, ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
}

/// An error with what caused it, on one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
