use http::{Method, Version};

use super::{Sample, http1, http2, passes, refuses};
use crate::framing::RawFacts;
use crate::refusal::Code;

#[test]
fn refuses_a_request_without_one_host() {
    let no_host = |sample| refuses(sample, Code::InvalidHost);
    no_host(http1().without_host());
    no_host(http1().without_host().version(Version::HTTP_10));
    no_host(http1().with("host", "a"));
    no_host(Sample { raw: RawFacts { hosts: 2, ..RawFacts::default() }, ..http1() });
    for host in ["", "a/b", "a, b", "a,b", "a b", "u@a", "a:0", "a:x", "a:", "a.", "a\\b", "[::1", "a?b", "a#b", "%61"]
    {
        no_host(http1().without_host().with("host", host));
        no_host(http2().with("host", host));
    }
    no_host(http1().without_host().with("host", b"\xe9"));
    no_host(Sample { authority: None, ..http2() });
    no_host(Sample { authority: Some("u@a"), ..http2() });
    no_host(Sample { authority: Some(""), ..http2() });
}

#[test]
fn refuses_two_different_hosts() {
    let no_host = |sample| refuses(sample, Code::InvalidHost);
    no_host(http2().with("host", "b"));
    no_host(http2().with("host", "a:443"));
    no_host(http1().to("http://b/a"));
    no_host(http1().to("http://a:80/a"));
    no_host(http1().to("http:///a"));
    no_host(http1().to("http://u@a/a"));
    no_host(Sample { authority: Some("b"), ..http1() });
    no_host(Sample { authority: Some("b"), ..http1().to("http://a/a") });
}

#[test]
fn reads_the_host() {
    let host = |sample, expected: &str| passes(sample, |request| request.host.to_string(), expected.to_owned());
    host(http1(), "a");
    host(http1().without_host().with("host", "App.Example.COM:8443"), "app.example.com");
    host(http1().without_host().with("host", "[::0:1]:1"), "::1");
    host(http2(), "a");
    host(http2().with("host", "A"), "a");
    host(Sample { authority: None, ..http2().with("host", "b") }, "b");
    host(Sample { authority: Some("A"), ..http1() }, "a");
}

#[test]
fn refuses_targets_that_are_no_path() {
    refuses(http1().to("*").method("OPTIONS"), Code::MalformedRequest);
    refuses(http2().to("*").method("OPTIONS"), Code::MalformedRequest);
    refuses(http1().to("a:443"), Code::MalformedRequest);
    refuses(http1().to("a"), Code::MalformedRequest);
    refuses(http1().to(""), Code::MalformedRequest);
    refuses(http1().to("?a"), Code::MalformedRequest);
    refuses(http1().to("ftp://a/a"), Code::MalformedRequest);
    refuses(http1().to("x:http://a/a"), Code::MalformedRequest);
    refuses(http2().to("https://a/a"), Code::MalformedRequest);
    refuses(http1().to("http://a"), Code::AmbiguousPath);
    refuses(http1().to("http://a?q"), Code::AmbiguousPath);
    refuses(http1().to("http://a//a"), Code::AmbiguousPath);
}

#[test]
fn refuses_paths_and_queries_with_two_readings() {
    for path in ["/../a", "//a", "/%2e", "/a;b", "/a\\b", "/a%2Fb", "/a%", "/a b", "/a\0", "/a#b", "/a?b#c"] {
        refuses(http1().to(path), Code::AmbiguousPath);
        refuses(http2().to(path), Code::AmbiguousPath);
    }
    refuses(http1().to(b"/\xe9"), Code::AmbiguousPath);
    refuses(http1().to(b"/a?\xc3\xa9"), Code::AmbiguousPath);
    for query in ["<", ">", "\"", "%", "%4", "%zz", "a%&b", "%00", "a=1%00b"] {
        refuses(http1().to(format!("/a?{query}")), Code::MalformedRequest);
    }
}

#[test]
fn takes_path_and_query_as_they_came() {
    let parts = |sample, path: &str, query: Option<&str>| {
        let expected = (path.to_owned(), query.map(str::to_owned));
        passes(sample, |request| (request.path.as_str().to_owned(), request.query.map(str::to_owned)), expected);
    };
    parts(http1(), "/a", None);
    parts(http1().to("/a?"), "/a", Some(""));
    parts(http1().to("/a?b=/../%2e%0D%c3?c[]={|}\\^`"), "/a", Some("b=/../%2e%0D%c3?c[]={|}\\^`"));
    parts(http1().to("/a?u=http://b/"), "/a", Some("u=http://b/"));
    parts(http1().to("http://a/b?c"), "/b", Some("c"));
    parts(http1().to("HTTPS://A/b"), "/b", None);
    parts(http2().to("/a?b"), "/a", Some("b"));
}

#[test]
fn refuses_methods_nobody_registered() {
    for method in ["get", "Get", "foo", "pOST"] {
        refuses(http1().method(method), Code::MalformedRequest);
    }
    for method in ["TRACE", "CONNECT", "PRI", "FOO", "GET!", "TRACK", "1"] {
        refuses(http1().method(method), Code::MethodNotAllowed);
        refuses(http2().method(method), Code::MethodNotAllowed);
    }
    http1().method("TRACE").judge(|outcome| {
        let allow = outcome.unwrap_err().extra.unwrap().allow.clone();
        assert!(allow.contains(&Method::GET) && !allow.contains(&Method::TRACE));
    });
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "VERSION-CONTROL"] {
        passes(http1().method(method), |request| request.method.to_string(), method.to_owned());
    }
}

#[test]
fn refuses_other_versions() {
    refuses(http1().version(Version::HTTP_09), Code::MalformedRequest);
    refuses(http1().version(Version::HTTP_3), Code::MalformedRequest);
}

#[test]
fn refuses_long_targets() {
    let target = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    refuses(http1().to(target(65)), Code::TargetTooLong);
    passes(http1().to(target(64)), |_| (), ());
}
