use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::refusal::Fault;

const ORDER: &str = r#"{
    "type": "object", "required": ["item", "quantity"], "additionalProperties": false,
    "properties": {
        "item": {"type": "string", "minLength": 1, "maxLength": 100},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
        "note": {"type": "string", "maxLength": 500}
    }
}"#;

fn order() -> BodySchema {
    BodySchema::compile(ORDER.as_bytes(), Limits::default()).unwrap()
}

fn check(body: &str, code: Code, expected: &[(&str, &str, &str)]) {
    let refusal = order().check(body.as_bytes()).unwrap_err();
    let fault = |(pointer, keyword, message): &(&str, &str, &str)| Fault {
        pointer: (*pointer).to_owned(),
        keyword: (*keyword).to_owned().into(),
        message: (*message).to_owned(),
    };
    let expected: Vec<Fault> = expected.iter().map(fault).collect();
    assert_eq!((refusal.code, &refusal.extra.as_ref().unwrap().errors), (code, &expected), "{body}");
}

#[test]
fn refuses_what_is_not_json_before_it_looks_at_the_schema() {
    check("{", Code::InvalidJson, &[("", "syntax", "EOF while parsing an object at line 1 column 1")]);
    check(
        r#"{"item": "a", "item": "b"}"#,
        Code::InvalidJson,
        &[("/item", "syntax", "the member appears more than once")],
    );
}

#[test]
fn refuses_what_does_not_fit_and_says_where_and_why() {
    let violation = Code::SchemaViolation;
    check("[]", violation, &[("", "type", "must be of type object")]);
    check(r#"{"item": "a"}"#, violation, &[("", "required", "required member `quantity` is missing")]);
    check(r#"{"item": "a", "quantity": 1001}"#, violation, &[("/quantity", "maximum", "must be at most 1000")]);
    check(r#"{"item": "a", "quantity": 1.5}"#, violation, &[("/quantity", "type", "must be of type integer")]);
    check(r#"{"item": "", "quantity": 1}"#, violation, &[("/item", "minLength", "must be at least 1 characters long")]);
    check(
        r#"{"item": "a", "quantity": 1, "admin": true, "x/y": 1}"#,
        violation,
        &[
            ("/admin", "additionalProperties", "unexpected member"),
            ("/x~1y", "additionalProperties", "unexpected member"),
        ],
    );
}

#[test]
fn tells_at_most_ten_faults_and_never_a_value() {
    let names: Vec<String> = (0..50).map(|n| format!(r#""m{n}": "hunter2""#)).collect();
    let body = format!(r#"{{"item": 7777777, "quantity": "hunter2", {}}}"#, names.join(","));
    let refusal = order().check(body.as_bytes()).unwrap_err();
    assert_eq!(refusal.extra.as_ref().unwrap().errors.len(), 10);
    let told = format!("{refusal:?}");
    assert!(!told.contains("hunter2") && !told.contains("7777777"), "{told}");
}

#[test]
fn accepts_what_fits() {
    let value = json!({"item": "nails", "quantity": 1000, "note": "short ones"});
    assert_eq!(order().check(value.to_string().as_bytes()), Ok(value));
    assert_eq!(order().check(br#"{"item": "a", "quantity": 2.0}"#), Ok(json!({"item": "a", "quantity": 2.0})));
}

proptest! {
    #[test]
    fn never_panics(text in r#"\{("(item|quantity|note|x)": ("[a-z]{0,3}"|[0-9e.-]{1,5}|null|\[\]),? ?){0,4}\}"#) {
        match order().check(text.as_bytes()) {
            Ok(value) => prop_assert!(value["quantity"].as_f64().unwrap() >= 1.0),
            Err(refusal) => prop_assert!(!refusal.extra.unwrap().errors.is_empty()),
        }
    }
}
