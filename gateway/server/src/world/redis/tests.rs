use std::path::Path;
use std::time::Duration;

use portcullis_core::config::CountersConfig;
use portcullis_core::identify::Secret;
use portcullis_core::limit::Verdict;
use portcullis_core::limit::gcra::STRAY;

use tokio::runtime::Handle;

use super::{RedisCounters, SCRIPT, TimeSource, verdicts};

#[test]
fn refuses_answers_of_another_shape() {
    assert_eq!(verdicts(&[], 1), None);
    assert_eq!(verdicts(&[1, 1, 2, 3], 1), None);
    assert_eq!(verdicts(&[1, 1, 2, 3, 4, 5], 1), None);
    assert_eq!(verdicts(&[1, 1, 2, 3, 4, 1, 1, 2, 3, 4], 1), None);
    assert_eq!(verdicts(&[1, 1, -1, 0, 0], 1), None);
    assert_eq!(verdicts(&[1, -1, 1, 0, 0], 1), None);
    let verdict = Verdict {
        allowed: false,
        taken: 0,
        remaining: 2,
        retry_after: Duration::from_micros(3),
        reset: Duration::from_micros(4),
    };
    assert_eq!(verdicts(&[0, 0, 2, 3, 4], 1), Some(vec![verdict]));
}

#[tokio::test]
async fn refuses_a_url_without_repeating_it() {
    for url in ["", "localhost", "http://user:secret@localhost", "redis://"] {
        let config = CountersConfig { url: Secret::new(url), ..CountersConfig::default() };
        let opened = RedisCounters::open(&config, Path::new(""), TimeSource::Server, Handle::current());
        let error = opened.map(|_| ()).unwrap_err();
        assert!(error.starts_with("`counters.url` names no Redis") && !error.contains("secret"), "{url}: {error}");
    }
}

#[test]
fn agrees_with_the_algorithm_on_its_constants() {
    assert!(SCRIPT.contains(&format!("local STRAY = {STRAY}\n")));
    assert!(SCRIPT.contains(&format!("local LATEST = {}\n", 1_i64 << 52)));
}
