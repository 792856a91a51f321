use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Map, json};

use super::{ApiKeys, KeyRecord, KeyTerms, KeyText, LONGEST, MintFault, Minted, find};
use crate::answer::StoreDown;
use crate::identify::samples::{FakeKeys, NOW, now};
use crate::moment::Moment;
use crate::refusal::{Code, Refusal};

fn mint() -> Minted {
    let random: Vec<u8> = (0..=255).collect();
    KeyText::mint("test", &random[7..40], &random[60..120]).unwrap()
}

fn record(key: &Minted) -> KeyRecord {
    KeyRecord {
        id: key.id.clone(),
        name: "ci".into(),
        owner: "team-a".into(),
        roles: vec!["readers".into()],
        scopes: vec!["orders:read".into()],
        metadata: Map::from_iter([("tier".into(), json!("gold")), ("owner".into(), json!("somebody else"))]),
        hash: key.hash,
        created_at: Moment::from_seconds(NOW),
        expires_at: Some(Moment::from_seconds(NOW + 1)),
        revoked_at: None,
        terms: KeyTerms::default(),
    }
}

fn store(record: KeyRecord) -> FakeKeys {
    FakeKeys { records: [(record.id.clone(), Arc::new(record))].into(), ..FakeKeys::default() }
}

fn refused(text: &str, keys: &FakeKeys) -> Refusal {
    ApiKeys::new().identify(text, keys, now()).now_or_never().unwrap().unwrap_err()
}

#[test]
fn refuses_bad_keys_in_one_public_text() {
    let key = mint();
    let good = record(&key);
    let check = |keys: FakeKeys, why: &str| {
        let refusal = refused(key.text.expose(), &keys);
        assert_eq!((refusal.code, refusal.reason.replace(&key.id, "ID")), (Code::InvalidApiKey, why.to_owned()));
        assert_eq!(refusal.detail, "");
        assert_eq!(refusal.extra.unwrap().challenge.clone().unwrap().description, "the API key does not verify");
        assert!(keys.used.lock().unwrap().is_empty());
    };
    check(FakeKeys::default(), "the key `ID` is unknown");
    check(store(KeyRecord { hash: [0; 32], ..good.clone() }), "the key `ID` has another secret");
    check(store(KeyRecord { revoked_at: Some(Moment::from_seconds(NOW)), ..good.clone() }), "the key `ID` is revoked");
    check(store(KeyRecord { expires_at: Some(Moment::from_seconds(NOW)), ..good }), "the key `ID` has expired");
}

#[test]
fn says_503_when_the_store_is_down() {
    let keys = FakeKeys { down: Some(StoreDown { what: "the store is locked" }), ..FakeKeys::default() };
    assert_eq!(refused(mint().text.expose(), &keys).code, Code::DependencyUnavailable);
}

#[test]
fn refuses_other_text_without_asking_the_store() {
    let good = mint().text.expose().to_owned();
    let form = "the text does not have the form of an API key";
    let checksum = "the API key's checksum is wrong: it was mistyped or made up";
    let check = |text: &str, why: &str| assert_eq!(KeyText::parse(text).map(|_| ()), Err(why), "{text}");
    check("", form);
    check("ptcl_", form);
    check("ptcl___", form);
    check(&good[1..], form);
    check(&good[..good.len() - 1], form);
    check(&format!("{good}0"), form);
    check(&format!("{good} "), form);
    check(&good.replace("test", ""), form);
    check(&good.replace("test", "Test"), form);
    check(&good.replace("test", "averylongenvironment"), form);
    check(&good.replace("test", "test_x"), form);
    check(&format!("{}é{}", &good[..30], &good[32..]), form);
    check(&good.replace("test", "tesu"), checksum);
    let last = if good.ends_with('0') { "1" } else { "0" };
    check(&format!("{}{last}", &good[..good.len() - 1]), checksum);
}

#[test]
fn every_bit_of_the_text_counts() {
    let good = mint().text.expose().to_owned();
    for index in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
        assert!(KeyText::parse(&String::from_utf8(bytes).unwrap()).is_err(), "{index}");
    }
}

