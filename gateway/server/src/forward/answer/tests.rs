use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Switch, clean};

fn made(fields: &[(&'static str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

/// What is left of an answer, or what is wrong with it.
fn check(status: u16, fields: &[(&'static str, &str)], expected: Result<&[&str], &str>) {
    let mut headers = made(fields);
    let left = clean(StatusCode::from_u16(status).unwrap(), &mut headers, Switch::NotAsked).map(|()| {
        let lines = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        lines.collect::<Vec<_>>()
    });
    assert_eq!(
        left.as_deref().map_err(|why| *why).map(<[String]>::to_vec),
        expected.map(|lines| { lines.iter().map(|line| (*line).to_owned()).collect() }),
        "{status} {fields:?}"
    );
}

#[test]
fn refuses_an_answer_of_two_readings() {
    let coding = Err("its `Transfer-Encoding` is not exactly `chunked`");
    for value in ["gzip, chunked", "xchunked", "identity", "chunked, chunked", ""] {
        check(200, &[("transfer-encoding", value)], coding);
    }
    check(200, &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], coding);
    check(200, &[("transfer-encoding", "Chunked")], Ok(&["transfer-encoding: Chunked"]));
}

#[test]
fn refuses_to_leave_http_unasked() {
    let fields = [("upgrade", "websocket"), ("connection", "upgrade")];
    check(101, &fields, Err("it switches protocols, which nobody asked for"));
    let mut headers = made(&fields);
    assert_eq!(clean(StatusCode::SWITCHING_PROTOCOLS, &mut headers, Switch::Asked), Ok(()));
    assert_eq!(headers.len(), 2, "a handshake is left whole");
}

#[test]
fn leaves_one_length_or_none() {
    let length = ("content-length", "2");
    check(200, &[length, length], Ok(&["content-length: 2"]));
    check(200, &[("content-length", "2, 2")], Ok(&["content-length: 2"]));
    check(304, &[length], Ok(&["content-length: 2"]));
    for status in [100, 103, 204] {
        check(status, &[length], Ok(&[]));
        check(status, &[("transfer-encoding", "chunked")], Ok(&[]));
    }
}

#[test]
fn takes_away_what_was_about_its_own_connection() {
    let fields = [
        ("connection", "close, X-Hop, content-length"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "a=b"),
        ("upgrade", "h2c"),
        ("x-hop", "1"),
        ("x-end", "1"),
        ("content-length", "2"),
    ];
    check(200, &fields, Ok(&["connection: close, X-Hop, content-length", "x-end: 1", "content-length: 2"]));
}

#[test]
fn nobody_else_sets_our_cookies() {
    let ours = ["__Host-portcullis=x; Path=/", " __Host-portcullis-login=x", "\"__host.PORTCULLIS\"=x"];
    let fields: Vec<_> = ours.iter().chain(&["a=__Host-portcullis"]).map(|value| ("set-cookie", *value)).collect();
    check(200, &fields, Ok(&["set-cookie: a=__Host-portcullis"]));
}
