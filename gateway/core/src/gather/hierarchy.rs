//! What is it in, and what is that in? Folders in folders, groups in groups.
//!
//! Whatever stands above is put among the parents of the one below: policies can ask only whether something is in
//! something, so that to them a chain and its ends are the same.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use futures::future::join_all;

use super::attributes::{Attributes, Things};
use super::config::HierarchyConfig;
use super::{Param, TemplateFault};
use crate::refusal::{Code, Refusal};

/// Levels above one entity.
const DEEPEST: usize = 16;
/// Entities above one entity.
const MOST: usize = 64;
/// Entities that files may tell of, all together.
const MOST_TOLD: usize = 10_000;

/// What entities are in, by their type. What files tell is known at load, the rest is asked for.
#[derive(Clone, Debug, Default)]
pub struct Hierarchy {
    kinds: BTreeMap<EntityTypeName, Attributes>,
    /// Everything above an entity, where files tell of all of it.
    told: HashMap<EntityUid, Vec<EntityUid>>,
}

/// One fault of `[hierarchy.<type>]`: the type, and the key in there.
pub type HierarchyFault = (String, &'static str, TemplateFault);

/// Why what stands above an entity cannot be had.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Endless {
    /// It is above itself.
    Cycle(EntityUid),
    TooDeep,
    TooMany,
}

