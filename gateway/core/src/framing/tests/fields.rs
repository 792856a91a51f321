use http::HeaderName;

use super::{Sample, http1, http2, passes, refuses};
use crate::refusal::Code;

#[test]
fn refuses_field_names_with_two_spellings() {
    for name in ["x_user", "x.user", "x~user", "x!", "x'", "x|y", "x+y", "x*"] {
        refuses(http1().with(name, "a"), Code::MalformedRequest);
        refuses(http2().with(name, "a"), Code::MalformedRequest);
    }
}

#[test]
fn refuses_values_outside_visible_ascii() {
    for value in [&b"\xe9"[..], b"\xc3\xa9", b"a\x80", b"\xff"] {
        refuses(http1().with("x-a", value), Code::MalformedRequest);
    }
    passes(http1().with("x-a", "a \t~!"), |_| (), ());
}

#[test]
fn refuses_repeated_fields() {
    for name in ["content-type", "origin", "date", "if-match", "referer", "upgrade", "sec-websocket-key", "cookie"] {
        refuses(http1().with(name, "a").with(name, "a"), Code::MalformedRequest);
    }
    for name in ["authorization", "x-api-key", "proxy-authorization"] {
        refuses(http1().with(name, "a").with(name, "a"), Code::CredentialsConflict);
        refuses(http2().with(name, "a").with(name, "b"), Code::CredentialsConflict);
    }
    passes(http2().with("cookie", "a=b").with("cookie", "c=d"), |_| (), ());
    passes(http1().with("accept", "a/b").with("accept", "c/d"), |_| (), ());
    passes(http1().with("content-encoding", "gzip").with("content-encoding", "br"), |_| (), ());
}

#[test]
fn refuses_connection_options_that_would_delete_fields() {
    for option in [
        "authorization",
        "Cookie",
        "host",
        "content-length",
        "transfer-encoding",
        "x-forwarded-for",
        "X-Portcullis-User",
        "x-sub",
        "close, x-api-key",
        "close,,Forwarded",
        "a b",
    ] {
        refuses(http1().with("connection", option), Code::MalformedRequest);
        refuses(http1().with("connection", "close").with("connection", option), Code::MalformedRequest);
    }
    for option in ["close", "Keep-Alive", "keep-alive, TE", "", "Upgrade, HTTP2-Settings", ", close"] {
        passes(http1().with("connection", option), |_| (), ());
    }
}

#[test]
fn refuses_connection_fields_under_http2() {
    for name in ["connection", "keep-alive", "proxy-connection", "upgrade"] {
        refuses(http2().with(name, "close"), Code::MalformedRequest);
    }
    refuses(http2().with("te", "gzip"), Code::MalformedRequest);
    refuses(http2().with("te", "trailers, gzip"), Code::MalformedRequest);
    passes(http2().with("te", "trailers"), |_| (), ());
}

#[test]
fn refuses_other_schemes_under_http2() {
    for scheme in ["", "ftp", "HTTPS", "https ", "javascript"] {
        refuses(Sample { scheme: Some(scheme), ..http2() }, Code::MalformedRequest);
    }
    passes(Sample { scheme: Some("http"), ..http2() }, |_| (), ());
}

#[test]
fn refuses_heads_that_are_too_large() {
    let with = |fields: usize| {
        (1..fields).fold(http1(), |sample, number| {
            let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
            sample.with(name.as_str(), "")
        })
    };
    refuses(with(13), Code::HeadersTooLarge);
    passes(with(12), |request| request.headers.len(), 12);
    // `host: a` has 4 + 1 + 4 bytes, `x: ` 1 + 4.
    refuses(http1().with("x", "a".repeat(512 - 9 - 5 + 1)), Code::HeadersTooLarge);
    passes(http1().with("x", "a".repeat(512 - 9 - 5)), |_| (), ());
}

#[test]
fn tells_the_caller_nothing_the_client_sent() {
    http1().with("x_secret", "hush").judge(|outcome| {
        let refusal = outcome.unwrap_err();
        assert!(refusal.reason.contains("x_secret") && !refusal.detail.contains("secret"), "{refusal:?}");
    });
}
