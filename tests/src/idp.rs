//! Who vouches for the callers? The certified `OpenID` provider in `tests/idp`, one process per test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::within;

/// The resource its access tokens are for.
pub const AUDIENCE: &str = "https://app.example";
/// A writer.
pub const ALICE: &str = "u-alice-0001";
/// A reader.
pub const BOB: &str = "u-bob-0002";
/// The machine client.
pub const WORKER: &str = "m2m-worker";

/// A running provider; ends when dropped.
pub struct Idp {
    issuer: String,
    address: SocketAddr,
    _process: Child,
}

/// What a provider's endpoint does instead of answering.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// 200 with half a JSON value.
    Garbage,
    /// Nothing, ever.
    Hang,
    /// Closes the connection.
    Reset,
    /// The right answer, after so many milliseconds.
    Slow(u64),
    /// An error of this status.
    Status(u16),
}

/// What becomes of the old signing keys at a rotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OldKeys {
    Keep,
    Withdraw,
}

impl Idp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// `settings` are the environment variables of `tests/idp/README.md`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("idp");
        assert!(
            folder.join("node_modules").is_dir(),
            "the test provider is not installed: run `npm ci` in tests/idp, or the tests through tests/run"
        );
        let mut process = Command::new("node")
            .arg("server.mjs")
            .current_dir(&folder)
            .env("IDP_PORT", "0")
            .env("IDP_EXIT_WITH_STDIN", "1")
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("`node` on the PATH");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = within("the test provider's first line", lines.next_line()).await.unwrap();
        let ready: Value = serde_json::from_str(&ready.expect("the test provider to start")).unwrap();
        let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        let issuer = ready["issuer"].as_str().unwrap().to_owned();
        Self { issuer, address: SocketAddr::from(([127, 0, 0, 1], port)), _process: process }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.issuer)
    }

    /// A good access token of alice with `claims` put over the usual ones (a member set to null stays, as null).
    pub async fn token(&self, claims: Value) -> String {
        self.mint(json!({ "claims": claims })).await
    }

    /// Anything signed by a published key: `{header, claims, omit, kid, rawPayload}`.
    pub async fn mint(&self, what: Value) -> String {
        self.hook("mint", what).await["token"].as_str().expect("a token").to_owned()
    }

    /// An access token of the machine client, by the client credentials grant.
    pub async fn machine_token(&self) -> String {
        let fields = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", "Basic bTJtLXdvcmtlcjptMm0td29ya2VyLXNlY3JldC0wMTIzNDU2Nzg5YWJjZGVm"),
        ];
        let form = "grant_type=client_credentials&scope=api%3Aread&resource=https%3A%2F%2Fapp.example";
        let mut client = Client::plain(self.address).await.unwrap();
        let answer = client.send("POST", "/token", &fields, form).await;
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer:#?}")).to_owned()
    }

    /// Bends an endpoint (`/jwks`, `/token`, …) until [`Self::heal`], or for `count` requests.
    pub async fn fault(&self, path: &str, fault: Fault, count: Option<u32>) {
        let mut what = match fault {
            Fault::Garbage => json!({ "mode": "garbage" }),
            Fault::Hang => json!({ "mode": "hang" }),
            Fault::Reset => json!({ "mode": "reset" }),
            Fault::Slow(ms) => json!({ "mode": "slow", "ms": ms }),
            Fault::Status(status) => json!({ "mode": "status", "status": status }),
        };
        what["path"] = path.into();
        if let Some(count) = count {
            what["count"] = count.into();
        }
        self.hook("fault", what).await;
    }

    /// Overwrites members of an endpoint's answer, or bends the token in it: see `tests/idp/README.md`.
    pub async fn tamper(&self, what: Value) {
        self.hook("tamper", what).await;
    }

    /// Ends all faults and tampering.
    pub async fn heal(&self) {
        self.hook("fault", json!({})).await;
        self.hook("tamper", json!({})).await;
    }

    /// Makes new signing keys; the key ids that are published now.
    pub async fn rotate(&self, old: OldKeys) -> Vec<String> {
        let kids = self.hook("rotate", json!({ "keepOld": old == OldKeys::Keep })).await;
        serde_json::from_value(kids["kids"].clone()).expect("key ids")
    }

    /// Takes the account of `alice` or `bob` away.
    pub async fn disable(&self, user: &str) {
        self.hook("disable", json!({ "user": user })).await;
    }

    /// Gives it back.
    pub async fn enable(&self, user: &str) {
        self.hook("disable", json!({ "user": user, "disabled": false })).await;
    }

    /// A logout token for our gateway, good but for `what`: `{claims, header, omit}`.
    pub async fn logout_token(&self, what: Value) -> String {
        self.hook("backchannel", what).await["token"].as_str().expect("a token").to_owned()
    }

    /// Posts such a token to `url`, as the provider does; the status and `Cache-Control` of the answer.
    pub async fn tell_of_logout(&self, url: &str, mut what: Value) -> (u64, String) {
        what["url"] = url.into();
        let answer = self.hook("backchannel", what).await;
        let cache = answer["cacheControl"].as_str().unwrap_or_default().to_owned();
        (answer["status"].as_u64().expect("a status"), cache)
    }

    /// How often each endpoint was asked: `GET /jwks` and so on.
    pub async fn counters(&self) -> HashMap<String, u64> {
        let mut client = Client::plain(self.address).await.unwrap();
        serde_json::from_value(client.get("/_test/counters", &[]).await.json()).expect("counters")
    }

    async fn hook(&self, name: &str, what: Value) -> Value {
        let mut client = Client::plain(self.address).await.unwrap();
        let answer = client.post_json(&format!("/_test/{name}"), &[], &what).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        answer.json()
    }
}
