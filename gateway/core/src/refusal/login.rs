//! What does logging in have to do with being turned away? The way in that is offered, and each way it can fail.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Code, Refusal};

/// A way in for whoever was turned away for want of a session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoginOffer {
    /// Aliases of the providers that would do; empty: any.
    pub providers: Vec<Arc<str>>,
    pub style: LoginStyle,
    /// How the caller must be authenticated, separated by spaces.
    pub acr_values: Option<String>,
    /// How long ago at most.
    pub max_age: Option<Duration>,
}

/// How somebody without a session is told.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginStyle {
    /// Whoever navigates with a browser is sent to the login; everybody else gets 401.
    #[default]
    Auto,
    /// 401, whoever asks.
    Api,
    /// Whoever asks with GET is sent to the login.
    Browser,
}

/// Why a login came to nothing. The closed list, from which the documentation is made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LoginFailure {
    AccessDenied,
    AtHashMismatch,
    AudienceMismatch,
    AuthenticationInsufficient,
    CallbackIncomplete,
    CallbackPathMismatch,
    ClaimsUnusable,
    ClientRefused,
    ClockSkew,
    CodeRefused,
    CookieNotReturned,
    IdTokenInvalid,
    IdTokenMissing,
    IssuerMismatch,
    MembershipMissing,
    NonceMismatch,
    ProviderRefused,
    ProviderUnknown,
    ProviderUnreachable,
    RedirectUriNotRegistered,
    StateUnknown,
    StoreUnavailable,
    SubjectMismatch,
    TokenEndpointRefused,
    TooManyFailures,
    UserinfoMismatch,
    UserinfoUnreadable,
}

/// One row of the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailureRow {
    /// The `login_failure` member of the problem document.
    pub name: &'static str,
    pub code: Code,
    /// For the person who wanted in.
    pub what: &'static str,
    /// Where the operator looks first.
    pub check: &'static str,
    pub remedy: &'static str,
}

