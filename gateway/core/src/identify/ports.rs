//! What must the world know of credentials? The ports of this stage.

use std::sync::Arc;
use std::time::Duration;

use super::jwks::KeySet;
use super::{KeyRecord, LiveSession, Revocations, SessionHash, SessionId};
use crate::answer::{Answer, StoreDown};
use crate::moment::Now;

/// API keys, by their public id.
pub trait Keys: Send + Sync {
    /// `None`: no such key. Revoked and expired keys are found; judging them is the stage's work.
    fn key(&self, id: &str) -> Answer<'_, Result<Option<Arc<KeyRecord>>, StoreDown>>;

    /// Notes that a key was used. Never waits; may be lost at a crash.
    fn used(&self, id: &str, now: Now);
}

/// Verification keys of token issuers, fetched in the background.
pub trait KeySets: Send + Sync {
    /// The keys of the token source `alias` as last fetched. Never waits.
    fn current(&self, alias: &str, now: Now) -> Result<Arc<KeySet>, KeysUnavailable>;

    /// Newer keys than the generation `seen`, because they do not hold the key of some token: single flight,
    /// with a cooldown, waiting at most one second.
    ///
    /// The answer may be the same set again: fetched now, or so recently that asking again would tell
    /// nothing, so an unknown key means a bad token.
    fn refetch(&self, alias: &str, seen: u64, now: Now) -> Answer<'_, Result<Arc<KeySet>, KeysUnavailable>>;
}

/// Why no verdict about a token is possible (503, never 401).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeysUnavailable {
    /// The last fetch failed and nothing fresh enough is at hand.
    FetchFailed,
    /// No key set was ever had.
    Never,
    /// The wait for a fetch took longer than a request may wait.
    Slow,
    /// The last good set is older than its declared greatest age.
    Stale,
}

/// Issuers that say of an opaque token whose it is (RFC 7662).
pub trait Introspection: Send + Sync {
    /// What the issuer of the token source `alias` answers, as its bytes; at most 64 KiB, at most two seconds. One
    /// question for one token is under way at a time, whoever else asks waits for its answer.
    fn ask<'a>(&'a self, alias: &'a str, token: &'a str) -> Answer<'a, Result<Arc<[u8]>, StoreDown>>;
}

/// Tokens that were taken back before their time.
pub trait RevokedTokens: Send + Sync {
    /// The list as last read. Never waits; while its store cannot be read, the last one holds.
    fn current(&self) -> Arc<Revocations>;
}

/// Proofs that may be used once.
pub trait Replays: Send + Sync {
    /// Whether `key` (at most 200 bytes) was not seen within `span`, here or at another replica. Notes it.
    fn first_use<'a>(&'a self, key: &'a str, span: Duration, now: Now) -> Answer<'a, Result<bool, StoreDown>>;
}

/// Those who have logged in.
pub trait Sessions: Send + Sync {
    /// The session of a cookie; `None`: there is none, or it is over. Asking is using it: it lives on, and its token
    /// is renewed in time.
    fn session<'a>(&'a self, id: &'a SessionId, now: Now) -> Answer<'a, Result<Option<LiveSession>, StoreDown>>;

    /// Whether a session is still there; asking changes nothing.
    fn lives(&self, hash: SessionHash, now: Now) -> Answer<'_, Result<bool, StoreDown>>;
}

/// All of them, for one request.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub keys: &'a dyn Keys,
    pub key_sets: &'a dyn KeySets,
    pub introspection: &'a dyn Introspection,
    pub revoked: &'a dyn RevokedTokens,
    pub replays: &'a dyn Replays,
    pub sessions: &'a dyn Sessions,
}
