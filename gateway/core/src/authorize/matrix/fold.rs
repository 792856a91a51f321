//! What can a condition still become, when only the kind of caller and the route are known?
//!
//! INVARIANT: whatever a request says, the real outcome is among those told here. What this module does not know may
//! be anything.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::est;
use super::super::shapes::{Fields, Presence, Shape};

/// The outcomes an expression may have, and what remains of it.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    /// Simplified, in Cedar's JSON form.
    pub(super) rest: Value,
    pub(super) may_hold: bool,
    pub(super) may_fail_to_hold: bool,
    pub(super) may_err: bool,
}

/// All that is known of a request before it comes.
pub(super) struct Known<'a> {
    pub(super) principal: Side<'a>,
    pub(super) resource: Side<'a>,
    pub(super) action: (&'a str, &'a str),
    /// Ids of the action's groups.
    pub(super) action_groups: &'a BTreeSet<(String, String)>,
    pub(super) context: &'a Fields,
}

/// What is known of the caller or of the thing.
pub(super) struct Side<'a> {
    pub(super) kind: &'a str,
    /// `None`: it may be any.
    pub(super) id: Option<&'a str>,
    /// Everything it is a member of; `None`: unknown.
    pub(super) ancestors: Option<&'a BTreeSet<(String, String)>>,
    pub(super) fields: &'a Fields,
}

impl Folded {
    fn known(bool: bool) -> Self {
        Self { rest: est::literal(bool), may_hold: bool, may_fail_to_hold: !bool, may_err: false }
    }

    fn open(rest: Value, may_err: bool) -> Self {
        Self { rest, may_hold: true, may_fail_to_hold: true, may_err }
    }

    /// True of every such request.
    pub(super) fn holds(&self) -> bool {
        self.may_hold && !self.may_fail_to_hold && !self.may_err
    }

    pub(super) fn and(self, right: Self) -> Self {
        if !self.may_hold && !self.may_err {
            return Self::known(false);
        }
        if self.holds() {
            return right;
        }
        let rest = if right.holds() { self.rest } else { est::binary("&&", self.rest, right.rest) };
        let folded = Self {
            rest,
            may_hold: self.may_hold && right.may_hold,
            may_fail_to_hold: self.may_fail_to_hold || (self.may_hold && right.may_fail_to_hold),
            may_err: self.may_err || (self.may_hold && right.may_err),
        };
        folded.settled()
    }

    pub(super) fn or(self, right: Self) -> Self {
        if self.holds() {
            return self;
        }
        if !self.may_hold && !self.may_err {
            return right;
        }
        let useless = !right.may_hold && !right.may_err;
        let rest = if useless { self.rest } else { est::binary("||", self.rest, right.rest) };
        let folded = Self {
            rest,
            may_hold: self.may_hold || (self.may_fail_to_hold && right.may_hold),
            may_fail_to_hold: self.may_fail_to_hold && right.may_fail_to_hold,
            may_err: self.may_err || (self.may_fail_to_hold && right.may_err),
        };
        folded.settled()
    }

    pub(super) fn not(self) -> Self {
        let rest = est::opposite(self.rest);
        Self { rest, may_hold: self.may_fail_to_hold, may_fail_to_hold: self.may_hold, may_err: self.may_err }.settled()
    }

    /// Where only one outcome is left, the expression is that.
    fn settled(self) -> Self {
        match (self.may_hold, self.may_fail_to_hold, self.may_err) {
            (true, false, false) => Self::known(true),
            (false, true, false) => Self::known(false),
            _ => self,
        }
    }
}

