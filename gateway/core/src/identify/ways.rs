//! Which ways of proving who one is are there, and who judges each?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::api_key::{ApiKeys, PlanConfig};
use super::bearer::{Accept, Bearer, Presented};
use super::config::{Authenticate, Method};
use super::login::{LoginDemands, Providers};
use super::session::{self, SessionJudge};
use super::shown::{Credential, Shown};
use super::{Identity, Sources, StepUp, mtls, refuse};
use crate::moment::Now;
use crate::refusal::{LoginOffer, LoginStyle, Refusal};
use crate::request::{ClientCertificate, Request};

/// The judges of credentials, one set per snapshot, shared by its routes.
#[derive(Debug)]
pub struct Judges {
    bearer: Bearer,
    api_keys: ApiKeys,
    certificates: Certificates,
    holders: mtls::Holders,
    providers: Providers,
    sessions: SessionJudge,
    /// The origin that our own pages have; empty: whatever the request's is.
    public_url: String,
    anonymous: Arc<Identity>,
}

/// Whether some name of the public listener asks clients for certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificates {
    Asked,
    NeverAsked,
}

/// A way of proving who one is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    ApiKey,
    Jwt,
    Mtls,
    Session,
}

/// What one way says about a request.
pub(super) enum Judged {
    Identified(Arc<Identity>),
    NotMine,
    /// The cookie of a session that is no more.
    Over,
    Rejected(Refusal),
}

/// What judging may look at, and ask of the world.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) sources: Sources<'a>,
    pub(super) now: Now,
    /// Whose sessions are taken; empty: all.
    pub(super) providers: &'a [Arc<str>],
}

impl Judges {
    pub fn new(bearer: Bearer, certificates: Certificates) -> Self {
        Self {
            bearer,
            api_keys: ApiKeys::new(),
            certificates,
            holders: mtls::Holders::new(),
            providers: Providers::default(),
            sessions: SessionJudge::new(String::new()),
            public_url: String::new(),
            anonymous: Arc::new(Identity::anonymous()),
        }
    }

    /// The same, with what keys may name as their plan.
    #[must_use]
    pub fn with_plans(self, plans: BTreeMap<String, PlanConfig>) -> Self {
        Self { api_keys: self.api_keys.with_plans(plans), ..self }
    }

    /// The same, with where people log in, what the cookie of their sessions is called, and our own origin.
    #[must_use]
    pub fn with_logins(self, providers: Providers, cookie: &str, public_url: &str) -> Self {
        let (sessions, public_url) = (SessionJudge::new(cookie.to_owned()), public_url.to_owned());
        Self { providers, sessions, public_url, ..self }
    }

    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    pub(super) fn anonymous(&self) -> Arc<Identity> {
        Arc::clone(&self.anonymous)
    }

    pub(super) fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The way in that a route offers; `None` where a session would not do.
    pub(super) fn offer(
        &self,
        login: &LoginDemands,
        authenticate: &Authenticate,
        step_up: &StepUp,
    ) -> Result<Option<LoginOffer>, (&'static str, String)> {
        let listed = match authenticate {
            Authenticate::AllOf(methods) | Authenticate::AnyOf(methods) => methods.contains(&Method::Session),
            Authenticate::Optional => !self.providers.is_empty(),
            Authenticate::Public => false,
        };
        if !listed && !login.providers.is_empty() {
            return Err((
                "providers",
                "`providers` is about sessions, and `authenticate` takes none; add `session` there".into(),
            ));
        }
        if !listed && login.style != LoginStyle::Auto {
            return Err((
                "login",
                "`login` is about sessions, and `authenticate` takes none; add `session` there".into(),
            ));
        }
        if let Some(alias) = login.providers.iter().find(|alias| self.providers.get(alias).is_none()) {
            return Err(("providers", format!("`{alias}` is no alias of [providers.*]")));
        }
        Ok(listed.then(|| LoginOffer {
            providers: login.providers.iter().map(|alias| Arc::from(alias.as_str())).collect(),
            style: login.style,
            acr_values: (!step_up.acr.is_empty()).then(|| step_up.acr.join(" ")),
            max_age: step_up.max_age,
        }))
    }

