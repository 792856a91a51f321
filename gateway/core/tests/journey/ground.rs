//! A snapshot made of texts, and a world made of fakes at the ports.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use portcullis_core::config::{FileFault, Source};
use portcullis_core::gather::{Ask, Thing};
use portcullis_core::identify::jwks::KeySet;
use portcullis_core::identify::{KeyRecord, KeyTerms, KeyText, LiveSession, Revocations, SessionHash, SessionId};
use portcullis_core::limit::{Charge, Leases, MemoryCounters, Once, Verdict};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{
    Answer, Clock, Counters, Introspection, KeySets, Keys, KeysUnavailable, RevokedTokens, Sessions, StoreDown, Things,
    World,
};
use portcullis_core::request::{CanonicalPath, DeclaredBody, Request, Scheme};
use portcullis_core::snapshot::{self, Snapshot};
use serde_json::{Value, json};

/// The present, in seconds.
const NOW: i64 = 1_800_000_000;

pub(crate) fn now() -> Now {
    Now { wall: Moment::from_seconds(NOW), steady: Duration::from_secs(1) }
}

/// Files that exist only here.
#[derive(Clone, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<PathBuf, String>);

impl Files {
    /// One upstream, the issuer `demo`, a schema for bodies, and these routes, policies and actions.
    pub(crate) fn new(routes: &str, policies: &str, actions: &str) -> Self {
        let entities = "entity Group; entity User in [Group] {}; entity ApiKey in [Group]; entity Client in [Group];
            entity Anonymous enum [\"anonymous\"]; entity App; entity Order; action \"read\", \"write\";";
        let files = [
            ("config/portcullis.toml", format!("{CONFIG}{routes}")),
            ("config/order.json", ORDER.to_owned()),
            ("policies/a.cedar", policies.to_owned()),
            ("policies/schema.cedarschema", format!("{entities}{actions}")),
        ];
        Self(files.into_iter().map(|(path, text)| (path.into(), text)).collect())
    }

    pub(crate) fn compile(&self) -> Arc<Snapshot> {
        snapshot::compile(Path::new("config/portcullis.toml"), self).unwrap().snapshot
    }
}

const CONFIG: &str = r#"
[server]
public_url = "https://app.example"
[[tls.certificates]]
cert = "a.pem"
key = "a.key"
[tokens.demo]
issuer = "https://idp.example"
audiences = ["https://app.example"]
jwks = "file:jwks.json"
[upstreams.app]
targets = ["http://127.0.0.1:1"]
"#;

const ORDER: &str = r#"{"type": "object", "properties": {"quantity": {"type": "integer"}}, "required": ["quantity"], "additionalProperties": false}"#;

impl Source for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or(FileFault::Missing)
    }

    fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, FileFault> {
        Ok(self.0.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "SECRET").then(|| "hunter2".to_owned())
    }
}

/// One request, with everything a stage may look at.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) query: Option<&'static str>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: DeclaredBody,
}

impl Asked {
    pub(crate) fn new(method: Method, path: &'static str) -> Self {
        Self { method, path, query: None, headers: HeaderMap::new(), body: DeclaredBody::Absent }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let client = IpAddr::from([203, 0, 113, 9]);
        Request {
            method: &self.method,
            scheme: Scheme::Https,
            host: Cow::Borrowed("app.example"),
            path: CanonicalPath::parse(self.path).unwrap(),
            query: self.query,
            headers: &self.headers,
            version: Version::HTTP_11,
            client,
            peer: client,
            certificate: None,
            body: self.body,
        }
    }
}

/// A world, and credentials that are good in it.
pub(crate) struct Ground {
    pub(crate) world: World,
    /// Of the group `writers`.
    pub(crate) token: String,
    /// Of no group.
    pub(crate) stranger: String,
    /// Of the role `writers`.
    pub(crate) key: String,
}

