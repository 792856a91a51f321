//! Tokens taken back before their time: by `jti`, or all of one `sub`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::call::{Call, Purpose};
use super::input::fault;
use super::operation::Operation;
use super::problem::Refused;
use super::{Admin, access, input};
use crate::world::store::{Revocation, StoreError};

/// Entries on one page.
const PAGE: u32 = 50;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/revocations", "listRevocations", "The tokens that were taken back, oldest first.", list)
            .query::<Page>()
            .answers::<Revocations>(200),
        Operation::post("/v1/revocations", "createRevocation", "Takes back one token, or all of one subject.", create)
            .body::<Wanted>()
            .answers::<Shown>(201)
            .answers::<Shown>(200),
        Operation::delete("/v1/revocations/{id}", "deleteRevocation", "Takes an entry off the list.", remove)
            .answers_nothing(204)
            .refuses(404, "revocation_not_found"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The alias of `[tokens.<alias>]`.
    issuer: String,
    #[serde(default)]
    #[validate(length(min = 1, max = 255, message = "1 to 255 characters"))]
    jti: Option<String>,
    #[serde(default)]
    #[validate(length(min = 1, max = 255, message = "1 to 255 characters"))]
    sub: Option<String>,
    /// Seconds since the epoch; now when left out.
    #[serde(default)]
    #[validate(range(min = 0, max = 253_402_300_799_i64, message = "seconds since the epoch"))]
    before: Option<i64>,
    /// `30d`; never when left out.
    #[serde(default)]
    expires_in: Option<String>,
    #[serde(default)]
    #[validate(length(max = 200, message = "at most 200 characters"), custom(function = input::printable))]
    reason: String,
}

/// Tokens that are no good before their time.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Revocation")]
struct Shown {
    id: String,
    issuer: String,
    jti: Option<String>,
    sub: Option<String>,
    before: Option<i64>,
    reason: String,
    created_at: i64,
    expires_at: Option<i64>,
}

/// One page of them.
#[derive(JsonSchema, Serialize)]
struct Revocations {
    items: Vec<Shown>,
    next_cursor: Option<String>,
}

fn shown(entry: &Revocation) -> Shown {
    Shown {
        id: entry.id.clone(),
        issuer: entry.issuer.clone(),
        jti: entry.jti.clone(),
        sub: entry.sub.clone(),
        before: entry.before.map(Moment::seconds),
        reason: entry.reason.clone(),
        created_at: entry.created_at.seconds(),
        expires_at: entry.expires_at.map(Moment::seconds),
    }
}

fn judge(wanted: &Wanted, admin: &Admin) -> Result<(), Refused> {
    let published = admin.shared.current();
    let mut aliases = published.snapshot.tokens().map(|(alias, _)| alias);
    if !aliases.any(|alias| alias == wanted.issuer) {
        return Err(fault("/issuer", "issuer", "not the alias of an issuer in [tokens.*]"));
    }
    match (&wanted.jti, &wanted.sub, wanted.before) {
        (Some(_), None, None) | (None, Some(_), _) => Ok(()),
        (Some(_), None, Some(_)) => Err(fault("/before", "before", "goes with `sub` only")),
        (Some(_), Some(_), _) | (None, None, _) => Err(fault("", "jti", "either `jti` or `sub` must be there")),
    }
}

pub(super) async fn create(
    State(admin): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let wanted: Wanted = input::parse(&body?)?;
    judge(&wanted, &admin)?;
    let now = admin.shared.world.clock.now().wall;
    let expires_at = match wanted.expires_in.as_deref() {
        None => None,
        Some(given) => input::end("/expires_in", given, now)?,
    };
    // Tokens say when they were issued in whole seconds: one of this very second falls under it too.
    let before = wanted.before.unwrap_or_else(|| now.seconds().saturating_add(1));
    let id = access::mint("revocation").map_err(|error| Refused::failed(&error))?.id;
    let entry = Revocation {
        id,
        issuer: wanted.issuer,
        jti: wanted.jti,
        before: wanted.sub.is_some().then(|| Moment::from_seconds(before)),
        sub: wanted.sub,
        reason: wanted.reason,
        created_at: now,
        expires_at,
    };
    if call.purpose == Purpose::Rehearse {
        return Ok(Json(shown(&entry)).into_response());
    }
    admin.store.revocations.add(entry.clone(), call.actor()).await.map_err(|error| Refused::store(&error))?;
    let mut response = (StatusCode::CREATED, Json(shown(&entry))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/v1/revocations/{}", entry.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// How many at most, up to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

pub(super) async fn list(
    State(admin): State<Admin>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(page) = page?;
    let found = admin.store.revocations.list(page.limit.unwrap_or(PAGE), page.cursor.as_deref()).await;
    let found = found.map_err(|error| match error {
        StoreError::Cursor => Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", "`cursor` is none of ours"),
        other => Refused::store(&other),
    })?;
    let items = found.entries.iter().map(shown).collect();
    Ok(Json(Revocations { items, next_cursor: found.next }).into_response())
}

pub(super) async fn remove(
    State(admin): State<Admin>,
    call: Call,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let now = admin.shared.world.clock.now().wall;
    if call.purpose == Purpose::Rehearse {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let removed =
        admin.store.revocations.remove(&id, call.actor(), now).await.map_err(|error| Refused::store(&error))?;
    match removed {
        Some(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        None => Err(Refused::new(StatusCode::NOT_FOUND, "revocation_not_found", "there is no revocation with this id")),
    }
}
