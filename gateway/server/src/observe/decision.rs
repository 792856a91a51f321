//! The decision record: the whole journey of one request, for `explain` and for audits.

use serde::Serialize;

use portcullis_core::refusal::LimitState;
use portcullis_core::trail::End;

use super::View;

#[derive(Serialize)]
pub(crate) struct Record<'a> {
    id: &'a str,
    /// Microseconds since the epoch.
    timestamp: i64,
    request_id: &'a str,
    trace_id: &'a str,
    config_version: &'a str,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    client: Option<std::net::IpAddr>,
    route: Option<&'a str>,
    principal: Option<String>,
    auth: Option<&'static str>,
    groups: Vec<&'a str>,
    /// `permit`, or the code of the refusal.
    outcome: &'a str,
    reason: &'a str,
    policies: Vec<&'a str>,
    policy_reasons: Vec<&'a str>,
    would_refuse: Vec<Shadow<'a>>,
    /// The policies in shadow allow what those in force refused.
    would_allow: bool,
    faults: Vec<Fault<'a>>,
    steps: Vec<Step>,
    /// How they stood after this request, or when it was refused for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<Limit<'a>>,
    upstream: Option<&'a str>,
    attempts: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_attempts: Vec<FailedAttempt<'a>>,
    status: u16,
    took_us: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'static str,
}

#[derive(Serialize)]
struct Shadow<'a> {
    stage: &'static str,
    code: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Limit<'a> {
    name: &'a str,
    quota: u64,
    window_s: u64,
    remaining: u64,
    reset_s: u64,
}

#[derive(Serialize)]
struct FailedAttempt<'a> {
    target: &'a str,
    error: &'static str,
}

#[derive(Serialize)]
struct Fault<'a> {
    pointer: &'a str,
    keyword: &'a str,
}

#[derive(Serialize)]
struct Step {
    stage: &'static str,
    end: &'static str,
    took_us: u64,
}

pub(crate) fn record<'a>(view: &View<'a>) -> Record<'a> {
    let View { trail, head, ids, .. } = *view;
    let refusal = trail.refusal.as_ref();
    let faults = refusal.and_then(|refusal| refusal.extra.as_ref()).map_or(&[][..], |extra| &extra.errors);
    let refused_for = refusal.and_then(|refusal| refusal.extra.as_ref()).map_or(&[][..], |extra| &extra.limits);
    let limits = if trail.limits.is_empty() { refused_for } else { &trail.limits };
    Record {
        id: ids.decision.as_str(),
        timestamp: view.began.wall.micros(),
        request_id: ids.request.as_str(),
        trace_id: ids.trace.trace_id(),
        config_version: view.config_version,
        method: head.words.method(),
        host: head.words.host(),
        path: head.words.path(),
        client: head.client,
        route: trail.route.as_deref(),
        principal: trail.identity.as_ref().map(|identity| identity.principal.to_string()),
        auth: trail.identity.as_ref().map(|identity| identity.method.name()),
        groups: trail.identity.iter().flat_map(|i| i.groups.iter().map(AsRef::as_ref)).collect(),
        outcome: refusal.map_or("permit", |refusal| refusal.code.name()),
        reason: refusal.map_or("", |refusal| refusal.reason.as_ref()),
        policies: trail.policies.iter().map(AsRef::as_ref).collect(),
        policy_reasons: trail.reasons.iter().map(AsRef::as_ref).collect(),
        would_refuse: trail
            .would_refuse
            .iter()
            .map(|(stage, refusal)| Shadow { stage: stage.name(), code: refusal.code.name(), reason: &refusal.reason })
            .collect(),
        would_allow: trail.would_allow,
        faults: faults.iter().map(|fault| Fault { pointer: &fault.pointer, keyword: &fault.keyword }).collect(),
        steps: trail
            .steps()
            .iter()
            .map(|step| Step {
                stage: step.stage.name(),
                end: match step.end {
                    End::Passed => "passed",
                    End::Refused(_) => "refused",
                    End::Skipped => "skipped",
                    End::WouldRefuse(_) => "would_refuse",
                },
                took_us: u64::try_from(step.took.as_micros()).unwrap_or(u64::MAX),
            })
            .collect(),
        limits: limits.iter().map(Limit::of).collect(),
        failed_attempts: view.failed.iter().map(|(target, error)| FailedAttempt { target, error }).collect(),
        upstream: view.upstream,
        attempts: if view.upstream.is_some() { view.resends + 1 } else { 0 },
        status: view.status,
        took_us: u64::try_from(view.took.as_micros()).unwrap_or(u64::MAX),
        error: view.error,
    }
}

impl<'a> Limit<'a> {
    fn of(state: &'a LimitState) -> Self {
        // Not before it is so.
        let reset = state.reset.as_secs() + u64::from(state.reset.subsec_nanos() > 0);
        let LimitState { name, quota, remaining, .. } = state;
        Self { name, quota: *quota, window_s: state.window.as_secs(), remaining: *remaining, reset_s: reset }
    }
}
