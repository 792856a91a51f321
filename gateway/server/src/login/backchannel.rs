//! What if somebody logs out at the provider? It says so, server to server (`OpenID` Connect Back-Channel Logout).

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portcullis_core::identify::claimed_issuer;
use portcullis_core::refusal::LoginFailure;

use super::visit::{self, Visit};
use super::{Fault, Login};
use crate::respond::Reply;

/// How long the id of a logout token is remembered: longer than one may be old.
const REMEMBERED: Duration = Duration::from_mins(15);

impl Login {
    /// `POST /_portcullis/backchannel-logout`. The answers are those of the specification (§2.8), not ours.
    pub(super) async fn backchannel(&self, visit: &Visit, form: &Bytes) -> Reply {
        match self.ended_there(visit, form).await {
            Ok(()) => Reply::empty(StatusCode::OK),
            Err((failure, why)) => {
                tracing::warn!(failure = failure.name(), why, "a logout token was refused");
                let unavailable = matches!(failure, LoginFailure::StoreUnavailable | LoginFailure::ProviderUnreachable);
                let status = if unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
                let document = serde_json::json!({ "error": "invalid_request", "error_description": failure.name() });
                Reply::new(status, "application/json", document.to_string())
            }
        }
    }

    async fn ended_there(&self, visit: &Visit, form: &Bytes) -> Result<(), Fault> {
        let form = std::str::from_utf8(form).unwrap_or_default();
        let form = visit::parameters(form);
        let incomplete = || (LoginFailure::CallbackIncomplete, "there is no one `logout_token`".to_owned());
        let token = visit::one(&form, "logout_token").ok_or_else(incomplete)?;
        let issuer = claimed_issuer(token);
        let issuer = issuer.ok_or_else(|| (LoginFailure::IdTokenInvalid, "it is no logout token".to_owned()))?;
        let provider = visit.snapshot.providers().iter().find(|provider| provider.issuer() == issuer);
        let unknown = || (LoginFailure::IssuerMismatch, "its `iss` is none of [providers.*]".to_owned());
        let provider = provider.ok_or_else(unknown)?;
        let now = self.now();
        let judged = provider.judge_logout(token, &*self.key_sets, now).await;
        let said = judged.map_err(|(failure, why)| (failure, why.to_owned()))?;
        let unavailable = |why: String| (LoginFailure::StoreUnavailable, why);
        let key = format!("logout|{}|{}", provider.alias, said.id);
        let key = key.get(..key.floor_char_boundary(200)).unwrap_or_default();
        let first = self.replays.first_use(key, REMEMBERED, now).get().await;
        if !first.map_err(|down| unavailable(down.what.to_owned()))? {
            return Err((LoginFailure::IdTokenInvalid, "it was used before".into()));
        }
        let ended = self.keeper.list().end_at_provider(&provider.alias, said.sid.as_deref(), said.subject.as_deref());
        let ended = ended.await.map_err(|error| unavailable(error.to_string()))?;
        tracing::info!(provider = &*provider.alias, ended, "the provider has ended sessions");
        Ok(())
    }
}
