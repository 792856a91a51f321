//! What if the application needs a token for somebody else than the caller's own is for? It is exchanged before the
//! request goes on, or the request does not.

use std::time::Duration;

use pingora::proxy::Session;
use portcullis_core::config::{OnExchangeFailure, TokenToApp};
use portcullis_core::identify::Principal;
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::trail::{End, Stage};

use super::{Ctx, Passage};
use crate::forward::relay;
use crate::login::NoToken;

/// After that a provider that was away may be back.
const COMES_BACK: Duration = Duration::from_secs(2);

impl Passage {
    /// Exchanges the caller's token where the route wants it.
    ///
    /// # Errors
    /// There is none, and the route does not go on without.
    pub(super) async fn exchange(&self, session: &Session, ctx: &mut Ctx) -> Result<(), Refusal> {
        let (Some(permit), Some(published)) = (&ctx.permit, &ctx.published) else { return Ok(()) };
        let rules = permit.rules();
        let Some(wish) = rules.exchange.as_ref().filter(|_| rules.token == TokenToApp::Exchange) else {
            return Ok(());
        };
        let (identity, snapshot) = (permit.identity(), &published.snapshot);
        let (Principal::Client(id) | Principal::User(id)) = &identity.principal else { return Ok(()) };
        let alias = id.split_once('|').map_or("", |(alias, _)| alias);
        let headers = &session.req_header().headers;
        let own = relay::authorization(headers, identity, &snapshot.sessions().cookie);
        let own = own.filter(|_| permit.forwards_identity());
        let Some(own) = own.as_ref().and_then(|own| own.to_str().ok()).and_then(|own| own.get(7..)) else {
            return Ok(());
        };
        let given = Box::pin(self.shared.login.exchanges.of(own.trim(), alias, wish, snapshot)).await;
        let refusal = match (given, wish.on_failure) {
            (Ok(token), _) => {
                ctx.exchanged = Some(token);
                return Ok(());
            }
            (Err(_), OnExchangeFailure::Without) => return Ok(()),
            (Err(NoToken::Refused(why)), OnExchangeFailure::Refuse) => Refusal::new(Code::Forbidden)
                .because(format!("no token in exchange: {why}"))
                .detail("The identity provider gives the application no token in your name."),
            (Err(NoToken::Unavailable(why)), OnExchangeFailure::Refuse) => Refusal::new(Code::DependencyUnavailable)
                .because(format!("no token in exchange: {why}"))
                .retry_after(COMES_BACK),
        };
        if let Some(recording) = &mut ctx.recording {
            recording.trail.step(Stage::Forward, End::Refused(refusal.code), self.shared.world.clock.steady());
        }
        Err(refusal)
    }
}
