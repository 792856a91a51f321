use super::*;

fn resource(template: &str, params: &[Param<'_>]) -> String {
    let names: Vec<&str> = params.iter().map(|(name, _)| *name).collect();
    Gather::compile(template, &names).unwrap().resource(params).unwrap().uid().to_string()
}

fn refused(template: &str, params: &[&str], message: &str, help: &str) {
    let fault = Gather::compile(template, params).unwrap_err();
    assert_eq!((fault.message.as_str(), fault.help.as_str()), (message, help), "{template}");
}

#[test]
fn refuses_templates_that_are_not_typed_parts() {
    const SHAPE: &str = "write it as `Order::\"{id}\"`: an entity type, `::` and a quoted id";
    refused("Order", &[], "`Order` is not a resource template", SHAPE);
    refused("Order::\"a", &[], "`Order::\"a` is not a resource template", SHAPE);
    refused("Order::\"a\" \"b\"", &[], "`Order::\"a\" \"b\"` is not a resource template", SHAPE);
    refused(
        "Or der::\"a\"",
        &[],
        "`Or der` is not an entity type",
        "entity types are names such as `Order` or `Shop::Order`",
    );
    refused(
        "Order::\"{id\"",
        &["id"],
        "a lone `{` in the resource template",
        "to mean the character itself, write `{{`",
    );
    refused(
        "Order::\"id}\"",
        &["id"],
        "a lone `}` in the resource template",
        "to mean the character itself, write `}}`",
    );
}

#[test]
fn refuses_a_parameter_the_path_has_not() {
    refused("Order::\"{ordr}\"", &["order", "item"], "the path has no parameter `ordr`", "did you mean `order`?");
    refused("Order::\"{x}\"", &["order", "item"], "the path has no parameter `x`", "there is `order` and `item`");
    refused(
        "Order::\"{*rest}\"",
        &["rest"],
        "the path has no parameter `*rest`",
        "a tail is named without its star: `{rest}`",
    );
    refused(
        "Order::\"{id}\"",
        &[],
        "the path has no parameter `id`",
        "the path of this route has no parameters; add one to `match`, or write a fixed id",
    );
}

#[test]
fn refuses_when_a_parameter_was_not_matched() {
    let gather = Gather::compile("Order::\"{id}\"", &["id"]).unwrap();
    assert_eq!(gather.resource(&[]).unwrap_err().code, Code::InternalError);
}

#[test]
fn puts_ids_together_without_reading_them_as_cedar() {
    for (template, value, expected) in [
        ("Order::\"{id}\"", "7", r#"Order::"7""#),
        ("Order::\"{id}\"", r#"1" || User::"admin"#, r#"Order::"1\" || User::\"admin""#),
        ("Order::\"{id}\"", "{id}", r#"Order::"{id}""#),
        ("Order::\"{id}\"", "\u{0}", r#"Order::"\0""#),
        ("Shop::Order::\"a-{id}-{{b}}\"", "7", r#"Shop::Order::"a-7-{b}""#),
    ] {
        assert_eq!(resource(template, &[("id", value.into())]), expected, "{template}");
    }
}

#[test]
fn has_fixed_resources_ready() {
    assert_eq!(resource("Order::\"new\"", &[]), r#"Order::"new""#);
    assert_eq!(resource("Order::\"\"", &[]), r#"Order::"""#);
    let app = Gather::of_upstream("demo \"x\"").unwrap();
    assert!(app.fixed.is_some());
    assert_eq!(app.resource(&[]).unwrap().uid().to_string(), r#"App::"demo \"x\"""#);
}
