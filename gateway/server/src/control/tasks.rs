//! What runs beside the requests? The only place that spawns background work.
//!
//! It has a thread of its own, and so have the administrators' listeners: packing a revision or listing ten thousand
//! routes keeps that thread busy for a while, and no request waits for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::shared::Shared;
use crate::world::store::{Keyring, SigningKeys};

/// How often host names of upstreams are looked up again.
const LOOK_UP: Duration = Duration::from_secs(30);
/// How often connections to upstreams that nobody took are looked at.
const SWEEP: Duration = Duration::from_secs(5);
/// How often gauges are brought up to date.
const GAUGES: Duration = Duration::from_secs(5);

/// How often keys that end soon are counted.
const EXPIRING: Duration = Duration::from_mins(1);

/// Background work that ends with the process.
pub(crate) struct Tasks {
    stop: watch::Receiver<bool>,
    running: Vec<(&'static str, JoinHandle<()>)>,
    thread: Beside,
}

/// A runtime that may be dropped where nothing may block.
struct Beside(Option<Runtime>);

impl Beside {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.0 {
            Some(runtime) => runtime.spawn(work),
            // INVARIANT: it is there until it is dropped.
            None => tokio::spawn(work),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Tasks {
    /// `Err`: the system gives no thread.
    pub(crate) fn new(stop: watch::Receiver<bool>) -> std::io::Result<Self> {
        let thread = Builder::new_multi_thread().worker_threads(1).thread_name("control").enable_all().build()?;
        Ok(Self { stop, running: Vec::new(), thread: Beside(Some(thread)) })
    }

    /// Runs a listener that is not for requests, which stops by itself.
    pub(crate) fn serve(&self, listener: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.thread.spawn(listener)
    }

    /// Runs `work` until it ends or the process stops.
    pub(crate) fn run(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.stop.clone();
        let task = self.thread.spawn(async move {
            tokio::select! {
                () = work => {}
                _ = stop.wait_for(|stopped| *stopped) => {}
            }
        });
        self.running.push((name, task));
    }

    /// Calls `work` every `period` on a thread that may block.
    pub(crate) fn every(&mut self, name: &'static str, period: Duration, work: impl Fn() + Send + Sync + 'static) {
        let work = Arc::new(work);
        self.run(name, async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let work = Arc::clone(&work);
                let _ = tokio::task::spawn_blocking(move || work()).await;
            }
        });
    }

    /// What every gateway needs.
    pub(crate) fn usual(&mut self, shared: &Arc<Shared>) {
        let peers = Arc::clone(shared);
        self.every("resolve", LOOK_UP, move || {
            for upstream in &peers.current().peers.upstreams {
                upstream.resolve();
            }
        });
        let waiting = Arc::clone(shared);
        self.every("sweep", SWEEP, move || {
            let now = waiting.world.clock.steady();
            for upstream in &waiting.current().peers.upstreams {
                upstream.sweep(now);
            }
        });
        let gauges = Arc::clone(shared);
        self.every("gauges", GAUGES, move || {
            let dropped = gauges.streams.dropped();
            gauges.streams.metrics.log_lines_dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
        });
    }

    /// Keeps the keys that sign what applications are told.
    pub(crate) fn signing(&mut self, shared: &Arc<Shared>, keys: SigningKeys) {
        let (assertions, clock) = (Arc::clone(&shared.assertions), Arc::clone(&shared.world.clock));
        self.run("signing keys", async move { assertions.follow(keys, clock).await });
    }

    /// Tells of the keys that end soon.
    pub(crate) fn expiring_keys(&mut self, shared: &Arc<Shared>, keys: Keyring) {
        let shared = Arc::clone(shared);
        self.run("expiring keys", async move {
            let mut ticks = tokio::time::interval(EXPIRING);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // What cannot be read now is read another time.
                if let Ok(expiring) = keys.expiring(shared.world.clock.now().wall).await {
                    shared.streams.metrics.expiring_keys(&expiring);
                }
            }
        });
    }

    /// Waits for all of it to end, after `stop` was sent.
    pub(crate) async fn ended(self) {
        for (name, task) in self.running {
            if task.await.is_err_and(|error| error.is_panic()) {
                tracing::error!(task = name, "background work panicked");
            }
        }
    }
}
