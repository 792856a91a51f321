use super::{AUDIENCE, CALLBACK, ISSUER, cookie, location, parameter, request, stage};
use crate::demo::testing::Answer;

/// Refused to whoever looks at it; nothing is sent to the client.
fn check_unreturnable(answer: &Answer, why: &str) {
    assert_eq!((answer.status, location(answer)), (400, None), "{}", answer.body);
    assert!(answer.body.contains(why), "{}", answer.body);
    assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{}", answer.head);
}

/// The client is told, with its state and the name of who tells it.
fn check_told(answer: &Answer, error: &str) {
    let to = location(answer).unwrap_or_else(|| panic!("{}", answer.body));
    assert!(to.as_str().starts_with(CALLBACK), "{to}");
    let said = ["error", "state", "iss", "code"].map(|name| parameter(answer, name));
    assert_eq!(said, [Some(error.to_owned()), Some("st&te".to_owned()), Some(ISSUER.to_owned()), None], "{to}");
}

#[test]
fn sends_nothing_where_nobody_is_known() {
    let stage = stage();
    check_unreturnable(&stage.ask(&[("client_id", "")], ""), "client_id");
    check_unreturnable(&stage.ask(&[("client_id", "mallory")], ""), "No client is registered as <code>mallory</code>");
    let nearly = [
        "",
        "https://evil.example/cb",
        "https://127.0.0.1:8443/_portcullis/callback/demo/",
        "https://127.0.0.1:8443/_portcullis/callback/demo?x=1",
        "https://127.0.0.1:8443/_portcullis/callback/DEMO",
        "https://127.0.0.1:8443/_portcullis/callback/../callback/demo",
        "http://127.0.0.1:8443/_portcullis/callback/demo",
        "https://127.0.0.1/_portcullis/callback/demo",
        "http://localhost:3000/cb?keep=1",
    ];
    for uri in nearly {
        check_unreturnable(&stage.ask(&[("redirect_uri", uri)], ""), "redirect_uri");
        check_unreturnable(&stage.pick("alice", &[("redirect_uri", uri)], ""), "redirect_uri");
    }
    let twice = format!("/authorize?{}&state=2", request(&[]));
    check_unreturnable(&stage.get(&twice, ""), "twice");
    let hostile = stage.ask(&[("client_id", "<script>alert(1)</script>")], "");
    assert!(!hostile.body.contains("<script"), "{}", hostile.body);
}

#[test]
fn tells_the_client_what_it_asked_wrongly() {
    let stage = stage();
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("request", "a.b.c")], "request_not_supported"),
        (&[("request_uri", "https://evil.example/")], "request_uri_not_supported"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "create")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("id_token_hint", "a.b.c")], "invalid_request"),
    ];
    for (more, error) in cases {
        check_told(&stage.ask(more, ""), error);
    }
}

#[test]
fn asks_who_is_there_and_gives_a_code() {
    let stage = stage();
    let page = stage.ask(&[], "");
    assert_eq!(page.status, 200);
    for name in ["alice", "bob", "carol"] {
        assert!(page.body.contains(&format!("value=\"{name}\"")), "{}", page.body);
    }
    assert!(page.head.contains(&format!("form-action 'self' {AUDIENCE}\r\n")), "{}", page.head);
    assert!(page.head.contains("frame-ancestors 'none'") && page.head.contains("style-src 'sha256-"), "{}", page.head);
    for foreign in ["<script", "src=", "style=\"", "url(", "@import", "<link"] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
    let picked = stage.pick("bob", &[], "");
    assert_eq!(picked.status, 303);
    let said = ["state", "iss", "error"].map(|name| parameter(&picked, name));
    assert_eq!(said, [Some("st&te".to_owned()), Some(ISSUER.to_owned()), None]);
    assert_eq!(parameter(&picked, "code").unwrap().len(), 43);
    assert!(picked.head.contains("set-cookie: idp_login_9444="), "{}", picked.head);
    assert!(picked.head.contains("; httponly; samesite=lax"), "{}", picked.head);
    // What the redirect URI had already stays.
    let kept = stage.pick("bob", &[("client_id", "spa"), ("redirect_uri", "http://localhost:3000/cb?keep=1")], "");
    assert_eq!(parameter(&kept, "keep"), Some("1".to_owned()));
    // A request may be posted as well.
    let posted = stage.idp.send("POST /authorize", super::FORM, &request(&[]));
    assert!(posted.body.contains("Who are you?"), "{}", posted.body);
}

