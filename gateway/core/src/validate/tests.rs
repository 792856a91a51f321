mod shipped;

use serde_json::{Value, json};

use super::*;

const OBJECT: &[u8] = br#"{"type": "object"}"#;

fn route(input: Value) -> RouteInput {
    serde_json::from_value(input).unwrap()
}

fn compiled(input: Value, schema: Option<&[u8]>) -> Validate {
    let schemas = Schemas { body: schema, others: &|_| None };
    Validate::compile(&route(input), schemas, Limits::default(), 64).unwrap()
}

fn json_type() -> HeaderMap {
    [(http::header::CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect()
}

fn check(
    validate: &Validate,
    method: &Method,
    declared: DeclaredBody,
    media: Option<&str>,
    expected: Result<BodyPlan, Code>,
) {
    let headers = media.map(|text| (http::header::CONTENT_TYPE, text.parse().unwrap())).into_iter().collect();
    let found = validate.plan(method, &headers, declared).map_err(|refusal| refusal.code);
    assert_eq!(found, expected, "{method} {declared:?} {media:?}");
}

#[test]
fn refuses_before_reading_what_will_not_be_welcome() {
    let validate = compiled(json!({}), Some(OBJECT));
    let json = Some("application/json");
    check(&validate, &Method::POST, DeclaredBody::Length(65), json, Err(Code::BodyTooLarge));
    check(&validate, &Method::POST, DeclaredBody::Absent, json, Err(Code::InvalidJson));
    check(&validate, &Method::PATCH, DeclaredBody::Length(0), json, Err(Code::InvalidJson));
    check(&validate, &Method::POST, DeclaredBody::Length(2), Some("text/plain"), Err(Code::UnsupportedMediaType));
    check(&validate, &Method::DELETE, DeclaredBody::Unknown, None, Err(Code::UnsupportedMediaType));
    check(&validate, &Method::POST, DeclaredBody::Length(64), json, Ok(BodyPlan::Hold(64)));
}

#[test]
fn a_body_is_required_by_method_unless_the_route_says() {
    let by_method = compiled(json!({}), Some(OBJECT));
    check(&by_method, &Method::DELETE, DeclaredBody::Absent, None, Ok(BodyPlan::Nothing));
    let always = compiled(json!({ "body_required": true }), Some(OBJECT));
    check(&always, &Method::DELETE, DeclaredBody::Absent, None, Err(Code::InvalidJson));
    assert_eq!(always.body(&Method::DELETE, &json_type(), b"").unwrap_err().code, Code::InvalidJson);
    let never = compiled(json!({ "body_required": false }), Some(OBJECT));
    check(&never, &Method::POST, DeclaredBody::Absent, None, Ok(BodyPlan::Nothing));
    assert_eq!(never.body(&Method::POST, &json_type(), b""), Ok(Judged::default()));
    assert_eq!(never.body(&Method::POST, &json_type(), b" ").unwrap_err().code, Code::InvalidJson);
}

#[test]
fn judges_a_body_that_is_there_whatever_the_method() {
    let validate = compiled(json!({}), Some(OBJECT));
    assert!(validate.wants_body());
    assert_eq!(validate.body(&Method::GET, &json_type(), b"[]").unwrap_err().code, Code::SchemaViolation);
    assert_eq!(validate.body(&Method::GET, &json_type(), &[b' '; 65]).unwrap_err().code, Code::BodyTooLarge);
    assert_eq!(validate.body(&Method::POST, &json_type(), b"{}"), Ok(Judged { value: Some(json!({})), plain: None }));
}

#[test]
fn streams_where_there_is_no_schema() {
    let validate = compiled(json!({}), None);
    assert!(!validate.wants_body());
    check(&validate, &Method::POST, DeclaredBody::Unknown, Some("text/plain"), Ok(BodyPlan::Stream(64)));
    check(&validate, &Method::POST, DeclaredBody::Length(65), None, Err(Code::BodyTooLarge));
}

#[test]
fn tells_all_faults_of_a_route_at_once() {
    let input = route(json!({
        "media_types": ["text/plain"],
        "parameters": [{ "in": "query", "name": "p", "schema": { "type": "objet" } }],
        "bodies": [{ "media_type": "text" }],
        "responses": { "schemas": [{ "status": "ok!" }] }
    }));
    let faults =
        Validate::compile(&input, Schemas { body: Some(b"{"), others: &|_| None }, Limits::default(), 64).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["media_types", "body_schema", "bodies", "parameters", "responses"]);
}

#[test]
fn configuration_refuses_unknown_keys_and_numbers_out_of_range() {
    assert!(serde_json::from_value::<RouteInput>(json!({ "body_shema": "a.json" })).is_err());
    assert!(serde_json::from_value::<ValidateConfig>(json!({ "max_dept": 3 })).is_err());
    let limits = |config: Value| serde_json::from_value::<ValidateConfig>(config).unwrap().limits();
    assert!(limits(json!({ "max_depth": 0 })).is_err());
    assert!(limits(json!({ "max_depth": 101 })).is_err());
    assert!(limits(json!({ "max_values": 0 })).is_err());
    assert_eq!(limits(json!({})), Ok(Limits::default()));
}
