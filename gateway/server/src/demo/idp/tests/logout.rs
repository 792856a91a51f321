use std::io::{Read, Write};
use std::net::TcpListener;

use openidconnect::url::form_urlencoded;
use serde_json::json;

use super::super::Uri;
use super::{BEGIN, ISSUER, Stage, check_error, cookie, location, parameter, part, query, settings, stage, stage_of};

const HOME: &str = "https://127.0.0.1:8443/";

fn leave(stage: &Stage, pairs: &[(&str, &str)], login: &str) -> crate::demo::testing::Answer {
    stage.get(&format!("/logout?{}", query(pairs)), login)
}

fn is_logged_in(stage: &Stage, login: &str) -> bool {
    parameter(&stage.ask(&[("prompt", "none")], login), "code").is_some()
}

#[test]
fn leads_nowhere_that_is_not_registered() {
    let stage = stage();
    let (tokens, login) = stage.tokens("alice");
    let hint = ("id_token_hint", tokens["id_token"].as_str().unwrap());
    let cases: [&[(&str, &str)]; 8] = [
        &[hint, ("post_logout_redirect_uri", "https://evil.example/")],
        &[hint, ("post_logout_redirect_uri", "https://127.0.0.1:8443/?x")],
        &[hint, ("post_logout_redirect_uri", "https://127.0.0.1:8443")],
        &[("post_logout_redirect_uri", HOME)],
        &[("client_id", "mallory"), ("post_logout_redirect_uri", HOME)],
        &[("client_id", "other"), ("post_logout_redirect_uri", HOME)],
        &[hint, ("client_id", "other")],
        &[("id_token_hint", "a.b.c")],
    ];
    for pairs in cases {
        let refused = leave(&stage, pairs, &login);
        assert_eq!((refused.status, location(&refused)), (400, None), "{pairs:?}");
    }
    assert!(is_logged_in(&stage, &login));
}

#[test]
fn a_hint_ends_the_login_and_all_that_came_of_it() {
    let stage = stage();
    let (tokens, login) = stage.tokens("alice");
    let open = parameter(&stage.ask(&[], &login), "code").unwrap();
    stage.pass(7200);
    let hint = ("id_token_hint", tokens["id_token"].as_str().unwrap());
    let left = leave(&stage, &[hint, ("post_logout_redirect_uri", HOME), ("state", "x y")], &login);
    assert_eq!((left.status, location(&left).unwrap().as_str()), (303, "https://127.0.0.1:8443/?state=x+y"));
    assert!(left.head.contains("set-cookie: idp_login_9444=; path=/; httponly; samesite=lax; max-age=0"));
    assert!(!is_logged_in(&stage, &login));
    check_error(&stage.refresh(tokens["refresh_token"].as_str().unwrap(), &[]), (400, "invalid_grant"));
    check_error(&stage.redeem(&open, &[]), (400, "invalid_grant"));
    // Again, without a login: it is over already.
    assert_eq!(leave(&stage, &[hint, ("post_logout_redirect_uri", HOME)], "").status, 303);
}

#[test]
fn without_a_hint_of_theirs_they_are_asked() {
    let stage = stage();
    let (_, login) = stage.tokens("alice");
    let (bobs, _) = stage.tokens("bob");
    for pairs in [&[][..], &[("id_token_hint", bobs["id_token"].as_str().unwrap())]] {
        let page = leave(&stage, pairs, &login);
        assert!(page.status == 200 && page.body.contains("Log out?"), "{}", page.body);
        assert!(is_logged_in(&stage, &login));
    }
    let foreign = format!("{login}origin: https://evil.example\r\n");
    assert_eq!(stage.post("/logout/confirm", &foreign, &[]).status, 403);
    assert!(is_logged_in(&stage, &login));
    let way = query(&[("client_id", "portcullis"), ("post_logout_redirect_uri", HOME)]);
    let left = stage.post(&format!("/logout/confirm?{way}"), &login, &[]);
    assert_eq!(location(&left).unwrap().as_str(), HOME);
    assert!(!is_logged_in(&stage, &login));
    assert!(leave(&stage, &[], "").body.contains("You are logged out"));
}

/// Takes one request and answers 200; its body.
fn hear(listener: TcpListener) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut text, mut part) = (String::new(), [0; 4096]);
        loop {
            let n = stream.read(&mut part).unwrap();
            text.push_str(std::str::from_utf8(&part[..n]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.to_ascii_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                return body.to_owned();
            }
        }
    })
}

#[test]
fn clients_are_told_of_a_logout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings();
    let place = format!("http://{}/backchannel-logout", listener.local_addr().unwrap());
    settings.clients[0].backchannel_logout_uri = Uri::new(&place);
    let stage = stage_of(settings);
    let (tokens, login) = stage.tokens("alice");
    let heard = hear(listener);
    let sid = stage.verified(&tokens["id_token"])["sid"].clone();
    assert_eq!(leave(&stage, &[("id_token_hint", tokens["id_token"].as_str().unwrap())], &login).status, 200);
    let body = heard.join().unwrap();
    let (name, token) = form_urlencoded::parse(body.as_bytes()).next().unwrap();
    assert_eq!(name, "logout_token");
    assert_eq!(part(&token, 0)["typ"], "logout+jwt");
    let mut claims = stage.verified(&json!(token));
    assert_eq!(claims["jti"].take().as_str().unwrap().len(), 43);
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": "portcullis", "iat": BEGIN, "exp": BEGIN + 120, "jti": null, "sid": sid,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    assert_eq!(claims, expected);
}

#[test]
fn a_client_that_cannot_be_told_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings();
    settings.clients[0].backchannel_logout_uri = Uri::new(&format!("http://{}/", listener.local_addr().unwrap()));
    drop(listener);
    let stage = stage_of(settings);
    let login = cookie(&stage.pick("alice", &[], ""));
    assert_eq!(stage.post("/logout/confirm", &login, &[]).status, 200);
    assert!(!is_logged_in(&stage, &login));
}