#[test]
fn a_pick_comes_from_the_page() {
    let stage = stage();
    for foreign in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
    ] {
        let refused = stage.pick("alice", &[], foreign);
        assert_eq!((refused.status, location(&refused)), (403, None), "{foreign}");
    }
    assert_eq!(stage.pick("alice", &[], "origin: http://localhost\r\nsec-fetch-site: same-origin\r\n").status, 303);
    for nobody in ["", "mallory", "Alice"] {
        assert_eq!(stage.pick(nobody, &[], "").status, 400, "{nobody}");
    }
}

#[test]
fn whoever_is_logged_in_is_not_asked_again() {
    let stage = stage();
    check_told(&stage.ask(&[("prompt", "none")], ""), "login_required");
    check_told(&stage.ask(&[("prompt", "none")], "cookie: idp_login_9444=invented\r\n"), "login_required");
    let login = cookie(&stage.pick("alice", &[], ""));
    stage.pass(100);
    let gives = |more: &[(&str, &str)]| parameter(&stage.ask(more, &login), "code").is_some();
    assert!(gives(&[]) && gives(&[("prompt", "none")]) && gives(&[("max_age", "100")]));
    assert!(gives(&[("login_hint", "alice")]) && gives(&[("login_hint", "alice@example.com")]));
    for asking in
        [("prompt", "login"), ("prompt", "select_account"), ("max_age", "99"), ("max_age", "0"), ("login_hint", "bob")]
    {
        let page = stage.ask(&[asking], &login);
        assert!(page.body.contains("Who are you?"), "{asking:?}: {}", page.body);
        if asking.0 != "prompt" {
            check_told(&stage.ask(&[asking, ("prompt", "none")], &login), "login_required");
        }
    }
}

#[test]
fn the_likely_one_has_the_focus() {
    let stage = stage();
    let focus = |more: &[(&str, &str)], login: &str| {
        let page = stage.ask(more, login).body;
        assert_eq!(page.matches("autofocus").count(), 1, "{page}");
        ["alice", "bob", "carol"].into_iter().find(|name| page.contains(&format!("value=\"{name}\" autofocus")))
    };
    assert_eq!(focus(&[], ""), Some("alice"));
    assert_eq!(focus(&[("login_hint", "carol")], ""), Some("carol"));
    let login = cookie(&stage.pick("bob", &[], ""));
    assert_eq!(focus(&[("prompt", "select_account")], &login), Some("bob"));
}

#[test]
fn an_id_token_hint_names_who_is_expected() {
    let stage = stage();
    let (tokens, login) = stage.tokens("alice");
    let hint = tokens["id_token"].as_str().unwrap();
    assert!(parameter(&stage.ask(&[("id_token_hint", hint), ("prompt", "none")], &login), "code").is_some());
    let bob = cookie(&stage.pick("bob", &[], ""));
    check_told(&stage.ask(&[("id_token_hint", hint), ("prompt", "none")], &bob), "login_required");
    // An access token is no hint.
    check_told(&stage.ask(&[("id_token_hint", tokens["access_token"].as_str().unwrap())], &login), "invalid_request");
}

#[test]
fn a_login_has_a_name_nobody_saw_before() {
    let stage = stage();
    let planted = "cookie: idp_login_9444=planted\r\n";
    let login = cookie(&stage.pick("alice", &[], planted));
    assert!(!login.contains("planted"));
    check_told(&stage.ask(&[("prompt", "none")], planted), "login_required");
    let next = cookie(&stage.pick("bob", &[], &login));
    assert_ne!(login, next);
    check_told(&stage.ask(&[("prompt", "none")], &login), "login_required");
    assert!(parameter(&stage.ask(&[("prompt", "none")], &next), "code").is_some());
}

#[test]
fn remembers_a_thousand_logins() {
    let stage = stage();
    let first = cookie(&stage.pick("alice", &[], ""));
    for _ in 0..super::super::memory::MOST - 1 {
        stage.pick("bob", &[], "");
    }
    assert!(parameter(&stage.ask(&[("prompt", "none")], &first), "code").is_some());
    stage.pick("bob", &[], "");
    check_told(&stage.ask(&[("prompt", "none")], &first), "login_required");
}
