//! Who is calling?

pub mod config;

mod shown;

mod bearer;
mod json;
pub mod jwks;
mod jwt;

mod api_key;

mod identity;
mod refuse;
#[cfg(test)]
mod samples;
mod secret;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::moment::Now;
use crate::ports::{KeySets, Keys};
use crate::refusal::Refusal;
use crate::request::Request;
pub use api_key::{ApiKeys, KeyRecord, KeyText, MintFault, Minted, PATTERN as KEY_PATTERN, PREFIX as KEY_PREFIX};
pub use bearer::{Bearer, fetchable};
pub use config::{Authenticate, Method, Mistake, TokenSourceConfig};
pub use identity::{AuthMethod, Identity, Principal};
pub use jwt::Algorithm;
pub use secret::Secret;
use shown::{Credential, Shown, X_API_KEY};

/// The identify stage of one route: what it demands, and who judges it.
#[derive(Debug)]
pub struct Identify {
    demand: Demand,
    scopes: Vec<Arc<str>>,
    judges: Arc<Judges>,
}

/// The judges of credentials, one set per snapshot, shared by its routes.
#[derive(Debug)]
pub struct Judges {
    bearer: Bearer,
    api_keys: ApiKeys,
    anonymous: Arc<Identity>,
}

/// [`Authenticate`], with only the ways this build has.
#[derive(Debug)]
enum Demand {
    AllOf(Vec<Way>),
    AnyOf(Vec<Way>),
    Optional,
    Public,
}

/// A way of proving who one is that this build can judge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    ApiKey,
    Jwt,
}

/// What one way says about a request.
enum Judged {
    Identified(Arc<Identity>),
    NotMine,
    Rejected(Refusal),
}

/// What judging may ask of the world.
#[derive(Clone, Copy)]
struct Asked<'a> {
    keys: &'a dyn Keys,
    key_sets: &'a dyn KeySets,
    now: Now,
}

impl Judges {
    pub fn new(bearer: Bearer) -> Self {
        Self { bearer, api_keys: ApiKeys::new(), anonymous: Arc::new(Identity::anonymous()) }
    }

    /// Which key sets the world must provide.
    pub fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    async fn judge(&self, way: Way, shown: &Shown<'_>, asked: Asked<'_>) -> Judged {
        let verdict = match (way, way.credential(shown)) {
            (_, Credential::Absent) => return Judged::NotMine,
            (Way::ApiKey, Credential::Malformed(why)) => Err(refuse::api_key(why)),
            (Way::Jwt, Credential::Malformed(why)) => Err(refuse::token(why)),
            (Way::ApiKey, Credential::Text(text)) => self.api_keys.identify(text, asked.keys, asked.now).await,
            (Way::Jwt, Credential::Text(text)) => self.bearer.identify(text, asked.key_sets, asked.now).await,
        };
        match verdict {
            Ok(identity) => Judged::Identified(identity),
            Err(refusal) => Judged::Rejected(refusal),
        }
    }
}

impl Way {
    const ALL: [Self; 2] = [Self::Jwt, Self::ApiKey];

    const fn credential<'a>(self, shown: &Shown<'a>) -> Credential<'a> {
        match self {
            Self::ApiKey => shown.api_key,
            Self::Jwt => shown.bearer,
        }
    }
}

