//! Values against the types of a schema.

use super::*;
use crate::authorize::shapes::{Field, Fields, Presence, Shape};
use crate::authorize::typed::fit;

fn check(shape: &Shape, value: Value, expected: Result<&str, &str>) {
    let fitted = fit(&value, shape).map(|expression| {
        let context = cedar_policy::Context::from_pairs([("x".to_owned(), expression)]).unwrap();
        context.get("x").unwrap().to_string()
    });
    let fitted = fitted.map_err(|misfit| misfit.under("x").to_string());
    assert_eq!(fitted.as_deref().map_err(String::as_str), expected, "{value} as {shape}");
}

fn record(fields: &[(&str, Shape, Presence)]) -> Shape {
    let field = |(name, shape, presence): &(&str, Shape, Presence)| {
        ((*name).to_owned(), Field { shape: shape.clone(), presence: *presence })
    };
    Shape::Record(Fields(fields.iter().map(field).collect::<BTreeMap<_, _>>()))
}

#[test]
fn refuses_what_does_not_fit_and_says_where() {
    use Presence::{Optional, Required};
    let set = Shape::Set(Box::new(Shape::Long));
    let nested = record(&[("a", record(&[("b", set.clone(), Required)]), Required), ("c", Shape::Bool, Optional)]);
    let cases = [
        (Shape::String, json!(null), "`x` does not fit: the schema wants `String`, this is null"),
        (Shape::String, json!(1), "`x` does not fit: the schema wants `String`, this is a whole number"),
        (Shape::Bool, json!("true"), "`x` does not fit: the schema wants `Bool`, this is a string"),
        (Shape::Long, json!(true), "`x` does not fit: the schema wants `Long`, this is a boolean"),
        (Shape::Long, json!(1.0), "`x` does not fit: the schema wants `Long`, this is a number with a fraction"),
        (
            Shape::Long,
            json!(u64::MAX),
            "`x` does not fit: the schema wants `Long`, this is a whole number beyond 64 bits",
        ),
        (set.clone(), json!(1), "`x` does not fit: the schema wants `Set<Long>`, this is a whole number"),
        (set.clone(), json!([1, "2"]), "`x[1]` does not fit: the schema wants `Long`, this is a string"),
        (set, json!(vec![0; 1001]), "`x` does not fit: the schema wants `Set<Long>`, this is a list of more than 1000"),
        (nested.clone(), json!({"a": {"b": [null]}}), "`x.a.b[0]` does not fit: the schema wants `Long`, this is null"),
        (nested.clone(), json!({"a": {}}), "`x.a.b` does not fit: the schema wants `Set<Long>`, this is missing"),
        (nested, json!({"a": {"b": []}, "c": null}), "`x.c` does not fit: the schema wants `Bool`, this is null"),
        (
            Shape::Ip,
            json!("::ffff:10.0.0.0/104"),
            "`x` does not fit: the schema wants `ipaddr`, this is not an address",
        ),
        (Shape::Ip, json!("[::1]:80"), "`x` does not fit: the schema wants `ipaddr`, this is not an address"),
        (
            Shape::Datetime,
            json!("yesterday"),
            "`x` does not fit: the schema wants `datetime`, this is a text of another form",
        ),
        (Shape::Datetime, json!(0), "`x` does not fit: the schema wants `datetime`, this is a whole number"),
        (
            Shape::Decimal,
            json!("1.23456"),
            "`x` does not fit: the schema wants `decimal`, this is a text of another form",
        ),
        (Shape::Decimal, json!(1.5), "`x` does not fit: the schema wants `decimal`, this is a number with a fraction"),
        (
            Shape::Duration,
            json!("5 weeks"),
            "`x` does not fit: the schema wants `duration`, this is a text of another form",
        ),
        (
            Shape::Entity("User".to_owned()),
            json!({"__entity": {"type": "User", "id": "admin"}}),
            "`x` does not fit: the schema wants `User`, this is an object",
        ),
    ];
    for (shape, value, expected) in cases {
        check(&shape, value, Err(expected));
    }
}

#[test]
fn fits_each_type() {
    use Presence::{Optional, Required};
    let set = Shape::Set(Box::new(Shape::String));
    let nested = record(&[("a", Shape::Long, Required), ("b", Shape::Long, Optional)]);
    let cases = [
        (Shape::String, json!("a\"b"), r#""a\"b""#),
        (Shape::Bool, json!(true), "true"),
        (Shape::Long, json!(i64::MIN), "-9223372036854775808"),
        (set, json!(["a", "a"]), r#"["a"]"#),
        (nested, json!({"a": 1, "__entity": {"type": "User", "id": "admin"}}), r#"{"a": 1}"#),
        (Shape::Ip, json!("10.0.0.1"), r#"ip("10.0.0.1")"#),
        (Shape::Ip, json!("10.0.0.0/8"), r#"ip("10.0.0.0/8")"#),
        (Shape::Ip, json!("::ffff:10.0.0.1"), r#"ip("10.0.0.1")"#),
        (Shape::Ip, json!("::1.2.3.4"), r#"ip("0:0:0:0:0:0:102:304")"#),
        (Shape::Datetime, json!("2026-01-31T12:00:00Z"), r#"datetime("2026-01-31T12:00:00Z")"#),
        (Shape::Decimal, json!("1.50"), r#"decimal("1.50")"#),
        (Shape::Duration, json!("1h30m"), r#"duration("1h30m")"#),
    ];
    for (shape, value, expected) in cases {
        check(&shape, value, Ok(expected));
    }
}
