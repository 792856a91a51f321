//! API keys: `ptcl_<env>_<id>_<secret><crc>`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::moment::Moment;

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
}
