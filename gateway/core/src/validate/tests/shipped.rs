//! The body schema that is shipped: what it takes, and whether anybody would notice a slip in it.

use super::*;

fn shipped() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/schemas/order.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Bodies at and beyond every bound, and whether they are taken.
fn cases() -> Vec<(Value, bool)> {
    let with = |name: &str, value: Value| {
        let mut order = json!({ "item": "tea", "quantity": 1 });
        order[name] = value;
        order
    };
    vec![
        (json!({ "item": "tea", "quantity": 1 }), true),
        (json!([]), false),
        (json!("tea"), false),
        (json!({ "quantity": 1 }), false),
        (json!({ "item": "tea" }), false),
        (with("item", "".into()), false),
        (with("item", "a".into()), true),
        (with("item", "a".repeat(100).into()), true),
        (with("item", "a".repeat(101).into()), false),
        (with("item", 1.into()), false),
        (with("quantity", 0.into()), false),
        (with("quantity", 1000.into()), true),
        (with("quantity", 1001.into()), false),
        (with("quantity", 1.5.into()), false),
        (with("quantity", "1".into()), false),
        (with("note", "".into()), true),
        (with("note", "a".repeat(500).into()), true),
        (with("note", "a".repeat(501).into()), false),
        (with("note", 1.into()), false),
        (with("price", 1.into()), false),
    ]
}

/// The cases that are judged otherwise than they should be.
fn wrong(schema: &Value) -> Vec<Value> {
    let schema = schema.to_string();
    let schemas = Schemas { body: Some(schema.as_bytes()), others: &|_| None };
    let Ok(validate) = Validate::compile(&route(json!({})), schemas, Limits::default(), 4096) else {
        return vec![Value::Null];
    };
    let taken = |body: &Value| validate.body(&Method::POST, &json_type(), body.to_string().as_bytes()).is_ok();
    cases().into_iter().filter(|(body, expected)| taken(body) != *expected).map(|(body, _)| body).collect()
}

/// Every schema that one slip makes of this one: a bound moved, a keyword or a name lost, a yes for a no.
fn slips(schema: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, part) in schema.as_object().into_iter().flatten() {
        if matches!(name.as_str(), "$schema" | "title") {
            continue;
        }
        let mut add = |what: String, value: Option<Value>| {
            let mut slip = schema.clone();
            match value {
                Some(value) => slip[name] = value,
                None => drop(slip.as_object_mut().unwrap().remove(name)),
            }
            found.push((format!("{name}: {what}"), slip));
        };
        add("lost".to_owned(), None);
        match part {
            Value::Number(number) => {
                let bound = number.as_i64().unwrap();
                for other in [bound - 1, bound + 1] {
                    add(format!("{other}"), Some(other.into()));
                }
            }
            Value::Bool(bool) => add(format!("{}", !bool), Some((!bool).into())),
            Value::Array(items) => {
                for at in 0..items.len() {
                    let mut fewer = items.clone();
                    fewer.remove(at);
                    add(format!("without {at}"), Some(fewer.into()));
                }
            }
            Value::Object(_) => {
                for (what, below) in slips(part) {
                    add(what, Some(below));
                }
            }
            Value::Null | Value::String(_) => {}
        }
    }
    found
}

#[test]
fn takes_what_the_application_takes_and_notices_every_slip() {
    assert_eq!(wrong(&shipped()), Vec::<Value>::new());
    let slips = slips(&shipped());
    assert!(slips.len() > 20, "{}", slips.len());
    let unnoticed: Vec<String> =
        slips.into_iter().filter(|(_, slip)| wrong(slip).is_empty()).map(|(what, _)| what).collect();
    // A slip in `minLength` towards less is caught by the empty item alone; a negative bound does not compile.
    assert_eq!(unnoticed, Vec::<String>::new());
}
