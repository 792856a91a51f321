use portcullis_core::refusal::{Challenge, Code, Fault, Refusal};

use super::{Envelope, Id, documentation, page, www_authenticate};

#[test]
fn a_challenge_says_what_is_wrong_and_where_to_read_on() {
    let check = |error, description: &'static str, scope: Option<&str>, base: &str, expected: &str| {
        let challenge = Challenge {
            error,
            description: description.into(),
            scope: scope.map(str::to_owned),
            ..Challenge::default()
        };
        assert_eq!(www_authenticate(&challenge, base), expected);
    };
    check(None, "", None, "", r#"Bearer realm="portcullis""#);
    check(
        Some("invalid_token"),
        "The token has expired.",
        Some("a b"),
        "https://app.example",
        "Bearer realm=\"portcullis\", error=\"invalid_token\", error_description=\"The token has expired.\", \
         scope=\"a b\", resource_metadata=\"https://app.example/.well-known/oauth-protected-resource\"",
    );
    // RFC 6750 §3: nothing in a description may end it.
    check(None, "a\"\\\r\né b", None, "", r#"Bearer realm="portcullis", error_description="a b""#);
}

#[test]
fn nothing_reaches_a_page_unescaped() {
    let hostile = "<script>\"'&";
    let fault = Fault { pointer: hostile.to_owned(), keyword: "type".into(), message: hostile.to_owned() };
    let refusal = Refusal::new(Code::SchemaViolation).detail(hostile).errors(vec![fault]);
    let envelope =
        Envelope { decision: Id::of(hostile.into()), request_id: Id::of(hostile.into()), ..Envelope::default() };
    let page = page::refusal(&refusal, &envelope);
    assert!(!page.contains("<script") && !page.contains(hostile), "{page}");
    assert_eq!(page.matches("&lt;script&gt;&quot;&#39;&amp;").count(), 5);
}

#[test]
fn a_page_never_tells_the_operators_reason() {
    let refusal = Refusal::new(Code::Forbidden).because("forbidden by `secret-policy`");
    assert!(!page::refusal(&refusal, &Envelope::default()).contains("secret-policy"));
}

#[test]
fn pages_load_and_run_nothing() {
    for code in Code::ALL {
        let reply = documentation(code.name()).unwrap();
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(!["<script", "<img", "<link", "src=", "http://", "https://"].iter().any(|bad| text.contains(bad)));
        assert!(reply.fields.iter().any(|(name, _)| name == http::header::CONTENT_SECURITY_POLICY));
    }
    assert!(documentation("no_such_code").is_none());
    assert!(documentation("").is_none());
}
