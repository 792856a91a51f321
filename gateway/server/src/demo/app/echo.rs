//! What reached the app, as JSON.

use std::fmt::Write;
use std::future::poll_fn;
use std::pin::Pin;

use aws_lc_rs::digest::{Context, SHA256};
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use serde_json::{Value, json};

/// Method, target, fields, trailers, and the body's length and hash. Reads the body without keeping it.
pub(super) async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let read = match Read::all(body).await {
        Ok(read) => read,
        Err(error) => {
            let said = json!({ "error": format!("the body ended early: {error}") });
            return (StatusCode::BAD_REQUEST, Json(said)).into_response();
        }
    };
    // HTTP/2 spreads an absolute URI over three fields; the target is `:path` (RFC 9113 §8.3.1).
    let target = match head.uri.path_and_query() {
        Some(path) if head.version == Version::HTTP_2 => path.to_string(),
        _ => head.uri.to_string(),
    };
    Json(json!({
        "method": head.method.as_str(),
        "target": target,
        "version": format!("{:?}", head.version),
        "authority": head.uri.authority().map(ToString::to_string),
        "headers": fields(&head.headers),
        "trailers": fields(&read.trailers),
        "body": { "length": read.length, "sha256": read.sha256 },
    }))
    .into_response()
}

struct Read {
    length: u64,
    sha256: String,
    trailers: HeaderMap,
}

impl Read {
    async fn all(mut body: Body) -> Result<Self, axum::Error> {
        let mut hash = Context::new(&SHA256);
        let (mut length, mut trailers) = (0_u64, HeaderMap::new());
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            match frame?.into_data() {
                Ok(data) => {
                    length = length.saturating_add(data.len() as u64);
                    hash.update(&data);
                }
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        let mut sha256 = String::with_capacity(64);
        for byte in hash.finish().as_ref() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Self { length, sha256, trailers })
    }
}

/// In the order of arrival; fields of one name stand together, as the HTTP library keeps them.
fn fields(map: &HeaderMap) -> Vec<Value> {
    map.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect()
}

/// A field's value as text: UTF-8 if it is that, else one character for each byte.
pub(super) fn text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}
