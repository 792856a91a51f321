//! Does the harness itself keep its word?

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, crypto};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Client, Ended, Raw};
use crate::idp::{ALICE, Fault, Idp, OldKeys};
use crate::keys::{Algorithm, Signer, corrupt, jwks};
use crate::redis::Redis;
use crate::upstream::{RawUpstream, Reply, Upstream};

/// A certificate for `app.test` that is its own authority, and a server that shows it.
fn self_signed(protocols: &[&[u8]]) -> (Arc<rustls::ServerConfig>, String) {
    let made = rcgen::generate_simple_self_signed(["app.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    (Arc::new(config), made.cert.pem())
}

#[tokio::test]
async fn the_upstream_records_what_came_over_http_1() {
    let upstream = Upstream::recording().await;
    let mut raw = Raw::plain(upstream.address()).await.unwrap();
    let request = "POST /a%2Fb?x=%20&x HTTP/1.1\r\nHost: h\r\nX-B: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\nTrailer: t\r\n\r\n3\r\nabc\r\n0\r\nt: v\r\n\r\n";
    raw.send(request).await.unwrap();
    assert_eq!(raw.answer().await.unwrap().json(), json!({ "ok": true }));
    let seen = upstream.only();
    assert_eq!((seen.target.as_str(), &seen.body[..], seen.complete), ("/a%2Fb?x=%20&x", &b"abc"[..], true));
    assert_eq!(
        seen.headers.keys().map(hyper::header::HeaderName::as_str).collect::<Vec<_>>()[..3],
        ["host", "x-b", "x-a"]
    );
    assert_eq!(seen.trailers.unwrap()["t"], "v");
    assert_eq!((upstream.wire(0), upstream.connections()), (request.as_bytes().to_vec(), 1));
}

#[tokio::test]
async fn both_speak_http_2_with_and_without_tls() {
    let plain = Upstream::recording().await;
    let answer = Client::h2c(plain.address()).await.unwrap().post_json("/x", &[], &json!([1])).await;
    assert_eq!((answer.status.as_u16(), plain.only().json()), (200, json!([1])));

    let (config, ca) = self_signed(&[b"h2", b"http/1.1"]);
    let secure = Upstream::recording_tls(config).await;
    let answer = Client::h2(secure.address(), "app.test", &ca).await.unwrap().get("/h2", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.version), (200, hyper::Version::HTTP_2));
    Client::h1(secure.address(), "app.test", &ca).await.unwrap().get("/h1", &[]).await;
    let mut raw = Raw::tls(secure.address(), "app.test", &ca).await.unwrap();
    raw.send("GET /raw HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await.unwrap().status, 200);
    let targets: Vec<String> = secure.wait_for(3).await.into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/h2", "/h1", "/raw"]);
    assert!(Client::h1(secure.address(), "other.test", &ca).await.is_err());
}

#[tokio::test]
async fn the_upstream_answers_as_scripted() {
    let upstream = Upstream::recording().await;
    let mut client = Client::plain(upstream.address()).await.unwrap();
    upstream.next(Reply::new(418, "short").header("x-a", "1").header("x-a", "2"));
    upstream.always(|seen| Reply::json(200, json!({ "target": seen.target }).to_string()));
    let answer = client.get("/first", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..], answer.headers.get_all("x-a").iter().count()),
        (418, &b"short"[..], 2)
    );
    assert_eq!(client.get("/second", &[]).await.json(), json!({ "target": "/second" }));

    let (reply, feed) = Reply::sse();
    upstream.next(reply);
    let request = client.request("GET", "/events", &[], "");
    let mut response = client.open(request).await.unwrap();
    feed.send("data: 1\n\n").await.unwrap();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
    let mut trailers = HeaderMap::new();
    trailers.insert("end", "1".parse().unwrap());
    feed.trailers(trailers).await.unwrap();
    while response.frame().await.is_some() {}

    let (reply, release) = Reply::ok().held();
    upstream.next(reply);
    let mut raw = Raw::plain(upstream.address()).await.unwrap();
    raw.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    upstream.wait_for(4).await;
    assert_eq!(raw.answer_within(Duration::from_millis(20)).await, Err(Ended::Silent));
    release.go();
    assert_eq!(raw.answer().await.unwrap().status, 200);
    upstream.next(Reply::closed());
    raw.send("GET /closed HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await, Err(Ended::Closed));
}

#[tokio::test]
async fn the_upstream_echoes_over_a_websocket() {
    let upstream = Upstream::recording().await;
    upstream.always(|_| Reply::websocket_echo());
    let stream = TcpStream::connect(upstream.address()).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("ws://{}/ws", upstream.address()), stream).await.unwrap();
    socket.send("hello".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap().as_str(), "hello");
}

