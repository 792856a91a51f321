//! How is it all put together? The composition root: everything is made once, in reading order.

mod listeners;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use portcullis_core::config::{AccessLog, ConfigError, Level};
use portcullis_core::limit::{Leases, MemoryCounters, Once};
use portcullis_core::moment::Moment;
use portcullis_core::ports::{Clock, Counters, Replays, World};
use portcullis_core::snapshot::Snapshot;
use tokio::sync::{Semaphore, watch};

use crate::accept::lease::Leased;
use crate::accept::{Door, Front, Limits};
use crate::admin::{self, Admin};
pub use crate::control::begin::StartError;
use crate::control::begin::{Begun, begin};
use crate::control::tasks::Tasks;
use crate::control::{Chronicle, Compiled, Compiler, First, Presence, Publisher, Subscriber, watch as watch_files};
use crate::forward::Assertions;
use crate::login::{self, Login};
use crate::observe::{Kept, Metrics, Streams, Target};
use crate::passage::{Passage, Server};
use crate::shared::Shared;
use crate::world::clock::SystemClock;
use crate::world::files::Disk;
use crate::world::introspect::Issuers;
use crate::world::jwks::{Jwks, Places};
use crate::world::store::Stored;
use crate::world::things::Apps;
use crate::world::{self, Tickets};

/// What a gateway is started from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Variables seen instead of the environment's.
    pub variables: HashMap<String, String>,
}

/// Addresses and keys whose failures are counted at once; some 3 MB when all are live.
const MOST_FAILED: usize = 20_000;

/// A configuration that was read, with which a gateway can begin.
pub struct Ready {
    clock: Arc<dyn Clock>,
    compiler: Arc<Compiler>,
    first: First,
}

impl Ready {
    /// Reads it, and compiles it where the files decide. Blocks.
    pub fn of(options: Options) -> Result<Self, StartError> {
        Self::by(Arc::new(SystemClock::start()), options)
    }

    fn by(clock: Arc<dyn Clock>, options: Options) -> Result<Self, StartError> {
        world::draw_ahead();
        let (source, tickets) = (Box::new(Disk::with(options.variables)), Tickets::default());
        let compiler = Arc::new(Compiler { entry: options.config, source, tickets, clock: Arc::clone(&clock) });
        let first = compiler.first().map_err(StartError::Config)?;
        Ok(Self { clock, compiler, first })
    }

    /// The main file.
    pub fn config(&self) -> &Path {
        &self.compiler.entry
    }

    /// Threads that serve.
    pub fn threads(&self) -> usize {
        let configured = self.first.machine().server().threads;
        configured.and_then(|threads| usize::try_from(threads).ok()).unwrap_or_else(world::cores)
    }
}

/// A gateway that serves.
pub struct Gateway {
    pub https: Option<SocketAddr>,
    pub http: Option<SocketAddr>,
    pub plain: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub probes: Option<SocketAddr>,
    pub admin_key_file: PathBuf,
    pub warnings: Vec<ConfigError>,
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    presence: Presence,
    store: Stored,
    jwks: Arc<Jwks>,
    stop: watch::Sender<bool>,
    services: Vec<tokio::task::JoinHandle<()>>,
    tasks: Tasks,
    grace: Duration,
}

