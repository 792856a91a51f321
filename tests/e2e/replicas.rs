//! Two gateways, two processes, one Redis: do they behave as one?

mod moves;
mod revisions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_tests::binary::Running;
use portcullis_tests::client::Client;
use portcullis_tests::idp::Idp;
use portcullis_tests::jar::Browser;
use portcullis_tests::program::Program;
use portcullis_tests::redis::Redis;
use portcullis_tests::within;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::login;

const PAGE: &str = "https://app.test/page";

/// How long a change may take to show at the other replica.
const SOON: Duration = Duration::from_secs(1);

struct Pair {
    one: Program,
    two: Program,
    _running: [Running; 2],
    _redis: Redis,
    _idp: Idp,
}

impl Pair {
    async fn start() -> Self {
        let (redis, idp) = (Redis::durable().await, login::idp().await);
        let tokens = "[tokens.other]\nissuer = \"https://idp.test\"\naudiences = [\"https://app.test\"]\njwks = \
                      \"file:certs/jwks.json\"\n";
        let counters = format!("[counters]\nurl = \"{}\"\ntimeout = \"5s\"\nreplicas = 2\n", redis.url());
        let setup = login::setup(&idp, "")
            .tokens(tokens)
            .section("[guard]\nrate = \"1000000/min\"\nfailures = \"1000000/min\"\n")
            .section(&counters)
            .route("api", "GET /api", "read", "authenticate = [\"api_key\", \"jwt\"]\n")
            .route(
                "limited",
                "GET /limited",
                "read",
                "authenticate = [\"api_key\"]\nlimits = [{ by = \"principal\", rate = \"40/h\", burst = 40 }]\n",
            );
        let store = format!("url = \"{}\"\ntimeout = \"5s\"", redis.url());
        let one = Program::lay(setup, Some(&store)).await;
        let two = one.twin("two");
        let running = [one.start().await, two.start().await];
        Self { one, two, _running: running, _redis: redis, _idp: idp }
    }

