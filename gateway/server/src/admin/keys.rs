//! API keys: made, listed, shown, revoked. The secret is in one answer only.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::config::ContentHash;
use portcullis_core::govern::{KeyFacts, Subject};
use portcullis_core::identify::KeyRecord;
use portcullis_core::moment::Moment;
use portcullis_core::units::Span;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use validator::{Validate, ValidationError};

use super::call::{Call, Purpose, etag};
use super::operation::{About, Operation};
use super::problem::{FieldFault, Refused};
use super::{Admin, access};
use crate::world::store::{NewKey, StoreError};

/// How long a key holds when nobody says.
const USUAL_LIFE: Duration = Duration::from_hours(2160);
/// Keys on one page.
const PAGE: u32 = 50;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/keys", "listKeys", "The API keys, oldest first; of a key manager, those it manages.", list)
            .query::<Page>()
            .answers::<Keys<'static>>(200),
        Operation::post(
            "/v1/keys",
            "createKey",
            "Makes an API key. Its secret is in this answer and nowhere else.",
            create,
        )
        .about(About::NewKey)
        .body::<Wanted>()
        .answers::<Shown<'static>>(201)
        .answers::<Shown<'static>>(200),
        Operation::get("/v1/keys/{id}", "showKey", "One API key.", show)
            .about(About::Key)
            .answers::<Shown<'static>>(200)
            .refuses(404, "key_not_found"),
        Operation::delete("/v1/keys/{id}", "revokeKey", "Revokes an API key, at once. The record stays.", revoke)
            .about(About::Key)
            .answers::<Shown<'static>>(200)
            .refuses(404, "key_not_found")
            .refuses(412, "precondition_failed"),
    ]
}

/// What policies may know of a key.
pub(super) fn facts(key: &KeyRecord) -> KeyFacts<'_> {
    let project = key.metadata.get("project").and_then(Value::as_str);
    KeyFacts { id: &key.id, owner: &key.owner, project, roles: &key.roles }
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What it is for.
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"), custom(function = printable))]
    name: String,
    /// Who answers for it.
    #[serde(default)]
    #[validate(length(max = 200, message = "at most 200 characters"), custom(function = printable))]
    owner: String,
    /// `Group::"keys|<role>"` in policies. Those that begin with `portcullis:` are roles of the admin API.
    #[serde(default)]
    #[validate(length(max = 32, message = "at most 32 roles"), custom(function = words))]
    roles: Vec<String>,
    #[serde(default)]
    #[validate(length(max = 64, message = "at most 64 scopes"), custom(function = words))]
    scopes: Vec<String>,
    /// `30d`, `never`; `90d` when left out.
    #[serde(default)]
    expires_in: Option<String>,
    /// Attributes of the key in policies. `project` says whose key managers may manage it.
    #[serde(default)]
    metadata: Map<String, Value>,
}

fn words(words: &[String]) -> Result<(), ValidationError> {
    let plain = |word: &String| {
        (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b))
    };
    if words.iter().all(plain) {
        return Ok(());
    }
    Err(ValidationError::new("words").with_message("each of 1 to 64 letters, digits or `_-.:/`".into()))
}

/// Names are printed on terminals.
fn printable(text: &str) -> Result<(), ValidationError> {
    if text.chars().any(char::is_control) {
        return Err(ValidationError::new("printable").with_message("no control characters".into()));
    }
    Ok(())
}

/// An API key.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Key")]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    owner: &'a str,
    roles: &'a [String],
    scopes: &'a [String],
    metadata: &'a Map<String, Value>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
    /// The whole key, in the answer to its making alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// One page of keys.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Keys")]
struct Keys<'a> {
    items: Vec<Shown<'a>>,
    /// For `cursor`; null on the last page.
    next_cursor: Option<String>,
}

fn shown<'a>(key: &'a KeyRecord, now: Moment, secret: Option<&'a str>) -> Shown<'a> {
    Shown {
        id: &key.id,
        name: &key.name,
        owner: &key.owner,
        roles: &key.roles,
        scopes: &key.scopes,
        metadata: &key.metadata,
        created_at: key.created_at.seconds(),
        expires_at: key.expires_at.map(Moment::seconds),
        revoked_at: key.revoked_at.map(Moment::seconds),
        state: match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            (None, _) => "active",
        },
        secret,
    }
}

/// A body that is one JSON value of the shape `T`, and within its bounds.
pub(super) fn parse<T: DeserializeOwned + Validate>(body: &[u8]) -> Result<T, Refused> {
    let mut text = serde_json::Deserializer::from_slice(body);
    let new: T = serde_path_to_error::deserialize(&mut text).map_err(|fault| unreadable(&fault))?;
    text.end().map_err(|_| not_json("something follows the JSON value"))?;
    new.validate().map_err(|faults| {
        let faults = faults.field_errors().into_iter().flat_map(|(field, faults)| {
            faults.iter().map(move |fault| FieldFault {
                pointer: format!("/{field}"),
                keyword: fault.code.to_string(),
                message: fault.message.as_ref().map_or_else(|| "does not fit".to_owned(), ToString::to_string),
            })
        });
        Refused::invalid(faults.collect())
    })?;
    Ok(new)
}

