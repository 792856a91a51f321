//! The provider's pages: one frame, one style sheet, no script, nothing fetched.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use openidconnect::url::Url;
use serde_json::Value;

use super::Person;

const STYLE: &str = include_str!("page.css");

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(digest(&SHA256, STYLE.as_bytes())));

pub(super) struct Page<'a> {
    pub(super) status: StatusCode,
    pub(super) title: &'a str,
    /// Markup; whatever was not written here is escaped in it.
    pub(super) body: String,
    /// Where the answer to a form may lead besides here: browsers hold redirects to `form-action` too.
    pub(super) forms_to: Option<&'a str>,
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        let mut policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
            *STYLE_HASH
        );
        let origin = self.forms_to.and_then(|url| Url::parse(url).ok()).map(|url| url.origin().ascii_serialization());
        if let Some(origin) = origin {
            // Writing to a string cannot fail.
            let _ = write!(policy, " {origin}");
        }
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let fields = [
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            // `no-referrer` would make the `Origin` of our own forms `null`.
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        let page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{STYLE}</style></head>\
             <body><main>{}</main><footer>Portcullis demo identity provider, for development only</footer></body></html>",
            escape(self.title),
            self.body
        );
        (self.status, fields, Html(page)).into_response()
    }
}

/// A page that ends something. A text between backticks is shown as code.
pub(super) fn stop(status: StatusCode, title: &str, why: &str) -> Response {
    let mut said = String::new();
    for (n, piece) in escape(why).split('`').enumerate() {
        let _ = if n % 2 == 1 { write!(said, "<code>{piece}</code>") } else { write!(said, "{piece}") };
    }
    let body = format!("<h1>{}</h1><p class=\"lead\">{said}</p>", escape(title));
    Page { status, title, body, forms_to: None }.into_response()
}

/// One of the people, to be picked; the likely one has the focus, so that Enter is enough.
pub(super) fn person_button(person: &Person, likely: bool, disabled: bool) -> String {
    let focus = if likely { " autofocus" } else { "" };
    format!(
        "<button class=\"pick\" name=\"user\" value=\"{name}\"{focus}>{}</button>",
        person_words(person, disabled),
        name = escape(&person.name)
    )
}

pub(super) fn person_words(person: &Person, disabled: bool) -> String {
    let groups = if person.groups.is_empty() { "no group".to_owned() } else { person.groups.join(", ") };
    let shown = person.shown();
    let initial: String = shown.chars().take(1).collect();
    format!(
        "<span class=\"face\" aria-hidden=\"true\">{}</span><span class=\"who\"><b>{}</b><small>{}{}</small></span>",
        escape(&initial),
        escape(&person.name),
        escape(&groups),
        if disabled { " · disabled" } else { "" },
    )
}

/// Whether claims are for this client.
pub(super) fn is_for(claims: &Value, client: &str) -> bool {
    match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == client),
        Some(audience) => audience == client,
        None => false,
    }
}

/// INVARIANT: nothing reaches a page unescaped but our own constants.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
