use cedar_policy::SchemaFragment;

use super::too_large;

fn check(schema: &str, expected: Option<(&str, &str)>) {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(schema).unwrap();
    let found = too_large(&fragment.to_json_value().unwrap());
    let found = found.as_ref().map(|found| (found.name.as_str(), found.message.as_str()));
    assert_eq!(found, expected, "{}", schema.get(..200).unwrap_or(schema));
}

const GROWN: &str = "types written out where they are named make more than 1000000 attributes";

/// `T0` is a `Long`; each further type is made of the one before it.
fn chain(length: usize, made: impl Fn(String) -> String) -> String {
    (1..=length)
        .fold("type T0 = Long;".to_owned(), |text, n| format!("{text}\ntype T{n} = {};", made(format!("T{}", n - 1))))
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn refuses_what_doubles_with_every_line() {
    let doubling = chain(19, |before| format!("{{ a: {before}, b: Set<{before}> }}"));
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&doubling).unwrap();
    let found = too_large(&fragment.to_json_value().unwrap()).unwrap();
    assert_eq!(found.message, GROWN);
    check(&chain(10, |before| format!("{{ a: {before}, b: Set<{before}> }}")), None);
}

#[test]
fn refuses_what_is_large_only_together() {
    let uses = lines(1000, |n| format!("entity E{n} {{ a: T12 }};"));
    check(&format!("{}\n{uses}", chain(12, |before| format!("{{ a: {before}, b: {before} }}"))), Some(("T12", GROWN)));
    let uses = lines(1000, |n| format!("action a{n} appliesTo {{ principal: [U], resource: [U], context: N::T }};"));
    let twelve = chain(12, |before| format!("{{ a: {before}, b: {before} }}"));
    check(&format!("namespace N {{ {twelve} type T = T12; }}\nentity U;\n{uses}"), Some(("N::T", GROWN)));
}

#[test]
fn refuses_names_within_names() {
    check(&chain(63, |before| format!("{{ a: {before} }}")), None);
    let deep = chain(5000, |before| format!("Set<{before}>"));
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&deep).unwrap();
    let found = too_large(&fragment.to_json_value().unwrap()).unwrap();
    assert_eq!(found.message, "types are named within types more than 64 deep");
}

#[test]
fn leaves_circles_to_cedar_and_a_large_flat_schema_alone() {
    check("type A = { b: B }; type B = { a: A };", None);
    let attributes = lines(1000, |n| format!("a{n}: String,"));
    let entities = lines(40, |n| format!("entity E{n} {{ {attributes} }};"));
    check(&entities, None);
}
