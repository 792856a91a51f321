//! A row as it is shown and exported: with all that its hash is made of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;

use super::AuditRow;

/// One row of the audit log. Hashes are SHA-256 in base64.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(rename = "AuditEntry")]
pub(crate) struct ShownRow {
    /// 1, 2, 3 …, without a gap.
    seq: i64,
    at: i64,
    /// The same, in microseconds, as it is hashed.
    at_micros: i64,
    actor: String,
    action: String,
    subject: String,
    /// Of the subject's state; null when there was none.
    before: Option<String>,
    after: Option<String>,
    /// The hash of the row before.
    previous: String,
    hash: String,
}

impl From<&AuditRow> for ShownRow {
    fn from(row: &AuditRow) -> Self {
        let text = |hash: [u8; 32]| STANDARD.encode(hash);
        Self {
            seq: row.seq,
            at: row.at.seconds(),
            at_micros: row.at.micros(),
            actor: row.actor.clone(),
            action: row.action.clone(),
            subject: row.subject.clone(),
            before: row.before.map(text),
            after: row.after.map(text),
            previous: text(row.previous),
            hash: text(row.hash),
        }
    }
}

impl ShownRow {
    /// As one line of an export.
    pub(crate) fn line(&self) -> String {
        // Texts and numbers always make JSON.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}
