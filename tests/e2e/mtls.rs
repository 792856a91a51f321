//! Who is calling, by certificate?

use portcullis_tests::client::{Client, tls_as};
use portcullis_tests::holders::{Holder, Vouching};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WORKER: &str = "spiffe://a.test/worker";

/// Two routes, one for holders of certificates that `clients` vouches for, one for whoever has a token.
fn setup(clients: &Vouching, asked: &str) -> Setup {
    Setup::new()
        .route("machine", "GET /machine", "machines", "authenticate = [\"mtls\"]\n")
        .route("page", "GET /page", "read", "authenticate = [\"jwt\"]\n")
        .schema("action \"machines\";")
        .policies(
            r#"@id("machines") permit (principal is Certificate, action in Action::"machines", resource)
            when { principal.sans.contains("uri:spiffe://a.test/worker") && principal.subject == "CN=worker" };"#,
        )
        .file("certs/clients.pem", clients.pem())
        .certificate(&format!("client_certificates = {{ ca = [\"certs/clients.pem\"]{asked} }}"))
}

async fn h1(site: &Site, holder: &Holder) -> Client {
    Client::h1_as(holder, site.address(), "app.test", site.ca()).await.unwrap()
}

/// Whether the handshake, or the first answer after it, fails.
async fn turned_away(site: &Site, holder: Option<&Holder>, sni: &str) -> bool {
    let said = async {
        let mut stream = tls_as(holder, site.address(), sni, site.ca(), &[b"http/1.1"]).await?;
        stream.write_all(b"GET /machine HTTP/1.1\r\nHost: app.test\r\n\r\n").await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await
    };
    within("an end of the handshake", said).await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_judged_by_route_and_policy_and_the_application_learns_of_it() {
    let clients = Vouching::new("clients");
    let site = setup(&clients, ", name = \"san\"").start().await;
    let (worker, other) =
        (clients.issue("worker", Some(WORKER), 1), clients.issue("worker", Some("spiffe://b.test/x"), 2));
    let stranger = Vouching::new("clients").issue("worker", Some(WORKER), 1);
    assert_eq!(site.h1().await.get("/machine", &[]).await.problem(), (401, "authentication_required".to_owned()));
    assert_eq!(h1(&site, &other).await.get("/machine", &[]).await.problem(), (403, "forbidden".to_owned()));
    assert!(turned_away(&site, Some(&stranger), "app.test").await, "nobody here vouches for it");
    let nameless = clients.issue("worker", None, 3);
    assert_eq!(
        h1(&site, &nameless).await.get("/machine", &[]).await.problem(),
        (401, "invalid_certificate".to_owned())
    );
    assert_eq!(site.upstream.connections(), 0);

    assert_eq!(h1(&site, &worker).await.get("/machine", &[]).await.status, 200);
    let mut h2 = Client::h2_as(&worker, site.address(), "app.test", site.ca()).await.unwrap();
    assert_eq!(h2.get("/machine", &[]).await.status, 200);
    assert_eq!(h2.get("/page", &[]).await.problem(), (401, "authentication_required".to_owned()));
    for seen in site.upstream.requests() {
        assert_eq!((seen.header("x-portcullis-user"), seen.header("x-portcullis-auth")), (Some(WORKER), Some("mtls")));
    }
    let lines = site.log("logs/access.jsonl").await;
    let told = lines.iter().rfind(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(told["portcullis.principal"], format!("Certificate::\"{WORKER}\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_the_key_names_its_holder_whatever_certificate_it_is_in() {
    let clients = Vouching::new("clients");
    let site = setup(&clients, "").start().await;
    let worker = clients.issue("worker", Some(WORKER), 1);
    assert_eq!(h1(&site, &worker).await.get("/machine", &[]).await.status, 200);
    assert_eq!(site.upstream.only().header("x-portcullis-user"), Some(worker.spki().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_may_demand_one_in_the_handshake_and_another_name_none() {
    let clients = Vouching::new("clients");
    let site = setup(&clients, ", demand = \"required\"")
        .certificate("hosts = [\"app.test\"]")
        .section("[[tls.certificates]]\ncert = \"certs/app.pem\"\nkey = \"certs/app.key\"\nhosts = [\"localhost\"]\n")
        .start()
        .await;
    assert!(turned_away(&site, None, "app.test").await, "none was shown");
    let worker = clients.issue("worker", Some(WORKER), 1);
    assert_eq!(h1(&site, &worker).await.get("/machine", &[]).await.status, 200);
    // The door of another name does not lead here.
    let mut open = Client::h1(site.address(), "localhost", site.ca()).await.unwrap();
    assert_eq!(open.get("/page", &[]).await.problem(), (401, "authentication_required".to_owned()));
    open.authority = "app.test".to_owned();
    assert_eq!(open.get("/machine", &[]).await.problem(), (421, "misdirected_request".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_turned_away_also_on_a_connection_that_is_open() {
    let clients = Vouching::new("clients");
    let site = setup(&clients, ", crl = [\"certs/clients.crl\"]")
        .file("certs/clients.crl", clients.revoking(&[7]))
        .start()
        .await;
    let (worker, late) = (clients.issue("worker", Some(WORKER), 1), clients.issue("worker", Some(WORKER), 2));
    assert!(turned_away(&site, Some(&clients.issue("worker", Some(WORKER), 7)), "app.test").await);
    let (mut first, mut second) = (h1(&site, &worker).await, h1(&site, &late).await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.get("/machine", &[]).await.status, 200);
    }
    site.files.write("certs/clients.crl", clients.revoking(&[7, 2]));
    site.gateway.reload().await.unwrap();
    assert_eq!(second.get("/machine", &[]).await.problem(), (421, "misdirected_request".to_owned()));
    assert!(turned_away(&site, Some(&late), "app.test").await);
    assert_eq!(h1(&site, &worker).await.get("/machine", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_bound_to_a_certificate_is_good_on_its_connections_only() {
    let clients = Vouching::new("clients");
    let site = setup(&clients, "").start().await;
    let (worker, thief) = (clients.issue("worker", Some(WORKER), 1), clients.issue("thief", None, 2));
    let mut claims = site.claims("rita", &["readers"]);
    claims["cnf"] = json!({ "x5t#S256": worker.thumbprint() });
    let token = format!("Bearer {}", site.signer.sign(&claims));
    let auth: &[(&str, &str)] = &[("authorization", &token)];
    let refused = (401, "invalid_token".to_owned());
    assert_eq!(site.h1().await.get("/page", auth).await.problem(), refused);
    assert_eq!(h1(&site, &thief).await.get("/page", auth).await.problem(), refused);
    assert_eq!(h1(&site, &worker).await.get("/page", auth).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_together_is_refused_at_start() {
    let clients = Vouching::new("clients");
    let said = |setup: Setup| async move {
        let (error, _folder) = setup.try_start().await.map(|_| "started").unwrap_err();
        error.to_string()
    };
    let unasked = Setup::new().route("machine", "GET /machine", "read", "authenticate = [\"mtls\"]\n");
    let told = said(unasked).await;
    assert!(told.contains("`mtls` needs `client_certificates` in one of [[tls.certificates]]"), "{told}");
    let told = said(setup(&clients, "").file("certs/clients.pem", "no certificate")).await;
    assert!(told.contains("certs/clients.pem") && told.contains("holds no certificate"), "{told}");
    let told = said(setup(&clients, ", crl = [\"certs/gone.crl\"]")).await;
    assert!(told.contains("certs/gone.crl"), "{told}");
    let other = "[[tls.certificates]]\ncert = \"certs/app.pem\"\nkey = \"certs/app.key\"\nhosts = [\"localhost\"]\n\
        client_certificates = { ca = [\"certs/app.pem\"], name = \"san\" }\n";
    let told = said(setup(&clients, ", name = \"san\"").section(other)).await;
    assert!(told.contains("stands beside other authorities than before"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_certificate_is_revoked() {
    let clients = Vouching::new("clients");
    let site = setup(&clients, ", crl = [\"certs/clients.crl\"]")
        .file("certs/clients.crl", clients.revoking(&[7]))
        .start()
        .await;
    let (reply, _feed) = Reply::sse();
    site.upstream.next(reply);
    let mut client = h1(&site, &clients.issue("worker", Some(WORKER), 2)).await;
    let request = client.request("GET", "/machine", &[], "");
    let mut response = within("the head of a stream", client.open(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    site.files.write("certs/clients.crl", clients.revoking(&[7, 2]));
    site.gateway.reload().await.unwrap();
    let cut = async { while let Some(Ok(_)) = http_body_util::BodyExt::frame(response.body_mut()).await {} };
    within("the stream to be cut", cut).await;
}
