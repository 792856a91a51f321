//! Is this bearer token good, and whose is it? JWTs of the configured issuers (RFC 6750, RFC 9068).

mod opaque;
mod person;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use quick_cache::sync::Cache;

use super::binding::{Binding, Proof};
use super::config::{IntrospectionConfig, Mistake, TokenSourceConfig};
use super::dpop::Proven;
use super::jwks::{KeySet, Signature, SourceSpec};
use super::jwt::{Terms, Token};
use super::secret::fingerprint;
use super::shown::{Credential, Scheme, Shown};
use super::{Identity, KeySets, Sources, refuse};
use crate::moment::{Moment, Now};
use crate::refusal::{Code, Refusal, Scheme as Challenged};
use crate::request::Request;
use opaque::Said;
pub(super) use person::groups_of;
pub(super) use source::Accept;
pub use source::fetchable;
use source::{Judged, TokenSource};

/// All token sources of one snapshot, by issuer, and the tokens whose signature they have checked.
#[derive(Debug)]
pub struct Bearer {
    sources: Vec<TokenSource>,
    by_issuer: HashMap<String, usize>,
    /// By SHA-256 of the token. Only good tokens enter, so a flood of bad ones pushes nothing out.
    verified: Cache<[u8; 32], Arc<Verified>>,
    /// By the same, until when.
    inactive: Cache<[u8; 32], Moment>,
}

/// A token that was found genuine. Its terms are still judged on every request.
#[derive(Debug)]
struct Verified {
    source: usize,
    by: By,
    terms: Terms,
    identity: Arc<Identity>,
}

/// Who has found it genuine.
#[derive(Clone, Copy, Debug)]
enum By {
    /// Its issuer, whose word holds until then.
    Issuer(Moment),
    /// The key set of this generation: with any other set in force, the signature is checked again.
    Keys(u64),
}

/// A token as it was shown, and all it is judged by.
#[derive(Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) text: &'a str,
    pub(super) shown: &'a Shown<'a>,
    pub(super) request: &'a Request<'a>,
    pub(super) accept: &'a Accept,
    pub(super) sources: Sources<'a>,
    pub(super) now: Now,
}

/// How long an issuer's word holds that a token is no good: whoever repeats it costs one question in this time.
const INACTIVE: Duration = Duration::from_secs(5);
/// Tokens that are known to be no good. They have a place of their own: whoever tries tokens at random displaces other
/// tries, never a good one.
const MOST_INACTIVE: usize = 1_000;

