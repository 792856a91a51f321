//! Access tokens: ES256, `at+jwt` (RFC 9068), for one audience, for an hour.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use portcullis_core::ports::Clock;
use serde::Serialize;

use super::{IdpError, MACHINE, User};
use crate::world::random;

pub(super) const LIFE: Duration = Duration::from_hours(1);

/// What may be asked for in `scope`, by anyone.
pub(super) const SCOPES: [&str; 2] = ["orders:read", "orders:write"];

/// The client that users' tokens name.
const USERS_CLIENT: &str = "portcullis-demo";

pub(super) struct Mint {
    key: EncodingKey,
    header: Header,
    issuer: String,
    audience: String,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(flatten)]
    person: Option<Person>,
}

#[derive(Serialize)]
struct Person {
    groups: &'static [&'static str],
    email: String,
    email_verified: bool,
}

impl Mint {
    pub(super) fn new(
        key: &portcullis_certs::PrivateKey,
        key_id: String,
        issuer: &str,
        audience: &str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key_id);
        let key = EncodingKey::from_ec_der(key.pkcs8());
        Self { key, header, issuer: issuer.to_owned(), audience: audience.to_owned(), clock }
    }

    pub(super) fn for_user(&self, user: User, scope: Option<&str>) -> Result<String, IdpError> {
        let person =
            Person { groups: user.groups(), email: format!("{}@example.com", user.name()), email_verified: true };
        self.sign((user.name(), USERS_CLIENT), scope, Some(person))
    }

    /// A machine speaks for itself: `sub` and `client_id` are the same (RFC 9068 §2.2).
    pub(super) fn for_machine(&self, scope: Option<&str>) -> Result<String, IdpError> {
        self.sign((MACHINE, MACHINE), scope, None)
    }

    fn sign(
        &self,
        (sub, client_id): (&str, &str),
        scope: Option<&str>,
        person: Option<Person>,
    ) -> Result<String, IdpError> {
        let mut id = [0; 16];
        random::fill(&mut id)?;
        let now = self.clock.now().wall;
        let claims = Claims {
            iss: &self.issuer,
            sub,
            aud: &self.audience,
            exp: now.plus(LIFE).seconds(),
            iat: now.seconds(),
            jti: URL_SAFE_NO_PAD.encode(id),
            client_id,
            scope,
            person,
        };
        encode(&self.header, &claims, &self.key).map_err(|error| IdpError::Sign(error.to_string()))
    }
}
