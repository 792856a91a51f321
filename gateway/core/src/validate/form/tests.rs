use serde_json::json;

use super::*;

fn order() -> FormSchema {
    let schema = json!({ "type": "object", "required": ["item", "quantity"], "additionalProperties": false,
        "properties": { "item": { "type": "string", "maxLength": 5 }, "quantity": { "type": "integer", "minimum": 1 },
            "tags": { "type": "array", "items": { "type": "string" } } } });
    FormSchema::compile(schema.to_string().as_bytes(), Limits::default()).unwrap()
}

fn refused(body: &[u8], code: Code, pointer: &str, message: &str) {
    let refusal = order().check(body).unwrap_err();
    let fault = &refusal.extra.as_ref().unwrap().errors[0];
    assert_eq!((refusal.code, &*fault.pointer, &*fault.message), (code, pointer, message), "{body:?}");
}

#[test]
fn refuses_a_form_without_a_single_reading() {
    let encoded = "holds a byte that a form must percent-encode";
    refused(b"item=a\r\n", Code::InvalidBody, "", encoded);
    refused("item=ä".as_bytes(), Code::InvalidBody, "", encoded);
    refused(b"item=a b", Code::InvalidBody, "", encoded);
    let escape = "has an escape that is not `%` with two hexadecimal digits, or is not UTF-8, or holds NUL";
    refused(b"item=%ff", Code::InvalidBody, "", escape);
    refused(b"item=a&item=b", Code::InvalidBody, "/item", "appears more than once");
    refused(b"quantity=1.0", Code::InvalidBody, "/quantity", "must be a whole number within ±(2^53 − 1)");
    let many = "item=1&".repeat(1_001);
    refused(many.as_bytes(), Code::InvalidBody, "", "has more than 1000 parameters");
}

#[test]
fn refuses_what_does_not_fit() {
    refused(b"quantity=1&item=longer", Code::SchemaViolation, "/item", "must be at most 5 characters long");
    refused(b"quantity=1", Code::SchemaViolation, "", "required member `item` is missing");
    refused(b"quantity=1&item=a&admin=true", Code::SchemaViolation, "/admin", "unexpected member");
}

#[test]
fn a_form_is_the_object_of_its_fields() {
    let expected = json!({ "item": "a b", "quantity": 2, "tags": ["x", "y"] });
    assert_eq!(order().check(b"item=a+b&quantity=2&tags=x&tags=y"), Ok(expected.clone()));
    assert_eq!(order().check(b"item=a%20b&quantity=2&tags%5B%5D=x&tags[]=y"), Ok(expected));
}

#[test]
fn a_schema_of_something_else_is_refused() {
    let fault = FormSchema::compile(br#"{"type":"string"}"#, Limits::default()).unwrap_err();
    assert_eq!(fault[0].message, "a form is an object: write `\"type\": \"object\"`");
}
