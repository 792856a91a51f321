//! Who has logged in here before? Sessions: a cookie that says nothing, and a record in the store that says who.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, header};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::login::Providers;
use super::{AuthMethod, Identity, Principal, refuse};
use crate::moment::{Moment, Now};
use crate::refusal::Refusal;

/// What the cookie holds: 256 random bits. Only their hash is ever kept.
#[derive(Clone, Eq, PartialEq)]
pub struct SessionId([u8; 32]);

/// What a session is called where its id must not be: the SHA-256 of that.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionHash(pub [u8; 32]);

/// Somebody who has logged in, as it is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Session {
    /// The provider's alias.
    pub provider: Arc<str>,
    /// Its issuer: an alias that is given to another speaks for nobody.
    pub issuer: Arc<str>,
    /// `sub`.
    pub subject: String,
    /// Not qualified.
    pub groups: Vec<String>,
    pub claims: Map<String, Value>,
    pub scopes: Vec<String>,
    /// Only if it is verified.
    pub email: Option<String>,
    pub authenticated_at: Option<Moment>,
    /// The provider's own name for the session there (`sid`).
    pub sid: Option<String>,
    /// Of the login, which ID tokens of a refresh may repeat.
    pub nonce: Option<String>,
    pub created_at: Moment,
    /// From then on it is over, used or not.
    pub ends_at: Moment,
    /// When the token ends that this was read from; `None`: there is none that can be renewed.
    pub fresh_until: Option<Moment>,
    /// When it was read, so that early is known.
    pub read_at: Moment,
    /// The provider's tokens, sealed under the id: without the cookie nobody can read them.
    pub tokens: String,
    /// From where the login came, for people who look at their sessions.
    pub address: String,
    pub agent: String,
}

/// A session that is live, and what it is called.
#[derive(Clone, Debug)]
pub struct LiveSession {
    pub hash: SessionHash,
    pub session: Arc<Session>,
}

impl SessionId {
    /// `drawn` is random.
    pub const fn new(drawn: [u8; 32]) -> Self {
        Self(drawn)
    }

    /// The id in a cookie's value; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        let mut id = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut id).ok()?;
        (length == id.len()).then_some(Self(id))
    }

    /// The cookie's value.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// For keys derived from it.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn hash(&self) -> SessionHash {
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest(&SHA256, &self.0).as_ref()).for_each(|(to, from)| *to = *from);
        SessionHash(hash)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

impl SessionHash {
    /// The id of its record, and what operators see.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub fn parse(text: &str) -> Option<Self> {
        // The bytes of an id and those of a hash are written alike.
        SessionId::parse(text).map(|id| Self(id.0))
    }
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// What `Cookie` holds under the name of our sessions.
#[derive(Debug, Eq, PartialEq)]
pub enum Shown {
    Absent,
    /// Something that is no id, or two that differ: nobody's session.
    Garbled,
    Id(SessionId),
}

/// The session cookie of a request.
pub fn shown(headers: &HeaderMap, name: &str) -> Shown {
    let mut found: Option<&str> = None;
    for (at, value) in cookies(headers) {
        if at != name {
            continue;
        }
        if found.is_some_and(|before| before != value) {
            return Shown::Garbled;
        }
        found = Some(value);
    }
    match found {
        None => Shown::Absent,
        Some(value) => SessionId::parse(value).map_or(Shown::Garbled, Shown::Id),
    }
}

/// Name and value of every cookie that is ASCII (RFC 6265 §4.2.1).
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The judge of sessions, and the identities of those last seen.
#[derive(Debug)]
pub(super) struct SessionJudge {
    pub(super) cookie: String,
    /// An identity holds only as long as the port answers with the very session it was made from.
    seen: Cache<SessionHash, (Arc<Session>, Arc<Identity>)>,
}

impl SessionJudge {
    /// Identities kept, so that a session in use costs no allocation.
    const MOST_SEEN: usize = 20_000;

    pub(super) fn new(cookie: String) -> Self {
        Self { cookie, seen: Cache::new(Self::MOST_SEEN) }
    }

    /// Whose session this is; `None`: nobody's any more.
    pub(super) fn identify(&self, live: LiveSession, providers: &Providers, now: Now) -> Option<Arc<Identity>> {
        let LiveSession { hash, session } = live;
        let provider = providers.get(&session.provider)?;
        if now.wall >= session.ends_at || *provider.issuer() != *session.issuer {
            return None;
        }
        if let Some((known, identity)) = self.seen.get(&hash)
            && Arc::ptr_eq(&known, &session)
        {
            return Some(identity);
        }
        let identity = Arc::new(identity(hash, &session));
        self.seen.insert(hash, (session, Arc::clone(&identity)));
        Some(identity)
    }
}

fn identity(hash: SessionHash, session: &Arc<Session>) -> Identity {
    let alias = &session.provider;
    let qualified = |name: &str| Arc::<str>::from(format!("{alias}|{name}"));
    Identity {
        principal: Principal::User(qualified(&session.subject)),
        method: AuthMethod::Session,
        groups: session.groups.iter().map(|group| qualified(group)).collect(),
        attributes: session.claims.clone(),
        scopes: session.scopes.iter().map(|scope| Arc::from(scope.as_str())).collect(),
        email: session.email.as_deref().map(Arc::from),
        authenticated_at: session.authenticated_at,
        expires_at: Some(session.ends_at),
        token: None,
        bounds: None,
        session: Some(LiveSession { hash, session: Arc::clone(session) }),
        entity: OnceLock::new(),
    }
}

/// A cookie comes with whatever a browser is made to send: what changes something must come from a page of our own
/// (Fetch metadata; `Origin` where a browser sends none).
///
/// # Errors
/// `cross_site_request`.
pub fn same_origin(method: &Method, headers: &HeaderMap, public_url: &str) -> Result<(), Refusal> {
    let upgrade = headers.contains_key(header::UPGRADE);
    let safe = *method == Method::GET || *method == Method::HEAD || *method == Method::OPTIONS;
    if safe && !upgrade {
        return Ok(());
    }
    let (site, origin) = (all(headers, "sec-fetch-site"), all(headers, "origin"));
    match (&*site, &*origin) {
        ([b"same-origin"], _) => Ok(()),
        ([], [origin]) if is_ours(origin, headers, public_url) => Ok(()),
        ([], []) => {
            Err(refuse::cross_site("it has neither `Sec-Fetch-Site` nor `Origin`, one of which every browser sends"))
        }
        ([], _) => Err(refuse::cross_site("its `Origin` is another")),
        _ => Err(refuse::cross_site("the browser says that it does not come from a page of our own")),
    }
}

fn all<'h>(headers: &'h HeaderMap, name: &'static str) -> Vec<&'h [u8]> {
    headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
}

fn is_ours(origin: &[u8], headers: &HeaderMap, public_url: &str) -> bool {
    if !public_url.is_empty() {
        return origin == public_url.as_bytes();
    }
    let host = all(headers, "host");
    matches!((&*host, origin.strip_prefix(b"https://")), ([host], Some(authority)) if host.eq_ignore_ascii_case(authority))
}
