//! Who is there? The authorization endpoint (`OpenID` Connect Core §3.1.2) and the page that asks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use openidconnect::url::Url;

use super::memory::{Granted, Login};
use super::mint::Kind;
use super::page::{self, Page};
use super::wire::{self, Denied, Fields};
use super::{Client, LocalIdp, Person};

/// A request that may be answered at its redirect URI.
struct Asked<'a> {
    client: &'a Client,
    redirect_uri: String,
    state: Option<String>,
    scope: String,
    nonce: Option<String>,
    challenge: String,
    prompt: Prompt,
    max_age: Option<i64>,
    /// The person that the client thinks it is.
    expected: Option<String>,
    /// All of it, for the page to send again.
    query: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Prompt {
    /// Whoever is logged in; else the page.
    Usual,
    /// Whoever is logged in; else an error.
    Never,
    /// The page, whoever is logged in.
    Always,
}

/// Why there is no code.
enum Wrong<'a> {
    /// Nobody vouches for the redirect URI, so a person reads this, and nothing is sent there.
    Unreturnable(String),
    /// The client is told.
    Told(Box<Back<'a>>, Denied),
}

/// Where the client waits.
struct Back<'a> {
    idp: &'a LocalIdp,
    redirect_uri: String,
    state: Option<String>,
}

pub(super) async fn begin(State(idp): State<Arc<LocalIdp>>, uri: Uri, headers: HeaderMap) -> Response {
    ask(&idp, uri.query().unwrap_or_default().as_bytes(), &headers)
}

/// The request may also be posted (`OpenID` Connect Core §3.1.2.1).
pub(super) async fn begin_posted(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    ask(&idp, &body, &headers)
}

fn ask(idp: &LocalIdp, query: &[u8], headers: &HeaderMap) -> Response {
    let asked = match read(idp, query) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.into_response(),
    };
    let login = idp.cookie(headers).and_then(|cookie| idp.memory.login(&cookie));
    let known = login.clone().filter(|login| asked.is_met_by(login, idp.mint.now().seconds()));
    match (asked.prompt, known) {
        (Prompt::Never | Prompt::Usual, Some(login)) => asked.answer(idp, &login).into_response(),
        (Prompt::Never, None) => {
            let denied = Denied::because("login_required", "nobody is logged in who would do");
            Wrong::Told(Box::new(asked.back(idp)), denied).into_response()
        }
        (Prompt::Always, _) | (Prompt::Usual, None) => picker(idp, &asked, login.as_ref()),
    }
}

/// Somebody was picked on the page.
pub(super) async fn pick(State(idp): State<Arc<LocalIdp>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if !wire::is_from_our_page(&headers) {
        return page::stop(StatusCode::FORBIDDEN, "This came from another site", "Log in from the application again.");
    }
    let asked = match read(&idp, uri.query().unwrap_or_default().as_bytes()) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.into_response(),
    };
    let form = Fields::of_form(&headers, &body);
    let picked = form.ok().and_then(|form| idp.person(form.find("user")?));
    let Some(person) = picked else {
        return page::stop(StatusCode::BAD_REQUEST, "Nobody was picked", "Go back and pick one of the people.");
    };
    if idp.memory.is_disabled(&person.name) {
        let denied = Denied::because("access_denied", "the account is disabled");
        return Wrong::Told(Box::new(asked.back(&idp)), denied).into_response();
    }
    let old = idp.cookie(&headers);
    match idp.memory.log_in(&person.name, old.as_deref(), idp.mint.now()) {
        Ok((cookie, login)) => match asked.answer(&idp, &login) {
            Ok(answer) => ([(header::SET_COOKIE, idp.set_cookie(&cookie))], answer).into_response(),
            Err(wrong) => wrong.into_response(),
        },
        Err(error) => Wrong::Told(Box::new(asked.back(&idp)), error.into()).into_response(),
    }
}