impl Hierarchy {
    /// `file`: what a file holds; `None`: it cannot be read, which has been told. All faults at once.
    pub fn compile<'f>(
        configs: &BTreeMap<String, HierarchyConfig>,
        file: impl Fn(&Path) -> Option<&'f [u8]>,
    ) -> Result<Self, Vec<HierarchyFault>> {
        let (mut kinds, mut faults) = (BTreeMap::new(), Vec::new());
        for (kind, config) in configs {
            let bytes = config.file.as_deref().and_then(&file);
            match (EntityTypeName::from_str(kind), Attributes::compile(&config.into(), &["id"], bytes)) {
                (Ok(name), Ok(attributes)) => {
                    kinds.insert(name, attributes);
                }
                (name, attributes) => {
                    let help = "name the section after an entity type of the schema: `[hierarchy.Folder]`";
                    let fault = TemplateFault { message: format!("`{kind}` is not an entity type"), help: help.into() };
                    faults.extend(name.is_err().then(|| (kind.clone(), "from", fault)));
                    let of = attributes.err().into_iter().flatten();
                    faults.extend(of.map(|(key, fault)| (kind.clone(), key, fault)));
                }
            }
        }
        let mut hierarchy = Self { kinds, told: HashMap::new() };
        if faults.is_empty() {
            faults = hierarchy.climb_files();
        }
        if faults.is_empty() { Ok(hierarchy) } else { Err(faults) }
    }

    /// Everything above each entity that a file tells of.
    fn climb_files(&mut self) -> Vec<HierarchyFault> {
        let named = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let all: Vec<EntityUid> = self
            .kinds
            .iter()
            .flat_map(|(kind, attributes)| attributes.ids().map(|id| named(kind, id)))
            .take(MOST_TOLD.saturating_add(1))
            .collect();
        let mut faults = Vec::new();
        let mut fault = |uid: &EntityUid, message: String, help: &str| {
            faults.push((uid.type_name().to_string(), "file", TemplateFault { message, help: help.to_owned() }));
        };
        for (at, uid) in all.iter().enumerate() {
            if at == MOST_TOLD {
                let help = "let the app be asked instead: `from = \"http\"`";
                fault(uid, format!("the files tell of more than {MOST_TOLD} entities"), help);
                break;
            }
            match self.climb(uid) {
                Ok(above) => {
                    self.told.insert(uid.clone(), above);
                }
                Err(endless) => {
                    fault(uid, format!("{uid}: {endless}"), "take out what leads back, or what is not needed above it");
                    // Everything below it is at fault, too.
                    break;
                }
            }
        }
        faults
    }

    fn climb(&self, uid: &EntityUid) -> Result<Vec<EntityUid>, Endless> {
        let mut climb = Climb::begin(uid, None)?;
        while let Some(level) = climb.level()? {
            for uid in level {
                let told = self.kinds.get(uid.type_name()).and_then(|kind| kind.told(uid.id().unescaped()));
                climb.found(uid, told.map(|known| known.parents).unwrap_or_default())?;
            }
        }
        climb.end()
    }

    /// Whatever files tell of, with everything above it.
    pub fn told(&self) -> impl Iterator<Item = (&EntityUid, &[EntityUid])> {
        self.told.iter().map(|(uid, above)| (uid, above.as_slice()))
    }

    /// Everything above `uid`, by what files tell; empty where they tell nothing.
    pub fn told_above(&self, uid: &EntityUid) -> &[EntityUid] {
        self.told.get(uid).map_or(&[], Vec::as_slice)
    }

    /// Everything above `uid`, whose own parents are `first` where they are known already. Each level is asked for at
    /// once. Refuses with `policy_error` where there is no end to it, and with `dependency_unavailable` as declared.
    pub async fn above(
        &self,
        uid: &EntityUid,
        first: Option<Vec<EntityUid>>,
        things: &dyn Things,
    ) -> Result<Vec<EntityUid>, Refusal> {
        let mut climb = Climb::begin(uid, first)?;
        while let Some(level) = climb.level()? {
            let asked = join_all(level.iter().map(|uid| self.parents(uid, things))).await;
            for (uid, parents) in level.into_iter().zip(asked) {
                climb.found(uid, parents?)?;
            }
        }
        Ok(climb.end()?)
    }

    async fn parents(&self, uid: &EntityUid, things: &dyn Things) -> Result<Vec<EntityUid>, Refusal> {
        let Some(kind) = self.kinds.get(uid.type_name()) else { return Ok(Vec::new()) };
        let id = uid.id().unescaped();
        let params: [Param<'_>; 1] = [("id", id.into())];
        kind.learn(id, &params, things).await.map(|known| known.parents)
    }

    /// Whether it says what entities of this type are in.
    pub fn tells_of(&self, kind: &EntityTypeName) -> bool {
        self.kinds.contains_key(kind)
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Every type it tells of, and where from.
    pub fn kinds(&self) -> impl Iterator<Item = (&EntityTypeName, &Attributes)> {
        self.kinds.iter()
    }
}

/// On the way up, level by level.
struct Climb {
    from: EntityUid,
    edges: HashMap<EntityUid, Vec<EntityUid>>,
    seen: HashSet<EntityUid>,
    next: Vec<EntityUid>,
    /// That may still be climbed.
    levels: usize,
}

impl Climb {
    fn begin(from: &EntityUid, first: Option<Vec<EntityUid>>) -> Result<Self, Endless> {
        let (edges, seen) = (HashMap::new(), HashSet::from([from.clone()]));
        let mut climb = Self { from: from.clone(), edges, seen, next: Vec::new(), levels: DEEPEST };
        if let Some(parents) = first {
            climb.found(from.clone(), parents)?;
        } else {
            climb.next.push(from.clone());
            climb.levels = DEEPEST.saturating_add(1);
        }
        Ok(climb)
    }

    /// Those whose parents are to be found next.
    fn level(&mut self) -> Result<Option<Vec<EntityUid>>, Endless> {
        let level = std::mem::take(&mut self.next);
        if level.is_empty() {
            return Ok(None);
        }
        // Whoever comes back to where they were finds nobody new, so this is no cycle.
        self.levels = self.levels.checked_sub(1).ok_or(Endless::TooDeep)?;
        Ok(Some(level))
    }

    fn found(&mut self, uid: EntityUid, parents: Vec<EntityUid>) -> Result<(), Endless> {
        for parent in &parents {
            if self.seen.insert(parent.clone()) {
                self.next.push(parent.clone());
            }
        }
        self.edges.insert(uid, parents);
        if self.seen.len() > MOST.saturating_add(1) { Err(Endless::TooMany) } else { Ok(()) }
    }

    fn end(self) -> Result<Vec<EntityUid>, Endless> {
        let (mut path, mut done) = (Vec::new(), HashSet::new());
        if let Some(uid) = self.comes_back(&self.from, &mut path, &mut done) {
            return Err(Endless::Cycle(uid.clone()));
        }
        let Self { from, seen, .. } = self;
        let mut above: Vec<EntityUid> = seen.into_iter().filter(|uid| *uid != from).collect();
        above.sort();
        Ok(above)
    }

    /// An entity that is above itself. No path is longer than [`MOST`].
    fn comes_back<'a>(
        &'a self,
        uid: &'a EntityUid,
        path: &mut Vec<&'a EntityUid>,
        done: &mut HashSet<&'a EntityUid>,
    ) -> Option<&'a EntityUid> {
        if path.contains(&uid) {
            return Some(uid);
        }
        if done.contains(uid) {
            return None;
        }
        path.push(uid);
        let found = self.edges.get(uid).into_iter().flatten().find_map(|parent| self.comes_back(parent, path, done));
        path.pop();
        done.insert(uid);
        found
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(uid) => write!(f, "what it is in leads back to itself at {uid}"),
            Self::TooDeep => write!(f, "what it is in is nested deeper than {DEEPEST} levels"),
            Self::TooMany => write!(f, "it is in more than {MOST} entities"),
        }
    }
}

impl From<Endless> for Refusal {
    fn from(endless: Endless) -> Self {
        Self::new(Code::PolicyError).because(format!("the resource's parents: {endless}"))
    }
}
