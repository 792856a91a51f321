//! Which tokens does one issuer's configuration accept?

use std::sync::Arc;
use std::time::Duration;

use crate::identify::binding::Proof;
use crate::identify::config::{IntrospectionConfig, Mistake, TokenSourceConfig};
use crate::identify::jwks::{KeyOrigin, SourceSpec};
use crate::identify::jwt::{Algorithm, Terms, media_type};
use crate::identify::refuse;
use crate::moment::Now;
use crate::refusal::Refusal;

/// `[tokens.<alias>]`, compiled.
#[derive(Debug)]
pub(super) struct TokenSource {
    pub(super) spec: SourceSpec,
    pub(super) groups_claim: String,
    pub(super) client_claim: String,
    pub(super) audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    /// In the form of [`media_type`].
    pub(super) types: Vec<String>,
    /// In seconds.
    leeway: i64,
    pub(super) proof: Proof,
    pub(super) judged: Judged,
    /// Whom to ask about opaque tokens.
    pub(super) introspection: Option<IntrospectionConfig>,
}

/// How a JWT of the source is judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judged {
    ByIntrospection,
    ByKeys,
}

/// Which of the sources a route takes tokens of, and for whom they must be made.
#[derive(Clone, Debug, Default)]
pub(in crate::identify) struct Accept {
    /// By index; `None`: all.
    pub(super) sources: Option<Vec<usize>>,
    /// In the place of the source's own; empty: those.
    pub(super) audiences: Vec<String>,
}

impl Accept {
    pub(super) fn takes(&self, source: usize) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&source))
    }
}

const MOST_LEEWAY: Duration = Duration::from_mins(5);
const MOST_CACHED: usize = 1_000_000;
/// `keys|<role>` is what API keys are in.
const RESERVED_ALIAS: &str = "keys";

impl TokenSource {
    pub(super) fn compile(alias: &str, config: &TokenSourceConfig) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Mistakes { alias, found: Vec::new() };
        mistakes.check_alias();
        mistakes.check_lists(config);
        mistakes.check_spans(config);
        let origin = mistakes.origin(config);
        mistakes.check_introspection(config);
        if !mistakes.found.is_empty() {
            return Err(mistakes.found);
        }
        Ok(Self {
            spec: SourceSpec {
                alias: Arc::from(alias),
                issuer: config.issuer.clone(),
                origin,
                refresh: config.refresh.0,
                max_age: config.max_age.0,
                cooldown: config.cooldown.0,
            },
            groups_claim: config.groups_claim.clone(),
            client_claim: config.client_claim.clone(),
            audiences: config.audiences.clone(),
            algorithms: config.algorithms.clone(),
            types: config.types.iter().map(|typ| media_type(typ)).collect(),
            leeway: i64::try_from(config.leeway.0.as_secs()).unwrap_or(0),
            proof: config.proof,
            judged: match (&config.introspection, &config.jwks) {
                (Some(_), None) => Judged::ByIntrospection,
                (Some(_), Some(_)) | (None, _) => Judged::ByKeys,
            },
            introspection: config.introspection.clone(),
        })
    }

    /// A fixed list per issuer, whatever the token says (RFC 8725 §3.1).
    pub(super) fn judge_algorithm(&self, algorithm: Algorithm) -> Result<(), Refusal> {
        if self.algorithms.contains(&algorithm) {
            Ok(())
        } else {
            Err(refuse::token("the token's `alg` is not accepted from its issuer"))
        }
    }

    /// What holds now and may not hold at the next request.
    pub(super) fn judge(&self, terms: &Terms, accept: &Accept, now: Now) -> Result<(), Refusal> {
        // RFC 7519 §5.1: a token that does not say its type is just a JWT.
        let typ = terms.typ.as_deref().unwrap_or("jwt");
        if !self.types.iter().any(|accepted| accepted == typ) {
            return Err(refuse::token("the token's `typ` is not accepted from its issuer"));
        }
        let (audiences, whose) = match &*accept.audiences {
            [] => (&self.audiences, "the token's `aud` names none of the source's `audiences`"),
            _ => (&accept.audiences, "the token's `aud` names none of the route's `audiences`"),
        };
        if !terms.audience.iter().any(|audience| audiences.contains(audience)) {
            return Err(refuse::token(whose));
        }
        let now = now.wall.seconds();
        if now >= terms.expires.saturating_add(self.leeway) {
            return Err(refuse::expired_token());
        }
        let latest_start = now.saturating_add(self.leeway);
        if terms.not_before.is_some_and(|start| start > latest_start) {
            return Err(refuse::token("the token's `nbf` lies in the future"));
        }
        if terms.issued.is_some_and(|issued| issued > latest_start) {
            return Err(refuse::token("the token's `iat` lies in the future"));
        }
        Ok(())
    }
}

