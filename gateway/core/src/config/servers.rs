//! Which Redis servers, and what are they to one another? The same for the store and for the counters.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::ValidationError;

use super::{Secret, checks};

/// What the servers are to one another.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreMode {
    /// A Redis Cluster; the URL is one of its nodes.
    Cluster,
    /// Sentinels watch over a server and its replicas; the URL is a Sentinel.
    Sentinel,
    /// One server.
    #[default]
    Standalone,
}

/// What a section says of its servers.
#[derive(Clone, Copy, Debug)]
pub struct Servers<'c> {
    /// As in `store.url`.
    pub section: &'static str,
    pub url: &'c Secret,
    pub mode: StoreMode,
    pub nodes: &'c [String],
    pub master: Option<&'c str>,
    pub sentinel_password: Option<&'c Secret>,
    pub ca: Option<&'c Path>,
}

impl Servers<'_> {
    /// What does not fit, by its key. `embedded` is the scheme of what needs no server.
    pub(super) fn faults(self, embedded: &'static str) -> Vec<(&'static str, ValidationError)> {
        let fault = |message: &str| ValidationError::new("store").with_message(message.to_owned().into());
        let mut faults: Vec<(&'static str, ValidationError)> = Vec::new();
        faults.extend(checks::store_scheme(self.url.expose(), embedded).err().map(|error| ("url", error)));
        faults.extend(checks::nodes(self.nodes).err().map(|error| ("nodes", error)));
        if self.url.expose().starts_with(embedded) {
            let of_redis = "this is of Redis servers: leave it out, or write `url = \"redis://…\"`";
            let written = [
                ("mode", self.mode != StoreMode::default()),
                ("nodes", !self.nodes.is_empty()),
                ("master", self.master.is_some()),
                ("ca", self.ca.is_some()),
                ("sentinel_password", self.sentinel_password.is_some()),
            ];
            faults.extend(written.into_iter().filter(|(_, written)| *written).map(|(name, _)| (name, fault(of_redis))));
            return faults;
        }
        match (self.mode, self.master) {
            (StoreMode::Sentinel, None) => faults.push((
                "mode",
                fault(
                    "Sentinels know servers by name: write `master = \"NAME\"`, as in their `sentinel monitor NAME …`",
                ),
            )),
            (StoreMode::Cluster | StoreMode::Standalone, Some(_)) => {
                faults.push((
                    "master",
                    fault("this is the name of a server among Sentinels: write `mode = \"sentinel\"`"),
                ));
            }
            (StoreMode::Sentinel, Some(_)) | (StoreMode::Cluster | StoreMode::Standalone, None) => {}
        }
        if self.mode == StoreMode::Standalone && !self.nodes.is_empty() {
            faults.push((
                "nodes",
                fault("one server has no others: write `mode = \"sentinel\"` or `mode = \"cluster\"`"),
            ));
        }
        if self.ca.is_some() && !self.url.expose().starts_with("rediss://") {
            faults.push(("ca", fault("it vouches for servers with TLS: write `url = \"rediss://…\"`")));
        }
        faults
    }
}
