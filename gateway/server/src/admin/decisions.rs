//! What was decided, and why? The newest decisions, searched, followed, and explained.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::{Stream, stream};
use portcullis_core::authorize::Explanation;
use portcullis_core::govern::Subject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::call::Call;
use super::operation::Operation;
use super::problem::Refused;
use super::tls::Visitor;
use super::{Admin, access};
use crate::observe::{Decision, Difference, record};

/// Decisions on one page.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;
/// How often whoever follows is asked again whether they may; a revocation ends the stream within a second.
const ASKED_AGAIN: Duration = Duration::from_millis(500);
/// Between two signs of life of a stream.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/decisions",
            "listDecisions",
            "The newest decisions, newest first; with `Accept: text/event-stream`, those to come, as they are made.",
            list,
        )
        .query::<Wanted>()
        .answers::<Decisions>(200),
        Operation::get("/v1/decisions/{id}", "showDecision", "One decision, explained condition by condition.", show)
            .answers::<Explained>(200)
            .refuses(404, "decision_not_found"),
        Operation::get(
            "/v1/shadow",
            "showShadow",
            "Where checks and policies in shadow would have it otherwise: counts and examples.",
            shadow,
        )
        .answers::<Report>(200),
    ]
}

/// Which decisions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The route's name.
    route: Option<String>,
    /// As Cedar writes it: `User::"demo|alice"`.
    principal: Option<String>,
    /// The code of the refusal, or `permit`.
    code: Option<String>,
    status: Option<u16>,
    /// Only those (`true`) or none of those (`false`) that a check in shadow would have refused, or allowed.
    would_refuse: Option<bool>,
    /// Not before: seconds since the epoch.
    since: Option<i64>,
    /// Before: seconds since the epoch.
    until: Option<i64>,
    /// How many at most, up to 200.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Wanted {
    fn picks(&self, decision: &Decision) -> bool {
        let trail = &decision.trail;
        let same = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| found == Some(w));
        let code = trail.refusal.as_ref().map_or("permit", |refusal| refusal.code.name());
        let principal = self.principal.is_some().then(|| trail.identity.as_ref().map(|i| i.principal.to_string()));
        let differs = !trail.would_refuse.is_empty() || trail.would_allow;
        let at = decision.began.wall.seconds();
        same(&self.route, trail.route.as_deref())
            && same(&self.code, Some(code))
            && same(&self.principal, principal.flatten().as_deref())
            && self.status.is_none_or(|status| status == decision.status)
            && self.would_refuse.is_none_or(|wanted| wanted == differs)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}

/// One page of them.
#[derive(JsonSchema, Serialize)]
struct Decisions {
    /// Each as in the decision log.
    items: Vec<Value>,
    next_cursor: Option<String>,
}

/// A decision, and what each policy made of it.
#[derive(JsonSchema, Serialize)]
struct Explained {
    /// As in the decision log.
    decision: Value,
    /// What was asked about; `null` where the policies were not asked.
    resource: Option<String>,
    policies: Option<Explanation>,
    /// Of the policies in shadow, where they would have it otherwise.
    shadow_policies: Option<Explanation>,
}

fn value(decision: &Decision) -> Value {
    serde_json::to_value(record(&decision.view())).unwrap_or_default()
}

pub(super) async fn list(
    State(admin): State<Admin>,
    call: Call,
    headers: HeaderMap,
    visitor: Option<Extension<Visitor>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(wanted) = wanted?;
    let kept = &admin.shared.streams.kept;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.split(',').any(|kind| kind.trim().starts_with("text/event-stream")) {
        let heard = kept.follow();
        let visitor = visitor.map(|Extension(visitor)| visitor);
        let follower = Follower { admin: admin.clone(), peer: call.peer, headers, visitor };
        return Ok(Sse::new(events(heard, wanted, follower))
            .keep_alive(KeepAlive::new().interval(ALIVE))
            .into_response());
    }
    let before = wanted.cursor.as_deref().map(str::parse::<u64>).transpose();
    let before =
        before.map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "invalid_parameter", "`cursor` is none of ours"))?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let (found, next) = kept.search(before, limit, |decision| wanted.picks(decision));
    let items = found.iter().map(|decision| value(decision)).collect();
    Ok(Json(Decisions { items, next_cursor: next.map(|number| number.to_string()) }).into_response())
}

