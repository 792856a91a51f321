//! How are a code, and a refresh token, turned into tokens? By the token endpoint (RFC 6749 §4.1.3, §6).

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_core::identify::{Provider, ProviderKind, Secret};
use portcullis_core::refusal::LoginFailure;
use serde::{Deserialize, Serialize};

use super::Fault;
use super::http::{Http, NoAnswer};
use super::metadata::Metadata;

/// What `OpenID` Connect adds to the answer.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Further {
    id_token: Option<String>,
}

impl ExtraTokenFields for Further {}

type Said = StandardTokenResponse<Further, BasicTokenType>;
pub(super) type OAuth = Client<
    BasicErrorResponse,
    Said,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// A provider's tokens. Sealed wherever they are kept.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) id: Option<String>,
    /// How long the access token holds.
    #[serde(skip)]
    pub(crate) life: Option<Duration>,
    /// What was granted, where the provider says so.
    #[serde(skip)]
    pub(crate) scopes: Option<Vec<String>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(secret)")
    }
}

/// The gateway as the provider knows it.
pub(super) fn client(provider: &Provider, metadata: &Metadata, redirect: &str) -> Result<OAuth, Fault> {
    let wrong = |what: &str| (LoginFailure::ProviderUnreachable, format!("{what} is no URL"));
    let config = &provider.config;
    let authorization =
        AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(|_| wrong("its authorization endpoint"))?;
    let token = TokenUrl::new(metadata.token_endpoint.clone()).map_err(|_| wrong("its token endpoint"))?;
    let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|_| wrong("our redirect URI"))?;
    let mut client = Client::new(ClientId::new(config.client_id.clone()))
        .set_auth_type(auth_type(provider, metadata))
        .set_auth_uri(authorization)
        .set_token_uri(token)
        .set_redirect_uri(redirect);
    if let Some(secret) = &config.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
    }
    Ok(client)
}

fn auth_type(provider: &Provider, metadata: &Metadata) -> AuthType {
    let methods = metadata.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
    let has = |name: &str| methods.iter().any(|method| method == name);
    let config = &provider.config;
    // RFC 8414 §2: where nothing is said, it is `client_secret_basic`.
    let in_body = config.kind == ProviderKind::Github || has("client_secret_post") && !has("client_secret_basic");
    if in_body || config.client_secret.is_none() { AuthType::RequestBody } else { AuthType::BasicAuth }
}

/// How the gateway shows its own credentials, in a question that the library does not know.
pub(super) struct Shown {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) form: Vec<(&'static str, String)>,
}

impl Shown {
    pub(super) fn of(provider: &Provider, metadata: &Metadata) -> Self {
        let config = &provider.config;
        let id = ("client_id", config.client_id.clone());
        let Some(secret) = config.client_secret.as_ref().map(Secret::expose) else {
            return Self { authorization: None, form: vec![id] };
        };
        match auth_type(provider, metadata) {
            AuthType::BasicAuth => {
                // RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
                let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let pair = STANDARD.encode(format!("{}:{}", coded(&config.client_id), coded(secret)));
                // INVARIANT: base64 is a value.
                let mut basic = HeaderValue::try_from(format!("Basic {pair}")).unwrap_or(HeaderValue::from_static(""));
                basic.set_sensitive(true);
                Self { authorization: Some(basic), form: Vec::new() }
            }
            _ => Self { authorization: None, form: vec![id, ("client_secret", secret.to_owned())] },
        }
    }
}

/// Further parameters that prove the client: `private_key_jwt` (RFC 7523 §2.2).
pub(super) type Proof = Vec<(Cow<'static, str>, String)>;

/// Redeems a code.
pub(super) async fn redeem(
    http: &Http,
    client: &OAuth,
    code: String,
    verifier: String,
    proof: Proof,
) -> Result<Tokens, Fault> {
    let mut request =
        client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(PkceCodeVerifier::new(verifier));
    for (name, value) in proof {
        request = request.add_extra_param(name, value);
    }
    let said = request.request_async(http).await;
    said.map(taken).map_err(|error| fault(error, LoginFailure::CodeRefused))
}

/// Renews tokens.
pub(super) async fn renew(http: &Http, client: &OAuth, refresh: String, proof: Proof) -> Result<Tokens, Fault> {
    let refresh = RefreshToken::new(refresh);
    let mut request = client.exchange_refresh_token(&refresh);
    for (name, value) in proof {
        request = request.add_extra_param(name, value);
    }
    let said = request.request_async(http).await;
    said.map(taken).map_err(|error| fault(error, LoginFailure::CodeRefused))
}

fn taken(said: Said) -> Tokens {
    Tokens {
        access: said.access_token().secret().clone(),
        refresh: said.refresh_token().map(|token| token.secret().clone()),
        id: said.extra_fields().id_token.clone(),
        life: said.expires_in(),
        scopes: said.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
    }
}

/// INVARIANT: nothing that was sent is in it; of what came back only the registered word.
fn fault(error: RequestTokenError<NoAnswer, BasicErrorResponse>, grant: LoginFailure) -> Fault {
    match error {
        RequestTokenError::ServerResponse(said) => refused(&said, grant),
        RequestTokenError::Request(no) => (LoginFailure::ProviderUnreachable, no.0),
        // GitHub answers 200 whatever it says.
        RequestTokenError::Parse(_, body) => match serde_json::from_slice::<BasicErrorResponse>(&body) {
            Ok(said) => refused(&said, grant),
            Err(_) => unreadable(),
        },
        RequestTokenError::Other(_) => unreadable(),
    }
}

fn unreadable() -> Fault {
    (LoginFailure::TokenEndpointRefused, "the token endpoint's answer cannot be read".into())
}

fn refused(said: &BasicErrorResponse, grant: LoginFailure) -> Fault {
    match said.error() {
        BasicErrorResponseType::InvalidGrant => (grant, "the token endpoint says `invalid_grant`".into()),
        BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
            (LoginFailure::ClientRefused, format!("the token endpoint says `{}`", said.error().as_ref()))
        }
        // GitHub's own words for them.
        BasicErrorResponseType::Extension(word) if word == "bad_verification_code" => {
            (grant, "the token endpoint says `bad_verification_code`".into())
        }
        BasicErrorResponseType::Extension(word) if word == "incorrect_client_credentials" => {
            (LoginFailure::ClientRefused, "the token endpoint says `incorrect_client_credentials`".into())
        }
        other => {
            let word: String = other.as_ref().chars().filter(char::is_ascii_graphic).take(64).collect();
            (LoginFailure::TokenEndpointRefused, format!("the token endpoint says `{word}`"))
        }
    }
}
