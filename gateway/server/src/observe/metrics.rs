//! The numbers, in Prometheus' text form. Labels come from closed sets: route, method, status, code.

use std::time::Duration;

use http::StatusCode;
use prometheus::{
    Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    core::Collector,
};

use portcullis_core::moment::Moment;
use portcullis_core::trail::Stage;

use super::Recording;
use crate::accept::Outcome;
use crate::world::store::Expiring;

/// OpenTelemetry's bounds for HTTP durations, in seconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Every metric there is.
pub(crate) struct Metrics {
    registry: Registry,
    requests: HistogramVec,
    active: IntGauge,
    pub(crate) body_memory: IntGauge,
    refusals: IntCounterVec,
    would_refuse: IntCounterVec,
    would_allow: IntCounterVec,
    policy_errors: IntCounterVec,
    connections: IntCounterVec,
    reloads: IntCounterVec,
    pub(crate) upstream_failures: IntCounterVec,
    pub(crate) reload_succeeded: IntGauge,
    pub(crate) reload_time: Gauge,
    pub(crate) config: GaugeVec,
    pub(crate) revision: IntGauge,
    pub(crate) certificate_expiry: GaugeVec,
    pub(crate) jwks_age: GaugeVec,
    expiring_keys: GaugeVec,
    next_key_expiry: Gauge,
    pub(crate) unguarded_routes: IntGauge,
    pub(crate) log_lines_dropped: IntGauge,
}

impl Metrics {
    /// Fails only when two metrics have one name.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(format!("portcullis_{name}"), help), labels)?)
        };
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(format!("portcullis_{name}"), help)?);
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, GaugeVec::new(Opts::new(format!("portcullis_{name}"), help), labels)?)
        };
        let durations =
            |name: &str, help: &str| HistogramOpts::new(format!("portcullis_{name}"), help).buckets(SECONDS.to_vec());
        Ok(Self {
            requests: register(
                &registry,
                HistogramVec::new(
                    durations("http_server_request_duration_seconds", "time from the head to the last byte answered"),
                    &["route", "method", "status"],
                )?,
            )?,
            active: gauge("http_server_active_requests", "requests under way")?,
            body_memory: gauge("body_memory_bytes", "memory held by bodies that are read before they go on")?,
            refusals: counter("refusals_total", "requests turned away, by code", &["route", "code"])?,
            would_refuse: counter("would_refuse_total", "what shadow mode let pass", &["route", "stage", "code"])?,
            would_allow: counter(
                "would_allow_total",
                "requests refused that the policies in shadow allow",
                &["route"],
            )?,
            policy_errors: counter(
                "policy_errors_total",
                "requests refused because a policy failed to evaluate",
                &["route"],
            )?,
            connections: counter("connections_total", "connections by what became of them", &["outcome"])?,
            reloads: counter("config_reloads_total", "configurations read, by result", &["result"])?,
            upstream_failures: counter("upstream_failures_total", "attempts that failed", &["upstream", "error"])?,
            reload_succeeded: gauge("config_last_reload_successful", "1 when the newest files are in force")?,
            reload_time: register(
                &registry,
                Gauge::new(
                    "portcullis_config_last_reload_success_timestamp_seconds",
                    "when a configuration last came into force",
                )?,
            )?,
            revision: gauge("config_revision", "number of the revision in force; 0 while it has none yet")?,
            config: gauges("config_info", "the configuration in force", &["version"])?,
            certificate_expiry: gauges(
                "certificate_not_after_timestamp_seconds",
                "when a certificate expires",
                &["file"],
            )?,
            jwks_age: gauges("jwks_age_seconds", "age of an issuer's key set", &["issuer"])?,
            expiring_keys: gauges("api_keys_expiring", "API keys that are good and end within this time", &["within"])?,
            next_key_expiry: register(
                &registry,
                Gauge::new(
                    "portcullis_api_key_next_expiry_timestamp_seconds",
                    "when the next API key ends; 0 where none does within 30 days",
                )?,
            )?,
            unguarded_routes: gauge("routes_without_enforced_policy", "routes whose authorize is off or in shadow")?,
            log_lines_dropped: gauge("log_lines_dropped", "lines lost because the writer could not keep up")?,
            registry,
        })
    }

    pub(crate) fn active(&self, change: i64) {
        self.active.add(change);
    }

    /// Waits until no request is under way.
    pub(crate) async fn idle(&self) {
        while self.active.get() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn connection(&self, outcome: Outcome) {
        self.connections.with_label_values(&[outcome.name()]).inc();
    }

    pub(crate) fn expiring_keys(&self, expiring: &Expiring) {
        let counted = [("1d", expiring.within_a_day), ("7d", expiring.within_a_week), ("30d", expiring.within_a_month)];
        for (within, count) in counted {
            self.expiring_keys.with_label_values(&[within]).set(u32::try_from(count).unwrap_or(u32::MAX).into());
        }
        self.next_key_expiry.set(expiring.next.map_or(0.0, |next| next.since(Moment::default()).as_secs_f64()));
    }

    pub(crate) fn reload(&self, succeeded: bool) {
        self.reloads.with_label_values(&[if succeeded { "applied" } else { "refused" }]).inc();
        self.reload_succeeded.set(i64::from(succeeded));
    }

    pub(super) fn request(&self, recording: &Recording) {
        let route = recording.trail.route.as_deref().unwrap_or("none");
        let method = known_method(recording.head.words.method());
        let status = StatusCode::from_u16(recording.status).ok();
        let status = status.as_ref().map_or("0", StatusCode::as_str);
        self.requests.with_label_values(&[route, method, status]).observe(recording.took().as_secs_f64());
        if let Some(refusal) = &recording.trail.refusal {
            let code = refusal.code;
            self.refusals.with_label_values(&[route, code.name()]).inc();
            if code == portcullis_core::refusal::Code::PolicyError {
                self.policy_errors.with_label_values(&[route]).inc();
            }
        }
        if recording.trail.would_allow {
            self.would_allow.with_label_values(&[route]).inc();
        }
        for (stage, refusal) in &recording.trail.would_refuse {
            let stage: Stage = *stage;
            self.would_refuse.with_label_values(&[route, stage.name(), refusal.code.name()]).inc();
        }
    }

    /// The text form.
    pub(crate) fn text(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// `_OTHER` for what is not registered, as OpenTelemetry asks.
fn known_method(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "QUERY" => method,
        _ => "_OTHER",
    }
}
