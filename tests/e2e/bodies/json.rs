//! JSON that two parsers may read in two ways, and what is not JSON at all.

use super::{head, judging, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_two_parsers_may_read_in_two_ways() {
    let site = judging().start().await;
    let deep = format!(r#"{{"note":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let rows: Vec<(&[u8], u16, &str)> = vec![
        (br#"{"note":"a","note":"b"}"#, 400, "invalid_json"),
        (br#"{"note":"a","n\u006fte":"b"}"#, 400, "invalid_json"),
        (b"\xef\xbb\xbf{\"note\":\"a\"}", 400, "invalid_json"),
        (br#"{"note":"a"}{"note":"b"}"#, 400, "invalid_json"),
        (br#"{"note":"a"} x"#, 400, "invalid_json"),
        (b"{\"note\":\"a\"}\0", 400, "invalid_json"),
        (b"{\"note\":\"\xff\"}", 400, "invalid_json"),
        (b"{\"note\":\"\xed\xa0\x80\"}", 400, "invalid_json"),
        (br#"{"note":"\ud800"}"#, 400, "invalid_json"),
        (br#"{"note":'a'}"#, 400, "invalid_json"),
        (br#"{"note":"a",}"#, 400, "invalid_json"),
        (br#"{"note":NaN}"#, 400, "invalid_json"),
        (br#"{"note":01}"#, 400, "invalid_json"),
        (br#"{/* */"note":"a"}"#, 400, "invalid_json"),
        (b"{\"note\":\"a\nb\"}", 400, "invalid_json"),
        (b" ", 400, "invalid_json"),
        (deep.as_bytes(), 400, "invalid_json"),
        (br#"["note"]"#, 422, "schema_violation"),
        (br#"{"note":null}"#, 422, "schema_violation"),
    ];
    for (body, status, code) in rows {
        let request = [head(&format!("Content-Length: {}\r\n", body.len())).as_bytes(), body].concat();
        let shown = body[..body.len().min(40)].escape_ascii();
        assert_eq!(refusal(&site, &request).await, (status, code.to_owned()), "{shown}");
    }
    assert_eq!(refusal(&site, head("Content-Length: 0\r\n").as_bytes()).await, (400, "invalid_json".to_owned()));
    assert_eq!(refusal(&site, head("").as_bytes()).await, (400, "invalid_json".to_owned()));
    assert_eq!(site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_other_media_types_and_codings() {
    let site = judging().start().await;
    for fields in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "Content-Type: application/json, text/plain\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/json\r\nContent-Encoding: br, gzip\r\n",
    ] {
        let request =
            format!("POST /notes HTTP/1.1\r\nHost: app.test\r\n{fields}Content-Length: 12\r\n\r\n{{\"note\":\"a\"}}");
        let got = refusal(&site, request.as_bytes()).await;
        assert_eq!(got, (415, "unsupported_media_type".to_owned()), "{fields:?}");
    }
    assert_eq!(site.upstream.connections(), 0);
}
