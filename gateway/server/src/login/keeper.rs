//! Is this session still good? The port that requests ask: from memory nearly always, renewing tokens in time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use portcullis_core::identify::{LiveSession, Session, SessionHash, SessionId};
use portcullis_core::moment::Now;
use portcullis_core::ports::{Answer, Clock, KeySets, Sessions, StoreDown};
use portcullis_core::snapshot::Snapshot;
use tokio::time::timeout;

use super::provider::Desk;
use super::renewals::{Outcome, Renewals};
use super::seal::Sealer;
use super::tokens::Tokens;
use crate::world::store::{SessionList, StoredSession};

/// How long a request waits for a session that is not in memory.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps sessions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keeper(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) list: SessionList,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) providers: Arc<Desk>,
    pub(super) key_sets: Arc<dyn KeySets>,
    pub(super) current: ArcSwap<Snapshot>,
    pub(super) renewals: Renewals,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Good,
    /// Its token is still good, and may be renewed.
    Early,
    /// Its token has ended.
    Stale,
    /// It was not used for long, as far as is known here.
    Idle,
    Over,
}

impl Keeper {
    pub(super) fn new(
        list: SessionList,
        clock: Arc<dyn Clock>,
        providers: Arc<Desk>,
        key_sets: Arc<dyn KeySets>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        let current = ArcSwap::new(snapshot);
        Self(Arc::new(Inner { list, clock, providers, key_sets, current, renewals: Renewals::new() }))
    }

    pub(crate) fn reconfigure(&self, snapshot: &Arc<Snapshot>) {
        self.0.current.store(Arc::clone(snapshot));
    }

    pub(crate) fn list(&self) -> &SessionList {
        &self.0.list
    }

    /// The provider's tokens of a session, for whoever has its cookie.
    pub(crate) fn tokens(id: &SessionId, session: &Session) -> Option<Tokens> {
        let sealer = Sealer::new(id.secret(), "tokens").ok()?;
        serde_json::from_slice(&sealer.open(&session.tokens, &id.hash().text())?).ok()
    }

    /// The same, as they are kept.
    pub(super) fn seal(id: &SessionId, tokens: &Tokens) -> Option<String> {
        let sealer = Sealer::new(id.secret(), "tokens").ok()?;
        sealer.seal(&serde_json::to_vec(tokens).ok()?, &id.hash().text()).ok()
    }

    fn standing(&self, stored: &StoredSession, now: Now) -> Standing {
        let config = self.0.current.load();
        let config = config.sessions();
        let session = &stored.session;
        if now.wall >= session.ends_at {
            return Standing::Over;
        }
        if now.wall.since(stored.used_at()) >= config.idle.0 {
            return Standing::Idle;
        }
        let Some(end) = session.fresh_until else { return Standing::Good };
        if now.wall >= end {
            return Standing::Stale;
        }
        if now.wall >= early(session, stored.hash) { Standing::Early } else { Standing::Good }
    }

    /// With the store's word, and the provider's where it is needed.
    async fn look(&self, id: SessionId, now: Now) -> Result<Option<LiveSession>, StoreDown> {
        let hash = id.hash();
        for _ in 0..2 {
            let read = timeout(PATIENCE, self.0.list.read(hash)).await;
            let read = read.map_err(|_| StoreDown { what: "the store did not answer in time" })?;
            let Some(stored) = read.map_err(|_| StoreDown { what: "the store failed" })? else { return Ok(None) };
            match self.standing(&stored, now) {
                Standing::Good | Standing::Early => return Ok(Some(self.use_of(&stored, now))),
                Standing::Idle | Standing::Over => {
                    self.end(hash).await;
                    return Ok(None);
                }
                Standing::Stale => match self.renewed(&id, &stored).await {
                    // Somebody has written it anew: read it again.
                    Outcome::Renewed => {}
                    Outcome::Refused => {
                        self.end(hash).await;
                        return Ok(None);
                    }
                    Outcome::Unreachable => {
                        return if self.in_grace(&stored.session, now) {
                            Ok(Some(self.use_of(&stored, now)))
                        } else {
                            self.end(hash).await;
                            Ok(None)
                        };
                    }
                },
            }
        }
        Err(StoreDown { what: "the session changes all the time" })
    }

