//! Is a schema small enough once its named types are written out where they are used?
//!
//! Cedar writes them out when it resolves names, so a type that names another twice doubles it: thirty lines can ask for
//! gigabytes, and a chain of names for more stack than there is. Both are bounded before Cedar does.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// Records, attributes, sets and references of the whole schema, written out. Some hundred times what a large API needs.
const MOST: u64 = 1_000_000;

/// Names within names.
const DEEPEST: u32 = 64;

/// Which named type is too large, and why; the largest where it is their sum.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TooLarge {
    pub(super) name: String,
    pub(super) message: String,
}

/// A type written out.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    parts: u64,
    /// Names within names, its own included.
    height: u32,
}

impl Size {
    const ONE: Self = Self { parts: 1, height: 0 };

    fn and(self, other: Self) -> Self {
        Self { parts: self.parts.saturating_add(other.parts), height: self.height.max(other.height) }
    }
}

/// Judges a schema in Cedar's JSON form, names unresolved.
pub(super) fn too_large(fragment: &Value) -> Option<TooLarge> {
    let spaces = fragment.as_object()?;
    let mut scale = Scale::of(spaces);
    let mut largest = (0, String::new());
    let names: Vec<String> = scale.types.keys().cloned().collect();
    for name in names {
        let Some(size) = scale.named(&name, 0) else {
            return Some(TooLarge { name, message: format!("types are named within types more than {DEEPEST} deep") });
        };
        if size.parts > MOST {
            return Some(grown(name));
        }
        largest = largest.max((size.parts, name));
    }
    let mut sum = 0_u64;
    for (space, text) in spaces {
        let declared = ["entityTypes", "actions"].into_iter().filter_map(|kind| text.get(kind)?.as_object());
        for declared in declared.flat_map(Map::values) {
            let parts = [declared.get("shape"), declared.get("tags"), declared.pointer("/appliesTo/context")];
            for part in parts.into_iter().flatten() {
                sum = sum.saturating_add(scale.size(part, space, 0).unwrap_or_default().parts);
            }
        }
    }
    (sum > MOST).then(|| grown(largest.1))
}

fn grown(name: String) -> TooLarge {
    let message = format!("types written out where they are named make more than {MOST} attributes");
    TooLarge { name, message }
}

struct Scale<'a> {
    /// By full name: the namespace it stands in, and what it is.
    types: BTreeMap<String, (&'a str, &'a Value)>,
    known: HashMap<String, Option<Size>>,
}

impl<'a> Scale<'a> {
    fn of(spaces: &'a Map<String, Value>) -> Self {
        let types = spaces.iter().flat_map(|(space, text)| {
            let declared = text.get("commonTypes").and_then(Value::as_object);
            declared.into_iter().flatten().map(|(name, what)| (full(space, name), (space.as_str(), what)))
        });
        Self { types: types.collect(), known: HashMap::new() }
    }

    /// `None`: nested too deep. What is no named type counts as one.
    fn named(&mut self, name: &str, depth: u32) -> Option<Size> {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let Some((space, what)) = self.types.get(name).copied() else { return Some(Size::ONE) };
        // A type within itself is Cedar's to refuse.
        self.known.insert(name.to_owned(), Some(Size::ONE));
        let size = if depth < DEEPEST { self.size(what, space, depth + 1) } else { None };
        let size = size.map(|size| Size { height: size.height + 1, ..size }).filter(|size| size.height <= DEEPEST);
        self.known.insert(name.to_owned(), size);
        size
    }

    fn size(&mut self, what: &Value, space: &str, depth: u32) -> Option<Size> {
        let kind = what.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "Record" => {
                let attributes = what.get("attributes").and_then(Value::as_object);
                let mut attributes = attributes.into_iter().flat_map(Map::values);
                attributes.try_fold(Size::ONE, |sum, each| Some(sum.and(self.size(each, space, depth)?)))
            }
            "Set" => Some(self.size(what.get("element")?, space, depth)?.and(Size::ONE)),
            _ => {
                let name = what.get("name").and_then(Value::as_str).unwrap_or(kind);
                let own = full(space, name);
                let name = if self.types.contains_key(&own) { own } else { name.to_owned() };
                Some(self.named(&name, depth)?.and(Size::ONE))
            }
        }
    }
}

fn full(space: &str, name: &str) -> String {
    if space.is_empty() { name.to_owned() } else { format!("{space}::{name}") }
}
