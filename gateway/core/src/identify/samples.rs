//! Keys, tokens and a world made for the tests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::jwks::KeySet;
use super::{
    Algorithm, Introspection, KeyRecord, KeySets, Keys, KeysUnavailable, Replays, Revocations, RevokedTokens, Sources,
};
use crate::answer::{Answer, StoreDown};
use crate::moment::{Moment, Now};
use crate::request::{CanonicalPath, DeclaredBody, Request, Scheme};

/// The tests' present, in seconds.
pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://idp.example";
pub(super) const AUDIENCE: &str = "https://app.example";

pub(super) fn now() -> Now {
    at(NOW)
}

pub(super) fn at(seconds: i64) -> Now {
    Now { wall: Moment::from_seconds(seconds), ..Now::default() }
}

/// A private key with its id.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pub(super) algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    pub(super) fn new(kid: &'static str, algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::Es256 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), "P-256"),
            Algorithm::Es384 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(), "P-384"),
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            Algorithm::Ps256 | Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        Self { kid, algorithm, pair }
    }

    /// The issuer's usual key.
    pub(super) fn usual() -> &'static Self {
        static USUAL: OnceLock<Signer> = OnceLock::new();
        USUAL.get_or_init(|| Self::new("k1", Algorithm::Es256))
    }

    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Ec(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) }),
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": base64(&public.n), "e": base64(&public.e) })
            }
        };
        jwk["kid"] = self.kid.into();
        jwk
    }

    /// A token of exactly these texts.
    pub(super) fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair, _) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding = if self.algorithm == Algorithm::Ps256 {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256 as &dyn aws_lc_rs::signature::RsaEncoding
                };
                pair.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", base64(&signature))
    }

    /// A good token but for `changes`: `null` removes a claim.
    pub(super) fn token(&self, changes: Value) -> String {
        self.token_with(json!({}), changes)
    }

    pub(super) fn token_with(&self, header_changes: Value, changes: Value) -> String {
        let header = changed(json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": "at+jwt" }), header_changes);
        self.sign(&header.to_string(), &changed(claims(), changes).to_string())
    }
}

pub(super) fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW })
}

fn changed(mut value: Value, changes: Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            members.shift_remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

pub(super) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn key_set(generation: u64, jwks: &[Value]) -> Arc<KeySet> {
    Arc::new(KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes(), generation).unwrap().0)
}

/// What the issuers answer: the set at hand, and the one a fetch would bring.
pub(super) struct FakeKeySets {
    pub(super) current: Mutex<Result<Arc<KeySet>, KeysUnavailable>>,
    pub(super) fresh: Mutex<Result<Arc<KeySet>, KeysUnavailable>>,
    pub(super) refetches: AtomicU64,
}

impl FakeKeySets {
    pub(super) fn new(
        current: Result<Arc<KeySet>, KeysUnavailable>,
        fresh: Result<Arc<KeySet>, KeysUnavailable>,
    ) -> Self {
        Self { current: Mutex::new(current), fresh: Mutex::new(fresh), refetches: AtomicU64::new(0) }
    }

    /// Both are the set of the usual key.
    pub(super) fn usual() -> Self {
        let keys = key_set(1, &[Signer::usual().jwk()]);
        Self::new(Ok(Arc::clone(&keys)), Ok(keys))
    }
}

impl KeySets for FakeKeySets {
    fn current(&self, _: &str, _: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        self.current.lock().unwrap().clone()
    }

    fn refetch(&self, _: &str, _: u64, _: Now) -> Answer<'_, Result<Arc<KeySet>, KeysUnavailable>> {
        self.refetches.fetch_add(1, Ordering::Relaxed);
        Answer::Ready(self.fresh.lock().unwrap().clone())
    }
}

/// A store of keys, or one that is down.
#[derive(Default)]
pub(super) struct FakeKeys {
    pub(super) records: HashMap<String, Arc<KeyRecord>>,
    pub(super) down: Option<StoreDown>,
    pub(super) used: Mutex<Vec<String>>,
}

impl Keys for FakeKeys {
    fn key(&self, id: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>> {
        Answer::Ready(match self.down {
            Some(down) => Err(down),
            None => Ok(self.records.get(id).cloned()),
        })
    }

    fn used(&self, id: &str, _: Now) {
        self.used.lock().unwrap().push(id.to_owned());
    }
}

/// Everything else that judging asks, and how it answers.
#[derive(Default)]
pub(super) struct FakeWorld {
    /// What the issuer says of any token; `None`: it is away.
    pub(super) answer: Mutex<Option<Value>>,
    pub(super) asked: AtomicU64,
    pub(super) revoked: Mutex<Arc<Revocations>>,
    pub(super) seen: Mutex<std::collections::HashSet<String>>,
    pub(super) replays_down: std::sync::atomic::AtomicBool,
    pub(super) sessions: Mutex<HashMap<super::SessionHash, Arc<super::Session>>>,
    pub(super) sessions_down: std::sync::atomic::AtomicBool,
}

impl FakeWorld {
    pub(super) fn sources<'a>(&'a self, keys: &'a FakeKeys, key_sets: &'a FakeKeySets) -> Sources<'a> {
        Sources { keys, key_sets, introspection: self, revoked: self, replays: self, sessions: self }
    }
}

impl Introspection for FakeWorld {
    fn ask<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Result<Arc<[u8]>, StoreDown>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().unwrap();
        Answer::Ready(match &*answer {
            None => Err(StoreDown { what: "away" }),
            Some(Value::String(raw)) => Ok(Arc::from(raw.as_bytes())),
            Some(answer) => Ok(Arc::from(answer.to_string().into_bytes())),
        })
    }
}

impl RevokedTokens for FakeWorld {
    fn current(&self) -> Arc<Revocations> {
        Arc::clone(&self.revoked.lock().unwrap())
    }
}

impl super::Sessions for FakeWorld {
    fn session<'a>(
        &'a self,
        id: &'a super::SessionId,
        _: Now,
    ) -> Answer<'a, Result<Option<super::LiveSession>, StoreDown>> {
        if self.sessions_down.load(Ordering::Relaxed) {
            return Answer::Ready(Err(StoreDown { what: "the store is away" }));
        }
        let hash = id.hash();
        let found = self.sessions.lock().unwrap().get(&hash).cloned();
        Answer::Ready(Ok(found.map(|session| super::LiveSession { hash, session })))
    }

    fn lives(&self, hash: super::SessionHash, _: Now) -> Answer<'_, Result<bool, StoreDown>> {
        Answer::Ready(Ok(self.sessions.lock().unwrap().contains_key(&hash)))
    }
}

impl Replays for FakeWorld {
    fn first_use<'a>(&'a self, key: &'a str, _: std::time::Duration, _: Now) -> Answer<'a, Result<bool, StoreDown>> {
        Answer::Ready(if self.replays_down.load(Ordering::Relaxed) {
            Err(StoreDown { what: "counters" })
        } else {
            Ok(self.seen.lock().unwrap().insert(key.to_owned()))
        })
    }
}

/// `GET https://app.example/orders/7`, with these fields.
pub(super) fn request(headers: &http::HeaderMap) -> Request<'_> {
    static GET: http::Method = http::Method::GET;
    let client = std::net::IpAddr::from([203, 0, 113, 9]);
    Request {
        method: &GET,
        scheme: Scheme::Https,
        host: "app.example".into(),
        path: CanonicalPath::parse("/orders/7").unwrap(),
        query: Some("limit=5"),
        headers,
        version: http::Version::HTTP_11,
        client,
        peer: client,
        certificate: None,
        body: DeclaredBody::Absent,
    }
}
