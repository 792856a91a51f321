use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    fields.iter().map(field).collect()
}

fn check(named: Option<&[&str]>, fields: &[(&str, &str)], expected: Result<(), &'static str>) {
    let named: Option<Vec<String>> = named.map(|all| all.iter().map(|name| (*name).to_owned()).collect());
    let found = MediaTypes::new(named.as_deref()).unwrap().check(&headers(fields));
    let expected = expected.map_err(|because| Refusal::new(Code::UnsupportedMediaType).because(because));
    assert_eq!(found, expected, "{fields:?}");
}

#[test]
fn refuses_everything_but_one_plain_json_type() {
    let other = Err("Content-Type is not one of the route's media types");
    let malformed = Err("Content-Type is malformed or names a charset other than utf-8");
    check(None, &[], Err("no Content-Type"));
    check(
        None,
        &[("content-type", "application/json"), ("content-type", "application/json")],
        Err("more than one Content-Type"),
    );
    check(None, &[("content-type", "ä")], Err("Content-Type is not ASCII"));
    for text in [
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/x-www-form-urlencoded",
        "text/x+json",
        "application/json+xml",
    ] {
        check(None, &[("content-type", text)], other);
    }
    for text in [
        "",
        "json",
        "application/",
        "application/json, text/plain",
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-8",
        "application/json; charset",
        "application/json; charset=\"utf-8",
        "application/json; a=\"b\\\"c\"",
        "application/json; =x",
        "application/json; charset=utf-8; charset*=utf-16''",
        "application/json; charset*0=utf-8",
        "application/ json",
        "+json",
    ] {
        check(None, &[("content-type", text)], malformed);
    }
}

#[test]
fn refuses_a_content_coding() {
    for coding in ["gzip", "identity, gzip", "br", ""] {
        check(
            None,
            &[("content-type", "application/json"), ("content-encoding", coding)],
            Err("the body has a content coding"),
        );
    }
    check(None, &[("content-type", "application/json"), ("content-encoding", "Identity")], Ok(()));
}

#[test]
fn accepts_json_in_all_its_spellings() {
    for text in [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        "application/json ; charset=\"utf-8\"; v=1;",
        "application/merge-patch+json",
    ] {
        check(None, &[("content-type", text)], Ok(()));
    }
}

#[test]
fn a_route_may_narrow_the_types() {
    let other = Err("Content-Type is not one of the route's media types");
    let named: Option<&[&str]> = Some(&["application/Merge-Patch+json"]);
    check(named, &[("content-type", "application/json")], other);
    check(named, &[("content-type", "application/merge-patch+json")], Ok(()));
    for wrong in ["text/plain", "application/json; charset=utf-8", "+json", ""] {
        assert!(MediaTypes::new(Some(&[wrong.to_owned()])).is_err(), "{wrong}");
    }
    assert!(MediaTypes::new(Some(&[])).is_err());
}