/// Whoever follows the decisions, as they asked to.
struct Follower {
    admin: Admin,
    peer: IpAddr,
    headers: HeaderMap,
    visitor: Option<Visitor>,
}

impl Follower {
    /// Whether they may still do so. Where that cannot be judged now, they go on: they could when they began.
    async fn may(&self) -> bool {
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        parts.headers.clone_from(&self.headers);
        if let Some(visitor) = &self.visitor {
            parts.extensions.insert(visitor.clone());
        }
        let published = self.admin.shared.current();
        match access::who(&self.admin, &published, &parts, self.peer).await {
            Ok(who) => published.snapshot.governance().may(&who, "listDecisions", Subject::Gateway, self.peer).is_ok(),
            Err(refused) => refused.is_outage(),
        }
    }
}

/// Those to come that are wanted; a follower that is too slow is told how many it missed. The end: they may no longer.
fn events(
    heard: Receiver<Arc<Decision>>,
    wanted: Wanted,
    follower: Follower,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut asked = tokio::time::interval(ASKED_AGAIN);
    asked.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    stream::unfold((heard, wanted, follower, asked), |(mut heard, wanted, follower, mut asked)| async move {
        loop {
            let heard_of = tokio::select! {
                biased;
                _ = asked.tick() => {
                    if !follower.may().await {
                        return None;
                    }
                    continue;
                }
                heard_of = heard.recv() => heard_of,
            };
            match heard_of {
                Ok(decision) if wanted.picks(&decision) => {
                    let event = Event::default().id(decision.ids.decision.as_str()).data(value(&decision).to_string());
                    return Some((Ok(event), (heard, wanted, follower, asked)));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    let event = Event::default().event("missed").data(missed.to_string());
                    return Some((Ok(event), (heard, wanted, follower, asked)));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

pub(super) async fn show(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let found = admin.shared.streams.kept.find(&id).ok_or_else(|| {
        let detail = "there is no such decision, or it is older than those that are kept (`observe.keep_decisions`)";
        Refused::new(StatusCode::NOT_FOUND, "decision_not_found", detail)
    })?;
    // Every condition is evaluated again, which may take as long as many decisions.
    let explained = tokio::task::spawn_blocking(move || Explained {
        decision: value(&found),
        resource: found.trail.asked.as_ref().and_then(|asked| asked.resource()),
        policies: found.trail.asked.as_ref().map(|asked| asked.account()),
        shadow_policies: found.trail.asked_next.as_ref().map(|asked| asked.account()),
    });
    let explained = explained
        .await
        .map_err(|_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "it cannot be explained"))?;
    Ok(Json(explained).into_response())
}

/// Since the gateway started.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "ShadowReport")]
struct Report {
    items: Vec<Row>,
    /// Of more kinds than are told apart.
    others: u64,
}

/// What one check in shadow would have done on one route.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "ShadowDifference")]
struct Row {
    route: String,
    /// `policies_next` for the policies in shadow.
    stage: &'static str,
    /// The code it would refuse with, or `would_allow`.
    would: &'static str,
    count: u64,
    /// Seconds since the epoch.
    first: i64,
    last: i64,
    /// Decision ids, newest last.
    examples: Vec<String>,
}

pub(super) async fn shadow(State(admin): State<Admin>) -> Response {
    let (differences, others) = admin.shared.streams.kept.shadow.differences();
    let row = |difference: Difference| Row {
        route: difference.route.to_string(),
        stage: difference.stage,
        would: difference.would,
        count: difference.count,
        first: difference.first.seconds(),
        last: difference.last.seconds(),
        examples: difference.examples,
    };
    Json(Report { items: differences.into_iter().map(row).collect(), others }).into_response()
}
