//! API keys: made, listed, shown, changed, rotated, revoked. A secret is in one answer only.

mod shown;
mod wanted;

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::govern::{KeyFacts, Subject};
use portcullis_core::identify::{KeyRecord, KeyTerms, OldSecret};
use portcullis_core::moment::Moment;
use portcullis_core::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::call::{Call, Purpose};
use super::operation::{About, Operation};
use super::problem::Refused;
use super::{Admin, access, input};
use crate::world::store::{NewKey, StoreError, StoredKey, Word};
use shown::{Keys, Shown};
use wanted::{Patch, Rotation, Wanted};

/// How long a key holds when nobody says.
const USUAL_LIFE: Duration = Duration::from_hours(2160);
/// The longest time for which two secrets of a key are good.
const LONGEST_OVERLAP: Duration = Duration::from_hours(30 * 24);
/// Keys on one page.
const PAGE: u32 = 50;
/// What stands after the prefix of a key.
const ENV: &str = "live";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/keys", "listKeys", "The API keys, oldest first; of a key manager, those it manages.", list)
            .query::<Page>()
            .answers::<Keys>(200),
        Operation::post(
            "/v1/keys",
            "createKey",
            "Makes an API key. Its secret is in this answer and nowhere else.",
            create,
        )
        .about(About::NewKey)
        .body::<Wanted>()
        .answers::<Shown>(201)
        .answers::<Shown>(200),
        Operation::get("/v1/keys/{id}", "showKey", "One API key.", show)
            .about(About::Key)
            .answers::<Shown>(200)
            .refuses(404, "key_not_found"),
        Operation::patch("/v1/keys/{id}", "updateKey", "Changes what the body names, and nothing else.", update)
            .about(About::Key)
            .body::<Patch>()
            .answers::<Shown>(200)
            .refuses(404, "key_not_found")
            .refuses(409, "key_revoked")
            .versioned(),
        Operation::delete("/v1/keys/{id}", "revokeKey", "Revokes an API key, at once. The record stays.", revoke)
            .about(About::Key)
            .answers::<Shown>(200)
            .refuses(404, "key_not_found")
            .versioned(),
        Operation::post(
            "/v1/keys/{id}/rotate",
            "rotateKey",
            "Gives the key another secret. The one before stays good for `overlap`.",
            rotate,
        )
        .about(About::Key)
        .body::<Rotation>()
        .answers::<Shown>(200)
        .refuses(404, "key_not_found")
        .refuses(409, "key_revoked")
        .versioned(),
    ]
}

/// What policies may know of a key.
pub(super) fn facts(key: &KeyRecord) -> KeyFacts<'_> {
    let project = key.metadata.get("project").and_then(Value::as_str);
    KeyFacts { id: &key.id, owner: &key.owner, project, roles: &key.roles }
}

