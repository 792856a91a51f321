//! How does a login end? With a session, or with the name of what went wrong.

use http::{StatusCode, header};
use portcullis_core::identify::{Expected, Provider, Session, SessionId, Statement};
use portcullis_core::ports::Sessions;
use portcullis_core::refusal::LoginFailure;

use super::flow::{self, Flow, Found};
use super::keeper::Keeper;
use super::metadata::Metadata;
use super::provider::Freshness;
use super::start;
use super::tokens::Tokens;
use super::visit::{self, Visit};
use super::wish::{Attempt, Wish};
use super::{Fault, Login, proof, tokens};
use crate::respond::Reply;
use crate::world::random;

/// What is kept of a browser's own words, in bytes.
const MOST_AGENT: usize = 200;

impl Login {
    /// `GET /_portcullis/callback/{alias}`.
    pub(super) async fn callback(&self, visit: &Visit, alias: &str) -> Result<Reply, Fault> {
        let unknown = || (LoginFailure::CallbackPathMismatch, "the path names none of [providers.*]".to_owned());
        let provider = visit.snapshot.providers().get(alias).ok_or_else(unknown)?;
        let state = visit.parameter("state");
        let state = state.ok_or_else(|| (LoginFailure::CallbackIncomplete, "there is no `state`".to_owned()))?;
        let flow = match Flow::find(state, &visit.headers, &self.sealer, self.now().wall) {
            Found::Flow(flow) => *flow,
            Found::Late(back_to) => {
                return self.again(visit, provider, state, &back_to, LoginFailure::StateUnknown).await;
            }
            Found::Lost => return self.again(visit, provider, state, "/", LoginFailure::StateUnknown).await,
            Found::NoCookie => return self.again(visit, provider, state, "/", LoginFailure::CookieNotReturned).await,
        };
        if flow.provider != alias {
            let why = "the flow was begun at another provider than the path names";
            return Err((LoginFailure::CallbackPathMismatch, why.into()));
        }
        // Another tab was faster: whoever has logged in since need not do so again.
        if self.live(visit).await.is_some_and(|live| Some(live) != flow.before) {
            return done(visit, &flow, None);
        }
        let metadata = self.providers.metadata(provider, Freshness::Whenever).await?;
        judge_issuer(visit, &metadata)?;
        if let Some(error) = visit.parameter("error") {
            return Err(refused(error));
        }
        let code = visit.parameter("code").filter(|code| (1..=4_096).contains(&code.len()));
        let code = code.ok_or_else(|| (LoginFailure::CallbackIncomplete, "there is no `code`".to_owned()))?;
        let tokens = self.redeem(visit, provider, &metadata, code, &flow).await?;
        let expected = Expected {
            nonce: Some(&flow.nonce),
            access_token: Some(&tokens.access),
            acr_values: flow.acr_values.as_deref(),
            max_age: start::seconds(flow.max_age),
            ..Expected::default()
        };
        let judging = (&*self.key_sets, self.now());
        let said = self.providers.learn(provider, &metadata, &tokens, &expected, judging).await?;
        let said = said.ok_or_else(|| (LoginFailure::IdTokenMissing, "nothing is said of anybody".to_owned()))?;
        let id = self.establish(visit, provider, (said, flow.nonce.clone()), &tokens).await?;
        done(visit, &flow, Some(&id))
    }

    /// A login of which nothing is left here: whoever is logged in goes on, everybody else begins once more.
    async fn again(
        &self,
        visit: &Visit,
        provider: &Provider,
        state: &str,
        back_to: &str,
        failure: LoginFailure,
    ) -> Result<Reply, Fault> {
        if self.live(visit).await.is_some() {
            return visit::redirect(StatusCode::FOUND, &format!("{}{back_to}", visit.snapshot.public_url()));
        }
        match Attempt::of(state) {
            Attempt::First => {
                let back_to = back_to.to_owned();
                let wish = Wish { back_to, acr_values: None, max_age: None, attempt: Attempt::Again };
                self.begin(visit, provider, wish).await
            }
            Attempt::Again => Err((failure, "the browser holds no flow of this `state`, for the second time".into())),
        }
    }

    /// The name of the live session that was shown.
    pub(super) async fn live(&self, visit: &Visit) -> Option<String> {
        let id = visit.session_id()?;
        let live = self.keeper.session(&id, self.now()).get().await.ok()??;
        Some(live.hash.text())
    }

