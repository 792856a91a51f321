use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Ids, TraceContext};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn made(trusted: bool, fields: &[(&'static str, &str)]) -> Ids {
    let field =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    Ids::make(&fields.iter().map(field).collect::<HeaderMap>(), trusted)
}

#[test]
fn refuses_every_traceparent_that_w3c_refuses() {
    let zero = |n: usize| "0".repeat(n);
    for text in [
        String::new(),
        "00".into(),
        format!("00-{TRACE}-{SPAN}"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{}-{SPAN}-01", zero(32)),
        format!("00-{TRACE}-{}-01", zero(16)),
        format!("00-{TRACE}x-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}x-01"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-zz"),
        format!("00-{TRACE}-{SPAN}-01 "),
    ] {
        assert_eq!(TraceContext::parse(&text), None, "{text}");
    }
}

#[test]
fn reads_the_trace_and_whether_it_is_sampled() {
    for (text, sampled) in [
        (format!("00-{TRACE}-{SPAN}-00"), false),
        (format!("00-{TRACE}-{SPAN}-01"), true),
        (format!("00-{TRACE}-{SPAN}-03"), true),
        (format!("cc-{TRACE}-{SPAN}-01-later"), true),
    ] {
        assert_eq!(TraceContext::parse(&text), Some((TRACE, sampled)), "{text}");
    }
}

#[test]
fn continues_what_trusted_proxies_began_and_nobody_else() {
    let parent = format!("00-{TRACE}-{SPAN}-00");
    let fields = [("x-request-id", "req-12345"), ("traceparent", parent.as_str())];
    let stranger = made(false, &fields);
    assert_ne!((stranger.request.as_str(), stranger.trace.trace_id()), ("req-12345", TRACE));
    let ids = made(true, &fields);
    assert_eq!((ids.request.as_str(), ids.trace.trace_id()), ("req-12345", TRACE));
    assert_eq!(ids.trace.parent.as_str(), format!("00-{TRACE}-{}-00", ids.trace.span_id()));
    assert_ne!(ids.trace.span_id(), SPAN);
    let begun = format!("00-{}-{}-01", stranger.trace.trace_id(), stranger.trace.span_id());
    assert_eq!(stranger.trace.parent.as_str(), begun);
}

#[test]
fn a_request_id_that_is_no_plain_id_is_replaced() {
    for id in ["short12", "has space", "semi;colon", "quote\"quote", &"a".repeat(129)] {
        let ids = made(true, &[("x-request-id", id)]);
        assert_eq!(ids.request, ids.decision, "{id}");
    }
}

#[test]
fn every_request_has_ids_of_its_own() {
    let (one, other) = (made(false, &[]), made(false, &[]));
    assert_ne!(one.decision, other.decision);
    assert_ne!(one.trace.trace_id(), other.trace.trace_id());
    let decision = one.decision.as_str();
    assert!(decision.len() == 32 && decision.bytes().all(|b| b.is_ascii_hexdigit()));
}
