//! What the provider says of itself: its endpoints and its key.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreClientAuthMethod, CoreGrantType, CoreJsonCurveType, CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreSubjectIdentifierType,
};
use openidconnect::url::ParseError;
use openidconnect::{
    AuthUrl, EmptyAdditionalProviderMetadata, IssuerUrl, JsonWebKeyId, JsonWebKeySetUrl, Scope, TokenUrl,
};

use super::IdpError;
use super::mint::SCOPES;

/// The discovery document (`OpenID` Connect Discovery §3, RFC 8414 §2), as JSON.
pub(super) fn provider(issuer: &str) -> Result<String, IdpError> {
    let wrong = |error: ParseError| IdpError::Issuer { issuer: issuer.to_owned(), why: error.to_string() };
    let metadata = CoreProviderMetadata::new(
        IssuerUrl::new(issuer.to_owned()).map_err(wrong)?,
        AuthUrl::new(format!("{issuer}/authorize")).map_err(wrong)?,
        JsonWebKeySetUrl::new(format!("{issuer}/jwks")).map_err(wrong)?,
        // No response type: there is no login page.
        Vec::new(),
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::EcdsaP256Sha256],
        EmptyAdditionalProviderMetadata::default(),
    )
    .set_token_endpoint(Some(TokenUrl::new(format!("{issuer}/token")).map_err(wrong)?))
    .set_grant_types_supported(Some(vec![CoreGrantType::ClientCredentials, CoreGrantType::Password]))
    .set_scopes_supported(Some(SCOPES.iter().map(|scope| Scope::new((*scope).to_owned())).collect()))
    .set_token_endpoint_auth_methods_supported(Some(vec![
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::None,
    ]));
    serde_json::to_string(&metadata).map_err(|error| IdpError::Sign(error.to_string()))
}

/// The key id, which is the key's thumbprint (RFC 7638), and the key set (RFC 7517) as JSON.
///
/// `point` is an uncompressed P-256 point.
pub(super) fn key_set(point: &[u8]) -> Result<(String, String), IdpError> {
    let (x, y) = point
        .strip_prefix(&[4])
        .filter(|xy| xy.len() == 64)
        .and_then(|xy| xy.split_at_checked(32))
        .ok_or_else(|| IdpError::Sign("the key is not on P-256".to_owned()))?;
    let (x64, y64) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x64}","y":"{y64}"}}"#);
    let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
    let key =
        CoreJsonWebKey::new_ec(x.to_vec(), y.to_vec(), CoreJsonCurveType::P256, Some(JsonWebKeyId::new(id.clone())));
    let set = serde_json::to_string(&CoreJsonWebKeySet::new(vec![key]));
    Ok((id, set.map_err(|error| IdpError::Sign(error.to_string()))?))
}
