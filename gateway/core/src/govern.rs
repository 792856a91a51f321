//! Who may run the gateway? The operations of the admin API, decided by Cedar like everything else.
//!
//! An administrator is somebody with *roles*: the admin key, an API key that carries them, a person whose groups mean
//! them (`[admin.roles]`), or the holder of a certificate (`[admin.holders]`). What a role may is written in `admin.cedar`; the operator's own file takes the place of the
//! one that is compiled in. The schema is the gateway's: it says what there is to be decided.

mod config;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use serde_json::Value;

use crate::authorize::{Denied, Direct, Grant, Policies, PolicyFault, Source};
use crate::identify::{Identify, Identity, Principal};
use crate::refusal::{Code, Refusal};

pub use config::{AdminConfig, HolderConfig, IfMatch, Role};

/// Policies for whoever writes none.
pub const POLICIES: &str = include_str!("../../../policies/admin.cedar");
/// What there is to be decided.
pub const SCHEMA: &str = include_str!("../../../policies/admin.cedarschema");
/// The file, in the folder of the policies, that takes the place of [`POLICIES`].
pub const FILE: &str = "admin.cedar";
/// An API key is an administrator's by roles that begin so: `portcullis:viewer`.
pub const ROLE_PREFIX: &str = "portcullis:";

/// The policies about administrators, and who is one.
#[derive(Debug)]
pub struct Governance {
    direct: Direct,
    roles: HashMap<Arc<str>, Vec<Role>>,
    holders: BTreeMap<String, HolderConfig>,
    project_claim: String,
    identify: Identify,
}

/// Somebody who may be permitted something.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// For the audit log: `admin`, `ApiKey::"…"`, `Certificate::"…"`, `User::"…"`.
    pub actor: Arc<str>,
    entity: Entity,
}

/// What an operation is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Gateway,
    Key(KeyFacts<'a>),
}

/// What policies may know of an API key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyFacts<'a> {
    /// Empty for one that is still to be made.
    pub id: &'a str,
    pub owner: &'a str,
    pub project: Option<&'a str>,
    pub roles: &'a [String],
}

impl Governance {
    /// Compiles `source`, the operator's `admin.cedar`; `None`: what is compiled in.
    pub fn compile(source: Option<Source>, config: &AdminConfig, identify: Identify) -> Result<Self, Vec<PolicyFault>> {
        let schema = Source { file: "admin.cedarschema".to_owned(), text: SCHEMA.to_owned() };
        let source = source.unwrap_or_else(|| Source { file: FILE.to_owned(), text: POLICIES.to_owned() });
        let policies = Policies::compile(&schema, &[source])?;
        let direct = Direct::new(policies).map_err(|message| vec![PolicyFault::whole(&schema.file, message)])?;
        let roles = config.roles.iter().map(|(group, roles)| (Arc::from(group.as_str()), roles.clone())).collect();
        let (holders, project_claim) = (config.holders.clone(), config.project_claim.clone());
        Ok(Self { direct, roles, holders, project_claim, identify })
    }

    /// Who shows what an administrator may be known by.
    pub fn identify(&self) -> &Identify {
        &self.identify
    }

    /// The operations the schema knows.
    pub fn operations(&self) -> Vec<String> {
        self.direct.actions()
    }

    /// Whoever holds the admin key.
    ///
    /// # Errors
    /// Never, but for what Cedar might say of an entity.
    pub fn holder_of_the_admin_key(&self) -> Result<Administrator, Refusal> {
        Ok(Administrator {
            actor: "admin".into(),
            entity: entity("AdminKey", "admin", &[Role::Admin], &[], Vec::new())?,
        })
    }

    /// `None`: an API key like any other, which is no credential here.
    pub fn administrator(&self, identity: &Identity) -> Result<Option<Administrator>, Refusal> {
        let principal = &identity.principal;
        let (roles, claim) = match principal {
            Principal::ApiKey(_) => {
                let named = identity.groups.iter().filter_map(|group| group.strip_prefix("keys|"));
                let roles: Vec<Role> =
                    named.filter_map(|role| role.strip_prefix(ROLE_PREFIX)).filter_map(Role::named).collect();
                if roles.is_empty() {
                    return Ok(None);
                }
                (roles, "project")
            }
            Principal::Client(_) | Principal::User(_) => {
                let roles = identity.groups.iter().filter_map(|group| self.roles.get(group)).flatten().copied();
                (roles.collect(), self.project_claim.as_str())
            }
            Principal::Certificate(name) => {
                // Whoever is named nowhere is somebody with no role, as a person whose groups mean nothing here.
                let holder = self.holders.get(&**name);
                let (roles, projects) = holder.map(|h| (&*h.roles, h.projects.clone())).unwrap_or_default();
                let entity = entity(principal.kind(), principal.id(), roles, &[], projects)?;
                return Ok(Some(Administrator { actor: principal.to_string().into(), entity }));
            }
            Principal::Anonymous => return Ok(None),
        };
        let projects = match identity.attributes.get(claim) {
            Some(Value::String(project)) => vec![project.clone()],
            Some(Value::Array(projects)) => projects.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let entity = entity(principal.kind(), principal.id(), &roles, &identity.groups, projects)?;
        Ok(Some(Administrator { actor: principal.to_string().into(), entity }))
    }

    /// Whether `who` may do `operation` to `subject`, asking from `ip`.
    pub fn may(&self, who: &Administrator, operation: &str, subject: Subject<'_>, ip: IpAddr) -> Result<Grant, Denied> {
        let odd = |why: &str| Denied::by_nobody(Refusal::new(Code::PolicyError).because(why.to_owned()));
        let resource = thing(subject).map_err(|refusal| odd(&refusal.reason))?;
        let context = Context::from_pairs([("ip".to_owned(), crate::authorize::ip_expression(ip))]);
        let context = context.map_err(|_| odd("the context cannot be had"))?;
        self.direct.ask(who.entity.clone(), operation, resource, context)
    }
}

fn entity(kind: &str, id: &str, roles: &[Role], groups: &[Arc<str>], projects: Vec<String>) -> Result<Entity, Refusal> {
    let mut parents = HashSet::new();
    for role in roles {
        parents.insert(uid("Role", role.name())?);
    }
    for group in groups {
        parents.insert(uid("Group", group)?);
    }
    let projects = RestrictedExpression::new_set(projects.into_iter().map(RestrictedExpression::new_string));
    let attributes = HashMap::from([("projects".to_owned(), projects)]);
    Entity::new(uid(kind, id)?, attributes, parents).map_err(|_| odd("the administrator is no entity"))
}

fn thing(subject: Subject<'_>) -> Result<Entity, Refusal> {
    match subject {
        Subject::Gateway => Ok(Entity::new_no_attrs(uid("Gateway", "gateway")?, HashSet::new())),
        Subject::Key(KeyFacts { id, owner, project, roles }) => {
            let grants = roles.iter().any(|role| role.starts_with(ROLE_PREFIX));
            let mut attributes = HashMap::from([
                ("owner".to_owned(), RestrictedExpression::new_string(owner.to_owned())),
                ("grants_admin_role".to_owned(), RestrictedExpression::new_bool(grants)),
            ]);
            if let Some(project) = project {
                attributes.insert("project".to_owned(), RestrictedExpression::new_string(project.to_owned()));
            }
            Entity::new(uid("Key", id)?, attributes, HashSet::new()).map_err(|_| odd("the key is no entity"))
        }
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Refusal> {
    let kind: EntityTypeName = kind.parse().map_err(|_| odd("no such type"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn odd(why: &'static str) -> Refusal {
    Refusal::new(Code::PolicyError).because(why)
}
