//! The only one who can publish.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use portcullis_core::config::{ConfigError, ControlSource, Machine};
use portcullis_core::snapshot::Texts;

use super::asked::Asked;
use super::retired::Retired;
use super::{Chronicle, Compiled, Compiler, Published, Text};
use crate::observe::Metrics;
use crate::world::store::Revision;

/// What became of a reload.
#[derive(Clone, Debug)]
pub(crate) enum ReloadOutcome {
    Applied { version: Arc<str>, warnings: Vec<ConfigError> },
    Refused(Vec<ConfigError>),
    Unchanged,
}

/// Told of every configuration that comes into force, the first included.
pub(crate) type Subscriber = Box<dyn Fn(&Published) + Send + Sync>;

/// A revision that is to be in force.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) revision: Arc<Revision>,
    pub(crate) texts: Arc<Texts>,
    /// The hash of the files over which it is pinned; `None`: whatever the files are.
    pub(crate) over: Option<String>,
}

/// What is known since the last reload.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    /// What was wrong with what should be in force, for `/readyz` and the admin API.
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) machine: Machine,
    /// The hash of the machine's own files; empty where they do not decide.
    pub(crate) files: String,
    pub(crate) following: Option<Followed>,
    /// What the configuration in force depends on, where that is the files alone.
    pub(crate) asked: Option<Arc<Asked>>,
}

/// Compiles again what should be in force, and swaps the configuration whole, or not at all.
pub(crate) struct Publisher {
    compiler: Arc<Compiler>,
    published: Arc<ArcSwap<Published>>,
    chronicle: Chronicle,
    metrics: Arc<Metrics>,
    subscribers: Vec<Subscriber>,
    /// What decides, for as long as the process runs.
    source: ControlSource,
    /// One reload at a time.
    last: Mutex<Last>,
    /// What of it others look at, who must not wait for a reload.
    seen: ArcSwap<Seen>,
    retired: Retired<Published>,
}

/// As it was when the last reload ended.
struct Seen {
    errors: Vec<ConfigError>,
    files: String,
    following: Option<u64>,
}

impl Seen {
    fn of(last: &Last) -> Self {
        let following = last.following.as_ref().map(|followed| followed.revision.number);
        Self { errors: last.errors.clone(), files: last.files.clone(), following }
    }
}

impl Publisher {
    pub(crate) fn new(
        (compiler, last): (Arc<Compiler>, Last),
        published: Arc<ArcSwap<Published>>,
        chronicle: Chronicle,
        metrics: Arc<Metrics>,
        subscribers: Vec<Subscriber>,
    ) -> Self {
        let (source, seen) = (last.machine.control().source, ArcSwap::from_pointee(Seen::of(&last)));
        let last = Mutex::new(last);
        let retired = Retired::new(chronicle.turns().clone());
        let publisher = Self { compiler, published, chronicle, metrics, subscribers, source, last, seen, retired };
        publisher.metrics.reload(true);
        publisher.tell(&publisher.published.load());
        publisher
    }

    /// Waits until no reload is under way. Blocks.
    pub(crate) fn settled(&self) {
        drop(self.last());
    }

    pub(crate) fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// What is wrong with what should be in force; empty while it is.
    pub(crate) fn pending_errors(&self) -> Vec<ConfigError> {
        self.seen.load().errors.clone()
    }

    /// What decides, for as long as the process runs.
    pub(crate) fn source(&self) -> ControlSource {
        self.source
    }

    /// The hash of the machine's own files, and the revision that is followed.
    pub(crate) fn standing(&self) -> (String, Option<u64>) {
        let seen = self.seen.load();
        (seen.files.clone(), seen.following)
    }

    /// Compiles texts as this machine would, and publishes nothing. Blocks.
    pub(crate) fn try_texts(&self, texts: &Texts, text: Text) -> Result<Compiled, Vec<ConfigError>> {
        let machine = self.last().machine.clone();
        let _turn = self.chronicle.turns().take();
        self.compiler.compile_texts(texts, &machine, text)
    }

