//! How does a login end? By the application (`OpenID` Connect RP-Initiated Logout), and all are told (Back-Channel Logout).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use openidconnect::url::Url;
use serde_json::Value;

use super::mint::Kind;
use super::page::{self, Page};
use super::wire::{self, Fields};
use super::{IdpError, LocalIdp};

/// A client that does not hear of it in time is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn begin(State(idp): State<Arc<LocalIdp>>, uri: Uri, headers: HeaderMap) -> Response {
    end(&idp, uri.query().unwrap_or_default().as_bytes(), &headers, Sure::IfHinted).await
}

pub(super) async fn begin_posted(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    end(&idp, &body, &headers, Sure::IfHinted).await
}

/// The button of our own page was pressed.
pub(super) async fn confirm(State(idp): State<Arc<LocalIdp>>, uri: Uri, headers: HeaderMap) -> Response {
    if !wire::is_from_our_page(&headers) {
        return page::stop(StatusCode::FORBIDDEN, "This came from another site", "Nobody was logged out.");
    }
    end(&idp, uri.query().unwrap_or_default().as_bytes(), &headers, Sure::Asked).await
}

/// Whether the person wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sure {
    /// They pressed the button.
    Asked,
    /// An ID token of theirs says so; else they are asked.
    IfHinted,
}

struct Wanted {
    /// The session the hint names.
    sid: Option<String>,
    to: Option<Url>,
    query: String,
}

async fn end(idp: &LocalIdp, query: &[u8], headers: &HeaderMap, sure: Sure) -> Response {
    let wanted = match read(idp, query) {
        Ok(wanted) => wanted,
        Err(why) => return page::stop(StatusCode::BAD_REQUEST, "This logout cannot go on", &why),
    };
    let login = idp.cookie(headers).and_then(|cookie| idp.memory.login(&cookie));
    let hinted = match (&wanted.sid, &login) {
        (Some(sid), Some(login)) => *sid == login.sid,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if let (Sure::IfHinted, false, Some(login)) = (sure, hinted, &login) {
        return ask(&login.user, &wanted);
    }
    for sid in [wanted.sid, login.map(|login| login.sid)].into_iter().flatten() {
        idp.log_out(&sid).await;
    }
    let mut answer = match wanted.to.and_then(|to| HeaderValue::try_from(String::from(to)).ok()) {
        Some(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        None => page::stop(StatusCode::OK, "You are logged out", "You can close this window."),
    };
    answer.headers_mut().insert(header::SET_COOKIE, idp.clear_cookie());
    answer
}

fn read(idp: &LocalIdp, query: &[u8]) -> Result<Wanted, String> {
    let fields = Fields::parse(query).map_err(|_| "A parameter is there twice.".to_owned())?;
    let hint = match fields.find("id_token_hint") {
        None => None,
        // Of any age: it names a session, it proves nothing (RP-Initiated Logout §2).
        Some(hint) => Some(idp.mint.read(hint, Kind::Id).ok_or("`id_token_hint` is no ID token of this provider.")?),
    };
    let named = fields.find("client_id");
    if let (Some(hint), Some(named)) = (&hint, named)
        && !page::is_for(hint, named)
    {
        return Err("`client_id` is not the client that `id_token_hint` was made for.".to_owned());
    }
    let client = match (&hint, named) {
        (_, Some(named)) => idp.client(named),
        (Some(hint), None) => idp.clients.iter().find(|client| page::is_for(hint, &client.id)),
        (None, None) => None,
    };
    let to = match fields.find("post_logout_redirect_uri") {
        None => None,
        Some(uri) => {
            let known = client.filter(|client| client.may_leave_to(uri)).and_then(|_| Url::parse(uri).ok());
            let wrong =
                || format!("`post_logout_redirect_uri` is `{uri}`, which is not registered, or nothing says for whom.");
            let mut to = known.ok_or_else(wrong)?;
            if let Some(state) = fields.find("state") {
                to.query_pairs_mut().append_pair("state", state);
            }
            Some(to)
        }
    };
    let sid = hint.as_ref().and_then(|hint| hint.get("sid")).and_then(Value::as_str).map(str::to_owned);
    Ok(Wanted { sid, to, query: fields.query() })
}

fn ask(user: &str, wanted: &Wanted) -> Response {
    let body = format!(
        "<h1>Log out?</h1><p class=\"lead\">You are logged in as <b>{}</b>.</p><form method=\"post\" \
         action=\"{}\"><button class=\"main\" autofocus>Log out</button></form>",
        page::escape(user),
        page::escape(&format!("/logout/confirm?{}", wanted.query)),
    );
    let to = wanted.to.as_ref().map(Url::as_str);
    Page { status: StatusCode::OK, title: "Log out?", body, forms_to: to }.into_response()
}

/// Tells clients of logouts.
pub(super) struct Messenger(reqwest::Client);

impl Messenger {
    /// `trust`: a certificate authority, in PEM, to be believed besides those of the system.
    pub(super) fn new(trust: Option<&[u8]>) -> Result<Self, IdpError> {
        let wrong = |error: reqwest::Error| IdpError::Trust(error.to_string());
        crate::world::install_crypto();
        let mut builder = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        // Whom it tells is on this machine, where no proxy of the environment leads.
        builder = builder.no_proxy();
        if let Some(pem) = trust {
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map(Self).map_err(wrong)
    }

    async fn tell(&self, to: &str, token: &str) -> Result<(), String> {
        let form = openidconnect::url::form_urlencoded::Serializer::new(String::new())
            .append_pair("logout_token", token)
            .finish();
        let sent = self.0.post(to).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form).send();
        match sent.await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status())),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}

impl LocalIdp {
    /// Ends a session, and tells every client that knows of it and wants to be told.
    pub(super) async fn log_out(&self, sid: &str) {
        let Some((user, clients)) = self.memory.end(sid) else { return };
        let told = clients.iter().filter_map(|id| {
            let to = self.client(id)?.backchannel_logout_uri.as_ref()?.as_str();
            let token = self.mint.logout_token(id, &user, sid).ok()?;
            Some(async move {
                if let Err(error) = self.messenger.tell(to, &token).await {
                    tracing::warn!(client = %id, %error, "a client could not be told of a logout");
                }
            })
        });
        futures::future::join_all(told).await;
    }
}
