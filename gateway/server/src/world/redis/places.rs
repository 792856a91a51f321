//! Which server may be written? One that was named, one that Sentinels know, or the one of a cluster that has our slot.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
};
use arc_swap::ArcSwapOption;
use portcullis_core::config::{Servers, StoreMode};

/// How long one server may take to be connected to, and to answer while it is sought.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

/// Redirections that are followed in a cluster.
const HOPS: usize = 5;

/// How many calls may stand in line for one connection.
const PIPELINE: usize = 1024;

/// Where the servers are, and what they want to be shown.
pub(crate) struct Places {
    mode: StoreMode,
    /// A key of the slot of a cluster that all of ours are in.
    slot: &'static str,
    master: Option<String>,
    /// As in the configuration; never empty.
    named: Vec<ConnectionAddr>,
    access: RedisConnectionInfo,
    sentinel_access: RedisConnectionInfo,
    authority: Option<Vec<u8>>,
    made: AtomicU64,
    /// Where a slot on the move went last.
    aside: ArcSwapOption<(String, Node)>,
}

/// A connection to the server that may be written. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Node {
    /// Another one for each connection.
    pub(super) id: u64,
    pub(super) client: Arc<Client>,
    pub(super) link: MultiplexedConnection,
    /// The server that a key is on its way to.
    pub(super) places: Arc<Places>,
}

impl Places {
    /// Of a section; paths are relative to `root`, and `slot` is a key of the one slot that all keys are in.
    ///
    /// # Errors
    /// In an operator's words, without anything secret.
    pub(crate) fn of(config: Servers<'_>, slot: &'static str, root: &Path) -> Result<Self, String> {
        let section = config.section;
        let unusable =
            || format!("`{section}.url` names no Redis: write `redis://HOST:PORT`, or `rediss://…` with TLS");
        let url = config.url.expose();
        let info = url.into_connection_info().map_err(|_| unusable())?;
        let addr = info.addr().clone();
        if config.mode != StoreMode::Standalone && matches!(addr, ConnectionAddr::Unix(_)) {
            return Err("a socket file is one server: write `redis://HOST:PORT` for Sentinels and clusters".to_owned());
        }
        let access = info.redis_settings().clone();
        if config.mode == StoreMode::Cluster && access.db() != 0 {
            return Err(format!("a cluster has database 0 alone: leave the number out of `{section}.url`"));
        }
        let mut named = vec![addr.clone()];
        for node in config.nodes {
            let (host, port) = node.rsplit_once(':').ok_or_else(unusable)?;
            named.push(beside(&addr, host, port.parse().map_err(|_| unusable())?));
        }
        let authority = config.ca.map(|path| {
            let path = root.join(path);
            std::fs::read(&path)
                .map_err(|error| format!("`{section}.ca`: `{}` cannot be read: {error}", path.display()))
        });
        let mut sentinel_access = RedisConnectionInfo::default();
        if let Some(password) = config.sentinel_password {
            sentinel_access = sentinel_access.set_password(password.expose());
        }
        let (mode, master, made) = (config.mode, config.master.map(str::to_owned), AtomicU64::new(0));
        Ok(Self {
            mode,
            slot,
            master,
            named,
            access,
            sentinel_access,
            authority: authority.transpose()?,
            made,
            aside: ArcSwapOption::empty(),
        })
    }