#[tokio::test]
async fn a_raw_upstream_says_what_it_is_told() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n";
    let upstream = RawUpstream::keeping(answer).await;
    let mut raw = Raw::plain(upstream.address()).await.unwrap();
    raw.send("GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await.unwrap().status, 103);
    assert_eq!(raw.answer().await.unwrap().body, b"ok");
    assert_eq!(upstream.heads(), [b"GET / HTTP/1.1\r\n\r\n"]);
    let closing = RawUpstream::closing("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let mut raw = Raw::plain(closing.address()).await.unwrap();
    raw.send("GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(raw.answer().await, Err(Ended::Closed));
}

#[test]
fn signed_tokens_verify_with_the_published_key_and_bent_ones_do_not() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm, "k1");
        let jwk: Jwk = serde_json::from_value(jwks([&signer])["keys"][0].clone()).unwrap();
        let key = DecodingKey::from_jwk(&jwk).unwrap();
        let name: jsonwebtoken::Algorithm = algorithm.name().parse().unwrap();
        let verify = |token: &str| {
            let (head, signature) = token.rsplit_once('.').unwrap();
            crypto::verify(signature, head.as_bytes(), &key, name).unwrap_or(false)
        };
        let token = signer.sign_with(&json!({ "typ": null }), &json!({ "sub": "a" }));
        assert!(verify(&token), "{algorithm:?}");
        assert!(!verify(&corrupt(&token)), "{algorithm:?}");
    }
}

#[tokio::test]
async fn the_provider_signs_faults_and_rotates() {
    let idp = Idp::start().await;
    let claims = |token: &str| -> Value { jsonwebtoken::dangerous::insecure_decode(token).unwrap().claims };
    let token = idp.token(json!({ "groups": ["writers"] })).await;
    assert_eq!((&claims(&token)["sub"], &claims(&token)["groups"]), (&json!(ALICE), &json!(["writers"])));
    assert_eq!(claims(&idp.machine_token().await)["iss"], idp.issuer());
    let mut client = Client::plain(idp.issuer().trim_start_matches("http://").parse().unwrap()).await.unwrap();
    idp.fault("/jwks", Fault::Status(503), Some(1)).await;
    assert_eq!(client.get("/jwks", &[]).await.status, 503);
    let before = client.get("/jwks", &[]).await.json()["keys"].as_array().unwrap().len();
    assert_eq!((before, idp.rotate(OldKeys::Keep).await.len()), (2, 4));
    assert_eq!(idp.counters().await["GET /jwks"], 2);
}

#[tokio::test]
async fn redis_can_be_paused_killed_and_restarted() {
    let mut redis = Redis::start().await;
    let client = ::redis::Client::open(redis.url()).unwrap();
    let ping = async || {
        let mut connection = client.get_multiplexed_async_connection().await?;
        ::redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    assert_eq!(ping().await.unwrap(), "PONG");
    redis.pause().await;
    assert!(ping().await.is_err());
    redis.resume().await;
    assert_eq!(ping().await.unwrap(), "PONG");
    redis.kill().await;
    assert!(ping().await.is_err());
    redis.restart().await;
    assert_eq!(ping().await.unwrap(), "PONG");
}
