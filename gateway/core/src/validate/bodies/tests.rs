use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::json;

use super::*;
use crate::refusal::Code;

const NUMBER: &[u8] = br#"{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}"#;

fn compile(input: Value) -> Result<Bodies, Vec<String>> {
    let route: RouteInput = serde_json::from_value(input).unwrap();
    let others = |path: &Path| (path == Path::new("n.json")).then_some(NUMBER);
    let body = route.body_schema.as_ref().map(|_| NUMBER);
    Bodies::compile(&route, Schemas { body, others: &others }, Limits::default(), 1 << 20)
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

fn headers(media: &'static str) -> HeaderMap {
    [(CONTENT_TYPE, HeaderValue::from_static(media))].into_iter().collect()
}

fn several() -> Bodies {
    compile(json!({ "body_schema": "n.json", "content_encodings": ["gzip"], "bodies": [
        { "media_type": "application/x-www-form-urlencoded", "schema": "n.json" },
        { "media_type": "multipart/form-data", "schema": "n.json", "max_parts": 2 },
        { "media_type": "image/*" },
    ] }))
    .unwrap()
}

#[test]
fn refuses_entries_that_cannot_work() {
    let refused = |bodies: Value, message: &str| {
        assert_eq!(compile(json!({ "bodies": bodies })).unwrap_err(), [message.to_owned()]);
    };
    refused(
        json!([{ "media_type": "text/csv", "schema": "n.json" }]),
        "`text/csv` cannot be judged by a schema, only JSON and forms can: leave `schema` out to let it pass unread",
    );
    refused(
        json!([{ "media_type": "text" }]),
        "`text` is not a media type: write one without parameters, `image/*` or `*/*`",
    );
    refused(
        json!([{ "media_type": "image/*" }, { "media_type": "image/png" }]),
        "`image/png` would never be asked: another entry, or `body_schema`, takes its bodies before",
    );
    refused(
        json!([{ "media_type": "text/csv", "max_parts": 3 }]),
        "`max_parts` and `max_part` are for `multipart/form-data` with a `schema`",
    );
}

#[test]
fn whoever_sends_another_body_is_told_which_are_taken() {
    let told = |bodies: &Bodies, media| bodies.want(&headers(media)).unwrap_err().detail.into_owned();
    let all = "The body must be of application/json or application/*+json or application/x-www-form-urlencoded or \
               multipart/form-data or image/*, text in UTF-8, plain or in gzip.";
    assert_eq!(told(&several(), "text/plain"), all);
    let one = compile(json!({ "body_schema": "n.json", "media_types": ["application/vnd.a+json"] })).unwrap();
    let only = "The body must be of application/vnd.a+json, text in UTF-8, without a content coding.";
    assert_eq!(told(&one, "application/json"), only);
    let mut coded = headers("application/vnd.a+json");
    coded.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(one.want(&coded).unwrap_err().detail, only);
}

#[test]
fn refuses_a_media_type_that_no_entry_takes() {
    let check = |media, expected: Result<Wanted, Code>| {
        assert_eq!(several().want(&headers(media)).map_err(|refusal| refusal.code), expected, "{media}");
    };
    check("text/plain", Err(Code::UnsupportedMediaType));
    check("application/json; charset=latin1", Err(Code::UnsupportedMediaType));
    check("application/json", Ok(Wanted::Held));
    check("application/x-www-form-urlencoded; charset=UTF-8", Ok(Wanted::Held));
    check("multipart/form-data; boundary=b", Ok(Wanted::Held));
    check("image/png", Ok(Wanted::Unread));
}

#[test]
fn judges_each_media_type_by_its_own_rule() {
    let check = |media, body: &[u8], expected: Result<Option<Value>, Code>| {
        let judged = several().judge(&headers(media), body, 1 << 20).map_err(|refusal| refusal.code);
        assert_eq!(judged.map(|judged| judged.value), expected, "{media}");
    };
    check("application/json", b"{\"n\":1}", Ok(Some(json!({ "n": 1 }))));
    check("application/json", b"n=1", Err(Code::InvalidJson));
    check("application/x-www-form-urlencoded", b"n=1", Ok(Some(json!({ "n": 1 }))));
    check("application/x-www-form-urlencoded", b"m=1", Err(Code::SchemaViolation));
    let part = b"--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n--b--";
    check("multipart/form-data; boundary=b", part, Ok(Some(json!({ "n": 1 }))));
    check("multipart/form-data; boundary=c", part, Err(Code::InvalidBody));
    check("image/png", b"\x89PNG", Ok(None));
}

#[test]
fn what_was_coded_is_judged_and_handed_on_plain() {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"{\"n\":1}").unwrap();
    let coded = encoder.finish().unwrap();
    let mut fields = headers("application/json");
    fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let judged = several().judge(&fields, &coded, 1 << 20).unwrap();
    assert_eq!(judged, Judged { value: Some(json!({ "n": 1 })), plain: Some(Bytes::from_static(b"{\"n\":1}")) });
    assert!(several().takes_off(&fields));
    fields.insert(CONTENT_ENCODING, HeaderValue::from_static("deflate"));
    assert_eq!(several().want(&fields).unwrap_err().code, Code::UnsupportedMediaType);
}
