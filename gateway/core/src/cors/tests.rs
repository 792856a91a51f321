use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::{Cors, Credentials, Preflight, requested_method};
use crate::request::{CanonicalPath, DeclaredBody, Request, Scheme};

fn with<T>(method: &Method, fields: &[(&'static str, &str)], look: impl FnOnce(&Request<'_>) -> T) -> T {
    let headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    let client = IpAddr::from([192, 0, 2, 1]);
    look(&Request {
        method,
        scheme: Scheme::Https,
        host: Cow::Borrowed("app.example"),
        path: CanonicalPath::parse("/").unwrap(),
        query: None,
        headers: &headers,
        version: Version::HTTP_11,
        client,
        peer: client,
        certificate: None,
        body: DeclaredBody::Absent,
    })
}

fn granting(origin: &'static str, credentials: Credentials) -> Cors {
    let origins = vec![HeaderValue::from_static(origin)];
    Cors::Origins { origins, headers: vec!["x-a".into(), "x-b".into()], credentials, max_age: Duration::from_mins(1) }
}

fn written(fields: &[(HeaderName, HeaderValue)]) -> String {
    fields.iter().map(|(name, value)| [name.as_str(), ": ", value.to_str().unwrap(), "\n"].concat()).collect()
}

const ORIGIN: &str = "https://a.example";

#[test]
fn refuses_preflights_of_origins_it_does_not_know_to_the_byte() {
    let check = |cors: &Cors, origin: &str| {
        let outcome = with(&Method::OPTIONS, &[("origin", origin)], |request| cors.preflight(request, &Method::PUT));
        assert!(matches!(outcome, Preflight::Refused(_)), "{cors:?} {origin}");
    };
    check(&Cors::Closed, ORIGIN);
    let cors = granting(ORIGIN, Credentials::Allowed);
    for origin in [
        "null",
        "*",
        "",
        "http://a.example",
        "https://A.example",
        "https://a.example:443",
        "https://a.example.evil.example",
    ] {
        check(&cors, origin);
    }
}

#[test]
fn answers_a_preflight_of_a_known_origin() {
    let preflight = |cors: &Cors| {
        with(&Method::OPTIONS, &[("origin", ORIGIN)], |request| match cors.preflight(request, &Method::PUT) {
            Preflight::Answered(fields) => written(&fields),
            other => format!("{other:?}"),
        })
    };
    // Who is granted stands in the fields of every answer, preflights included.
    let expected =
        "access-control-allow-methods: PUT\naccess-control-allow-headers: x-a, x-b\naccess-control-max-age: 60\n";
    assert_eq!(preflight(&granting(ORIGIN, Credentials::Allowed)), expected);
    assert_eq!(preflight(&Cors::App), "Forwarded");
}

#[test]
fn other_answers_name_the_origin_only_when_it_is_known_and_always_vary() {
    let fields = |cors: &Cors, shown: &[(&'static str, &str)]| {
        written(&with(&Method::GET, shown, |request| cors.fields(request)))
    };
    let cors = granting(ORIGIN, Credentials::Withheld);
    assert_eq!(fields(&Cors::Closed, &[("origin", ORIGIN)]), "");
    assert_eq!(fields(&Cors::App, &[("origin", ORIGIN)]), "");
    assert_eq!(fields(&cors, &[]), "vary: Origin\n");
    assert_eq!(fields(&cors, &[("origin", "null")]), "vary: Origin\n");
    let known = fields(&cors, &[("origin", ORIGIN)]);
    assert!(known.contains("allow-origin: https://a.example") && !known.contains("credentials"), "{known}");
}

#[test]
fn only_a_whole_preflight_is_one() {
    let asked = |method: &Method, fields: &[(&'static str, &str)]| with(method, fields, requested_method);
    let (origin, wants) = (("origin", ORIGIN), ("access-control-request-method", "PUT"));
    assert_eq!(asked(&Method::OPTIONS, &[origin, wants]), Some(Method::PUT));
    assert_eq!(asked(&Method::GET, &[origin, wants]), None);
    assert_eq!(asked(&Method::OPTIONS, &[wants]), None);
    assert_eq!(asked(&Method::OPTIONS, &[origin]), None);
    assert_eq!(asked(&Method::OPTIONS, &[origin, ("access-control-request-method", "P T")]), None);
}
