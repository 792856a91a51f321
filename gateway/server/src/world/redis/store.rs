//! What if several replicas share what they keep? Records in Redis or Valkey.
//!
//! A record is a hash; every kind and every tag has an order of its own. All keys begin with `ptcl:{store}:`, one slot
//! of a cluster. A commit is one script ([`commit.lua`](self)), which numbers it, notes what changed and speaks of it;
//! whoever follows the notes ([`super::follow`]) knows what to read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, Script, ServerErrorKind, Value};
use async_trait::async_trait;
use bytes::Bytes;
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use tokio::runtime::Handle;

use super::breaker::BreakerState;
use super::follow::Follower;
use super::layout::{COUNTER, PREFIX};
use super::link::{Again, Link};
use super::patience::Patience;
use super::places::{Node, Places};
use super::risks;
use crate::world::random;
use crate::world::store::{
    AuditEntry, AuditHead, AuditRow, Commit, Ears, Expect, Freshness, Hear, Kind, Listing, Page, Record, Store,
    StoreError, Write,
};

const SCRIPT: &str = include_str!("commit.lua");

/// The format that this version writes, and the greatest it knows.
const FORMAT: i64 = 1;

/// How long a change, or a page of a list, may take: nothing on a request's way.
const PATIENT: Duration = Duration::from_secs(2);

/// How long the server is waited for at the start.
const START: Duration = Duration::from_secs(5);

/// Records that the log of changes tells of at most.
const LOGGED: usize = 10_000;

/// Records fetched in one go.
const FETCHED: usize = 64;

/// Expired records swept away at a time.
const SWEPT: isize = 100;

/// What a record's hash holds, in the order we ask for it.
const FIELDS: [&str; 5] = ["v", "b", "t", "c", "e"];

/// The fields of a record, where it is there.
type Row = [Option<Vec<u8>>; 5];

/// The store on Redis. Ends what it runs beside when dropped.
pub struct RedisStore {
    link: Arc<Link>,
    ears: Arc<Ears>,
    clock: Arc<dyn Clock>,
    budget: Duration,
    /// SHA-1 of the script, as `EVALSHA` wants it.
    hash: String,
    follower: Follower,
    closed: AtomicBool,
}

impl RedisStore {
    /// Connects, waiting some seconds for a server that is not there yet; one that a newer version has written is
    /// refused.
    pub(crate) async fn open(places: Places, patience: Patience, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let link = Link::new(places, Arc::clone(&clock), Handle::current());
        let format = link.read(START, |node| async move { format(node).await }).await?;
        Self::at(link, format, patience, clock).await
    }

