//! Which keys do the token issuers have now? Fetched in the background, so that requests find them here.
//!
//! A set is fetched at start, then every `refresh`; after a failure sooner, backing off up to 30 s. The
//! last good set is used up to `max_age`, counted by the steady clock, and a copy on disk lets it survive a
//! restart. A token with an unknown key id may ask for one fetch per `cooldown`; scheduled fetches do not
//! count against that, so that a rotation right after one is still followed at once.

mod disk;
mod fetch;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use portcullis_core::identify::jwks::{KeyOrigin, KeySet, SourceSpec};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{Answer, Clock, KeySets, KeysUnavailable};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use fetch::Fetcher;
use source::{Ask, Held, Source};

/// The key sets of all token sources.
pub struct Jwks {
    clock: Arc<dyn Clock>,
    fetcher: Fetcher,
    places: Places,
    sources: ArcSwap<HashMap<Arc<str>, Arc<Source>>>,
    /// INVARIANT: never given twice, so a generation names one content of one source.
    generations: AtomicU64,
    changed: Notify,
    /// How long a request waits for a fetch.
    patience: Duration,
}

/// Where files are.
#[derive(Clone, Debug)]
pub struct Places {
    /// What `file:` is relative to.
    pub root: PathBuf,
    /// Where copies of fetched sets are kept; made when missing.
    pub copies: PathBuf,
}

/// How one source stands, for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStatus {
    pub alias: Arc<str>,
    /// `None`: no set was ever had. The same for age, generation and keys.
    pub fetched_at: Option<Moment>,
    pub age: Option<Duration>,
    pub generation: Option<u64>,
    /// How many keys are usable.
    pub keys: Option<usize>,
    /// Older than `max_age`: tokens are answered 503.
    pub stale: bool,
    /// Why the last fetch failed; `None` when it did not.
    pub last_error: Option<String>,
    /// Why the copy on disk could not be written; serving goes on.
    pub copy_error: Option<String>,
    /// Keys of the set that are not used, each with the reason.
    pub skipped: Vec<String>,
}

/// Longer than this no request waits for keys.
const PATIENCE: Duration = Duration::from_secs(1);

impl Jwks {
    /// # Errors
    /// Why no HTTPS client can be made, which is about this machine's trust store.
    pub fn new(clock: Arc<dyn Clock>, places: Places) -> Result<Self, String> {
        Ok(Self {
            clock,
            fetcher: Fetcher::new()?,
            places,
            sources: ArcSwap::default(),
            generations: AtomicU64::new(1),
            changed: Notify::new(),
            patience: PATIENCE,
        })
    }

