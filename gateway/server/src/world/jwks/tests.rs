use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use portcullis_core::identify::jwks::{KeyOrigin, KeySet, SourceSpec};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::{Clock, KeySets, KeysUnavailable};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{Jwks, Places};

/// Time moves only when the test moves it.
#[derive(Default)]
struct TestClock(Mutex<Now>);

impl TestClock {
    fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = Now { wall: now.wall.plus(by), steady: now.steady + by };
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

/// An issuer whose answers the test chooses.
#[derive(Default)]
struct Issuer {
    answer: Mutex<(u16, String)>,
    metadata: Mutex<String>,
    asked: Mutex<u32>,
    hang: Mutex<bool>,
    arrived: Notify,
}

impl Issuer {
    async fn start() -> (Arc<Self>, String) {
        let issuer = Arc::new(Self { answer: Mutex::new((200, one_key())), ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(Self::serve).with_state(Arc::clone(&issuer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (issuer, base)
    }

    async fn serve(State(issuer): State<Arc<Self>>, url: Uri) -> (StatusCode, HeaderMap, String) {
        if url.path() == "/.well-known/openid-configuration" {
            return (StatusCode::OK, HeaderMap::new(), issuer.metadata.lock().unwrap().clone());
        }
        *issuer.asked.lock().unwrap() += 1;
        issuer.arrived.notify_one();
        if *issuer.hang.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        let (status, body) = issuer.answer.lock().unwrap().clone();
        let headers = HeaderMap::from_iter([(header::LOCATION, "/elsewhere".parse().unwrap())]);
        (StatusCode::from_u16(status).unwrap(), headers, body)
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

/// RFC 8037 appendix A.
fn one_key() -> String {
    key_set("one")
}

fn key_set(kid: &str) -> String {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x }] }).to_string()
}

struct Setting {
    clock: Arc<TestClock>,
    folder: TempDir,
}

impl Setting {
    fn new() -> Self {
        let clock = TestClock::default();
        clock.advance(Duration::from_hours(24));
        Self { clock: Arc::new(clock), folder: TempDir::new().unwrap() }
    }

    fn jwks(&self, specs: &[SourceSpec]) -> Jwks {
        let places = Places { root: self.folder.path().into(), copies: self.folder.path().join("jwks") };
        let jwks = Jwks::new(Arc::clone(&self.clock) as Arc<dyn Clock>, places).unwrap();
        jwks.reconfigure(specs);
        jwks
    }

    fn current(&self, jwks: &Jwks) -> Result<Arc<KeySet>, KeysUnavailable> {
        jwks.current("demo", self.clock.now())
    }

    fn generation(&self, jwks: &Jwks) -> u64 {
        self.current(jwks).unwrap().generation
    }

    async fn refetch(&self, jwks: &Jwks) -> Result<u64, KeysUnavailable> {
        let seen = self.generation(jwks);
        jwks.refetch("demo", seen, self.clock.now()).get().await.map(|keys| keys.generation)
    }
}

fn spec(origin: KeyOrigin, issuer: &str) -> SourceSpec {
    SourceSpec {
        alias: "demo".into(),
        issuer: issuer.to_owned(),
        origin,
        refresh: Duration::from_mins(5),
        max_age: Duration::from_hours(1),
        cooldown: Duration::from_secs(30),
    }
}

fn at(base: &str) -> SourceSpec {
    spec(KeyOrigin::Url(format!("{base}/jwks")), "https://idp.example")
}

/// Does `test` while the background loop runs.
async fn while_running<T>(jwks: &Jwks, test: impl Future<Output = T>) -> T {
    tokio::select! {
        () = jwks.run() => unreachable!("the loop never ends"),
        result = test => result,
    }
}

fn last_error(jwks: &Jwks) -> String {
    jwks.status().remove(0).last_error.unwrap_or_default()
}

fn metadata(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer, "jwks_uri": jwks_uri, "authorization_endpoint": format!("{issuer}/auth"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"]
    })
}

#[tokio::test]
async fn refuses_answers_that_are_no_key_set() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    let jwks = setting.jwks(&[at(&base)]);
    let large = " ".repeat(KeySet::MOST_BYTES + 1);
    let cases = [
        (500, "", "answered 500 Internal Server Error".to_owned()),
        (302, "", "answered 302 Found, and redirects are not followed".to_owned()),
        (200, "<html>", "the key set is not a JSON object".to_owned()),
        (200, large.as_str(), "is larger than 512 KiB".to_owned()),
    ];
    for (status, body, why) in cases {
        issuer.answers(status, body);
        jwks.warm().await;
        assert!(last_error(&jwks).ends_with(&why), "{}", last_error(&jwks));
        assert_eq!(setting.current(&jwks).unwrap_err(), KeysUnavailable::Never);
    }
    issuer.answers(200, &one_key());
    jwks.warm().await;
    assert_eq!((last_error(&jwks), setting.current(&jwks).unwrap().len()), (String::new(), 1));
}

#[tokio::test]
async fn discovery_must_speak_for_the_very_issuer_and_over_a_safe_line() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    let jwks = setting.jwks(&[spec(KeyOrigin::Discovery, &base)]);
    let cases = [
        (metadata("https://evil.example", &format!("{base}/jwks")), "is that of another issuer"),
        (metadata(&format!("{base}/"), &format!("{base}/jwks")), "is that of another issuer"),
        (metadata(&base, "http://idp.example/jwks"), "is not fetched: it is neither `https` nor on loopback"),
        (metadata(&base, "file:///etc/passwd"), "is not fetched: it is neither `https` nor on loopback"),
    ];
    for (document, why) in cases {
        *issuer.metadata.lock().unwrap() = document.to_string();
        jwks.warm().await;
        assert!(last_error(&jwks).ends_with(why), "{}", last_error(&jwks));
    }
    assert_eq!(issuer.asked(), 0);
    *issuer.metadata.lock().unwrap() = metadata(&base, &format!("{base}/jwks")).to_string();
    jwks.warm().await;
    assert_eq!(setting.current(&jwks).unwrap().len(), 1);
}

