use serde_json::json;

use super::*;
use crate::refusal::Code;

fn upload() -> MultipartSchema {
    let file = json!({ "type": "object", "properties": { "filename": { "type": "string", "pattern": "\\.png$" },
        "media_type": { "const": "image/png" }, "size": { "type": "integer", "maximum": 10 } } });
    let schema = json!({ "type": "object", "required": ["title", "picture"], "additionalProperties": false,
        "properties": { "title": { "type": "string", "maxLength": 5 }, "count": { "type": "integer" },
            "meta": { "type": "object", "properties": { "a": { "type": "integer" } } }, "picture": file,
            "pages": { "type": "array", "items": file } } });
    MultipartSchema::compile(schema.to_string().as_bytes(), json::Limits::default(), 4, 12).unwrap()
}

const TITLE: &str = "Content-Disposition: form-data; name=\"title\"\r\n\r\nabc";
const PICTURE: &str = "Content-Disposition: form-data; name=\"picture\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x01\r\n\x02";

fn body(parts: &[&str]) -> String {
    format!("--b\r\n{}\r\n--b--\r\n", parts.join("\r\n--b\r\n"))
}

fn refused(body: &str, code: Code, pointer: &str, message: &str) {
    let refusal = upload().check(body.as_bytes(), Some("b")).unwrap_err();
    let fault = &refusal.extra.as_ref().unwrap().errors[0];
    assert_eq!((refusal.code, &*fault.pointer, &*fault.message), (code, pointer, message), "{body:?}");
}

#[test]
fn refuses_bodies_that_readers_take_apart_differently() {
    let whole = body(&[TITLE, PICTURE]);
    let invalid = |body: &str, message: &str| refused(body, Code::InvalidBody, "", message);
    invalid(&format!("preamble\r\n{whole}"), "does not begin with its boundary");
    invalid(&format!("\r\n{whole}"), "does not begin with its boundary");
    invalid(&format!("{whole}epilogue"), "has data behind its last boundary");
    invalid(&whole.replace("--b--\r\n", ""), "does not end with its boundary");
    invalid(&whole.replacen("--b\r\n", "--b \r\n", 1), "has a boundary that does not end its line");
    invalid(&whole.replacen("--b\r\n", "--b\n", 1), "has a boundary that does not end its line");
    invalid(&whole.replace("abc", "a\n--b"), "has a boundary that does not begin a line");
    invalid(&whole.replace("abc", "a--b--"), "has a boundary that does not begin a line");
    invalid("--b--\r\n", "has no part");
    invalid(&body(&[TITLE, PICTURE, TITLE, TITLE, TITLE]), "has more parts than `max_parts` allows");
    assert_eq!(upload().check(whole.as_bytes(), None).unwrap_err().code, Code::InvalidBody);
    assert_eq!(upload().check(whole.as_bytes(), Some("b c")).unwrap_err().code, Code::InvalidBody);
}

#[test]
fn refuses_parts_whose_fields_have_two_readings() {
    let part = |from: &str, to: &str, message: &str| {
        refused(&body(&[TITLE, &PICTURE.replace(from, to)]), Code::InvalidBody, "", message);
    };
    let malformed = "has a part whose Content-Disposition is malformed";
    part("filename=\"a.png\"", "filename=\"a.png\"; filename*=UTF-8''b.php", malformed);
    part("filename=\"a.png\"", "filename=\"a.png\"; filename=\"b.php\"", malformed);
    part("filename=\"a.png\"", "filename=\"a\\\".png\"", malformed);
    part("filename=\"a.png\"", "filename=\"a.png", malformed);
    part("form-data", "attachment", malformed);
    part("a.png", "../a.png", "has a file whose name is a path or too long");
    part("a.png", "..\\\\a.png", malformed);
    part("a.png", "..", "has a file whose name is a path or too long");
    part("picture", "_charset_", "has a part without a name");
    part("; name=\"picture\"", "", "has a part without a name");
    let unknown = "has a part with a field that is not known, not true or there twice";
    part("\r\n\r\n", "\r\nContent-Type: text/html\r\n\r\n", unknown);
    part("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", unknown);
    part("\r\n\r\n", "\r\nContent-Length: 9\r\n\r\n", unknown);
    part("\r\n\r\n", "\r\nX-Other: 1\r\n\r\n", unknown);
    part("\r\n\r\n", "\r\n folded\r\n\r\n", "has a part with a folded field or a control character in it");
    part("\r\n\r\n", "\rX: 1\r\n\r\n", "has a part with a folded field or a control character in it");
    part("image/png", "image png", "has a part whose Content-Type is malformed");
    part("\r\n\r\n", "\r\n", "has a part without fields");
}

#[test]
fn refuses_what_does_not_fit_by_field_and_by_file() {
    let unfit = |parts: &[&str], pointer: &str, message: &str| {
        refused(&body(parts), Code::SchemaViolation, pointer, message);
    };
    unfit(&[TITLE], "", "required member `picture` is missing");
    unfit(&[&TITLE.replace("abc", "abcdef"), PICTURE], "/title", "must be at most 5 characters long");
    unfit(&[TITLE, &PICTURE.replace("image/png", "text/html")], "/picture/media_type", "must be `image/png`");
    unfit(&[TITLE, &PICTURE.replace("a.png", "a.php")], "/picture/filename", "must match `\\.png$`");
    unfit(&[TITLE, &PICTURE.replace('\x01', "01234567")], "/picture/size", "must be at most 10");
    unfit(&[TITLE, PICTURE, &TITLE.replace("title", "admin")], "/admin", "unexpected member");
    let text = PICTURE.replace("; filename=\"a.png\"\r\nContent-Type: image/png", "");
    refused(&body(&[TITLE, &text]), Code::InvalidBody, "/picture", "must be a file");
    refused(&body(&[TITLE, TITLE]), Code::InvalidBody, "/title", "appears more than once");
    let large = PICTURE.replace('\x01', "0123456789");
    refused(&body(&[TITLE, &large]), Code::InvalidBody, "/picture", "is larger than `max_part` allows");
}

#[test]
fn a_file_is_judged_by_its_name_its_type_and_its_size() {
    let meta = "Content-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}";
    let count = "Content-Disposition: form-data; name=count\r\n\r\n7";
    let value = upload().check(body(&[TITLE, PICTURE, meta, count]).as_bytes(), Some("b")).unwrap();
    let picture = json!({ "filename": "a.png", "media_type": "image/png", "size": 4 });
    assert_eq!(value, json!({ "title": "abc", "picture": picture, "meta": { "a": 1 }, "count": 7 }));
    let page = PICTURE.replace("picture", "pages");
    let value = upload().check(body(&[TITLE, PICTURE, &page, &page]).as_bytes(), Some("b")).unwrap();
    assert_eq!(value["pages"], json!([picture, picture]));
}
