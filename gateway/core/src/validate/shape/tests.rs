use serde_json::json;

use super::*;

fn read(schema: Value, text: &str, expected: Result<Value, &'static str>) {
    assert_eq!(Shape::of(&schema, &schema).scalar(text), expected, "{schema} {text:?}");
}

#[test]
fn refuses_a_text_that_fits_none_of_the_kinds() {
    read(json!({ "type": ["integer", "boolean"] }), "x", Err("cannot be read as any of its types"));
    read(
        json!({ "type": "array", "items": {} }),
        "x",
        Err("must be a list or an object, written as the parameter's style says"),
    );
    read(json!({ "enum": [1, 2] }), "01", Err("must be a whole number within ±(2^53 − 1)"));
    read(json!({ "type": ["integer", "null"] }), "x", Err("must be a whole number within ±(2^53 − 1)"));
}

#[test]
fn takes_the_narrowest_kind_that_fits() {
    let several = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }, { "type": "boolean" }] });
    read(several.clone(), "5", Ok(json!(5)));
    read(several.clone(), "true", Ok(json!(true)));
    read(several, "05", Ok(json!("05")));
    read(json!({ "type": ["integer", "null"] }), "", Ok(json!(null)));
    read(json!({ "allOf": [{ "type": ["integer", "string"] }, { "type": "string" }] }), "5", Ok(json!("5")));
    read(json!({ "$ref": "#/$defs/n", "$defs": { "n": { "type": "number" } } }), "1.5", Ok(json!(1.5)));
    read(json!({}), "5", Ok(json!("5")));
    read(json!({ "const": true }), "true", Ok(json!(true)));
}

#[test]
fn a_schema_that_names_itself_has_a_shape_of_bounded_depth() {
    let tree = json!({ "type": "object", "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" } } });
    let mut shape = &Shape::of(&tree, &tree);
    let mut depth = 0;
    while let Some(below) = shape.member("left") {
        shape = below;
        depth += 1;
    }
    assert!(depth <= DEEPEST + 1, "{depth}");
}

#[test]
fn members_that_a_schema_forbids_have_no_shape() {
    let closed = json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": false });
    assert_eq!(Shape::of(&closed, &closed).member("b"), None);
    let open = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    assert_eq!(Shape::of(&open, &open).member("b").map(|shape| shape.scalar("1")), Some(Ok(json!(1))));
}
