//! A `Host` that the connection was not made for.

use portcullis_tests::client::{Client, Raw};

use super::two;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_under_another_certificate_is_misdirected() {
    let two = two().await;
    let address = two.site.address();
    for (sni, host) in [
        ("app.test", "other.test"),
        ("app.test", "other.test:8443"),
        ("app.test", "OTHER.test"),
        ("app.test", "a.wild.test"),
        ("127.0.0.1", "other.test"),
        ("other.test", "app.test"),
        ("other.test", "127.0.0.1"),
        ("other.test", "[::1]"),
        ("a.wild.test", "nobody.test"),
    ] {
        let mut raw = Raw::tls(address, sni, &two.ca).await.unwrap();
        raw.send(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.unwrap();
        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, &answer.json()["code"]), (421, &"misdirected_request".into()), "{sni} {host}");
        let mut client = Client::h2(address, sni, &two.ca).await.unwrap();
        client.authority = host.to_owned();
        let got = client.get("/a", &[]).await.problem();
        assert_eq!(got, (421, "misdirected_request".to_owned()), "{sni} {host} over HTTP/2");
    }
    assert_eq!(two.site.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_under_the_same_certificate_is_served() {
    let two = two().await;
    let address = two.site.address();
    for (sni, host) in [
        ("app.test", "APP.TEST:8443"),
        ("app.test", "localhost"),
        ("app.test", "127.0.0.1:1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "app.test"),
        ("other.test", "b.wild.test"),
        ("a.wild.test", "Other.Test"),
        // No certificate names it, so the default's settings are its own.
        ("app.test", "nobody.test"),
    ] {
        for mut client in
            [Client::h1(address, sni, &two.ca).await.unwrap(), Client::h2(address, sni, &two.ca).await.unwrap()]
        {
            client.authority = host.to_owned();
            assert_eq!(client.get("/a", &[]).await.status, 200, "{sni} {host}");
        }
    }
}
