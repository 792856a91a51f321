//! Who may use the pages of the gateway's own, which no route names?

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use crate::config::{self, Config};
use crate::cors::Cors;
use crate::guard::Guard;
use crate::identify::{Authenticate, Certificates, Demands, Identify, Judges, LoginDemands, Method, StepUp};
use crate::refusal::LoginStyle;
use crate::request::Request;

/// What holds of them.
#[derive(Debug)]
pub struct Own {
    /// As `[guard]` says, with its mode.
    pub guard: Guard,
    /// Whoever shows any credential that this configuration knows.
    pub identify: Identify,
    /// Of all routes, those that let cookies along first.
    cors: Vec<Cors>,
}

impl Own {
    /// # Errors
    /// The section that cannot stand, and why.
    pub(super) fn compile(config: &Config, judges: &Arc<Judges>) -> Result<Self, (&'static str, String)> {
        let guard = Guard::compile(&config.guard).map_err(|message| ("guard", message))?;
        let issuers = Self::issuers(config);
        let ways = [
            (Method::Session, !judges.providers().is_empty()),
            (Method::Jwt, !issuers.is_empty()),
            (Method::ApiKey, true),
            (Method::Mtls, judges.certificates() == Certificates::Asked),
        ];
        let ways = ways.into_iter().filter_map(|(method, there)| there.then_some(method)).collect();
        let style = if judges.providers().is_empty() { LoginStyle::Auto } else { LoginStyle::Api };
        let demands = Demands {
            authenticate: &Authenticate::AnyOf(ways),
            scopes: &[],
            issuers: &issuers,
            audiences: &[],
            step_up: StepUp::default(),
            login: LoginDemands { providers: Vec::new(), style },
        };
        let tables = config.routes.iter().filter_map(|route| match &route.cors {
            Some(config::Cors::Gateway(table)) => Some(table),
            Some(config::Cors::App) | None => None,
        });
        let mut tables: Vec<_> = tables.collect();
        tables.sort_by_key(|table| !table.credentials);
        tables.dedup();
        let cors = tables.into_iter().map(Cors::granting).collect();
        Ok(Self { guard, identify: Identify::compile(&demands, judges)?, cors })
    }

    /// Whose tokens are taken: everybody's, but not of those who must be asked about each where that is more than one.
    /// An opaque token does not say whose it is, and no issuer is shown another's.
    fn issuers(config: &Config) -> Vec<String> {
        let asked = config.tokens.values().filter(|source| source.introspection.is_some()).count();
        let taken = config.tokens.iter().filter(|(_, source)| asked < 2 || source.introspection.is_none());
        taken.map(|(alias, _)| alias.clone()).collect()
    }

    /// The fields that let pages of other origins read the answer: whoever may read that of some route may read ours.
    pub fn cors_fields(&self, request: &Request<'_>) -> Vec<(HeaderName, HeaderValue)> {
        self.granting(request).map(|cors| cors.fields(request)).unwrap_or_default()
    }

    /// The rule that grants the request's origin, else any.
    pub fn granting(&self, request: &Request<'_>) -> Option<&Cors> {
        let grants =
            |cors: &&Cors| cors.fields(request).iter().any(|(name, _)| *name == header::ACCESS_CONTROL_ALLOW_ORIGIN);
        self.cors.iter().find(grants).or(self.cors.first())
    }
}
