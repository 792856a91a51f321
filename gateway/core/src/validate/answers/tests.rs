use serde_json::json;

use super::*;

const ORDER: &[u8] = br##"{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},
    "never":false,"owner":{"$ref":"#/$defs/owner"},"lines":{"type":"array","items":{"type":"object","properties":{"n":{}}}},
    "labels":{"type":"object","additionalProperties":{"type":"string"}}},
    "$defs":{"owner":{"allOf":[{"properties":{"name":{}}},{"properties":{"mail":{}}}]}}}"##;

fn compile(config: Value) -> Result<Answers, Vec<String>> {
    let config: ResponsesConfig = serde_json::from_value(config).unwrap();
    let schemas = |path: &Path| (path == Path::new("o.json")).then_some(ORDER);
    Answers::compile(&config, &schemas, Limits::default())
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

fn answers(undeclared: &str) -> Answers {
    compile(json!({ "undeclared": undeclared, "schemas": [
        { "status": "200", "schema": "o.json" },
        { "status": "200", "media_type": "text/csv" },
        { "status": "4XX", "media_type": "application/problem+json" },
        { "status": "default", "schema": "o.json" },
    ] }))
    .unwrap()
}

fn headers(media: &'static str) -> HeaderMap {
    [(header::CONTENT_TYPE, http::HeaderValue::from_static(media))].into_iter().collect()
}

#[test]
fn refuses_entries_that_cannot_work() {
    let refused = |entry: Value, message: &str| {
        assert_eq!(compile(json!({ "schemas": [entry] })).unwrap_err(), [message.to_owned()]);
    };
    refused(json!({ "status": "2xx" }), "`2xx` is not a status: write `200`, `4XX` or `default`");
    refused(json!({ "status": "600" }), "`600` is not a status: write `200`, `4XX` or `default`");
    refused(json!({ "status": "200", "schema": "no.json" }), "`no.json` was not read");
    refused(
        json!({ "status": "200", "schema": "o.json", "media_type": "text/csv" }),
        "answers of `text/csv` cannot be judged by a schema: leave `schema` out",
    );
}

#[test]
fn refuses_an_answer_of_another_kind_than_declared() {
    let check = |status: u16, fields: HeaderMap, expected: Result<AnswerPlan, Code>| {
        let found = answers("keep").plan(&Method::GET, StatusCode::from_u16(status).unwrap(), &fields);
        assert_eq!(found.map_err(|refusal| refusal.code), expected, "{status} {fields:?}");
    };
    let violation = Err(Code::ResponseViolation);
    check(200, headers("text/html"), violation);
    check(200, HeaderMap::new(), violation);
    check(200, headers("application/json; charset=latin1"), violation);
    let mut coded = headers("application/json");
    coded.insert(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    check(200, coded, violation);
    let mut empty = headers("application/json");
    empty.insert(header::CONTENT_LENGTH, http::HeaderValue::from_static("0"));
    check(200, empty, violation);
    check(404, headers("application/json"), violation);
    check(404, headers("application/problem+json"), Ok(AnswerPlan::Pass));
    check(200, headers("text/csv"), Ok(AnswerPlan::Pass));
    check(204, HeaderMap::new(), Ok(AnswerPlan::Pass));
    check(200, headers("application/json"), Ok(AnswerPlan::Judge { rule: 0, most: 1 << 20 }));
    check(500, headers("application/json"), Ok(AnswerPlan::Judge { rule: 3, most: 1 << 20 }));
}

#[test]
fn refuses_what_does_not_fit_and_tells_the_operator_alone() {
    for body in [&b"{}"[..], b"{\"id\":1,\"id\":2}", b"<html>", b"{\"id\":\"x\"}"] {
        let refusal = answers("keep").judge(0, body).unwrap_err();
        assert_eq!((refusal.code, refusal.extra), (Code::ResponseViolation, None));
        assert!(!refusal.reason.is_empty());
    }
    assert_eq!(answers("keep").judge(0, b"{\"id\":1,\"secret\":2}"), Ok(None));
}

#[test]
fn takes_out_what_is_not_declared_and_leaves_the_rest_in_order() {
    let body = br#"{"secret":1,"never":2,"lines":[{"x":1,"n":2}],"id":7,"owner":{"mail":"m","name":"n","password":"p"},"labels":{"a":"b"}}"#;
    let stripped = answers("strip").judge(0, body).unwrap().unwrap();
    let expected = r#"{"lines":[{"n":2}],"id":7,"owner":{"mail":"m","name":"n"},"labels":{"a":"b"}}"#;
    assert_eq!(std::str::from_utf8(&stripped).unwrap(), expected);
    assert_eq!(answers("strip").judge(0, br#"{ "id": 7.50 }"#).unwrap_err().code, Code::ResponseViolation);
    assert_eq!(answers("strip").judge(0, br#"{ "id": 7 }"#), Ok(None));
}

#[test]
fn shadow_judges_what_is_left_and_changes_nothing() {
    const CLOSED: &[u8] = br#"{"type":"object","properties":{"id":{}},"additionalProperties":false}"#;
    let config =
        json!({ "mode": "shadow", "undeclared": "strip", "schemas": [{ "status": "200", "schema": "o.json" }] });
    let config: ResponsesConfig = serde_json::from_value(config).unwrap();
    let answers = Answers::compile(&config, &|_: &Path| Some(CLOSED), Limits::default()).unwrap();
    assert_eq!(answers.judge(0, br#"{"id":1,"secret":2}"#), Ok(None));
    assert_eq!(answers.judge(0, b"[").unwrap_err().code, Code::ResponseViolation);
}
