//! Is it a good client of `OpenID`? The table of the provider's README, which are the relying-party modules of the
//! `OpenID` Foundation's suite, row by row.

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::client::Client;
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{ALICE, Idp, OldKeys};
use portcullis_tests::jar::{Browser, SESSION};
use portcullis_tests::site::Site;
use serde_json::{Value, json};

use super::ended::post;
use super::{alice, failure, idp, idp_with, setup};

const PAGE: &str = "https://app.test/page";

// The rows. Each is shown below.
const CLAIMS: &str = "invalid-iss, invalid-aud, invalid nonce";
const MISSING: &str = "missing sub, iat, aud";
const UNSIGNED: &str = "idtoken-sig-none";
const SIGNATURE: &str = "bad signature RS256, ES256, HS256";
const KID: &str = "kid absent, one key (ok); kid absent, several keys (ok if one verifies)";
const USERINFO: &str = "userinfo sub differs";
const REFRESH: &str = "refresh: other iss, sub, aud, azp";
const DISCOVERY: &str = "discovery issuer mismatch";
const ODD_KEY: &str = "unparseable key in the JWKS (ok)";
const ROTATION: &str = "key rotation (ok)";
const LOGOUT: &str =
    "back-channel logout: alg none, wrong alg, no event, wrong event, with nonce, wrong aud, wrong issuer";
const AT_HASH: &str = "at_hash wrong or missing";

#[test]
fn every_row_of_the_table_is_here() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/idp/README.md")).unwrap();
    let table = readme.split_once("| module of the suite | tamper |\n| --- | --- |\n").unwrap().1;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.map(|row| row.split('|').nth(1).unwrap().trim()).collect();
    let here =
        [CLAIMS, MISSING, UNSIGNED, SIGNATURE, KID, USERINFO, REFRESH, DISCOVERY, ODD_KEY, ROTATION, LOGOUT, AT_HASH];
    assert_eq!(rows, here);
}

/// A login as alice; the code on the page, or `200`.
async fn outcome(site: &Site) -> String {
    let mut browser = Browser::new(site);
    let arrival = browser.follow(PAGE, "alice").await;
    let came_in = arrival.answer.status == 200;
    assert_eq!(browser.cookie(SESSION).is_some(), came_in);
    if came_in { "200".to_owned() } else { failure(&arrival.answer) }
}

fn id_token(what: &Value) -> Value {
    let mut tamper = json!({ "path": "/token", "token": "id_token" });
    tamper.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    tamper
}

#[tokio::test(flavor = "multi_thread")]
async fn id_tokens_are_refused_for_all_that_is_wrong_with_them() {
    let invalid = "400 id_token_invalid";
    let signatures = ["corrupt", "other", "hs256-public", "hs256-secret"];
    let mut rows = vec![
        (CLAIMS, json!({ "claims": { "iss": "x" } }), "400 issuer_mismatch"),
        (CLAIMS, json!({ "claims": { "aud": "x" } }), "400 audience_mismatch"),
        (CLAIMS, json!({ "claims": { "nonce": "x" } }), "400 nonce_mismatch"),
        (MISSING, json!({ "omit": ["sub"] }), invalid),
        (MISSING, json!({ "omit": ["iat"] }), invalid),
        (MISSING, json!({ "omit": ["aud"] }), invalid),
        (UNSIGNED, json!({ "sign": "none" }), invalid),
        (AT_HASH, json!({ "claims": { "at_hash": "x" } }), "400 at_hash_mismatch"),
    ];
    rows.extend(signatures.map(|sign| (SIGNATURE, json!({ "sign": sign }), invalid)));
    for algorithm in ["RS256", "ES256"] {
        let idp = idp_with(&[("IDP_ID_ALG", algorithm)]).await;
        let site = setup(&idp, "").start().await;
        for (row, what, expected) in &rows {
            idp.tamper(id_token(what)).await;
            assert_eq!(outcome(&site).await, *expected, "{algorithm}, {row}: {what}");
            idp.heal().await;
        }
        idp.tamper(json!({ "path": "/me", "merge": { "sub": "x" } })).await;
        assert_eq!(outcome(&site).await, "400 userinfo_mismatch", "{USERINFO}");
        idp.heal().await;
        assert_eq!(outcome(&site).await, "200");
    }
    // In the code flow the hash may be missing (OIDC Core §3.1.3.6), unless somebody says otherwise.
    let idp = idp().await;
    for (demanded, expected) in [("optional", "200"), ("required", "400 at_hash_mismatch")] {
        let site = setup(&idp, &format!("at_hash = \"{demanded}\"")).start().await;
        idp.tamper(id_token(&json!({ "omit": ["at_hash"] }))).await;
        assert_eq!(outcome(&site).await, expected, "{AT_HASH}: {demanded}");
    }
}