#[test]
fn mints_keys_that_read_back() {
    let key = mint();
    let read = KeyText::parse(key.text.expose()).unwrap();
    assert_eq!((read.id(), read.hash()), (key.id.as_str(), key.hash));
    assert_eq!(key.text.expose().len(), "ptcl_test_".len() + 12 + 1 + 33);
    assert_eq!(format!("{read:?}"), format!("KeyText({})", key.id));
    assert!(!format!("{key:?}").contains(key.text.expose()));
}

#[test]
fn mints_from_fair_bytes_only_and_never_from_too_few() {
    assert_eq!(KeyText::mint("", &[0; 32], &[0; 64]).unwrap_err(), MintFault::Env);
    assert_eq!(KeyText::mint("Prod", &[0; 32], &[0; 64]).unwrap_err(), MintFault::Env);
    assert_eq!(KeyText::mint("prod", &[0; 11], &[0; 64]).unwrap_err(), MintFault::Random);
    assert_eq!(KeyText::mint("prod", &[248; 32], &[0; 64]).unwrap_err(), MintFault::Random);
    assert_eq!(KeyText::mint("prod", &[0; 32], &[0; 26]).unwrap_err(), MintFault::Random);
    let key = KeyText::mint("prod", &[61; 12], &[247; 27]).unwrap();
    assert!(key.text.expose().starts_with("ptcl_prod_zzzzzzzzzzzz_zzzzzzzzzzzzzzzzzzzzzzzzzzz"));
}

#[test]
fn the_identity_is_made_of_the_record() {
    let key = mint();
    let keys = store(record(&key));
    let judge = ApiKeys::new();
    let ask = || judge.identify(key.text.expose(), &keys, now()).now_or_never().unwrap().unwrap();
    let identity = ask();
    assert_eq!(identity.principal.to_string(), format!("ApiKey::\"{}\"", key.id));
    assert_eq!(*identity.groups, ["keys|readers".into()]);
    assert_eq!(*identity.scopes, ["orders:read".into()]);
    assert_eq!(json!(identity.attributes), json!({ "tier": "gold", "owner": "team-a", "name": "ci" }));
    assert_eq!(identity.expires_at, Some(Moment::from_seconds(NOW + 1)));
    assert!(Arc::ptr_eq(&identity, &ask()), "built once per record");
    assert_eq!(*keys.used.lock().unwrap(), [key.id.clone(), key.id.clone()]);
}

#[test]
fn a_changed_record_makes_a_new_identity() {
    let key = mint();
    let judge = ApiKeys::new();
    let roles = |record: KeyRecord| {
        let keys = store(record);
        judge.identify(key.text.expose(), &keys, now()).now_or_never().unwrap().unwrap().groups.len()
    };
    assert_eq!(roles(record(&key)), 1);
    assert_eq!(roles(KeyRecord { roles: vec![], ..record(&key) }), 0);
}

#[test]
fn finds_the_keys_in_a_text_and_nothing_that_only_looks_like_one() {
    let key = mint();
    let text = key.text.expose();
    let wrong = format!("{}{}", &text[..text.len() - 1], if text.ends_with('A') { 'B' } else { 'A' });
    let check = |around: String, at: &[usize]| {
        let found: Vec<_> = find(around.as_bytes()).map(|(at, found)| (at, found.env(), found.id())).collect();
        let expected: Vec<_> = at.iter().map(|at| (*at, "test", key.id.as_str())).collect();
        assert_eq!(found, expected, "{around}");
    };
    check(String::new(), &[]);
    check(wrong.clone(), &[]);
    check(text[..text.len() - 1].to_owned(), &[]);
    check("ptcl_ptcl_live_".to_owned(), &[]);
    check(format!("ptcl_{}_", "a".repeat(17)), &[]);
    check(text.to_owned(), &[0]);
    check(format!("{wrong} KEY={text}\n\"{text}\""), &[text.len() + 5, 2 * text.len() + 7]);
    check(format!("ptcl_{text}"), &[5]);
    assert!(text.len() <= LONGEST);
}
