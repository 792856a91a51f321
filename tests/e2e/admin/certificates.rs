//! Who may run the gateway, by certificate?

use portcullis_tests::client::{Answer, Client, tls_as};
use portcullis_tests::holders::{Holder, Vouching};
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::{binary, within};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api_keys::operator;

const ANN: &str = "spiffe://ops.test/ann";
const BOB: &str = "spiffe://ops.test/bob";
const EVE: &str = "spiffe://ops.test/eve";

/// Ann is an admin, Bob manages the keys of the project `a`; nobody has said anything of Eve.
const HOLDERS: &str = "[admin.holders]\n\"spiffe://ops.test/ann\" = { roles = [\"admin\"] }\n\
    \"spiffe://ops.test/bob\" = { roles = [\"key-manager\"], projects = [\"a\"] }\n";

fn setup(ops: &Vouching, more: &str) -> Setup {
    Setup::new()
        .route("home", "GET /", "read", "")
        .file("certs/ops.pem", ops.pem())
        .server(&format!("admin_client_certificates = {{ ca = [\"certs/ops.pem\"], name = \"san\"{more} }}"))
        .section(HOLDERS)
}

async fn door(site: &Site, holder: &Holder) -> Client {
    Client::h1_as(holder, site.gateway.admin.unwrap(), "localhost", site.ca()).await.unwrap()
}

/// Whether the handshake, or the first answer after it, fails.
async fn turned_away(site: &Site, holder: Option<&Holder>, path: &str) -> bool {
    let said = async {
        let address = site.gateway.admin.unwrap();
        let mut stream = tls_as(holder, address, "localhost", site.ca(), &[b"http/1.1"]).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await
    };
    within("an end of the handshake", said).await.is_err()
}