impl Gateway {
    /// Compiles, opens the stores, binds, and serves. Nothing listens when it fails.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        Self::start_by(Arc::new(SystemClock::start()), options).await
    }

    /// As [`Self::start`], by a clock of the caller's own: expiry, limits and deadlines follow it.
    pub async fn start_by(clock: Arc<dyn Clock>, options: Options) -> Result<Self, StartError> {
        let ready = tokio::task::spawn_blocking(move || Ready::by(clock, options)).await;
        Self::begin(ready.map_err(|error| StartError::World(error.to_string()))??).await
    }

    /// Serves what is ready.
    pub async fn begin(Ready { clock, compiler, first }: Ready) -> Result<Self, StartError> {
        world::outside::look_at_authorities().map_err(StartError::World)?;
        let Begun { compiled, store, last } = Box::pin(begin(&compiler, first)).await?;
        let Compiled { published, warnings, .. } = compiled;
        let snapshot = Arc::clone(&published.snapshot);
        let server = snapshot.server().clone();

        let metrics = Arc::new(Metrics::new().map_err(|error| StartError::World(error.to_string()))?);
        let streams = Arc::new(streams(&snapshot, Arc::clone(&metrics))?);

        let data = snapshot.data_dir();
        let admin_key_file =
            admin::key_file::ensure(&store.admin_key, &data, clock.now().wall).await.map_err(StartError::World)?;
        let local: Arc<dyn Counters> = Arc::new(MemoryCounters::default());
        let counters = world::counters(snapshot.counters(), snapshot.root()).map_err(StartError::World)?;
        let shared_counters = counters.clone().map_or_else(|| Arc::clone(&local), |counters| Arc::new(counters) as _);
        let places = Places { root: snapshot.root().to_owned(), copies: data.join("jwks") };
        let jwks = Arc::new(Jwks::new(Arc::clone(&clock), places).map_err(StartError::World)?);
        jwks.reconfigure(&snapshot.token_sources());
        let issuers = Arc::new(Issuers::new().map_err(StartError::World)?);
        issuers.reconfigure(snapshot.introspecting());
        let assertions = assertions(&store, clock.now().wall, &snapshot).await?;
        let replays: Arc<dyn Replays> = Arc::new(Once::new(Arc::clone(&shared_counters)));
        let failures = Arc::new(MemoryCounters::new(MOST_FAILED));
        let login = logins(&clock, &jwks, (&replays, &failures), &store, &snapshot).await?;
        let keeper = login.keeper.clone();
        let world = World {
            clock: Arc::clone(&clock),
            keys: Arc::new(store.keys.clone()),
            key_sets: Arc::clone(&jwks) as _,
            introspection: Arc::clone(&issuers) as _,
            revoked: Arc::new(store.revocations.clone()),
            things: Arc::new(Apps::new(Arc::clone(&clock)).map_err(StartError::World)?),
            replays,
            sessions: Arc::new(login.keeper.clone()),
            local,
            failures,
            shared: shared_counters,
            leases: Arc::new(Leases::new(Leases::MOST)),
        };

        let published = Arc::new(ArcSwap::from_pointee(published));
        let shared = Arc::new(Shared::new(world, streams, assertions, login, Arc::clone(&published)));
        let chronicle = Chronicle::new(store.revisions.clone(), Arc::clone(&published), Arc::clone(&clock));
        let subscribers: Vec<Subscriber> = vec![
            Box::new(move |published| issuers.reconfigure(published.snapshot.introspecting())),
            Box::new(move |published| keeper.reconfigure(&published.snapshot)),
            {
                let jwks = Arc::clone(&jwks);
                Box::new(move |published| jwks.reconfigure(&published.snapshot.token_sources()))
            },
        ];
        let publisher = Arc::new(Publisher::new((compiler, last), published, chronicle.clone(), metrics, subscribers));

        chronicle.begin().await;

        let (stop, stopped) = watch::channel(false);
        let bound = listeners::Bound::bind(&server).map_err(StartError::World)?;
        let mut tasks = Tasks::new(stopped.clone()).map_err(|error| StartError::World(error.to_string()))?;
        tasks.usual(&shared);
        let fetching = Arc::clone(&jwks);
        let kept = store.clone();
        tasks.run("store", async move { kept.run().await });
        tasks.signing(&shared, store.signing.clone());
        tasks.expiring_keys(&shared, store.keys.clone());
        tasks.run("jwks", async move { fetching.run().await });
        let retiring = Arc::clone(&publisher);
        tasks.run("retire", async move { retiring.retire().await });
        tasks.run("watch", watch_files(Arc::clone(&publisher), Arc::clone(&shared), stopped.clone()));

        let following = Arc::clone(&publisher);
        tasks.run("revisions", async move { chronicle.run(following).await });

        let presence = Presence::new(store.replicas.clone(), Arc::clone(&publisher), Arc::clone(&shared));
        let presence = presence.map_err(|error| StartError::World(error.to_string()))?;
        let saying = presence.clone();
        tasks.run("presence", async move { saying.run().await });
        let control = (Arc::clone(&publisher), presence.clone());
        let admin = Admin::new(Arc::clone(&shared), control, (store.clone(), counters), Arc::clone(&jwks));
        let mut gateway = Self {
            https: bound.address("https"),
            http: bound.address("http"),
            plain: bound.address("plain"),
            admin: bound.address("admin"),
            probes: bound.address("probes"),
            admin_key_file,
            warnings,
            shared: Arc::clone(&shared),
            publisher,
            presence,
            store,
            jwks: Arc::clone(&jwks),
            stop,
            services: Vec::new(),
            tasks,
            grace: server.grace_period.0,
        };
        gateway.services = serve(&shared, &snapshot, bound, (&gateway.tasks, admin), &stopped);
        Ok(gateway)
    }

    /// Reads the configuration again.
    pub async fn reload(&self) -> Result<(), Vec<ConfigError>> {
        let publisher = Arc::clone(&self.publisher);
        let outcome = tokio::task::spawn_blocking(move || publisher.reload()).await;
        match outcome {
            Ok(crate::control::ReloadOutcome::Refused(errors)) => Err(errors),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Fetches the key sets that are missing; for whoever wants the first token to be judged at once.
    pub async fn warm(&self) {
        self.jwks.warm().await;
    }

    pub fn now(&self) -> Moment {
        self.shared.world.clock.now().wall
    }

    /// The version of the configuration in force.
    pub fn version(&self) -> Arc<str> {
        Arc::clone(&self.shared.current().snapshot.version)
    }

    /// How much the gateway shall say about itself.
    pub fn log_level(&self) -> Level {
        self.shared.current().snapshot.observe().level
    }

    /// What outlasts the process.
    pub fn store(&self) -> &Stored {
        &self.store
    }

    /// Waits until no request is under way and all that ended are recorded.
    pub async fn idle(&self) {
        self.shared.streams.metrics.idle().await;
    }

    /// Refuses new connections, lets requests under way finish within the grace period, ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let ended = async {
            for service in self.services {
                let _ = service.await;
            }
            self.shared.streams.metrics.idle().await;
            self.presence.leave().await;
            self.store.close().await;
        };
        let _ = tokio::time::timeout(self.grace, ended).await;
        self.tasks.ended().await;
        // A reload under way goes on when its task has ended: whoever tidies up after us would pull its files away.
        let publisher = self.publisher;
        let _ = tokio::task::spawn_blocking(move || publisher.settled()).await;
    }
}

