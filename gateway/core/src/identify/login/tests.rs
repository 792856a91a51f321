use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};

use super::super::samples::{FakeKeySets, ISSUER, NOW, Signer, base64, claims, key_set, now};
use super::{Expected, Fault, Provider, Providers, Statement, returns_to_us};
use crate::identify::KeysUnavailable;
use crate::refusal::LoginFailure;
use crate::refusal::LoginFailure as F;

const CLIENT: &str = "portcullis";

fn provider(more: Value) -> Result<std::sync::Arc<Provider>, String> {
    let mut config = json!({ "issuer": ISSUER, "client_id": CLIENT, "client_secret": "s" });
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            config.as_object_mut().unwrap().shift_remove(name);
        } else {
            config[name] = value.clone();
        }
    }
    let config = serde_json::from_value(config).unwrap();
    let compiled = Providers::compile(&BTreeMap::from([("demo".to_owned(), config)]));
    compiled.map(|all| std::sync::Arc::clone(all.get("demo").unwrap())).map_err(|mistakes| {
        let said: Vec<String> =
            mistakes.into_iter().map(|mistake| format!("{}: {}", mistake.key, mistake.message)).collect();
        said.join("\n")
    })
}

/// An ID token for this login, with changes; a member set to null is left out.
fn id_token(changes: Value) -> String {
    let usual = json!({ "aud": CLIENT, "nonce": "n", "auth_time": NOW - 10 });
    let mut all = usual;
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Signer::usual().token_with(json!({ "typ": "JWT" }), all)
}

fn login() -> Expected<'static> {
    Expected { nonce: Some("n"), access_token: Some("access"), ..Expected::default() }
}

fn judge(text: &str, expected: &Expected<'_>) -> Result<Statement, Fault> {
    let provider = provider(json!({})).unwrap();
    let keys = FakeKeySets::usual();
    let token = provider.judge(text, expected, &keys, now()).now_or_never().unwrap()?;
    provider.state(token, None)
}

#[test]
fn refuses_an_id_token_that_is_not_of_this_login() {
    let signer = Signer::usual();
    let at_hash = "0000000000000000000000";
    for (token, expected) in [
        (id_token(json!({ "iss": "https://evil.example" })), F::IssuerMismatch),
        (id_token(json!({ "aud": "x" })), F::AudienceMismatch),
        (id_token(json!({ "aud": [CLIENT, "x"] })), F::AudienceMismatch),
        (id_token(json!({ "azp": "x" })), F::AudienceMismatch),
        (id_token(json!({ "nonce": "x" })), F::NonceMismatch),
        (id_token(json!({ "nonce": null })), F::NonceMismatch),
        (id_token(json!({ "nonce": 1 })), F::NonceMismatch),
        (id_token(json!({ "at_hash": at_hash })), F::AtHashMismatch),
        (id_token(json!({ "at_hash": 1 })), F::AtHashMismatch),
        (id_token(json!({ "sub": null })), F::IdTokenInvalid),
        (id_token(json!({ "iat": null })), F::IdTokenInvalid),
        (id_token(json!({ "aud": null })), F::IdTokenInvalid),
        (id_token(json!({ "exp": null })), F::IdTokenInvalid),
        (id_token(json!({ "exp": NOW - 30 })), F::ClockSkew),
        (id_token(json!({ "iat": NOW + 31 })), F::ClockSkew),
        (id_token(json!({ "groups": "writers" })), F::ClaimsUnusable),
        (id_token(json!({ "sid": 1 })), F::ClaimsUnusable),
        (id_token(json!({ "big": "x".repeat(8_000), "more": "x".repeat(30_000) })), F::IdTokenInvalid),
        (signer.token_with(json!({ "typ": "at+jwt" }), json!({ "aud": CLIENT, "nonce": "n" })), F::IdTokenInvalid),
        (signer.token_with(json!({ "alg": "none" }), json!({ "aud": CLIENT, "nonce": "n" })), F::IdTokenInvalid),
        (signer.token_with(json!({ "alg": "HS256" }), json!({ "aud": CLIENT, "nonce": "n" })), F::IdTokenInvalid),
        (signer.token_with(json!({ "kid": "other" }), json!({ "aud": CLIENT, "nonce": "n" })), F::IdTokenInvalid),
        ("no token".to_owned(), F::IdTokenInvalid),
    ] {
        let found = judge(&token, &login()).map(|statement| statement.subject).map_err(|(failure, _)| failure);
        assert_eq!(found, Err(expected), "{token}");
    }
}

