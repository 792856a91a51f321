//! Who is logged in: listed, and ended one by one, by person, or all that were begun before.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_core::identify::SessionHash;
use portcullis_core::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::call::{Call, Purpose};
use super::operation::Operation;
use super::problem::{FieldFault, Refused};
use super::{Admin, input};
use crate::world::store::{StoreError, StoredSession};

/// Sessions on one page.
const PAGE: u32 = 50;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/sessions", "listSessions", "Who is logged in, oldest first.", list)
            .query::<Page>()
            .answers::<Sessions>(200),
        Operation::post(
            "/v1/sessions/revoke",
            "revokeSessions",
            "Ends all sessions of one person, or of everybody.",
            revoke,
        )
        .body::<Wanted>()
        .answers::<Ended>(200),
        Operation::delete("/v1/sessions/{id}", "revokeSession", "Ends one session.", remove)
            .answers_nothing(204)
            .refuses(404, "session_not_found"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Whose: `<alias>|<sub>`, as in policies.
    #[serde(default)]
    #[validate(length(min = 1, max = 320, message = "1 to 320 characters"))]
    user: Option<String>,
    /// Everybody's.
    #[serde(default)]
    all: bool,
    /// Those that were begun before: seconds since the epoch; now when left out.
    #[serde(default)]
    #[validate(range(min = 0, max = 253_402_300_799_i64, message = "seconds since the epoch"))]
    before: Option<i64>,
}

/// Somebody who is logged in.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Session")]
struct Shown {
    /// What it is called here; nobody can log in with it.
    id: String,
    user: String,
    email: Option<String>,
    groups: Vec<String>,
    created_at: i64,
    used_at: i64,
    ends_at: i64,
    /// From where the login came.
    address: String,
    agent: String,
}

/// One page of them.
#[derive(JsonSchema, Serialize)]
struct Sessions {
    items: Vec<Shown>,
    next_cursor: Option<String>,
}

/// How many were ended.
#[derive(JsonSchema, Serialize)]
struct Ended {
    ended: usize,
}

fn shown(stored: &StoredSession) -> Shown {
    let session = &stored.session;
    Shown {
        id: stored.hash.text(),
        user: format!("{}|{}", session.provider, session.subject),
        email: session.email.clone(),
        groups: session.groups.clone(),
        created_at: session.created_at.seconds(),
        used_at: stored.used_at().seconds(),
        ends_at: session.ends_at.seconds(),
        address: session.address.clone(),
        agent: session.agent.clone(),
    }
}

/// How a person is written.
const PERSON: &str = "write it as policies do: `<alias>|<sub>`";

/// Alias and subject.
fn person(user: &str) -> Option<(&str, &str)> {
    user.split_once('|')
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Only this person's: `<alias>|<sub>`.
    user: Option<String>,
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
    let wrong = || Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", format!("`user`: {PERSON}"));
    let whose = page.user.as_deref().map(|user| person(user).ok_or_else(wrong)).transpose()?;
    let found = admin.store.sessions.list(whose, page.limit.unwrap_or(PAGE), page.cursor.as_deref()).await;
    let found = found.map_err(|error| match error {
        StoreError::Cursor => Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", "`cursor` is none of ours"),
        other => Refused::store(&other),
    })?;
    let items = found.sessions.iter().map(shown).collect();
    Ok(Json(Sessions { items, next_cursor: found.next }).into_response())
}

pub(super) async fn remove(
    State(admin): State<Admin>,
    call: Call,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let unknown = || Refused::new(StatusCode::NOT_FOUND, "session_not_found", "there is no session with this id");
    let hash = SessionHash::parse(&id).ok_or_else(unknown)?;
    if call.purpose == Purpose::Rehearse {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let now = admin.shared.world.clock.now().wall;
    let ended = admin.store.sessions.revoke(hash, call.actor(), now).await.map_err(|error| Refused::store(&error))?;
    ended.ok_or_else(unknown).map(|()| StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn revoke(
    State(admin): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let wanted: Wanted = input::parse(&body?)?;
    let whose = match (&wanted.user, wanted.all) {
        (Some(user), false) => Some(person(user).ok_or_else(|| input::fault("/user", "user", PERSON))?),
        (None, true) => None,
        (Some(_), true) | (None, false) => {
            let message = "either `user` or `all: true` must be there".to_owned();
            let fault = FieldFault { pointer: String::new(), keyword: "user".to_owned(), message };
            return Err(Refused::invalid(vec![fault]));
        }
    };
    if call.purpose == Purpose::Rehearse {
        return Ok(Json(Ended { ended: 0 }).into_response());
    }
    let now = admin.shared.world.clock.now().wall;
    // Sessions that are begun in this very instant fall under it too.
    let before = wanted.before.map_or_else(|| now.plus(std::time::Duration::from_micros(1)), Moment::from_seconds);
    let ended = admin.store.sessions.revoke_all(whose, before, call.actor(), now).await;
    let ended = ended.map_err(|error| Refused::store(&error))?;
    Ok(Json(Ended { ended }).into_response())
}
