//! Who do verified claims speak of?

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::source::TokenSource;
use crate::identify::jwt::{Claims, Terms, fits, strings};
use crate::identify::why::Why;
use crate::identify::{AuthMethod, Identity, Principal, TokenMark};
use crate::moment::Moment;

const MOST_GROUPS: usize = 256;

/// The identity of a token of `source`.
pub(super) fn identity(source: &TokenSource, claims: Claims, terms: &Terms) -> Result<Identity, Why> {
    let alias = &source.spec.alias;
    let qualified = |name: &str| Arc::<str>::from(format!("{alias}|{name}"));
    let client = client(&claims.others, &source.client_claim)?;
    let principal = match (claims.subject.as_deref(), client) {
        (Some(subject), Some(client)) if subject == client => Principal::Client(qualified(client)),
        (Some(subject), _) => Principal::User(qualified(subject)),
        (None, Some(client)) => Principal::Client(qualified(client)),
        (None, None) => return Err("the token names nobody: it has neither `sub` nor the source's `client_claim`"),
    };
    let groups = groups_of(&claims.others, &source.groups_claim)?.iter().map(|group| qualified(group)).collect();
    let mark = TokenMark {
        alias: Arc::clone(alias),
        id: claims.id.map(Arc::from),
        subject: claims.subject.map(Arc::from),
        issued: terms.issued.map(Moment::from_seconds),
    };
    Ok(Identity {
        principal,
        method: AuthMethod::Jwt,
        groups,
        attributes: claims.others,
        scopes: claims.scopes.into_iter().map(Arc::from).collect(),
        email: claims.email.map(Arc::from),
        authenticated_at: claims.authenticated.map(Moment::from_seconds),
        expires_at: Some(Moment::from_seconds(terms.expires)),
        token: Some(mark),
        session: None,
        bounds: None,
        entity: OnceLock::new(),
    })
}

fn client<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<Option<&'c str>, Why> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(client)) if fits(client) => Ok(Some(client)),
        Some(_) => Err("the token's client claim is not a string of 1 to 255 bytes without control characters"),
    }
}

/// The groups that the claim `name` lists; none where it is absent.
pub(in crate::identify) fn groups_of(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, Why> {
    let Some(value) = find(claims, name) else { return Ok(Vec::new()) };
    strings(value, MOST_GROUPS)
        .filter(|groups| groups.iter().all(|group| fits(group)))
        .ok_or("the token's groups are not an array of at most 256 strings of 1 to 255 bytes")
}

/// A claim by its name; failing that, by its JSON Pointer (RFC 6901).
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.strip_prefix('/')?.split_once('/')?;
    let unescaped = first.replace("~1", "/").replace("~0", "~");
    claims.get(&unescaped)?.pointer(&format!("/{rest}"))
}
