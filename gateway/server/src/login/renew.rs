//! How are a session's tokens renewed once, whoever asks and wherever?
//!
//! In this process one task does it, and all who need it wait for that. Across replicas a lease in the store says who
//! does it; it is renewed while the provider takes its time. Whoever does not get it waits until the session was
//! written anew, and reads it. A provider that rotates refresh tokens sees each of them once.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use portcullis_core::identify::{Expected, Session, SessionHash, SessionId};
use portcullis_core::refusal::LoginFailure;

use super::keeper::Keeper;
use super::provider::Freshness;
use super::renewals::{MOST, Outcome, Renewal};
use super::{Fault, http, proof, start, tokens};
use crate::world::store::{StoreError, StoredSession};

/// How long a lease holds by itself, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(6);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// From one look at what another replica does to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long anybody waits for another replica: as long as the provider may take, and a lease.
const PATIENCE: Duration = http::TOTAL.saturating_add(LEASE);
/// After a failure the provider is left alone for so long.
const COOLDOWN: Duration = Duration::from_secs(30);
impl Keeper {
    /// Renews beside the requests; what becomes of it shows at a later one.
    pub(super) fn renew_beside(&self, id: &SessionId, stored: &StoredSession) {
        if self.lately(stored.hash).is_none() {
            let _ = self.renewal(id, stored);
        }
    }

    /// Renews, or waits for whoever does.
    pub(super) async fn renewed(&self, id: &SessionId, stored: &StoredSession) -> Outcome {
        if let Some(outcome) = self.lately(stored.hash).filter(|outcome| *outcome == Outcome::Unreachable) {
            return outcome;
        }
        match self.renewal(id, stored) {
            Some(renewal) => renewal.await,
            None => Outcome::Unreachable,
        }
    }

    fn lately(&self, hash: SessionHash) -> Option<Outcome> {
        let (until, outcome) = self.0.renewals.failed.get(&hash)?;
        (self.0.clock.now().steady < until).then_some(outcome)
    }

    /// The renewal of this session, begun now or under way.
    fn renewal(&self, id: &SessionId, stored: &StoredSession) -> Option<Renewal> {
        let (hash, version) = (stored.hash, stored.version);
        let mut under_way = self.0.renewals.under_way.lock();
        if let Some(renewal) = under_way.get(&hash) {
            return Some(renewal.clone());
        }
        if under_way.len() >= MOST {
            return None;
        }
        let (keeper, id, all) = (self.clone(), id.clone(), Arc::clone(&self.0.renewals.under_way));
        let renewal = async move {
            let outcome = tokio::time::timeout(PATIENCE, keeper.renew(&id, version)).await;
            let outcome = outcome.unwrap_or(Outcome::Unreachable);
            match outcome {
                Outcome::Renewed => {
                    keeper.0.renewals.failed.remove(&hash);
                }
                Outcome::Refused | Outcome::Unreachable => {
                    let until = keeper.0.clock.now().steady.saturating_add(COOLDOWN);
                    keeper.0.renewals.failed.insert(hash, (until, outcome));
                }
            }
            all.lock().remove(&hash);
            outcome
        };
        let renewal = renewal.boxed().shared();
        under_way.insert(hash, renewal.clone());
        // It goes on when whoever asked first has left.
        tokio::spawn(renewal.clone());
        Some(renewal)
    }

