mod about;
mod authorize;
mod basics;
mod grants;
mod home;
mod logout;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use openidconnect::url::{Url, form_urlencoded};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::Clock;
use serde_json::Value;

use super::{Client, LocalIdp, Person, Settings, Uri};
use crate::demo::testing::{Answer, Running};

const ISSUER: &str = "http://localhost:9444";
const AUDIENCE: &str = "https://127.0.0.1:8443";
const CALLBACK: &str = "https://127.0.0.1:8443/_portcullis/callback/demo";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const BEGIN: i64 = 1_800_000_000;
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0";

/// Moves when the test moves it.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Now {
        Now { wall: Moment::from_seconds(self.0.load(Ordering::SeqCst)), ..Now::default() }
    }
}

/// A provider that serves, and its clock.
struct Stage {
    _dir: tempfile::TempDir,
    idp: Running,
    clock: Arc<Hand>,
}

fn settings() -> Settings {
    let mut settings = Settings::demo(ISSUER, AUDIENCE, "demo");
    let mut public = Client::new("spa", None);
    public.redirect_uris.extend(Uri::new("http://localhost:3000/cb?keep=1"));
    settings.clients.push(public);
    settings.clients.push(Client::new("other", Some("other")));
    settings
}

fn open(dir: &Path) -> LocalIdp {
    LocalIdp::open(dir, settings(), Arc::new(Hand(AtomicI64::new(BEGIN)))).unwrap()
}

fn stage() -> Stage {
    stage_of(settings())
}

fn stage_of(settings: Settings) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hand(AtomicI64::new(BEGIN)));
    let idp = LocalIdp::open(dir.path(), settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let idp =
        Running::start(
            |listener, stop| async move { idp.serve(listener, async move { drop(stop.await) }).await.is_ok() },
        );
    Stage { _dir: dir, idp, clock }
}

impl Stage {
    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn get(&self, target: &str, cookie: &str) -> Answer {
        self.idp.send(&format!("GET {target}"), cookie, "")
    }

    fn post(&self, target: &str, fields: &str, pairs: &[(&str, &str)]) -> Answer {
        self.idp.send(&format!("POST {target}"), &format!("{FORM}{fields}"), &query(pairs))
    }

    /// Asks the authorization endpoint, with these parameters in the place of the usual ones; an empty one is left out.
    fn ask(&self, more: &[(&str, &str)], cookie: &str) -> Answer {
        self.get(&format!("/authorize?{}", request(more)), cookie)
    }

    /// Picks somebody on the page.
    fn pick(&self, user: &str, more: &[(&str, &str)], fields: &str) -> Answer {
        self.post(&format!("/pick?{}", request(more)), fields, &[("user", user)])
    }

    /// A code for `user`, and the cookie line of the login.
    fn code(&self, user: &str, more: &[(&str, &str)]) -> (String, String) {
        let picked = self.pick(user, more, "");
        (parameter(&picked, "code").unwrap(), cookie(&picked))
    }

    fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "portcullis"),
            ("client_secret", "demo"),
        ];
        self.post("/token", "", &over(&usual, more))
    }

    fn tokens(&self, user: &str) -> (Value, String) {
        let (code, cookie) = self.code(user, &[]);
        let answer = self.redeem(&code, &[]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        (answer.json(), cookie)
    }

    fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", "portcullis"),
            ("client_secret", "demo"),
        ];
        self.post("/token", "", &over(&usual, more))
    }

    /// The claims of `token`, once its signature was checked with the published keys.
    fn verified(&self, token: &Value) -> Value {
        verified(token.as_str().unwrap(), &self.get("/jwks", "").body)
    }
}

fn over<'a>(usual: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    kept.chain(more).copied().filter(|(_, value)| !value.is_empty()).collect()
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn request(more: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let usual = [
        ("client_id", "portcullis"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "st&te"),
        ("nonce", "n0nce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    query(&over(&usual, more))
}

/// Where an answer leads, as it was written.
fn location(answer: &Answer) -> Option<Url> {
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location: "))?;
    Some(Url::parse(line.get(10..)?).unwrap())
}

fn parameter(answer: &Answer, name: &str) -> Option<String> {
    let url = location(answer)?;
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The login cookie of an answer, as a line to send.
fn cookie(answer: &Answer) -> String {
    let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie: ")).expect("a cookie");
    format!("cookie: {}\r\n", line[12..].split(';').next().unwrap())
}

fn part(token: &str, n: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn verified(token: &str, set: &str) -> Value {
    let set: JwkSet = serde_json::from_str(set).unwrap();
    let key = set.find(part(token, 0)["kid"].as_str().unwrap()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = DecodingKey::from_jwk(key).unwrap();
    assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::ES256).unwrap());
    part(token, 1)
}

fn check_error(answer: &Answer, expected: (u16, &str)) {
    assert_eq!((answer.status, answer.json()["error"].as_str().unwrap()), expected, "{}", answer.body);
    assert_uncached(answer);
}

fn assert_uncached(answer: &Answer) {
    assert!(answer.head.contains("cache-control: no-store") && answer.head.contains("pragma: no-cache"));
}

fn alice() -> Person {
    Person::everyone().remove(0)
}
