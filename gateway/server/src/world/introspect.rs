//! What do issuers say of opaque tokens? Asked over HTTPS, one question for one token at a time (RFC 7662).
//!
//! Nothing is kept here: what an answer means, and for how long, is judged where it was asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use portcullis_core::identify::{IntrospectionConfig, fetchable};
use portcullis_core::ports::{Answer, Introspection, StoreDown};
use reqwest::{Client, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::world::outside::Clients;

/// How long a request waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;
/// Questions under way at one issuer; further ones are not asked.
const MOST_ASKED: usize = 64;

type Said = Result<Arc<[u8]>, StoreDown>;
type Question = Shared<BoxFuture<'static, Said>>;
/// By alias and token. INVARIANT: bounded by the places at the issuers.
type UnderWay = Arc<Mutex<HashMap<(Arc<str>, Box<str>), Question>>>;

/// The issuers that can be asked.
pub(crate) struct Issuers {
    /// For loopback, which no proxy of the environment can reach.
    clients: Clients,
    known: ArcSwap<HashMap<Arc<str>, Arc<Issuer>>>,
    under_way: UnderWay,
}

struct Issuer {
    config: IntrospectionConfig,
    places: Arc<Semaphore>,
}

impl Issuers {
    /// # Errors
    /// Why no HTTPS client can be made, which is about this machine's trust store.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self {
            clients: Clients::new(|client| client.timeout(PATIENCE))?,
            known: ArcSwap::default(),
            under_way: UnderWay::default(),
        })
    }

    /// Takes over the issuers of a configuration about to be published.
    pub(crate) fn reconfigure<'a>(&self, issuers: impl Iterator<Item = (&'a Arc<str>, &'a IntrospectionConfig)>) {
        let before = self.known.load();
        let kept = |alias: &Arc<str>, config: &IntrospectionConfig| match before.get(alias) {
            Some(known) if known.config == *config => Arc::clone(known),
            Some(_) | None => Arc::new(Issuer { config: config.clone(), places: Arc::new(Semaphore::new(MOST_ASKED)) }),
        };
        let after = issuers.map(|(alias, config)| (Arc::clone(alias), kept(alias, config))).collect();
        self.known.store(Arc::new(after));
    }

    /// The question about this token, begun now or under way.
    fn question(&self, alias: &str, token: &str) -> Result<Question, StoreDown> {
        let known = self.known.load();
        let (alias, issuer) = known.get_key_value(alias).ok_or(StoreDown { what: "it is not configured" })?;
        let key = (Arc::clone(alias), Box::from(token));
        let mut under_way = self.under_way.lock();
        if let Some(question) = under_way.get(&key) {
            return Ok(question.clone());
        }
        let place = Arc::clone(&issuer.places).try_acquire_owned();
        let place = place.map_err(|_| StoreDown { what: "too many questions are under way" })?;
        let asking = ask(self.clients.to(&issuer.config.endpoint).clone(), issuer.config.clone(), token.to_owned());
        let (all, own) = (Arc::clone(&self.under_way), key.clone());
        let question = async move {
            let said = match timeout(PATIENCE, asking).await {
                Ok(said) => said,
                Err(_) => Err(StoreDown { what: "it took longer than 2 s" }),
            };
            all.lock().remove(&own);
            drop(place);
            said
        };
        let question = question.boxed().shared();
        under_way.insert(key, question.clone());
        // It goes on when whoever asked first has left, for those that wait with it.
        tokio::spawn(question.clone());
        Ok(question)
    }
}

impl Introspection for Issuers {
    fn ask<'a>(&'a self, alias: &'a str, token: &'a str) -> Answer<'a, Said> {
        match self.question(alias, token) {
            Ok(question) => Answer::Wait(question.boxed()),
            Err(down) => Answer::Ready(Err(down)),
        }
    }
}

/// Asks about a token that is none, and keeps nothing: whether the issuer lets us ask.
///
/// # Errors
/// Why no answer can be had.
pub(crate) async fn try_out(config: &IntrospectionConfig) -> Result<(), String> {
    let issuers = Issuers::new()?;
    ask(issuers.clients.to(&config.endpoint).clone(), config.clone(), "portcullis-check".to_owned())
        .await
        .map(|_| ())
        .map_err(|down| down.what.to_owned())
}

/// One question, as RFC 7662 §2.1 wants it; the gateway shows its own credentials as RFC 6749 §2.3.1 wants them.
async fn ask(client: Client, config: IntrospectionConfig, token: String) -> Said {
    if !fetchable(&config.endpoint) {
        return Err(StoreDown { what: "its endpoint is neither `https` nor on loopback" });
    }
    let form = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let sent = client
        .post(&config.endpoint)
        .basic_auth(form(&config.client_id), Some(form(config.client_secret.expose())))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(format!("token={}&token_type_hint=access_token", form(&token)))
        .send()
        .await;
    let mut answer = sent.map_err(|_| StoreDown { what: "it cannot be reached" })?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        return Err(StoreDown { what: "it does not accept `client_id` and `client_secret`" });
    }
    if answer.status() != StatusCode::OK {
        return Err(StoreDown { what: "it answered with another status than 200" });
    }
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(part)) if body.len() + part.len() > MOST_BYTES => {
                return Err(StoreDown { what: "its answer is larger than 64 KiB" });
            }
            Ok(Some(part)) => body.extend_from_slice(&part),
            Ok(None) => return Ok(Arc::from(body)),
            Err(_) => return Err(StoreDown { what: "its answer broke off" }),
        }
    }
}