    /// As [`Self::open`], to be read alone: nothing is written. `None` where nothing ever was.
    pub(crate) async fn open_to_read(
        places: Places,
        patience: Patience,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, StoreError> {
        let link = Link::new(places, Arc::clone(&clock), Handle::current());
        let asking =
            |mut node: Node| async move { node.query(::redis::cmd("GET").arg(format!("{PREFIX}format"))).await };
        match link.read::<Option<i64>, _>(PATIENT, asking).await? {
            None => Ok(None),
            Some(format) => Self::at(link, format, patience, clock).await.map(Some),
        }
    }

    async fn at(link: Arc<Link>, format: i64, patience: Patience, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        if format > FORMAT {
            return Err(StoreError::Newer { found: format, known: FORMAT });
        }
        let ears = Arc::new(Ears::default());
        let follower = Follower::start(Arc::clone(&link), Arc::clone(&ears), Arc::clone(&clock), patience).await?;
        let hash = Script::new(SCRIPT).get_hash().to_owned();
        let (budget, closed) = (patience.budget, AtomicBool::new(false));
        Ok(Self { link, ears, clock, budget, hash, follower, closed })
    }

    /// The servers as the configuration names them.
    pub fn names(&self) -> String {
        self.link.names()
    }

    /// For status, readiness detail and a metric.
    pub fn state(&self) -> BreakerState {
        self.link.breaker()
    }

    /// What of the server's settings endangers what is kept.
    pub async fn risks(&self) -> Result<Vec<String>, StoreError> {
        self.link.read(PATIENT, |mut node| async move { risks::of(&mut node).await }).await
    }

    /// What `check` finds, without writing anything: whether the server can be used, and what endangers what is there.
    pub(crate) async fn inspect(places: Places) -> Result<Vec<String>, String> {
        let mut node = Arc::new(places).find().await.map_err(|error| super::way::told(&error))?;
        let format = node.query::<Option<i64>>(::redis::cmd("GET").arg(format!("{PREFIX}format"))).await;
        if let Some(found) = format.map_err(|error| super::way::told(&error))?.filter(|found| *found > FORMAT) {
            return Err(StoreError::Newer { found, known: FORMAT }.to_string());
        }
        risks::of(&mut node).await.map_err(|error| super::way::told(&error))
    }

    fn open_still(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Stopped) } else { Ok(()) }
    }

    async fn run(&self, arguments: Vec<Vec<u8>>) -> Result<Outcome, StoreError> {
        let arguments = Arc::new(arguments);
        let call = |mut node: Node| {
            let (arguments, hash) = (Arc::clone(&arguments), self.hash.clone());
            async move {
                let script = |verb: &str, script: &str| {
                    let mut command = ::redis::cmd(verb);
                    command.arg(script).arg(1).arg(COUNTER).arg(&*arguments);
                    command
                };
                // Never where a moving slot goes to: there, keys that have not arrived would seem not to be.
                match script("EVALSHA", &hash).query_async::<Outcome>(&mut node.link).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        script("EVAL", SCRIPT).query_async(&mut node.link).await
                    }
                    other => other,
                }
            }
        };
        self.link.ask(PATIENT, Again::Always, call).await
    }

    /// The records of `ids` that are there at `now`, in their order.
    async fn fetch(&self, kind: Kind, ids: &[Arc<str>], budget: Duration) -> Result<Vec<Option<Record>>, StoreError> {
        let now = self.clock.now().wall;
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(FETCHED) {
            let call = |mut node: Node| async move {
                if ids.len() > 1 {
                    let mut all = ::redis::pipe();
                    for id in ids {
                        all.add_command(hash_of(kind, id));
                    }
                    let rows = all.query_async::<Vec<Row>>(&mut node.link).await;
                    // Some may not be here any more: then one by one, each where it is.
                    if let Ok(rows) = rows {
                        return Ok(rows);
                    }
                }
                let mut rows = Vec::with_capacity(ids.len());
                for id in ids {
                    rows.push(node.query::<Row>(&hash_of(kind, id)).await?);
                }
                Ok(rows)
            };
            let rows = self.link.read(budget, call).await?;
            for (id, row) in ids.iter().zip(rows) {
                let record = record(kind, id, row)?;
                records.push(record.filter(|record| record.expires_at.is_none_or(|end| end > now)));
            }
        }
        Ok(records)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn read_all(&self, kind: Kind, ids: &[Arc<str>]) -> Result<Vec<Option<Record>>, StoreError> {
        self.open_still()?;
        let budget = if ids.len() == 1 { self.budget } else { PATIENT };
        self.fetch(kind, ids, budget).await
    }

    async fn list(&self, listing: Listing<'_>) -> Result<Page, StoreError> {
        self.open_still()?;
        let (created_at, id) = listing.place()?;
        let mut from = if listing.cursor.is_some() { format!("({}", place(created_at, id)) } else { "-".to_owned() };
        let order = match listing.tag {
            None => format!("{PREFIX}o:{}", listing.kind.name()),
            Some(tag) => format!("{PREFIX}t:{}:{tag}", listing.kind.name()),
        };
        let (mut page, mut size) = (Page::default(), 0);
        loop {
            // One more than fits tells that there is a next page.
            let wanted = listing.most() + 1 - page.records.len();
            let call = |mut node: Node| {
                let mut asking = ::redis::cmd("ZRANGEBYLEX");
                asking.arg(&order).arg(&from).arg("+").arg("LIMIT").arg(0).arg(wanted.min(FETCHED));
                async move { node.query::<Vec<String>>(&asking).await }
            };
            let places = self.link.read(PATIENT, call).await?;
            let Some(last) = places.last() else { return Ok(page) };
            from = format!("({last}");
            let ids: Vec<Arc<str>> = places.iter().filter_map(|place| place.get(PLACE..)).map(Arc::from).collect();
            for record in self.fetch(listing.kind, &ids, PATIENT).await?.into_iter().flatten() {
                size += record.body.len();
                if let Some(last) = page.records.last()
                    && (page.records.len() >= listing.most() || size > Listing::LARGEST)
                {
                    page.next = Some(Page::cursor(last));
                    return Ok(page);
                }
                page.records.push(record);
            }
        }
    }

    async fn commit(&self, commit: Commit) -> Result<u64, StoreError> {
        self.open_still()?;
        commit.check()?;
        let arguments = arguments(&commit, self.clock.now().wall)?;
        let outcome = self.run(arguments).await?;
        let version = outcome.version()?;
        for (kind, id) in commit.writes.iter().map(Write::place) {
            self.ears.tell(&crate::world::store::Changed::One(kind, Arc::clone(id)));
        }
        Ok(version)
    }

    async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.open_still()?;
        let limit = limit.clamp(1, Listing::LONGEST);
        let call = |mut node: Node| async move {
            let mut asking = ::redis::cmd("XRANGE");
            asking.arg(format!("{PREFIX}audit")).arg(format!("{}-0", after.max(0).saturating_add(1)));
            asking.arg("+").arg("COUNT").arg(limit);
            node.query::<Vec<(String, Vec<(String, Vec<u8>)>)>>(&asking).await
        };
        let rows = self.link.read(PATIENT, call).await?;
        rows.into_iter().map(|(seq, fields)| audit_row(&seq, fields)).collect()
    }

    async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.open_still()?;
        let call = |mut node: Node| async move {
            let mut asking = ::redis::cmd("HMGET");
            asking.arg(format!("{PREFIX}head")).arg("seq").arg("hash");
            node.query::<(Option<i64>, Option<Vec<u8>>)>(&asking).await
        };
        let (seq, hash) = self.link.read(PATIENT, call).await?;
        let hash = hash.and_then(|hash| hash.try_into().ok()).unwrap_or_default();
        Ok(AuditHead { seq: seq.unwrap_or_default(), hash })
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.open_still()?;
        let now = self.clock.now().wall;
        let call = |mut node: Node| async move {
            let mut asking = ::redis::cmd("ZRANGEBYSCORE");
            asking.arg(format!("{PREFIX}ends")).arg("-inf").arg(now.micros()).arg("LIMIT").arg(0).arg(SWEPT);
            node.query::<Vec<String>>(&asking).await
        };
        let ended = self.link.read(PATIENT, call).await?;
        let mut swept = 0;
        for name in ended {
            let Some((kind, id)) = name.split_once('\0') else { continue };
            let mut arguments = beginning(now, None)?;
            arguments.extend([b"rm".to_vec(), kind.into(), id.into(), b"ended".to_vec()]);
            // Another replica may have swept it, or somebody has put another in its place.
            swept += usize::from(self.run(arguments).await?.version().is_ok());
        }
        Ok(swept)
    }

    fn hear(&self, hear: Hear) {
        self.ears.add(hear);
    }

    fn freshness(&self) -> Freshness {
        self.follower.freshness()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.follower.end();
    }
}

