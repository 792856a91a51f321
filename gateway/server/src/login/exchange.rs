//! Which token does an application get for the caller's own? One that the caller's provider gives for it (RFC 8693).
//!
//! What was got is kept in memory until it nears its end, for this very token and this very wish; many requests that
//! need the same wait for one question. A provider that said no, or nothing, is left alone for a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use portcullis_core::config::ExchangeConfig;
use portcullis_core::identify::Provider;
use portcullis_core::ports::Clock;
use portcullis_core::snapshot::Snapshot;
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::provider::{Desk, Freshness};
use super::{proof, tokens};
use crate::respond::query;

/// How long a request waits for a token.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tokens and failures that are kept.
const MOST_KEPT: usize = 10_000;
/// Questions under way; further ones are not asked.
const MOST_ASKED: usize = 64;
/// How long a token is used of which the provider does not say how long it holds.
const UNSAID: Duration = Duration::from_mins(1);
/// So long before its end a token is no longer used, or for a fifth of its life where that is less.
const MARGIN: Duration = Duration::from_mins(1);
/// A provider that gave none is not asked for the same again so soon.
const COOLDOWN: Duration = Duration::from_secs(2);

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Why there is no token, for the operator: nothing that was sent is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NoToken {
    /// The provider does not give one for this caller.
    Refused(String),
    /// Nobody knows whether it would.
    Unavailable(String),
}

/// `Authorization`, and how long it is used.
type Given = Result<(HeaderValue, Duration), NoToken>;
type Outcome = Result<HeaderValue, NoToken>;
type Question = Shared<BoxFuture<'static, Outcome>>;

/// What a token is kept by: the hash of whose it is and of all that was asked for.
type Key = [u8; 32];

/// Exchanges tokens. One for the whole process.
pub(crate) struct Exchanges {
    desk: Arc<Desk>,
    clock: Arc<dyn Clock>,
    /// Until when, by the steady clock, it is used.
    kept: Arc<Cache<Key, (Duration, Outcome)>>,
    /// INVARIANT: at most [`MOST_ASKED`].
    under_way: Arc<Mutex<HashMap<Key, Question>>>,
    places: Arc<Semaphore>,
}

impl Exchanges {
    pub(super) fn new(desk: Arc<Desk>, clock: Arc<dyn Clock>) -> Self {
        let (kept, places) = (Arc::new(Cache::new(MOST_KEPT)), Arc::new(Semaphore::new(MOST_ASKED)));
        Self { desk, clock, kept, under_way: Arc::default(), places }
    }

    /// `Authorization` for the application, in exchange for the access token `subject` of the provider `alias`.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn of(
        &self,
        subject: &str,
        alias: &str,
        wish: &Arc<ExchangeConfig>,
        snapshot: &Arc<Snapshot>,
    ) -> Outcome {
        let unavailable = |why: &str| NoToken::Unavailable(why.to_owned());
        let provider = snapshot.providers().get(alias);
        let provider = provider.ok_or_else(|| unavailable("the token's issuer is none of [providers.*]"))?;
        let key = key(subject, provider, wish);
        if let Some((until, kept)) = self.kept.get(&key)
            && self.clock.steady() < until
        {
            return kept;
        }
        let question = self.question(key, subject, provider, wish, snapshot)?;
        let asked = tokio::time::timeout(PATIENCE, question).await;
        asked.unwrap_or_else(|_| Err(unavailable("the provider took longer than 5 s")))
    }

    /// The question, begun now or under way.
    fn question(
        &self,
        key: Key,
        subject: &str,
        provider: &Arc<Provider>,
        wish: &Arc<ExchangeConfig>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Question, NoToken> {
        let mut under_way = self.under_way.lock();
        if let Some(question) = under_way.get(&key) {
            return Ok(question.clone());
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| NoToken::Unavailable("too many exchanges are under way".into()))?;
        let (desk, clock, subject) = (Arc::clone(&self.desk), Arc::clone(&self.clock), subject.to_owned());
        let (provider, wish, snapshot) = (Arc::clone(provider), Arc::clone(wish), Arc::clone(snapshot));
        let (kept, all) = (Arc::clone(&self.kept), Arc::clone(&self.under_way));
        let question = async move {
            let given = ask(&desk, &provider, (&subject, &wish), &snapshot, &*clock).await;
            let (given, life) = match given {
                Ok((token, life)) => (Ok(token), life),
                Err(why) => {
                    tracing::warn!(provider = &*provider.alias, ?why, "a token could not be exchanged");
                    (Err(why), COOLDOWN)
                }
            };
            kept.insert(key, (clock.steady().saturating_add(life), given.clone()));
            all.lock().remove(&key);
            drop(place);
            given
        };
        let question = question.boxed().shared();
        under_way.insert(key, question.clone());
        // It goes on when whoever asked first has left, for those that wait with it.
        tokio::spawn(question.clone());
        Ok(question)
    }
}

/// Each part with its length before it, so that no two wishes are written alike.
fn key(subject: &str, provider: &Provider, wish: &ExchangeConfig) -> Key {
    let scopes = wish.scopes.join(" ");
    let (audience, resource) = (wish.audience.as_deref(), wish.resource.as_deref());
    let client = &*provider.config.client_id;
    let parts = [Some(subject), Some(provider.issuer()), Some(client), audience, resource, Some(&*scopes)];
    let mut text = Vec::with_capacity(subject.len() + 256);
    for part in parts {
        let bytes = part.unwrap_or_default().as_bytes();
        text.extend_from_slice(&bytes.len().to_be_bytes());
        text.extend_from_slice(bytes);
    }
    let mut key = [0; 32];
    key.iter_mut().zip(digest(&SHA256, &text).as_ref()).for_each(|(to, from)| *to = *from);
    key
}

