//! Tokens: for the resource (RFC 9068), about the person (`OpenID` Connect Core §2), about a logout. All ES256.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use openidconnect::core::CoreGenderClaim;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, Audience, EndUserEmail, EndUserName, EndUserUsername, IdTokenClaims, IssuerUrl,
    Nonce, StandardClaims, SubjectIdentifier,
};
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::memory::Granted;
use super::metadata::PublicKey;
use super::{IdpError, Person};
use crate::world::random;

/// The client that tokens without a client name.
const USERS_CLIENT: &str = "portcullis-demo";

/// Long enough for a slow network, too short for a replay of another day.
const LOGOUT_LIFE: Duration = Duration::from_mins(2);

pub(super) struct Mint {
    key: EncodingKey,
    check: DecodingKey,
    key_id: String,
    issuer: IssuerUrl,
    audience: String,
    life: Duration,
    clock: Arc<dyn Clock>,
}

/// The kinds of token, told apart by `typ` so that none is taken for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Access,
    Id,
    Logout,
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Id => "JWT",
            Self::Logout => "logout+jwt",
        }
    }
}

#[derive(Serialize)]
struct Access<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(flatten)]
    person: Option<AboutPerson<'a>>,
}

#[derive(Serialize)]
struct AboutPerson<'a> {
    groups: &'a [String],
    email: String,
    email_verified: bool,
}

/// What an ID token says beyond the standard.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Extra {
    pub(super) groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
}

impl AdditionalClaims for Extra {}

impl Mint {
    pub(super) fn new(
        key: &portcullis_certs::PrivateKey,
        public: &PublicKey,
        (issuer, audience): (IssuerUrl, &str),
        life: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IdpError> {
        let check = DecodingKey::from_ec_components(&public.x, &public.y);
        Ok(Self {
            key: EncodingKey::from_ec_der(key.pkcs8()),
            check: check.map_err(|error| IdpError::Sign(error.to_string()))?,
            key_id: public.id.clone(),
            issuer,
            audience: audience.to_owned(),
            life,
            clock,
        })
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now().wall
    }

    /// How long an access token is good.
    pub(super) fn life(&self) -> Duration {
        self.life
    }

    pub(super) fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// An access token for a person, given without a client.
    pub(super) fn for_user(&self, person: &Person, scope: Option<&str>) -> Result<String, IdpError> {
        self.access((&person.name, USERS_CLIENT), scope, Some(person), None)
    }

    /// A machine speaks for itself: `sub` and `client_id` are the same (RFC 9068 §2.2).
    pub(super) fn for_machine(&self, client: &str, scope: Option<&str>) -> Result<String, IdpError> {
        self.access((client, client), scope, None, None)
    }

    /// An access token that lives no longer than the family of its refresh token.
    pub(super) fn for_grant(&self, granted: &Granted, person: &Person, family: &str) -> Result<String, IdpError> {
        let names = (person.name.as_str(), granted.client.as_str());
        self.access(names, Some(&granted.scope), Some(person), Some((family, granted.auth_time)))
    }

    fn access(
        &self,
        (sub, client_id): (&str, &str),
        scope: Option<&str>,
        person: Option<&Person>,
        login: Option<(&str, Moment)>,
    ) -> Result<String, IdpError> {
        let mut id = [0; 16];
        random::fill(&mut id)?;
        let id = URL_SAFE_NO_PAD.encode(id);
        let now = self.now();
        let claims = Access {
            iss: &self.issuer,
            sub,
            aud: &self.audience,
            exp: now.plus(self.life).seconds(),
            iat: now.seconds(),
            jti: login.map_or_else(|| id.clone(), |(family, _)| format!("{family}.{id}")),
            client_id,
            scope,
            auth_time: login.map(|(_, at)| at.seconds()),
            person: person.map(|person| AboutPerson {
                groups: &person.groups,
                email: person.email(),
                email_verified: true,
            }),
        };
        self.sign(Kind::Access, &claims)
    }

    /// What the person's client learns of the login. `nonce` is that of the authorization request.
    pub(super) fn id_token(
        &self,
        granted: &Granted,
        person: &Person,
        nonce: Option<String>,
        access_token: &str,
    ) -> Result<String, IdpError> {
        let now = self.now();
        // The left half of the hash (OpenID Connect Core §3.1.3.6).
        let hash = digest(&SHA256, access_token.as_bytes());
        let half = hash.as_ref().get(..16).unwrap_or_default();
        let claims = IdTokenClaims::new(
            self.issuer.clone(),
            vec![Audience::new(granted.client.clone())],
            time(now.plus(self.life)).into(),
            time(now).into(),
            standard(person, &granted.scope),
            Extra { groups: person.groups.clone(), sid: Some(granted.sid.clone()) },
        )
        .set_auth_time(Some(time(granted.auth_time).into()))
        .set_nonce(nonce.map(Nonce::new))
        .set_access_token_hash(Some(AccessTokenHash::new(URL_SAFE_NO_PAD.encode(half))));
        self.sign(Kind::Id, &claims)
    }

    /// Tells `client` that a session is over (`OpenID` Connect Back-Channel Logout §2.4).
    pub(super) fn logout_token(&self, client: &str, user: &str, sid: &str) -> Result<String, IdpError> {
        let now = self.now();
        let claims = json!({
            "iss": self.issuer,
            "sub": user,
            "aud": client,
            "iat": now.seconds(),
            "exp": now.plus(LOGOUT_LIFE).seconds(),
            "jti": super::memory::draw()?,
            "sid": sid,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        self.sign(Kind::Logout, &claims)
    }

    /// The claims of a token of ours, of any age; `None` for whatever else.
    pub(super) fn read(&self, token: &str, kind: Kind) -> Option<Value> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        let header = part(header)?;
        if header.get("typ")?.as_str()? != kind.typ() || header.get("alg")?.as_str()? != "ES256" {
            return None;
        }
        let good = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.check, Algorithm::ES256);
        if good.ok()? { part(claims) } else { None }
    }

    fn sign(&self, kind: Kind, claims: &impl Serialize) -> Result<String, IdpError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.typ().to_owned());
        header.kid = Some(self.key_id.clone());
        encode(&header, claims, &self.key).map_err(|error| IdpError::Sign(error.to_string()))
    }
}

/// What `scope` lets a client know of somebody (`OpenID` Connect Core §5.4).
pub(super) fn standard(person: &Person, scope: &str) -> StandardClaims<CoreGenderClaim> {
    let asked = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
    let mut claims = StandardClaims::new(SubjectIdentifier::new(person.name.clone()));
    if asked("profile") {
        claims = claims
            .set_name(Some(EndUserName::new(person.shown()).into()))
            .set_preferred_username(Some(EndUserUsername::new(person.name.clone())));
    }
    if asked("email") {
        claims = claims.set_email(Some(EndUserEmail::new(person.email()))).set_email_verified(Some(true));
    }
    claims
}

fn time(moment: Moment) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(moment.seconds()).unwrap_or_default())
}