/// Who lets people in and out.
async fn logins(
    clock: &Arc<dyn Clock>,
    jwks: &Arc<Jwks>,
    (replays, failures): (&Arc<dyn Replays>, &Arc<MemoryCounters>),
    store: &Stored,
    snapshot: &Arc<Snapshot>,
) -> Result<Login, StartError> {
    let needs = login::Needs {
        clock: Arc::clone(clock),
        key_sets: Arc::clone(jwks) as _,
        replays: Arc::clone(replays),
        failures: Arc::clone(failures),
        sessions: store.sessions.clone(),
    };
    Login::open(needs, Arc::clone(snapshot)).await.map_err(StartError::World)
}

/// Who states to applications who is calling.
async fn assertions(store: &Stored, now: Moment, snapshot: &Snapshot) -> Result<Arc<Assertions>, StartError> {
    let keys = store.signing.published(now).await.map_err(|error| StartError::World(error.to_string()))?;
    let issuer = Arc::clone(snapshot.public_url());
    let issuer = if issuer.is_empty() { "portcullis".into() } else { issuer };
    let unusable = || StartError::World("a signing key in the store is unusable".to_owned());
    Assertions::new(&keys, issuer).map(Arc::new).ok_or_else(unusable)
}

fn streams(snapshot: &portcullis_core::snapshot::Snapshot, metrics: Arc<Metrics>) -> Result<Streams, StartError> {
    let target = |log: &AccessLog| match log {
        AccessLog::File(path) => Target::File(snapshot.root().join(path)),
        AccessLog::Off => Target::Off,
        AccessLog::Stderr => Target::Stderr,
        AccessLog::Stdout => Target::Stdout,
    };
    let observe = snapshot.observe();
    let kept = Kept::new(observe.keep_decisions, observe.keep_decisions_memory.0);
    Streams::open(&target(&observe.access_log), &target(&observe.decision_log.0), metrics, kept)
        .map_err(|error| StartError::World(format!("a log cannot be opened: {error}")))
}

