//! Which keys end soon? They are found by the day on which they end, without a look at all the others.

use std::time::Duration;

use portcullis_core::identify::KeyRecord;
use portcullis_core::moment::Moment;

use crate::world::store::{Kind, Listing, Store, StoreError, parsed};

const DAY: Duration = Duration::from_hours(24);
/// How far ahead is looked, in days.
const AHEAD: i64 = 30;
/// Keys that are counted at most; of more it is only known that there are so many.
const MOST: usize = 10_000;

/// Keys that are good and end soon.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expiring {
    pub within_a_day: usize,
    /// Those within a day among them, and so on.
    pub within_a_week: usize,
    pub within_a_month: usize,
    /// When the first of them ends.
    pub next: Option<Moment>,
}

/// The tag of a key that ends then.
pub(super) fn tag(end: Moment) -> String {
    of_day(day(end))
}

fn of_day(day: i64) -> String {
    format!("ends:{day}")
}

fn day(at: Moment) -> i64 {
    at.seconds().div_euclid(24 * 3600)
}

/// Counts them.
pub(super) async fn count(store: &dyn Store, now: Moment) -> Result<Expiring, StoreError> {
    let mut expiring = Expiring::default();
    for day in day(now)..=day(now) + AHEAD {
        let (tag, mut cursor) = (of_day(day), None::<String>);
        loop {
            let listing = Listing { tag: Some(&tag), ..Listing::of(Kind::ApiKey) };
            let page = store.list(listing.after(cursor.as_deref())).await?;
            for record in &page.records {
                let key: KeyRecord = parsed(record)?;
                expiring.add(key.expires_at, now);
            }
            cursor = page.next;
            if expiring.within_a_month >= MOST {
                return Ok(expiring);
            }
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(expiring)
}

impl Expiring {
    fn add(&mut self, end: Option<Moment>, now: Moment) {
        let Some(end) = end.filter(|end| *end > now) else { return };
        for (count, days) in [(&mut self.within_a_day, 1), (&mut self.within_a_week, 7), (&mut self.within_a_month, 30)]
        {
            if end <= now.plus(DAY * days) {
                *count += 1;
                self.next = Some(self.next.map_or(end, |next| next.min(end)));
            }
        }
    }
}
