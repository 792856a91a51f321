//! Was this seen before? A limit of one, counted where all replicas count.

use std::sync::Arc;
use std::time::Duration;

use super::{Charge, Counters, Quota};
use crate::answer::{Answer, StoreDown};
use crate::identify::Replays;
use crate::moment::Now;

/// Things that may happen once within a span, counted by counters of any kind. Where memory is full, more is taken for
/// seen than was: stricter, never open.
pub struct Once(Arc<dyn Counters>);

impl Once {
    pub fn new(counters: Arc<dyn Counters>) -> Self {
        Self(counters)
    }
}

impl Replays for Once {
    fn first_use<'a>(&'a self, key: &'a str, span: Duration, now: Now) -> Answer<'a, Result<bool, StoreDown>> {
        Answer::Wait(Box::pin(async move {
            let quota = Quota { requests: 1, window: span, burst: 1 };
            let charges = [Charge::one(Arc::from(format!("once/{key}")), quota)];
            let verdicts = self.0.charge(&charges, now).get().await?;
            Ok(verdicts.first().is_some_and(|verdict| verdict.allowed))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures::FutureExt;

    use super::Once;
    use crate::identify::Replays;
    use crate::limit::MemoryCounters;
    use crate::moment::Now;

    #[test]
    fn a_thing_is_new_once_within_its_span() {
        let once = Once::new(Arc::new(MemoryCounters::default()));
        let span = Duration::from_mins(1);
        let new = |key: &str, at: u64| {
            let now = Now { steady: Duration::from_secs(at), ..Now::default() };
            once.first_use(key, span, now).get().now_or_never().unwrap().unwrap()
        };
        assert_eq!([new("a", 1), new("a", 1), new("b", 1), new("a", 60)], [true, false, true, false]);
        assert!(new("a", 62), "its span is over");
    }
}