impl Bearer {
    /// # Errors
    /// Every mistake in every source.
    pub fn compile(configured: &BTreeMap<String, TokenSourceConfig>) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut sources = Vec::with_capacity(configured.len());
        let mut by_issuer = HashMap::with_capacity(configured.len());
        let mut remembered = 0_usize;
        for (alias, config) in configured {
            match TokenSource::compile(alias, config) {
                Ok(source) => {
                    if let Some(other) = by_issuer.insert(config.issuer.clone(), sources.len()) {
                        let other = sources.get(other).map_or("", |source: &TokenSource| &source.spec.alias);
                        mistakes.push(Mistake {
                            key: format!("tokens.{alias}.issuer"),
                            message: format!(
                                "`{}` is already the issuer of [tokens.{other}]; an issuer has one alias, so put the \
                                 audiences of both there",
                                config.issuer
                            ),
                        });
                    }
                    remembered = remembered.saturating_add(config.cache);
                    sources.push(source);
                }
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { sources, by_issuer, verified: Cache::new(remembered), inactive: Cache::new(MOST_INACTIVE) })
        } else {
            Err(mistakes)
        }
    }

    /// Which key sets the world must provide.
    pub fn key_sources(&self) -> impl Iterator<Item = &SourceSpec> {
        self.sources.iter().filter(|source| source.judged == Judged::ByKeys).map(|source| &source.spec)
    }

    /// Whom the world must be able to ask about tokens, by alias.
    pub fn introspecting(&self) -> impl Iterator<Item = (&Arc<str>, &IntrospectionConfig)> {
        self.sources.iter().filter_map(|source| Some((&source.spec.alias, source.introspection.as_ref()?)))
    }

    /// What a route takes: tokens of these aliases (empty: all), made for these audiences (empty: those of each source).
    ///
    /// # Errors
    /// The alias that is none, or two sources that would both have to be asked about an opaque token.
    pub(super) fn accept(&self, aliases: &[String], audiences: &[String]) -> Result<Accept, String> {
        let index = |alias: &String| {
            let found = self.sources.iter().position(|source| *source.spec.alias == **alias);
            found.ok_or_else(|| format!("`{alias}` is no alias of [tokens.*]"))
        };
        let sources =
            if aliases.is_empty() { None } else { Some(aliases.iter().map(index).collect::<Result<Vec<_>, _>>()?) };
        let accept = Accept { sources, audiences: audiences.to_vec() };
        let asked: Vec<_> = self.accepted(&accept).filter(|(_, source)| source.introspection.is_some()).collect();
        if let [(_, one), (_, other), ..] = &*asked {
            return Err(format!(
                "an opaque token does not say whether [tokens.{}] or [tokens.{}] issued it, and it is shown to no issuer \
                 on trial: name one of them in `issuers`",
                one.spec.alias, other.spec.alias
            ));
        }
        Ok(accept)
    }

    /// Whether every token that `accept` takes must be proven by `DPoP`.
    pub(super) fn demands_dpop(&self, accept: &Accept) -> bool {
        self.accepted(accept).all(|(_, source)| source.proof == Proof::Dpop)
    }

    fn accepted<'s>(&'s self, accept: &'s Accept) -> impl Iterator<Item = (usize, &'s TokenSource)> {
        self.sources.iter().enumerate().filter(|(index, _)| accept.takes(*index))
    }

    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// `invalid_token` or `invalid_dpop_proof` when it is no good; `keys_unavailable` or `dependency_unavailable` when
    /// that cannot be told.
    pub(super) async fn identify(&self, presented: Presented<'_>) -> Result<Arc<Identity>, Refusal> {
        let fingerprint = fingerprint(presented.text);
        let known = match self.known(&fingerprint, presented)? {
            Some(known) => known,
            None => self.verify(fingerprint, presented).await?,
        };
        self.stand(&known, &fingerprint, presented).await?;
        Ok(Arc::clone(&known.identity))
    }

    /// What is still known of it.
    fn known(&self, fingerprint: &[u8; 32], presented: Presented<'_>) -> Result<Option<Arc<Verified>>, Refusal> {
        let Some(known) = self.verified.get(fingerprint) else { return Ok(None) };
        let holds = match known.by {
            By::Issuer(until) => presented.now.wall < until,
            By::Keys(generation) => {
                let Some(source) = self.sources.get(known.source) else { return Ok(None) };
                let keys = presented.sources.key_sets.current(&source.spec.alias, presented.now);
                keys.map_err(refuse::keys_unavailable)?.generation == generation
            }
        };
        Ok(holds.then_some(known))
    }

    async fn verify(&self, fingerprint: [u8; 32], presented: Presented<'_>) -> Result<Arc<Verified>, Refusal> {
        let Presented { text, accept, sources, now, .. } = presented;
        let asked = self.accepted(accept).find(|(_, source)| source.introspection.is_some());
        if let Some(asked) = asked.filter(|_| !opaque::is_jws(text)) {
            return self.ask(asked, fingerprint, presented).await;
        }
        let token = Token::parse(text).map_err(refuse::token)?;
        let (index, source) =
            self.source_of(&token).ok_or_else(|| refuse::token("the token's `iss` is no configured issuer"))?;
        if !accept.takes(index) {
            return Err(refuse::token("the token's issuer is not one of the route's `issuers`"));
        }
        source.judge_algorithm(token.algorithm)?;
        source.judge(&token.terms, accept, now)?;
        if source.judged == Judged::ByIntrospection {
            return self.ask((index, source), fingerprint, presented).await;
        }
        let generation = verify(&token, source, sources.key_sets, now).await?;
        let identity = person::identity(source, token.claims, &token.terms).map_err(refuse::token)?;
        Ok(self.remember(fingerprint, index, By::Keys(generation), token.terms, identity))
    }

    /// Asks the issuer, whose answer is remembered for a while.
    async fn ask(
        &self,
        (index, source): (usize, &TokenSource),
        fingerprint: [u8; 32],
        presented: Presented<'_>,
    ) -> Result<Arc<Verified>, Refusal> {
        let Presented { text, sources, now, .. } = presented;
        let inactive = || refuse::token("the token's issuer says that it is not active");
        let Some(asked) = &source.introspection else { return Err(inactive()) };
        if text.len() > Token::MOST_BYTES {
            return Err(refuse::token("the token is longer than 16 KiB"));
        }
        if self.inactive.get(&fingerprint).is_some_and(|until| now.wall < until) {
            return Err(inactive());
        }
        let answer = sources.introspection.ask(&source.spec.alias, text).get().await;
        let answer = answer.map_err(refuse::introspection_down)?;
        match opaque::read(source, asked, &answer, now) {
            Ok(Said::Active(read)) => {
                let (claims, terms) = *read;
                let until = Moment::from_seconds(terms.expires).min(now.wall.plus(asked.cache.0));
                let identity = person::identity(source, claims, &terms).map_err(refuse::token)?;
                Ok(self.remember(fingerprint, index, By::Issuer(until), terms, identity))
            }
            Ok(Said::Inactive) => {
                self.inactive.insert(fingerprint, now.wall.plus(INACTIVE));
                Err(inactive())
            }
            Ok(Said::Unfit(why)) => Err(refuse::token(why)),
            Err(why) => Err(Refusal::new(Code::DependencyUnavailable)
                .because(format!("what the token's issuer says of it cannot be read: {why}"))),
        }
    }

    fn remember(
        &self,
        fingerprint: [u8; 32],
        source: usize,
        by: By,
        terms: Terms,
        identity: Identity,
    ) -> Arc<Verified> {
        let verified = Arc::new(Verified { source, by, terms, identity: Arc::new(identity) });
        self.verified.insert(fingerprint, Arc::clone(&verified));
        verified
    }

    /// What holds of a genuine token now, on this route, in these hands.
    async fn stand(&self, known: &Verified, token: &[u8; 32], presented: Presented<'_>) -> Result<(), Refusal> {
        let Presented { accept, sources, now, .. } = presented;
        let source = self.sources.get(known.source).filter(|_| accept.takes(known.source));
        let source = source.ok_or_else(|| refuse::token("the token's issuer is not one of the route's `issuers`"))?;
        source.judge(&known.terms, accept, now)?;
        let revoked = sources.revoked.current();
        if known.identity.token.as_ref().is_some_and(|mark| revoked.holds(mark, now.wall)) {
            return Err(refuse::revoked_token());
        }
        possession(known.terms.binding, source.proof, token, presented).await
    }

    fn source_of(&self, token: &Token<'_>) -> Option<(usize, &TokenSource)> {
        let index = *self.by_issuer.get(&token.claims.issuer)?;
        Some((index, self.sources.get(index)?))
    }
}

