//! Tokens that only their issuer can read (RFC 7662), at the certified provider.

use portcullis_tests::idp::{AUDIENCE, Fault, Idp};
use portcullis_tests::site::{Setup, Site};

async fn site(idp: &Idp, more: &str) -> Site {
    let tokens = format!(
        "[tokens.test]\nissuer = \"{issuer}\"\naudiences = [\"{AUDIENCE}\"]\n\
         introspection = {{ endpoint = \"{issuer}/token/introspection\", client_id = \"gateway-rs\", \
         client_secret = \"gateway-rs-secret-0123456789abcdef\"{more} }}\n",
        issuer = idp.issuer()
    );
    Setup::new()
        .tokens(&tokens)
        .route("page", "GET /page", "read", "authenticate = [\"jwt\"]\nscopes = [\"api:read\"]\n")
        .policies(r#"@id("machine") permit (principal is Client, action == Action::"page", resource);"#)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_is_good_as_long_as_its_issuer_says_so() {
    let idp = Idp::start_with(&[("IDP_OPAQUE", "1")]).await;
    let site = site(&idp, "").await;
    let token = idp.machine_token().await;
    assert!(!token.contains('.'), "opaque: {token}");
    let good = format!("Bearer {token}");
    let mut client = site.h1().await;
    for _ in 0..5 {
        assert_eq!(client.get("/page", &[("authorization", &good)]).await.status, 200);
    }
    assert_eq!(idp.counters().await["POST /token/introspection"], 1, "its answer is kept for a while");
    for bad in ["Bearer made-up", "Bearer eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(client.get("/page", &[("authorization", bad)]).await.problem(), (401, "invalid_token".to_owned()));
    }
    assert_eq!(idp.counters().await["POST /token/introspection"], 2, "a JWT of nobody's is shown to nobody");
    let seen = site.upstream.requests().remove(0);
    assert_eq!((seen.header("x-portcullis-user"), seen.header("authorization")), (Some("m2m-worker"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_or_talks_nonsense_is_503_and_many_ask_as_one() {
    let idp = Idp::start_with(&[("IDP_OPAQUE", "1")]).await;
    let site = site(&idp, "").await;
    let good = format!("Bearer {}", idp.machine_token().await);
    for fault in [Fault::Status(500), Fault::Reset, Fault::Garbage, Fault::Hang] {
        idp.fault("/token/introspection", fault, None).await;
        let answer = site.h1().await.get("/page", &[("authorization", &good)]).await;
        assert_eq!(answer.problem(), (503, "dependency_unavailable".to_owned()), "{fault:?}");
    }
    idp.heal().await;
    idp.fault("/token/introspection", Fault::Slow(500), None).await;
    let before = idp.counters().await["POST /token/introspection"];
    let asking =
        (0..10).map(|_| async { site.h1().await.get("/page", &[("authorization", &good)]).await.status.as_u16() });
    assert_eq!(futures::future::join_all(asking).await, [200; 10]);
    assert_eq!(idp.counters().await["POST /token/introspection"] - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_issuers_to_ask_are_told_apart_by_the_route() {
    let source = |alias: &str, issuer: &str| {
        format!(
            "[tokens.{alias}]\nissuer = \"{issuer}\"\naudiences = [\"a\"]\nintrospection = {{ endpoint = \
             \"https://{alias}.test/i\", client_id = \"g\", client_secret = \"s\" }}\n"
        )
    };
    let both = format!("{}{}", source("one", "https://one.test"), source("two", "https://two.test"));
    let setup = |more: &str| {
        Setup::new()
            .tokens(&both)
            .route("page", "GET /page", "read", &format!("authenticate = [\"jwt\"]\n{more}"))
            .policies(r#"@id("any") permit (principal is User, action == Action::"page", resource);"#)
    };
    let (error, _folder) = setup("").try_start().await.map(|_| "started").unwrap_err();
    assert!(
        error.to_string().contains("an opaque token does not say whether [tokens.one] or [tokens.two] issued it"),
        "{error}"
    );
    let site = setup("issuers = [\"two\"]\n").start().await;
    assert_eq!(site.h1().await.get("/page", &[]).await.status, 401);
    // Our own page takes the tokens of both routes' issuers, of which it could show an opaque one to neither.
    let me = site.h1().await.get("/_portcullis/me", &[("authorization", "Bearer opaque")]).await;
    assert_eq!(me.status, 401);
}