fn read<'a>(idp: &'a LocalIdp, query: &[u8]) -> Result<Asked<'a>, Wrong<'a>> {
    let fields = Fields::parse(query).map_err(|_| Wrong::Unreturnable("A parameter is there twice.".to_owned()))?;
    let id = fields.find("client_id").ok_or_else(|| Wrong::Unreturnable("`client_id` is missing.".to_owned()))?;
    let unknown = || Wrong::Unreturnable(format!("No client is registered as `{id}`."));
    let client = idp.client(id).ok_or_else(unknown)?;
    let redirect_uri = fields.find("redirect_uri").filter(|uri| client.may_return_to(uri)).ok_or_else(|| {
        let sent = fields.find("redirect_uri").unwrap_or_default();
        let known: Vec<String> = client.redirect_uris.iter().map(|uri| format!("`{}`", uri.as_str())).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Wrong::Unreturnable(format!("`redirect_uri` is `{sent}`; registered for `{id}`: {known}."))
    })?;
    let state = fields.find("state").map(str::to_owned);
    let back = Back { idp, redirect_uri: redirect_uri.to_owned(), state: state.clone() };
    match demands(idp, client, &fields) {
        Ok((prompt, max_age, expected)) => Ok(Asked {
            client,
            redirect_uri: redirect_uri.to_owned(),
            state,
            scope: wire::scope(fields.find("scope")).unwrap_or_default(),
            nonce: fields.find("nonce").map(str::to_owned),
            challenge: fields.find("code_challenge").unwrap_or_default().to_owned(),
            prompt,
            max_age,
            expected,
            query: fields.query(),
        }),
        Err(denied) => Err(Wrong::Told(Box::new(back), denied)),
    }
}

type Demands = (Prompt, Option<i64>, Option<String>);

fn demands(idp: &LocalIdp, client: &Client, fields: &Fields) -> Result<Demands, Denied> {
    let invalid = |why| Denied::because("invalid_request", why);
    match fields.find("response_type") {
        Some("code") => {}
        Some(_) => return Err(Denied::because("unsupported_response_type", "the response type is `code`")),
        None => return Err(invalid("`response_type` is missing: it is `code`")),
    }
    if fields.find("request").is_some() {
        return Err(Denied::because("request_not_supported", "send the parameters themselves"));
    }
    if fields.find("request_uri").is_some() {
        return Err(Denied::because("request_uri_not_supported", "send the parameters themselves"));
    }
    if fields.find("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("the response mode is `query`"));
    }
    if fields.find("code_challenge_method") != Some("S256") {
        return Err(invalid("PKCE is demanded: `code_challenge` with `code_challenge_method=S256`"));
    }
    if fields.find("code_challenge").is_none_or(|challenge| challenge.len() != 43) {
        return Err(invalid("`code_challenge` is 43 characters: the SHA-256 of the verifier in base64url"));
    }
    let prompt = match fields.find("prompt") {
        None => Prompt::Usual,
        Some("none") => Prompt::Never,
        Some(words) if words.split(' ').all(|word| ["login", "select_account", "consent"].contains(&word)) => {
            if words == "consent" { Prompt::Usual } else { Prompt::Always }
        }
        Some(_) => return Err(invalid("`prompt` is `none` alone, or `login`, `select_account`, `consent`")),
    };
    let max_age = match fields.find("max_age") {
        None => None,
        Some(age) => match age.parse::<u32>() {
            Ok(age) => Some(i64::from(age)),
            Err(_) => return Err(invalid("`max_age` is a number of seconds")),
        },
    };
    let expected = match fields.find("id_token_hint") {
        None => fields.find("login_hint").map(str::to_owned),
        Some(hint) => {
            let claims = idp.mint.read(hint, Kind::Id).filter(|claims| page::is_for(claims, &client.id));
            let subject = claims.as_ref().and_then(|claims| claims.get("sub")?.as_str());
            Some(subject.ok_or(invalid("`id_token_hint` is no ID token that this client had from here"))?.to_owned())
        }
    };
    Ok((prompt, max_age, expected))
}