/// Starts every listener.
fn serve(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
    mut bound: listeners::Bound,
    (tasks, admin): (&Tasks, Admin),
    stopped: &watch::Receiver<bool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let server = snapshot.server();
    let passage = Passage::new(Arc::clone(shared));
    let proxy = Arc::new(Server::new(passage.clone(), engine(passage, server)));
    let limits = Limits {
        handshake_timeout: server.handshake_timeout.0,
        header_timeout: server.header_timeout.0,
        body_timeout: server.body_timeout.0,
        keepalive_timeout: server.keepalive_timeout.0,
        max_header_bytes: usize::try_from(server.max_header_bytes.0).unwrap_or(usize::MAX),
    };
    let connections = Arc::new(Semaphore::new(usize::try_from(server.max_connections).unwrap_or(usize::MAX)));
    let metrics = Arc::clone(&shared.streams.metrics);
    let mut services = Vec::new();

    if let Some(listener) = bound.take("https") {
        let current = Arc::clone(shared);
        let door = Door::Tls(Box::new(move || Arc::clone(&current.current().tls)));
        let front =
            Front::new(Arc::clone(&proxy), door, limits.clone(), Arc::clone(&connections), Arc::clone(&metrics));
        let front = front.telling(crate::passage::tell_of_unseen(shared));
        services.push(listeners::spawn("https", front, listener, stopped));
    }
    if let Some(listener) = bound.take("plain") {
        let current = Arc::clone(shared);
        let door = Door::Plain(Box::new(move |peer| current.current().snapshot.trusts(peer)));
        let front =
            Front::new(Arc::clone(&proxy), door, limits.clone(), Arc::clone(&connections), Arc::clone(&metrics));
        services.push(listeners::spawn("plain", front, listener, stopped));
    }
    if let Some(listener) = bound.take("http") {
        let redirect = crate::passage::Redirect::to(snapshot.public_url());
        let redirect = Arc::new(Leased::new(engine(redirect, server)));
        let door = Door::Plain(Box::new(|_| true));
        let front = Front::new(redirect, door, limits, connections, metrics);
        services.push(listeners::spawn("http", front, listener, stopped));
    }
    if let Some(listener) = bound.take("admin") {
        services.push(tasks.serve(admin::serve(admin.clone(), listener, stopped.clone())));
    }
    if let Some(listener) = bound.take("probes") {
        services.push(tasks.serve(admin::serve_probes(admin, listener, stopped.clone())));
    }
    services
}

/// Pingora's HTTP engine around our callbacks, with every bound it has set, and the one it lacks.
fn engine<P>(callbacks: P, server: &portcullis_core::config::ServerConfig) -> HttpProxy<P>
where
    P: pingora::proxy::ProxyHttp,
{
    let threads = server.threads.map_or_else(world::cores, |threads| usize::try_from(threads).unwrap_or(1));
    let conf = ServerConf { threads, upstream_keepalive_pool_size: 256, max_retries: 8, ..ServerConf::default() };
    let mut proxy = HttpProxy::new(callbacks, Arc::new(conf));
    proxy.handle_init_modules();
    let mut options = HttpServerOptions::default();
    // Pingora counts the requests after the first.
    options.keepalive_request_limit = Some(server.max_requests_per_connection.saturating_sub(1));
    options.h2_idle_timeout = Some(server.keepalive_timeout.0);
    proxy.server_options = Some(options);
    let mut h2 = default_h2_options();
    h2.max_header_list_size(u32::try_from(server.max_header_bytes.0).unwrap_or(u32::MAX));
    proxy.h2_options = Some(h2);
    proxy
}
