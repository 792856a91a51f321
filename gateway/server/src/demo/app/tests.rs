use std::io::{Read, Write};

use serde_json::json;

use crate::demo::testing::Running;

fn app() -> Running {
    Running::start(
        |listener, stop| async move { super::serve(listener, async move { drop(stop.await) }).await.is_ok() },
    )
}

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn says_what_it_does_not_have() {
    let app = app();
    for line in ["GET /nothing", "GET /api/orders/1", "GET /api/orders/x", "DELETE /api/orders/18446744073709551616"] {
        assert_eq!(app.send(line, "", "").status, 404, "{line}");
    }
    assert_eq!(app.send("PUT /api/orders", "", "").status, 405);
    assert_eq!(app.send("GET /ws", "", "").status, 400);
    assert_eq!(app.send("GET /api/slow?ms=soon", "", "").status, 400);
}

#[test]
fn keeps_orders_with_their_owner() {
    let app = app();
    assert_eq!(app.send("GET /api/orders", "", "").json(), json!({ "orders": [] }));
    let fields = format!("{JSON}x-portcullis-user: alice\r\n");
    let body = r#"{"item":"lamp","quantity":2,"owner":"mallory","id":"9"}"#;
    let made = app.send("POST /api/orders", &fields, body);
    let order = json!({ "id": "1", "owner": "alice", "item": "lamp", "quantity": 2 });
    assert_eq!((made.status, made.json()), (201, order.clone()));
    assert!(made.head.contains("location: /api/orders/1"), "{}", made.head);
    assert_eq!(app.send("GET /api/orders/1", "", "").json(), order);
    assert_eq!(app.send("GET /api/orders", "", "").json(), json!({ "orders": [order] }));
    assert_eq!(app.send("DELETE /api/orders/1", "", "").status, 204);
    assert_eq!(app.send("DELETE /api/orders/1", "", "").status, 404);
    let unowned = app.send("POST /api/orders", JSON, "{}");
    assert_eq!(unowned.json(), json!({ "id": "2", "owner": null }), "it checks nothing, and reuses no id");
}

#[test]
fn keeps_a_thousand_orders() {
    let app = app();
    let mut stream = app.connect(b"");
    let one = format!("POST /api/orders HTTP/1.1\r\nhost: a\r\n{JSON}content-length: 2\r\n\r\n{{}}");
    let last = one.replace("host: a\r\n", "host: a\r\nconnection: close\r\n");
    let writer = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || (&writer).write_all((one.repeat(1000) + &last).as_bytes()).unwrap());
    stream.read_to_end(&mut Vec::new()).unwrap();
    sending.join().unwrap();
    assert_eq!(app.send("GET /api/orders/1", "", "").status, 404);
    assert_eq!(app.send("GET /api/orders/1001", "", "").status, 200);
}

#[test]
fn echoes_what_reached_it() {
    let app = app();
    let request = b"PATCH /api/echo?b=%2f&a=1&a HTTP/1.1\r\nHost: here\r\nX-B: 1\r\nX-A: \xe9\r\nx-b: \xc3\xa9\r\n\
        TE: trailers\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Late: yes\r\n\r\n";
    let answer = app.raw(request);
    let expected = json!({
        "method": "PATCH",
        "target": "/api/echo?b=%2f&a=1&a",
        "version": "HTTP/1.1",
        "authority": null,
        "headers": [
            ["host", "here"], ["x-b", "1"], ["x-b", "\u{e9}"], ["x-a", "\u{e9}"], ["te", "trailers"],
            ["transfer-encoding", "chunked"], ["connection", "close"],
        ],
        "trailers": [["x-late", "yes"]],
        "body": { "length": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(app.send("BREW /api/echo", "", "").json()["method"], "BREW", "any method");
}

#[test]
fn serves_a_page_that_fetches_nothing() {
    let page = app().send("GET /", "", "");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    assert!(page.head.contains("default-src 'none'; style-src 'sha256-"), "{}", page.head);
    for foreign in ["<script ", "src=", "style=\"", "url(", "@import", "<link"] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
}

#[test]
fn answers_the_small_things() {
    let app = app();
    assert_eq!(app.send("GET /health", "", "").json(), json!({ "status": "ok" }));
    assert_eq!(app.send("GET /api/limited", "", "").json(), json!({ "ok": true }));
    assert_eq!(app.send("GET /api/slow?ms=1", "", "").json()["asked_ms"], 1);
    assert_eq!(app.send("HEAD /health", "", "").body, "");
}

#[test]
fn a_socket_echoes_text_and_binary() {
    let app = app();
    let mut stream = app.connect(
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let mut head = vec![0; b"HTTP/1.1 101".len()];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head, b"HTTP/1.1 101");
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    for opcode in [0x81, 0x82] {
        // Masked with zeros, as a client's frames must be masked (RFC 6455 §5.3).
        stream.write_all(&[opcode, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(frame, [opcode, 2, b'h', b'i']);
    }
}

#[test]
fn streams_and_slow_answers_end_with_the_server() {
    let mut app = app();
    let mut events = app.connect(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("id: 0\ndata: {\"n\":0}\n\n") {
        let mut byte = [0];
        events.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    let head = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    assert!(head.contains("content-type: text/event-stream") && head.contains("chunked"), "{head}");
    let mut slow = app.connect(b"GET /api/slow?ms=99999999 HTTP/1.1\r\nHost: a\r\n\r\n");
    // The server has read the slow request once it answers one sent after it on another connection.
    assert_eq!(app.send("GET /health", "", "").status, 200);
    assert!(app.stop());
    events.read_to_end(&mut Vec::new()).unwrap();
    let mut late = String::new();
    let _ = slow.read_to_string(&mut late);
    assert!(late.is_empty() || late.contains("99999999"), "{late}");
}
