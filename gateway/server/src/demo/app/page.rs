//! The page for people: one file, nothing fetched, no script.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{Html, IntoResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;

const PAGE: &str = include_str!("page.html");

/// Allows the page's own style sheet by its hash, and nothing else at all.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let after = PAGE.split_once("<style>").map_or("", |(_, after)| after);
    let style = after.split_once("</style>").map_or("", |(style, _)| style);
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

pub(super) async fn home() -> impl IntoResponse {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY.as_str()), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Html(PAGE))
}
