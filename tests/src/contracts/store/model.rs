//! A long random run, held against a table in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use portcullis_server::world::store::{Commit, Draft, Expect, Kind, Listing, Record, StoreError, Write};

use super::Replicas;
use crate::random::Random;

const KINDS: [Kind; 2] = [Kind::Session, Kind::ApiKey];

#[derive(Default)]
struct Table(BTreeMap<(&'static str, String), Record>);

impl Table {
    fn live(&self, kind: Kind, id: &str, now: Moment) -> Option<&Record> {
        let record = self.0.get(&(kind.name(), id.to_owned()));
        record.filter(|record| record.expires_at.is_none_or(|end| end > now))
    }

    fn meets(&self, write: &Write, now: Moment) -> bool {
        let (kind, id) = write.place();
        let live = self.live(kind, id, now).map(|record| record.version);
        match write.expect() {
            Expect::Absent => live.is_none(),
            Expect::Any => true,
            Expect::Version(version) => live == Some(version),
        }
    }

    fn make(&mut self, write: Write, version: u64) {
        match write {
            Write::Put { record: draft, .. } => {
                let Draft { kind, id, body, tags, created_at, expires_at } = draft;
                let place = (kind.name(), id.to_string());
                self.0.insert(place, Record { kind, id, version, body, tags, created_at, expires_at });
            }
            Write::Remove { kind, id, .. } => {
                self.0.remove(&(kind.name(), id.to_string()));
            }
        }
    }

    fn list(&self, kind: Kind, tag: Option<&str>, now: Moment) -> Vec<Record> {
        let fits = |record: &&Record| {
            record.kind == kind
                && record.expires_at.is_none_or(|end| end > now)
                && tag.is_none_or(|tag| record.tags.iter().any(|of| &**of == tag))
        };
        let mut records: Vec<Record> = self.0.values().filter(fits).cloned().collect();
        records.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        records
    }
}

/// # Panics
/// With the seed and the step, at the first difference.
pub async fn does_what_a_table_would(replicas: Replicas) {
    let seed = 20_260_501;
    let (mut random, mut table) = (Random(seed), Table::default());
    for step in 0..300 {
        let told = format!("seed {seed}, step {step}");
        let now = replicas.clock.now().wall;
        let (one, other) =
            if random.below(2) == 0 { (&replicas.one, &replicas.two) } else { (&replicas.two, &replicas.one) };
        let mut writes: Vec<Write> = Vec::new();
        for _ in 0..=random.below(4) {
            let write = write(&mut random, &table, now);
            if writes.iter().all(|before| before.place() != write.place()) {
                writes.push(write);
            }
        }
        let expected = writes.iter().all(|write| table.meets(write, now));
        match one.commit(Commit { writes: writes.clone(), audit: None }).await {
            Ok(version) if expected => writes.into_iter().for_each(|write| table.make(write, version)),
            Err(StoreError::Conflict) if !expected => {}
            outcome => panic!("{told}: {outcome:?}, and {expected} was expected"),
        }
        let (kind, tag) = (KINDS[usize::from(random.below(2) == 0)], format!("t{}", random.below(3)));
        let tag = (random.below(2) == 0).then_some(tag.as_str());
        let page = other.list(Listing { kind, tag, limit: 1_000, cursor: None }).await.unwrap();
        assert_eq!((page.records, page.next), (table.list(kind, tag, now), None), "{told}");
        if random.below(10) == 0 {
            replicas.clock.advance(Duration::from_secs(random.below(20)));
            one.sweep().await.unwrap();
        }
    }
}

fn write(random: &mut Random, table: &Table, now: Moment) -> Write {
    let kind = KINDS[usize::from(random.below(2) == 0)];
    let id: Arc<str> = Arc::from(format!("k{}", random.below(8)));
    let live = table.live(kind, &id, now).map(|record| record.version);
    let expect = match random.below(6) {
        0 => Expect::Absent,
        1 | 2 => live.map_or(Expect::Absent, Expect::Version),
        3 => Expect::Version(random.below(50)),
        _ => Expect::Any,
    };
    if random.below(4) == 0 {
        return Write::Remove { kind, id, expect };
    }
    let tags = (0..3).filter(|_| random.below(2) == 0).map(|n| Arc::from(format!("t{n}"))).collect();
    let created_at = Moment::from_seconds(i64::try_from(random.below(5)).unwrap());
    let expires_at = (random.below(3) == 0).then(|| now.plus(Duration::from_secs(random.below(30))));
    let body = Bytes::from(format!("{}", random.below(1_000)));
    Write::Put { record: Draft { kind, id, body, tags, created_at, expires_at }, expect }
}
