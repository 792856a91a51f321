//! What the provider says of itself: its endpoints and its key.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonCurveType,
    CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::url::ParseError;
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, IssuerUrl, JsonWebKeyId, JsonWebKeySetUrl, ProviderMetadata, ResponseTypes,
    Scope, TokenUrl, UserInfoUrl,
};
use serde::{Deserialize, Serialize};

use super::IdpError;

type Metadata = ProviderMetadata<
    Beyond,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What discovery knows beyond `OpenID` Connect Discovery: RFC 8414, RFC 9207, and the logout specifications.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Beyond {
    introspection_endpoint: String,
    revocation_endpoint: String,
    end_session_endpoint: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    code_challenge_methods_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
    prompt_values_supported: Vec<String>,
}

impl AdditionalProviderMetadata for Beyond {}

/// The issuer as a URL that the endpoints are below.
pub(super) fn issuer(text: &str) -> Result<IssuerUrl, IdpError> {
    IssuerUrl::new(text.to_owned()).map_err(|error| wrong(text, error))
}

fn wrong(issuer: &str, error: ParseError) -> IdpError {
    IdpError::Issuer { issuer: issuer.to_owned(), why: error.to_string() }
}

/// The discovery document (`OpenID` Connect Discovery §3, RFC 8414 §2), as JSON.
pub(super) fn provider(issuer: &str) -> Result<String, IdpError> {
    let wrong = |error: ParseError| wrong(issuer, error);
    let beyond = Beyond {
        introspection_endpoint: format!("{issuer}/introspect"),
        revocation_endpoint: format!("{issuer}/revoke"),
        end_session_endpoint: format!("{issuer}/logout"),
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        code_challenge_methods_supported: vec!["S256".to_owned()],
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: ["none", "login", "select_account"].map(str::to_owned).to_vec(),
    };
    let claims = ["sub", "name", "preferred_username", "email", "email_verified", "groups", "auth_time", "sid"];
    let metadata = Metadata::new(
        IssuerUrl::new(issuer.to_owned()).map_err(wrong)?,
        AuthUrl::new(format!("{issuer}/authorize")).map_err(wrong)?,
        JsonWebKeySetUrl::new(format!("{issuer}/jwks")).map_err(wrong)?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::EcdsaP256Sha256],
        beyond,
    )
    .set_token_endpoint(Some(TokenUrl::new(format!("{issuer}/token")).map_err(wrong)?))
    .set_userinfo_endpoint(Some(UserInfoUrl::new(format!("{issuer}/userinfo")).map_err(wrong)?))
    .set_response_modes_supported(Some(vec![CoreResponseMode::Query]))
    .set_grant_types_supported(Some(vec![
        CoreGrantType::AuthorizationCode,
        CoreGrantType::RefreshToken,
        CoreGrantType::ClientCredentials,
        CoreGrantType::Password,
    ]))
    .set_scopes_supported(Some(SCOPES.iter().map(|scope| Scope::new((*scope).to_owned())).collect()))
    .set_claims_supported(Some(claims.iter().map(|claim| CoreClaimName::new((*claim).to_owned())).collect()))
    .set_claims_parameter_supported(Some(false))
    .set_request_parameter_supported(Some(false))
    .set_request_uri_parameter_supported(Some(false))
    .set_token_endpoint_auth_methods_supported(Some(vec![
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::None,
    ]));
    serde_json::to_string(&metadata).map_err(|error| IdpError::Sign(error.to_string()))
}

/// What may be asked for in `scope`, by anyone.
pub(super) const SCOPES: [&str; 6] = ["openid", "profile", "email", "offline_access", "orders:read", "orders:write"];

/// The public half of the signing key.
pub(super) struct PublicKey {
    /// The key's thumbprint (RFC 7638).
    pub(super) id: String,
    /// Its coordinates, in base64url.
    pub(super) x: String,
    pub(super) y: String,
    /// The key set (RFC 7517), as JSON.
    pub(super) set: String,
}

impl PublicKey {
    /// `point` is an uncompressed P-256 point.
    pub(super) fn of(point: &[u8]) -> Result<Self, IdpError> {
        let (x, y) = point
            .strip_prefix(&[4])
            .filter(|xy| xy.len() == 64)
            .and_then(|xy| xy.split_at_checked(32))
            .ok_or_else(|| IdpError::Sign("the key is not on P-256".to_owned()))?;
        let (x64, y64) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x64}","y":"{y64}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        let name = JsonWebKeyId::new(id.clone());
        let key = CoreJsonWebKey::new_ec(x.to_vec(), y.to_vec(), CoreJsonCurveType::P256, Some(name));
        let set = serde_json::to_string(&CoreJsonWebKeySet::new(vec![key]));
        Ok(Self { id, x: x64, y: y64, set: set.map_err(|error| IdpError::Sign(error.to_string()))? })
    }
}
