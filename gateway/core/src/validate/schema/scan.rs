//! Can this schema run away? Walks every subschema once, at load, and works out what judging may cost.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{DESCRIPTIVE, Dialect, SchemaFault, Telling, keywords, pointer};

/// Subschemas that may judge one and the same value.
const MOST_PER_VALUE: u64 = 10_000;
/// References and applicators followed for one value.
const LONGEST_CHAIN: usize = 200;
const MOST_FAULTS: usize = 20;

/// How a subschema is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// It judges a child that another edge may judge as well.
    Child,
    /// It judges children that no other edge of this kind judges.
    OwnChild,
    /// It judges the same value.
    Same,
}

#[derive(Default)]
struct Node {
    pointer: String,
    edges: Vec<(Way, usize)>,
}

struct Walk<'s> {
    root: &'s Value,
    dialect: Dialect,
    /// By address: each subschema lives in `root`, which is borrowed for the walk.
    known: HashMap<usize, usize>,
    nodes: Vec<Node>,
    waiting: Vec<(usize, &'s Value)>,
    faults: Vec<SchemaFault>,
}

/// Finds what the meta-schema cannot: references to nothing or in circles, unknown formats, slips of the pen.
pub(super) fn scan(root: &Value, dialect: Dialect) -> Result<Telling, Vec<SchemaFault>> {
    let mut walk =
        Walk { root, dialect, known: HashMap::new(), nodes: Vec::new(), waiting: Vec::new(), faults: Vec::new() };
    walk.node(root, String::new());
    while let Some((from, schema)) = walk.waiting.pop() {
        if let Value::Object(members) = schema {
            walk.members(from, members);
        }
        if walk.faults.len() >= MOST_FAULTS {
            return Err(walk.faults);
        }
    }
    let costs = walk.costs(&[Way::Same], OnCycle::Refuse);
    if !walk.faults.is_empty() {
        return Err(walk.faults);
    }
    if let Some(dearest) = costs.iter().zip(&walk.nodes).find(|(cost, _)| **cost > MOST_PER_VALUE) {
        let message =
            format!("combines more than {MOST_PER_VALUE} subschemas for one value: simplify `allOf`, `anyOf`, `$ref`");
        return Err(vec![SchemaFault::new(dearest.1.pointer.clone(), message)]);
    }
    let whole = walk.costs(&[Way::Child, Way::OwnChild, Way::Same], OnCycle::Stop);
    let dear = whole.first().is_some_and(|cost| *cost > MOST_PER_VALUE);
    Ok(if dear || walk.recurses_along_several_ways() { Telling::Verdict } else { Telling::Faults })
}

impl<'s> Walk<'s> {
    fn node(&mut self, schema: &'s Value, pointer: String) -> usize {
        let next = self.nodes.len();
        let index = *self.known.entry(std::ptr::from_ref(schema).addr()).or_insert(next);
        if index == next {
            self.nodes.push(Node { pointer, edges: Vec::new() });
            self.waiting.push((index, schema));
        }
        index
    }

    fn fault(&mut self, from: usize, name: &str, message: String) {
        let mut at = self.nodes.get(from).map(|node| node.pointer.clone()).unwrap_or_default();
        pointer::push(&mut at, name);
        self.faults.push(SchemaFault { pointer: at, message });
    }

    fn members(&mut self, from: usize, members: &'s Map<String, Value>) {
        for (name, value) in members {
            if let Some(message) = keywords::wrong_keyword(name, members, self.dialect) {
                self.fault(from, name, message);
                continue;
            }
            match name.as_str() {
                "$ref" => self.reference(from, value),
                "$schema" if from != 0 => {
                    self.fault(from, name, "`$schema` belongs at the top of the file only".to_owned());
                }
                "format" => self.format(from, value),
                "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" => {
                    self.edges(from, name, value, Way::Same);
                }
                "dependentSchemas" | "dependencies" => self.named(from, name, value, Way::Same),
                "properties" => self.named(from, name, value, Way::OwnChild),
                "items" | "prefixItems" | "additionalItems" | "additionalProperties" => {
                    self.edges(from, name, value, Way::OwnChild);
                }
                "patternProperties" => self.named(from, name, value, Way::Child),
                "contains" | "propertyNames" | "unevaluatedItems" | "unevaluatedProperties" => {
                    self.edges(from, name, value, Way::Child);
                }
                "$defs" | "definitions" => {
                    for (child, schema) in value.as_object().into_iter().flatten() {
                        let at = self.below(from, &[name, child]);
                        self.node(schema, at);
                    }
                }
                _ => {}
            }
        }
    }

    /// One schema, or an array of them.
    fn edges(&mut self, from: usize, name: &str, value: &'s Value, way: Way) {
        match value {
            Value::Array(schemas) => {
                for (index, schema) in schemas.iter().enumerate() {
                    let at = self.below(from, &[name, &index.to_string()]);
                    self.edge(from, way, schema, at);
                }
            }
            schema => {
                let at = self.below(from, &[name]);
                self.edge(from, way, schema, at);
            }
        }
    }

