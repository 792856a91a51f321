//! Who is it? What the tokens of a provider say of somebody, judged by the core.

use portcullis_core::identify::{Expected, Provider, ProviderKind, Statement};
use portcullis_core::moment::Now;
use portcullis_core::ports::KeySets;
use portcullis_core::refusal::LoginFailure;

use super::metadata::Metadata;
use super::provider::Desk;
use super::tokens::Tokens;
use super::{Fault, github};

impl Desk {
    /// What is said of somebody. `None`: tokens that were renewed without a word about anybody.
    pub(super) async fn learn(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        tokens: &Tokens,
        expected: &Expected<'_>,
        (key_sets, now): (&dyn KeySets, Now),
    ) -> Result<Option<Statement>, Fault> {
        if provider.config.kind == ProviderKind::Github {
            return github::learn(&self.http, provider, &tokens.access).await.map(Some);
        }
        let Some(id_token) = &tokens.id else {
            if expected.subject.is_some() {
                return Ok(None);
            }
            return Err((LoginFailure::IdTokenMissing, "the token endpoint's answer has no `id_token`".into()));
        };
        let told = |(failure, why): (LoginFailure, &'static str)| (failure, why.to_owned());
        let judged = provider.judge(id_token, expected, key_sets, now).await.map_err(told)?;
        let userinfo = match &metadata.userinfo_endpoint {
            Some(endpoint) if provider.config.userinfo => {
                let answer = self.http.get(endpoint, Some(&tokens.access)).await;
                Some(answer.map_err(|fault| (LoginFailure::UserinfoUnreadable, fault.0))?)
            }
            Some(_) | None => None,
        };
        provider.state(judged, userinfo.as_deref()).map(Some).map_err(told)
    }
}