    /// What [`Self::reload`] would do. Changes nothing, and blocks as long.
    pub(crate) fn rehearse(&self) -> ReloadOutcome {
        let (before, last) = (self.published.load_full(), self.last().clone());
        let _turn = self.chronicle.turns().take();
        if self.stands(&last) {
            return ReloadOutcome::Unchanged;
        }
        match self.next(&last) {
            Err(errors) => ReloadOutcome::Refused(errors),
            Ok((Compiled { published, .. }, _)) if same(&before, &published) => ReloadOutcome::Unchanged,
            Ok((Compiled { published, warnings, .. }, _)) => {
                ReloadOutcome::Applied { version: Arc::clone(&published.snapshot.version), warnings }
            }
        }
    }

    /// Puts a revision in force, now or as soon as it can be; unless it is older than what is followed, or was pinned
    /// over other files. Blocks.
    pub(crate) fn follow(&self, followed: Followed) -> ReloadOutcome {
        let mut last = self.last();
        let number = followed.revision.number;
        let known = last.following.as_ref().is_some_and(|known| known.revision.number >= number);
        if known || followed.over.as_ref().is_some_and(|over| *over != last.files) {
            return ReloadOutcome::Unchanged;
        }
        last.following = Some(followed);
        last.asked = None;
        let outcome = self.publish(&mut last);
        self.seen.store(Arc::new(Seen::of(&last)));
        outcome
    }

    /// A revision that should be in force cannot be had at all.
    pub(crate) fn complain(&self, message: String) {
        tracing::error!(error = message, "a revision cannot be put in force, the old one stays");
        self.metrics.reload(false);
        let mut last = self.last();
        last.errors = vec![ConfigError::of_file(&self.compiler.entry, message)];
        self.seen.store(Arc::new(Seen::of(&last)));
    }

    /// Reads everything again. Blocks for as long as compiling takes.
    pub(crate) fn reload(&self) -> ReloadOutcome {
        let mut last = self.last();
        let outcome = self.publish(&mut last);
        self.seen.store(Arc::new(Seen::of(&last)));
        outcome
    }