    /// An object of schemas. An array in it is a draft 7 list of required names.
    fn named(&mut self, from: usize, name: &str, value: &'s Value, way: Way) {
        for (child, schema) in value.as_object().into_iter().flatten().filter(|(_, schema)| !schema.is_array()) {
            let at = self.below(from, &[name, child]);
            self.edge(from, way, schema, at);
        }
    }

    fn edge(&mut self, from: usize, way: Way, schema: &'s Value, at: String) {
        let to = self.node(schema, at);
        if let Some(node) = self.nodes.get_mut(from) {
            node.edges.push((way, to));
        }
    }

    fn below(&self, from: usize, names: &[&str]) -> String {
        let mut at = self.nodes.get(from).map(|node| node.pointer.clone()).unwrap_or_default();
        for name in names {
            pointer::push(&mut at, name);
        }
        at
    }

    /// References are paths by now.
    fn reference(&mut self, from: usize, value: &'s Value) {
        let Some(text) = value.as_str() else { return };
        let fragment = text.strip_prefix('#').unwrap_or_default();
        let decoded = percent_decode_str(fragment).decode_utf8_lossy().into_owned();
        match self.root.pointer(&decoded) {
            Some(target @ (Value::Object(_) | Value::Bool(_))) => self.edge(from, Way::Same, target, decoded),
            Some(_) => self.fault(from, "$ref", format!("`{text}` is not a schema")),
            None => self.fault(from, "$ref", format!("`{text}` is not in this file")),
        }
    }

    fn format(&mut self, from: usize, value: &Value) {
        let Some(name) = value.as_str() else { return };
        let draft = match self.dialect {
            Dialect::Draft7 => jsonschema::Draft::Draft7,
            Dialect::Draft202012 => jsonschema::Draft::Draft202012,
        };
        if !DESCRIPTIVE.contains(&name) && !jsonschema::options().is_known_format(draft, name) {
            self.fault(from, "format", format!("`{name}` is not a format that can be judged: use `pattern`"));
        }
    }

    /// For each node: how many subschemas judging begins, following `ways`.
    fn costs(&mut self, ways: &[Way], on_cycle: OnCycle) -> Vec<u64> {
        let mut costs = vec![Cost::Unknown; self.nodes.len()];
        for start in 0..self.nodes.len() {
            self.cost(start, ways, on_cycle, 0, &mut costs);
        }
        costs.into_iter().map(|cost| if let Cost::Known(cost) = cost { cost } else { 0 }).collect()
    }

    fn cost(&mut self, at: usize, ways: &[Way], on_cycle: OnCycle, depth: usize, costs: &mut [Cost]) -> u64 {
        match costs.get(at).copied() {
            Some(Cost::Known(cost)) => return cost,
            Some(Cost::Open) => {
                if on_cycle == OnCycle::Refuse {
                    let at = self.below(at, &[]);
                    self.faults.push(SchemaFault::new(
                        at,
                        "comes back to itself for the same value, so it could never be judged",
                    ));
                }
                return 0;
            }
            Some(Cost::Unknown) => {}
            None => return 0,
        }
        if depth > LONGEST_CHAIN {
            if on_cycle == OnCycle::Refuse {
                let at = self.below(at, &[]);
                self.faults
                    .push(SchemaFault::new(at, format!("stands at the end of more than {LONGEST_CHAIN} references")));
            }
            return MOST_PER_VALUE + 1;
        }
        set(costs, at, Cost::Open);
        let edges = self.nodes.get(at).map(|node| node.edges.clone()).unwrap_or_default();
        let mut total = 1_u64;
        for (way, to) in edges {
            if ways.contains(&way) {
                total = total.saturating_add(self.cost(to, ways, on_cycle, depth + 1, costs));
            }
        }
        set(costs, at, Cost::Known(total));
        total
    }

    /// Whether some subschema can lead back to itself along two ways that may meet in the same value.
    fn recurses_along_several_ways(&self) -> bool {
        self.nodes.iter().enumerate().any(|(start, node)| {
            let back = |way: &Way, to: usize| self.reaches(to, start).then_some(*way);
            let ways: Vec<Way> = node.edges.iter().filter_map(|(way, to)| back(way, *to)).collect();
            let own = usize::from(ways.contains(&Way::OwnChild));
            own + ways.iter().filter(|way| **way != Way::OwnChild).count() > 1
        })
    }

    fn reaches(&self, from: usize, goal: usize) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut waiting = vec![from];
        while let Some(at) = waiting.pop() {
            if at == goal {
                return true;
            }
            if std::mem::replace(seen.get_mut(at).unwrap_or(&mut true), true) {
                continue;
            }
            waiting.extend(self.nodes.get(at).into_iter().flat_map(|node| &node.edges).map(|(_, to)| *to));
        }
        false
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cost {
    Known(u64),
    Open,
    Unknown,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnCycle {
    Refuse,
    Stop,
}

fn set(costs: &mut [Cost], at: usize, cost: Cost) {
    if let Some(place) = costs.get_mut(at) {
        *place = cost;
    }
}