struct Mistakes<'a> {
    alias: &'a str,
    found: Vec<Mistake>,
}

impl Mistakes<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.found.push(Mistake { key: format!("tokens.{}.{key}", self.alias), message: message.into() });
    }

    fn check_alias(&mut self) {
        let alias = self.alias;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        let message = if alias == RESERVED_ALIAS {
            "`keys` is the alias of API keys; choose another name".to_owned()
        } else if alias.is_empty() || alias.len() > 64 || !alias.bytes().all(plain) {
            format!("`{alias}` cannot be an alias: use 1 to 64 of a-z, 0-9, `-` and `_`")
        } else {
            return;
        };
        self.found.push(Mistake { key: format!("tokens.{alias}"), message });
    }

    fn check_lists(&mut self, config: &TokenSourceConfig) {
        if config.issuer.is_empty() {
            self.add("issuer", "it is empty; write the token's `iss` exactly");
        }
        if config.audiences.is_empty() || config.audiences.iter().any(String::is_empty) {
            self.add(
                "audiences",
                "at least one is needed and none may be empty: a token made for anybody is good for nobody",
            );
        }
        if config.algorithms.is_empty() {
            self.add("algorithms", "the list is empty, so no token could verify; leave it out for the default");
        }
        if config.types.is_empty() {
            self.add("types", "the list is empty, so no token could pass; leave it out for the default");
        }
        if config.groups_claim.is_empty() {
            self.add("groups_claim", "it is empty; leave it out for `groups`");
        }
        if config.client_claim.is_empty() {
            self.add("client_claim", "it is empty; leave it out for `client_id`");
        }
        if !(1..=MOST_CACHED).contains(&config.cache) {
            self.add("cache", format!("`{}` is not from 1 to {MOST_CACHED}", config.cache));
        }
    }

    fn check_spans(&mut self, config: &TokenSourceConfig) {
        if config.leeway.0 > MOST_LEEWAY {
            self.add("leeway", "it is longer than `5m`; mend the clocks instead");
        }
        if config.refresh.0 < Duration::from_secs(1) {
            self.add("refresh", "it is shorter than `1s`");
        }
        if config.cooldown.0 < Duration::from_secs(1) {
            self.add("cooldown", "it is shorter than `1s`, so made-up key ids could flood the issuer");
        }
        if config.max_age.0 < config.refresh.0 {
            self.add("max_age", "it is shorter than `refresh`, so keys would be too old before they are fetched again");
        }
    }

    fn check_introspection(&mut self, config: &TokenSourceConfig) {
        let Some(introspection) = &config.introspection else { return };
        if !fetchable(&introspection.endpoint) {
            self.add(
                "introspection",
                format!("`{}` is no `https` URL (`http` is for loopback only)", introspection.endpoint),
            );
        }
        if !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&introspection.cache.0) {
            self.add("introspection", "`cache` is not from `1s` to `1h`");
        }
    }

    fn origin(&mut self, config: &TokenSourceConfig) -> KeyOrigin {
        match config.jwks.as_deref() {
            None => {
                if config.introspection.is_none() && !fetchable(&config.issuer) {
                    self.add(
                        "issuer",
                        format!(
                            "`{}` is no `https` URL (`http` on loopback only), so its keys cannot be discovered; set `jwks`",
                            config.issuer
                        ),
                    );
                }
                KeyOrigin::Discovery
            }
            Some(jwks) => {
                if let Some(path) = jwks.strip_prefix("file:").filter(|path| !path.is_empty()) {
                    return KeyOrigin::File(path.into());
                }
                if !fetchable(jwks) {
                    self.add(
                        "jwks",
                        format!("`{jwks}` is neither `file:PATH` nor an `https` URL (`http` is for loopback only)"),
                    );
                }
                KeyOrigin::Url(jwks.to_owned())
            }
        }
    }
}

/// Whether keys may be fetched from there: `https`, or `http` on loopback, without user information.
///
/// Keys that came in clear text over a network are anybody's keys.
pub fn fetchable(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let Some(authority) = url.authority().filter(|authority| !authority.as_str().contains('@')) else { return false };
    match url.scheme_str() {
        Some("https") => !authority.host().is_empty(),
        Some("http") => matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]"),
        Some(_) | None => false,
    }
}
