use std::net::IpAddr;

use super::{Sample, http1, passes, refuses};
use crate::framing::Connection;
use crate::refusal::Code;
use crate::request::Scheme;

fn from(peer: &str) -> Sample {
    Sample { connection: Connection { peer: peer.parse().unwrap(), scheme: Scheme::Http }, ..http1() }
}

fn client(sample: Sample, expected: &str) {
    passes(sample, |request| request.client, expected.parse::<IpAddr>().unwrap());
}

#[test]
fn refuses_chains_from_a_trusted_proxy_that_do_not_parse() {
    for chain in [
        "",
        "unknown",
        "1.2.3.4,",
        ",1.2.3.4",
        "1.2.3.4,,10.0.0.1",
        "1.2.3",
        "1.2.3.4:x",
        "[1.2.3.4]",
        "_a",
        "a, 1.2.3.4",
    ] {
        refuses(from("10.0.0.1").with("x-forwarded-for", chain), Code::MalformedRequest);
    }
    refuses(from("10.0.0.1").with("x-forwarded-for", vec!["1.2.3.4"; 33].join(",")), Code::MalformedRequest);
    for scheme in ["", "ftp", "https, http", "https,https"] {
        refuses(from("10.0.0.1").with("x-forwarded-proto", scheme), Code::MalformedRequest);
    }
    let twice = from("10.0.0.1").with("x-forwarded-proto", "https").with("x-forwarded-proto", "https");
    refuses(twice, Code::MalformedRequest);
}

#[test]
fn believes_nobody_else() {
    client(from("192.0.2.1").with("x-forwarded-for", "1.2.3.4"), "192.0.2.1");
    client(from("192.0.2.1").with("x-forwarded-for", "nonsense"), "192.0.2.1");
    client(from("::ffff:192.0.2.1"), "192.0.2.1");
    passes(from("192.0.2.1").with("x-forwarded-proto", "https"), |request| request.scheme, Scheme::Http);
}

#[test]
fn takes_the_right_most_address_that_is_no_proxy() {
    client(from("10.0.0.1"), "10.0.0.1");
    client(from("10.0.0.1").with("forwarded", "for=1.2.3.4").with("x-real-ip", "1.2.3.4"), "10.0.0.1");
    client(from("10.0.0.1").with("x-forwarded-for", "1.2.3.4"), "1.2.3.4");
    client(from("10.0.0.1").with("x-forwarded-for", "6.6.6.6, 1.2.3.4 ,10.9.9.9"), "1.2.3.4");
    client(from("10.0.0.1").with("x-forwarded-for", "6.6.6.6").with("x-forwarded-for", "1.2.3.4"), "1.2.3.4");
    client(from("10.0.0.1").with("x-forwarded-for", "10.0.0.3,10.0.0.2"), "10.0.0.3");
    client(from("::ffff:10.0.0.1").with("x-forwarded-for", "::ffff:1.2.3.4"), "1.2.3.4");
    client(from("2001:db8::1").with("x-forwarded-for", "[2001:DB9::2]:443"), "2001:db9::2");
    client(from("10.0.0.1").with("x-forwarded-for", "1.2.3.4:5, [2001:db8::3]"), "1.2.3.4");
    client(from("10.0.0.1").with("x-forwarded-for", "2001:db9::2"), "2001:db9::2");
}

#[test]
fn believes_the_scheme_of_a_trusted_proxy() {
    let scheme = |sample, expected| passes(sample, |request| request.scheme, expected);
    scheme(from("10.0.0.1"), Scheme::Http);
    scheme(from("10.0.0.1").with("x-forwarded-proto", "HTTPS"), Scheme::Https);
    scheme(from("10.0.0.1").with("x-forwarded-proto", "http"), Scheme::Http);
}
