//! What could be made sense of? Every part that fits its type; the others are known by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use validator::Validate;

use super::files::Desk;
use super::tree::{Node, Value};
use super::typed;
use crate::config::{
    AdminConfig, Config, ControlConfig, CountersConfig, GuardConfig, HierarchyConfig, ObserveConfig, PlanConfig,
    PoliciesConfig, ProviderConfig, RouteConfig, ServerConfig, SessionsConfig, StageConfig, StoreConfig, TlsConfig,
    TokenSourceConfig, UpstreamConfig, ValidateConfig,
};

/// A configuration with holes where a part is at fault.
pub(in crate::config) struct Draft {
    pub(in crate::config) include: Vec<String>,
    pub(in crate::config) server: Option<ServerConfig>,
    pub(in crate::config) admin: Option<AdminConfig>,
    pub(in crate::config) tls: Option<TlsConfig>,
    pub(in crate::config) store: Option<StoreConfig>,
    pub(in crate::config) control: Option<ControlConfig>,
    pub(in crate::config) counters: Option<CountersConfig>,
    pub(in crate::config) policies: Option<PoliciesConfig>,
    pub(in crate::config) guard: Option<GuardConfig>,
    pub(in crate::config) limit: Option<StageConfig>,
    pub(in crate::config) authorize: Option<StageConfig>,
    pub(in crate::config) validate: Option<ValidateConfig>,
    pub(in crate::config) observe: Option<ObserveConfig>,
    pub(in crate::config) sessions: Option<SessionsConfig>,
    pub(in crate::config) providers: BTreeMap<String, Option<ProviderConfig>>,
    pub(in crate::config) tokens: BTreeMap<String, Option<TokenSourceConfig>>,
    pub(in crate::config) plans: BTreeMap<String, Option<PlanConfig>>,
    pub(in crate::config) hierarchy: BTreeMap<String, Option<HierarchyConfig>>,
    pub(in crate::config) upstreams: BTreeMap<String, Option<UpstreamConfig>>,
    pub(in crate::config) routes: Vec<Option<RouteConfig>>,
    /// A file is not known at all: names that seem to be missing may stand in it.
    pub(in crate::config) torn: bool,
}

impl Draft {
    pub(super) fn make(desk: &mut Desk<'_>) -> Self {
        Self {
            include: texts(desk, "include"),
            server: section(desk, "server"),
            admin: section(desk, "admin"),
            tls: section(desk, "tls"),
            store: section(desk, "store"),
            control: section(desk, "control"),
            counters: section(desk, "counters"),
            policies: section(desk, "policies"),
            guard: section(desk, "guard"),
            limit: section(desk, "limit"),
            authorize: section(desk, "authorize"),
            validate: section(desk, "validate"),
            observe: section(desk, "observe"),
            sessions: section(desk, "sessions"),
            providers: named(desk, "providers"),
            tokens: named(desk, "tokens"),
            plans: named(desk, "plans"),
            hierarchy: named(desk, "hierarchy"),
            upstreams: named(desk, "upstreams"),
            routes: routes(desk),
            torn: desk.torn,
        }
    }

    /// `None` when anything is at fault.
    pub(super) fn finish(self) -> Option<Config> {
        fn whole<T>(parts: BTreeMap<String, Option<T>>) -> Option<BTreeMap<String, T>> {
            parts.into_iter().map(|(name, part)| Some((name, part?))).collect()
        }
        Some(Config {
            include: self.include,
            server: self.server?,
            admin: self.admin?,
            tls: self.tls?,
            store: self.store?,
            control: self.control?,
            counters: self.counters?,
            policies: self.policies?,
            guard: self.guard?,
            limit: self.limit?,
            authorize: self.authorize?,
            validate: self.validate?,
            observe: self.observe?,
            sessions: self.sessions?,
            providers: whole(self.providers)?,
            tokens: whole(self.tokens)?,
            plans: whole(self.plans)?,
            hierarchy: whole(self.hierarchy)?,
            upstreams: whole(self.upstreams)?,
            routes: self.routes.into_iter().collect::<Option<_>>()?,
        })
    }
}

fn texts(desk: &Desk<'_>, key: &str) -> Vec<String> {
    let list = desk.spans.files.first().and_then(|main| main.tree.table()?.get(key)?.node.list());
    list.into_iter().flatten().filter_map(|node| node.text().map(str::to_owned)).collect()
}

/// A section of the main file; one that is not written is read as an empty table.
fn section<T: for<'de> Deserialize<'de> + Validate>(desk: &mut Desk<'_>, key: &str) -> Option<T> {
    let written = desk.spans.files.first().and_then(|main| Some(&main.tree.table()?.get(key)?.node));
    typed::read(0, written.unwrap_or(&Node::default()), &mut desk.findings)
}

/// All tables of a section of named tables, from every file.
fn named<T>(desk: &mut Desk<'_>, section: &'static str) -> BTreeMap<String, Option<T>>
where
    T: for<'de> Deserialize<'de> + Validate,
{
    let mut parts = BTreeMap::new();
    for (file, text) in desk.spans.files.iter().enumerate() {
        let Some(entry) = text.tree.table().and_then(|table| table.get(section)) else { continue };
        let Some(table) = entry.node.table() else {
            let message = format!("expected tables with names, as in `[{section}.app]`");
            desk.findings.add(file, entry.node.span.clone(), message, None);
            continue;
        };
        for (name, entry) in table {
            if desk.spans.named.get(&(section, name.clone())) == Some(&file) {
                parts.insert(name.clone(), typed::read(file, &entry.node, &mut desk.findings));
            }
        }
    }
    parts
}

fn routes(desk: &mut Desk<'_>) -> Vec<Option<RouteConfig>> {
    let mut routes = Vec::new();
    for (file, text) in desk.spans.files.iter().enumerate() {
        let Some(entry) = text.tree.table().and_then(|table| table.get("routes")) else { continue };
        match &entry.node.value {
            Value::List(list) => {
                routes.extend(list.iter().map(|node| typed::read(file, node, &mut desk.findings)));
            }
            Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) | Value::Table(_) | Value::Text(_) => {
                let help = "each route has a header of its own with two brackets: `[[routes]]`".to_owned();
                desk.findings.add(file, entry.node.span.clone(), "expected a list of routes".to_owned(), Some(help));
            }
        }
    }
    routes
}