    async fn renew(&self, id: &SessionId, version: u64) -> Outcome {
        let hash = id.hash();
        let mut look = tokio::time::interval(LOOK_AGAIN);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let now = self.0.clock.now().wall;
            let lease = match self.0.list.lease(hash, None, now.plus(LEASE), now).await {
                Ok(lease) => lease,
                Err(error) => return unwritten(&error),
            };
            // INVARIANT: read after the lease was asked for, or a renewal that ended just before would be missed.
            let stored = match self.0.list.read(hash).await {
                Ok(Some(stored)) if stored.version == version => stored,
                Ok(_) => {
                    if let Some(lease) = lease {
                        self.0.list.give_back(hash, lease).await;
                    }
                    return Outcome::Renewed;
                }
                Err(error) => return unwritten(&error),
            };
            if let Some(lease) = lease {
                return self.renew_alone(id, &stored, lease).await;
            }
        }
    }

    /// With the lease in hand, which is renewed as long as it takes.
    async fn renew_alone(&self, id: &SessionId, stored: &StoredSession, mut lease: u64) -> Outcome {
        let redeeming = self.redeem(id, &stored.session);
        tokio::pin!(redeeming);
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.tick().await;
        let redeemed = loop {
            tokio::select! {
                redeemed = &mut redeeming => break redeemed,
                _ = beat.tick() => {
                    let now = self.0.clock.now().wall;
                    if let Ok(Some(renewed)) = self.0.list.lease(stored.hash, Some(lease), now.plus(LEASE), now).await {
                        lease = renewed;
                    }
                }
            }
        };
        let outcome = match redeemed {
            Ok(session) => match self.0.list.change(stored.hash, stored.version, &session).await {
                // A conflict: it has ended meanwhile, which holds.
                Ok(()) | Err(StoreError::Conflict) => Outcome::Renewed,
                Err(error) => unwritten(&error),
            },
            Err((LoginFailure::ProviderUnreachable, why)) => {
                tracing::warn!(provider = &*stored.session.provider, why, "a session could not be renewed");
                Outcome::Unreachable
            }
            Err((failure, why)) => {
                tracing::info!(
                    provider = &*stored.session.provider,
                    failure = failure.name(),
                    why,
                    "the provider does not renew a session"
                );
                Outcome::Refused
            }
        };
        self.0.list.give_back(stored.hash, lease).await;
        outcome
    }

    /// The session with fresh tokens, and with what they say.
    async fn redeem(&self, id: &SessionId, session: &Session) -> Result<Session, Fault> {
        let snapshot = self.0.current.load_full();
        let gone = |why: &str| (LoginFailure::ProviderUnknown, why.to_owned());
        let provider = snapshot.providers().get(&session.provider).ok_or_else(|| gone("it is not configured"))?;
        let held = Self::tokens(id, session).ok_or_else(|| gone("its tokens do not open"))?;
        let refresh = held.refresh.clone().ok_or_else(|| gone("there is no refresh token"))?;
        let desk = &self.0.providers;
        let metadata = desk.metadata(provider, Freshness::Whenever).await?;
        let redirect = start::redirect_uri(snapshot.public_url(), &provider.alias);
        let client = tokens::client(provider, &metadata, &redirect)?;
        let proof = proof::of(provider, &metadata, snapshot.root(), self.0.clock.now())?;
        let mut fresh = tokens::renew(&desk.http, &client, refresh, proof).await?;
        let expected = Expected {
            nonce: session.nonce.as_deref(),
            subject: Some(&session.subject),
            access_token: Some(&fresh.access),
            ..Expected::default()
        };
        let now = self.0.clock.now();
        let said = desk.learn(provider, &metadata, &fresh, &expected, (&*self.0.key_sets, now)).await?;
        // RFC 6749 §6: what is not given anew stays.
        fresh.refresh = fresh.refresh.or(held.refresh);
        fresh.id = fresh.id.or(held.id);
        let sealed = Self::seal(id, &fresh).ok_or_else(|| gone("its tokens could not be sealed"))?;
        let mut renewed = Session {
            tokens: sealed,
            read_at: now.wall,
            fresh_until: fresh.life.map(|life| now.wall.plus(life)),
            ..session.clone()
        };
        if let Some(said) = said {
            renewed.groups = said.groups;
            renewed.claims = said.claims;
            renewed.email = said.email;
            renewed.authenticated_at = said.authenticated_at.or(session.authenticated_at);
            renewed.sid = said.sid.or(renewed.sid);
        }
        Ok(renewed)
    }
}

fn unwritten(error: &StoreError) -> Outcome {
    tracing::warn!(%error, "a session could not be renewed");
    Outcome::Unreachable
}
