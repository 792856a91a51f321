//! Who is it, by GitHub's word? OAuth 2 without ID tokens: its API says who holds an access token.

use portcullis_core::identify::{Provider, Statement};
use portcullis_core::refusal::LoginFailure;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Fault;
use super::http::Http;
use super::metadata::Metadata;

/// Organisations and teams that are read; the rest is left out.
const MOST: usize = 100;

/// Where things are, which GitHub does not tell by discovery.
pub(super) fn metadata(issuer: &str) -> Metadata {
    let issuer = issuer.trim_end_matches('/');
    Metadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: format!("{issuer}/login/oauth/authorize"),
        token_endpoint: format!("{issuer}/login/oauth/access_token"),
        ..Metadata::default()
    }
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

#[derive(Deserialize)]
struct Organisation {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
    organization: Organisation,
}

/// What GitHub says of whoever holds the token. The subject is the number of the account: names can be given to others.
pub(super) async fn learn(http: &Http, provider: &Provider, access: &str) -> Result<Statement, Fault> {
    let api = api(provider);
    let user: User = ask(http, &format!("{api}/user"), access).await?;
    // Without `user:email` GitHub does not say, and nobody needs to know.
    let addresses: Vec<Address> = ask(http, &format!("{api}/user/emails"), access).await.unwrap_or_default();
    let email = addresses.into_iter().find(|address| address.primary && address.verified).map(|address| address.email);
    let mut groups = Vec::new();
    if provider.config.scopes().iter().any(|scope| scope == "read:org") {
        let organisations: Vec<Organisation> = ask(http, &format!("{api}/user/orgs?per_page={MOST}"), access).await?;
        let teams: Vec<Team> = ask(http, &format!("{api}/user/teams?per_page={MOST}"), access).await?;
        groups.extend(organisations.into_iter().take(MOST).map(|organisation| organisation.login));
        groups.extend(teams.into_iter().take(MOST).map(|team| format!("{}/{}", team.organization.login, team.slug)));
    }
    let wanted = &provider.config.organisations;
    let joined = |name: &String| groups.iter().any(|group| group.eq_ignore_ascii_case(name));
    if !wanted.is_empty() && !wanted.iter().any(joined) {
        return Err((LoginFailure::MembershipMissing, "the person is in none of `organisations`".into()));
    }
    let mut claims = Map::new();
    claims.insert("login".to_owned(), json!(user.login));
    if let Some(name) = user.name {
        claims.insert("name".to_owned(), json!(name));
    }
    if let Some(email) = &email {
        claims.insert("email".to_owned(), json!(email));
        claims.insert("email_verified".to_owned(), Value::Bool(true));
    }
    let subject = user.id.to_string();
    Ok(Statement { subject, groups, claims, email, authenticated_at: None, sid: None })
}

fn api(provider: &Provider) -> String {
    match (&provider.config.api, provider.issuer()) {
        (Some(api), _) => api.trim_end_matches('/').to_owned(),
        (None, "https://github.com") => "https://api.github.com".to_owned(),
        (None, own) => format!("{}/api/v3", own.trim_end_matches('/')),
    }
}

async fn ask<T: for<'de> Deserialize<'de>>(http: &Http, url: &str, access: &str) -> Result<T, Fault> {
    let unreadable = |why: String| (LoginFailure::UserinfoUnreadable, why);
    let answer = http.get(url, Some(access)).await.map_err(|fault| unreadable(fault.0))?;
    serde_json::from_slice(&answer).map_err(|fault| unreadable(format!("`{url}` says something else: {fault}")))
}