async fn ask(
    desk: &Desk,
    provider: &Provider,
    (subject, wish): (&str, &ExchangeConfig),
    snapshot: &Snapshot,
    clock: &dyn Clock,
) -> Given {
    let unavailable = |(_, why): super::Fault| NoToken::Unavailable(why);
    let metadata = desk.metadata(provider, Freshness::Whenever).await.map_err(unavailable)?;
    let proof = proof::of(provider, &metadata, snapshot.root(), clock.now()).map_err(unavailable)?;
    let shown = tokens::Shown::of(provider, &metadata);
    let scopes = wish.scopes.join(" ");
    let mut form = vec![
        ("grant_type", GRANT),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
    ];
    form.extend(wish.audience.as_deref().map(|audience| ("audience", audience)));
    form.extend(wish.resource.as_deref().map(|resource| ("resource", resource)));
    form.extend(Some(("scope", &*scopes)).filter(|(_, scopes)| !scopes.is_empty()));
    form.extend(shown.form.iter().map(|(name, value)| (*name, &**value)));
    form.extend(proof.iter().map(|(name, value)| (&**name, &**value)));
    let mut question = http::Request::post(&metadata.token_endpoint)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(basic) = shown.authorization {
        question = question.header(http::header::AUTHORIZATION, basic);
    }
    let question = question.body(query(&form).into_bytes());
    let question = question.map_err(|_| NoToken::Unavailable("its token endpoint is no address".into()))?;
    let answer = desk.http.ask(question).await.map_err(|no| NoToken::Unavailable(no.0))?;
    if answer.status() == StatusCode::OK { given(answer.body()) } else { Err(refused(answer.body())) }
}

/// RFC 8693 §2.2.1, as far as it concerns us.
#[derive(Deserialize)]
struct Said {
    access_token: String,
    issued_token_type: Option<String>,
    token_type: String,
    expires_in: Option<u64>,
}

fn given(body: &[u8]) -> Given {
    let unreadable = |what: &str| NoToken::Unavailable(format!("the token endpoint's answer {what}"));
    let said: Said = serde_json::from_slice(body).map_err(|_| unreadable("cannot be read"))?;
    if !said.token_type.eq_ignore_ascii_case("bearer") {
        return Err(unreadable("holds a token of another `token_type` than Bearer"));
    }
    if said.issued_token_type.is_some_and(|kind| kind != ACCESS_TOKEN && kind != JWT) {
        return Err(unreadable("holds no access token (`issued_token_type`)"));
    }
    let plain = !said.access_token.is_empty() && said.access_token.bytes().all(|byte| byte.is_ascii_graphic());
    let field = HeaderValue::try_from(format!("Bearer {}", said.access_token)).ok().filter(|_| plain);
    let mut field = field.ok_or_else(|| unreadable("holds a token that cannot be a bearer's"))?;
    field.set_sensitive(true);
    let life = said.expires_in.map_or(UNSAID, |seconds| {
        let life = Duration::from_secs(seconds);
        life.saturating_sub(MARGIN.min(life / 5))
    });
    Ok((field, life))
}

/// What a provider says of the caller's token or of the wish is a no; all else is between it and us.
fn refused(body: &[u8]) -> NoToken {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    let Ok(Said { error }) = serde_json::from_slice(body) else {
        return NoToken::Unavailable("the token endpoint's answer cannot be read".into());
    };
    let word: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
    let why = format!("the token endpoint says `{word}`");
    match &*error {
        "access_denied" | "invalid_grant" | "invalid_request" | "invalid_scope" | "invalid_target" => {
            NoToken::Refused(why)
        }
        _ => NoToken::Unavailable(why),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{NoToken, given, refused};

    #[test]
    fn takes_bearer_tokens_alone_and_not_to_their_last_second() {
        let check = |said: Value, expected: Option<(&str, u64)>| {
            let found = given(said.to_string().as_bytes()).ok();
            let expected = expected.map(|(token, seconds)| (token.to_owned(), Duration::from_secs(seconds)));
            let found = found.map(|(field, life)| (field.to_str().unwrap().to_owned(), life));
            assert_eq!(found, expected, "{said}");
        };
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let usual = json!({ "access_token": "t", "token_type": "bearer", "issued_token_type": kind });
        let with = |name: &str, value: Value| {
            let mut said = usual.clone();
            said[name] = value;
            said
        };
        check(usual.clone(), Some(("Bearer t", 60)));
        check(with("expires_in", json!(3_600)), Some(("Bearer t", 3_540)));
        check(with("expires_in", json!(10)), Some(("Bearer t", 8)));
        check(with("expires_in", json!(0)), Some(("Bearer t", 0)));
        check(with("token_type", json!("DPoP")), None);
        check(with("token_type", json!("N_A")), None);
        check(with("issued_token_type", json!("urn:ietf:params:oauth:token-type:refresh_token")), None);
        check(with("access_token", json!("")), None);
        check(with("access_token", json!("a b")), None);
        check(with("access_token", json!("a\r\nX-Evil: 1")), None);
        check(json!([]), None);
    }

    #[test]
    fn tells_a_no_from_what_is_wrong_between_provider_and_gateway() {
        for (body, says_no) in [
            (r#"{"error":"invalid_target"}"#, true),
            (r#"{"error":"invalid_grant","error_description":"x"}"#, true),
            (r#"{"error":"invalid_client"}"#, false),
            (r#"{"error":"unsupported_grant_type"}"#, false),
            ("<html>", false),
        ] {
            assert_eq!(matches!(refused(body.as_bytes()), NoToken::Refused(_)), says_no, "{body}");
        }
    }
}
