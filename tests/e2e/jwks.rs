//! Whose keys count, and until when? Against a real provider that rotates, fails and goes away.

mod failing;
mod rotating;

use std::sync::Arc;
use std::time::Duration;

use portcullis_tests::client::{Answer, Client};
use portcullis_tests::clock::TestClock;
use portcullis_tests::idp::{AUDIENCE, Idp};
use portcullis_tests::keys::{Algorithm, Signer};
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

/// How the keys are found.
#[derive(Clone, Copy, Debug)]
enum By {
    Discovery,
    Url,
}

/// A gateway that trusts `idp`, fetches on its own once an hour, and follows `clock`.
fn trusting(idp: &Idp, by: By, clock: &Arc<TestClock>) -> Setup {
    let jwks = match by {
        By::Discovery => String::new(),
        By::Url => format!("jwks = \"{}\"\n", idp.jwks_url()),
    };
    let tokens = format!(
        "[tokens.test]\nissuer = \"{}\"\naudiences = [\"{AUDIENCE}\"]\nrefresh = \"1h\"\nmax_age = \"2h\"\n{jwks}",
        idp.issuer()
    );
    Setup::new().route("home", "GET /", "read", "").tokens(&tokens).clock(clock)
}

struct Scene {
    site: Site,
    client: Client,
    idp: Idp,
    clock: Arc<TestClock>,
    /// A reader's, signed by the provider.
    good: String,
}

impl Scene {
    async fn new(by: By) -> Self {
        let idp = Idp::start().await;
        let clock = Arc::new(TestClock::default());
        let site = trusting(&idp, by, &clock).start().await;
        let client = site.h1().await;
        let good = reader(&idp).await;
        Self { site, client, idp, clock, good }
    }

    async fn ask(&mut self, token: &str) -> Answer {
        self.client.get("/", &[("authorization", &format!("Bearer {token}"))]).await
    }

    async fn passes(&mut self, token: &str) {
        let answer = self.ask(token).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
    }

    async fn refuses(&mut self, token: &str) {
        assert_eq!(self.ask(token).await.problem(), (401, "invalid_token".to_owned()));
    }

    /// 503, with a time after which to ask again.
    async fn cannot_tell(&mut self, token: &str) {
        let answer = self.ask(token).await;
        assert_eq!(answer.problem(), (503, "keys_unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.header("www-authenticate"), None);
    }

    /// After this an unknown key id may ask the provider again.
    fn cool_down(&self) {
        self.clock.advance(Duration::from_secs(31));
    }

    async fn fetches(&self) -> u64 {
        self.idp.counters().await["GET /jwks"]
    }

    /// What nobody the provider knows has signed, under this key id.
    fn made_up(&self, kid: &str) -> String {
        let now = self.site.gateway.now().seconds();
        let claims = json!({ "iss": self.idp.issuer(), "aud": AUDIENCE, "sub": "eve", "exp": now + 600 });
        Signer::new(Algorithm::Es256, kid).sign(&claims)
    }

    /// What `/v1/status` says of the token source.
    async fn state(&self) -> Value {
        let operator = crate::api_keys::operator(&self.site);
        let status = self.site.admin().await.get("/v1/status", &[("authorization", &operator)]).await.json();
        let all = status["dependencies"].as_array().unwrap();
        all.iter().find(|one| one["name"] == "tokens.test").unwrap().clone()
    }
}

async fn reader(idp: &Idp) -> String {
    idp.token(json!({ "groups": ["readers"] })).await
}