async fn published(idp: &Idp) -> Vec<Value> {
    let address = idp.issuer().strip_prefix("http://").unwrap().parse().unwrap();
    let answer = Client::plain(address).await.unwrap().get("/jwks", &[]).await;
    answer.json()["keys"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_odd_or_unnamed_and_may_change() {
    let idp = idp().await;
    // Two keys of each algorithm, of which the newer signs.
    idp.rotate(OldKeys::Keep).await;
    let all = published(&idp).await;
    let signs = all.iter().find(|key| key["alg"] == "RS256").unwrap().clone();
    let mut odd =
        vec![json!({ "kty": "oct", "k": 1 }), json!("no key"), json!({ "kty": "RSA", "n": "?", "e": "AQAB" })];
    odd.extend(all.clone());
    let others: Vec<&Value> = all.iter().filter(|key| **key != signs).collect();
    let nameless = json!({ "omit": ["header.kid"] });
    for (row, keys, what, expected) in [
        (KID, json!([signs]), nameless.clone(), "200"),
        (KID, json!(all), nameless.clone(), "200"),
        (KID, json!(others), nameless.clone(), "400 id_token_invalid"),
        (KID, json!(all), json!({ "omit": ["header.kid"], "sign": "other" }), "400 id_token_invalid"),
        (ODD_KEY, json!(odd), json!({}), "200"),
    ] {
        idp.tamper(json!({ "path": "/jwks", "merge": { "keys": keys } })).await;
        idp.tamper(id_token(&what)).await;
        let site = setup(&idp, "").start().await;
        assert_eq!(outcome(&site).await, expected, "{row}: {what} with {keys}");
        idp.heal().await;
    }

    let clock = Arc::new(TestClock::default());
    let site = setup(&idp, "leeway = \"5m\"").clock(&clock).start().await;
    assert_eq!(outcome(&site).await, "200");
    for old in [OldKeys::Keep, OldKeys::Withdraw] {
        idp.rotate(old).await;
        // Past the cooldown of a fetch that an unknown key asks for.
        clock.advance(Duration::from_secs(31));
        assert_eq!(outcome(&site).await, "200", "{ROTATION}: {old:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_speaks_of_the_same_person_or_of_nobody() {
    let idp = idp_with(&[("IDP_ID_TTL", "1000000"), ("IDP_REFRESH_TTL", "1000000")]).await;
    let clock = Arc::new(TestClock::default());
    let site = setup(&idp, "").clock(&clock).start().await;
    let mut rows = vec![(json!({}), 200)];
    rows.extend(["iss", "sub", "aud", "azp"].map(|claim| (json!({ claim: "x" }), 401)));
    for (claims, expected) in rows {
        let mut browser = alice(&site).await;
        clock.advance(Duration::from_secs(301));
        idp.tamper(id_token(&json!({ "claims": claims }))).await;
        assert_eq!(browser.fetch("GET", PAGE).await.status, expected, "{REFRESH}: {claims}");
        idp.heal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_speaks_for_the_issuer_that_is_configured() {
    let idp = idp().await;
    for issuer in ["https://evil.example".to_owned(), format!("{}/", idp.issuer())] {
        let other = json!({ "path": "/.well-known/openid-configuration", "merge": { "issuer": issuer } });
        idp.tamper(other).await;
        let site = setup(&idp, "").start().await;
        assert_eq!(failure(&Browser::new(&site).navigate(LOGIN).await), "400 issuer_mismatch", "{DISCOVERY}: {issuer}");
        idp.heal().await;
    }
}

const LOGIN: &str = "https://app.test/_portcullis/login";

#[tokio::test(flavor = "multi_thread")]
async fn a_bent_logout_token_ends_nothing() {
    let idp = idp().await;
    let site = setup(&idp, "algorithms = [\"RS256\"]").start().await;
    let mut browser = alice(&site).await;
    let keys = published(&idp).await;
    let elliptic = &keys.iter().find(|key| key["alg"] == "ES256").unwrap()["kid"];
    let with = |more: Value| {
        let mut claims = json!({ "sub": ALICE });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "claims": claims })
    };
    let good = with(json!({}));
    let signed = |sign: &str| json!({ "claims": { "sub": ALICE }, "sign": sign });
    let other_event = json!({ "events": { "http://schemas.openid.net/event/other": {} } });
    for (what, expected) in [
        (signed("none"), "id_token_invalid"),
        (signed("hs256-public"), "id_token_invalid"),
        (signed("hs256-secret"), "id_token_invalid"),
        (json!({ "claims": { "sub": ALICE }, "kid": elliptic }), "id_token_invalid"),
        (signed("other"), "id_token_invalid"),
        (signed("corrupt"), "id_token_invalid"),
        (json!({ "claims": { "sub": ALICE }, "omit": ["events"] }), "id_token_invalid"),
        (with(other_event), "id_token_invalid"),
        (with(json!({ "nonce": "n" })), "id_token_invalid"),
        (with(json!({ "aud": "x" })), "audience_mismatch"),
        (with(json!({ "iss": "https://evil.example" })), "issuer_mismatch"),
    ] {
        let expected = (400, Some(expected.to_owned()));
        assert_eq!(post(&site, &idp, what.clone()).await, expected, "{LOGOUT}: {what}");
        assert_eq!(browser.fetch("GET", PAGE).await.status, 200);
    }
    assert_eq!(post(&site, &idp, good).await, (200, None));
    assert_eq!(browser.fetch("GET", PAGE).await.status, 401);
}
