//! Are forms and files judged by their schema, and forwarded as they came?

use std::io::Write as _;

use portcullis_tests::site::Setup;

const UPLOAD: &str = r#"{ "type": "object", "required": ["title"], "additionalProperties": false, "properties": {
    "title": { "type": "string", "maxLength": 5 }, "count": { "type": "integer" },
    "file": { "type": "object", "properties": { "filename": {}, "media_type": { "const": "image/png" }, "size": {} } } } }"#;

fn uploading() -> Setup {
    let keys = r#"bodies = [
        { media_type = "application/x-www-form-urlencoded", schema = "upload.json" },
        { media_type = "multipart/form-data", schema = "upload.json" },
        { media_type = "application/json", schema = "upload.json" },
        { media_type = "image/*" },
    ]
    content_encodings = ["gzip", "deflate"]
    "#;
    Setup::new().route("upload", "POST /upload", "public", keys).file("config/upload.json", UPLOAD)
}

fn multipart(kind: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nabc\r\n--b\r\nContent-Disposition: form-data; \
         name=\"file\"; filename=\"a.png\"\r\nContent-Type: {kind}\r\n\r\n\u{1}\r\n\u{2}\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn nothing_reaches_the_application_that_does_not_fit() {
    let site = uploading().start().await;
    let mut client = site.h1().await;
    let form = "application/x-www-form-urlencoded";
    let coded = [("content-type", "application/json"), ("content-encoding", "br")];
    for (fields, body, status) in [
        (&[("content-type", form)][..], "title=longer", 422),
        (&[("content-type", form)], "title=a&admin=true", 422),
        (&[("content-type", form)], "title=a&title=b", 400),
        (&[("content-type", form)], "title=a&count=1.0", 400),
        (&[("content-type", "multipart/form-data; boundary=b")], &multipart("text/html"), 422),
        (&[("content-type", "multipart/form-data; boundary=c")], &multipart("image/png"), 400),
        (&[("content-type", "multipart/form-data")], &multipart("image/png"), 400),
        (&[("content-type", "text/plain")], "title=a", 415),
        (&coded, "{\"title\":\"a\"}", 415),
        (&[("content-type", "application/json"), ("content-encoding", "gzip")], "{\"title\":\"a\"}", 400),
    ] {
        let answer = client.send("POST", "/upload", fields, body.to_owned()).await;
        assert_eq!(answer.status, status, "{fields:?} {body}");
    }
    assert!(site.upstream.requests().is_empty());
}

#[tokio::test]
async fn what_fits_reaches_the_application_byte_for_byte() {
    let site = uploading().start().await;
    let mut client = site.h1().await;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "title=a%20b&count=2"),
        ("multipart/form-data; boundary=b", &*multipart("image/png")),
        ("image/png", "\u{89}PNG"),
    ] {
        let answer = client.send("POST", "/upload", &[("content-type", kind)], body.to_owned()).await;
        assert_eq!(answer.status, 200, "{kind}");
        let seen = site.upstream.requests().pop().unwrap();
        assert_eq!((&seen.body[..], seen.header("content-type")), (body.as_bytes(), Some(kind)));
    }
}

#[tokio::test]
async fn a_coded_body_reaches_the_application_as_it_was_judged() {
    let site = uploading().start().await;
    let mut client = site.h2().await;
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let coded =
        [("content-type", "application/json"), ("content-encoding", "gzip"), ("content-digest", "sha-256=:AAAA:")];
    let bomb = gzip(format!("{{\"title\":\"{}\"}}", "a".repeat(900_000)).as_bytes());
    assert_eq!(client.send("POST", "/upload", &coded, bomb).await.problem(), (413, "body_too_large".to_owned()));
    let unfit = gzip(b"{\"title\":\"longer\"}");
    assert_eq!(client.send("POST", "/upload", &coded, unfit).await.problem(), (422, "schema_violation".to_owned()));
    let twice = [gzip(b"{\"title\":\"a\"}"), gzip(b"{}")].concat();
    assert_eq!(client.send("POST", "/upload", &coded, twice).await.problem(), (400, "invalid_body".to_owned()));
    assert_eq!(client.send("POST", "/upload", &coded, gzip(b"{\"title\":\"a\"}")).await.status, 200);
    let seen = site.upstream.only();
    assert_eq!((&seen.body[..], seen.header("content-length")), (&b"{\"title\":\"a\"}"[..], Some("13")));
    assert_eq!((seen.header("content-encoding"), seen.header("content-digest")), (None, None));
}
