//! How do people with nothing but a browser come in, and how do they leave? Logins at `OpenID` providers and GitHub,
//! and the sessions that come of them.
//!
//! Nothing of a login is kept here while it is under way: it is in the browser, sealed ([`flow`]). What comes of it is a
//! session in the store ([`keeper`]), whose cookie says nothing. What a provider says is judged by the core
//! (`identify::Provider`); here is the talking.

mod backchannel;
mod callback;
mod exchange;
mod flow;
mod github;
mod http;
mod keeper;
mod learn;
mod logout;
mod metadata;
mod page;
mod proof;
mod provider;
mod renew;
mod renewals;
mod seal;
mod start;
mod tokens;
mod trial;
mod visit;
mod wish;

use std::sync::Arc;

use portcullis_core::limit::MemoryCounters;
use portcullis_core::moment::Now;
use portcullis_core::ports::{Clock, KeySets, Replays};
use portcullis_core::refusal::LoginFailure;
use portcullis_core::snapshot::Snapshot;

pub(crate) use exchange::{Exchanges, NoToken};
pub(crate) use keeper::Keeper;
pub(crate) use proof::usable as client_key_usable;
pub(crate) use seal::Sealer;
pub(crate) use trial::try_out;
pub(crate) use visit::{Place, Visit, clear_session};

use crate::world::random;
use crate::world::store::SessionList;

/// Who lets people in and out. One for the whole process.
pub(crate) struct Login {
    clock: Arc<dyn Clock>,
    key_sets: Arc<dyn KeySets>,
    replays: Arc<dyn Replays>,
    failures: Arc<MemoryCounters>,
    pub(crate) keeper: Keeper,
    pub(crate) exchanges: Exchanges,
    providers: Arc<provider::Desk>,
    /// Of flows; shared by all replicas.
    sealer: Sealer,
}

/// What a [`Login`] asks of the world.
pub(crate) struct Needs {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key_sets: Arc<dyn KeySets>,
    pub(crate) replays: Arc<dyn Replays>,
    pub(crate) failures: Arc<MemoryCounters>,
    pub(crate) sessions: SessionList,
}

impl Login {
    /// # Errors
    /// Why the key of flows, or an HTTPS client, cannot be had.
    pub(crate) async fn open(needs: Needs, snapshot: Arc<Snapshot>) -> Result<Self, String> {
        let Needs { clock, key_sets, replays, failures, sessions } = needs;
        let mut fresh = [0; 32];
        random::fill(&mut fresh).map_err(|fault| fault.to_string())?;
        let key = sessions.shared_key("login-flow-key", fresh, clock.now().wall).await.map_err(|e| e.to_string())?;
        let sealer = Sealer::new(&key, "flow").map_err(|_| "the key of logins is unusable".to_owned())?;
        let providers = Arc::new(provider::Desk::new(Arc::clone(&clock))?);
        let keeper = Keeper::new(sessions, Arc::clone(&clock), Arc::clone(&providers), Arc::clone(&key_sets), snapshot);
        let exchanges = Exchanges::new(Arc::clone(&providers), Arc::clone(&clock));
        Ok(Self { clock, key_sets, replays, failures, keeper, exchanges, providers, sealer })
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

/// Which failure, and the operator's word on it.
type Fault = (LoginFailure, String);

/// Random text of 256 bits.
fn random_text() -> Result<String, Fault> {
    use base64::Engine;
    let mut drawn = [0; 32];
    let fault = (LoginFailure::StoreUnavailable, "there is no randomness".to_owned());
    random::fill(&mut drawn).map_err(|_| fault)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(drawn))
}
