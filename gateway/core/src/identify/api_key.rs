//! Is this API key good, and whose is it? `ptcl_<env>_<id>_<secret><crc>`.

mod find;
mod terms;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AuthMethod, Identity, Keys, Principal, refuse};
use crate::moment::{Moment, Now};
use crate::refusal::Refusal;
pub use find::{LONGEST, find};
pub use terms::{Bounds, KeyLimit, KeyTerms, OldSecret, OwnLimit, PlanConfig};
pub use text::{KeyText, MintFault, Minted, PATTERN, PREFIX};

/// A key at rest. The secret itself is nowhere.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct KeyRecord {
    /// Base62, the public part of the key.
    pub id: String,
    pub name: String,
    pub owner: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    pub metadata: Map<String, Value>,
    /// SHA-256 of the whole key text.
    pub hash: [u8; 32],
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "KeyTerms::is_empty")]
    pub terms: KeyTerms,
}

impl KeyRecord {
    /// Whether what was opened with this key as it was may go on now that it is `self`: it is not revoked, has not expired,
    /// has no other secret but one for which the old is still good, and is bound to the same addresses and routes.
    pub fn carries_on(&self, was: &Self, now: Moment) -> bool {
        let before = self.terms.before.as_ref();
        let same_secret = self.hash == was.hash || before.is_some_and(|old| old.hash == was.hash && now < old.until);
        let same_bounds = self.terms.addresses == was.terms.addresses && self.terms.routes == was.terms.routes;
        let lives = self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end);
        same_secret && same_bounds && lives
    }
}

/// The judge of API keys, and the identities of those last seen.
#[derive(Debug)]
pub struct ApiKeys {
    /// By id. An identity holds only as long as the store answers with the very record it was made from.
    seen: Cache<Arc<str>, (Arc<KeyRecord>, Arc<Identity>)>,
    plans: BTreeMap<String, PlanConfig>,
}

impl ApiKeys {
    /// Identities kept, so that a key in use costs no allocation.
    const MOST_SEEN: usize = 10_000;

    pub(super) fn new() -> Self {
        Self { seen: Cache::new(Self::MOST_SEEN), plans: BTreeMap::new() }
    }

    pub(super) fn with_plans(self, plans: BTreeMap<String, PlanConfig>) -> Self {
        Self { plans, ..self }
    }

    /// Whose key this is. The store is asked on every request: a revoked key must not live on in here.
    ///
    /// # Errors
    /// `invalid_api_key`, in one text for all that can be wrong; `dependency_unavailable` when the store
    /// cannot answer.
    pub(super) async fn identify(&self, text: &str, keys: &dyn Keys, now: Now) -> Result<Arc<Identity>, Refusal> {
        let key = KeyText::parse(text).map_err(refuse::api_key)?;
        let record = keys.key(key.id()).get().await.map_err(refuse::store_down)?;
        let record = judge(&key, record, now)?;
        keys.used(key.id(), now);
        Ok(self.identity(record))
    }

    fn identity(&self, record: Arc<KeyRecord>) -> Arc<Identity> {
        if let Some((known, identity)) = self.seen.get(record.id.as_str())
            && Arc::ptr_eq(&known, &record)
        {
            return identity;
        }
        let mut identity = identity(&record);
        identity.bounds = Bounds::of(&record, |plan| self.plans.get(plan));
        let identity = Arc::new(identity);
        self.seen.insert(Arc::from(record.id.as_str()), (record, Arc::clone(&identity)));
        identity
    }
}

/// An unknown id costs the same comparison as a known one, so that the time taken tells nothing.
fn judge(key: &KeyText<'_>, record: Option<Arc<KeyRecord>>, now: Now) -> Result<Arc<KeyRecord>, Refusal> {
    let (hash, expected) = (key.hash(), record.as_ref().map_or([0; 32], |record| record.hash));
    let before = record.as_ref().and_then(|record| record.terms.before.as_ref());
    let (old, until) = before.map_or(([0; 32], Moment::default()), |before| (before.hash, before.until));
    let is_old = verify_slices_are_equal(&hash, &old).is_ok() && now.wall < until;
    let secret = verify_slices_are_equal(&hash, &expected).is_ok() || is_old;
    let Some(record) = record else {
        return Err(refuse::api_key_of(key.id(), "is unknown"));
    };
    if !secret {
        return Err(refuse::api_key_of(key.id(), "has another secret"));
    }
    if record.revoked_at.is_some() {
        return Err(refuse::api_key_of(key.id(), "is revoked"));
    }
    if record.expires_at.is_some_and(|end| now.wall >= end) {
        return Err(refuse::api_key_of(key.id(), "has expired"));
    }
    Ok(record)
}

/// `ApiKey::"<id>"`, in `Group::"keys|<role>"`; name and owner win over metadata of the same name.
fn identity(record: &KeyRecord) -> Identity {
    let mut attributes = record.metadata.clone();
    attributes.insert("name".into(), record.name.clone().into());
    attributes.insert("owner".into(), record.owner.clone().into());
    Identity {
        principal: Principal::ApiKey(Arc::from(record.id.as_str())),
        method: AuthMethod::ApiKey,
        groups: record.roles.iter().map(|role| Arc::from(format!("keys|{role}"))).collect(),
        attributes,
        scopes: record.scopes.iter().map(|scope| Arc::from(scope.as_str())).collect(),
        email: None,
        authenticated_at: None,
        expires_at: record.expires_at,
        token: None,
        session: None,
        bounds: None,
        entity: OnceLock::new(),
    }
}