#[tokio::test]
async fn uses_the_last_good_set_up_to_its_greatest_age() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    let jwks = setting.jwks(&[at(&base)]);
    jwks.warm().await;
    issuer.answers(500, "");
    setting.clock.advance(Duration::from_hours(1));
    assert!(setting.current(&jwks).is_ok());
    setting.clock.advance(Duration::from_secs(1));
    assert_eq!(setting.current(&jwks).unwrap_err(), KeysUnavailable::Stale);
    assert!(jwks.status().remove(0).stale);
}

#[tokio::test]
async fn a_copy_on_disk_survives_a_restart_and_keeps_its_age() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    setting.jwks(&[at(&base)]).warm().await;
    issuer.answers(500, "");
    let path = setting.folder.path().join("jwks/demo.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    setting.clock.advance(Duration::from_mins(30));
    let restarted = setting.jwks(&[at(&base)]);
    assert_eq!(restarted.status().remove(0).age, Some(Duration::from_mins(30)));
    setting.clock.advance(Duration::from_mins(31));
    assert_eq!(setting.current(&restarted).unwrap_err(), KeysUnavailable::Stale);
    // Neither for another issuer, nor from a future that has not come.
    let other = spec(KeyOrigin::Url(format!("{base}/jwks")), "https://other.example");
    assert_eq!(setting.current(&setting.jwks(&[other])).unwrap_err(), KeysUnavailable::Never);
    *setting.clock.0.lock().unwrap() = Now { wall: Moment::from_seconds(0), ..Now::default() };
    assert_eq!(setting.current(&setting.jwks(&[at(&base)])).unwrap_err(), KeysUnavailable::Never);
}

#[tokio::test]
async fn a_damaged_copy_is_no_copy() {
    let setting = Setting::new();
    let folder = setting.folder.path().join("jwks");
    std::fs::create_dir(&folder).unwrap();
    for text in ["", "{", "[]", r#"{"issuer":1}"#] {
        std::fs::write(folder.join("demo.json"), text).unwrap();
        assert_eq!(setting.current(&setting.jwks(&[at("http://127.0.0.1:1")])).unwrap_err(), KeysUnavailable::Never);
    }
}

