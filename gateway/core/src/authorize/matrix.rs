//! Who may do what? Every role against every route, without a request.
//!
//! INVARIANT: where a cell says `allow`, the policies allow every such request, and where it says `deny`, none.
//! Anything in between says on what it depends.

mod fold;
mod markdown;

use std::collections::BTreeSet;

use cedar_policy::{Effect, EntityId, EntityTypeName, EntityUid};
use serde::Serialize;
use serde_json::Value;

pub use markdown::{Change, Direction, differences, markdown};

use super::bind::Caller;
use super::est;
use super::policies::{Compiled, Policies};
use super::shapes::{EntityShape, Fields};
use crate::gather::{Gather, Hierarchy};
use crate::mode::Mode;
use fold::{Folded, Known, Side};

/// A kind of caller: its entity type, and the groups it is in, no more and no less.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Role {
    pub kind: &'static str,
    /// Qualified: `demo|writers`.
    pub groups: BTreeSet<String>,
}

/// A route, as far as the matrix must know it.
#[derive(Clone, Debug)]
pub struct Door<'a> {
    pub name: &'a str,
    /// As written: `GET /api/orders/{id}`.
    pub pattern: &'a str,
    pub callers: &'a [Caller],
    /// Whether nobody's credential is looked at.
    pub public: Public,
    pub resource: &'a Gather,
    pub mode: Mode,
}

/// Does a route look at credentials?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Public {
    No,
    Yes,
}

/// What becomes of every request of one role on one route.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "answer", content = "condition", rename_all = "lowercase")]
pub enum Cell {
    Allow,
    Deny,
    /// On this condition, in Cedar.
    Depends(String),
    /// The policies are not enforced on this route: whoever may come this far gets through.
    Unenforced,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Row {
    pub route: String,
    #[serde(rename = "match")]
    pub pattern: String,
    /// In the order of the roles.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Matrix {
    pub roles: Vec<Role>,
    pub rows: Vec<Row>,
}

impl Policies {
    /// The roles that make a difference: nobody in particular, each kind of caller in no group, in each group that the
    /// policies name, and in each that is in one of those by what a file says. `kinds`: those that some route lets in.
    pub fn roles(&self, kinds: &BTreeSet<&'static str>) -> BTreeSet<Role> {
        let jsons: Vec<Value> = self.0.rules.iter().filter_map(|rule| rule.policy.to_json().ok()).collect();
        let mut named = Vec::new();
        for json in &jsons {
            est::entities(json, &mut named);
        }
        let mut groups: BTreeSet<&str> =
            named.into_iter().filter(|(kind, _)| *kind == "Group").map(|(_, id)| id).collect();
        let told = self.0.hierarchy().into_iter().flat_map(Hierarchy::told);
        let group = |uid: &EntityUid| uid.type_name().to_string() == "Group";
        let in_one = |above: &[EntityUid]| above.iter().any(|uid| group(uid) && groups.contains(uid.id().unescaped()));
        let below: Vec<&str> =
            told.filter(|(uid, above)| group(uid) && in_one(above)).map(|(uid, _)| uid.id().unescaped()).collect();
        groups.extend(below);
        let mut roles = BTreeSet::new();
        for kind in kinds {
            roles.insert(Role { kind, groups: BTreeSet::new() });
            let member =
                self.0.shapes.entities.get(*kind).is_some_and(|shape| shape.member_of.iter().any(|of| of == "Group"));
            for group in groups.iter().filter(|group| member && fits(kind, group)) {
                roles.insert(Role { kind, groups: BTreeSet::from([(*group).to_owned()]) });
            }
        }
        roles
    }

