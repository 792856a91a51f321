//! A key as operators see it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use portcullis_core::identify::KeyLimit;
use portcullis_core::moment::Moment;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::call::etag;
use crate::world::store::StoredKey;

/// An API key.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Key")]
pub(super) struct Shown {
    id: String,
    name: String,
    owner: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    metadata: Map<String, Value>,
    plan: Option<String>,
    limits: Vec<KeyLimit>,
    addresses: Vec<String>,
    routes: Vec<String>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    /// Some seconds behind.
    last_used_at: Option<i64>,
    /// How often, some seconds behind.
    uses: u64,
    /// Until when the secret before the last rotation is good.
    old_secret_until: Option<i64>,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
    /// The whole key, in the answer to its making or rotation alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip)]
    version: u64,
}

/// One page of keys.
#[derive(JsonSchema, Serialize)]
pub(super) struct Keys {
    pub(super) items: Vec<Shown>,
    /// For `cursor`; null on the last page.
    pub(super) next_cursor: Option<String>,
}

impl Shown {
    pub(super) fn of(key: &StoredKey, now: Moment) -> Self {
        let (record, terms) = (&key.record, &key.record.terms);
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            owner: record.owner.clone(),
            roles: record.roles.clone(),
            scopes: record.scopes.clone(),
            metadata: record.metadata.clone(),
            plan: terms.plan.clone(),
            limits: terms.limits.clone(),
            addresses: terms.addresses.iter().map(ToString::to_string).collect(),
            routes: terms.routes.clone(),
            created_at: record.created_at.seconds(),
            expires_at: record.expires_at.map(Moment::seconds),
            revoked_at: record.revoked_at.map(Moment::seconds),
            last_used_at: key.last_used_at.map(Moment::seconds),
            uses: key.uses,
            old_secret_until: terms.before.as_ref().filter(|old| old.until > now).map(|old| old.until.seconds()),
            state: match (record.revoked_at, record.expires_at) {
                (Some(_), _) => "revoked",
                (None, Some(end)) if end <= now => "expired",
                (None, _) => "active",
            },
            secret: None,
            version: key.version,
        }
    }

    pub(super) fn with_secret(self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self }
    }

    /// As an answer with its `ETag`.
    pub(super) fn tagged(self) -> Response {
        let tag = etag(self.version);
        let mut response = Json(self).into_response();
        response.headers_mut().extend(tag);
        response
    }
}
