//! Does the application answer what its routes declare, and does nobody see what it should not have said?

mod held;
mod shadow;

use portcullis_tests::client::{Answer, Client};
use portcullis_tests::site::{Setup, Site};

const NOTE: &str = r##"{ "type": "object", "required": ["note"], "properties": { "note": { "type": "string" },
    "owner": { "$ref": "#/$defs/owner" } }, "$defs": { "owner": { "type": "object", "properties": { "name": {} } } } }"##;

const GOOD: &str = r#"{"note":"n"}"#;

/// A public route for notes whose answers are judged, with `more` about them; and one where nothing is judged.
fn judging(mode: &str, more: &str) -> Setup {
    let responses = format!(
        "responses = {{ mode = \"{mode}\", schemas = [{{ status = \"200\", schema = \"answer.json\" }}, \
         {{ status = \"200\", media_type = \"text/event-stream\" }}, {{ status = \"4XX\" }}]{more} }}\n"
    );
    Setup::new()
        .file("config/answer.json", NOTE)
        .file("config/note.json", NOTE)
        .route("notes", "GET|PUT /notes", "public", &responses)
        .route("judged", "POST /notes", "public", &format!("body_schema = \"note.json\"\n{responses}"))
        .route("timely", "GET /timely", "public", &format!("timeout = \"300ms\"\n{responses}"))
        .route("free", "GET /free", "public", "")
}

async fn enforcing() -> Site {
    judging("enforce", "").start().await
}

/// One client of each protocol.
async fn both(site: &Site) -> [Client; 2] {
    [site.h1().await, site.h2().await]
}

/// What a caller learns of an answer that does not fit: nothing but that.
fn refused(answer: &Answer) {
    assert_eq!(answer.problem(), (502, "response_violation".to_owned()));
    assert!(answer.json().get("errors").is_none(), "{answer:#?}");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("secret") && !text.contains("/note"), "{text}");
}
