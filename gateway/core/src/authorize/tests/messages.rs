//! What an operator reads when policies or the schema are wrong.

use std::fmt::Write;

use super::*;

fn told(schema: &str, policies: &str) -> String {
    let mut words = String::new();
    for fault in compile(schema, policies).unwrap_err() {
        let text = if fault.file == "schema.cedarschema" { schema } else { policies };
        let place = fault.position(text).map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
        writeln!(words, "{}{place}: {}", fault.file, fault.message).unwrap();
        if let Some(help) = fault.help {
            writeln!(words, "  {help}").unwrap();
        }
    }
    words
}

const SCHEMA: &str = "entity User { level?: Long };
entity Order;
action \"get\", \"put\" appliesTo { principal: [User], resource: [Order] };";

#[test]
fn says_where_a_policy_cannot_be_read() {
    insta::assert_snapshot!(told(SCHEMA, "permit (principal, action, resource);\npermt (principal, action, resource);"), @r#"
        policies/a.cedar:2:1: invalid policy effect: permt
          effect must be either `permit` or `forbid`
        "#);
    insta::assert_snapshot!(told(SCHEMA, "permit (principal, action, resource)\nwhen { principal.level = 3 };"), @r#"
        policies/a.cedar:2:8: '=' is not a valid operator in Cedar
          try using '==' instead
        "#);
    insta::assert_snapshot!(told(SCHEMA, "permit (principal, action, resource) when { \"open };"), @r#"
        policies/a.cedar:1:45: invalid token
          try checking that all strings are closed properly
        "#);
}

#[test]
fn says_once_what_is_wrong_under_several_actions() {
    let schema = "entity User { level?: Long };
entity Order;
action \"get\", \"put\", \"post\" appliesTo { principal: [User], resource: [Order] };";
    insta::assert_snapshot!(told(schema, "permit (principal, action, resource) when { context.a == 1 && context.b == 1 };"), @r#"
        policies/a.cedar:1:45: for policy `a.cedar#1`, attribute `a` in context for Action::"get" not found; the same holds for 2 other actions
          declare `a` in the `context` of that action in the schema; `portcullis policy schema` says what it can hold
        policies/a.cedar:1:63: for policy `a.cedar#1`, attribute `b` in context for Action::"get" not found; the same holds for 2 other actions
          declare `b` in the `context` of that action in the schema; `portcullis policy schema` says what it can hold
        "#);
}

/// What people write who do not know Cedar yet.
#[test]
fn says_how_to_write_what_was_meant() {
    let schema = "entity Group; entity User in [Group] { level?: Long }; entity Order; action \"read\";
        action \"get\" in [\"read\"] appliesTo { principal: [User], resource: [Order] };";
    let mut all = String::new();
    for policy in [
        r#"permit (principal in [Group::"a", Group::"b"], action, resource);"#,
        "permit (principal, action == get, resource);",
        "permit (principal, action == \"get\", resource);",
        "permit (principal, action, resource) when { true and false };",
        "permit (principal, action, resource) when { principal in \"writers\" };",
        "permit (principal, action, resource) when { principal == \"alice\" };",
        "# a comment\npermit (principal, action, resource);",
        "permit (principal, action, resource) when { principal.role == \"x\" };",
        "permit (principal, action, resource) when { context.ip.isLoopback() };",
        "permit (principal, action, resource) when { principal has email };",
    ] {
        all.push_str(&told(schema, policy));
    }
    for schema in
        [schema.replace("[Order]", "[Ordr]"), schema.replace("action \"read\";", ""), schema.replace("Long", "Lng")]
    {
        all.push_str(&told(&schema, PERMIT));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn says_where_a_schema_cannot_be_read() {
    insta::assert_snapshot!(told("entity User {\n  level Long\n};", PERMIT), @r#"
        schema.cedarschema:2:9: error parsing schema: unexpected token `Long`: expected `:` or `?`
        "#);
    insta::assert_snapshot!(told("entity User { level: Lng };", PERMIT), @r#"
        schema.cedarschema:1:22: the schema declares no type `Lng`
          did you mean `Long`?
        "#);
}

#[test]
fn says_every_way_in_which_a_policy_does_not_fit_its_schema() {
    insta::assert_snapshot!(
        told(
            SCHEMA,
            "@id(\"typo\") permit (principal, action == Action::\"gett\", resource);
@id(\"type\") permit (principal is Usr, action, resource);
@id(\"missing\") forbid (principal, action, resource) when { principal.level > 3 };
@id(\"unknown\") forbid (principal, action, resource) when { principal.levl > 3 };
@id(\"mixed\") forbid (principal, action, resource) when { principal has level && principal.level == \"3\" };
@id(\"never\") forbid (principal is Order, action, resource);
@id(\"idle\") forbid (principal, action, resource) when { principal is Order };"
        ),
        @r#"
        policies/a.cedar:1:42: for policy `typo`, unrecognized action `Action::"gett"`
          did you mean `Action::"get"`?
        policies/a.cedar:2:34: for policy `type`, unrecognized entity type `Usr`
          did you mean `User`?
        policies/a.cedar:3:60: for policy `missing`, unable to guarantee safety of access to optional attribute `level` on entity type `User`
          try testing for the attribute's presence with `e has level && ..`
        policies/a.cedar:4:60: for policy `unknown`, attribute `levl` on entity type `User` not found
          did you mean `level`?
        policies/a.cedar:5:81: the types Long and String are not compatible
          for policy `mixed`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible
        policies/a.cedar:6:1: for policy `never`, unable to find an applicable action given the policy scope constraints
          it can never apply: compare its principal, action and resource with `appliesTo` in the schema, or remove it
        policies/a.cedar:7:1: for policy `idle`, policy is impossible: the policy expression evaluates to false for all valid requests
          no request fulfils it: it asks for what no caller or resource here has, or for both of two things that exclude each other; mend or remove it
        "#
    );
}

#[test]
fn says_what_is_wrong_with_ids_annotations_and_templates() {
    insta::assert_snapshot!(
        told(
            SCHEMA,
            "@id(\"a\") permit (principal, action, resource);
@id(\"a\") permit (principal, action, resource);
@id permit (principal, action, resource);
@publicreason(\"x\") forbid (principal, action, resource);
permit (principal == ?principal, action, resource);"
        ),
        @r#"
        policies/a.cedar:2:1: `@id("a")` is taken by a policy in `policies/a.cedar`
          give each policy an id of its own: decisions name policies by it
        policies/a.cedar:3:1: `@id` is empty
          write a name, as in `@id("readers-read")`, or leave `@id` out
        policies/a.cedar:4:1: unknown annotation `@publicreason`
          did you mean `@public_reason`?
        policies/a.cedar:5:1: a policy template (`?principal`, `?resource`) is not a policy
          write the policy out for each principal or resource, or use a group
        "#
    );
    insta::assert_snapshot!(told(SCHEMA, "// nothing yet"), @r#"
        schema.cedarschema: there is no policy, so nothing would ever be permitted
          write a `permit (principal, action, resource) …;` into a `.cedar` file beside the schema
        "#);
}

#[test]
fn tells_faults_of_the_schema_and_of_the_policies_together() {
    insta::assert_snapshot!(told("entity User", "permit"), @r#"
        policies/a.cedar:1:7: unexpected end of input: expected `(`
        schema.cedarschema:1:12: error parsing schema: unexpected end of input: expected `,`, `;`, `=`, `{`, `enum`, `in`, or `tags`
        "#);
}

#[test]
fn names_policies_without_an_id_by_file_and_number() {
    let policies = compile(
        SCHEMA,
        &format!(
            "permit (principal, action, resource); {PERMIT} @advice(\"kept\") forbid (principal, action, resource);"
        ),
    )
    .unwrap();
    let ids: Vec<&str> = policies.ids().map(|id| &**id).collect();
    assert_eq!(ids, ["a.cedar#1", "all", "a.cedar#3"]);
}

#[test]
fn warns_of_characters_that_deceive_the_eye() {
    let policies =
        compile(SCHEMA, "permit (principal, action, resource) when { \"say_һello\" == \"x\" || true };").unwrap();
    assert_eq!(policies.warnings().len(), 1, "{:?}", policies.warnings());
}
