//! Who is calling?

pub mod config;

mod shown;

mod bearer;
mod binding;
mod dpop;
mod json;
pub mod jwks;
mod jwt;

mod api_key;

mod mtls;

mod login;

mod identity;
mod ports;
mod refuse;
mod revoked;
#[cfg(test)]
mod samples;
mod secret;
mod session;
mod step_up;
#[cfg(test)]
mod tests;
mod ways;
mod why;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::moment::Now;
use crate::refusal::{LoginOffer, Refusal, Scheme};
use crate::request::{ClientCertificate, Request};
pub use api_key::{ApiKeys, KeyRecord, KeyText, MintFault, Minted, PATTERN as KEY_PATTERN, PREFIX as KEY_PREFIX};
pub use api_key::{Bounds, KeyLimit, KeyTerms, OldSecret, OwnLimit, PlanConfig};
pub use api_key::{LONGEST as LONGEST_KEY, find as find_keys};
use bearer::Accept;
pub use bearer::{Bearer, fetchable};
pub use binding::Proof;
pub use config::{
    Authenticate, IntrospectionConfig, LogoutReach, Method, MissingAudience, Mistake, ProviderConfig, ProviderKind,
    SessionsConfig, TokenSourceConfig,
};
pub use identity::{AuthMethod, Identity, Principal};
pub use jwt::Algorithm;
pub use login::{
    Expected, Fault as LoginFault, IdToken, LoggedOut, LoginDemands, Provider, Providers, Statement, claimed_issuer,
    returns_to_us,
};
pub use ports::{Introspection, KeySets, Keys, KeysUnavailable, Replays, RevokedTokens, Sessions, Sources};
pub use revoked::{Revocations, Revoked, TokenMark};
pub use secret::Secret;
pub use session::{
    LiveSession, Session, SessionHash, SessionId, Shown as SessionShown, cookies, same_origin, shown as session_shown,
};
use shown::{Shown, X_API_KEY};
pub use step_up::StepUp;
use ways::{Asked, Judged, Way};
pub use ways::{Certificates, Judges};

/// The identify stage of one route: what it demands, and who judges it.
#[derive(Debug)]
pub struct Identify {
    demand: Demand,
    scopes: Vec<Arc<str>>,
    accept: Accept,
    step_up: StepUp,
    /// Where a session would do.
    login: Option<LoginOffer>,
    /// Under which word callers are asked for a token.
    challenged: Scheme,
    judges: Arc<Judges>,
}

/// What a route demands of its callers.
#[derive(Clone, Debug)]
pub struct Demands<'a> {
    pub authenticate: &'a Authenticate,
    pub scopes: &'a [String],
    /// Aliases of the issuers whose tokens are taken; empty: all.
    pub issuers: &'a [String],
    /// For whom tokens must be made, in the place of what their source says; empty: that.
    pub audiences: &'a [String],
    pub step_up: StepUp,
    pub login: LoginDemands,
}

/// Who is calling, and what else was found out on the way.
#[derive(Clone, Debug)]
pub struct Caller {
    pub identity: Arc<Identity>,
    /// A cookie of a session that is no more was shown; it is to be taken away.
    pub ended_session: bool,
}

/// [`Authenticate`], with only the ways this build has.
#[derive(Debug)]
enum Demand {
    AllOf(Vec<Way>),
    AnyOf(Vec<Way>),
    Optional,
    Public,
}

