use portcullis_tests::proxy::Proxy;

use super::{documented, site};

#[tokio::test(flavor = "multi_thread")]
async fn nginx_lets_through_whom_the_gateway_would() {
    let site = site().await;
    let place = Proxy::place();
    let folder = site.files.path("proxy");
    let proxy = Proxy::nginx(place, &documented("nginx", &site, &place.to_string()), &folder).await;
    let (reader, writer) = (site.reader(), site.writer());
    let mut client = proxy.client().await;

    assert_eq!(client.get("/", &[]).await.status, 200, "a public page");
    site.upstream.only();
    let refused = client.get("/things/1", &[("x-portcullis-user", "root")]).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"), "{refused:?}");
    assert_eq!(client.get("/nowhere", &[]).await.status, 404);
    let posted = client.send("POST", "/things/1", &[("authorization", &reader)], "").await;
    assert_eq!(posted.status, 403, "a reader");
    assert_eq!(client.get("/things/1", &[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/")]).await.status, 401);
    assert_eq!(site.upstream.heads(), 1, "none of these came through");

    let forged = [("authorization", writer.as_str()), ("x-portcullis-user", "root"), ("x-portcullis-email", "r@x")];
    let posted = client.send("POST", "/things/1?a=b", &forged, "a body").await;
    assert_eq!(posted.status, 200, "{posted:?}");
    let seen = site.upstream.requests().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.target.as_str(), &seen.body[..]), ("POST", "/things/1?a=b", &b"a body"[..]));
    let told = ["user", "groups", "auth", "email"].map(|name| seen.header(&format!("x-portcullis-{name}")));
    assert_eq!(told, [Some("wanda"), Some("\"writers\""), Some("jwt"), None]);
    assert!(seen.header("x-portcullis-assertion").is_some());
    assert_eq!(seen.header("authorization"), None);

    let long = format!("__Host-portcullis=s; long={}; theme=dark", "x".repeat(6_000));
    let kept = long.trim_start_matches("__Host-portcullis=s; ");
    for (shown, expected) in [(&*long, Some(kept)), ("__Host-portcullis=s", None)] {
        assert_eq!(client.get("/", &[("cookie", shown)]).await.status, 200);
        assert_eq!(site.upstream.requests().pop().unwrap().header("cookie"), expected, "a session stays from it");
    }

    assert_eq!(client.get("/few", &[("authorization", &reader)]).await.status, 200);
    let limited = client.get("/few", &[("authorization", &reader)]).await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after").is_some()), (429, true));
    assert_eq!(client.get("/decide", &[]).await.status, 404, "nobody asks it from outside");
    assert_eq!(client.get("/_portcullis/jwks.json", &[]).await.status, 200);
}
