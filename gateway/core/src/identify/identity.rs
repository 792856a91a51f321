//! The fact this stage yields: who is calling.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::{Bounds, LiveSession, TokenMark};
use crate::moment::Moment;
use crate::refusal::Refusal;

/// Someone whose credential was verified, or nobody in particular.
#[derive(Debug)]
pub struct Identity {
    pub principal: Principal,
    pub method: AuthMethod,
    /// Qualified: `"<alias>|<group>"`, or `"keys|<role>"`.
    pub groups: Vec<Arc<str>>,
    /// Verified claims or key metadata; typed by the Cedar schema where a policy sees them.
    pub attributes: Map<String, Value>,
    pub scopes: Vec<Arc<str>>,
    /// Only if the issuer says it is verified.
    pub email: Option<Arc<str>>,
    pub authenticated_at: Option<Moment>,
    /// When the credential ends; open streams end with it.
    pub expires_at: Option<Moment>,
    /// By what a token can be taken back; `None` for any other credential.
    pub token: Option<TokenMark>,
    /// Which session it is; `None` for any other credential.
    pub session: Option<LiveSession>,
    /// Of an API key: where it may be used, and how much.
    pub bounds: Option<Bounds>,
    /// The principal as a Cedar entity, built at most once per identity.
    ///
    /// INVARIANT: an identity never outlives the snapshot whose schema typed this.
    pub(crate) entity: OnceLock<cedar_policy::Entity>,
}

/// Who, in Cedar's terms.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Principal {
    Anonymous,
    /// The key's id.
    ApiKey(Arc<str>),
    /// The hash of its key, or its first subject alternative name.
    Certificate(Arc<str>),
    /// `<alias>|<client_id>`: a machine's token.
    Client(Arc<str>),
    /// `<alias>|<sub>`.
    User(Arc<str>),
}

impl Principal {
    /// The Cedar entity type.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "Anonymous",
            Self::ApiKey(_) => "ApiKey",
            Self::Certificate(_) => "Certificate",
            Self::Client(_) => "Client",
            Self::User(_) => "User",
        }
    }

    /// The Cedar entity id.
    pub fn id(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::ApiKey(id) | Self::Certificate(id) | Self::Client(id) | Self::User(id) => id,
        }
    }

    /// The id without the alias of its issuer: what the application knows the caller by.
    pub fn subject(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::ApiKey(id) | Self::Certificate(id) => id,
            Self::Client(id) | Self::User(id) => id.split_once('|').map_or(id, |(_, subject)| subject),
        }
    }
}

impl std::fmt::Display for Principal {
    /// As Cedar writes it: `User::"demo|alice"`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{:?}", self.kind(), self.id())
    }
}

/// How the caller proved who it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AuthMethod {
    ApiKey,
    Jwt,
    Mtls,
    None,
    Session,
}

impl AuthMethod {
    /// The word in configuration, logs and `X-Portcullis-Auth`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Mtls => "mtls",
            Self::None => "none",
            Self::Session => "session",
        }
    }
}

impl Identity {
    /// Whether what it shows may be used from `client` on `route`.
    pub(crate) fn admit(self: Arc<Self>, client: IpAddr, route: &str) -> Result<Arc<Self>, Refusal> {
        match &self.bounds {
            None => Ok(self),
            Some(bounds) => bounds.admit(client, route).map(|()| self),
        }
    }

    /// This identity, but ending no later than `other`: both credentials were demanded, so both must last.
    pub(super) fn ending_with(self: Arc<Self>, other: &Self) -> Arc<Self> {
        let earlier = match (self.expires_at, other.expires_at) {
            (Some(own), Some(end)) => end < own,
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        };
        if !earlier {
            return self;
        }
        Arc::new(Self {
            principal: self.principal.clone(),
            method: self.method,
            groups: self.groups.clone(),
            attributes: self.attributes.clone(),
            scopes: self.scopes.clone(),
            email: self.email.clone(),
            authenticated_at: self.authenticated_at,
            expires_at: other.expires_at,
            token: self.token.clone(),
            session: self.session.clone(),
            bounds: self.bounds.clone(),
            entity: OnceLock::new(),
        })
    }

    /// Somebody as an operator describes them, whom no credential vouches for: for explanations, never for requests.
    pub fn described(principal: Principal, groups: Vec<Arc<str>>, attributes: Map<String, Value>) -> Self {
        let email = attributes.get("email").and_then(Value::as_str).map(Arc::from);
        let method = match principal {
            Principal::Anonymous => AuthMethod::None,
            Principal::ApiKey(_) => AuthMethod::ApiKey,
            Principal::Certificate(_) => AuthMethod::Mtls,
            Principal::Client(_) | Principal::User(_) => AuthMethod::Jwt,
        };
        Self { principal, method, groups, attributes, email, ..Self::anonymous() }
    }

    pub fn anonymous() -> Self {
        Self {
            principal: Principal::Anonymous,
            method: AuthMethod::None,
            groups: Vec::new(),
            attributes: Map::new(),
            scopes: Vec::new(),
            email: None,
            authenticated_at: None,
            expires_at: None,
            token: None,
            session: None,
            bounds: None,
            entity: OnceLock::new(),
        }
    }
}