#[test]
fn takes_an_id_token_with_or_without_at_hash() {
    // The left half of SHA-256("access").
    let whole = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"access");
    let at_hash = base64(&whole.as_ref()[..16]);
    for changes in [
        json!({}),
        json!({ "at_hash": at_hash }),
        json!({ "aud": [CLIENT, "x"], "azp": CLIENT }),
        json!({ "exp": NOW - 29 }),
        json!({ "iat": NOW + 30 }),
    ] {
        assert_eq!(judge(&id_token(changes.clone()), &login()).unwrap().subject, "alice", "{changes}");
    }
}

#[test]
fn at_a_refresh_the_person_stays_the_same_and_the_nonce_may_be_missing() {
    let expected = Expected { nonce: Some("n"), subject: Some("alice"), ..Expected::default() };
    for (changes, failure) in [
        (json!({}), None),
        (json!({ "nonce": null }), None),
        (json!({ "nonce": "x" }), Some(LoginFailure::NonceMismatch)),
        (json!({ "sub": "bob" }), Some(LoginFailure::SubjectMismatch)),
        (json!({ "iss": "x" }), Some(LoginFailure::IssuerMismatch)),
    ] {
        assert_eq!(
            judge(&id_token(changes.clone()), &expected).err().map(|(failure, _)| failure),
            failure,
            "{changes}"
        );
    }
}

#[test]
fn what_was_asked_for_must_have_been_reached() {
    let stronger = Expected { acr_values: Some("mfa hw"), max_age: Some(Duration::from_mins(1)), ..login() };
    for (changes, good) in [
        (json!({ "acr": "hw" }), true),
        (json!({ "acr": "pwd" }), false),
        (json!({}), false),
        (json!({ "acr": "mfa", "auth_time": NOW - 91 }), false),
        (json!({ "acr": "mfa", "auth_time": null }), false),
    ] {
        let failure = judge(&id_token(changes.clone()), &stronger).err().map(|(failure, _)| failure);
        assert_eq!(failure, (!good).then_some(LoginFailure::AuthenticationInsufficient), "{changes}");
    }
}

#[test]
fn an_address_counts_only_if_somebody_vouches_for_it() {
    let read = |more: Value, claims: Value| {
        let provider = provider(more).unwrap();
        let keys = FakeKeySets::usual();
        let token = provider.judge(&id_token(claims), &login(), &keys, now()).now_or_never().unwrap().unwrap();
        let said = provider.state(token, None).unwrap();
        (said.email, said.claims.contains_key("email"))
    };
    let address = || Some("a@b.test".to_owned());
    let claims = json!({ "email": "a@b.test" });
    assert_eq!(read(json!({}), claims.clone()), (None, false));
    assert_eq!(read(json!({}), json!({ "email": "a@b.test", "email_verified": "true" })), (None, false));
    assert_eq!(read(json!({}), json!({ "email": "a@b.test", "email_verified": true })), (address(), true));
    assert_eq!(read(json!({ "trust_email": true }), claims), (address(), true));
}