    async fn admin(&self, program: &Program, method: &str, path: &str, body: &Value) -> Value {
        let operator = self.one.operator();
        let fields = [("authorization", operator.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = program.admin().await.send(method, path, &fields, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:#?}");
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Makes a key at the first.
    async fn key(&self) -> (String, String) {
        let made = self.admin(&self.one, "POST", "/v1/keys", &json!({ "name": "k", "roles": ["readers"] })).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (format!("/v1/keys/{}", text("id")), text("secret"))
    }

    /// Whoever goes on asking both while something else is watched.
    async fn load(&self) -> Load {
        let (stop, mut asking) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for program in [&self.one, &self.two, &self.one, &self.two] {
            let (_, secret) = self.key().await;
            let (mut client, stop) = (program.client().await, Arc::clone(&stop));
            asking.spawn(async move {
                let mut asked = 0_u32;
                while !stop.load(Ordering::Acquire) {
                    assert_eq!(client.get("/api", &[("x-api-key", &secret)]).await.status, 200);
                    asked += 1;
                }
                asked
            });
        }
        Load { stop, asking }
    }
}

struct Load {
    stop: Arc<AtomicBool>,
    asking: JoinSet<u32>,
}

impl Load {
    /// Nobody was refused, and everybody was served.
    async fn ends(self) {
        self.stop.store(true, Ordering::Release);
        for asked in self.asking.join_all().await {
            assert!(asked > 0);
        }
    }
}

/// Asks until the answer has this status, and fails when that takes longer than [`SOON`].
async fn becomes(client: &mut Client, fields: &[(&str, &str)], status: u16) {
    let asking = async { while client.get("/api", fields).await.status.as_u16() != status {} };
    assert!(tokio::time::timeout(SOON, asking).await.is_ok(), "{status} takes longer than {SOON:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_tokens_are_the_same_at_both_and_what_is_taken_back_is_dead_within_a_second_under_load() {
    let pair = Pair::start().await;
    let (mut here, mut there) = (pair.one.client().await, pair.two.client().await);
    let load = pair.load().await;
    let (path, secret) = pair.key().await;
    let shown: &[(&str, &str)] = &[("x-api-key", &secret)];
    assert_eq!(there.get("/api", shown).await.status, 200, "made at one, good at the other at once");
    assert_eq!(here.get("/api", shown).await.status, 200);

    // Another secret, by the other: the old one is dead here.
    let rotated = pair.admin(&pair.two, "POST", &format!("{path}/rotate"), &json!({})).await;
    let fresh = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(there.get("/api", shown).await.status, 401, "at once where it was done");
    becomes(&mut here, shown, 401).await;
    let shown: &[(&str, &str)] = &[("x-api-key", &fresh)];
    for client in [&mut here, &mut there] {
        assert_eq!(client.get("/api", shown).await.status, 200);
    }
    assert_eq!(pair.admin(&pair.one, "GET", &path, &Value::Null).await["state"], "active");
    pair.admin(&pair.one, "DELETE", &path, &Value::Null).await;
    assert_eq!(here.get("/api", shown).await.status, 401, "at once where it was done");
    becomes(&mut there, shown, 401).await;
    assert_eq!(pair.admin(&pair.two, "GET", &path, &Value::Null).await["state"], "revoked");

    let now = json!({ "iss": "https://idp.test", "aud": "https://app.test", "sub": "rita", "iat": 1_000_000_000,
        "exp": 4_000_000_000_u64, "groups": ["readers"], "jti": "t1" });
    let token = format!("Bearer {}", pair.one.ground.signer.sign(&now));
    let shown: &[(&str, &str)] = &[("authorization", &token)];
    for client in [&mut here, &mut there] {
        assert_eq!(client.get("/api", shown).await.status, 200);
    }
    let entry = json!({ "issuer": "other", "jti": "t1" });
    let taken = pair.admin(&pair.two, "POST", "/v1/revocations", &entry).await;
    assert_eq!(there.get("/api", shown).await.status, 401, "at once where it was done");
    becomes(&mut here, shown, 401).await;
    pair.admin(&pair.one, "DELETE", &format!("/v1/revocations/{}", taken["id"].as_str().unwrap()), &Value::Null).await;
    becomes(&mut there, shown, 200).await;
    load.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_at_one_is_known_at_the_other_and_logged_out_at_both_within_a_second_under_load() {
    let pair = Pair::start().await;
    let mut here = Browser::at(pair.one.https(), pair.one.ground.authority.pem());
    assert_eq!(here.follow(PAGE, "alice").await.answer.status, 200);
    let mut there = here.clone();
    there.moves_to_replica(pair.two.https());
    let load = pair.load().await;
    assert_eq!(there.fetch("GET", PAGE).await.status, 200, "at once");
    let listed = pair.admin(&pair.two, "GET", "/v1/sessions", &Value::Null).await;
    let [session] = listed["items"].as_array().unwrap().as_slice() else { panic!("{listed:#}") };
    pair.admin(&pair.two, "DELETE", &format!("/v1/sessions/{}", session["id"].as_str().unwrap()), &Value::Null).await;
    assert_eq!(there.fetch("GET", PAGE).await.status, 401, "at once where it was done");
    let dead = async { while here.fetch("GET", PAGE).await.status == 200 {} };
    assert!(tokio::time::timeout(SOON, dead).await.is_ok(), "longer than {SOON:?} at the other");
    load.ends().await;

    // A login may begin at one and end at the other.
    let mut browser = Browser::at(pair.one.https(), pair.one.ground.authority.pem());
    let at_provider =
        browser.follow_until(PAGE, "bob", |url| url.starts_with("https://app.test/_portcullis/callback/"));
    let arrival = at_provider.await;
    browser.moves_to_replica(pair.two.https());
    assert_eq!(browser.follow(&arrival.url, "bob").await.answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_one_limit_however_its_requests_are_spread() {
    let pair = Pair::start().await;
    let (_, secret) = pair.key().await;
    let mut asking = JoinSet::new();
    for at in 0..16 {
        let program = if at % 2 == 0 { &pair.one } else { &pair.two };
        let (mut client, secret) = (program.client().await, secret.clone());
        asking.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..5 {
                statuses.push(client.get("/limited", &[("x-api-key", &secret)]).await.status.as_u16());
            }
            statuses
        });
    }
    let answered = within("all answers", asking.join_all()).await.concat();
    let count = |status: u16| answered.iter().filter(|answered| **answered == status).count();
    assert_eq!((count(200), count(429)), (40, 40), "exactly the limit: {answered:?}");
}
