//! Which policies can concern a route, by their scope alone.
//!
//! A policy is left out only where its scope is false for every request of the route, so the decision
//! is that of all policies.

use std::collections::HashSet;

use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint,
};

use crate::authorize::policies::Compiled;

pub(super) fn of(compiled: &Compiled, action: (&EntityUid, &Entities), resource: &EntityTypeName) -> PolicySet {
    let principals = compiled.schema.principals_for_action(action.0);
    let principals: HashSet<&EntityTypeName> = principals.into_iter().flatten().collect();
    let mut slice = PolicySet::new();
    for policy in compiled.about(action.0) {
        if by_action(policy, action) && by_principal(policy, &principals) && by_resource(policy, resource) {
            // Ids were made unique when the policies were compiled, and that is all `add` asks for.
            let _ = slice.add(policy.clone());
        }
    }
    slice
}

fn by_action(policy: &Policy, (action, base): (&EntityUid, &Entities)) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(only) => only == *action,
        ActionConstraint::In(some) => some.iter().any(|one| one == action || base.is_ancestor_of(one, action)),
    }
}

fn by_principal(policy: &Policy, kinds: &HashSet<&EntityTypeName>) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(uid) => kinds.contains(uid.type_name()),
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => kinds.contains(&kind),
    }
}

fn by_resource(policy: &Policy, resource: &EntityTypeName) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
        ResourceConstraint::Eq(uid) => uid.type_name() == resource,
        ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => kind == *resource,
    }
}