/// What serde says of a wrong type names the value; the answer does not.
fn unreadable(fault: &serde_path_to_error::Error<serde_json::Error>) -> Refused {
    let error = fault.inner();
    if !error.is_data() {
        return not_json(&error.to_string());
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    let message = match text.rsplit_once(", expected ") {
        Some((said, expected)) if said.starts_with("invalid ") => format!("expected {expected}"),
        Some(_) | None => text.to_owned(),
    };
    let pointer = fault.path().iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    });
    Refused::invalid(vec![FieldFault { pointer, keyword: "type".to_owned(), message }])
}

fn not_json(why: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body cannot be read: {why}"))
}

pub(super) fn expiry(text: Option<&str>, now: Moment) -> Result<Option<Moment>, Refused> {
    let span = match text {
        None => USUAL_LIFE,
        Some("never") => return Ok(None),
        Some(text) => {
            let fault = |message: String| {
                let (pointer, keyword) = ("/expires_in".to_owned(), "span".to_owned());
                Refused::invalid(vec![FieldFault { pointer, keyword, message }])
            };
            let span: Span = text.parse().map_err(fault)?;
            if span.0.is_zero() {
                return Err(fault("a key that holds for no time is no key: write `90d`, or `never`".to_owned()));
            }
            span.0
        }
    };
    Ok(Some(now.plus(span)))
}

pub(super) async fn create(
    State(admin): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let new: Wanted = parse(&body?)?;
    let now = admin.shared.world.clock.now().wall;
    let expires_at = expiry(new.expires_in.as_deref(), now)?;
    let key = access::mint("live").map_err(|fault| Refused::store(&fault))?;
    let new = NewKey {
        id: key.id.clone(),
        name: new.name,
        owner: new.owner,
        roles: new.roles,
        scopes: new.scopes,
        metadata: new.metadata,
        hash: key.hash,
        created_at: now,
        expires_at,
    };
    if call.purpose == Purpose::Rehearse {
        let NewKey { id, name, owner, roles, scopes, metadata, hash, created_at, expires_at } = new;
        let revoked_at = None;
        let record = KeyRecord { id, name, owner, roles, scopes, metadata, hash, created_at, expires_at, revoked_at };
        return Ok(Json(shown(&record, now, None)).into_response());
    }
    let record = admin.store.keys.create(new, call.actor()).await.map_err(|error| Refused::store(&error))?;
    let location = HeaderValue::try_from(format!("/v1/keys/{}", record.id));
    let mut response = (StatusCode::CREATED, Json(shown(&record, now, Some(key.text.expose())))).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Only this owner's.
    owner: Option<String>,
    /// How many at most, up to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

pub(super) async fn list(
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
    let records = found.keys.iter().map(|key| &*key.record);
    let seen = records.filter(|key| call.may("showKey", Subject::Key(facts(key))).is_ok());
    let items = seen.map(|key| shown(key, now, None)).collect();
    Ok(Json(Keys { items, next_cursor: found.next }).into_response())
}

pub(super) async fn show(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let found = admin.store.keys.find(&id).await.map_err(|error| Refused::store(&error))?;
    let key = found.ok_or_else(no_such_key)?.record;
    Ok(tagged(&key, admin.shared.world.clock.now().wall))
}

pub(super) async fn revoke(
    State(admin): State<Admin>,
    call: Call,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let now = admin.shared.world.clock.now().wall;
    let found = admin.store.keys.find(&id).await.map_err(|error| Refused::store(&error))?;
    let key = found.ok_or_else(no_such_key)?.record;
    call.expects(&tag(&key))?;
    if call.purpose == Purpose::Rehearse {
        let revoked = KeyRecord { revoked_at: key.revoked_at.or(Some(now)), ..KeyRecord::clone(&key) };
        return Ok(tagged(&revoked, now));
    }
    let revoked = admin.store.keys.revoke(&id, call.actor(), now).await.map_err(|error| Refused::store(&error))?;
    let key = revoked.ok_or_else(no_such_key)?;
    Ok(tagged(&key, now))
}

/// One key, with its `ETag`.
fn tagged(key: &KeyRecord, now: Moment) -> Response {
    let mut response = Json(shown(key, now, None)).into_response();
    response.headers_mut().extend(etag(&tag(key)));
    response
}

/// Another one for every change of the record.
fn tag(key: &KeyRecord) -> String {
    let state = serde_json::to_vec(key).unwrap_or_default();
    ContentHash::of(&state).to_string().chars().take(24).collect()
}

fn no_such_key() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "key_not_found", "there is no key with this id")
}
