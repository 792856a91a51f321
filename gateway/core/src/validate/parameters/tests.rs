use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn compile(parameters: Value, unknown: Option<UnknownQuery>) -> Result<ParameterRules, Vec<InputFault>> {
    let parameters: Vec<ParameterConfig> = serde_json::from_value(parameters).unwrap();
    ParameterRules::compile(&parameters, unknown)
}

fn rules(parameters: Value) -> ParameterRules {
    compile(parameters, None).unwrap()
}

/// One parameter `p` of the given place and schema.
fn one(place: &str, schema: Value) -> ParameterRules {
    rules(json!([{ "in": place, "name": "p", "schema": schema }]))
}

/// What one request yields: its query, or the code and each fault's pointer and message.
type Judged<'a> = Result<Vec<(&'a str, &'a str)>, (Code, Vec<(&'a str, &'a str)>)>;

fn check(rules: &ParameterRules, query: Option<&str>, fields: &[(&str, &str)], expected: Judged<'_>) {
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let found = rules.judge(("/", query), &fields.iter().map(field).collect(), &[]);
    let found: Judged<'_> = match &found {
        Ok(parameters) => Ok(parameters.query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()),
        Err(refusal) => {
            let errors = &refusal.extra.as_ref().unwrap().errors;
            Err((refusal.code, errors.iter().map(|f| (f.pointer.as_str(), f.message.as_str())).collect()))
        }
    };
    assert_eq!(found, expected, "{query:?} {fields:?}");
}

fn query(rules: &ParameterRules, query: &str, expected: Judged<'_>) {
    check(rules, Some(query), &[], expected);
}

fn unreadable(message: &str) -> Judged<'_> {
    Err((Code::InvalidParameter, vec![("#/query/p", message)]))
}

#[test]
fn refuses_a_query_that_has_no_single_reading() {
    let rules = one("query", json!({ "type": "string" }));
    let bad = "has an escape that is not `%` with two hexadecimal digits, or is not UTF-8, or holds NUL";
    for text in ["p=%", "p=%4", "p=%zz", "p=%ff", "p=a%00b", "%=1", "p=1&q=%+1", "p=%E2%82"] {
        query(&rules, text, Err((Code::InvalidParameter, vec![("#/query", bad)])));
    }
    query(&rules, "p=1&p=2", unreadable("appears more than once"));
    query(&rules, "p=1&%70=2", unreadable("appears more than once"));
    let many = "p=1&".repeat(1_001);
    query(&rules, &many, Err((Code::InvalidParameter, vec![("#/query", "has more than 1000 parameters")])));
}

#[test]
fn refuses_what_cannot_be_read_as_its_type() {
    let whole = "must be a whole number within ±(2^53 − 1)";
    let integer = one("query", json!({ "type": "integer" }));
    for text in ["", "1.0", "+1", "%2B1", "01", "-0", "-", "0x1", "1e3", "%201", "9007199254740992", "١", "1,2"] {
        query(&integer, &format!("p={text}"), unreadable(whole));
    }
    let number = one("query", json!({ "type": "number" }));
    for text in ["", ".5", "1.", "NaN", "Infinity", "1e999", "%201", "01", "null", "[]"] {
        query(&number, &format!("p={text}"), unreadable("must be a number, written as in JSON, within ±(2^53 − 1)"));
    }
    let boolean = one("query", json!({ "type": "boolean" }));
    for text in ["", "1", "TRUE", "yes"] {
        query(&boolean, &format!("p={text}"), unreadable("must be `true` or `false`"));
    }
    query(&one("query", json!({ "type": "array", "items": { "type": "integer" } })), "p=1&p=x", unreadable(whole));
}

