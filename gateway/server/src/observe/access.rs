//! The access line: OpenTelemetry's attribute names, our own below `portcullis.`.

use serde::Serialize;

use super::Recording;

#[derive(Serialize)]
pub(super) struct Line<'a> {
    /// Microseconds since the epoch.
    timestamp: i64,
    #[serde(rename = "http.request.method")]
    method: &'a str,
    #[serde(rename = "url.path")]
    path: &'a str,
    #[serde(rename = "url.scheme")]
    scheme: &'a str,
    #[serde(rename = "server.address")]
    host: &'a str,
    #[serde(rename = "http.route", skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "http.request.body.size")]
    request_bytes: u64,
    #[serde(rename = "http.response.body.size")]
    response_bytes: u64,
    #[serde(rename = "http.request.resend_count", skip_serializing_if = "is_zero")]
    resends: u32,
    #[serde(rename = "network.protocol.version")]
    protocol: &'a str,
    #[serde(rename = "client.address")]
    client: Option<std::net::IpAddr>,
    #[serde(rename = "network.peer.address")]
    peer: Option<std::net::IpAddr>,
    #[serde(rename = "user_agent.original", skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    #[serde(rename = "error.type", skip_serializing_if = "str::is_empty")]
    error: &'a str,
    duration_us: u64,
    trace_id: &'a str,
    span_id: &'a str,
    #[serde(rename = "portcullis.decision_id")]
    decision: &'a str,
    #[serde(rename = "portcullis.request_id")]
    request_id: &'a str,
    #[serde(rename = "portcullis.config_version")]
    config_version: &'a str,
    #[serde(rename = "portcullis.principal", skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(rename = "portcullis.auth", skip_serializing_if = "Option::is_none")]
    auth: Option<&'static str>,
    #[serde(rename = "portcullis.code", skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(rename = "portcullis.would_refuse", skip_serializing_if = "Vec::is_empty")]
    would_refuse: Vec<&'static str>,
    #[serde(rename = "portcullis.would_allow", skip_serializing_if = "std::ops::Not::not")]
    would_allow: bool,
    #[serde(rename = "portcullis.upstream", skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

pub(super) fn line(recording: &Recording) -> Line<'_> {
    let head = &recording.head;
    let trail = &recording.trail;
    let code = trail.refusal.as_ref().map(|refusal| refusal.code.name());
    Line {
        timestamp: recording.began.wall.micros(),
        method: head.words.method(),
        path: head.words.path(),
        scheme: head.scheme,
        host: head.words.host(),
        route: trail.route.as_deref(),
        status: recording.status,
        request_bytes: recording.request_bytes,
        response_bytes: recording.response_bytes,
        resends: recording.resends,
        protocol: head.protocol,
        client: head.client,
        peer: head.peer,
        user_agent: head.words.user_agent(),
        error: if recording.error.is_empty() { code.unwrap_or_default() } else { recording.error },
        duration_us: u64::try_from(recording.took().as_micros()).unwrap_or(u64::MAX),
        trace_id: recording.ids.trace.trace_id(),
        span_id: recording.ids.trace.span_id(),
        decision: recording.ids.decision.as_str(),
        request_id: recording.ids.request.as_str(),
        config_version: &recording.config_version,
        principal: trail.identity.as_ref().map(|identity| identity.principal.to_string()),
        auth: trail.identity.as_ref().map(|identity| identity.method.name()),
        code,
        would_refuse: trail.would_refuse.iter().map(|(_, refusal)| refusal.code.name()).collect(),
        would_allow: trail.would_allow,
        upstream: recording.upstream.as_deref(),
    }
}