impl Asked<'_> {
    fn is_met_by(&self, login: &Login, now: i64) -> bool {
        let age = now.saturating_sub(login.at.seconds());
        // A login of the same second is not older than nothing, yet `max_age=0` means to ask (OpenID Connect Core §3.1.2.1).
        let fresh = self.max_age.is_none_or(|most| most > 0 && age <= most);
        fresh && self.expected.as_ref().is_none_or(|expected| names(expected, &login.user))
    }

    fn back<'a>(&self, idp: &'a LocalIdp) -> Back<'a> {
        Back { idp, redirect_uri: self.redirect_uri.clone(), state: self.state.clone() }
    }

    fn answer<'a>(&self, idp: &'a LocalIdp, login: &Login) -> Result<Response, Wrong<'a>> {
        let granted = Granted {
            user: login.user.clone(),
            client: self.client.id.clone(),
            scope: self.scope.clone(),
            sid: login.sid.clone(),
            auth_time: login.at,
        };
        let way = (self.challenge.clone(), self.redirect_uri.clone());
        match idp.memory.grant(granted, self.nonce.clone(), way, idp.mint.now()) {
            Ok(code) => Ok(self.back(idp).say(&[("code", &code)])),
            Err(error) => Err(Wrong::Told(Box::new(self.back(idp)), error.into())),
        }
    }
}

/// A hint names somebody by name or by address.
fn names(hint: &str, user: &str) -> bool {
    hint == user || hint.strip_suffix("@example.com") == Some(user)
}

impl Back<'_> {
    fn say(&self, said: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(&self.redirect_uri) else {
            return page::stop(
                StatusCode::INTERNAL_SERVER_ERROR,
                "There is no way back",
                "The redirect URI is no URL.",
            );
        };
        let mut query = url.query_pairs_mut();
        query.extend_pairs(said);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        // RFC 9207: the client can tell whose answer this is.
        query.append_pair("iss", self.idp.mint.issuer().as_str());
        drop(query);
        let Ok(location) = HeaderValue::try_from(String::from(url)) else {
            return page::stop(
                StatusCode::INTERNAL_SERVER_ERROR,
                "There is no way back",
                "The redirect URI is no URL.",
            );
        };
        let fields = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (StatusCode::SEE_OTHER, fields).into_response()
    }
}

impl IntoResponse for Wrong<'_> {
    fn into_response(self) -> Response {
        match self {
            Self::Unreturnable(why) => page::stop(StatusCode::BAD_REQUEST, "This login cannot go on", &why),
            Self::Told(back, denied) => back.say(&[("error", denied.error), ("error_description", denied.description)]),
        }
    }
}

impl IntoResponse for Box<Wrong<'_>> {
    fn into_response(self) -> Response {
        (*self).into_response()
    }
}

fn picker(idp: &LocalIdp, asked: &Asked<'_>, login: Option<&Login>) -> Response {
    let likely = |person: &&Person| asked.expected.as_ref().is_some_and(|expected| names(expected, &person.name));
    let first =
        idp.people.iter().find(likely).or_else(|| idp.people.iter().find(|p| login.is_some_and(|l| l.user == p.name)));
    let first = first.or(idp.people.first()).map(|person| person.name.as_str());
    let rows: String = idp
        .people
        .iter()
        .map(|person| page::person_button(person, first == Some(&person.name), idp.memory.is_disabled(&person.name)))
        .collect();
    let action = page::escape(&format!("/pick?{}", asked.query));
    let body = format!(
        "<h1>Who are you?</h1><p class=\"lead\"><b>{client}</b> asks. There is no password: this provider is for \
         development.</p><form method=\"post\" action=\"{action}\"><div class=\"people\">{rows}</div></form>",
        client = page::escape(&asked.client.id),
    );
    Page { status: StatusCode::OK, title: "Who are you?", body, forms_to: Some(&asked.redirect_uri) }.into_response()
}