impl Identify {
    /// # Errors
    /// Why a route cannot demand this.
    pub fn compile(demand: &Authenticate, scopes: &[String], judges: &Arc<Judges>) -> Result<Self, String> {
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(format!(
                "`{scope}` is not a scope: use visible ASCII without spaces, `\"` and `\\` (RFC 6749 §3.3)"
            ));
        }
        let ways =
            |methods: &[Method]| methods.iter().map(|method| way(*method, judges)).collect::<Result<Vec<_>, _>>();
        let demand = match demand {
            Authenticate::AllOf(methods) => Demand::AllOf(ways(methods)?),
            Authenticate::AnyOf(methods) => Demand::AnyOf(ways(methods)?),
            Authenticate::Optional => Demand::Optional,
            Authenticate::Public if scopes.is_empty() => Demand::Public,
            Authenticate::Public => {
                return Err("`scopes` need a caller, and this route is `public`; drop one of the two".into());
            }
        };
        let scopes = scopes.iter().map(|scope| Arc::from(scope.as_str())).collect();
        Ok(Self { demand, scopes, judges: Arc::clone(judges) })
    }

    /// Who is calling.
    ///
    /// Of the ways the route lists, every credential shown is judged, and a bad one refuses the request, be
    /// the others as good as they may. A credential of any other way counts as none shown.
    ///
    /// # Errors
    /// 400 for credentials that contradict each other, 401 for none or a bad one, 403 for a missing scope,
    /// 503 when a credential cannot be judged.
    pub async fn identify(
        &self,
        request: &Request<'_>,
        keys: &dyn Keys,
        key_sets: &dyn KeySets,
        now: Now,
    ) -> Result<Arc<Identity>, Refusal> {
        self.caller(request.headers, Asked { keys, key_sets, now }).await
    }

    /// The header fields that hold a credential this stage has judged: the application must not see them.
    ///
    /// Means something only for a request that [`Self::identify`] has let pass.
    pub fn consumed_headers(&self, headers: &HeaderMap) -> &'static [HeaderName] {
        static AUTHORIZATION_ONLY: [HeaderName; 1] = [AUTHORIZATION];
        static BOTH: [HeaderName; 2] = [AUTHORIZATION, HeaderName::from_static("x-api-key")];
        static X_API_KEY_ONLY: [HeaderName; 1] = [HeaderName::from_static("x-api-key")];

        let ways: &[Way] = match &self.demand {
            Demand::AllOf(ways) | Demand::AnyOf(ways) => ways,
            Demand::Optional => &Way::ALL,
            Demand::Public => &[],
        };
        let Ok(shown) = Shown::read(headers) else { return &BOTH };
        let key = ways.contains(&Way::ApiKey) && !shown.api_key.is_absent();
        let in_field = key && headers.contains_key(&X_API_KEY);
        let in_authorization =
            (ways.contains(&Way::Jwt) && !shown.bearer.is_absent()) || (key && shown.key_in_authorization);
        match (in_authorization, in_field) {
            (false, false) => &[],
            (false, true) => &X_API_KEY_ONLY,
            (true, false) => &AUTHORIZATION_ONLY,
            (true, true) => &BOTH,
        }
    }

    async fn caller(&self, headers: &HeaderMap, asked: Asked<'_>) -> Result<Arc<Identity>, Refusal> {
        let identity = match &self.demand {
            Demand::Public => return Ok(Arc::clone(&self.judges.anonymous)),
            Demand::Optional => {
                let shown = Shown::read(headers)?;
                match self.any_of(&Way::ALL, &shown, asked).await? {
                    Some(identity) => identity,
                    None if self.scopes.is_empty() => return Ok(Arc::clone(&self.judges.anonymous)),
                    None => return Err(self.nobody(&shown)),
                }
            }
            Demand::AnyOf(ways) => {
                let shown = Shown::read(headers)?;
                let found = self.any_of(ways, &shown, asked).await?;
                found.ok_or_else(|| self.nobody(&shown))?
            }
            Demand::AllOf(ways) => self.all_of(ways, &Shown::read(headers)?, asked).await?,
        };
        self.judge_scopes(&identity)?;
        Ok(identity)
    }

    async fn any_of(
        &self,
        ways: &[Way],
        shown: &Shown<'_>,
        asked: Asked<'_>,
    ) -> Result<Option<Arc<Identity>>, Refusal> {
        let mut first = None;
        for way in ways {
            match self.judges.judge(*way, shown, asked).await {
                Judged::Identified(identity) => first = first.or(Some(identity)),
                Judged::NotMine => {}
                Judged::Rejected(refusal) => return Err(refusal),
            }
        }
        Ok(first)
    }

    async fn all_of(&self, ways: &[Way], shown: &Shown<'_>, asked: Asked<'_>) -> Result<Arc<Identity>, Refusal> {
        let mut first: Option<Arc<Identity>> = None;
        let mut absent = false;
        for way in ways {
            match self.judges.judge(*way, shown, asked).await {
                Judged::Identified(next) => {
                    first = Some(match first {
                        None => next,
                        Some(first) => first.ending_with(&next),
                    });
                }
                Judged::NotMine => absent = true,
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
        refuse::nobody(why, self.scope_list())
    }

    fn scope_list(&self) -> Option<String> {
        (!self.scopes.is_empty()).then(|| self.scopes.join(" "))
    }
}

fn way(method: Method, judges: &Judges) -> Result<Way, String> {
    match method {
        Method::ApiKey => Ok(Way::ApiKey),
        Method::Jwt if judges.bearer.is_empty() => {
            Err("`jwt` needs an issuer to trust: add [tokens.<alias>] with `issuer` and `audiences`".into())
        }
        Method::Jwt => Ok(Way::Jwt),
        Method::Mtls => {
            Err("`mtls` needs client certificates, which this build does not offer; use `jwt` or `api_key`".into())
        }
        Method::Session => {
            Err("`session` needs [providers.*], which this build does not offer; use `jwt` or `api_key`".into())
        }
    }
}

/// RFC 6749 §3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