/// What the script answers.
struct Outcome(Value);

impl FromRedisValue for Outcome {
    fn from_redis_value(value: Value) -> Result<Self, ::redis::ParsingError> {
        Ok(Self(value))
    }
}

impl Outcome {
    fn version(self) -> Result<u64, StoreError> {
        let mut parts = Vec::<Value>::from_redis_value(self.0).unwrap_or_default().into_iter();
        let word = parts.next().and_then(|word| String::from_redis_value(word).ok()).unwrap_or_default();
        match (word.as_str(), parts.next()) {
            ("done", Some(version)) => u64::from_redis_value(version).map_err(|_| unshaped()),
            ("conflict", _) => Err(StoreError::Conflict),
            _ => Err(unshaped()),
        }
    }
}

fn unshaped() -> StoreError {
    StoreError::Damaged("an answer has another shape".to_owned())
}

/// The format that is there; ours is written where there is none.
async fn format(mut node: Node) -> RedisResult<i64> {
    let key = format!("{PREFIX}format");
    ::redis::cmd("SET").arg(&key).arg(FORMAT).arg("NX").query_async::<Value>(&mut node.link).await?;
    ::redis::cmd("GET").arg(&key).query_async(&mut node.link).await
}

fn hash_of(kind: Kind, id: &str) -> ::redis::Cmd {
    let mut asking = ::redis::cmd("HMGET");
    asking.arg(format!("{PREFIX}r:{}:{id}", kind.name())).arg(&FIELDS);
    asking
}

