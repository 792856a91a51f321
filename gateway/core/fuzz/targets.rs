//! What must hold of any bytes, whoever sent them: shared by the fuzz targets and by the test that replays their corpus.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use portcullis_core::answer::{Answer, StoreDown};
use portcullis_core::config::{FileFault, Source, load};
use portcullis_core::framing::{Connection, Framing, Head, Limits, RawFacts, Stream};
use portcullis_core::identify::jwks::KeySet;
use portcullis_core::identify::{
    Authenticate, Bearer, Certificates, Demands, Identify, Introspection, Judges, KeyRecord, KeySets, Keys,
    KeysUnavailable, LiveSession, LoginDemands, Method as Way, Replays, Revocations, RevokedTokens, SessionHash,
    SessionId, Sessions, Sources, StepUp,
};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::request::{CanonicalPath, DeclaredBody, Request, Scheme, cookies};

/// A path is taken as it stands, and taken again the same way; or it is refused.
pub(crate) fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(path) = CanonicalPath::parse(text) {
        assert_eq!(path.as_str(), text, "what is matched is what was sent");
        assert!(!text.contains("//") && !text.contains("/../") && !text.contains('\\'), "{text:?}");
    }
}

/// A stranger's word on who it is changes nothing; a proxy's is an address or a refusal.
pub(crate) fn forwarded(data: &[u8]) {
    let peer = IpAddr::from([192, 0, 2, 1]);
    let mut headers = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("app.test"))]);
    for line in data.split(|byte| *byte == b'\n').take(50) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    let head = Head {
        method: &Method::GET,
        target: b"/a",
        authority: None,
        scheme: None,
        version: Version::HTTP_11,
        headers: &headers,
        raw: RawFacts::default(),
        stream: Stream::Ended,
    };
    let connection = Connection { peer, scheme: Scheme::Https };
    let believed = Framing::new(Limits::default(), vec![ipnet::IpNet::from(peer)]);
    let _ = believed.check(&head, &connection);
    if let Ok(request) = Framing::new(Limits::default(), Vec::new()).check(&head, &connection) {
        assert_eq!((request.client, request.scheme), (peer, Scheme::Https), "nobody's word is believed");
    }
}

/// No bytes are a token, where no key has signed any.
pub(crate) fn token(data: &[u8]) {
    static STAGE: LazyLock<Identify> = LazyLock::new(|| {
        let source = serde_json::json!({ "issuer": "https://idp.test", "audiences": ["https://app.test"] });
        let source = serde_json::from_value(source).expect("a token source");
        let bearer = Bearer::compile(&BTreeMap::from([("test".to_owned(), source)])).expect("a sound source");
        let judges = Arc::new(Judges::new(bearer, Certificates::NeverAsked));
        let authenticate = Authenticate::AnyOf(vec![Way::Jwt, Way::ApiKey]);
        let demands = Demands {
            authenticate: &authenticate,
            scopes: &[],
            issuers: &[],
            audiences: &[],
            step_up: StepUp::default(),
            login: LoginDemands::default(),
        };
        Identify::compile(&demands, &judges).expect("a sound route")
    });
    let mut headers = HeaderMap::new();
    for scheme in ["Bearer ", "DPoP "] {
        let Ok(value) = HeaderValue::from_bytes(&[scheme.as_bytes(), data].concat()) else { return };
        headers.insert(http::header::AUTHORIZATION, value.clone());
        if scheme == "DPoP " {
            headers.insert("dpop", value);
        }
        let client = IpAddr::from([192, 0, 2, 1]);
        let Ok(path) = CanonicalPath::parse("/a") else { return };
        let request = Request {
            method: &Method::GET,
            scheme: Scheme::Https,
            host: "app.test".into(),
            path,
            query: None,
            headers: &headers,
            version: Version::HTTP_11,
            client,
            peer: client,
            certificate: None,
            body: DeclaredBody::Absent,
        };
        let sources = Sources {
            keys: &Nothing,
            key_sets: &Nothing,
            introspection: &Nothing,
            revoked: &Nothing,
            replays: &Nothing,
            sessions: &Nothing,
        };
        let now = Now { wall: Moment::from_seconds(1_800_000_000), ..Now::default() };
        let judged = STAGE.identify(&request, sources, now).now_or_never();
        assert!(judged.is_some_and(|judged| judged.is_err()), "made-up bytes were somebody");
    }
}

/// What is ours stays ours with anything after it, and nothing is taken for ours by its value.
pub(crate) fn cookie(data: &[u8]) {
    let whole = [b"__Host-portcullis", data].concat();
    assert!(cookies::is_ours(&whole), "{whole:?}");
    if !data.iter().any(|byte| *byte == b',' || byte.is_ascii_whitespace()) {
        let value = [b"a=", data].concat();
        assert!(!cookies::is_ours(&value), "{value:?}");
    }
    let _ = cookies::is_ours(data);
}

/// Any text is a configuration, or a list of what is wrong with it.
pub(crate) fn config(data: &[u8]) {
    struct One<'d>(&'d [u8]);
    impl Source for One<'_> {
        fn read(&self, path: &Path) -> Result<Vec<u8>, FileFault> {
            if path == Path::new("portcullis.toml") { Ok(self.0.to_vec()) } else { Err(FileFault::Missing) }
        }
        fn list(&self, _: &Path) -> Result<Vec<PathBuf>, FileFault> {
            Ok(Vec::new())
        }
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }
    if let Err(errors) = load(Path::new("portcullis.toml"), &One(data)) {
        assert!(!errors.is_empty(), "refused without a word");
    }
}

/// A world with nothing in it.
struct Nothing;

impl Keys for Nothing {
    fn key(&self, _: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>> {
        Answer::Ready(Ok(None))
    }
    fn used(&self, _: &str, _: Now) {}
}

impl KeySets for Nothing {
    fn current(&self, _: &str, _: Now) -> Result<Arc<KeySet>, KeysUnavailable> {
        let (keys, _) = KeySet::parse(br#"{"keys":[]}"#, 1).map_err(|_| KeysUnavailable::Never)?;
        Ok(Arc::new(keys))
    }
    fn refetch(&self, alias: &str, _: u64, now: Now) -> Answer<'_, Result<Arc<KeySet>, KeysUnavailable>> {
        Answer::Ready(KeySets::current(self, alias, now))
    }
}

impl Introspection for Nothing {
    fn ask<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Result<Arc<[u8]>, StoreDown>> {
        Answer::Ready(Err(StoreDown { what: "nobody" }))
    }
}

impl Sessions for Nothing {
    fn session<'a>(&'a self, _: &'a SessionId, _: Now) -> Answer<'a, Result<Option<LiveSession>, StoreDown>> {
        Answer::Ready(Ok(None))
    }

    fn lives(&self, _: SessionHash, _: Now) -> Answer<'_, Result<bool, StoreDown>> {
        Answer::Ready(Ok(false))
    }
}

impl RevokedTokens for Nothing {
    fn current(&self) -> Arc<Revocations> {
        Arc::default()
    }
}

impl Replays for Nothing {
    fn first_use<'a>(&'a self, _: &'a str, _: Duration, _: Now) -> Answer<'a, Result<bool, StoreDown>> {
        Answer::Ready(Ok(true))
    }
}
