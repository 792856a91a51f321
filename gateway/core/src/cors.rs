//! May a page of another origin use this? (Fetch standard, CORS protocol.)

#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};

use crate::config::CorsConfig;
use crate::refusal::{Code, Refusal};
use crate::request::Request;

/// The compiled rule of one route.
#[derive(Clone, Debug, Default)]
pub enum Cors {
    /// The application answers preflights itself, without an identity.
    App,
    /// No other origin.
    #[default]
    Closed,
    /// These origins, byte for byte.
    Origins { origins: Vec<HeaderValue>, headers: Vec<String>, credentials: Credentials, max_age: Duration },
}

/// Whether a browser may send cookies along.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Credentials {
    Allowed,
    #[default]
    Withheld,
}

/// How a preflight ends.
#[derive(Debug)]
pub enum Preflight {
    /// By the gateway, with these fields and no body.
    Answered(Vec<(HeaderName, HeaderValue)>),
    /// Forwarded without identity.
    Forwarded,
    Refused(Refusal),
}

/// The method a preflight asks for; `None` when this is no preflight.
pub fn requested_method(request: &Request<'_>) -> Option<Method> {
    if request.method != Method::OPTIONS || !request.headers.contains_key(header::ORIGIN) {
        return None;
    }
    let asked = request.single(header::ACCESS_CONTROL_REQUEST_METHOD.as_str())?;
    Method::from_bytes(asked.as_bytes()).ok()
}

impl Cors {
    /// How long a browser may remember a preflight where the operator does not say.
    const REMEMBERED: Duration = Duration::from_mins(10);

    /// What an operator's table grants.
    pub fn granting(config: &CorsConfig) -> Self {
        Self::Origins {
            origins: config.origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok()).collect(),
            headers: config.headers.clone(),
            credentials: if config.credentials { Credentials::Allowed } else { Credentials::Withheld },
            max_age: config.max_age.map_or(Self::REMEMBERED, |span| span.0),
        }
    }

    /// Answers a preflight for `method`.
    pub fn preflight(&self, request: &Request<'_>, method: &Method) -> Preflight {
        match self {
            Self::App => Preflight::Forwarded,
            Self::Closed => {
                Preflight::Refused(Refusal::new(Code::CorsOriginDenied).because("the route grants no origin"))
            }
            Self::Origins { headers, max_age, .. } => {
                if !self.fields(request).iter().any(|(name, _)| name == header::ACCESS_CONTROL_ALLOW_ORIGIN) {
                    return Preflight::Refused(
                        Refusal::new(Code::CorsOriginDenied).because("the origin is not in `cors.origins`"),
                    );
                }
                // Whoever answers adds `fields`, as to any answer on this route.
                let mut fields = Vec::new();
                if let Ok(method) = HeaderValue::from_str(method.as_str()) {
                    fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, method));
                }
                if let Ok(names) = HeaderValue::try_from(headers.join(", "))
                    && !headers.is_empty()
                {
                    fields.push((header::ACCESS_CONTROL_ALLOW_HEADERS, names));
                }
                fields.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(max_age.as_secs())));
                Preflight::Answered(fields)
            }
        }
    }

    /// The fields of any answer on this route, the gateway's own included.
    pub fn fields(&self, request: &Request<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let Self::Origins { origins, credentials, .. } = self else { return Vec::new() };
        let mut fields = vec![(header::VARY, HeaderValue::from_static("Origin"))];
        if let Some(origin) = request.headers.get(header::ORIGIN)
            && origins.contains(origin)
        {
            fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
            if *credentials == Credentials::Allowed {
                fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
            }
            fields.push((
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"),
            ));
        }
        fields
    }
}