#[tokio::test]
async fn an_unknown_key_asks_once_however_many_ask() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    let jwks = setting.jwks(&[at(&base)]);
    while_running(&jwks, async {
        issuer.arrived.notified().await;
        jwks.warm().await;
        let before = issuer.asked();
        issuer.answers(200, &key_set("two"));
        let all = futures::future::join_all((0..50).map(|_| setting.refetch(&jwks))).await;
        let fresh = setting.generation(&jwks);
        assert!(all.iter().all(|one| *one == Ok(fresh)), "{all:?}");
        assert_eq!(issuer.asked(), before + 1);

        // Within the cooldown the same set is all there is; after it, one more fetch.
        assert_eq!(setting.refetch(&jwks).await, Ok(fresh));
        assert_eq!(issuer.asked(), before + 1);
        setting.clock.advance(Duration::from_secs(30));
        assert_eq!(setting.refetch(&jwks).await, Ok(fresh), "the same content keeps its generation");
        assert_eq!(issuer.asked(), before + 2);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_key_cannot_be_judged_while_fetching_fails() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    let jwks = setting.jwks(&[at(&base)]);
    jwks.warm().await;
    while_running(&jwks, async {
        issuer.answers(500, "");
        assert_eq!(setting.refetch(&jwks).await, Err(KeysUnavailable::FetchFailed));
        assert_eq!(setting.refetch(&jwks).await, Err(KeysUnavailable::FetchFailed));
        assert!(setting.current(&jwks).is_ok(), "known keys go on");
    })
    .await;
}

#[tokio::test]
async fn no_request_waits_longer_than_its_patience() {
    let setting = Setting::new();
    let (issuer, base) = Issuer::start().await;
    let mut jwks = setting.jwks(&[at(&base)]);
    jwks.patience = Duration::from_millis(1);
    jwks.warm().await;
    *issuer.hang.lock().unwrap() = true;
    let slow = while_running(&jwks, setting.refetch(&jwks)).await;
    assert_eq!(slow, Err(KeysUnavailable::Slow));
}

#[tokio::test]
async fn an_unchanged_source_keeps_its_keys_and_a_removed_one_loses_them() {
    let setting = Setting::new();
    let (_issuer, base) = Issuer::start().await;
    let jwks = setting.jwks(&[at(&base)]);
    jwks.warm().await;
    let before = setting.generation(&jwks);
    jwks.reconfigure(&[at(&base)]);
    assert_eq!(setting.generation(&jwks), before);
    jwks.reconfigure(&[SourceSpec { refresh: Duration::from_mins(1), ..at(&base) }]);
    assert_eq!(setting.generation(&jwks), before);
    jwks.reconfigure(&[]);
    assert_eq!(setting.current(&jwks).unwrap_err(), KeysUnavailable::Never);
}

#[tokio::test]
async fn a_file_is_read_at_once_and_again_at_every_reload() {
    let setting = Setting::new();
    let write = |text: &str| std::fs::write(setting.folder.path().join("keys.json"), text).unwrap();
    let source = spec(KeyOrigin::File("keys.json".into()), "https://idp.example");
    let jwks = setting.jwks(std::slice::from_ref(&source));
    assert!(last_error(&jwks).contains("keys.json` cannot be read"), "{}", last_error(&jwks));

    write(&one_key());
    jwks.reconfigure([&source]);
    let first = setting.generation(&jwks);
    jwks.reconfigure([&source]);
    assert_eq!(setting.generation(&jwks), first);
    write(&key_set("two"));
    jwks.reconfigure([&source]);
    assert_ne!(setting.generation(&jwks), first);
    write("{");
    jwks.reconfigure([&source]);
    assert!(setting.current(&jwks).is_ok(), "the last good set stays");
    assert!(!Path::new(&setting.folder.path().join("jwks")).exists(), "a file needs no copy");
}
