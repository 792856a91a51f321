//! One call of an operation: who asks, and in earnest or to see what would be.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use portcullis_core::govern::{Administrator, IfMatch, Subject};

use super::operation::{Facts, PRECONDITION_REQUIRED};
use super::problem::Refused;
use crate::control::Published;

/// What the frame found out, for the handler.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) who: Arc<Administrator>,
    pub(super) peer: IpAddr,
    pub(super) purpose: Purpose,
    /// The configuration that decided.
    pub(super) published: Arc<Published>,
    if_match: Option<Arc<str>>,
}

/// What a change is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    Apply,
    /// `dry_run=true`: everything but the writing.
    Rehearse,
}

/// Says in an answer that nothing was written.
pub(super) const DRY_RUN: HeaderName = HeaderName::from_static("x-portcullis-dry-run");

impl Call {
    /// # Errors
    /// 400 for an `If-Match` that is repeated or not ASCII.
    pub(super) fn new(
        who: Administrator,
        peer: IpAddr,
        purpose: Purpose,
        published: Arc<Published>,
        headers: &HeaderMap,
    ) -> Result<Self, Refused> {
        let mut shown = headers.get_all(header::IF_MATCH).iter();
        let if_match = match (shown.next(), shown.next()) {
            (None, _) => None,
            (Some(only), None) => only.to_str().ok().map(Arc::from),
            (Some(_), Some(_)) => {
                let detail = "`If-Match` is repeated";
                return Err(Refused::new(StatusCode::BAD_REQUEST, "malformed_request", detail));
            }
        };
        if if_match.is_none() && headers.contains_key(header::IF_MATCH) {
            let detail = "`If-Match` is not ASCII";
            return Err(Refused::new(StatusCode::BAD_REQUEST, "malformed_request", detail));
        }
        Ok(Self { who: Arc::new(who), peer, purpose, published, if_match })
    }

    /// Who asks, for the audit log.
    pub(super) fn actor(&self) -> &str {
        &self.who.actor
    }

    /// Whether the caller may do `operation` to `subject` too.
    ///
    /// # Errors
    /// 403.
    pub(super) fn may(&self, operation: &str, subject: Subject<'_>) -> Result<(), Refused> {
        let governance = self.published.snapshot.governance();
        governance.may(&self.who, operation, subject, self.peer).map(|_| ()).map_err(|denied| denied.refusal.into())
    }

    /// Whether it is meant for one version alone.
    pub(super) fn names_a_version(&self) -> bool {
        self.if_match.as_ref().is_some_and(|wanted| wanted.trim() != "*")
    }

    /// Holds `If-Match`, where it was sent, against the version there is (RFC 9110 §13.1.1).
    ///
    /// # Errors
    /// 412 when it names another.
    pub(super) fn expects(&self, version: u64) -> Result<(), Refused> {
        match &self.if_match {
            None => Ok(()),
            Some(wanted) if names(wanted, &version.to_string()) => Ok(()),
            Some(_) => Err(Refused::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "it has changed since: `If-Match` names another version than there is now",
            )),
        }
    }
}

/// Where `admin.if_match` wants the version to be named: a change that names none is refused.
///
/// # Errors
/// 428.
pub(super) fn must_name_a_version(call: &Call, facts: &Facts) -> Result<(), Refused> {
    let wanted = call.published.snapshot.admin().if_match;
    if wanted == IfMatch::Optional || !facts.is_versioned() || call.if_match.is_some() {
        return Ok(());
    }
    let (_, code) = PRECONDITION_REQUIRED;
    let detail = "`admin.if_match` is `required`: send the `ETag` of what is to be changed in `If-Match`";
    Err(Refused::new(StatusCode::PRECONDITION_REQUIRED, code, detail))
}

/// Weak tags never match (RFC 9110 §13.1.1).
fn names(wanted: &str, tag: &str) -> bool {
    wanted.trim() == "*"
        || wanted.split(',').any(|one| one.trim().strip_prefix('"').and_then(|one| one.strip_suffix('"')) == Some(tag))
}

/// `ETag` of a version.
pub(super) fn etag(version: u64) -> Option<(HeaderName, HeaderValue)> {
    Some((header::ETAG, HeaderValue::try_from(format!("\"{version}\"")).ok()?))
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        // INVARIANT: every handler stands in the frame, which puts one there.
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "there is no frame"))
    }
}
