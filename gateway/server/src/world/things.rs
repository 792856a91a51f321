//! What does the application know of a thing? Asked over HTTP, once for all who ask at the same time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use portcullis_core::gather::{Ask, Thing};
use portcullis_core::ports::{Answer, Clock, StoreDown, Things};
use quick_cache::sync::Cache;
use reqwest::{Client, StatusCode, header};
use serde_json::{Map, Value};

use super::outside::Clients;

/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;
/// Questions under way; further ones are not asked.
const MOST_ASKED: usize = 512;
/// Answers kept; the least used make room.
const MOST_KEPT: usize = 10_000;

type Said = Result<Thing, StoreDown>;
type Question = Shared<BoxFuture<'static, Said>>;

/// The applications that can be asked.
pub(crate) struct Apps {
    client: Client,
    clock: Arc<dyn Clock>,
    /// With the steady clock when it was asked for.
    kept: Arc<Cache<String, (Duration, Thing)>>,
    under_way: Arc<Mutex<HashMap<String, Question>>>,
}

impl Apps {
    /// # Errors
    /// Why no HTTP client can be made, which is about this machine's trust store.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Result<Self, String> {
        let client = Clients::new(|client| client)?.direct();
        Ok(Self { client, clock, kept: Arc::new(Cache::new(MOST_KEPT)), under_way: Arc::default() })
    }

    fn question(&self, ask: Ask) -> Result<Question, StoreDown> {
        let mut under_way = self.under_way.lock();
        if let Some(question) = under_way.get(&ask.url) {
            return Ok(question.clone());
        }
        if under_way.len() >= MOST_ASKED {
            return Err(StoreDown { what: "too many questions are under way" });
        }
        let (client, kept, all) = (self.client.clone(), Arc::clone(&self.kept), Arc::clone(&self.under_way));
        let (url, asked) = (ask.url.clone(), self.clock.now().steady);
        let question = async move {
            let said = match tokio::time::timeout(ask.timeout, fetch(client, &ask.url)).await {
                Ok(said) => said,
                Err(_) => Err(StoreDown { what: "the application took too long" }),
            };
            if let (Ok(object), false) = (&said, ask.cache.is_zero()) {
                kept.insert(ask.url.clone(), (asked, object.clone()));
            }
            all.lock().remove(&ask.url);
            said
        };
        let question = question.boxed().shared();
        under_way.insert(url, question.clone());
        // It goes on when whoever asked first has left, for those that wait with it.
        tokio::spawn(question.clone());
        Ok(question)
    }
}

impl Things for Apps {
    fn thing(&self, ask: Ask) -> Answer<'_, Said> {
        if !ask.cache.is_zero()
            && let Some((asked, object)) = self.kept.get(&ask.url)
            && self.clock.now().steady.saturating_sub(asked) < ask.cache
        {
            return Answer::Ready(Ok(object));
        }
        match self.question(ask) {
            Ok(question) => Answer::Wait(question.boxed()),
            Err(down) => Answer::Ready(Err(down)),
        }
    }
}

async fn fetch(client: Client, url: &str) -> Said {
    let sent = client.get(url).header(header::ACCEPT, "application/json").send().await;
    let mut answer = sent.map_err(|_| StoreDown { what: "the application cannot be reached" })?;
    match answer.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
        StatusCode::OK => {}
        _ => return Err(StoreDown { what: "the application answered with another status than 200" }),
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|_| StoreDown { what: "the answer broke off" })? {
        if body.len() + part.len() > MOST_BYTES {
            return Err(StoreDown { what: "the answer is larger than 64 KiB" });
        }
        body.extend_from_slice(&part);
    }
    let object: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| StoreDown { what: "the answer is no JSON object" })?;
    Ok(Some(Arc::new(object)))
}