    /// Takes over the sources of a configuration about to be published. Those unchanged keep their keys; for
    /// new ones, files and copies on disk are read now, and the rest is fetched by [`Self::run`].
    pub fn reconfigure<'a>(&self, specs: impl IntoIterator<Item = &'a SourceSpec>) {
        let before = self.sources.load_full();
        let mut after = HashMap::new();
        for spec in specs {
            let known = before.get(&spec.alias);
            let source = match known {
                Some(known) if known.spec == *spec => Arc::clone(known),
                Some(known) if known.spec.issuer == spec.issuer && known.spec.origin == spec.origin => {
                    Arc::new(Source::new(spec.clone(), known.held()))
                }
                Some(_) | None => Arc::new(Source::new(spec.clone(), self.copy_of(spec))),
            };
            // A reload is how an operator says that files have changed.
            if let KeyOrigin::File(path) = &spec.origin {
                let attempt = source.begin();
                let read = fetch::file(&self.places.root.join(path)).and_then(|document| self.take(&source, document));
                source.end(attempt, read.err());
            }
            after.insert(Arc::clone(&spec.alias), source);
        }
        for (alias, source) in before.iter() {
            if !after.get(alias).is_some_and(|kept| Arc::ptr_eq(kept, source)) {
                source.retired.notify_one();
            }
        }
        self.sources.store(Arc::new(after));
        self.changed.notify_one();
    }

    /// Keeps every source fresh; never returns. One task for the whole process.
    pub async fn run(&self) {
        let mut kept = FuturesUnordered::new();
        loop {
            for source in self.sources.load().values().filter(|source| source.claim()) {
                kept.push(self.keep(Arc::clone(source)));
            }
            tokio::select! {
                () = self.changed.notified() => {}
                Some(()) = kept.next(), if !kept.is_empty() => {}
            }
        }
    }

    /// Fetches, all at once, what is not at hand yet: at most some five seconds. Failures are in
    /// [`Self::status`].
    pub async fn warm(&self) {
        let sources = self.sources.load_full();
        let missing = sources.values().filter(|source| source.held().is_none());
        futures::future::join_all(missing.map(|source| self.attempt(source))).await;
    }

    /// In the order of the aliases.
    pub fn status(&self) -> Vec<SourceStatus> {
        let now = self.clock.now();
        let mut all: Vec<_> = self.sources.load().values().map(|source| source.status(now)).collect();
        all.sort_by(|one, other| one.alias.cmp(&other.alias));
        all
    }

    async fn keep(&self, source: Arc<Source>) {
        let mut wait = source.first_wait();
        loop {
            tokio::select! {
                biased;
                () = source.retired.notified() => return,
                () = source.asked.notified() => {}
                () = sleep(wait) => {}
            }
            self.attempt(&source).await;
            wait = source.next_wait();
        }
    }

    async fn attempt(&self, source: &Arc<Source>) {
        let attempt = source.begin();
        let fetched = self.fetcher.fetch(&self.places.root, &source.spec).await;
        let taken = fetched.and_then(|document| self.take(source, document));
        let failure = taken.err();
        if failure.is_none()
            && let Some(held) = source.held()
        {
            source.note_copy(self.save(&source.spec, held).await);
        }
        source.end(attempt, failure);
    }

    /// Puts a fetched document in force. The same content keeps its generation, and with it the tokens that
    /// were verified by it.
    fn take(&self, source: &Source, document: Vec<u8>) -> Result<(), String> {
        let now = self.clock.now();
        let (keys, skipped) = match source.held() {
            Some(held) if held.document == document => (Arc::clone(&held.keys), held.skipped.clone()),
            Some(_) | None => self.parse(&document)?,
        };
        source.hold(Held { keys, skipped, document, fetched_at: now.wall, age: Duration::ZERO, since: now.steady });
        Ok(())
    }

    fn parse(&self, document: &[u8]) -> Result<(Arc<KeySet>, Vec<String>), String> {
        let (keys, skipped) = KeySet::parse(document, self.generations.fetch_add(1, Ordering::Relaxed))?;
        Ok((Arc::new(keys), skipped))
    }

    fn copy_of(&self, spec: &SourceSpec) -> Option<Arc<Held>> {
        let now = self.clock.now();
        let copy = disk::load(&self.places.copies, spec, now.wall)?;
        let (keys, skipped) = self.parse(copy.jwks.as_bytes()).ok()?;
        let age = now.wall.since(copy.fetched_at);
        let document = copy.jwks.into_bytes();
        Some(Arc::new(Held { keys, skipped, document, fetched_at: copy.fetched_at, age, since: now.steady }))
    }

    async fn save(&self, spec: &SourceSpec, held: Arc<Held>) -> Result<(), String> {
        if let KeyOrigin::File(_) = spec.origin {
            return Ok(());
        }
        let (folder, spec) = (self.places.copies.clone(), spec.clone());
        let written = tokio::task::spawn_blocking(move || disk::save(&folder, &spec, &held.document, held.fetched_at));
        written
            .await
            .map_err(|fault| fault.to_string())?
            .map_err(|fault| format!("the copy cannot be written: {fault}"))
    }

    fn source(&self, alias: &str) -> Result<Arc<Source>, KeysUnavailable> {
        self.sources.load().get(alias).cloned().ok_or(KeysUnavailable::Never)
    }
}

/// Fetches the keys of a source once and keeps nothing; answers what is odd about them.
///
/// # Errors
/// Why no usable keys can be had.
pub async fn try_out(root: &Path, spec: &SourceSpec) -> Result<Vec<String>, String> {
    let document = Fetcher::new()?.fetch(root, spec).await?;
    let (keys, skipped) = KeySet::parse(&document, 0)?;
    if keys.is_empty() {
        return Err(format!(
            "the key set has no usable key{}",
            skipped.first().map_or(String::new(), |why| format!(": {why}"))
        ));
    }
    Ok(skipped)
}

impl KeySets for Jwks {
    fn current(&self, alias: &str, now: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        self.sources.load().get(alias).ok_or(KeysUnavailable::Never)?.current(now)
    }

    fn refetch(&self, alias: &str, seen: u64, now: Now) -> Answer<'_, Result<Arc<KeySet>, KeysUnavailable>> {
        let source = match self.source(alias) {
            Ok(source) => source,
            Err(fault) => return Answer::Ready(Err(fault)),
        };
        match source.ask(seen, now) {
            Ask::Answered(answer) => Answer::Ready(answer),
            Ask::Wait(mut ended, attempt) => {
                let patience = self.patience;
                Answer::Wait(Box::pin(async move {
                    let over = timeout(patience, ended.wait_for(|last| *last >= attempt)).await;
                    match over {
                        Ok(Ok(_)) => source.outcome(now),
                        Ok(Err(_)) | Err(_) => Err(KeysUnavailable::Slow),
                    }
                }))
            }
        }
    }
}
