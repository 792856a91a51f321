//! Does a body reach the application only when it was judged, and then byte for byte?

mod bounds;
mod forms;
mod json;
mod matrix;
mod unsized_bodies;

use portcullis_tests::site::{Setup, Site};

/// One member of any length, nothing else.
const NOTE: &str = r#"{ "type": "object", "required": ["note"], "additionalProperties": false,
    "properties": { "note": { "type": "string" } } }"#;

/// A public route that judges bodies.
fn judging() -> Setup {
    Setup::new().route("notes", "POST /notes", "public", "body_schema = \"note.json\"\n").file("config/note.json", NOTE)
}

/// A valid body of `size` bytes; at least 12.
fn valid(size: usize) -> String {
    let body = format!(r#"{{"note":"{}"}}"#, "n".repeat(size - 11));
    assert_eq!(body.len(), size);
    body
}

/// Of the same size, but with a member that the schema does not know.
fn invalid(size: usize) -> String {
    valid(size).replace("note", "nope")
}

/// `bytes` in chunks of `size`, without the last one.
pub(crate) fn chunks(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in bytes.chunks(size) {
        all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        all.extend_from_slice(chunk);
        all.extend_from_slice(b"\r\n");
    }
    all
}

/// A head for `/notes` with `fields`, each with its line end.
fn head(fields: &str) -> String {
    format!("POST /notes HTTP/1.1\r\nHost: app.test\r\nContent-Type: application/json\r\n{fields}\r\n")
}

/// Status and `code` of a refusal said on a raw connection.
async fn refusal(site: &Site, request: &[u8]) -> (u16, String) {
    let mut raw = site.raw().await;
    // The gateway may have answered and closed before all was said.
    let _ = raw.send(request).await;
    let answer = raw.answer().await.unwrap();
    (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
}
