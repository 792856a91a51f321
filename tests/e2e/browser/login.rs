//! Logging in with Chromium: at the demo, and at the certified provider with its faults.

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::browser::Browser;
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{Fault, Idp};
use portcullis_tests::jar::SESSION;
use portcullis_tests::site::Site;
use portcullis_tests::upstream::Reply;
use serde_json::{Value, json};

use super::{Visit, pictures};
use crate::login::{idp, setup};

const PAGE: &str = "https://app.test/page";

/// A site whose pages say which they are, and a browser that finds it as `app.test`.
async fn ground(idp: &Idp, clock: Option<&Arc<TestClock>>) -> (Site, Browser) {
    let setup = setup(idp, "leeway = \"5m\"\n");
    let site = if let Some(clock) = clock { setup.clock(clock) } else { setup }.start().await;
    site.upstream.always(|asked| {
        let body = format!("<!doctype html><title>a page</title><p>here is {}</p>", asked.target);
        Reply::new(200, body).header("content-type", "text/html")
    });
    let browser = Browser::start_before(&site.files.path("certs/app.pem"), site.address()).await;
    (site, browser)
}

async fn sign_in(browser: &Browser, user: &str) {
    browser.click(&format!("button[value=\"{user}\"]")).await;
}

async fn session(browser: &Browser) -> Option<Value> {
    browser.cookies().await.into_iter().find(|cookie| cookie["name"] == SESSION)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_logged_into_used_and_left() {
    let visit = Visit::start(&[]).await;
    let browser = &visit.browser;
    browser.open(&visit.url("/")).await;
    browser.sees("Nobody is logged in.").await;
    browser.click("#list").await;
    browser.sees("401 ").await;
    browser.click("#enter").await;
    browser.sees("Who are you?").await;
    sign_in(browser, "bob").await;
    browser.sees("You are bob, in readers.").await;
    pictures(browser, "app-bob").await;
    browser.click("#order").await;
    browser.sees("403 ").await;
    browser.click("#leave button").await;
    browser.sees("Nobody is logged in.").await;
    browser.click("#enter").await;
    browser.sees("Who are you?").await;
    sign_in(browser, "alice").await;
    browser.sees("You are alice, in writers.").await;
    browser.click("#order").await;
    browser.sees("201 ").await;
    browser.click("#list").await;
    browser.sees("lamp").await;
    let old = session(browser).await.unwrap();
    assert_eq!((&old["httpOnly"], &old["secure"], &old["sameSite"]), (&json!(true), &json!(true), &json!("Lax")));
    browser.click("#leave button").await;
    browser.sees("Nobody is logged in.").await;
    assert_eq!(session(browser).await, None);
    browser.set_cookie(old).await;
    browser.reload().await;
    browser.sees("Nobody is logged in.").await;
    assert_eq!(session(browser).await, None, "and taken away");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_log_in_side_by_side_and_the_back_button_harms_nobody() {
    let idp = idp().await;
    let (_site, browser) = ground(&idp, None).await;
    browser.open(&format!("{PAGE}?tab=1")).await;
    browser.sees("Sign in").await;
    let first = browser.another_tab().await;
    browser.open(&format!("{PAGE}?tab=2")).await;
    browser.sees("Sign in").await;
    sign_in(&browser, "alice").await;
    browser.sees("here is /page?tab=2").await;
    browser.tab(&first).await;
    sign_in(&browser, "alice").await;
    browser.sees("here is /page?tab=1").await;
    let session = session(&browser).await;
    browser.back().await;
    browser.back().await;
    browser.open(PAGE).await;
    browser.sees("here is /page").await;
    assert_eq!(self::session(&browser).await, session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_flow_is_gone_begins_once_more_by_itself() {
    let idp = idp().await;
    let (_site, browser) = ground(&idp, None).await;
    browser.open(PAGE).await;
    browser.sees("Sign in").await;
    let first = browser.another_tab().await;
    browser.open("https://app.test/").await;
    browser.sees("here is /").await;
    let cookies = browser.cookies().await;
    assert_eq!(cookies.len(), 1, "the flow: {cookies:?}");
    browser.delete_cookie(cookies[0]["name"].as_str().unwrap()).await;
    browser.tab(&first).await;
    // The provider knows alice by then, and nobody has to do anything more.
    sign_in(&browser, "alice").await;
    browser.sees("here is /").await;
    browser.open(PAGE).await;
    browser.sees("here is /page").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_or_slow_is_told_and_borne() {
    let idp = idp().await;
    let (site, browser) = ground(&idp, None).await;
    idp.fault("/.well-known/openid-configuration", Fault::Hang, None).await;
    browser.open(PAGE).await;
    browser.sees("503 provider_unreachable").await;
    browser.sees("The identity provider does not answer.").await;
    pictures(&browser, "login-provider-down").await;
    idp.heal().await;
    site.gateway.reload().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            browser.open(PAGE).await;
            if browser.url().await.starts_with(idp.issuer()) {
                break;
            }
        }
    })
    .await
    .expect("it is back");
    idp.fault("/token", Fault::Slow(3_000), None).await;
    sign_in(&browser, "alice").await;
    browser.sees("here is /page").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_at_the_provider_is_out_when_the_token_ends_and_stays_out() {
    let idp = idp().await;
    let clock = Arc::new(TestClock::default());
    let (_site, browser) = ground(&idp, Some(&clock)).await;
    browser.open(PAGE).await;
    sign_in(&browser, "bob").await;
    browser.sees("here is /page").await;
    idp.disable("bob").await;
    clock.advance(Duration::from_secs(301));
    browser.open(PAGE).await;
    assert!(browser.url().await.starts_with(idp.issuer()), "{}", browser.url().await);
    assert!(!browser.text("body").await.contains("here is"));
    browser.open("https://app.test/").await;
    assert_eq!(session(&browser).await, None, "the session is over, and its cookie gone");
}
