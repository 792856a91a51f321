//! A hundred reloads under load.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_tests::site::Site;
use portcullis_tests::within;

use super::{NOBODY_READS, READERS_READ, reload, turning};

/// Requests on one connection, so that handshakes fall into reloads too.
const PER_CONNECTION: usize = 50;

/// Asks on and on, each time for another path; answers which path got which status.
async fn ask(site: Arc<Site>, stop: Arc<AtomicBool>, worker: usize) -> HashMap<String, u16> {
    let reader = site.reader();
    let mut seen = HashMap::new();
    while !stop.load(Ordering::SeqCst) {
        let mut client = if worker.is_multiple_of(2) { site.h1().await } else { site.h2().await };
        for _ in 0..PER_CONNECTION {
            let path = format!("/items/{worker}-{}", seen.len());
            let answer = client.get(&path, &[("authorization", &reader)]).await;
            seen.insert(path, answer.status.as_u16());
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_under_load_lose_no_request_and_each_record_names_the_version_that_decided() {
    let site = Arc::new(turning().start().await);
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> =
        (0..4).map(|worker| tokio::spawn(ask(Arc::clone(&site), Arc::clone(&stop), worker))).collect();
    let (mut admin, key) = (site.admin().await, site.admin_key());
    let open = site.gateway.version();
    let mut versions = vec![(open.clone(), 200)];
    for round in 0..100 {
        let (policy, status) = if round % 2 == 0 { (NOBODY_READS, 403) } else { (READERS_READ, 200) };
        site.files.write("policies/turn.cedar", policy);
        let (answered, outcome) = reload(&mut admin, &key).await;
        // The watch may have been faster.
        assert_eq!(answered, 200, "{outcome}");
        let version = site.gateway.version();
        if round == 0 {
            versions.push((version.clone(), 403));
        }
        assert_eq!(version, versions[usize::from(status == 403)].0, "the same files make the same version");
    }
    stop.store(true, Ordering::SeqCst);
    let mut seen = HashMap::new();
    for worker in workers {
        seen.extend(within("the last requests", worker).await.unwrap());
    }
    let site = Arc::into_inner(site).unwrap();
    let records = site.log("logs/decisions.jsonl").await;

    assert_eq!(records.len(), seen.len(), "one record for each request");
    let by_version: HashMap<&str, u16> = versions.iter().map(|(version, status)| (&**version, *status)).collect();
    let mut decided: HashMap<u16, usize> = HashMap::new();
    for record in &records {
        let path = record["path"].as_str().unwrap();
        let status = by_version[record["config_version"].as_str().unwrap()];
        let outcome = if status == 200 { "permit" } else { "forbidden" };
        assert_eq!((record["outcome"].as_str(), record["status"].as_u64()), (Some(outcome), Some(status.into())));
        assert_eq!(seen[path], status, "{path} got what its record says");
        *decided.entry(status).or_default() += 1;
    }
    println!("{} requests, by status {decided:?}", records.len());
    assert!(decided.len() == 2, "both versions decided: {decided:?}");
}
