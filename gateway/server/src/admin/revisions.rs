//! Which configurations were applied, and what did each change? Texts are shown as they were written: `${…}` is not
//! resolved, and a secret that stood there in clear was never kept.

mod change;
mod differences;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_core::snapshot::Texts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Admin;
use super::call::etag;
use super::operation::Operation;
use super::problem::Refused;
use crate::world::store::{Origin, Revision};
use differences::{Changed, FileChange, between, changed};

/// Differences worked out at once; further ones wait.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/config/revisions",
            "listRevisions",
            "The configurations that were applied, newest first.",
            list,
        )
        .query::<Wanted>()
        .answers::<Page>(200),
        Operation::get("/v1/config/revisions/{number}", "showRevision", "One of them, with its texts.", show)
            .answers::<Whole>(200)
            .refuses(404, "revision_not_found"),
        Operation::get(
            "/v1/config/revisions/{number}/diff",
            "diffRevision",
            "What is another than in the revision before it, or than in any other.",
            diff,
        )
        .query::<Against>()
        .answers::<Difference>(200)
        .refuses(404, "revision_not_found")
        .refuses(409, "revision_too_large"),
        change::apply_operation(),
        change::roll_back_operation(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// How many at most, up to 200.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One page of the list.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "RevisionPage")]
struct Page {
    items: Vec<Shown>,
    /// For `cursor`; null on the last page.
    next_cursor: Option<String>,
}

/// A configuration that was applied.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Revision")]
struct Shown {
    /// Counted from 1.
    number: u64,
    created_at: i64,
    /// Who applied it, as in the audit log; `files`: whoever wrote them.
    author: String,
    /// `files`: those of a machine; `api`: sent; `rollback`: an older revision again.
    origin: Origin,
    note: String,
    /// SHA-256 over all texts, in hexadecimal digits: the same texts have the same.
    hash: String,
    /// Whether it is what this replica does.
    in_force: bool,
    /// The files that are others than in the revision before; null where that is not known any more.
    changes: Option<Vec<Changed>>,
}

/// A revision with its texts.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "RevisionWithTexts")]
struct Whole {
    #[serde(flatten)]
    revision: Shown,
    /// The main file, among the files.
    main: String,
    /// Text by path; null where they were too large to be kept.
    files: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Against {
    /// The number of another revision; the one before it when left out.
    against: Option<u64>,
}

/// What is another between two revisions.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "RevisionDiff")]
struct Difference {
    /// Null: against nothing.
    from: Option<u64>,
    to: u64,
    files: Vec<FileChange>,
}

async fn list(State(admin): State<Admin>, wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Response, Refused> {
    let Query(wanted) = wanted?;
    let before = wanted
        .cursor
        .as_deref()
        .map(str::parse::<u64>)
        .transpose()
        .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", "`cursor` is none of ours"))?;
    let limit = wanted.limit.unwrap_or(50).clamp(1, 200);
    let page = admin.store.revisions.list(limit, before).await.map_err(|error| Refused::store(&error))?;
    let before_all = match page.next {
        Some(next) => admin.store.revisions.show(next - 1).await.map_err(|error| Refused::store(&error))?,
        None => None,
    };
    let earlier = page.revisions.iter().skip(1).map(Some).chain([before_all.as_ref()]);
    let items = page.revisions.iter().zip(earlier).map(|(revision, before)| shown(&admin, revision, before)).collect();
    let next_cursor = page.next.map(|next| next.to_string());
    Ok((etag(page.latest).map(|tag| [tag]), Json(Page { items, next_cursor })).into_response())
}

async fn show(State(admin): State<Admin>, number: Result<Path<String>, PathRejection>) -> Result<Response, Refused> {
    let Path(number) = number?;
    let revision = find(&admin, number.parse().unwrap_or_default()).await?;
    let before = admin.store.revisions.show(revision.number - 1).await.map_err(|error| Refused::store(&error))?;
    let texts = admin.store.revisions.texts(&revision).await.map_err(|error| Refused::store(&error))?;
    let files = texts.map(|texts| texts.files.into_iter().map(|(path, text)| (path, text.to_string())).collect());
    let whole = Whole { revision: shown(&admin, &revision, before.as_ref()), main: revision.main, files };
    Ok((etag(revision.number).map(|tag| [tag]), Json(whole)).into_response())
}

async fn diff(
    State(admin): State<Admin>,
    number: Result<Path<String>, PathRejection>,
    against: Result<Query<Against>, QueryRejection>,
) -> Result<Response, Refused> {
    let (Path(number), Query(Against { against })) = (number?, against?);
    let to = find(&admin, number.parse().unwrap_or_default()).await?;
    let from = match against {
        Some(against) => Some(find(&admin, against).await?),
        None => admin.store.revisions.show(to.number - 1).await.map_err(|error| Refused::store(&error))?,
    };
    let after = texts(&admin, &to).await?;
    let before = match &from {
        Some(from) => texts(&admin, from).await?,
        None => Texts::default(),
    };
    let _turn = AT_ONCE.acquire().await.map_err(|error| Refused::failed(&error))?;
    let working = tokio::task::spawn_blocking(move || between(&before, &after));
    let files = working.await.map_err(|error| Refused::failed(&error))?;
    Ok(Json(Difference { from: from.map(|from| from.number), to: to.number, files }).into_response())
}

async fn find(admin: &Admin, number: u64) -> Result<Revision, Refused> {
    let found = admin.store.revisions.show(number).await.map_err(|error| Refused::store(&error))?;
    found.ok_or_else(|| {
        let detail = "there is no revision of this number, or none any more";
        Refused::new(StatusCode::NOT_FOUND, "revision_not_found", detail)
    })
}

async fn texts(admin: &Admin, revision: &Revision) -> Result<Texts, Refused> {
    let texts = admin.store.revisions.texts(revision).await.map_err(|error| Refused::store(&error))?;
    texts.ok_or_else(|| {
        let detail = format!("the texts of revision {} were too large to be kept", revision.number);
        Refused::new(StatusCode::CONFLICT, "revision_too_large", detail)
    })
}

fn shown(admin: &Admin, revision: &Revision, before: Option<&Revision>) -> Shown {
    let in_force = admin.publisher.chronicle().in_force();
    Shown {
        number: revision.number,
        created_at: revision.at.seconds(),
        author: revision.author.clone(),
        origin: revision.origin,
        note: revision.note.clone(),
        hash: revision.hash.clone(),
        in_force: in_force.is_some_and(|in_force| in_force.number == revision.number),
        changes: before.map(|before| changed(&before.files, &revision.files)),
    }
}