    /// Whether clients are asked for certificates.
    pub fn certificates(&self) -> Certificates {
        self.certificates
    }

    /// Which key sets the world must provide.
    pub fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    pub(super) fn holder(&self, certificate: &ClientCertificate, now: Now) -> Result<Arc<Identity>, Refusal> {
        self.holders.identify(certificate, now)
    }

    pub(super) async fn judge(&self, way: Way, shown: &Shown<'_>, accept: &Accept, asked: Asked<'_>) -> Judged {
        let Asked { request, sources, now, .. } = asked;
        let verdict = match (way, way.credential(shown)) {
            (Way::Mtls, _) => match request.certificate {
                Some(certificate) => self.holders.identify(certificate, now),
                None => return Judged::NotMine,
            },
            (Way::Session, _) => return self.session(asked).await,
            (_, Credential::Absent) => return Judged::NotMine,
            (Way::ApiKey, Credential::Malformed(why)) => Err(refuse::api_key(why)),
            (Way::Jwt, Credential::Malformed(why)) => Err(refuse::token(why)),
            (Way::ApiKey, Credential::Text(text)) => self.api_keys.identify(text, sources.keys, now).await,
            (Way::Jwt, Credential::Text(text)) => {
                self.bearer.identify(Presented { text, shown, request, accept, sources, now }).await
            }
        };
        match verdict {
            Ok(identity) => Judged::Identified(identity),
            Err(refusal) => Judged::Rejected(refusal),
        }
    }
}

impl Judges {
    async fn session(&self, Asked { request, sources, now, providers }: Asked<'_>) -> Judged {
        if self.providers.is_empty() {
            return Judged::NotMine;
        }
        let id = match session::shown(request.headers, &self.sessions.cookie) {
            session::Shown::Absent => return Judged::NotMine,
            session::Shown::Garbled => return Judged::Over,
            session::Shown::Id(id) => id,
        };
        let live = match sources.sessions.session(&id, now).get().await {
            Ok(Some(live)) => live,
            Ok(None) => return Judged::Over,
            Err(down) => return Judged::Rejected(refuse::sessions_down(down)),
        };
        if !providers.is_empty() && !providers.contains(&live.session.provider) {
            return Judged::NotMine;
        }
        self.sessions.identify(live, &self.providers, now).map_or(Judged::Over, Judged::Identified)
    }
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Jwt, Self::ApiKey, Self::Mtls, Self::Session];

    /// # Errors
    /// Why nobody could ever come this way.
    pub(super) fn of(method: Method, judges: &Judges) -> Result<Self, String> {
        match method {
            Method::ApiKey => Ok(Self::ApiKey),
            Method::Jwt if judges.bearer.is_empty() => {
                Err("`jwt` needs an issuer to trust: add [tokens.<alias>] with `issuer` and `audiences`".into())
            }
            Method::Jwt => Ok(Self::Jwt),
            Method::Mtls if judges.certificates == Certificates::NeverAsked => {
                Err("`mtls` needs `client_certificates` in one of [[tls.certificates]], or no client is asked for one"
                    .into())
            }
            Method::Mtls => Ok(Self::Mtls),
            Method::Session if judges.providers.is_empty() => {
                Err("`session` needs somewhere to log in: add [providers.<alias>] with `issuer`, `client_id` and \
                 `client_secret`"
                    .into())
            }
            Method::Session => Ok(Self::Session),
        }
    }

    const fn credential<'a>(self, shown: &Shown<'a>) -> Credential<'a> {
        match self {
            Self::ApiKey => shown.api_key,
            Self::Jwt => shown.bearer,
            Self::Mtls | Self::Session => Credential::Absent,
        }
    }
}