    /// Frees configurations that were in force, as soon as nobody uses them any more. Without end.
    pub(crate) async fn retire(&self) {
        self.retired.free().await;
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether compiling would make again what is in force.
    fn stands(&self, last: &Last) -> bool {
        last.asked.as_ref().is_some_and(|asked| self.compiler.holds(asked))
    }

    /// What should be in force now.
    fn next(&self, last: &Last) -> Result<(Compiled, Last), Vec<ConfigError>> {
        let mut next = Last { errors: Vec::new(), asked: None, ..last.clone() };
        let (mut compiled, followed) = match (self.source, &last.following) {
            (ControlSource::Files, following) => {
                let files = self.compiler.compile()?;
                self.same_process(&last.machine, &files.machine)?;
                next.machine = files.machine.clone();
                next.files.clone_from(&files.published.hash);
                match following {
                    Some(pin) if pin.over.as_ref() == Some(&next.files) => {
                        (self.compiler.compile_texts(&pin.texts, &next.machine, Text::Kept)?, Some(pin))
                    }
                    Some(pin) => {
                        next.following = None;
                        let published = Published { lapsed: Some(pin.revision.number), ..files.published };
                        (Compiled { published, ..files }, None)
                    }
                    None => {
                        next.asked = Some(Arc::clone(&files.asked));
                        (files, None)
                    }
                }
            }
            (ControlSource::Store, Some(followed)) => {
                let machine = self.compiler.machine()?;
                self.same_process(&last.machine, &machine)?;
                next.machine = last.machine.with_secrets_of(machine);
                (self.compiler.compile_texts(&followed.texts, &next.machine, Text::Kept)?, Some(followed))
            }
            (ControlSource::Store, None) => {
                let message = "the store decides, and it holds no revision";
                return Err(vec![ConfigError::of_file(&self.compiler.entry, message)]);
            }
        };
        compiled.published.revision = followed.map(|followed| Arc::clone(&followed.revision));
        Ok((compiled, next))
    }

    fn publish(&self, last: &mut Last) -> ReloadOutcome {
        let before = self.published.load_full();
        let _turn = self.chronicle.turns().take();
        if self.stands(last) {
            let recovered = !last.errors.is_empty();
            last.errors.clear();
            return self.unchanged(&before, recovered);
        }
        let (Compiled { mut published, warnings, .. }, next) = match self.next(last) {
            Ok(next) => next,
            Err(errors) => {
                self.metrics.reload(false);
                tracing::error!(errors = errors.len(), first = %first_line(&errors), "configuration refused, the old one stays");
                last.errors.clone_from(&errors);
                return ReloadOutcome::Refused(errors);
            }
        };
        let recovered = !last.errors.is_empty();
        *last = next;
        if same(&before, &published) {
            return self.unchanged(&before, recovered);
        }
        // It is noted until it is known to the store, however many reloads come before.
        published.lapsed = published.lapsed.or(before.lapsed);
        let version = Arc::clone(&published.snapshot.version);
        let published = Arc::new(published);
        // Whoever serves the new configuration finds its key sets and certificates in place.
        self.tell(&published);
        self.published.store(published);
        self.retired.add(before);
        self.chronicle.changed();
        self.metrics.reload(true);
        tracing::info!(version = %version, "configuration in force");
        ReloadOutcome::Applied { version, warnings }
    }

    fn unchanged(&self, before: &Published, recovered: bool) -> ReloadOutcome {
        // Files of key sets are not of the version, and may have changed all the same.
        self.tell(before);
        self.metrics.reload(true);
        if recovered {
            let version = &before.snapshot.version;
            match self.source {
                ControlSource::Files => tracing::info!(%version, "the files are again what is in force"),
                ControlSource::Store => tracing::info!(%version, "the revision of the store is again in force"),
            }
        }
        ReloadOutcome::Unchanged
    }

    /// What is a machine's own belongs to the process: changing it takes a restart.
    fn same_process(&self, old: &Machine, new: &Machine) -> Result<(), Vec<ConfigError>> {
        let refuse = |section: &'static str| {
            let message = format!("`[{section}]` has changed, and it cannot change while the gateway runs");
            let mut error = ConfigError::of_file(&self.compiler.entry, message);
            error.help =
                Some("restart the gateway; until then the old configuration stays in force as a whole".to_owned());
            error
        };
        let errors: Vec<_> = old.differences(new).into_iter().map(refuse).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn tell(&self, published: &Published) {
        for subscriber in &self.subscribers {
            subscriber(published);
        }
        let metrics = &self.metrics;
        metrics.config.reset();
        metrics.config.with_label_values(&[&*published.snapshot.version]).set(1.0);
        metrics.certificate_expiry.reset();
        for (file, expiry) in &published.tls.expiries {
            #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit")]
            metrics.certificate_expiry.with_label_values(&[file.as_str()]).set(*expiry as f64);
        }
        let unguarded = published.snapshot.unguarded().count();
        metrics.unguarded_routes.set(i64::try_from(unguarded).unwrap_or(i64::MAX));
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit")]
        metrics.reload_time.set(published.since.seconds() as f64);
    }
}

/// Whether one is as good as the other.
fn same(one: &Published, other: &Published) -> bool {
    let number = |published: &Published| published.revision.as_ref().map(|revision| revision.number);
    one.snapshot.version == other.snapshot.version && number(one) == number(other)
}

fn first_line(errors: &[ConfigError]) -> String {
    errors.first().map(|error| format!("{}: {}", error.location(), error.message)).unwrap_or_default()
}
