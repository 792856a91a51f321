//! Who changed what? The audit log, searched from its end, or exported whole.

use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::operation::Operation;
use super::problem::Refused;
use crate::world::store::{AuditRow, ShownRow, StoreError, Stored};

/// Rows on one page.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;
/// Rows read at a time.
const ROWS: u32 = 500;
/// Rows looked at for one page: where few are wanted, the page ends early and the next goes on from there.
const MOST_LOOKED_AT: i64 = 5_000;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/audit", "listAudit", "Who changed what, newest first.", list)
            .query::<Wanted>()
            .answers::<Page>(200),
        Operation::get(
            "/v1/audit/export",
            "exportAudit",
            "The whole log as JSON lines, oldest first, each with all that its hash is made of.",
            export,
        )
        .query::<Rest>()
        .answers_lines::<ShownRow>(200),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Who made the change: `admin`, `ApiKey::"…"`, `User::"…"`.
    actor: Option<String>,
    /// What was done, as in `key.create`; with a dot at the end, whatever begins so: `key.`.
    action: Option<String>,
    /// What was changed, such as the id of a key.
    subject: Option<String>,
    /// Not before: seconds since the epoch.
    since: Option<i64>,
    /// How many at most, up to 200. A page may hold fewer, and none, before the last.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Wanted {
    fn picks(&self, row: &AuditRow) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let action = |wanted: &str| row.action == wanted || wanted.ends_with('.') && row.action.starts_with(wanted);
        same(&self.actor, &row.actor)
            && self.action.as_deref().is_none_or(action)
            && same(&self.subject, &row.subject)
            && self.since.is_none_or(|since| row.at.seconds() >= since)
    }

    /// Whether nothing wanted stands before these. Where the clock was set back a row may stand after one that is later:
    /// all that are read together must be too old.
    fn ends_at(&self, rows: &[AuditRow]) -> bool {
        self.since.is_some_and(|since| rows.iter().all(|row| row.at.seconds() < since))
    }
}

/// One page of the log.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "AuditPage")]
struct Page {
    items: Vec<ShownRow>,
    /// For `cursor`; null on the last page.
    next_cursor: Option<String>,
}

async fn list(State(admin): State<Admin>, wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Response, Refused> {
    let Query(wanted) = wanted?;
    let place = wanted.cursor.as_deref().map(str::parse::<i64>).transpose();
    let place = place.ok().filter(|place| place.is_none_or(|place| place > 0));
    let place =
        place.ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", "`cursor` is none of ours"))?;
    let page = search(&admin.store, &wanted, place).await.map_err(|error| Refused::store(&error))?;
    Ok(Json(page).into_response())
}

/// The rows before the place `before`, or from the end.
async fn search(store: &Stored, wanted: &Wanted, before: Option<i64>) -> Result<Page, StoreError> {
    let most = wanted.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let mut before = match before {
        Some(before) => before,
        None => store.audit_head().await?.seq + 1,
    };
    let last = (before - MOST_LOOKED_AT).max(1);
    let mut items = Vec::new();
    while before > last {
        let first = (before - i64::from(ROWS)).max(last);
        let mut rows = store.audit(first - 1, ROWS).await?;
        rows.retain(|row| row.seq < before);
        for row in rows.iter().rev().filter(|row| wanted.picks(row)) {
            items.push(row.into());
            if items.len() == most {
                let next_cursor = (row.seq > 1).then(|| row.seq.to_string());
                return Ok(Page { items, next_cursor });
            }
        }
        if wanted.ends_at(&rows) {
            return Ok(Page { items, next_cursor: None });
        }
        before = first;
    }
    Ok(Page { items, next_cursor: (before > 1).then(|| before.to_string()) })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rest {
    /// Only the rows after this `seq`: what is new since an export that ended with it.
    after: Option<i64>,
}

async fn export(State(admin): State<Admin>, rest: Result<Query<Rest>, QueryRejection>) -> Result<Response, Refused> {
    let Query(rest) = rest?;
    let after = rest.after.unwrap_or_default().max(0);
    // The first rows are read before anything is answered, so that a store that is away is a refusal and no short log.
    let first = admin.store.audit(after, ROWS).await.map_err(|error| Refused::store(&error))?;
    let rest = stream::try_unfold((admin.store, Some(first), after), |(store, read, after)| async move {
        let rows = match read {
            Some(rows) => rows,
            None => store.audit(after, ROWS).await.map_err(broken_off)?,
        };
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok::<_, io::Error>(None) };
        let lines: String = rows.iter().map(|row| ShownRow::from(row).line()).collect();
        Ok(Some((lines, (store, None, last))))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(rest)).into_response())
}

/// The connection ends before the answer does, so that nobody takes a part for the whole.
fn broken_off(error: StoreError) -> io::Error {
    tracing::error!(%error, "an export of the audit log broke off");
    io::Error::other(error.to_string())
}
