//! The closed list of refusal codes. Public documentation is generated from it.

use http::StatusCode;

use super::Row;

type Text = &'static str;

/// What every client, log line, metric and documentation page calls one kind of refusal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Code {
    AddressDenied,
    AmbiguousPath,
    AuthenticationRequired,
    BodyTooLarge,
    BodyUnavailable,
    ClientGone,
    CorsOriginDenied,
    CredentialsConflict,
    CrossSiteRequest,
    DependencyUnavailable,
    Forbidden,
    HeadersTooLarge,
    InsufficientUserAuthentication,
    InternalError,
    InvalidApiKey,
    InvalidBody,
    InvalidCertificate,
    InvalidDpopProof,
    InvalidHost,
    InvalidJson,
    InvalidParameter,
    InvalidToken,
    KeysUnavailable,
    LoginFailed,
    LoginUnavailable,
    MalformedRequest,
    MethodNotAllowed,
    MisdirectedRequest,
    Overloaded,
    PolicyError,
    RateLimited,
    RequestTimeout,
    ResponseViolation,
    RouteDenied,
    RouteNotFound,
    SchemaViolation,
    TargetTooLong,
    UnsupportedMediaType,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnavailable,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::MalformedRequest,
        Self::InvalidHost,
        Self::AmbiguousPath,
        Self::InvalidParameter,
        Self::InvalidJson,
        Self::InvalidBody,
        Self::CredentialsConflict,
        Self::LoginFailed,
        Self::AuthenticationRequired,
        Self::InvalidToken,
        Self::InvalidApiKey,
        Self::InvalidDpopProof,
        Self::InvalidCertificate,
        Self::InsufficientUserAuthentication,
        Self::Forbidden,
        Self::PolicyError,
        Self::BodyUnavailable,
        Self::AddressDenied,
        Self::RouteDenied,
        Self::CrossSiteRequest,
        Self::CorsOriginDenied,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::TargetTooLong,
        Self::UnsupportedMediaType,
        Self::MisdirectedRequest,
        Self::SchemaViolation,
        Self::RateLimited,
        Self::HeadersTooLarge,
        Self::ClientGone,
        Self::InternalError,
        Self::UpstreamFailed,
        Self::ResponseViolation,
        Self::UpstreamUnavailable,
        Self::KeysUnavailable,
        Self::LoginUnavailable,
        Self::DependencyUnavailable,
        Self::Overloaded,
        Self::UpstreamTimeout,
    ];

    pub const fn name(self) -> &'static str {
        self.row().name
    }

    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The one place where a code gets its meaning.
    #[expect(clippy::too_many_lines, reason = "a table, one row for each code")]
    pub const fn row(self) -> Row {
        const fn row(status: u16, name: Text, title: Text, detail: Text, remedy: Text) -> Row {
            Row { name, status, title, detail, remedy }
        }
        match self {
            Self::MalformedRequest => row(
                400,
                "malformed_request",
                "Malformed request",
                "The request is not well-formed HTTP, or could be read in more than one way.",
                "Send one Host, one Content-Length or one chunked Transfer-Encoding, and field names without underscores.",
            ),
            Self::InvalidHost => row(
                400,
                "invalid_host",
                "Invalid host",
                "The Host field is missing, repeated or not a host name.",
                "Send exactly one Host field that names the server.",
            ),
            Self::AmbiguousPath => row(
                400,
                "ambiguous_path",
                "Ambiguous path",
                "The path is not in its canonical form.",
                "Send the path without dot segments, empty segments, backslashes or needless percent-encoding.",
            ),
            Self::InvalidParameter => row(
                400,
                "invalid_parameter",
                "Invalid parameter",
                "A parameter could not be read as its declared type.",
                "See `errors` for which one and what was expected.",
            ),
            Self::InvalidJson => row(
                400,
                "invalid_json",
                "Invalid JSON",
                "The body is not one well-formed JSON value.",
                "Send a single UTF-8 JSON value without duplicate members, byte order mark or trailing data.",
            ),
            Self::InvalidBody => row(
                400,
                "invalid_body",
                "Invalid body",
                "The body is not a well-formed form, or not coded as it says.",
                "See `errors`; send a form as the HTML standard writes it, with one reading.",
            ),
            Self::CredentialsConflict => row(
                400,
                "credentials_conflict",
                "Conflicting credentials",
                "The request carries more than one credential of the same kind.",
                "Send each credential once.",
            ),
            Self::AuthenticationRequired => row(
                401,
                "authentication_required",
                "Authentication required",
                "This resource needs a credential and none was sent.",
                "Log in, or send a bearer token or an API key.",
            ),
            Self::InvalidToken => row(
                401,
                "invalid_token",
                "Invalid token",
                "The bearer token does not verify.",
                "Get a fresh token for this audience from the issuer.",
            ),
            Self::InvalidApiKey => row(
                401,
                "invalid_api_key",
                "Invalid API key",
                "The API key is unknown, expired or revoked.",
                "Use a current key.",
            ),
            Self::InvalidDpopProof => row(
                401,
                "invalid_dpop_proof",
                "Invalid proof",
                "The proof that the token's key is held (`DPoP`) does not verify.",
                "Make a fresh proof for this method, this address and this token.",
            ),
            Self::InvalidCertificate => row(
                401,
                "invalid_certificate",
                "Invalid certificate",
                "The client certificate does not identify anybody here.",
                "Connect with a current certificate.",
            ),
            Self::InsufficientUserAuthentication => row(
                401,
                "insufficient_user_authentication",
                "Insufficient authentication",
                "This resource needs a stronger or more recent authentication.",
                "Authenticate again as `acr_values` and `max_age` of the challenge say.",
            ),
            Self::Forbidden => row(
                403,
                "forbidden",
                "Forbidden",
                "The policies do not permit this.",
                "Ask the operator, quoting `instance`.",
            ),
            Self::PolicyError => row(
                403,
                "policy_error",
                "Forbidden",
                "The policies could not be evaluated for this request, so it is refused.",
                "Ask the operator, quoting `instance`.",
            ),
            Self::BodyUnavailable => row(
                403,
                "body_unavailable",
                "The body cannot be judged here",
                "This route judges the body, which the proxy in front keeps to itself.",
                "Send such requests through the gateway itself, or take the body's schema from the route.",
            ),
            Self::AddressDenied => row(
                403,
                "address_denied",
                "Address denied",
                "Requests from this address are not accepted here.",
                "Ask the operator, quoting `instance`.",
            ),
            Self::RouteDenied => row(
                403,
                "route_denied",
                "Route denied",
                "This key may not be used for this.",
                "Use a key that is made for it, or have the operator add the route to the key.",
            ),
            Self::CrossSiteRequest => row(
                403,
                "cross_site_request",
                "Cross-site request",
                "An unsafe request that rides on a cookie must come from the same origin.",
                "Send it from a page of this origin.",
            ),
            Self::CorsOriginDenied => row(
                403,
                "cors_origin_denied",
                "Origin denied",
                "This origin may not use the resource from a browser.",
                "Have the operator list the origin in the route's `cors.origins`.",
            ),
            Self::RouteNotFound => row(
                404,
                "route_not_found",
                "Not found",
                "There is nothing here.",
                "Check the path, its case and its trailing slash.",
            ),
            Self::MethodNotAllowed => row(
                405,
                "method_not_allowed",
                "Method not allowed",
                "This path exists, but not for this method.",
                "Use one of the methods in `Allow`.",
            ),
            Self::RequestTimeout => row(
                408,
                "request_timeout",
                "Request timeout",
                "The request took too long to arrive.",
                "Send it again, faster.",
            ),
            Self::BodyTooLarge => row(
                413,
                "body_too_large",
                "Content too large",
                "The body is larger than this resource accepts.",
                "Send less.",
            ),
            Self::TargetTooLong => row(
                414,
                "target_too_long",
                "URI too long",
                "The request target is longer than accepted.",
                "Use a shorter path or query.",
            ),
            Self::UnsupportedMediaType => row(
                415,
                "unsupported_media_type",
                "Unsupported media type",
                "The body is not of the media type this resource accepts.",
                "Send the declared Content-Type, without content coding.",
            ),
            Self::MisdirectedRequest => row(
                421,
                "misdirected_request",
                "Misdirected request",
                "This connection was not made for that host.",
                "Open a new connection for the host.",
            ),
            Self::SchemaViolation => row(
                422,
                "schema_violation",
                "Invalid content",
                "The input is well-formed but does not fit its schema.",
                "See `errors` for where and why.",
            ),
            Self::RateLimited => {
                row(429, "rate_limited", "Too many requests", "A limit is used up.", "Wait for `Retry-After`.")
            }
            Self::HeadersTooLarge => row(
                431,
                "headers_too_large",
                "Header fields too large",
                "The header fields are too large or too many.",
                "Send fewer or smaller fields.",
            ),
            Self::ClientGone => row(
                499,
                "client_gone",
                "Client gone",
                "The client left before the answer.",
                "Nothing: this appears in logs only.",
            ),
            Self::InternalError => row(
                500,
                "internal_error",
                "Internal error",
                "The gateway failed to decide, so it refused.",
                "Report it to the operator, quoting `instance`.",
            ),
            Self::ResponseViolation => row(
                502,
                "response_violation",
                "Unexpected answer",
                "The application answered what this resource does not declare.",
                "Ask the operator, quoting `instance`.",
            ),
            Self::UpstreamFailed => {
                row(502, "upstream_failed", "Bad gateway", "The application failed to answer.", "Try again later.")
            }
            Self::UpstreamUnavailable => row(
                503,
                "upstream_unavailable",
                "Application unavailable",
                "No instance of the application can be reached.",
                "Try again after `Retry-After`.",
            ),
            Self::KeysUnavailable => row(
                503,
                "keys_unavailable",
                "Signing keys unavailable",
                "The issuer's keys cannot be had, so tokens cannot be judged.",
                "Try again after `Retry-After`; the token may be good.",
            ),
            Self::LoginFailed => row(
                400,
                "login_failed",
                "Login failed",
                "The login could not be completed.",
                "See `login_failure` for what went wrong.",
            ),
            Self::LoginUnavailable => row(
                503,
                "login_unavailable",
                "Login unavailable",
                "Nobody can log in at the moment; who is logged in already may go on.",
                "Try again after `Retry-After`.",
            ),
            Self::DependencyUnavailable => row(
                503,
                "dependency_unavailable",
                "Dependency unavailable",
                "Something needed to judge this request is down.",
                "Try again after `Retry-After`.",
            ),
            Self::Overloaded => row(
                503,
                "overloaded",
                "Overloaded",
                "The gateway is at its declared capacity.",
                "Try again after `Retry-After`.",
            ),
            Self::UpstreamTimeout => row(
                504,
                "upstream_timeout",
                "Gateway timeout",
                "The application did not answer in time.",
                "Try again later.",
            ),
        }
    }
}
