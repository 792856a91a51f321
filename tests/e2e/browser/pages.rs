//! The gateway's own pages, the sample app's, and the identity provider's.

use portcullis_tests::binary;
use portcullis_tests::browser::Browser;
use tempfile::TempDir;

use super::{Visit, pictures};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_navigates_where_they_may_not_reads_why() {
    let visit = Visit::start(&[]).await;
    visit.browser.open(&visit.url("/nothing-here")).await;
    visit.browser.sees("404 route_not_found").await;
    pictures(&visit.browser, "refusal-404").await;
    visit.browser.click("dd a").await;
    visit.browser.sees("What to do:").await;
    pictures(&visit.browser, "refusal-documentation").await;
    assert!(visit.browser.url().await.ends_with("/_portcullis/refusals/route_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_app_is_for_everybody() {
    let visit = Visit::start(&[]).await;
    visit.browser.open(&visit.url("/")).await;
    visit.browser.sees("You reached it through Portcullis").await;
    pictures(&visit.browser, "app").await;
    assert_eq!(visit.browser.run("return window.isSecureContext").await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_provider_says_who_is_known_and_disables_them() {
    let visit = Visit::start(&[]).await;
    let idp = visit.demo.text("idp");
    visit.browser.open(&format!("{idp}/")).await;
    visit.browser.sees("Nobody is logged in here").await;
    visit.browser.click("button[aria-label=\"Disable bob\"]").await;
    visit.browser.sees("readers · disabled").await;
    pictures(&visit.browser, "idp-home").await;
    visit.browser.click("button[aria-label=\"Enable bob\"]").await;
    visit.browser.sees("Disable").await;
    assert!(!visit.browser.text("main").await.contains("disabled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_provider_asks_who_is_there_and_enter_is_enough() {
    let folder = TempDir::new().unwrap();
    let port = binary::free_ports(1);
    let (listen, back) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}/jwks"));
    let client = ["--client", "shop", "--redirect-uri", &format!("shop={back}")];
    let mut idp = binary::spawn(folder.path(), &[&["idp", "--listen", &listen], &client[..]].concat());
    idp.prints("http://localhost").await;
    let browser = Browser::start(&[]).await;
    let ask = format!(
        "http://localhost:{port}/authorize?client_id=shop&redirect_uri={back}&response_type=code&scope=openid&state=here\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    browser.open(&format!("{ask}&login_hint=bob")).await;
    browser.sees("Who are you?").await;
    pictures(&browser, "idp-picker").await;
    assert_eq!(browser.run("return document.activeElement.value").await, "bob");
    browser.press("\u{e007}").await;
    browser.sees("keys").await;
    let url = browser.url().await;
    assert!(url.starts_with(&back) && url.contains("state=here") && url.contains("code="), "{url}");
    // Next time nobody is asked.
    browser.open(&format!("{ask}&prompt=none")).await;
    assert!(browser.url().await.contains("code="), "{}", browser.url().await);
    browser.open(&ask.replace("/jwks", "/other")).await;
    browser.sees("This login cannot go on").await;
    pictures(&browser, "idp-stop").await;
    browser.open(&format!("http://localhost:{port}/logout")).await;
    pictures(&browser, "idp-logout").await;
    browser.click("button").await;
    browser.sees("You are logged out").await;
}