async fn create(
    State(admin): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let wanted: Wanted = input::parse(&body?)?;
    let now = admin.shared.world.clock.now().wall;
    let expires_at = match wanted.expires_in.as_deref() {
        None => Some(now.plus(USUAL_LIFE)),
        Some(text) => input::end("/expires_in", text, now)?,
    };
    let terms = wanted.terms(&call)?;
    // About the key as it is made: the frame has asked about what it could read of the body.
    let project = wanted.metadata.get("project").and_then(Value::as_str);
    let made = KeyFacts { id: "", owner: &wanted.owner, project, roles: &wanted.roles };
    call.may("createKey", Subject::Key(made))?;
    let key = access::mint(ENV).map_err(|fault| Refused::failed(&fault))?;
    let new = NewKey {
        id: key.id.clone(),
        name: wanted.name,
        owner: wanted.owner,
        roles: wanted.roles,
        scopes: wanted.scopes,
        metadata: wanted.metadata,
        hash: key.hash,
        created_at: now,
        expires_at,
        terms,
    };
    let stored = |record| StoredKey { record, version: 0, last_used_at: None, uses: 0 };
    if call.purpose == Purpose::Rehearse {
        let NewKey { id, name, owner, roles, scopes, metadata, hash, created_at, expires_at, terms } = new;
        let revoked_at = None;
        let record =
            KeyRecord { id, name, owner, roles, scopes, metadata, hash, created_at, expires_at, revoked_at, terms };
        return Ok(Json(Shown::of(&stored(record.into()), now)).into_response());
    }
    let record = admin.store.keys.create(new, call.actor()).await.map_err(|error| Refused::store(&error))?;
    let location = HeaderValue::try_from(format!("/v1/keys/{}", record.id));
    let shown = Shown::of(&stored(record), now).with_secret(key.text.expose());
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Only this owner's.
    owner: Option<String>,
    /// How many at most, up to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

async fn list(
    State(admin): State<Admin>,
    call: Call,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(page) = page?;
    let limit = page.limit.unwrap_or(PAGE);
    let found = admin.store.keys.list(page.owner.as_deref(), limit, page.cursor.as_deref()).await;
    let found = found.map_err(|error| match error {
        StoreError::Cursor => Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", "`cursor` is none of ours"),
        other => Refused::store(&other),
    })?;
    let now = admin.shared.world.clock.now().wall;
    let seen = found.keys.iter().filter(|key| call.may("showKey", Subject::Key(facts(&key.record))).is_ok());
    let items = seen.map(|key| Shown::of(key, now)).collect();
    Ok(Json(Keys { items, next_cursor: found.next }).into_response())
}

async fn show(State(admin): State<Admin>, id: Result<Path<String>, PathRejection>) -> Result<Response, Refused> {
    let Path(id) = id?;
    let now = admin.shared.world.clock.now().wall;
    Ok(Shown::of(&find(&admin, &id).await?, now).tagged())
}

async fn update(
    State(admin): State<Admin>,
    call: Call,
    id: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let patch: Patch = input::parse(&body?)?;
    let now = admin.shared.world.clock.now().wall;
    let change = |before: &KeyRecord, version| {
        call.expects(version)?;
        let after = patch.of(before, &call, now)?;
        // Whoever may change the one may not make of it what they may not change.
        call.may("updateKey", Subject::Key(facts(&after)))?;
        Ok((after != *before).then_some(after))
    };
    changed(&admin, &call, &id, "key.update", now, change).await.map(Shown::tagged)
}

async fn rotate(
    State(admin): State<Admin>,
    call: Call,
    id: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let body = body?;
    let wanted: Rotation = if body.is_empty() { Rotation::default() } else { input::parse(&body)? };
    let now = admin.shared.world.clock.now().wall;
    let overlap = match wanted.overlap.as_deref().map(str::parse::<Span>) {
        None => Duration::ZERO,
        Some(Ok(span)) if span.0 <= LONGEST_OVERLAP => span.0,
        Some(Ok(_)) => return Err(input::fault("/overlap", "span", "at most `30d`")),
        Some(Err(message)) => return Err(input::fault("/overlap", "span", message)),
    };
    let fresh = access::reissue(ENV, &id).map_err(|fault| Refused::failed(&fault))?;
    let change = |before: &KeyRecord, version| {
        call.expects(version)?;
        alive(before)?;
        let until = now.plus(overlap);
        let old = (!overlap.is_zero()).then_some(OldSecret { hash: before.hash, until });
        let terms = KeyTerms { before: old, ..before.terms.clone() };
        let expires_at = match wanted.expires_in.as_deref() {
            None => before.expires_at,
            Some(text) => input::end("/expires_in", text, now)?,
        };
        Ok(Some(KeyRecord { hash: fresh.hash, expires_at, terms, ..before.clone() }))
    };
    let shown = changed(&admin, &call, &id, "key.rotate", now, change).await?;
    Ok(if call.purpose == Purpose::Apply { shown.with_secret(fresh.text.expose()) } else { shown }.tagged())
}

async fn revoke(
    State(admin): State<Admin>,
    call: Call,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let now = admin.shared.world.clock.now().wall;
    let change = |before: &KeyRecord, version| {
        call.expects(version)?;
        let revoked = || KeyRecord { revoked_at: Some(now), ..before.clone() };
        Ok(before.revoked_at.is_none().then(revoked))
    };
    changed(&admin, &call, &id, "key.revoke", now, change).await.map(Shown::tagged)
}

async fn find(admin: &Admin, id: &str) -> Result<StoredKey, Refused> {
    let found = admin.store.keys.find(id).await.map_err(|error| Refused::store(&error))?;
    found.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "key_not_found", "there is no key with this id"))
}

/// Changes a key, or says what it would be.
async fn changed(
    admin: &Admin,
    call: &Call,
    id: &str,
    action: &'static str,
    now: Moment,
    change: impl Fn(&KeyRecord, u64) -> Result<Option<KeyRecord>, Refused> + Send + Sync,
) -> Result<Shown, Refused> {
    let found = find(admin, id).await?;
    if call.purpose == Purpose::Rehearse {
        let after = change(&found.record, found.version)?;
        let record = after.map_or_else(|| std::sync::Arc::clone(&found.record), Into::into);
        return Ok(Shown::of(&StoredKey { record, ..found }, now));
    }
    let word = Word { at: now, actor: call.actor(), action };
    let written = admin.store.keys.change(id, word, change).await.map_err(|error| Refused::store(&error))??;
    let (record, version) = written.unwrap_or_else(|| (std::sync::Arc::clone(&found.record), found.version));
    Ok(Shown::of(&StoredKey { record, version, ..found }, now))
}

fn alive(key: &KeyRecord) -> Result<(), Refused> {
    match key.revoked_at {
        None => Ok(()),
        Some(_) => Err(Refused::new(StatusCode::CONFLICT, "key_revoked", "the key is revoked, for good: make another")),
    }
}