#[test]
fn refuses_what_does_not_fit_is_missing_or_is_not_declared() {
    let unfit = |pointer, message| Err((Code::SchemaViolation, vec![(pointer, message)]));
    let limit = one("query", json!({ "type": "integer", "minimum": 1, "maximum": 100 }));
    query(&limit, "p=101", unfit("#/query/p", "must be at most 100"));
    query(&limit, "p=5&debug=1", unfit("#/query/debug", "unexpected parameter"));
    query(&limit, "p=5&P=1", unfit("#/query/P", "unexpected parameter"));
    query(&limit, "p=5&a%0D%0A/b=secret", unfit("#/query/a~1b", "unexpected parameter"));
    query(
        &one("query", json!({ "type": "array", "maxItems": 1 })),
        "p=1&p=2",
        unfit("#/query/p", "must have at most 1 elements"),
    );
    query(
        &one("query", json!({ "type": "array", "items": { "enum": ["a"] } })),
        "p=a&p=b",
        unfit("#/query/p/1", "must be one of `a`"),
    );
    let required = rules(json!([{ "in": "query", "name": "p", "required": true, "schema": {} }]));
    check(&required, None, &[], unfit("#/query/p", "required query parameter `p` is missing"));
    let path = one("path", json!({}));
    check(&path, None, &[], unfit("#/path/p", "required path parameter `p` is missing"));
    let nothing = compile(json!([]), Some(UnknownQuery::Refuse)).unwrap();
    query(&nothing, "a=1", unfit("#/query/a", "unexpected parameter"));
}

#[test]
fn tells_what_cannot_be_read_before_what_does_not_fit() {
    let rules = rules(json!([
        { "in": "query", "name": "a", "schema": { "type": "integer" } },
        { "in": "query", "name": "b", "schema": { "maxLength": 1 } },
    ]));
    let whole = ("#/query/a", "must be a whole number within ±(2^53 − 1)");
    query(&rules, "a=x&b=long", Err((Code::InvalidParameter, vec![whole])));
}

#[test]
fn judges_headers_and_cookies() {
    let header = one("header", json!({ "type": "integer" }));
    let pointed = |code, place, message| Err((code, vec![(place, message)]));
    check(
        &header,
        None,
        &[("P", "1"), ("p", "2")],
        pointed(Code::InvalidParameter, "#/header/p", "appears more than once"),
    );
    check(&header, None, &[("p", "ä")], pointed(Code::InvalidParameter, "#/header/p", "must be ASCII"));
    check(&header, None, &[("p", "5")], Ok(vec![]));
    let list = one("header", json!({ "type": "array", "maxItems": 2 }));
    check(
        &list,
        None,
        &[("p", "a, b"), ("p", "c")],
        pointed(Code::SchemaViolation, "#/header/p", "must have at most 2 elements"),
    );
    let cookie = one("cookie", json!({ "maxLength": 2 }));
    check(
        &cookie,
        None,
        &[("cookie", "p=1; x=2; p=3")],
        pointed(Code::InvalidParameter, "#/cookie/p", "appears more than once"),
    );
    check(
        &cookie,
        None,
        &[("cookie", "x=1"), ("cookie", "p=long")],
        pointed(Code::SchemaViolation, "#/cookie/p", "must be at most 2 characters long"),
    );
    check(&cookie, None, &[("cookie", "p=ok; pp=long")], Ok(vec![]));
}

#[test]
fn yields_the_declared_query_decoded_once() {
    let list = rules(json!([
        { "in": "query", "name": "q r", "schema": { "type": "array" } },
        { "in": "query", "name": "n", "schema": { "type": "number" } },
    ]));
    query(&list, "q+r=a%2Bb+c&&q%20r=%2541&n=-1.5e2", Ok(vec![("q r", "a+b c"), ("q r", "%41"), ("n", "-1.5e2")]));
    query(&one("query", json!({})), "p", Ok(vec![("p", "")]));
    query(&one("query", json!({ "type": "boolean" })), "p=true", Ok(vec![("p", "true")]));
    let loose = compile(json!([{ "in": "query", "name": "p", "schema": {} }]), Some(UnknownQuery::Allow)).unwrap();
    query(&loose, "p=1&x=2", Ok(vec![("p", "1")]));
}

#[test]
fn leaves_a_query_alone_that_nobody_declared() {
    query(&rules(json!([])), "a=%zz&a=1", Ok(vec![]));
    query(&one("header", json!({})), "a=%zz", Ok(vec![]));
}

#[test]
fn path_parameters_are_judged() {
    let rules = one("path", json!({ "type": "integer" }));
    let params = |value: &str| vec![(Arc::from("p"), value.to_owned())];
    assert!(rules.judge(("/", None), &HeaderMap::new(), &params("7")).is_ok());
    assert_eq!(rules.judge(("/", None), &HeaderMap::new(), &params("seven")).unwrap_err().code, Code::InvalidParameter);
}

