//! The way in, and the way out.

use portcullis_tests::idp::ALICE;
use portcullis_tests::jar::{Browser, SESSION};

use super::{alice, failure, idp, site};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_nothing_but_a_browser_logs_in_and_out() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = Browser::new(&site);
    let arrival = browser.follow("https://app.test/page?a=b%20c", "alice").await;
    assert_eq!(arrival.answer.status, 200, "{}", failure(&arrival.answer));
    assert_eq!(arrival.url, "https://app.test/page?a=b%20c", "back to where it began");
    let seen = site.upstream.requests().remove(0);
    assert_eq!(seen.header("x-portcullis-user"), Some(ALICE));
    assert_eq!(seen.header("x-portcullis-auth"), Some("session"));
    assert_eq!(seen.header("x-portcullis-email"), Some("alice@example.test"));
    assert_eq!(seen.header("cookie"), None, "the cookie ends here");
    assert!(browser.cookies("__Host-portcullis-flow").is_empty(), "the flow is over");

    let page = browser.navigate("https://app.test/_portcullis/logout").await;
    assert_eq!(page.status, 200);
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let left = browser.submit("https://app.test/_portcullis/logout", "").await;
    let there = left.header("location").unwrap().to_owned();
    assert!(there.starts_with(&format!("{}/session/end?", idp.issuer())), "{there}");
    for part in ["id_token_hint=", "post_logout_redirect_uri=https%3A%2F%2Fapp.test%2F", "state="] {
        assert!(there.contains(part), "{part} in {there}");
    }
    assert_eq!(browser.cookie(SESSION), None);
    let arrival = browser.follow(&there, "alice").await;
    assert!(arrival.url.starts_with("https://app.test/?state="), "{}", arrival.url);
    // The old cookie is worthless.
    browser.toss(SESSION, &session);
    assert_eq!(browser.fetch("GET", "https://app.test/page").await.problem(), (401, "authentication_required".into()));
    assert_eq!(browser.cookie(SESSION), None, "and taken away");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_told_where_to_log_in_and_browsers_are_sent_there() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = Browser::new(&site);
    let refused = browser.fetch("GET", "https://app.test/page").await;
    assert_eq!(refused.problem(), (401, "authentication_required".into()));
    assert_eq!(refused.json()["login_url"], "https://app.test/_portcullis/login");
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer realm="));
    let login = "https://app.test/_portcullis/login?rd=%2Fpage%3Fa";
    for (fields, sent) in [
        (&[("sec-fetch-mode", "navigate"), ("accept", "*/*")][..], true),
        (&[("accept", "text/html,application/xhtml+xml")], true),
        (&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
        (&[("accept", "text/html"), ("sec-fetch-mode", "cors")], false),
        (&[("accept", "text/html"), ("sec-fetch-mode", "no-cors")], false),
        (&[("accept", "*/*")], false),
        (&[], false),
    ] {
        let answer = browser.send("GET", "https://app.test/page?a", fields, "").await;
        let expected = if sent { (302, Some(login)) } else { (401, None) };
        assert_eq!((answer.status.as_u16(), answer.header("location")), expected, "{fields:?}");
    }
    let posted = browser.send("POST", "https://app.test/page", &[("accept", "text/html")], "").await;
    assert_eq!(posted.problem().0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_survives_a_restart_and_is_kept_by_its_hash() {
    let idp = idp().await;
    let site = site(&idp).await;
    let mut browser = alice(&site).await;
    let id = browser.cookie(SESSION).unwrap().to_owned();
    let mut site = site.restart(|_| ()).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    browser.moves_to(&site);
    assert_eq!(browser.fetch("GET", "https://app.test/page").await.status, 200);
    site = site.restart(|_| ()).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    let kept = std::fs::read(site.files.path("data/portcullis.db")).unwrap();
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds(ALICE) && !holds(&id), "the hash alone is kept");
    assert!(!holds("refresh_token") && !holds("eyJ"), "tokens are sealed");
}
