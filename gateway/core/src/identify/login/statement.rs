//! What does a provider say of somebody? Claims, each of its one type.

use serde_json::{Map, Value};

use crate::identify::bearer::groups_of;
use crate::identify::config::ProviderConfig;
use crate::identify::jwt::fits;
use crate::identify::why::Why;
use crate::moment::Moment;

/// What is said of somebody who has logged in.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub subject: String,
    /// Not qualified.
    pub groups: Vec<String>,
    /// For policies.
    pub claims: Map<String, Value>,
    /// Only if it is verified, or trusted by configuration.
    pub email: Option<String>,
    pub authenticated_at: Option<Moment>,
    pub sid: Option<String>,
}

/// What the gateway judges itself and policies never see.
const JUDGED: [&str; 12] =
    ["iss", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid"];

/// All claims of one person together, in bytes.
const MOST_BYTES: usize = 32 * 1024;

/// Reads what ID token and userinfo say.
pub(super) fn read(config: &ProviderConfig, subject: String, mut claims: Map<String, Value>) -> Result<Statement, Why> {
    let groups = groups_of(&claims, &config.groups_claim)?;
    let verified = config.trust_email || claims.get("email_verified") == Some(&Value::Bool(true));
    let email = match claims.get("email") {
        None | Some(Value::Null) => None,
        Some(Value::String(email)) if fits(email) => verified.then(|| email.clone()),
        Some(_) => return Err("the `email` is not a string of 1 to 255 bytes without control characters"),
    };
    if email.is_none() {
        // An address nobody verified must not reach a policy under the same name.
        claims.shift_remove("email");
    }
    let authenticated_at = match claims.get("auth_time") {
        None => None,
        Some(at) => Some(at.as_i64().map(Moment::from_seconds).ok_or("`auth_time` is not a whole number of seconds")?),
    };
    let sid = match claims.get("sid") {
        None => None,
        Some(Value::String(sid)) if fits(sid) => Some(sid.clone()),
        Some(_) => return Err("`sid` is not a string of 1 to 255 bytes"),
    };
    for name in JUDGED {
        claims.shift_remove(name);
    }
    if serde_json::to_vec(&claims).map_or(usize::MAX, |bytes| bytes.len()) > MOST_BYTES {
        return Err("the claims are larger than 32 KiB together: ask for fewer `scopes`");
    }
    Ok(Statement { subject, groups, claims, email, authenticated_at, sid })
}
