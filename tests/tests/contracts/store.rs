//! The suite of the store, on each implementation.

use std::path::Path;
use std::sync::Arc;

use portcullis_core::config::StoreConfig;
use portcullis_core::identify::Secret;
use portcullis_core::ports::Clock;
use portcullis_server::world;
use portcullis_tests::clock::TestClock;
use portcullis_tests::contracts::store::{self, Replicas};
use portcullis_tests::redis::Redis;

pub(super) fn config(url: &str) -> StoreConfig {
    StoreConfig { url: Secret::new(url), ..StoreConfig::default() }
}

pub(super) async fn replicas(config: &StoreConfig, root: &Path) -> Replicas {
    let clock = Arc::new(TestClock::default());
    let open = async || world::open(config, root, &(Arc::clone(&clock) as Arc<dyn Clock>)).await.unwrap();
    let (one, two) = (open().await, open().await);
    Replicas { one, two, clock }
}

/// The same tests for each store.
macro_rules! suite {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let folder = tempfile::tempdir().unwrap();
                super::store::$test(super::replicas(&super::config("sqlite:store.db"), folder.path()).await).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let server = super::Redis::start().await;
                super::store::$test(super::replicas(&super::config(&server.url()), std::path::Path::new(".")).await).await;
            })*
        }
    };
}

suite! {
    counts_without_a_lost_update
    does_what_a_table_would
    forgets_nothing_that_was_said_while_it_was_not_listening
    gives_a_lease_to_one_and_again_when_it_ends
    hears_of_every_change
    keeps_bodies_and_ids_as_they_are
    keeps_one_chain_whoever_writes
    lists_in_order_page_by_page
    lists_nothing_that_has_expired_and_sweeps_it
    makes_all_of_a_commit_or_nothing
    moves_a_record_with_its_tags
    refuses_what_is_beyond_its_bounds
    stops_when_it_is_closed
    writes_only_what_was_expected
}
