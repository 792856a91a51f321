//! May people with nothing but a browser come in? At the certified provider, with a cookie jar for a browser.

mod begins;
mod checked;
mod command;
mod demanded;
mod ended;
mod exchanged;
mod failures;
mod github;
mod me;
mod providers;
mod refused;
mod relayed;
mod renewed;
mod replicas;
mod sessions;
mod silent;
mod table;
mod throttled;

use portcullis_tests::client::Answer;
use portcullis_tests::idp::Idp;
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::{Setup, Site};

/// The provider, which knows our gateway.
pub(crate) async fn idp() -> Idp {
    idp_with(&[]).await
}

pub(crate) async fn idp_with(settings: &[(&str, &str)]) -> Idp {
    let usual = [
        ("IDP_REDIRECT_URIS", "https://app.test/_portcullis/callback/test"),
        ("IDP_POST_LOGOUT_URIS", "https://app.test/"),
        // Else its access tokens are not for its own userinfo endpoint.
        ("IDP_DEFAULT_RESOURCE", "0"),
    ];
    Idp::start_with(&[&usual[..], settings].concat()).await
}

pub(crate) fn provider(idp: &Idp, more: &str) -> String {
    format!(
        "[providers.test]\nissuer = \"{}\"\nclient_id = \"gateway-web\"\nclient_secret = \
         \"gateway-web-secret-0123456789abcdef\"\nscopes = [\"openid\", \"profile\", \"email\", \"offline_access\"]\n{more}\n",
        idp.issuer()
    )
}

/// Pages for people, an API for their scripts, and a start page for everybody.
pub(crate) fn setup(idp: &Idp, more: &str) -> Setup {
    Setup::new()
        .tokens("")
        .section(&provider(idp, more))
        .route("home", "GET /", "public", "")
        .route("page", "GET /page", "read", "authenticate = [\"session\"]\n")
        .route("change", "POST /page", "read", "authenticate = [\"session\"]\n")
        .route("perhaps", "GET /perhaps", "read", "authenticate = \"optional\"\n")
        .policies(
            r#"@id("people") permit (principal is User, action in Action::"read", resource);
               @id("anybody") permit (principal == Anonymous::"anonymous", action == Action::"perhaps", resource);"#,
        )
}

async fn site(idp: &Idp) -> Site {
    setup(idp, "").start().await
}

/// The code on the page of a login that came to nothing; what it is instead, where it is none.
fn failure(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let code = text.split_once("<p class=\"code\">").and_then(|(_, rest)| rest.split_once("</p>"));
    code.map_or_else(|| format!("{}: {text}", answer.status), |(code, _)| code.to_owned())
}

/// A browser that has just logged in as alice.
async fn alice(site: &Site) -> Browser {
    let mut browser = Browser::new(site);
    let arrival = browser.follow("https://app.test/page", "alice").await;
    assert_eq!(
        (arrival.answer.status.as_u16(), &*arrival.url),
        (200, "https://app.test/page"),
        "{}",
        failure(&arrival.answer)
    );
    assert!(browser.cookie(SESSION).is_some());
    browser
}