impl Known<'_> {
    /// `expression` as a condition.
    pub(super) fn fold(&self, expression: &Value) -> Folded {
        let Some((operator, inner)) = expression.as_object().and_then(|object| object.iter().next()) else {
            return Folded::open(expression.clone(), true);
        };
        let side = |name: &str| inner.get(name).unwrap_or(&Value::Null);
        match operator.as_str() {
            "Value" => match inner {
                Value::Bool(bool) => Folded::known(*bool),
                _ => Folded::open(expression.clone(), false),
            },
            "!" => self.fold(side("arg")).not(),
            "&&" => self.fold(side("left")).and(self.fold(side("right"))),
            "||" => self.fold(side("left")).or(self.fold(side("right"))),
            "if-then-else" => {
                let (condition, then) = (self.fold(side("if")), self.fold(side("then")));
                let otherwise = self.fold(side("else"));
                match (condition.holds(), condition.may_hold || condition.may_err) {
                    (true, _) => then,
                    (false, false) => otherwise,
                    (false, true) => Folded {
                        rest: expression.clone(),
                        may_hold: then.may_hold || otherwise.may_hold,
                        may_fail_to_hold: then.may_fail_to_hold || otherwise.may_fail_to_hold,
                        may_err: condition.may_err || then.may_err || otherwise.may_err,
                    }
                    .settled(),
                }
            }
            "==" => self.equal(side("left"), side("right"), expression),
            "!=" => self
                .equal(side("left"), side("right"), &est::binary("==", side("left").clone(), side("right").clone()))
                .not(),
            "in" => self.within(side("left"), side("right"), expression),
            "is" => self.is(inner, expression),
            "has" => self.has(inner, expression),
            _ => Folded::open(expression.clone(), self.may_err(expression)),
        }
    }

    fn side(&self, expression: &Value) -> Option<&Side<'_>> {
        match expression.get("Var")?.as_str()? {
            "principal" => Some(&self.principal),
            "resource" => Some(&self.resource),
            _ => None,
        }
    }

    /// The entity an expression certainly is.
    fn entity<'a>(&'a self, expression: &'a Value) -> Option<(&'a str, &'a str)> {
        if expression.get("Var").is_some_and(|var| var == "action") {
            return Some(self.action);
        }
        if let Some(side) = self.side(expression) {
            return side.id.map(|id| (side.kind, id));
        }
        literal_entity(expression)
    }

    fn equal(&self, left: &Value, right: &Value, expression: &Value) -> Folded {
        if let (Some(one), Some(other)) = (self.entity(left), self.entity(right)) {
            return Folded::known(one == other);
        }
        let kind = |side: &Value| {
            self.side(side).map(|side| side.kind.to_owned()).or_else(|| Some(self.entity(side)?.0.to_owned()))
        };
        match (kind(left), kind(right)) {
            (Some(one), Some(other)) if one != other => Folded::known(false),
            _ => match (left.get("Value"), right.get("Value")) {
                (Some(one), Some(other)) => Folded::known(one == other),
                _ => Folded::open(expression.clone(), self.may_err(left) || self.may_err(right)),
            },
        }
    }

    fn within(&self, left: &Value, right: &Value, expression: &Value) -> Folded {
        let targets: Option<Vec<(&str, &str)>> = match right.get("Set").and_then(Value::as_array) {
            Some(items) => items.iter().map(|item| self.entity(item)).collect(),
            None => self.entity(right).map(|target| vec![target]),
        };
        let open = || Folded::open(expression.clone(), self.may_err(left) || self.may_err(right));
        let Some(targets) = targets else { return open() };
        if left.get("Var").is_some_and(|var| var == "action") {
            return Folded::known(
                targets.iter().any(|target| *target == self.action || holds(self.action_groups, *target)),
            );
        }
        let Some(side) = self.side(left) else { return open() };
        let Some(ancestors) = side.ancestors else { return open() };
        let mut undecided = false;
        for target in targets {
            let itself = side.kind == target.0 && side.id.is_none_or(|id| id == target.1);
            if holds(ancestors, target) || (itself && side.id.is_some()) {
                return Folded::known(true);
            }
            undecided |= itself;
        }
        if undecided { open() } else { Folded::known(false) }
    }

    fn is(&self, inner: &Value, expression: &Value) -> Folded {
        let left = inner.get("left").unwrap_or(&Value::Null);
        let kind = self.side(left).map(|side| side.kind).or_else(|| Some(self.entity(left)?.0));
        let Some(kind) = kind else { return Folded::open(expression.clone(), self.may_err(left)) };
        let is = Folded::known(inner.get("entity_type").and_then(Value::as_str) == Some(kind));
        match inner.get("in") {
            None => is,
            Some(within) => is.and(self.within(left, within, &est::binary("in", left.clone(), within.clone()))),
        }
    }

    fn has(&self, inner: &Value, expression: &Value) -> Folded {
        let left = inner.get("left").unwrap_or(&Value::Null);
        let open = || Folded::open(expression.clone(), self.may_err(left));
        let (Some(fields), Some(name)) = (self.fields(left), inner.get("attr").and_then(Value::as_str)) else {
            return open();
        };
        match fields.0.get(name).map(|field| field.presence) {
            // The store holds an entity's attributes as the schema says, for requests are held against it.
            Some(Presence::Required) => Folded::known(true),
            Some(Presence::Optional) => open(),
            None => Folded::known(false),
        }
    }

    /// The attributes of a variable.
    fn fields(&self, expression: &Value) -> Option<&Fields> {
        match expression.get("Var")?.as_str()? {
            "principal" => Some(self.principal.fields),
            "resource" => Some(self.resource.fields),
            "context" => Some(self.context),
            _ => None,
        }
    }

    /// The type of `principal.a.b` and the like, where it is a path through records.
    fn shape(&self, expression: &Value) -> Option<&Shape> {
        let path = expression.get(".")?;
        let name = path.get("attr")?.as_str()?;
        let left = path.get("left")?;
        let fields = match self.fields(left) {
            Some(fields) => fields,
            None => match self.shape(left)? {
                Shape::Record(fields) => fields,
                _ => return None,
            },
        };
        fields.0.get(name).map(|field| &field.shape)
    }

    /// Whether evaluating may fail, given that the policies are strictly valid: then only arithmetic, what is added to
    /// times, and attributes of entities that may not be in the store can.
    fn may_err(&self, expression: &Value) -> bool {
        const SURE: [&str; 30] = [
            "Set",
            "Record",
            "==",
            "!=",
            "in",
            "<",
            "<=",
            ">",
            ">=",
            "&&",
            "||",
            "!",
            "contains",
            "containsAll",
            "containsAny",
            "isEmpty",
            "hasTag",
            "has",
            "like",
            "is",
            "if-then-else",
            "ip",
            "decimal",
            "datetime",
            "isIpv4",
            "isIpv6",
            "isLoopback",
            "isMulticast",
            "isInRange",
            "duration",
        ];
        const COMPARED: [&str; 4] = ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"];
        let Some((operator, inner)) = expression.as_object().and_then(|object| object.iter().next()) else {
            return false;
        };
        match operator.as_str() {
            "Value" | "Var" => false,
            "." => {
                let left = inner.get("left").unwrap_or(&Value::Null);
                let whole = left.get("Var").is_some() || matches!(self.shape(left), Some(Shape::Record(_)));
                !whole || self.may_err(left)
            }
            sure if SURE.contains(&sure) || COMPARED.contains(&sure) => parts(inner).any(|part| self.may_err(part)),
            _ => true,
        }
    }
}

/// The expressions inside one.
fn parts(inner: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match inner {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values().filter(|member| member.is_object())),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

fn literal_entity(expression: &Value) -> Option<(&str, &str)> {
    let uid = expression.get("Value")?.get("__entity")?;
    Some((uid.get("type")?.as_str()?, uid.get("id")?.as_str()?))
}

fn holds(set: &BTreeSet<(String, String)>, (kind, id): (&str, &str)) -> bool {
    set.iter().any(|(other, name)| other == kind && name == id)
}
