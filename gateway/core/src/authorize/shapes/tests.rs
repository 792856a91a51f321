use cedar_policy::{SchemaFragment, schema_str_to_json_with_resolved_types};

use super::Shapes;

const PLAIN: &str = r#"
type Address = { street: String, zip?: Long };
type Home = Address;
type Ids = Set<Long>;
entity Group;
entity Team in [Group];
entity User in [Group, Team] { home: Home, ids: Ids, boss?: User, flags: Set<Bool>, since: datetime, from: ipaddr };
entity Anonymous enum ["anonymous"];
entity decimal { of: __cedar::decimal, other: decimal, whole: __cedar::Long };
type duration = { hours: Long };
entity Order { takes: duration, real: __cedar::duration };
type Context = { order: { by: User, where: Address }, ip: ipaddr };
action "read", "write" appliesTo { principal: [User, Anonymous], resource: [Order], context: Context };
action "see" in ["read"] appliesTo { principal: User, resource: Order, context: { at?: datetime, share: Set<Order> } };
action "group";
"#;

#[test]
fn a_schema_without_namespaces_says_the_same_as_it_was_written() {
    let (resolved, _) = schema_str_to_json_with_resolved_types(PLAIN).unwrap();
    let written = SchemaFragment::from_cedarschema_str(PLAIN).unwrap().0.to_json_value().unwrap();
    assert!(Shapes::speaks_plainly(&written));
    let (resolved, written) = (Shapes::read(&resolved).unwrap(), Shapes::read(&written).unwrap());
    assert_eq!(format!("{written:#?}"), format!("{resolved:#?}"));
    assert!(written.contexts.contains_key("see") && written.entities.contains_key("decimal"));
}

#[test]
fn one_with_a_namespace_must_be_resolved() {
    let text = "namespace Shop { entity User; action read appliesTo { principal: User, resource: User }; } entity App;";
    let written = SchemaFragment::from_cedarschema_str(text).unwrap().0.to_json_value().unwrap();
    assert!(!Shapes::speaks_plainly(&written));
}
