use super::{check_error, location, parameter, stage};

#[test]
fn whoever_is_disabled_gets_nothing_any_more() {
    let stage = stage();
    let (tokens, login) = stage.tokens("alice");
    let set = |state: &str, fields: &str| stage.post("/people", fields, &[("user", "alice"), ("state", state)]);
    assert_eq!(set("disabled", "origin: https://evil.example\r\n").status, 403);
    assert_eq!(set("gone", "").status, 400);
    assert_eq!(stage.post("/people", "", &[("user", "mallory"), ("state", "disabled")]).status, 400);
    assert!(parameter(&stage.ask(&[("prompt", "none")], &login), "code").is_some());

    let (code, _) = stage.code("alice", &[]);
    assert_eq!(set("disabled", "").status, 303);
    let picked = stage.pick("alice", &[], "");
    assert_eq!(parameter(&picked, "error").as_deref(), Some("access_denied"), "{:?}", location(&picked));
    assert_eq!(parameter(&stage.ask(&[("prompt", "none")], &login), "error").as_deref(), Some("login_required"));
    check_error(&stage.redeem(&code, &[]), (400, "invalid_grant"));
    let bearer = format!("authorization: Bearer {}\r\n", tokens["access_token"].as_str().unwrap());
    assert_eq!(stage.get("/userinfo", &bearer).status, 401);
    check_error(&stage.refresh(tokens["refresh_token"].as_str().unwrap(), &[]), (400, "invalid_grant"));
    let password = [("grant_type", "password"), ("username", "alice"), ("password", "demo")];
    check_error(&stage.post("/token", "", &password), (400, "invalid_grant"));

    assert_eq!(set("enabled", "").status, 303);
    assert!(parameter(&stage.pick("alice", &[], ""), "code").is_some());
}

#[test]
fn shows_who_is_known_and_who_is_here() {
    let stage = stage();
    let page = stage.get("/", "");
    assert!(page.body.contains("Nobody is logged in here") && page.body.contains("demo-machine"), "{}", page.body);
    let (_, login) = stage.tokens("bob");
    let page = stage.get("/", &login);
    assert!(page.body.contains("You are logged in as <b>bob</b>"), "{}", page.body);
    assert!(!page.body.contains("<script") && page.head.contains("default-src 'none'"), "{}", page.head);
}