    fn in_grace(&self, session: &Session, now: Now) -> bool {
        let grace = self.0.current.load().sessions().grace.0;
        session.fresh_until.is_some_and(|end| now.wall < end.plus(grace))
    }

    /// What could not be ended now is judged again the next time.
    async fn end(&self, hash: SessionHash) {
        if let Err(error) = self.0.list.end(hash).await {
            tracing::warn!(%error, "a session that is over could not be removed");
        }
    }

    fn use_of(&self, stored: &StoredSession, now: Now) -> LiveSession {
        self.0.list.used(stored, now.wall);
        LiveSession { hash: stored.hash, session: Arc::clone(&stored.session) }
    }
}

impl Sessions for Keeper {
    fn session<'a>(&'a self, id: &'a SessionId, now: Now) -> Answer<'a, Result<Option<LiveSession>, StoreDown>> {
        let hash = id.hash();
        match self.0.list.known(&hash) {
            Some(None) => return Answer::Ready(Ok(None)),
            Some(Some(stored)) => match self.standing(&stored, now) {
                Standing::Good => return Answer::Ready(Ok(Some(self.use_of(&stored, now)))),
                Standing::Early => {
                    self.renew_beside(id, &stored);
                    return Answer::Ready(Ok(Some(self.use_of(&stored, now))));
                }
                Standing::Idle | Standing::Over | Standing::Stale => {}
            },
            None => {}
        }
        Answer::Wait(self.look(id.clone(), now).boxed())
    }

    fn lives(&self, hash: SessionHash, now: Now) -> Answer<'_, Result<bool, StoreDown>> {
        if let Some(known) = self.0.list.known(&hash) {
            return Answer::Ready(Ok(known.is_some_and(|stored| now.wall < stored.session.ends_at)));
        }
        Answer::Wait(Box::pin(async move {
            let read = timeout(PATIENCE, self.0.list.read(hash)).await;
            match read {
                Ok(Ok(found)) => Ok(found.is_some_and(|stored| now.wall < stored.session.ends_at)),
                Ok(Err(_)) | Err(_) => Err(StoreDown { what: "the store failed" }),
            }
        }))
    }
}

/// When the token of a session is renewed: in the last fifth to three tenths of its life, each session at its own
/// time, so that they do not all come at once.
fn early(session: &Session, hash: SessionHash) -> portcullis_core::moment::Moment {
    let Some(end) = session.fresh_until else { return session.ends_at };
    let life = end.since(session.read_at);
    let [jitter, ..] = hash.0;
    end.minus(life / 5 + life / 10 * u32::from(jitter) / 256)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::identify::{Session, SessionHash};
    use portcullis_core::moment::Moment;

    use super::early;

    #[test]
    fn each_session_is_renewed_at_its_own_time_before_its_token_ends() {
        let begun = Moment::from_seconds(1_000);
        let session: Session = serde_json::from_value(serde_json::json!({
            "provider": "demo", "issuer": "https://idp.example", "subject": "alice", "groups": [], "claims": {},
            "scopes": [], "email": null, "authenticated_at": null, "sid": null, "nonce": null, "created_at": begun,
            "ends_at": begun.plus(Duration::from_hours(24)), "fresh_until": begun.plus(Duration::from_hours(1)),
            "read_at": begun, "tokens": "", "address": "", "agent": "",
        }))
        .unwrap();
        let mut times: Vec<u64> = (0..=255_u8)
            .map(|first| {
                let mut hash = [0; 32];
                hash[0] = first;
                early(&session, SessionHash(hash)).since(begun).as_secs()
            })
            .collect();
        assert!(times.iter().all(|at| (2_520..=2_880).contains(at)), "three tenths to a fifth before: {times:?}");
        times.dedup();
        assert!(times.len() > 200, "not all at once: {times:?}");
    }
}