#[test]
fn refuses_declarations_that_cannot_work() {
    let refused = |parameter: Value, pointer: &str, message: &str| {
        let fault = InputFault { key: "parameters", pointer: pointer.to_owned(), message: message.to_owned() };
        assert_eq!(compile(json!([parameter]), None).unwrap_err(), [fault]);
    };
    refused(
        json!({ "in": "query", "name": "p", "schema": { "items": { "type": "array" } } }),
        "",
        "query parameter `p`: an array or object inside another cannot be written in this style: use `deepObject` or \
         `content = \"application/json\"`",
    );
    refused(
        json!({ "in": "path", "name": "p", "schema": {}, "style": "matrix" }),
        "",
        "path parameter `p`: the style `matrix` cannot be had: paths with `;` are refused, because servers cut them \
         there; use `simple`",
    );
    refused(
        json!({ "in": "path", "name": "p", "schema": {}, "style": "deepObject" }),
        "",
        "path parameter `p`: the style `deepObject` does not exist for path parameters",
    );
    refused(
        json!({ "in": "query", "name": "p", "schema": {}, "style": "pipeDelimited" }),
        "",
        "query parameter `p`: the styles `spaceDelimited` and `pipeDelimited` are for arrays",
    );
    refused(
        json!({ "in": "query", "name": "p", "schema": {}, "content": "application/json", "explode": true }),
        "",
        "query parameter `p`: `content` stands in the place of `style` and `explode`",
    );
    refused(
        json!({ "in": "query", "name": "p", "schema": {}, "content": "text/csv" }),
        "",
        "query parameter `p`: `content = \"text/csv\"` cannot be read: write `application/json`",
    );
    refused(
        json!({ "in": "header", "name": "Authorization", "schema": {} }),
        "",
        "header parameter `Authorization`: this field is not a parameter: the gateway judges it by other rules",
    );
    refused(
        json!({ "in": "cookie", "name": "__Host-portcullis", "schema": {} }),
        "",
        "cookie parameter `__Host-portcullis`: this cookie belongs to the gateway",
    );
    refused(
        json!({ "in": "header", "name": "a b", "schema": {} }),
        "",
        "header parameter `a b`: not a header field name",
    );
    refused(
        json!({ "in": "query", "name": "p", "schema": { "maxlength": 1 } }),
        "/maxlength",
        "query parameter `p`: `maxlength` is not a keyword and would judge nothing: did you mean `maxLength`?",
    );
    let twice = json!([{ "in": "header", "name": "A", "schema": {} }, { "in": "header", "name": "a", "schema": {} }]);
    let faults = compile(twice, None).unwrap_err();
    assert_eq!(faults.first().unwrap().message, "header parameter `a` is declared twice");
    assert!(serde_json::from_value::<ParameterConfig>(json!({ "in": "body", "name": "p", "schema": {} })).is_err());
    let odd = json!({ "in": "query", "name": "p", "schema": {}, "style": "comma" });
    assert!(serde_json::from_value::<ParameterConfig>(odd).is_err());
}

/// A parameter `p` whose schema holds only what was written: the query fits exactly when it is read as `expected`.
fn written(place: &str, style: Value, schema: Value, text: &str, expected: Result<Value, &str>) {
    let mut parameter = json!({ "in": place, "name": "p", "schema": schema });
    parameter.as_object_mut().unwrap().extend(style.as_object().unwrap().clone());
    if let Ok(value) = &expected {
        parameter["schema"]["const"] = value.clone();
    }
    let rules = rules(json!([parameter]));
    let (query, fields, params) = match place {
        "query" => (Some(text), HeaderMap::new(), vec![]),
        "path" => (None, HeaderMap::new(), vec![(Arc::from("p"), text.to_owned())]),
        "cookie" => (None, [(COOKIE, text.parse().unwrap())].into_iter().collect(), vec![]),
        _ => (None, [(HeaderName::from_static("p"), text.parse().unwrap())].into_iter().collect(), vec![]),
    };
    let found = rules
        .judge(("/", query), &fields, &params)
        .map_err(|refusal| refusal.extra.unwrap().errors.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>());
    let expected = expected.map_err(|message| vec![message.to_owned()]);
    assert_eq!(found.as_ref().map(|_| ()), expected.as_ref().map(|_| ()), "{place} {style} {text}: {found:?}");
}