impl Ground {
    pub(crate) fn new(local: Arc<dyn Counters>, shared: Arc<dyn Counters>) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwks = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "x": base64(x), "y": base64(y) }] });
        let set = Arc::new(KeySet::parse(jwks.to_string().as_bytes(), 1).unwrap().0);
        let minted = KeyText::mint("test", &[1; 12], &[2; 27]).unwrap();
        let record = KeyRecord {
            id: minted.id.clone(),
            name: "ci".into(),
            owner: "team".into(),
            roles: vec!["writers".into()],
            scopes: vec![],
            metadata: serde_json::Map::new(),
            hash: minted.hash,
            created_at: Moment::default(),
            expires_at: None,
            revoked_at: None,
            terms: KeyTerms::default(),
        };
        let world = World {
            clock: Arc::new(Ticking::default()),
            keys: Arc::new(Records(HashMap::from([(minted.id.clone(), Arc::new(record))]))),
            key_sets: Arc::new(OneSet(set)),
            introspection: Arc::new(Nobody),
            revoked: Arc::new(Nobody),
            things: Arc::new(Nobody),
            replays: Arc::new(Once::new(Arc::clone(&shared))),
            sessions: Arc::new(Nobody),
            local,
            failures: Arc::new(MemoryCounters::new(1_000)),
            shared,
            leases: Arc::new(Leases::new(1_000)),
        };
        let token = |groups: Value| sign(&pair, &groups);
        let key = minted.text.expose().to_owned();
        Self { world, token: token(json!(["writers"])), stranger: token(json!([])), key }
    }

    /// Counters that count.
    pub(crate) fn usual() -> Self {
        Self::new(Arc::new(MemoryCounters::default()), Arc::new(MemoryCounters::default()))
    }
}

fn sign(pair: &EcdsaKeyPair, groups: &Value) -> String {
    let header = json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" });
    let claims = json!({
        "iss": "https://idp.example", "aud": "https://app.example", "sub": "alice", "exp": NOW + 300, "groups": groups,
    });
    let signed = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64(signature.as_ref()))
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Every look at the clock takes a millisecond.
#[derive(Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Now {
        let ticks = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Now { steady: now().steady + Duration::from_millis(ticks), ..now() }
    }
}

struct Records(HashMap<String, Arc<KeyRecord>>);

impl Keys for Records {
    fn key(&self, id: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>> {
        Answer::Ready(Ok(self.0.get(id).cloned()))
    }

    fn used(&self, _: &str, _: Now) {}
}

struct OneSet(Arc<KeySet>);

impl KeySets for OneSet {
    fn current(&self, _: &str, _: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        Ok(Arc::clone(&self.0))
    }

    fn refetch(&self, _: &str, _: u64, _: Now) -> Answer<'_, Result<Arc<KeySet>, KeysUnavailable>> {
        Answer::Ready(Ok(Arc::clone(&self.0)))
    }
}

/// No issuer to ask, and nothing taken back.
struct Nobody;

impl Introspection for Nobody {
    fn ask<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Result<Arc<[u8]>, StoreDown>> {
        Answer::Ready(Err(StoreDown { what: "nobody to ask" }))
    }
}

impl Things for Nobody {
    fn thing(&self, _: Ask) -> Answer<'_, Result<Thing, StoreDown>> {
        Answer::Ready(Err(StoreDown { what: "nobody to ask" }))
    }
}

impl RevokedTokens for Nobody {
    fn current(&self) -> Arc<Revocations> {
        Arc::default()
    }
}

impl Sessions for Nobody {
    fn session<'a>(&'a self, _: &'a SessionId, _: Now) -> Answer<'a, Result<Option<LiveSession>, StoreDown>> {
        Answer::Ready(Ok(None))
    }

    fn lives(&self, _: SessionHash, _: Now) -> Answer<'_, Result<bool, StoreDown>> {
        Answer::Ready(Ok(false))
    }
}

/// Counters that say one thing to everybody.
pub(crate) struct Says(pub(crate) bool);

impl Counters for Says {
    fn charge<'a>(&'a self, charges: &'a [Charge], _: Now) -> Answer<'a, Result<Vec<Verdict>, StoreDown>> {
        let wait = if self.0 { Duration::ZERO } else { Duration::from_secs(1) };
        let verdict = Verdict {
            allowed: self.0,
            taken: u64::from(self.0),
            remaining: u64::from(self.0),
            retry_after: wait,
            reset: wait,
        };
        Answer::Ready(Ok(vec![verdict; charges.len()]))
    }
}
