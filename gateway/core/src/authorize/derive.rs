//! Which schema do the routes ask for?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::bind::{BodyUse, RouteFacts};
use super::policies::Policies;
use super::shapes::{Field, Fields, Presence, Shape};

/// A Cedar schema in which every route has its action, with everything its context can hold. Attributes of entities
/// and bodies are those that `declared` has.
pub fn schema(routes: &[RouteFacts<'_>], declared: Option<&Policies>) -> String {
    let mut text = String::from("// Derived from the routes by `portcullis policy schema`.\n\n");
    let nothing = Fields::default();
    let shapes = declared.map(|policies| &policies.0.shapes);
    let fields =
        |kind: &str| shapes.and_then(|shapes| shapes.entities.get(kind)).map_or(&nothing, |shape| &shape.fields);
    let mut kinds: BTreeSet<String> = routes
        .iter()
        .flat_map(|route| route.callers)
        .flat_map(|caller| caller.yields())
        .map(|kind| (*kind).to_owned())
        .collect();
    kinds.extend(routes.iter().map(|route| route.resource.kind().to_string()));
    kinds.extend(shapes.iter().flat_map(|shapes| shapes.entities.keys().cloned()));
    kinds.insert("Group".to_owned());
    for kind in &kinds {
        if kind.contains("::") {
            let _ = writeln!(text, "// `{kind}` is declared in its namespace.");
            continue;
        }
        if kind == "Anonymous" {
            text.push_str("entity Anonymous enum [\"anonymous\"];\n");
            continue;
        }
        let member = match shapes.and_then(|shapes| shapes.entities.get(kind)) {
            Some(shape) => shape.member_of.clone(),
            None if matches!(kind.as_str(), "ApiKey" | "Client" | "User") => vec!["Group".to_owned()],
            None => Vec::new(),
        };
        let within = if member.is_empty() { String::new() } else { format!(" in [{}]", member.join(", ")) };
        let attributes = record(fields(kind));
        let _ = writeln!(
            text,
            "entity {kind}{within}{};",
            if attributes == "{}" { String::new() } else { format!(" {attributes}") }
        );
    }
    let groups: BTreeSet<&str> = routes.iter().flat_map(|route| route.action_groups).copied().collect();
    if !groups.is_empty() {
        let quoted: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
        let _ = writeln!(text, "\naction {};", quoted.join(", "));
    }
    for route in routes {
        let _ = writeln!(text, "\n{}", action(route, shapes.and_then(|shapes| shapes.contexts.get(route.name))));
    }
    text
}

fn action(route: &RouteFacts<'_>, declared: Option<&Fields>) -> String {
    let kinds: BTreeSet<&str> = route.callers.iter().flat_map(|caller| caller.yields()).copied().collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
    let groups: Vec<String> = route.action_groups.iter().map(|group| format!("{group:?}")).collect();
    let within = if groups.is_empty() { String::new() } else { format!(" in [{}]", groups.join(", ")) };
    let mut context = Fields::default();
    let mut add = |name: &str, shape: Shape, presence: Presence| {
        context.0.insert(name.to_owned(), Field { shape, presence });
    };
    let strings = |names: &[&str], presence: Presence| {
        let field = |name: &&str| ((*name).to_owned(), Field { shape: Shape::String, presence });
        Shape::Record(Fields(names.iter().map(field).collect::<BTreeMap<_, _>>()))
    };
    add("method", Shape::String, Presence::Required);
    add("path", Shape::String, Presence::Required);
    add("ip", Shape::Ip, Presence::Required);
    add("now", Shape::Datetime, Presence::Required);
    add("scopes", Shape::Set(Box::new(Shape::String)), Presence::Required);
    add("auth_method", Shape::String, Presence::Required);
    add("auth_age", Shape::Long, Presence::Optional);
    if !route.params.is_empty() {
        add("params", strings(route.params, Presence::Required), Presence::Required);
    }
    if !route.query.is_empty() {
        add("query", strings(route.query, Presence::Optional), Presence::Required);
    }
    for name in ["body", "headers"] {
        if let Some(field) = declared.and_then(|fields| fields.0.get(name)) {
            add(name, field.shape.clone(), field.presence);
        }
    }
    let unseen = match route.body {
        BodyUse::Seen if declared.is_none_or(|fields| !fields.0.contains_key("body")) => {
            "\n  // `authorize_body`: add `body?: { … }` with the members that policies speak about."
        }
        BodyUse::Seen | BodyUse::Unseen => "",
    };
    let context = record(&context);
    format!(
        "action {:?}{within} appliesTo {{\n  principal: [{kinds}],\n  resource: [{}],{unseen}\n  context: {context},\n}};",
        route.name,
        route.resource.kind()
    )
}

/// As a schema writes it.
fn record(fields: &Fields) -> String {
    let field = |(name, field): (&String, &Field)| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        let name = if plain { name.clone() } else { format!("{name:?}") };
        let mark = match field.presence {
            Presence::Optional => "?",
            Presence::Required => "",
        };
        format!("{name}{mark}: {}", kind(&field.shape))
    };
    let fields: Vec<String> = fields.0.iter().map(field).collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Record(fields) => record(fields),
        Shape::Set(element) => format!("Set<{}>", kind(element)),
        Shape::Datetime | Shape::Decimal | Shape::Duration | Shape::Ip => format!("__cedar::{shape}"),
        Shape::Bool | Shape::Entity(_) | Shape::Long | Shape::String => shape.to_string(),
    }
}
