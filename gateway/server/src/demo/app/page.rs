//! The page for people: one file, nothing fetched from elsewhere.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{Html, IntoResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;

const PAGE: &str = include_str!("page.html");

/// Allows the page's own style sheet and script by their hashes, and questions to its own origin. Forms are not
/// restricted: browsers would hold the way from a logout to the provider to it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let after = PAGE.split_once(&format!("<{tag}>")).map_or("", |(_, after)| after);
        let own = after.split_once(&format!("</{tag}>")).map_or("", |(own, _)| own);
        STANDARD.encode(digest(&SHA256, own.as_bytes()))
    };
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
        hash("style"),
        hash("script")
    )
});

pub(super) async fn home() -> impl IntoResponse {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY.as_str()), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Html(PAGE))
}