    /// The servers as the configuration names them, for people.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.named.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// Connects to the server that may be written now.
    pub(super) async fn find(self: &Arc<Self>) -> RedisResult<Node> {
        let mut last = RedisError::from((ErrorKind::Io, "no server is named"));
        for named in &self.named {
            let found = match self.mode {
                StoreMode::Cluster => self.follow(named.clone()).await,
                StoreMode::Sentinel => self.ask_sentinel(named).await,
                StoreMode::Standalone => self.connect(named.clone(), &self.access).await,
            };
            match found {
                Ok(node) => return Ok(node),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// In a cluster, whichever node we ask knows who has the slot.
    async fn follow(self: &Arc<Self>, named: ConnectionAddr) -> RedisResult<Node> {
        let mut addr = named;
        for _ in 0..HOPS {
            let mut node = self.connect(addr.clone(), &self.access).await?;
            match ::redis::cmd("EXISTS").arg(self.slot).query_async::<Value>(&mut node.link).await {
                Err(error) => match error.redirect_node() {
                    Some((to, _)) => addr = Self::redirected(&addr, to)?,
                    None => return Err(error),
                },
                Ok(_) => return Ok(node),
            }
        }
        Err(RedisError::from((ErrorKind::Io, "the nodes of the cluster do not agree who has the slot")))
    }

    async fn ask_sentinel(self: &Arc<Self>, sentinel: &ConnectionAddr) -> RedisResult<Node> {
        let name = self.master.as_deref().unwrap_or_default();
        let mut sentinel_link = self.connect(sentinel.clone(), &self.sentinel_access).await?.link;
        let mut asking = ::redis::cmd("SENTINEL");
        asking.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let answer: Option<(String, u16)> = asking.query_async(&mut sentinel_link).await?;
        let Some((host, port)) = answer else {
            let told = format!("`{sentinel}` knows no `{name}`");
            return Err((ErrorKind::Io, "the Sentinel knows no server of that name", told).into());
        };
        let mut node = self.connect(beside(sentinel, &host, port), &self.access).await?;
        // Sentinels may not have agreed yet, or be behind.
        let role: Vec<Value> = ::redis::cmd("ROLE").query_async(&mut node.link).await?;
        let role = role.into_iter().next().and_then(|role| String::from_redis_value(role).ok());
        match role.as_deref() {
            Some("master") => Ok(node),
            Some(_) | None => Err((ErrorKind::Io, "the server that the Sentinels name is a replica").into()),
        }
    }

    /// Where `MOVED` or `ASK` point; without a host it is the same one.
    fn redirected(from: &ConnectionAddr, to: &str) -> RedisResult<ConnectionAddr> {
        let place = to.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let (host, port) = place.ok_or((ErrorKind::UnexpectedReturnType, "a redirection to nowhere"))?;
        match (host, from) {
            ("", ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) => Ok(beside(from, host, port)),
            _ => Ok(beside(from, host, port)),
        }
    }

    /// The node that `redirection` points to.
    async fn redirect(self: &Arc<Self>, redirection: &RedisError) -> RedisResult<Node> {
        let from = self.named.first().ok_or((ErrorKind::Io, "no server is named"))?;
        let (to, _) = redirection.redirect_node().ok_or((ErrorKind::UnexpectedReturnType, "no redirection"))?;
        if let Some(aside) = &*self.aside.load()
            && aside.0 == to
        {
            return Ok(aside.1.clone());
        }
        let node = self.connect(Self::redirected(from, to)?, &self.access).await?;
        self.aside.store(Some(Arc::new((to.to_owned(), node.clone()))));
        Ok(node)
    }

    /// The connection there has broken.
    fn forget_aside(&self) {
        self.aside.store(None);
    }

    async fn connect(self: &Arc<Self>, addr: ConnectionAddr, access: &RedisConnectionInfo) -> RedisResult<Node> {
        let info: ConnectionInfo = addr.into_connection_info()?.set_redis_settings(access.clone());
        let client = match &self.authority {
            None => Client::open(info)?,
            Some(authority) => {
                let root_cert = Some(authority.clone());
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(2 * CONNECT))
            .set_pipeline_buffer_size(PIPELINE);
        let link = client.get_multiplexed_async_connection_with_config(&config).await?;
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Node { id, client: Arc::new(client), link, places: Arc::clone(self) })
    }
}

/// Another server that is spoken to in the same way.
fn beside(addr: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    match addr {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

impl Node {
    /// Asks for keys. In a cluster whose slot is on the move, those that are not here any more are asked for where they
    /// went; never the other way round, or a key that has not moved yet would seem not to be there.
    pub(super) async fn query<T: FromRedisValue>(&mut self, command: &::redis::Cmd) -> RedisResult<T> {
        match command.query_async(&mut self.link).await {
            Err(error) if error.kind() == ErrorKind::Server(::redis::ServerErrorKind::Ask) => {
                let mut there = self.places.redirect(&error).await?;
                let mut both = ::redis::pipe();
                both.cmd("ASKING").ignore().add_command(command.clone());
                let answer = both.query_async::<(T,)>(&mut there.link).await;
                if answer.is_err() {
                    self.places.forget_aside();
                }
                Ok(answer?.0)
            }
            other => other,
        }
    }
}
