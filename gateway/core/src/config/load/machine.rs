//! What of a configuration belongs to the machine, and what to every replica?
//!
//! Where the text comes from a revision, listeners, stores, logs and secrets are still those of the machine's own files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::Desk;
use super::{Draft, PathPart};
use crate::config::{
    AdminConfig, Config, ControlConfig, CountersConfig, ObserveConfig, Secret, ServerConfig, StoreConfig,
};

/// What each machine has for itself.
#[derive(Clone, Debug)]
pub struct Machine {
    server: ServerConfig,
    store: StoreConfig,
    counters: CountersConfig,
    observe: ObserveConfig,
    control: ControlConfig,
    max_connections: u32,
    root: PathBuf,
    /// By key: `providers.company.client_secret`.
    secrets: BTreeMap<String, Secret>,
}

/// Whose text it is.
#[derive(Clone, Copy, Debug)]
pub enum Terms<'m> {
    /// Somebody sends it, to be put in force: it may change nothing that is a machine's own, and name no file for a value.
    Applying(&'m Machine),
    /// The machine's own.
    Own,
    /// It was applied before: what it says of things that are a machine's own is passed over.
    Revision(&'m Machine),
}

const HELP: &str =
    "leave it out, or write what the machine's own file says; to change it, change that file and restart";

impl Machine {
    pub(super) fn of(config: &Config, root: &Path, secrets: BTreeMap<String, Secret>) -> Self {
        Self {
            server: config.server.clone(),
            store: config.store.clone(),
            counters: config.counters.clone(),
            observe: config.observe.clone(),
            control: config.control.clone(),
            max_connections: config.admin.max_connections,
            root: root.to_owned(),
            secrets,
        }
    }

    pub fn control(&self) -> &ControlConfig {
        &self.control
    }

    pub fn server(&self) -> &ServerConfig {
        &self.server
    }

    pub fn store(&self) -> &StoreConfig {
        &self.store
    }

    /// The secret at this key.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        self.secrets.get(key)
    }

    /// As [`super::Loaded::root`].
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The sections that are others in `new`, and that no process changes while it runs.
    pub fn differences(&self, new: &Self) -> Vec<&'static str> {
        let sections = [
            ("server", self.server != new.server),
            ("store", self.store != new.store),
            ("counters", self.counters != new.counters),
            ("observe", self.observe != new.observe),
            ("control", self.control.source != new.control.source),
            ("admin", self.max_connections != new.max_connections),
        ];
        sections.into_iter().filter(|(_, other)| *other).map(|(name, _)| name).collect()
    }

    /// The same, with the secrets of other files.
    #[must_use]
    pub fn with_secrets_of(&self, other: Self) -> Self {
        Self { secrets: other.secrets, ..self.clone() }
    }
}

/// Puts what is the machine's own in the place of what the text says of it.
pub(super) fn keep(draft: &mut Draft, desk: &mut Desk<'_>) {
    let (machine, applying) = match desk.terms {
        Terms::Own => return,
        Terms::Applying(machine) => (machine, true),
        Terms::Revision(machine) => (machine, false),
    };
    if applying {
        let written = |name: &str| {
            desk.spans.files.first().and_then(|main| main.tree.table()).is_some_and(|table| table.contains_key(name))
        };
        let max_connections = draft.admin.as_ref().map(|admin| admin.max_connections);
        let others = [
            ("server", draft.server.as_ref().is_some_and(|own| *own != machine.server)),
            ("store", draft.store.as_ref().is_some_and(|own| *own != machine.store)),
            ("counters", draft.counters.as_ref().is_some_and(|own| *own != machine.counters)),
            ("observe", draft.observe.as_ref().is_some_and(|own| *own != machine.observe)),
            ("control", draft.control.as_ref().is_some_and(|own| *own != machine.control)),
        ];
        let mut others: Vec<&str> =
            others.into_iter().filter(|(name, other)| *other && written(name)).map(|(name, _)| name).collect();
        if max_connections
            .is_some_and(|most| most != machine.max_connections && most != AdminConfig::default().max_connections)
        {
            others.push("admin");
        }
        for name in others {
            let (file, span) = desk.spans.find(&[PathPart::Key(name)]);
            let what = if name == "admin" { "`admin.max_connections`".to_owned() } else { format!("`[{name}]`") };
            let message = format!(
                "{what} is another than on the machine: it belongs to each machine, and no revision changes it"
            );
            desk.findings.add(file, span, message, Some(HELP.to_owned()));
        }
        let mut clear = Vec::new();
        for (at, file) in desk.spans.files.iter().enumerate() {
            clear.extend(file.in_clear().into_iter().map(|(key, span)| (at, key, span)));
        }
        for (file, key, span) in
            clear.into_iter().filter(|(_, key, _)| !MACHINES.iter().any(|own| key.starts_with(own)))
        {
            let help =
                format!("write `${{NAME}}`, a variable of every replica, or `${{own:{key}}}`, what its own files say");
            desk.findings.add(file, span, "a secret in clear would be kept in every revision".to_owned(), Some(help));
        }
    }
    draft.server = Some(machine.server.clone());
    draft.store = Some(machine.store.clone());
    draft.counters = Some(machine.counters.clone());
    draft.observe = Some(machine.observe.clone());
    draft.control = Some(machine.control.clone());
    if let Some(admin) = &mut draft.admin {
        admin.max_connections = machine.max_connections;
    }
}

/// Where secrets that stand in clear are passed over, since the text is.
const MACHINES: [&str; 2] = ["store.", "counters."];
