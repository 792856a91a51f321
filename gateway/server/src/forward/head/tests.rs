use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

use super::{Peer, Unsaid, change, change_answer, forwarded};

fn head(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut head = HeaderMap::new();
    for (name, value) in fields {
        head.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    head
}

/// What is left, as `name: value` in order of names.
fn left(head: &HeaderMap) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut left: Vec<_> = head.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
    left.sort();
    left
}

fn stripped(peer: Peer, fields: &[(&'static str, &str)]) -> Vec<String> {
    let identity_names = [HeaderName::from_static("x-sub")];
    let unsaid = Unsaid { peer, consumed: &[http::header::AUTHORIZATION], identity_names: &identity_names };
    let mut stripped = head(fields);
    unsaid.strip(&mut stripped);
    let mut came = RequestHeader::build_no_case("GET", b"/", None).unwrap();
    for (name, value) in &head(fields) {
        came.append_header(name.clone(), value.clone()).unwrap();
    }
    let made = unsaid.without(&came, None, |_| Ok(())).unwrap();
    assert_eq!(left(&made.headers), left(&stripped), "both ways to a head say the same");
    left(&stripped)
}

#[test]
fn says_nothing_of_the_connection_of_the_client() {
    let hops = [
        ("connection", "close, te"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic YTpi"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ];
    let mut came = RequestHeader::build("GET", b"/a?b", None).unwrap();
    for (name, value) in hops.into_iter().chain([("accept", "c")]) {
        came.append_header(name, value).unwrap();
    }
    let unsaid = Unsaid { peer: Peer::Stranger, consumed: &[], identity_names: &[] };
    let made = unsaid.without(&came, None, |_| Ok(())).unwrap();
    assert_eq!(left(&made.headers), ["accept: c"]);
    assert_eq!(made.raw_path(), b"/a?b");
    let made = unsaid.without(&came, Some(b"/other"), |_| Ok(())).unwrap();
    assert_eq!(made.raw_path(), b"/other");
}

#[test]
fn removes_what_only_the_gateway_may_say_whoever_sends_it() {
    for name in [
        "x-portcullis-user",
        "X-Portcullis-Assertion",
        "x-portcullis-",
        "X-HTTP-Method-Override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "X-Rewrite-URL",
        "x-middleware-subrequest",
        "proxy",
        "X-Sub",
        "authorization",
    ] {
        for peer in [Peer::Stranger, Peer::TrustedProxy] {
            assert_eq!(stripped(peer, &[(name, "a"), (name, "b"), ("accept", "c")]), ["accept: c"], "{name} {peer:?}");
        }
    }
}

#[test]
fn believes_forwarding_and_tracing_of_trusted_proxies_only() {
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-server",
        "x-real-ip",
        "x-request-id",
        "traceparent",
        "tracestate",
    ] {
        assert_eq!(stripped(Peer::Stranger, &[(name, "a")]), Vec::<String>::new(), "{name}");
        assert_eq!(stripped(Peer::TrustedProxy, &[(name, "a")]), [format!("{name}: a")]);
    }
}

#[test]
fn lets_no_api_key_through_in_any_field() {
    for value in ["ptcl_test_a_b", "Bearer ptcl_test_a_b", "é ptcl_"] {
        assert_eq!(stripped(Peer::Stranger, &[("x-anything", value)]), Vec::<String>::new(), "{value}");
    }
    assert_eq!(stripped(Peer::Stranger, &[("x-anything", "ptcl")]), ["x-anything: ptcl"]);
}

#[test]
fn takes_its_own_cookies_out_and_leaves_the_others_as_they_are() {
    let check = |cookies: &[&str], expected: &[&str]| {
        let fields: Vec<_> = cookies.iter().map(|value| ("cookie", *value)).collect();
        let expected: Vec<_> = expected.iter().map(|value| format!("cookie: {value}")).collect();
        assert_eq!(stripped(Peer::Stranger, &fields), expected, "{cookies:?}");
    };
    check(&["__Host-portcullis=a"], &[]);
    check(&["__Host-portcullis-login=a; b=c"], &["b=c"]);
    check(&["b=c;__Host-portcullis=a;  d=e"], &["b=c; d=e"]);
    check(&["__Host-portcullis=a", "b=c"], &["b=c"]);
    check(&["b=c;d=e"], &["b=c;d=e"]);
    check(&["b=__Host-portcullis"], &["b=__Host-portcullis"]);
    check(&["a=1; __host-PORTCULLIS-x=s"], &["a=1"]);
}

#[test]
fn takes_its_own_cookies_out_however_they_are_spelt() {
    for pair in [
        "__HOST-PORTCULLIS=s",
        "\"__Host-portcullis\"=s",
        "\"__Host-portcullis=s\"",
        "'__Host-portcullis'=s",
        "\t __Host-portcullis=s",
        "__Host-portcullis",
        "=__Host-portcullis=s",
        "$__Host-portcullis=s",
        "__Host%2Dportcullis=s",
        "%5f%5FHost-%70ortcullis=s",
        "__Host.portcullis=s",
        "__Host_portcullis=s",
        "__Host portcullis=s",
        "x=y, __Host-portcullis=s",
        "x=y __Host-portcullis=s",
        "x=y\t\"__Host-portcullis\"=s",
        "+__Host-portcullis=s",
        "%20__Host-portcullis=s",
        "%00__Host-portcullis=s",
        "%5F%5FHost-portcullis=s",
        "%255F%25255fHost%252Dportcullis=s",
        "..Host-portcullis=s",
        "[_Host-portcullis=s",
        "__Host[portcullis=s",
        "__Host[portcullis]=s",
        "__Host%5Bportcullis=s",
        "__Host\u{e9}portcullis=s",
        "__Host-portcullis[]=s",
        "__Host-portcullis%3Ds",
        "%3D__Host-portcullis=s",
    ] {
        let fields = [("cookie", format!("a=1; {pair}")), ("cookie", "b=2".to_owned()), ("cookie", pair.to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(stripped(Peer::Stranger, &fields), ["cookie: a=1; b=2"], "{pair:?}");
    }
    for pair in [
        "host-portcullis=s",
        "_host-portcullis=s",
        "__Host=portcullis",
        "__Hostportcullis=s",
        "__Host-portculli=s",
        "__Hos%zz-portcullis=s",
        "x__Host-portcullis=s",
        "a=\"b\"",
        "p=__Host-portcullis=s",
        "p=, , %",
    ] {
        assert_eq!(stripped(Peer::Stranger, &[("cookie", pair)]), [format!("cookie: {pair}")]);
    }
}

#[test]
fn appends_the_peer_to_what_a_trusted_proxy_said() {
    let (peer, host) = (IpAddr::from([10, 0, 0, 1]), HeaderValue::from_static("app.example:8443"));
    let mut fresh = head(&[]);
    forwarded(&mut fresh, peer, "https", &host);
    let rest = ["x-forwarded-host: app.example:8443", "x-forwarded-proto: https"];
    assert_eq!(left(&fresh), ["x-forwarded-for: 10.0.0.1", rest[0], rest[1]]);
    let before = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2"), ("x-forwarded-proto", "http")];
    let mut chained = head(&before);
    forwarded(&mut chained, peer, "https", &host);
    assert_eq!(left(&chained), ["x-forwarded-for: 192.0.2.1, 192.0.2.2, 10.0.0.1", rest[0], rest[1]]);
}

#[test]
fn writes_an_address_as_everybody_does() {
    for address in
        ["1.20.99.100", "255.255.255.255", "10.0.0.1", "2001:db8::1", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
    {
        let mut head = head(&[]);
        forwarded(&mut head, address.parse().unwrap(), "https", &HeaderValue::from_static("a"));
        assert_eq!(head.get("x-forwarded-for").unwrap(), address);
    }
}

#[test]
fn a_changed_head_keeps_its_target_and_its_fields() {
    for target in ["/a?b=c", "/a\"b", "http://a.example/b?c", "/\u{e9}", "*"] {
        let mut head = RequestHeader::build("POST", target.as_bytes(), None).unwrap();
        head.append_header("X-One", "1").unwrap();
        change(&mut head, |headers| {
            headers.insert("x-two", HeaderValue::from_static("2"));
            Ok(())
        })
        .unwrap();
        assert_eq!((head.raw_path(), head.method.as_str()), (target.as_bytes(), "POST"));
        assert_eq!(left(&head.headers), ["x-one: 1", "x-two: 2"]);
    }
}

#[test]
fn a_changed_answer_keeps_its_status_and_its_phrase() {
    for phrase in ["OK", "Fine", ""] {
        let mut head = ResponseHeader::build(200, None).unwrap();
        head.set_reason_phrase(Some(phrase)).unwrap();
        for value in ["a=1", "b=2"] {
            head.append_header("Set-Cookie", value).unwrap();
        }
        change_answer(&mut head, |_, headers| {
            headers.insert("x-two", HeaderValue::from_static("2"));
        });
        assert_eq!((head.status.as_u16(), head.get_reason_phrase()), (200, Some(phrase)));
        assert_eq!(left(&head.headers), ["set-cookie: a=1", "set-cookie: b=2", "x-two: 2"]);
    }
}
