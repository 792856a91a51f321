//! Who am I? `/_portcullis/me`, for front ends.

use http::{HeaderValue, Method, StatusCode, header};
use portcullis_core::cors::{Preflight, requested_method};
use portcullis_core::identify::{AuthMethod, Caller, Identity, Principal};
use portcullis_core::journey::{self, Answer, Turned};
use portcullis_core::moment::{Moment, Now};
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::request::Request;
use portcullis_core::snapshot::Snapshot;
use portcullis_core::trail::Trail;
use serde::Serialize;
use serde_json::Value;

use super::Passage;
use crate::forward::local_name;
use crate::login::clear_session;

const ME: &str = "/_portcullis/me";

/// What a page may know of whoever looks at it. Times are in seconds since the epoch.
#[derive(Serialize)]
struct Me<'a> {
    /// As policies name it.
    principal: String,
    /// As the application knows it.
    subject: &'a str,
    /// Of whoever vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<&'a str>,
    groups: Vec<&'a str>,
    auth: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// Where a `POST` from a page of the gateway's own origin ends the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    logout_url: Option<String>,
}

pub(super) fn is_asked(path: &str) -> bool {
    path == ME
}

impl Passage {
    pub(super) async fn whoever(
        &self,
        request: &Request<'_>,
        snapshot: &Snapshot,
        now: Now,
        trail: &mut Trail,
    ) -> Turned {
        let Caller { identity, ended_session } = match self.asking(request, snapshot, now, trail).await {
            Ok(found) => found,
            Err(turned) => return turned,
        };
        let mut fields = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::VARY, HeaderValue::from_static("Authorization, Cookie, X-API-Key")),
        ];
        let body = serde_json::to_vec(&about(&identity, snapshot)).unwrap_or_default().into();
        fields.extend(ended_session.then(|| (header::SET_COOKIE, clear_session(snapshot))));
        Turned::Answered(Answer { status: StatusCode::OK, fields, body })
    }

    async fn asking(
        &self,
        request: &Request<'_>,
        snapshot: &Snapshot,
        now: Now,
        trail: &mut Trail,
    ) -> Result<Caller, Turned> {
        let world = &self.shared.world;
        journey::approach(request, snapshot, world, now, trail)?;
        if let Some(method) = requested_method(request) {
            let granting = snapshot.own().granting(request).map(|cors| cors.preflight(request, &method));
            return Err(match granting {
                Some(Preflight::Answered(fields)) => {
                    Turned::Answered(Answer { status: StatusCode::NO_CONTENT, fields, body: bytes::Bytes::new() })
                }
                Some(Preflight::Refused(refusal)) => refusal.into(),
                Some(Preflight::Forwarded) | None => {
                    Refusal::new(Code::CorsOriginDenied).because("no route grants the origin").into()
                }
            });
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Refusal::new(Code::MethodNotAllowed).allow(vec![Method::GET, Method::HEAD]).into());
        }
        journey::whoever(request, snapshot, world, now, trail).await
    }
}

fn about<'a>(identity: &'a Identity, snapshot: &Snapshot) -> Me<'a> {
    let alias = match &identity.principal {
        Principal::Client(id) | Principal::User(id) => id.split_once('|').map(|(alias, _)| alias),
        Principal::Anonymous | Principal::ApiKey(_) | Principal::Certificate(_) => None,
    };
    let claim = |name: &str| identity.attributes.get(name).and_then(Value::as_str);
    let logout = format!("{}/_portcullis/logout", snapshot.public_url());
    Me {
        principal: identity.principal.to_string(),
        subject: identity.principal.subject(),
        alias,
        name: claim("name"),
        email: identity.email.as_deref(),
        picture: claim("picture"),
        groups: identity.groups.iter().map(|group| local_name(group)).collect(),
        auth: identity.method.name(),
        authenticated_at: identity.authenticated_at.map(Moment::seconds),
        expires_at: identity.expires_at.map(Moment::seconds),
        logout_url: (identity.method == AuthMethod::Session).then_some(logout),
    }
}