impl LoginFailure {
    /// All of them, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::AccessDenied,
        Self::MembershipMissing,
        Self::AuthenticationInsufficient,
        Self::CookieNotReturned,
        Self::StateUnknown,
        Self::CallbackIncomplete,
        Self::CallbackPathMismatch,
        Self::ProviderUnknown,
        Self::ProviderRefused,
        Self::RedirectUriNotRegistered,
        Self::CodeRefused,
        Self::ClientRefused,
        Self::TokenEndpointRefused,
        Self::IssuerMismatch,
        Self::IdTokenMissing,
        Self::IdTokenInvalid,
        Self::AudienceMismatch,
        Self::NonceMismatch,
        Self::AtHashMismatch,
        Self::SubjectMismatch,
        Self::ClockSkew,
        Self::ClaimsUnusable,
        Self::UserinfoMismatch,
        Self::UserinfoUnreadable,
        Self::TooManyFailures,
        Self::ProviderUnreachable,
        Self::StoreUnavailable,
    ];

    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether somebody may be trying things out: what neither the provider nor the operator has to answer for.
    pub const fn is_guess(self) -> bool {
        match self {
            Self::AtHashMismatch
            | Self::AudienceMismatch
            | Self::CallbackIncomplete
            | Self::CallbackPathMismatch
            | Self::CodeRefused
            | Self::CookieNotReturned
            | Self::IdTokenInvalid
            | Self::IssuerMismatch
            | Self::NonceMismatch
            | Self::ProviderUnknown
            | Self::StateUnknown
            | Self::SubjectMismatch => true,
            Self::AccessDenied
            | Self::AuthenticationInsufficient
            | Self::ClaimsUnusable
            | Self::ClientRefused
            | Self::ClockSkew
            | Self::IdTokenMissing
            | Self::MembershipMissing
            | Self::ProviderRefused
            | Self::ProviderUnreachable
            | Self::RedirectUriNotRegistered
            | Self::StoreUnavailable
            | Self::TokenEndpointRefused
            | Self::TooManyFailures
            | Self::UserinfoMismatch
            | Self::UserinfoUnreadable => false,
        }
    }

    /// The refusal of one who could not log in. `why` is for the operator.
    pub fn refusal(self, why: impl std::fmt::Display) -> Refusal {
        let row = self.row();
        let mut refusal = Refusal::new(row.code).because(format!("{}: {why}", row.name)).detail(row.what);
        refusal.extra_mut().failure = Some(self);
        match row.code {
            Code::LoginUnavailable => refusal.retry_after(Duration::from_secs(5)),
            Code::RateLimited => refusal.retry_after(Duration::from_mins(1)),
            _ => refusal,
        }
    }

    /// The one place where a failure gets its meaning.
    #[expect(clippy::too_many_lines, reason = "a table, one row for each failure")]
    pub const fn row(self) -> FailureRow {
        const fn row(name: &'static str, what: &'static str, check: &'static str, remedy: &'static str) -> FailureRow {
            FailureRow { name, code: Code::LoginFailed, what, check, remedy }
        }
        match self {
            Self::AccessDenied => row(
                "access_denied",
                "The identity provider did not let you in, or you said no there.",
                "What the provider's own log says of this person and this client.",
                "Assign the person to the client at the provider, or log in as somebody else.",
            ),
            Self::AtHashMismatch => row(
                "at_hash_mismatch",
                "The provider's answer does not hold together.",
                "Whether anything between gateway and provider rewrites answers.",
                "Log in again; if it stays, the access token and the ID token do not belong together, which is the provider's fault.",
            ),
            Self::AudienceMismatch => row(
                "audience_mismatch",
                "The provider has made its statement for another application.",
                "`client_id` in [providers.<alias>] against the ID token's `aud` and `azp`.",
                "Write the client's own id, exactly as the provider shows it.",
            ),
            Self::AuthenticationInsufficient => row(
                "authentication_insufficient",
                "A stronger or more recent authentication was needed, and the provider did not provide it.",
                "The route's `acr` and `max_auth_age` against the ID token's `acr` and `auth_time`.",
                "Have the provider offer what the route demands, or demand less.",
            ),
            Self::CallbackIncomplete => row(
                "callback_incomplete",
                "The provider sent you back without what is needed.",
                "Whether the client may use the authorization code flow with answers in the query.",
                "Log in again from the application, not from a bookmark.",
            ),
            Self::CallbackPathMismatch => row(
                "callback_path_mismatch",
                "The answer came back to another place than the login was begun for.",
                "The redirect URI at the provider against `public_url` and `/_portcullis/callback/<alias>`.",
                "Register exactly the redirect URI that `portcullis check` prints, one for each provider.",
            ),
            Self::ClaimsUnusable => row(
                "claims_unusable",
                "The provider's statement about you cannot be used.",
                "`groups_claim` against what the ID token holds: an array of at most 256 texts.",
                "Point `groups_claim` at the right claim, or have the provider send a list.",
            ),
            Self::ClientRefused => row(
                "client_refused",
                "The provider does not accept this application's own credentials.",
                "`client_id`, and `client_secret` or `client_key`, in [providers.<alias>].",
                "Make a new secret at the provider and put it where the configuration reads it.",
            ),
            Self::ClockSkew => row(
                "clock_skew",
                "The provider's clock and ours differ too much.",
                "The time on both machines; `portcullis check` tells the difference.",
                "Set the clocks by NTP, or raise `leeway`.",
            ),
            Self::CodeRefused => row(
                "code_refused",
                "The login took too long, or its answer was used before.",
                "Whether the callback was loaded twice; the redirect URI that the provider has registered.",
                "Log in again.",
            ),
            Self::CookieNotReturned => row(
                "cookie_not_returned",
                "Your browser did not send back the cookie that the login was begun with.",
                "Whether the browser keeps cookies, and reaches the gateway under `public_url` all the way.",
                "Allow cookies for this site; open the application under its public name.",
            ),
            Self::IdTokenInvalid => row(
                "id_token_invalid",
                "The provider's statement about you does not verify.",
                "`issuer` and `algorithms` in [providers.<alias>], and the provider's published keys.",
                "Use a client with an asymmetric signature (RS256, ES256); read the operator's log for what is wrong.",
            ),
            Self::IdTokenMissing => row(
                "id_token_missing",
                "The provider's answer says nothing about you.",
                "Whether `scopes` holds `openid`, and the client is one of OpenID Connect.",
                "Add `openid`; for GitHub write `kind = \"github\"`.",
            ),
            Self::IssuerMismatch => row(
                "issuer_mismatch",
                "The answer came from another provider than the login was begun at.",
                "`issuer` in [providers.<alias>], to the last slash, against the discovery document.",
                "Write the issuer exactly as the provider's discovery document does.",
            ),
            Self::MembershipMissing => row(
                "membership_missing",
                "You are in none of the organisations that may come in.",
                "`organisations` in [providers.<alias>], and whether they let this application see their members.",
                "Join one of them, or have its owner approve the application.",
            ),
            Self::NonceMismatch => row(
                "nonce_mismatch",
                "The provider's statement belongs to another login.",
                "Whether somebody tries to pass another person's login off on you.",
                "Log in again from the application.",
            ),
            Self::ProviderRefused => row(
                "provider_refused",
                "The provider turned the login down.",
                "The `error` in the operator's log; `scopes` and `parameters` in [providers.<alias>].",
                "Ask for what the provider offers to this client.",
            ),
            Self::ProviderUnknown => row(
                "provider_unknown",
                "There is no such way to log in here.",
                "The alias in the address against [providers.*].",
                "Log in from the application.",
            ),
            Self::ProviderUnreachable => FailureRow {
                code: Code::LoginUnavailable,
                ..row(
                    "provider_unreachable",
                    "The identity provider does not answer. Who is logged in already may go on.",
                    "Whether this machine reaches the provider: `portcullis check`.",
                    "Try again in a moment.",
                )
            },
            Self::RedirectUriNotRegistered => row(
                "redirect_uri_not_registered",
                "The provider does not know where to send you back to.",
                "The redirect URI at the provider against what `portcullis check` prints.",
                "Register the redirect URI at the provider, to the last character.",
            ),
            Self::StateUnknown => row(
                "state_unknown",
                "This login was not begun in this browser, or long ago.",
                "Whether the login took more than ten minutes, or was begun in another browser.",
                "Log in again from the application.",
            ),
            Self::StoreUnavailable => FailureRow {
                code: Code::LoginUnavailable,
                ..row(
                    "store_unavailable",
                    "Your session cannot be kept at the moment.",
                    "`/readyz` and the log: the store cannot be written.",
                    "Try again in a moment.",
                )
            },
            Self::SubjectMismatch => row(
                "subject_mismatch",
                "The provider now speaks about somebody else.",
                "Whether the provider mixes up its sessions.",
                "Log in again.",
            ),
            Self::TokenEndpointRefused => row(
                "token_endpoint_refused",
                "The provider did not complete the login.",
                "The `error` in the operator's log.",
                "Log in again; if it stays, the client is set up wrong at the provider.",
            ),
            Self::TooManyFailures => FailureRow {
                code: Code::RateLimited,
                ..row(
                    "too_many_failures",
                    "Too many logins from your network have failed.",
                    "Who fails from that address: the decision log. `guard.failures` says how often is too often.",
                    "Wait a minute, and log in again from the application.",
                )
            },
            Self::UserinfoMismatch => row(
                "userinfo_mismatch",
                "The provider says two different things about who you are.",
                "Whether `sub` of the userinfo answer is that of the ID token.",
                "Set `userinfo = false`, or mend the provider.",
            ),
            Self::UserinfoUnreadable => row(
                "userinfo_unreadable",
                "The provider did not say who you are.",
                "Whether the userinfo endpoint answers this client with JSON.",
                "Set `userinfo = false` where the ID token says enough.",
            ),
        }
    }
}
