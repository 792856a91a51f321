//! Can the things around us be reached now? For `check` only: none of it keeps the gateway from starting.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use portcullis_core::identify::jwks::KeyOrigin;
use portcullis_core::ports::Clock;
use portcullis_core::snapshot::Snapshot;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::login;

use super::clock::SystemClock;
use super::{introspect, jwks, redis, sqlite};

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What `check --offline` leaves out.
pub(crate) fn needs_network(snapshot: &Snapshot) -> Vec<String> {
    let sources = snapshot.token_sources();
    let remote = sources.iter().filter(|source| !matches!(source.origin, KeyOrigin::File(_)));
    let mut left_out: Vec<String> = remote.map(|source| format!("keys of `tokens.{}`", source.alias)).collect();
    left_out.extend(snapshot.introspecting().map(|(alias, _)| format!("introspection of `tokens.{alias}`")));
    left_out.extend(snapshot.providers().iter().map(|provider| format!("logins at `providers.{}`", provider.alias)));
    left_out.extend(snapshot.upstreams().map(|(name, _)| format!("addresses of `upstreams.{name}`")));
    if snapshot.sqlite_path().is_none() {
        left_out.push("the store".to_owned());
    }
    if !snapshot.counters().is_own() {
        left_out.push("the store of `counters`".to_owned());
    }
    left_out
}

/// What is wrong with files that are not of the configuration, and need no network.
pub(crate) async fn unusable(snapshot: &Snapshot) -> Vec<String> {
    let mut findings = keys(snapshot, |origin| matches!(origin, KeyOrigin::File(_))).await;
    for provider in snapshot.providers().iter() {
        if let Err(why) = login::client_key_usable(provider, snapshot.root()) {
            findings.push(format!("providers.{}: {why}", provider.alias));
        }
    }
    if let Some(path) = snapshot.sqlite_path() {
        let inspected = path.clone();
        let inspected = tokio::task::spawn_blocking(move || sqlite::inspect(&inspected)).await;
        if let Ok(Err(error)) = inspected {
            findings.push(format!("store: {error}"));
        }
    }
    findings
}

/// What cannot be reached: issuers, targets, the shared counters. All at once, each for three seconds at most.
pub(crate) async fn unreachable(snapshot: &Snapshot) -> Vec<String> {
    let mut asked: Vec<BoxFuture<'_, Option<String>>> = Vec::new();
    for (name, upstream) in snapshot.upstreams() {
        for target in &upstream.targets {
            asked.push(Box::pin(async move {
                let place = (target.host.as_str(), target.port);
                let found = timeout(PATIENCE, tokio::net::lookup_host(place)).await;
                if !found.is_ok_and(|found| found.is_ok_and(|mut addresses| addresses.next().is_some())) {
                    return Some(format!("upstream `{name}`: the host of `{target}` is not found"));
                }
                let why = match timeout(PATIENCE, TcpStream::connect(place)).await {
                    Ok(Ok(_)) => return None,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no answer within 3 s".to_owned(),
                };
                Some(format!("upstream `{name}`: `{target}` cannot be connected to: {why}"))
            }));
        }
    }
    for (alias, config) in snapshot.introspecting() {
        asked.push(Box::pin(async move {
            let why = introspect::try_out(config).await.err()?;
            Some(format!("tokens.{alias}: its introspection cannot be used: {why}"))
        }));
    }
    if snapshot.sqlite_path().is_none() {
        asked.push(Box::pin(async move {
            let inspected = async {
                redis::RedisStore::inspect(redis::Places::of(
                    snapshot.store().servers(),
                    redis::COUNTER,
                    snapshot.root(),
                )?)
                .await
            };
            let why = match timeout(PATIENCE, inspected).await {
                Ok(Ok(risks)) if risks.is_empty() => return None,
                Ok(Ok(risks)) => return Some(format!("store: {}", risks.join("; "))),
                Ok(Err(why)) => why,
                Err(_) => "no answer within 3 s".to_owned(),
            };
            Some(format!("store: it cannot be used: {why}"))
        }));
    }
    for provider in snapshot.providers().iter() {
        asked.push(Box::pin(async move {
            let tried = login::try_out(provider, snapshot.public_url(), SystemClock::start().now().wall);
            let findings = match timeout(PATIENCE, tried).await {
                Ok(findings) => findings,
                Err(_) => vec!["provider_unreachable: no answer within 3 s".to_owned()],
            };
            let all: Vec<String> =
                findings.into_iter().map(|finding| format!("providers.{}: {finding}", provider.alias)).collect();
            (!all.is_empty()).then(|| all.join("\n"))
        }));
    }
    let counters = snapshot.counters();
    if !counters.is_own() {
        asked.push(Box::pin(async move {
            let pinged = timeout(PATIENCE, redis::RedisCounters::inspect(counters, snapshot.root())).await;
            let why = match pinged {
                Ok(Ok(())) => return None,
                Ok(Err(why)) => why,
                Err(_) => "no answer within 3 s".to_owned(),
            };
            Some(format!("counters: the store cannot be used: {why}"))
        }));
    }
    let (mut findings, others) =
        tokio::join!(keys(snapshot, |origin| !matches!(origin, KeyOrigin::File(_))), join_all(asked));
    findings.extend(others.into_iter().flatten());
    findings
}

/// What is wrong with the key sets of these origins.
async fn keys(snapshot: &Snapshot, wanted: impl Fn(&KeyOrigin) -> bool) -> Vec<String> {
    let root: PathBuf = snapshot.root().to_owned();
    let sources: Vec<_> = snapshot.token_sources().into_iter().filter(|source| wanted(&source.origin)).collect();
    let tried = join_all(sources.iter().map(|source| jwks::try_out(&root, source))).await;
    let findings = sources.iter().zip(tried).flat_map(|(source, tried)| {
        let faults = match tried {
            Ok(skipped) => skipped,
            Err(fault) => vec![fault],
        };
        faults.into_iter().map(|fault| format!("tokens.{}: {fault}", source.alias)).collect::<Vec<_>>()
    });
    findings.collect()
}