/// Whether whoever shows the token holds what it is bound to.
async fn possession(binding: Binding, proof: Proof, token: &[u8; 32], presented: Presented<'_>) -> Result<(), Refusal> {
    let Presented { shown, request, sources, now, .. } = presented;
    let scheme = if proof == Proof::Dpop { Challenged::Dpop } else { Challenged::Bearer };
    binding.suits(proof).map_err(|why| refuse::unproven(why, scheme))?;
    if let Some(expected) = &binding.certificate {
        let held =
            request.certificate.is_some_and(|shown| verify_slices_are_equal(&shown.thumbprint, expected).is_ok());
        if !held {
            let why = "the token is bound to a certificate that this connection was not made with";
            return Err(refuse::unproven(why, Challenged::Bearer));
        }
    }
    let (expected, proof) = match (binding.key, shown.scheme) {
        (None, Scheme::Bearer) => return Ok(()),
        (None, Scheme::Dpop) => {
            let why = "the token is not bound to a key, and was shown under `DPoP`";
            return Err(refuse::unproven(why, Challenged::Dpop));
        }
        (Some(_), Scheme::Bearer) => {
            let why = "the token is bound to a key, and was shown under `Bearer`";
            return Err(refuse::unproven(why, Challenged::Dpop));
        }
        (Some(expected), Scheme::Dpop) => (expected, shown.proof),
    };
    let proven = match proof {
        Credential::Absent => return Err(refuse::proof("there is no proof (`DPoP`)")),
        Credential::Malformed(why) => return Err(refuse::proof(why)),
        Credential::Text(text) => Proven::read(text).map_err(refuse::proof)?,
    };
    if verify_slices_are_equal(&proven.thumbprint, &expected).is_err() {
        return Err(refuse::proof("the proof was made with another key than the token's"));
    }
    proven.judge(request, token, now).map_err(refuse::proof)?;
    // Last: only what is good in every other way is worth remembering.
    proven.once(sources.replays, now).await
}

/// The generation of the key set that holds the key this was signed with.
async fn verify(token: &Token<'_>, source: &TokenSource, key_sets: &dyn KeySets, now: Now) -> Result<u64, Refusal> {
    let alias = &source.spec.alias;
    let keys = key_sets.current(alias, now).map_err(refuse::keys_unavailable)?;
    if let Some(verdict) = verdict(&keys, token) {
        return verdict;
    }
    // Perhaps the issuer has rotated its keys since.
    let fresh = key_sets.refetch(alias, keys.generation, now).get().await.map_err(refuse::keys_unavailable)?;
    let unknown = || Err(refuse::token("none of the issuer's keys, freshly fetched, has signed the token"));
    if fresh.generation == keys.generation {
        return unknown();
    }
    verdict(&fresh, token).unwrap_or_else(unknown)
}

/// `None`: the set may be too old to tell.
fn verdict(keys: &KeySet, token: &Token<'_>) -> Option<Result<u64, Refusal>> {
    match keys.check(token) {
        Signature::Bad => Some(Err(refuse::token("the token's signature does not verify"))),
        Signature::Good => Some(Ok(keys.generation)),
        Signature::UnknownKey => None,
    }
}
