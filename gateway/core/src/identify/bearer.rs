//! Is this bearer token good, and whose is it? JWTs of the configured issuers (RFC 6750, RFC 9068).

mod person;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Identity;
use super::config::{Mistake, TokenSourceConfig};
use super::jwks::{KeySet, Signature, SourceSpec};
use super::jwt::{Terms, Token};
use super::refuse;
use super::secret::fingerprint;
use crate::moment::Now;
use crate::ports::KeySets;
use crate::refusal::Refusal;
use source::TokenSource;
pub use source::fetchable;

/// All token sources of one snapshot, by issuer, and the tokens whose signature they have checked.
#[derive(Debug)]
pub struct Bearer {
    sources: Vec<TokenSource>,
    by_issuer: HashMap<String, usize>,
    /// By SHA-256 of the token. Only good tokens enter, so a flood of bad ones pushes nothing out.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// A token whose signature was checked. Its terms are still judged on every request.
#[derive(Debug)]
struct Verified {
    source: usize,
    /// Of the key set that verified it: with any other set in force, the signature is checked again.
    generation: u64,
    terms: Terms,
    identity: Arc<Identity>,
}

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
            Ok(Self { sources, by_issuer, verified: Cache::new(remembered) })
        } else {
            Err(mistakes)
        }
    }

    /// Which key sets the world must provide.
    pub fn key_sources(&self) -> impl Iterator<Item = &SourceSpec> {
        self.sources.iter().map(|source| &source.spec)
    }

    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// `invalid_token` when it is no good; `keys_unavailable` when that cannot be told.
    pub(super) async fn identify(
        &self,
        text: &str,
        key_sets: &dyn KeySets,
        now: Now,
    ) -> Result<Arc<Identity>, Refusal> {
        let fingerprint = fingerprint(text);
        if let Some(known) = self.verified.get(&fingerprint)
            && let Some(source) = self.sources.get(known.source)
        {
            let keys = key_sets.current(&source.spec.alias, now).map_err(refuse::keys_unavailable)?;
            if keys.generation == known.generation {
                source.judge(&known.terms, now)?;
                return Ok(Arc::clone(&known.identity));
            }
        }

        let token = Token::parse(text).map_err(refuse::token)?;
        let (index, source) =
            self.source_of(&token).ok_or_else(|| refuse::token("the token's `iss` is no configured issuer"))?;
        source.judge_algorithm(token.algorithm)?;
        source.judge(&token.terms, now)?;
        let generation = verify(&token, source, key_sets, now).await?;

        let identity = person::identity(source, token.claims, token.terms.expires).map_err(refuse::token)?;
        let verified = Verified { source: index, generation, terms: token.terms, identity: Arc::new(identity) };
        let identity = Arc::clone(&verified.identity);
        self.verified.insert(fingerprint, Arc::new(verified));
        Ok(identity)
    }

    fn source_of(&self, token: &Token<'_>) -> Option<(usize, &TokenSource)> {
        let index = *self.by_issuer.get(&token.claims.issuer)?;
        Some((index, self.sources.get(index)?))
    }
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