async fn actors(site: &Site, action: &str) -> Vec<String> {
    let rows = site.gateway.store().audit(0, 100).await.unwrap();
    rows.into_iter().filter(|row| row.action == action).map(|row| row.actor).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_past_the_handshake_without_a_certificate_that_is_vouched_for() {
    let ops = Vouching::new("ops");
    let site = setup(&ops, ", demand = \"required\"").start().await;
    let ann = ops.issue("ann", Some(ANN), 1);
    let stranger = Vouching::new("ops").issue("ann", Some(ANN), 1);
    let expired = ops.issue_until(2021, "ann", Some(ANN), 2);
    for path in ["/v1/status", "/livez", "/metrics"] {
        assert!(turned_away(&site, None, path).await, "none was shown, for {path}");
        assert!(turned_away(&site, Some(&stranger), path).await, "nobody here vouches for it, for {path}");
        assert!(turned_away(&site, Some(&expired), path).await, "it has expired, for {path}");
        assert!(!turned_away(&site, Some(&ann), path).await, "{path}");
    }
    let made = door(&site, &ann).await.post_json("/v1/keys", &[], &json!({ "name": "k" })).await;
    assert_eq!(made.status, 201, "{made:#?}");
    assert_eq!(actors(&site, "key.create").await, [format!("Certificate::\"{ANN}\"")], "the log names the holder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_may_what_the_policies_say_of_their_roles() {
    let ops = Vouching::new("ops");
    let site = setup(&ops, "").start().await;
    let mut bob = door(&site, &ops.issue("bob", Some(BOB), 1)).await;
    for (project, status) in [("a", 201), ("b", 403)] {
        let wanted = json!({ "name": "k", "roles": ["readers"], "metadata": { "project": project } });
        assert_eq!(bob.post_json("/v1/keys", &[], &wanted).await.status, status, "{project}");
    }
    assert_eq!(bob.get("/v1/status", &[]).await.problem(), (403, "forbidden".to_owned()));
    for holder in [ops.issue("eve", Some(EVE), 2), ops.issue("ann", Some("spiffe://ops.test/ann/x"), 3)] {
        assert_eq!(door(&site, &holder).await.get("/v1/keys", &[]).await.problem(), (403, "forbidden".to_owned()));
    }
    let nameless = door(&site, &ops.issue("ann", None, 4)).await.get("/v1/keys", &[]).await;
    assert_eq!(nameless.problem(), (401, "invalid_certificate".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_shown_beside_a_certificate_counts_and_a_bad_one_never_falls_through() {
    let ops = Vouching::new("ops");
    let site = setup(&ops, "").start().await;
    let mut ann = door(&site, &ops.issue("ann", Some(ANN), 1)).await;
    let (operator, nothing) = (operator(&site), site.admin().await.get("/v1/status", &[]).await);
    assert_eq!(nothing.problem(), (401, "authentication_required".to_owned()), "asked for, and not shown");
    assert_eq!(site.admin().await.get("/livez", &[]).await.status, 200);
    for bad in ["Bearer ptcl_admin_000000000000_x", "Bearer x"] {
        assert_eq!(ann.get("/v1/keys", &[("authorization", bad)]).await.status, 401, "{bad}");
    }
    let made = ann.post_json("/v1/keys", &[("authorization", &operator)], &json!({ "name": "k" })).await;
    assert_eq!((made.status.as_u16(), actors(&site, "key.create").await), (201, vec!["admin".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_opens_nothing_also_on_a_connection_that_is_open() {
    let ops = Vouching::new("ops");
    let setup = setup(&ops, ", crl = [\"certs/ops.crl\"]").file("certs/ops.crl", ops.revoking(&[7]));
    let site = setup.start().await;
    let (ann, lost) = (ops.issue("ann", Some(ANN), 1), ops.issue("ann", Some(ANN), 2));
    assert!(turned_away(&site, Some(&ops.issue("ann", Some(ANN), 7)), "/livez").await);
    let (mut open, mut following) = (door(&site, &lost).await, door(&site, &lost).await);
    assert_eq!(open.get("/v1/status", &[]).await.status, 200);
    let request = following.request("GET", "/v1/decisions", &[("accept", "text/event-stream")], "");
    let stream = following.open(request).await.unwrap();
    site.files.write("certs/ops.crl", ops.revoking(&[7, 2]));
    site.gateway.reload().await.unwrap();
    assert_eq!(open.get("/v1/status", &[]).await.problem(), (421, "misdirected_request".to_owned()));
    within("the end of the stream", Answer::read(stream)).await.unwrap();
    assert!(turned_away(&site, Some(&lost), "/v1/status").await);
    assert_eq!(door(&site, &ann).await.get("/v1/status", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_by_certificate_that_comes_again_is_answered_again() {
    let ops = Vouching::new("ops");
    let site = setup(&ops, "").start().await;
    let mut ann = door(&site, &ops.issue("ann", Some(ANN), 1)).await;
    let (body, key) = (json!({ "name": "k" }), [("idempotency-key", "5b1d2f")]);
    let first = ann.post_json("/v1/keys", &key, &body).await;
    let second = ann.post_json("/v1/keys", &key, &body).await;
    assert_eq!((second.status.as_u16(), second.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(second.json(), first.json());
    // As with another credential of the same caller: the answer is for the one that was shown.
    let mut renewed = door(&site, &ops.issue("ann", Some(ANN), 2)).await;
    let refused = renewed.post_json("/v1/keys", &key, &body).await;
    assert_eq!(refused.problem(), (409, "idempotency_conflict".to_owned()));
    assert_eq!(actors(&site, "key.create").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_the_certificate_it_is_given() {
    let ops = Vouching::new("ops");
    let site = setup(&ops, ", demand = \"required\"").start().await;
    site.files.write("ann.pem", ops.issue("ann", Some(ANN), 1).pem());
    site.files.write("keyless.pem", ops.pem());
    site.name_admin();
    for arguments in [&["keys", "list"][..], &["health"]] {
        assert_eq!(site.command(arguments).await.code, Some(1));
        let ran = site.command(&[arguments, &["--certificate", "ann.pem"]].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let ran = site.command(&[arguments, &["--certificate", "keyless.pem"]].concat()).await;
        assert!(ran.stderr.contains("`keyless.pem` holds no private key"), "{ran:#?}");
    }
    let made = site.command(&["keys", "create", "--name", "k", "--certificate", "ann.pem"]).await;
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert_eq!(actors(&site, "key.create").await, [format!("Certificate::\"{ANN}\"")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_asks_of_its_clients_is_not_asked_of_administrators() {
    let clients = Vouching::new("clients");
    let required = "client_certificates = { ca = [\"certs/clients.pem\"], demand = \"required\" }";
    let setup = Setup::new().route("home", "GET /", "read", "").file("certs/clients.pem", clients.pem());
    let site = setup.certificate(required).start().await;
    assert_eq!(site.admin().await.get("/v1/status", &[("authorization", &operator(&site))]).await.status, 200);
}

/// Start and `check` read alike: a public address needs somebody who can be known from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_is_refused_without_certificates_or_tokens() {
    let public = |setup: Setup| async move {
        let ground = setup.lay().await;
        ground.files.edit("config/portcullis.toml", "admin = \"127.0.0.1:0\"", "admin = \"0.0.0.0:0\"");
        ground
    };
    let plain = || Setup::new().route("home", "GET /", "read", "");
    let ground = public(plain()).await;
    for verb in [&["check", "--offline"][..], &["check"], &["run"]] {
        let ran = binary::run(ground.folder.path(), verb).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("`0.0.0.0:0` is not a loopback address"), "{ran:#?}");
    }
    let ops = Vouching::new("ops");
    let tokens = "[admin]\nissuers = [\"test\"]\naudiences = [\"https://admin.test\"]\n";
    for setup in [setup(&ops, ""), setup(&ops, ", demand = \"required\""), plain().section(tokens)] {
        let ground = public(setup).await;
        let ran = binary::run(ground.folder.path(), &["check", "--offline"]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        binary::spawn(ground.folder.path(), &["run"]).says("\"ready\"").await;
    }
}