/// Bytes of a place before the id.
const PLACE: usize = 17;

/// Where a record stands in orders: by time, then by id, as bytes.
fn place(created_at: i64, id: &str) -> String {
    // Negative numbers come before the others.
    format!("{:016x}:{id}", created_at.cast_unsigned() ^ (1 << 63))
}

fn beginning(now: Moment, audit: Option<&AuditEntry>) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut nonce = [0; 16];
    random::fill(&mut nonce).map_err(|fault| StoreError::Failed(fault.to_string()))?;
    let state = |hash: Option<[u8; 32]>| hash.map(Vec::from).unwrap_or_default();
    let mut arguments: Vec<Vec<u8>> = vec![now.micros().to_string().into(), nonce.into(), LOGGED.to_string().into()];
    arguments.extend(match audit {
        None => vec![Vec::new(); 7],
        Some(entry) => vec![
            entry.parts(),
            entry.at.micros().to_string().into(),
            entry.actor.clone().into(),
            entry.action.as_bytes().into(),
            entry.subject.clone().into(),
            state(entry.before),
            state(entry.after),
        ],
    });
    Ok(arguments)
}

fn arguments(commit: &Commit, now: Moment) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut arguments = beginning(now, commit.audit.as_ref())?;
    for write in &commit.writes {
        let (kind, id) = write.place();
        let expected = match write.expect() {
            Expect::Absent => "absent".to_owned(),
            Expect::Any => "any".to_owned(),
            Expect::Version(version) => version.to_string(),
        };
        let verb = match write {
            Write::Put { .. } => "put",
            Write::Remove { .. } => "rm",
        };
        arguments.extend([verb.into(), kind.name().into(), id.as_bytes().into(), expected.into()]);
        match write {
            Write::Put { record, .. } => arguments.extend([
                record.body.to_vec(),
                place(record.created_at.micros(), id).into(),
                record.created_at.micros().to_string().into(),
                record.expires_at.map(|end| end.micros().to_string()).unwrap_or_default().into(),
                record.tags.join("\0").into(),
            ]),
            Write::Remove { .. } => {}
        }
    }
    Ok(arguments)
}

fn record(kind: Kind, id: &Arc<str>, row: Row) -> Result<Option<Record>, StoreError> {
    let [Some(version), Some(body), Some(tags), Some(created_at), Some(expires_at)] = row else { return Ok(None) };
    let damaged = || StoreError::Damaged(format!("{} `{id}` is not as it was written", kind.name()));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| damaged());
    let number = |bytes: Vec<u8>| text(bytes)?.parse::<i64>().map_err(|_| damaged());
    let expires_at = if expires_at.is_empty() { None } else { Some(Moment::from_micros(number(expires_at)?)) };
    Ok(Some(Record {
        kind,
        id: Arc::clone(id),
        version: u64::try_from(number(version)?).map_err(|_| damaged())?,
        body: Bytes::from(body),
        tags: text(tags)?.split('\0').filter(|tag| !tag.is_empty()).map(Arc::from).collect(),
        created_at: Moment::from_micros(number(created_at)?),
        expires_at,
    }))
}

fn audit_row(place: &str, fields: Vec<(String, Vec<u8>)>) -> Result<AuditRow, StoreError> {
    let damaged = || StoreError::Damaged(format!("row `{place}` of the audit log is not as it was written"));
    let mut fields: std::collections::HashMap<String, Vec<u8>> = fields.into_iter().collect();
    let mut bytes = |name: &str| fields.remove(name).ok_or_else(damaged);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| damaged());
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).map_err(|_| damaged());
    let state = |bytes: Vec<u8>| if bytes.is_empty() { Ok(None) } else { hash(bytes).map(Some) };
    Ok(AuditRow {
        seq: place.split_once('-').and_then(|(seq, _)| seq.parse().ok()).ok_or_else(damaged)?,
        at: Moment::from_micros(text(bytes("at")?)?.parse().map_err(|_| damaged())?),
        actor: text(bytes("actor")?)?,
        action: text(bytes("action")?)?,
        subject: text(bytes("subject")?)?,
        before: state(bytes("before")?)?,
        after: state(bytes("after")?)?,
        previous: hash(bytes("previous")?)?,
        hash: hash(bytes("hash")?)?,
    })
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        Self::Failed(error.to_string())
    }
}
