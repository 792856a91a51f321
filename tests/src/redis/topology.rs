//! Several servers that know of each other: a cluster, or a server with a replica and a Sentinel.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value, cmd};

use super::Redis;
use crate::within;

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// Keys of the slot looked for at a time.
const MOVED: u16 = 10;

/// Two servers that share the slots.
pub struct Cluster {
    pub nodes: [Redis; 2],
}

async fn ask(node: &mut MultiplexedConnection, words: &[&str]) -> Result<Value, RedisError> {
    let (verb, rest) = words.split_first().unwrap();
    cmd(verb).arg(rest).query_async(node).await
}

impl Cluster {
    pub async fn start() -> Self {
        let settings =
            ["--cluster-enabled", "yes", "--cluster-port", "{port}", "--save", "", "--cluster-node-timeout", "5000"];
        let nodes = [Redis::start_with(&settings).await, Redis::start_with(&settings).await];
        let [mut one, mut two] = [nodes[0].behind().await, nodes[1].behind().await];
        let half = SLOTS / 2;
        ask(&mut one, &["CLUSTER", "ADDSLOTSRANGE", "0", &(half - 1).to_string()]).await.unwrap();
        ask(&mut two, &["CLUSTER", "ADDSLOTSRANGE", &half.to_string(), &(SLOTS - 1).to_string()]).await.unwrap();
        let bus = nodes[1].settings.iter().skip_while(|word| *word != "--cluster-port").nth(1).unwrap().clone();
        ask(&mut one, &["CLUSTER", "MEET", "127.0.0.1", &nodes[1].port().to_string(), &bus]).await.unwrap();
        for node in [&mut one, &mut two] {
            within("the cluster to be whole", async {
                loop {
                    let info: String = cmd("CLUSTER").arg("INFO").query_async(node).await.unwrap();
                    if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2") {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        Self { nodes }
    }

    /// The place in `nodes` of the one that has the slot of `key`.
    pub async fn holder(&self, key: &str) -> usize {
        let mut one = self.nodes[0].behind().await;
        usize::from(cmd("EXISTS").arg(key).query_async::<Value>(&mut one).await.is_err())
    }

    /// Moves the slot of `key` to the other node as `redis-cli --cluster reshard` does, key by key, with `between`
    /// after each.
    pub async fn move_slot(&self, key: &str, mut between: impl AsyncFnMut()) {
        let from = self.holder(key).await;
        let (source, target) = (&self.nodes[from], &self.nodes[1 - from]);
        let (mut at_source, mut at_target) = (source.behind().await, target.behind().await);
        let slot: u16 = cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(&mut at_source).await.unwrap();
        let slot = slot.to_string();
        let source_id: String = cmd("CLUSTER").arg("MYID").query_async(&mut at_source).await.unwrap();
        let target_id: String = cmd("CLUSTER").arg("MYID").query_async(&mut at_target).await.unwrap();
        ask(&mut at_target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await.unwrap();
        ask(&mut at_source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await.unwrap();
        loop {
            let mut asking = cmd("CLUSTER");
            asking.arg("GETKEYSINSLOT").arg(&slot).arg(MOVED);
            let keys: Vec<Vec<u8>> = asking.query_async(&mut at_source).await.unwrap();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let mut moving = cmd("MIGRATE");
                moving.arg("127.0.0.1").arg(target.port()).arg(key).arg(0).arg(5_000);
                moving.query_async::<Value>(&mut at_source).await.unwrap();
                between().await;
            }
        }
        ask(&mut at_target, &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await.unwrap();
        ask(&mut at_source, &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await.unwrap();
    }
}

/// A server, its replica, and a Sentinel that makes the replica the server when the server is gone.
pub struct Watched {
    pub server: Redis,
    pub replica: Redis,
    pub sentinel: Redis,
}

impl Watched {
    /// The name by which the Sentinel knows the server.
    pub const NAME: &str = "main";

    pub async fn start() -> Self {
        let server = Redis::durable().await;
        let of = server.port().to_string();
        let replica = Redis::start_with(&["--save", "", "--replicaof", "127.0.0.1", &of]).await;
        let sentinel = Redis::sentinel(&format!(
            "sentinel monitor {name} 127.0.0.1 {of} 1\nsentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\nsentinel parallel-syncs {name} 1\n",
            name = Self::NAME
        ))
        .await;
        let watched = Self { server, replica, sentinel };
        let mut sentinel = watched.sentinel.behind().await;
        within("the Sentinel to know the replica", async {
            loop {
                let replicas: Vec<Value> =
                    cmd("SENTINEL").arg("REPLICAS").arg(Self::NAME).query_async(&mut sentinel).await.unwrap();
                let mut info = watched.replica.behind().await;
                let info: String = cmd("INFO").arg("replication").query_async(&mut info).await.unwrap();
                if !replicas.is_empty() && info.contains("master_link_status:up") {
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        watched
    }
}
