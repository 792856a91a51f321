use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{InParts, Retired};
use crate::turns::Turns;

struct Whole(Arc<()>);

impl InParts for Whole {
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

const LONG: Duration = Duration::from_mins(1);

/// Time that passes here passes at once, and not while something is being freed.
#[tokio::test(start_paused = true)]
async fn each_is_freed_once_neither_it_nor_a_part_of_it_is_used() {
    let (retired, part) = (Arc::new(Retired::new(Turns::default())), Arc::new(()));
    let freeing = Arc::clone(&retired);
    let freeing = tokio::spawn(async move { freeing.free().await });
    let (one, other) = (Arc::new(Whole(Arc::default())), Arc::new(Whole(Arc::clone(&part))));
    let weak: [Weak<Whole>; 2] = [Arc::downgrade(&one), Arc::downgrade(&other)];
    let left = || [weak[0].strong_count() > 0, weak[1].strong_count() > 0];

    retired.add(Arc::clone(&one));
    retired.add(other);
    tokio::time::sleep(LONG).await;
    assert_eq!(left(), [true, true]);

    drop(one);
    tokio::time::sleep(LONG).await;
    assert_eq!(left(), [false, true]);

    drop(part);
    tokio::time::sleep(LONG).await;
    assert_eq!(left(), [false, false]);

    // And whatever comes later.
    let later = Arc::new(Whole(Arc::default()));
    let weak = Arc::downgrade(&later);
    retired.add(later);
    tokio::time::sleep(LONG).await;
    assert_eq!(weak.strong_count(), 0);
    freeing.abort();
}
