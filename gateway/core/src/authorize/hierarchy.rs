//! What groups and things are in, held against the schema.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::EntityTypeName;

use super::policies::Policies;
use crate::gather::Hierarchy;
use crate::near::did_you_mean;

/// One thing about `[hierarchy.<kind>]` that does not fit the schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misplaced {
    pub kind: String,
    /// The key in there.
    pub key: &'static str,
    pub message: String,
    pub help: String,
}

/// Whoever calls is in what its credential says.
const CALLERS: [&str; 5] = ["Anonymous", "ApiKey", "Certificate", "Client", "User"];

impl Policies {
    /// From now on groups and things are in what `hierarchy` says. Only the first call counts. All faults at once.
    pub fn under(&self, hierarchy: &Arc<Hierarchy>) -> Result<(), Vec<Misplaced>> {
        let entities = &self.0.shapes.entities;
        let above_callers = above_callers(hierarchy);
        let mut faults = Vec::new();
        for (name, attributes) in hierarchy.kinds() {
            let kind = name.to_string();
            let mut fault = |key, message, help| faults.push(Misplaced { kind: kind.clone(), key, message, help });
            let Some(shape) = entities.get(&kind) else {
                let known: Vec<&str> = entities.keys().map(String::as_str).collect();
                fault("from", format!("the schema has no entity type `{kind}`"), did_you_mean(&kind, &known));
                continue;
            };
            if CALLERS.contains(&kind.as_str()) {
                let help = "write `[hierarchy.Group]`: what the groups are in that the credential names".to_owned();
                fault("from", format!("a `{kind}` is in what its credential says"), help);
                continue;
            }
            for parent in attributes.parents().filter(|parent| !shape.member_of.contains(&parent.to_string())) {
                let message = format!("the schema's `{kind}` cannot be in a `{parent}`");
                let help = format!("write in the schema: `entity {kind} in [{parent}]`, or take it out of `parents`");
                fault("parents", message, help);
            }
            if attributes.is_asked_for() && above_callers.contains(name) {
                let message = format!("callers may be in a `{kind}`, and nobody is asked about callers");
                fault("from", message, "tell it in a file: `from = \"file\"`".to_owned());
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        // Whoever came first has set the same.
        let _ = self.0.hierarchy.set(Arc::clone(hierarchy));
        Ok(())
    }
}

/// The types that a caller may be in, by way of its groups.
fn above_callers(hierarchy: &Hierarchy) -> BTreeSet<&EntityTypeName> {
    let mut found: BTreeSet<&EntityTypeName> =
        hierarchy.kinds().map(|(kind, _)| kind).filter(|kind| kind.to_string() == "Group").collect();
    loop {
        let above = hierarchy.kinds().filter(|(kind, _)| found.contains(kind));
        let more: BTreeSet<&EntityTypeName> = above.flat_map(|(_, attributes)| attributes.parents()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}
