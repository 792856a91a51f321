//! `[tokens.<alias>]`: who may issue bearer tokens, and how their tokens are read.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use validator::Validate;

use crate::identify::binding::Proof;
use crate::identify::{Algorithm, Secret};
use crate::units::Span;

/// One issuer of bearer JWTs (RFC 9068). The alias names it in principals: `User::"<alias>|<sub>"`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TokenSourceConfig {
    /// The token's `iss`, exactly, to the last slash. Two sources never share one.
    pub issuer: String,
    /// A token must be made for at least one of these (`aud`).
    #[validate(length(min = 1, max = 32))]
    pub audiences: Vec<String>,
    /// Where its keys are: an `https` URL (`http` on loopback only), or `file:` and a path relative to the
    /// root. Absent: what the issuer's OIDC discovery document says.
    #[serde(default)]
    pub jwks: Option<String>,
    /// Signature algorithms that are accepted. Default: all of them; there is no symmetric one.
    #[serde(default = "all_algorithms")]
    #[validate(length(min = 1, max = 5))]
    pub algorithms: Vec<Algorithm>,
    /// The header's `typ` must be one of these, whatever its case, with or without `application/`. A token
    /// without `typ` counts as `JWT`.
    #[serde(default = "usual_types")]
    #[validate(length(min = 1, max = 8))]
    pub types: Vec<String>,
    /// By how much the issuer's clock may differ from ours: at most 5 minutes.
    #[serde(default = "half_a_minute")]
    pub leeway: Span,
    /// How often keys are fetched.
    #[serde(default = "five_minutes")]
    pub refresh: Span,
    /// How long the last good keys are used while none can be fetched. After that, tokens get 503.
    #[serde(default = "one_day")]
    pub max_age: Span,
    /// A token with an unknown key id makes the keys be fetched at once, but not more often than this.
    #[serde(default = "half_a_minute")]
    pub cooldown: Span,
    /// The claim that lists the groups, an array of strings; a JSON Pointer where it lies deeper, as in
    /// `/realm_access/roles`. A token whose claim has any other type is refused.
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// The claim that names the client. A token without `sub`, or whose `sub` equals this claim, is a
    /// machine's own (RFC 9068 §2.2) and becomes `Client::"<alias>|<client>"`; any other is a `User`.
    #[serde(default = "client_id")]
    pub client_claim: String,
    /// How many verified tokens are remembered, so that their signature is not checked again: 1 to 1000000.
    /// Their times, audience and type are still judged on every request.
    #[serde(default = "twenty_thousand")]
    pub cache: usize,
    /// Which proof of possession its tokens must carry: `dpop`, `mtls`, or whichever they are bound to.
    #[serde(default)]
    pub proof: Proof,
    /// Whom to ask about tokens that are not JWTs (RFC 7662). Where `jwks` is absent too, JWTs of this issuer are asked
    /// about as well.
    #[serde(default)]
    #[validate(nested)]
    pub introspection: Option<IntrospectionConfig>,
}

/// An issuer's introspection endpoint, and who we are there.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionConfig {
    /// An `https` URL (`http` on loopback only).
    pub endpoint: String,
    /// The name under which the gateway is known to the issuer.
    #[validate(length(min = 1, max = 255))]
    pub client_id: String,
    /// The secret that goes with it.
    pub client_secret: Secret,
    /// How long an answer is used, at most; never longer than the token's `exp`. A token that is taken back at its
    /// issuer is served for so long here.
    #[serde(default = "half_a_minute")]
    pub cache: Span,
    /// What becomes of an active token of which the issuer does not say for whom it was made: `accept` takes it for the
    /// source's audiences.
    #[serde(default)]
    pub missing_audience: MissingAudience,
}

/// What becomes of a token without an audience.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingAudience {
    Accept,
    #[default]
    Refuse,
}

fn all_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn usual_types() -> Vec<String> {
    vec!["at+jwt".into(), "JWT".into()]
}

fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}

fn five_minutes() -> Span {
    Span(Duration::from_mins(5))
}

fn one_day() -> Span {
    Span(Duration::from_hours(24))
}

fn groups() -> String {
    "groups".into()
}

fn client_id() -> String {
    "client_id".into()
}

fn twenty_thousand() -> usize {
    20_000
}
