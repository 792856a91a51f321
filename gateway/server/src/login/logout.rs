//! How does somebody leave? Here, and where the provider offers it, there too (`OpenID` Connect RP-Initiated Logout).

use http::{Method, StatusCode, header};
use portcullis_core::identify::{LogoutReach, same_origin};
use portcullis_core::ports::Sessions;
use portcullis_core::refusal::Refusal;

use super::keeper::Keeper;
use super::provider::Freshness;
use super::visit::{self, Visit, clear_session};
use super::{Fault, Login, page, random_text};
use crate::respond::{Reply, query};

impl Login {
    /// `GET` asks, `POST` does it. Only a page of our own may: nobody else is to throw people out.
    pub(super) async fn logout(&self, visit: &Visit) -> Result<Reply, Refusal> {
        if visit.method == Method::GET {
            return Ok(page::confirm_logout());
        }
        same_origin(&visit.method, &visit.headers, visit.snapshot.public_url())?;
        self.leave(visit).await.map_err(|(failure, why)| failure.refusal(why))
    }

    async fn leave(&self, visit: &Visit) -> Result<Reply, Fault> {
        let local = format!("{}{}", visit.snapshot.public_url(), visit.snapshot.sessions().after_logout);
        let mut target = local.clone();
        if let Some(id) = visit.session_id() {
            let live = self.keeper.session(&id, self.now()).get().await.ok().flatten();
            let ended = self.keeper.list().end(id.hash()).await;
            ended.map_err(|error| (portcullis_core::refusal::LoginFailure::StoreUnavailable, error.to_string()))?;
            if let Some(live) = live {
                let id_token = Keeper::tokens(&id, &live.session).and_then(|tokens| tokens.id);
                if let Some(there) = self.end_session(visit, &live.session.provider, id_token.as_deref(), &local).await
                {
                    target = there;
                }
            }
        }
        let reply = visit::redirect(StatusCode::SEE_OTHER, &target)?;
        Ok(reply.with(header::SET_COOKIE, clear_session(&visit.snapshot)))
    }

    /// Where the provider ends its own session; `None`: nowhere, or it is away.
    async fn end_session(&self, visit: &Visit, alias: &str, id_token: Option<&str>, local: &str) -> Option<String> {
        let provider = visit.snapshot.providers().get(alias)?;
        match provider.config.logout {
            LogoutReach::Local => return None,
            LogoutReach::Provider => {}
        }
        let metadata = self.providers.metadata(provider, Freshness::Whenever).await.ok()?;
        let endpoint = metadata.end_session_endpoint.as_deref()?;
        let state = random_text().ok()?;
        let mut pairs = vec![("client_id", provider.config.client_id.as_str()), ("post_logout_redirect_uri", local)];
        pairs.extend(id_token.map(|token| ("id_token_hint", token)));
        pairs.push(("state", &state));
        let joined = if endpoint.contains('?') { '&' } else { '?' };
        Some(format!("{endpoint}{joined}{}", query(&pairs)))
    }
}
