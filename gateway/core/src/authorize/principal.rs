//! The caller as a Cedar entity.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use serde_json::Value;

use super::fault::PolicyFault;
use super::shapes::{Field, Fields, Presence, Shapes};
use super::typed::{self, Misfit};
use crate::gather::Hierarchy;
use crate::identify::{Identity, Principal};

/// The entity types callers may have, with what the schema says of each.
#[derive(Debug, Default)]
pub(super) struct Principals {
    kept: Kept,
    anonymous: Option<Kind>,
    api_key: Option<Kind>,
    certificate: Option<Kind>,
    client: Option<Kind>,
    user: Option<Kind>,
}

/// Whether an identity keeps the entity that was made of it: only those of the policies that are enforced fit there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kept {
    Never,
    #[default]
    WithTheIdentity,
}

#[derive(Debug)]
struct Kind {
    name: EntityTypeName,
    /// Taken from claims or key metadata as they are.
    claims: Fields,
    /// Of holders of tokens: their `email` claim may be unverified, so it is never taken as it is.
    email: Option<Field>,
    /// Of groups; `None` when the schema lets this type be in none.
    group: Option<EntityTypeName>,
}

impl Principals {
    /// `file` is the schema's, for the faults. A type the schema does not declare is no fault: a route
    /// that needs it says so.
    pub(super) fn read(shapes: &Shapes, file: &str, kept: Kept) -> Result<Self, Vec<PolicyFault>> {
        let mut faults = Vec::new();
        let mut kind = |name| match Kind::read(name, shapes, file) {
            Ok(kind) => kind,
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        let principals = Self {
            kept,
            anonymous: kind("Anonymous"),
            api_key: kind("ApiKey"),
            certificate: kind("Certificate"),
            client: kind("Client"),
            user: kind("User"),
        };
        if faults.is_empty() { Ok(principals) } else { Err(faults) }
    }

    /// The entity of `identity`, built at most once per identity. `Err` is for the operator.
    pub(super) fn entity(
        &self,
        identity: &Identity,
        schema: &Schema,
        hierarchy: Option<&Hierarchy>,
    ) -> Result<Entity, String> {
        if self.kept == Kept::WithTheIdentity
            && let Some(entity) = identity.entity.get()
        {
            return Ok(entity.clone());
        }
        let kind = match identity.principal {
            Principal::Anonymous => &self.anonymous,
            Principal::ApiKey(_) => &self.api_key,
            Principal::Certificate(_) => &self.certificate,
            Principal::Client(_) => &self.client,
            Principal::User(_) => &self.user,
        };
        let name = identity.principal.kind();
        let kind = kind.as_ref().ok_or_else(|| format!("the schema has no entity type `{name}`"))?;
        let entity = kind.entity(identity, hierarchy)?;
        // Once more by Cedar's own judgement, since the route's store trusts what is put into it.
        Entities::empty()
            .add_entities([entity.clone()], Some(schema))
            .map_err(|_| format!("`{}` does not fit the schema's `{name}`", identity.principal))?;
        if self.kept == Kept::WithTheIdentity {
            // Another request with the same identity may have been faster; both built the same.
            let _ = identity.entity.set(entity.clone());
        }
        Ok(entity)
    }
}

impl Kind {
    fn read(name: &str, shapes: &Shapes, file: &str) -> Result<Option<Self>, PolicyFault> {
        let Some(shape) = shapes.entities.get(name) else { return Ok(None) };
        if let Some(path) = shape.fields.entity_inside() {
            return Err(PolicyFault::new(
                file,
                format!("attribute `{path}` of `{name}` is an entity, which no claim can be"),
            )
            .help("declare it as `String`, and compare it with the entity's id"));
        }
        let type_name = |name| {
            EntityTypeName::from_str(name)
                .map_err(|error| PolicyFault::new(file, format!("`{name}` is not a type: {error}")))
        };
        let grouped = shape.member_of.iter().any(|parent| parent == "Group");
        let group = if grouped { Some(type_name("Group")?) } else { None };
        let mut claims = shape.fields.clone();
        let email = if matches!(name, "Client" | "User") { claims.0.remove("email") } else { None };
        Ok(Some(Self { name: type_name(name)?, claims, email, group }))
    }

    fn entity(&self, identity: &Identity, hierarchy: Option<&Hierarchy>) -> Result<Entity, String> {
        let uid = EntityUid::from_type_name_and_id(self.name.clone(), EntityId::new(identity.principal.id()));
        let explain = |misfit| format!("attribute {misfit} (of {})", identity.principal);
        let mut attributes: HashMap<_, _> =
            typed::record(&identity.attributes, &self.claims).map_err(explain)?.into_iter().collect();
        if let Some(email) = self.email(identity).map_err(explain)? {
            attributes.insert("email".to_owned(), email);
        }
        let parents = self.group.iter().flat_map(|group| {
            identity.groups.iter().map(|id| EntityUid::from_type_name_and_id(group.clone(), EntityId::new(id)))
        });
        let mut parents: HashSet<EntityUid> = parents.collect();
        if let Some(hierarchy) = hierarchy {
            let above = parents.iter().flat_map(|group| hierarchy.told_above(group));
            parents = above.cloned().chain(parents.iter().cloned()).collect();
        }
        Entity::new(uid, attributes, parents)
            .map_err(|error| format!("attribute `{}` of {} cannot be evaluated", error.attr(), identity.principal))
    }

    fn email(&self, identity: &Identity) -> Result<Option<RestrictedExpression>, Misfit> {
        match (&self.email, &identity.email) {
            (None, _) | (Some(Field { presence: Presence::Optional, .. }), None) => Ok(None),
            (Some(field @ Field { presence: Presence::Required, .. }), None) => Err(typed::missing(&field.shape)),
            (Some(field), Some(email)) => typed::fit(&Value::from(&**email), &field.shape).map(Some),
        }
        .map_err(|misfit| misfit.under("email"))
    }
}
