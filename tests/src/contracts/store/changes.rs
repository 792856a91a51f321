//! Whoever listens hears of what changed: at once of their own changes, within a second of those of others.

use std::sync::{Arc, Mutex};

use portcullis_server::world::store::{Changed, Commit, Expect, Kind, Store};

use super::{Replicas, put};
use crate::within;

type Heard = Arc<Mutex<Vec<Changed>>>;

fn listen(store: &dyn Store) -> Heard {
    let heard = Heard::default();
    let ear = Arc::clone(&heard);
    store.hear(Box::new(move |changed| ear.lock().unwrap().push(changed.clone())));
    heard
}

/// Whether it was said that this record may be another.
fn told(heard: &Heard, id: &str) -> bool {
    let of = |changed: &Changed| match changed {
        Changed::One(Kind::Session, of) => &**of == id,
        Changed::One(..) => false,
        Changed::Unknown => true,
    };
    heard.lock().unwrap().iter().any(of)
}

async fn comes_true(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub async fn hears_of_every_change(replicas: Replicas) {
    let (one, two) = (listen(&*replicas.one), listen(&*replicas.two));
    for round in 0..3 {
        let id = format!("of round {round}");
        replicas.one.commit(put(&id, "1", Expect::Any)).await.unwrap();
        assert!(told(&one, &id), "the own change, before it is acknowledged");
        comes_true("the other's change", || told(&two, &id)).await;
        for heard in [&one, &two] {
            heard.lock().unwrap().clear();
        }
        replicas.two.commit(Commit::remove(Kind::Session, id.as_str().into(), Expect::Any)).await.unwrap();
        comes_true("the other's removal", || told(&one, &id)).await;
    }
    let refused = replicas.one.commit(put("never", "1", Expect::Version(1))).await;
    assert!(refused.is_err());
}

/// More changes at once than any log of them holds.
pub async fn forgets_nothing_that_was_said_while_it_was_not_listening(replicas: Replicas) {
    let two = listen(&*replicas.two);
    for n in 0..40 {
        let writes = (0..64)
            .map(|m| portcullis_server::world::store::Write::Put {
                record: super::draft(&format!("{n} {m}"), "x"),
                expect: Expect::Any,
            })
            .collect();
        replicas.one.commit(Commit { writes, audit: None }).await.unwrap();
    }
    comes_true("the first change", || told(&two, "0 0")).await;
    comes_true("the last change", || told(&two, "39 63")).await;
    for n in 0..40 {
        comes_true("one between", || told(&two, &format!("{n} {n}"))).await;
    }
}
