//! The only one who can publish.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use portcullis_core::config::ConfigError;

use super::{Chronicle, Compiled, Compiler, Published};
use crate::observe::Metrics;

/// What became of a reload.
#[derive(Clone, Debug)]
pub(crate) enum ReloadOutcome {
    Applied { version: Arc<str>, warnings: Vec<ConfigError> },
    Refused(Vec<ConfigError>),
    Unchanged,
}

/// Told of every configuration that comes into force, the first included.
pub(crate) type Subscriber = Box<dyn Fn(&Published) + Send + Sync>;

/// Compiles the files again and swaps the configuration whole, or not at all.
pub(crate) struct Publisher {
    compiler: Arc<Compiler>,
    published: Arc<ArcSwap<Published>>,
    chronicle: Chronicle,
    metrics: Arc<Metrics>,
    subscribers: Vec<Subscriber>,
    /// One reload at a time; holds what was wrong with the newest files, for `/readyz` and the admin API.
    last: Mutex<Vec<ConfigError>>,
}

impl Publisher {
    pub(crate) fn new(
        compiler: Arc<Compiler>,
        published: Arc<ArcSwap<Published>>,
        chronicle: Chronicle,
        metrics: Arc<Metrics>,
        subscribers: Vec<Subscriber>,
    ) -> Self {
        let publisher = Self { compiler, published, chronicle, metrics, subscribers, last: Mutex::default() };
        publisher.metrics.reload(true);
        publisher.tell(&publisher.published.load());
        publisher
    }

    /// Waits until no reload is under way. Blocks.
    pub(crate) fn settled(&self) {
        drop(self.last.lock());
    }

    pub(crate) fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// What is wrong with the newest files; empty while they are in force.
    pub(crate) fn pending_errors(&self) -> Vec<ConfigError> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What [`Self::reload`] would do. Changes nothing, and blocks as long.
    pub(crate) fn rehearse(&self) -> ReloadOutcome {
        let before = self.published.load_full();
        let compiled = self.compiler.compile();
        match compiled.and_then(|compiled| unchangeable(&before, compiled)) {
            Err(errors) => ReloadOutcome::Refused(errors),
            Ok(Compiled { published, .. }) if published.snapshot.version == before.snapshot.version => {
                ReloadOutcome::Unchanged
            }
            Ok(Compiled { published, warnings }) => {
                ReloadOutcome::Applied { version: Arc::clone(&published.snapshot.version), warnings }
            }
        }
    }

    /// Reads everything again. Blocks for as long as compiling takes.
    pub(crate) fn reload(&self) -> ReloadOutcome {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.published.load_full();
        let compiled = self.compiler.compile();
        let Compiled { published, warnings } = match compiled.and_then(|compiled| unchangeable(&before, compiled)) {
            Ok(compiled) => compiled,
            Err(errors) => {
                self.metrics.reload(false);
                tracing::error!(errors = errors.len(), first = %first_line(&errors), "configuration refused, the old one stays");
                last.clone_from(&errors);
                return ReloadOutcome::Refused(errors);
            }
        };
        let recovered = !last.is_empty();
        last.clear();
        if published.snapshot.version == before.snapshot.version {
            // Files of key sets are not of the version, and may have changed all the same.
            self.tell(&before);
            self.metrics.reload(true);
            if recovered {
                tracing::info!(version = %before.snapshot.version, "the files are again what is in force");
            }
            return ReloadOutcome::Unchanged;
        }
        let version = Arc::clone(&published.snapshot.version);
        let published = Arc::new(published);
        // Whoever serves the new configuration finds its key sets and certificates in place.
        self.tell(&published);
        self.published.store(published);
        self.chronicle.changed();
        self.metrics.reload(true);
        tracing::info!(version = %version, "configuration in force");
        ReloadOutcome::Applied { version, warnings }
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

/// `[server]` and the stores belong to the process: changing them takes a restart.
fn unchangeable(before: &Published, compiled: Compiled) -> Result<Compiled, Vec<ConfigError>> {
    let (old, new) = (&before.snapshot, &compiled.published.snapshot);
    let mut errors = Vec::new();
    let mut refuse = |section: &str| {
        let mut error = ConfigError::of_file(
            new.entry(),
            format!("`[{section}]` has changed, and it cannot change while the gateway runs"),
        );
        error.help = Some("restart the gateway; until then the old configuration stays in force as a whole".to_owned());
        errors.push(error);
    };
    if old.server() != new.server() {
        refuse("server");
    }
    if old.store() != new.store() {
        refuse("store");
    }
    if old.counters() != new.counters() {
        refuse("counters");
    }
    if old.admin().max_connections != new.admin().max_connections {
        refuse("admin");
    }
    if old.observe() != new.observe() {
        refuse("observe");
    }
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

fn first_line(errors: &[ConfigError]) -> String {
    errors.first().map(|error| format!("{}: {}", error.location(), error.message)).unwrap_or_default()
}
