//! What can a developer do here? See who is known, take accounts away and give them back.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::page::{self, Page};
use super::wire::{self, Fields};
use super::{LocalIdp, Person};

pub(super) async fn home(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap) -> Response {
    let login = idp.cookie(&headers).and_then(|cookie| idp.memory.login(&cookie));
    let here = match &login {
        Some(login) => format!(
            "<p class=\"lead\">You are logged in as <b>{}</b>.</p><form method=\"post\" action=\"/logout/confirm\">\
             <button class=\"plain\">Log out</button></form>",
            page::escape(&login.user)
        ),
        None => "<p class=\"lead\">Nobody is logged in here.</p>".to_owned(),
    };
    let people = idp.people.iter().fold(String::new(), |list, person| list + &row(&idp, person));
    let clients = idp.clients.iter().fold(String::new(), |mut list, client| {
        // Writing to a string cannot fail.
        let _ = write!(list, "<li><code>{}</code></li>", page::escape(&client.id));
        list
    });
    let body = format!(
        "<h1>Identity provider</h1>{here}<h2>People</h2><div class=\"people\">{people}</div>\
         <h2>Clients</h2><ul>{clients}</ul><p><small><a href=\"/.well-known/openid-configuration\">Discovery \
         document</a></small></p>"
    );
    Page { status: StatusCode::OK, title: "Identity provider", body, forms_to: None }.into_response()
}

fn row(idp: &LocalIdp, person: &Person) -> String {
    let disabled = idp.memory.is_disabled(&person.name);
    let (state, verb) = if disabled { ("enabled", "Enable") } else { ("disabled", "Disable") };
    format!(
        "<form method=\"post\" action=\"/people\" class=\"row\"><div class=\"person\">{}</div>\
         <input type=\"hidden\" name=\"user\" value=\"{name}\">\
         <button class=\"plain\" name=\"state\" value=\"{state}\" aria-label=\"{verb} {name}\">{verb}</button></form>",
        page::person_words(person, disabled),
        name = page::escape(&person.name),
    )
}

/// `user` and `state`, which is `disabled` or `enabled`. Whoever is disabled gets no code and no token any more.
pub(super) async fn people(State(idp): State<Arc<LocalIdp>>, headers: HeaderMap, body: Bytes) -> Response {
    if !wire::is_from_our_page(&headers) {
        return page::stop(StatusCode::FORBIDDEN, "This came from another site", "Nothing was changed.");
    }
    let Ok(form) = Fields::of_form(&headers, &body) else {
        return page::stop(StatusCode::BAD_REQUEST, "This is no form", "Send `user` and `state`.");
    };
    let person = form.find("user").and_then(|user| idp.person(user));
    match (person, form.find("state")) {
        (Some(person), Some("disabled")) => idp.memory.disable(&person.name),
        (Some(person), Some("enabled")) => idp.memory.enable(&person.name),
        _ => return page::stop(StatusCode::BAD_REQUEST, "Nothing was changed", "Send `user` and `state`."),
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static("/"))]).into_response()
}