const NUMBERS: fn() -> Value = || json!({ "type": "array", "items": { "type": "integer" } });
const POINT: fn() -> Value = || json!({ "type": "object", "additionalProperties": { "type": "integer" } });

#[test]
fn refuses_a_separator_that_some_readers_decode_first() {
    let separator = Err("holds a percent-encoded separator, which some readers split at and some do not");
    let together = json!({ "explode": false });
    written("query", together.clone(), NUMBERS(), "p=1%2C2", separator.clone());
    written("query", together.clone(), POINT(), "p=x,1%2cy,2", separator.clone());
    written("cookie", together, NUMBERS(), "p=1%2C2", separator);
    let parameter = json!([{ "in": "path", "name": "p", "schema": NUMBERS() }]);
    let params = [(Arc::from("p"), "1,2".to_owned())];
    assert!(rules(parameter.clone()).judge(("/1,2", None), &HeaderMap::new(), &params).is_ok());
    assert!(rules(parameter).judge(("/1%2C2", None), &HeaderMap::new(), &params).is_err());
}

#[test]
fn refuses_what_a_style_cannot_mean() {
    let pairs = Err("must be an object: a name and a value for each member");
    written("query", json!({ "explode": false }), POINT(), "p=x,1,y", pairs.clone());
    written("header", json!({ "explode": true }), POINT(), "x=1,y", pairs);
    written("header", json!({}), POINT(), "x,1,x,2", Err("has a member twice"));
    written("path", json!({ "style": "label" }), NUMBERS(), "1,2", Err("must begin with `.`"));
    written("query", json!({ "style": "deepObject" }), POINT(), "p[x]=1&p[x]=2", Err("appears more than once"));
    let json = Err("must be one JSON value that everybody reads alike");
    written("query", json!({ "content": "application/json" }), POINT(), "p={\"x\":1,\"x\":2}", json);
}

#[test]
fn reads_every_style_of_openapi() {
    let list = || Ok(json!([1, 2]));
    let point = || Ok(json!({ "x": 1, "y": 2 }));
    for (place, style, text) in [
        ("query", json!({}), "p=1&p=2"),
        ("query", json!({ "style": "form", "explode": false }), "p=1,2"),
        ("query", json!({ "style": "spaceDelimited" }), "p=1%202"),
        ("query", json!({ "style": "spaceDelimited" }), "p=1+2"),
        ("query", json!({ "style": "pipeDelimited" }), "p=1|2"),
        ("query", json!({ "style": "pipeDelimited" }), "p=1%7C2"),
        ("query", json!({ "content": "application/json" }), "p=[1,2]"),
        ("path", json!({}), "1,2"),
        ("path", json!({ "explode": true }), "1,2"),
        ("path", json!({ "style": "label" }), ".1,2"),
        ("path", json!({ "style": "label", "explode": true }), ".1.2"),
        ("header", json!({}), "1, 2"),
        ("cookie", json!({}), "p=1,2"),
    ] {
        written(place, style, NUMBERS(), text, list());
    }
    for (place, style, text) in [
        ("query", json!({}), "x=1&y=2"),
        ("query", json!({ "explode": false }), "p=x,1,y,2"),
        ("query", json!({ "style": "deepObject" }), "p[x]=1&p%5By%5D=2"),
        ("path", json!({}), "x,1,y,2"),
        ("path", json!({ "explode": true }), "x=1,y=2"),
        ("path", json!({ "style": "label" }), ".x,1,y,2"),
        ("path", json!({ "style": "label", "explode": true }), ".x=1.y=2"),
        ("header", json!({ "explode": true }), "x=1, y=2"),
        ("cookie", json!({}), "p=x,1,y,2"),
    ] {
        written(place, style, POINT(), text, point());
    }
}

proptest! {
    #[test]
    fn never_panics_and_never_tells_a_value(text in "(p|q|%70)?=?[a-z0-9%+&=;\\[\\]é]{0,24}") {
        let rules = one("query", json!({ "type": "integer" }));
        if let Ok(found) = rules.judge(("/", Some(&text)), &HeaderMap::new(), &[]) {
            prop_assert!(found.query.len() <= 1);
        }
    }
}
