//! Can the things around us be reached now? For `check` only: none of it keeps the gateway from starting.

use std::net::ToSocketAddrs;

use portcullis_core::snapshot::Snapshot;

/// What `check --offline` leaves out.
pub(crate) fn needs_network(snapshot: &Snapshot) -> Vec<String> {
    let mut left_out: Vec<String> =
        snapshot.token_sources().iter().map(|source| format!("keys of `tokens.{}`", source.alias)).collect();
    left_out.extend(snapshot.upstreams().map(|(name, _)| format!("addresses of `upstreams.{name}`")));
    if snapshot.counters().url.expose() != "memory:" {
        left_out.push("the store of `counters`".to_owned());
    }
    left_out
}

/// Upstreams whose names are not found.
pub(crate) fn unreachable(snapshot: &Snapshot) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, upstream) in snapshot.upstreams() {
        for target in &upstream.targets {
            if (target.host.as_str(), target.port).to_socket_addrs().is_err() {
                findings.push(format!("upstream `{name}`: the host of `{target}` is not found"));
            }
        }
    }
    findings
}