#[test]
fn userinfo_adds_to_what_is_signed_and_never_contradicts_it() {
    let provider = provider(json!({ "groups_claim": "/realm/roles" })).unwrap();
    let state = |userinfo: &str| {
        let keys = FakeKeySets::usual();
        let text = id_token(json!({ "name": "Alice" }));
        let token = provider.judge(&text, &login(), &keys, now()).now_or_never().unwrap().unwrap();
        provider.state(token, Some(userinfo.as_bytes()))
    };
    let said = state(r#"{"sub":"alice","name":"Mallory","realm":{"roles":["writers"]}}"#).unwrap();
    assert_eq!((said.claims["name"].as_str(), &*said.groups), (Some("Alice"), &["writers".to_owned()][..]));
    assert!(!said.claims.contains_key("nonce") && !said.claims.contains_key("aud"), "{:?}", said.claims);
    for (userinfo, failure) in [
        (r#"{"sub":"x"}"#, LoginFailure::UserinfoMismatch),
        ("{}", LoginFailure::UserinfoMismatch),
        ("eyJ", LoginFailure::UserinfoUnreadable),
        (r#"{"sub":"alice","sub":"alice"}"#, LoginFailure::UserinfoUnreadable),
    ] {
        assert_eq!(state(userinfo).unwrap_err().0, failure, "{userinfo}");
    }
}

#[test]
fn keys_that_cannot_be_had_are_the_providers_fault() {
    let provider = provider(json!({})).unwrap();
    let ask = |keys: &FakeKeySets| {
        let found = provider.judge(&id_token(json!({})), &login(), keys, now()).now_or_never().unwrap();
        found.map(|_| ()).map_err(|(failure, _)| failure)
    };
    let good = key_set(2, &[Signer::usual().jwk()]);
    let away = || Err(KeysUnavailable::FetchFailed);
    assert_eq!(ask(&FakeKeySets::new(away(), away())), Err(LoginFailure::ProviderUnreachable));
    assert_eq!(ask(&FakeKeySets::new(Ok(key_set(1, &[])), away())), Err(LoginFailure::ProviderUnreachable));
    assert_eq!(ask(&FakeKeySets::new(Err(KeysUnavailable::Never), Ok(good.clone()))), Ok(()), "nobody needed them yet");
    assert_eq!(ask(&FakeKeySets::new(Ok(key_set(1, &[])), Ok(good))), Ok(()), "they were rotated");
}

/// A logout token with changes; a member set to null is left out.
fn logout_token(header: &Value, changes: Value) -> String {
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let mut all = json!({ "aud": CLIENT, "jti": "j", "events": event, "sid": "s", "iat": NOW });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Signer::usual().token_with(header.clone(), all)
}

#[test]
fn a_logout_token_is_verified_in_full() {
    let provider = provider(json!({})).unwrap();
    let typ = json!({ "typ": "logout+jwt" });
    let judge = |text: String| {
        provider
            .judge_logout(&text, &FakeKeySets::usual(), now())
            .now_or_never()
            .unwrap()
            .map_err(|(failure, _)| failure)
    };
    let good = judge(logout_token(&typ, json!({}))).unwrap();
    assert_eq!((good.sid.as_deref(), good.subject.as_deref(), &*good.id), (Some("s"), Some("alice"), "j"));
    assert!(judge(logout_token(&typ, json!({ "exp": null, "sid": null }))).is_ok(), "drafts had no `exp`");
    for (changes, failure) in [
        (json!({ "events": null }), F::IdTokenInvalid),
        (json!({ "events": { "other": {} } }), F::IdTokenInvalid),
        (json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": true } }), F::IdTokenInvalid),
        (json!({ "nonce": "n" }), F::IdTokenInvalid),
        (json!({ "jti": null }), F::IdTokenInvalid),
        (json!({ "iat": null }), F::IdTokenInvalid),
        (json!({ "sid": null, "sub": null }), F::IdTokenInvalid),
        (json!({ "aud": "x" }), F::AudienceMismatch),
        (json!({ "iss": "x" }), F::IssuerMismatch),
        (json!({ "iat": NOW - 400 }), F::ClockSkew),
        (json!({ "exp": NOW - 40 }), F::ClockSkew),
    ] {
        assert_eq!(judge(logout_token(&typ, changes.clone())), Err(failure), "{changes}");
    }
    for header in [json!({ "alg": "none" }), json!({ "alg": "HS256" }), json!({ "typ": "at+jwt" })] {
        assert_eq!(judge(logout_token(&header, json!({}))), Err(F::IdTokenInvalid), "{header}");
    }
    assert_eq!(super::claimed_issuer(&logout_token(&typ, json!({}))).as_deref(), Some(ISSUER));
    assert!(super::claimed_issuer(&id_token(claims())).is_none(), "an ID token is none");
}

#[test]
fn a_provider_says_what_is_wrong_with_it() {
    for (more, said) in [
        (json!({ "issuer": "http://idp.example" }), "providers.demo.issuer: `http://idp.example` is no `https` URL"),
        (json!({ "client_secret": null }), "providers.demo.client_id: nothing proves"),
        (json!({ "client_key": "k.pem" }), "providers.demo.client_key: there is a `client_secret` too"),
        (json!({ "client_key_id": "k" }), "providers.demo.client_key_id: it names a `client_key`"),
        (json!({ "parameters": { "state": "x" } }), "providers.demo.parameters: `state` is the gateway's own"),
        (json!({ "api": "https://x.test" }), "providers.demo.api: only"),
        (json!({ "organisations": ["acme"] }), "providers.demo.organisations: only"),
        (json!({ "scopes": ["email"] }), "providers.demo.scopes: `openid` is missing"),
        (json!({ "leeway": "6m" }), "providers.demo.leeway: it is longer"),
    ] {
        let mistakes = provider(more.clone()).unwrap_err();
        assert!(mistakes.starts_with(said), "{more}: {mistakes}");
    }
    assert_eq!(provider(json!({ "kind": "github", "issuer": null })).unwrap().issuer(), "https://github.com");
}

#[test]
fn a_return_address_stays_on_our_origin() {
    for good in ["/", "/a", "/a?b=c#d", "/a//b", "/@evil.example", "/.evil.example", "/%5C%5Cevil.example"] {
        assert!(returns_to_us(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\tevil",
        "/\n/evil.example",
        "/ /evil.example",
        "https://evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        " /",
        "/\u{2f}/evil\u{0}",
        "/\u{ff0f}evil",
        "?a",
        "#a",
        "@evil.example",
    ] {
        assert!(!returns_to_us(bad), "{bad:?}");
    }
    assert!(!returns_to_us(&format!("/{}", "a".repeat(2_048))));
}