impl Identify {
    /// # Errors
    /// The key of the route that cannot stand, and why.
    pub fn compile(demands: &Demands<'_>, judges: &Arc<Judges>) -> Result<Self, (&'static str, String)> {
        let at = |key: &'static str| move |message: String| (key, message);
        let Demands { authenticate, scopes, issuers, audiences, step_up, login } = demands;
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            let message =
                format!("`{scope}` is not a scope: use visible ASCII without spaces, `\"` and `\\` (RFC 6749 §3.3)");
            return Err(("scopes", message));
        }
        let ways = |methods: &[Method]| {
            let ways = methods.iter().map(|method| Way::of(*method, judges)).collect::<Result<Vec<_>, _>>();
            ways.map_err(at("authenticate"))
        };
        let public = |key: &'static str| {
            let message = format!("`{key}` needs a caller, and this route is `public`; drop one of the two");
            (key, message)
        };
        let demand = match authenticate {
            Authenticate::AllOf(methods) => Demand::AllOf(ways(methods)?),
            Authenticate::AnyOf(methods) => Demand::AnyOf(ways(methods)?),
            Authenticate::Optional => Demand::Optional,
            Authenticate::Public if !scopes.is_empty() => return Err(public("scopes")),
            Authenticate::Public if !step_up.acr.is_empty() => return Err(public("acr")),
            Authenticate::Public if step_up.max_age.is_some() => return Err(public("max_auth_age")),
            Authenticate::Public => Demand::Public,
        };
        let takes_tokens = authenticate.accepts(Method::Jwt);
        for (key, given) in [("issuers", !issuers.is_empty()), ("audiences", !audiences.is_empty())] {
            if given && !takes_tokens {
                return Err((key, format!("`{key}` is about tokens, and `authenticate` takes none; add `jwt` there")));
            }
        }
        let accept = if takes_tokens {
            judges.bearer().accept(issuers, audiences).map_err(at("issuers"))?
        } else {
            Accept::default()
        };
        let login = judges.offer(login, authenticate, step_up)?;
        let dpop = takes_tokens && !judges.bearer().is_empty() && judges.bearer().demands_dpop(&accept);
        Ok(Self {
            demand,
            scopes: scopes.iter().map(|scope| Arc::from(scope.as_str())).collect(),
            accept,
            step_up: step_up.clone(),
            login,
            challenged: if dpop { Scheme::Dpop } else { Scheme::Bearer },
            judges: Arc::clone(judges),
        })
    }

    /// Who holds a certificate that a handshake has verified, where nothing else was shown.
    ///
    /// # Errors
    /// 401 for one that has expired since, or holds no name of the configured kind.
    pub fn holder(&self, certificate: &ClientCertificate, now: Now) -> Result<Arc<Identity>, Refusal> {
        self.judges.holder(certificate, now)
    }

    /// As [`Self::caller`], for whoever cares about nothing else.
    ///
    /// # Errors
    /// As [`Self::caller`].
    pub async fn identify(
        &self,
        request: &Request<'_>,
        sources: Sources<'_>,
        now: Now,
    ) -> Result<Arc<Identity>, Refusal> {
        self.caller(request, sources, now).await.map(|caller| caller.identity)
    }

    /// Who is calling.
    ///
    /// Of the ways the route lists, every credential shown is judged, and a bad one refuses the request, be
    /// the others as good as they may. A credential of any other way counts as none shown. So does the cookie of a
    /// session that is over: browsers send it without being asked.
    ///
    /// # Errors
    /// 400 for credentials that contradict each other, 401 for none or a bad one, 403 for a missing scope, or a
    /// session that another site rides on, 503 when a credential cannot be judged.
    pub async fn caller(&self, request: &Request<'_>, sources: Sources<'_>, now: Now) -> Result<Caller, Refusal> {
        let providers = self.login.as_ref().map_or(&[][..], |offer| &offer.providers);
        let mut ended_session = false;
        let asked = Asked { request, sources, now, providers };
        let found = self.find(asked, &mut ended_session).await;
        let judged = found.and_then(|identity| {
            if identity.method == AuthMethod::Session {
                same_origin(request.method, request.headers, self.judges.public_url())?;
            }
            Ok(identity)
        });
        match judged {
            Ok(identity) => Ok(Caller { identity, ended_session }),
            Err(mut refusal) => {
                if ended_session {
                    refusal.extra_mut().ended_session = true;
                }
                Err(refusal)
            }
        }
    }

    /// The header fields that hold a credential this stage has judged: the application must not see them.
    ///
    /// Means something only for a request that [`Self::identify`] has let pass.
    pub fn consumed_headers(&self, headers: &HeaderMap) -> &'static [HeaderName] {
        static ALL: [HeaderName; 3] =
            [AUTHORIZATION, HeaderName::from_static("x-api-key"), HeaderName::from_static("dpop")];
        static AUTHORIZATION_ONLY: [HeaderName; 1] = [AUTHORIZATION];
        static KEY: [HeaderName; 1] = [HeaderName::from_static("x-api-key")];
        static PROVEN: [HeaderName; 2] = [AUTHORIZATION, HeaderName::from_static("dpop")];

        let ways: &[Way] = match &self.demand {
            Demand::AllOf(ways) | Demand::AnyOf(ways) => ways,
            Demand::Optional => &Way::ALL,
            Demand::Public => &[],
        };
        if ways.is_empty() {
            return &[];
        }
        let Ok(shown) = Shown::read(headers) else { return &ALL };
        let key = ways.contains(&Way::ApiKey) && !shown.api_key.is_absent();
        let in_field = key && headers.contains_key(&X_API_KEY);
        let in_authorization =
            (ways.contains(&Way::Jwt) && !shown.bearer.is_absent()) || (key && shown.key_in_authorization);
        let [authorization_and_key @ .., _] = &ALL;
        match (in_authorization, in_field, shown.proof.is_absent()) {
            (false, false, _) => &[],
            (false, true, _) => &KEY,
            (true, false, true) => AUTHORIZATION_ONLY.as_slice(),
            (true, false, false) => &PROVEN,
            (true, true, true) => authorization_and_key,
            (true, true, false) => &ALL,
        }
    }

    async fn find(&self, asked: Asked<'_>, ended: &mut bool) -> Result<Arc<Identity>, Refusal> {
        let headers = asked.request.headers;
        let identity = match &self.demand {
            Demand::Public => return Ok(self.judges.anonymous()),
            Demand::Optional => {
                let shown = Shown::read(headers)?;
                match self.any_of(&Way::ALL, &shown, asked, ended).await? {
                    Some(identity) => identity,
                    None if self.demands_nothing() => return Ok(self.judges.anonymous()),
                    None => return Err(self.nobody(&shown)),
                }
            }
            Demand::AnyOf(ways) => {
                let shown = Shown::read(headers)?;
                let found = self.any_of(ways, &shown, asked, ended).await?;
                found.ok_or_else(|| self.nobody(&shown))?
            }
            Demand::AllOf(ways) => self.all_of(ways, &Shown::read(headers)?, asked, ended).await?,
        };
        self.judge_scopes(&identity)?;
        self.step_up.judge(&identity, asked.now).map_err(|refusal| self.offering(refusal))?;
        Ok(identity)
    }

    async fn any_of(
        &self,
        ways: &[Way],
        shown: &Shown<'_>,
        asked: Asked<'_>,
        ended: &mut bool,
    ) -> Result<Option<Arc<Identity>>, Refusal> {
        let mut first = None;
        for way in ways {
            match self.judges.judge(*way, shown, &self.accept, asked).await {
                Judged::Identified(identity) => first = first.or(Some(identity)),
                Judged::NotMine => {}
                Judged::Over => *ended = true,
                Judged::Rejected(refusal) => return Err(refusal),
            }
        }
        Ok(first)
    }

    async fn all_of(
        &self,
        ways: &[Way],
        shown: &Shown<'_>,
        asked: Asked<'_>,
        ended: &mut bool,
    ) -> Result<Arc<Identity>, Refusal> {
        let mut first: Option<Arc<Identity>> = None;
        let mut absent = false;
        for way in ways {
            match self.judges.judge(*way, shown, &self.accept, asked).await {
                Judged::Identified(next) => {
                    first = Some(match first {
                        None => next,
                        Some(first) => first.ending_with(&next),
                    });
                }
                Judged::NotMine => absent = true,
                Judged::Over => (absent, *ended) = (true, true),
                Judged::Rejected(refusal) => return Err(refusal),
            }
        }
        match first {
            Some(identity) if !absent => Ok(identity),
            Some(_) | None => Err(self.nobody(shown)),
        }
    }

    fn judge_scopes(&self, identity: &Identity) -> Result<(), Refusal> {
        match self.scopes.iter().find(|scope| !identity.scopes.contains(scope)) {
            Some(missing) => Err(refuse::scope(missing, self.scope_list())),
            None => Ok(()),
        }
    }

    fn nobody(&self, shown: &Shown<'_>) -> Refusal {
        let why = if shown.api_key.is_absent() && shown.bearer.is_absent() {
            "no credential was shown"
        } else {
            "the credentials shown are not all that the route demands, or of ways it does not list"
        };
        self.offering(refuse::nobody(why, self.scope_list(), self.challenged))
    }

    /// With the way in, where a session would do.
    fn offering(&self, mut refusal: Refusal) -> Refusal {
        if let Some(offer) = &self.login {
            refusal.extra_mut().login = Some(offer.clone());
        }
        refusal
    }

    /// Of an optional caller.
    fn demands_nothing(&self) -> bool {
        self.scopes.is_empty() && self.step_up.is_empty()
    }

    fn scope_list(&self) -> Option<String> {
        (!self.scopes.is_empty()).then(|| self.scopes.join(" "))
    }
}

/// RFC 6749 §3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