    pub fn matrix(&self, doors: &[Door<'_>], roles: &BTreeSet<Role>) -> Matrix {
        let rows = doors
            .iter()
            .map(|door| Row {
                route: door.name.to_owned(),
                pattern: door.pattern.to_owned(),
                cells: roles.iter().map(|role| cell(&self.0, door, role)).collect(),
            })
            .collect();
        Matrix { roles: roles.iter().cloned().collect(), rows }
    }
}

/// Groups of keys are of the alias `keys`; everybody else's are of an issuer.
fn fits(kind: &str, group: &str) -> bool {
    match kind {
        "ApiKey" => group.starts_with("keys|"),
        "Anonymous" | "Certificate" => false,
        _ => !group.starts_with("keys|"),
    }
}

fn cell(compiled: &Compiled, door: &Door<'_>, role: &Role) -> Cell {
    let nobody = Role { kind: "Anonymous", groups: BTreeSet::new() };
    let role = match door.public {
        Public::Yes => &nobody,
        Public::No => role,
    };
    if !door.callers.iter().any(|caller| caller.yields().contains(&role.kind)) {
        return Cell::Deny;
    }
    match door.mode {
        Mode::Enforce => {}
        Mode::Off | Mode::Shadow => return Cell::Unenforced,
    }
    let Some((folded, action)) = fold(compiled, door, role) else { return Cell::Deny };
    let principals = compiled.schema.principals_for_action(&action);
    if !principals.into_iter().flatten().any(|kind| kind.to_string() == role.kind) {
        return Cell::Deny;
    }
    judge(folded)
}

/// Every policy that is not certainly silent.
fn fold(compiled: &Compiled, door: &Door<'_>, role: &Role) -> Option<(Vec<(Effect, Folded)>, EntityUid)> {
    let all = &compiled.actions;
    let action = all
        .iter()
        .map(cedar_policy::Entity::uid)
        .find(|uid| uid.type_name().to_string() == "Action" && uid.id().unescaped() == door.name)?;
    let pair = |uid: &EntityUid| (uid.type_name().to_string(), uid.id().unescaped().to_owned());
    let action_groups = all.ancestors(&action).into_iter().flatten().map(pair).collect();
    let nothing = EntityShape::default();
    let no_fields = Fields::default();
    let principal = compiled.shapes.entities.get(role.kind).unwrap_or(&nothing);
    let kind = door.resource.kind().to_string();
    let resource = compiled.shapes.entities.get(&kind).unwrap_or(&nothing);
    let groups = groups(compiled, role);
    let told = no_parents(compiled, "Group") || compiled.hierarchy().is_some();
    let grouped = principal.member_of.iter().all(|of| of == "Group") && told;
    let none = BTreeSet::new();
    let known = Known {
        principal: Side {
            kind: role.kind,
            id: (role.kind == "Anonymous").then_some("anonymous"),
            ancestors: grouped.then_some(&groups),
            fields: &principal.fields,
        },
        resource: Side {
            kind: &kind,
            id: door.resource.fixed_id(),
            ancestors: resource.member_of.is_empty().then_some(&none),
            fields: &resource.fields,
        },
        action: ("Action", door.name),
        action_groups: &action_groups,
        context: compiled.shapes.contexts.get(door.name).unwrap_or(&no_fields),
    };
    let mut folded = Vec::new();
    for rule in &compiled.rules {
        // A policy that cannot be read may do anything.
        let json = rule.policy.to_json().ok()?;
        let parts = est::scope(&json).into_iter().chain(est::conditions(&json));
        let whole = parts.map(|part| known.fold(&part)).reduce(Folded::and)?;
        if whole.may_hold || whole.may_err {
            folded.push((rule.policy.effect(), whole));
        }
    }
    Some((folded, action))
}

/// The groups of a role, and what those are in.
fn groups(compiled: &Compiled, role: &Role) -> BTreeSet<(String, String)> {
    let mut groups: BTreeSet<(String, String)> =
        role.groups.iter().map(|group| ("Group".to_owned(), group.clone())).collect();
    if let (Some(hierarchy), Ok(kind)) = (compiled.hierarchy(), "Group".parse::<EntityTypeName>()) {
        for group in &role.groups {
            let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(group));
            let above = hierarchy.told_above(&uid).iter();
            groups.extend(above.map(|uid| (uid.type_name().to_string(), uid.id().unescaped().to_owned())));
        }
    }
    groups
}

fn no_parents(compiled: &Compiled, kind: &str) -> bool {
    compiled.shapes.entities.get(kind).is_none_or(|shape| shape.member_of.is_empty())
}

fn judge(policies: Vec<(Effect, Folded)>) -> Cell {
    let (permits, forbids): (Vec<_>, Vec<_>) = policies.into_iter().partition(|(effect, _)| *effect == Effect::Permit);
    let certain = |(_, folded): &(Effect, Folded)| folded.holds();
    let lost = |(_, folded): &(Effect, Folded)| !folded.may_fail_to_hold && (folded.may_err && !folded.may_hold);
    let forbidden = |(_, folded): &(Effect, Folded)| !folded.may_fail_to_hold;
    if forbids.iter().any(forbidden) || permits.iter().any(lost) || !permits.iter().any(|(_, permit)| permit.may_hold) {
        return Cell::Deny;
    }
    let sound = permits.iter().chain(&forbids).all(|(_, folded)| !folded.may_err);
    if sound && forbids.is_empty() && permits.iter().any(certain) {
        return Cell::Allow;
    }
    let any = |policies: Vec<(Effect, Folded)>| {
        let rests = policies.into_iter().map(|(_, folded)| folded.rest);
        rests.reduce(|one, other| est::binary("||", one, other))
    };
    let permitted = if permits.iter().any(certain) { None } else { any(permits) };
    let spared = forbids.into_iter().map(|(_, folded)| est::opposite(folded.rest));
    let spared = spared.reduce(|one, other| est::binary("&&", one, other));
    let condition = match (permitted, spared) {
        (Some(permitted), Some(spared)) => est::binary("&&", permitted, spared),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Cell::Depends("no policy fails to evaluate".to_owned()),
    };
    Cell::Depends(est::text(&condition))
}