    async fn redeem(
        &self,
        visit: &Visit,
        provider: &Provider,
        metadata: &Metadata,
        code: &str,
        flow: &Flow,
    ) -> Result<Tokens, Fault> {
        let redirect = start::redirect_uri(visit.snapshot.public_url(), &provider.alias);
        let client = tokens::client(provider, metadata, &redirect)?;
        let proof = proof::of(provider, metadata, visit.snapshot.root(), self.now())?;
        tokens::redeem(&self.providers.http, &client, code.to_owned(), flow.verifier.clone(), proof).await
    }

    /// A new session under a new id, whatever was there before, which ends.
    async fn establish(
        &self,
        visit: &Visit,
        provider: &Provider,
        (said, nonce): (Statement, String),
        tokens: &Tokens,
    ) -> Result<SessionId, Fault> {
        let unavailable = |why: String| (LoginFailure::StoreUnavailable, why);
        let mut drawn = [0; 32];
        random::fill(&mut drawn).map_err(|fault| unavailable(fault.to_string()))?;
        let id = SessionId::new(drawn);
        let sealed = Keeper::seal(&id, tokens).ok_or_else(|| unavailable("the tokens could not be sealed".into()))?;
        let now = self.now().wall;
        let config = visit.snapshot.sessions();
        let agent = visit.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let renewable = tokens.refresh.is_some();
        let session = Session {
            provider: provider.alias.clone(),
            issuer: provider.issuer().into(),
            subject: said.subject,
            groups: said.groups,
            claims: said.claims,
            scopes: tokens.scopes.clone().unwrap_or_else(|| provider.config.scopes()),
            email: said.email,
            // Where the provider does not say, it is not known: that it is now would be a guess.
            authenticated_at: said.authenticated_at,
            sid: said.sid,
            nonce: Some(nonce),
            created_at: now,
            ends_at: now.plus(config.lifetime.0),
            fresh_until: tokens.life.filter(|_| renewable).map(|life| now.plus(life)),
            read_at: now,
            tokens: sealed,
            address: visit.client.to_string(),
            agent: agent.chars().filter(|c| !c.is_control()).take(MOST_AGENT).collect(),
        };
        let list = self.keeper.list();
        if let Some(before) = visit.session_id() {
            list.end(before.hash()).await.map_err(|error| unavailable(error.to_string()))?;
        }
        let begun = list.begin(id.hash(), &session, config.max_per_user).await;
        begun.map_err(|error| unavailable(error.to_string()))?;
        Ok(id)
    }
}

/// RFC 9207: whose answer this is, where the provider says so, or must.
fn judge_issuer(visit: &Visit, metadata: &Metadata) -> Result<(), Fault> {
    let named = visit.query.iter().any(|(name, _)| name == "iss");
    match visit.parameter("iss") {
        Some(issuer) if issuer == metadata.issuer => Ok(()),
        None if !named && !metadata.authorization_response_iss_parameter_supported => Ok(()),
        Some(_) | None => {
            Err((LoginFailure::IssuerMismatch, "the answer's `iss` is missing, or that of another provider".into()))
        }
    }
}

/// RFC 6749 §4.1.2.1.
fn refused(error: &str) -> Fault {
    let failure = match error {
        "access_denied" => LoginFailure::AccessDenied,
        "server_error" | "temporarily_unavailable" => LoginFailure::ProviderUnreachable,
        "unmet_authentication_requirements" => LoginFailure::AuthenticationInsufficient,
        "redirect_uri_mismatch" => LoginFailure::RedirectUriNotRegistered,
        _ => LoginFailure::ProviderRefused,
    };
    let word: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
    (failure, format!("the provider sent the browser back with `{word}`"))
}

/// Back to where the login came from.
fn done(visit: &Visit, flow: &Flow, session: Option<&SessionId>) -> Result<Reply, Fault> {
    let target = format!("{}{}", visit.snapshot.public_url(), flow.back_to);
    let mut reply = visit::redirect(StatusCode::FOUND, &target)?;
    reply = reply.with(header::SET_COOKIE, visit::cookie(&flow::name(&flow.state), "", 0));
    if let Some(id) = session {
        let config = visit.snapshot.sessions();
        let age = config.lifetime.0.as_secs();
        reply = reply.with(header::SET_COOKIE, visit::cookie(&config.cookie, &id.text(), age));
    }
    Ok(reply)
}
