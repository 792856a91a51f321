//! What does `portcullis check` find out before the first login does?

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_tests::binary;
use portcullis_tests::idp::{Fault, Idp};
use portcullis_tests::upstream::{Reply, Upstream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::{idp, idp_with, setup};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What `check` says of the provider; `public_url` is where browsers come, and who vouches for it.
async fn findings(idp: &Idp, public: Option<(&str, &str)>) -> Vec<String> {
    let ground = setup(idp, "").lay().await;
    let mut variables = Vec::new();
    let file = ground.files.path("front.pem").display().to_string();
    if let Some((url, authority)) = public {
        let (usual, other) = ("public_url = \"https://app.test\"", format!("public_url = \"{url}\""));
        ground.files.edit("config/portcullis.toml", usual, &other);
        ground.files.write("front.pem", authority);
        variables.push(("SSL_CERT_FILE", file.as_str()));
    }
    let ran = binary::run_with(ground.folder.path(), &["check", "--format", "json"], &variables).await;
    assert_eq!(ran.code, Some(0), "what is down now does not keep a gateway from starting: {ran:#?}");
    let warnings = ran.json()["warnings"].take();
    let ours = |warning: &Value| warning.as_str().unwrap().strip_prefix("providers.test: ").map(str::to_owned);
    warnings.as_array().unwrap().iter().filter_map(ours).collect()
}

fn begins(found: &[String], expected: &str) {
    assert!(matches!(found, [one] if one.starts_with(expected)), "`{expected}` in {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_tried() {
    let idp = idp().await;
    assert_eq!(findings(&idp, None).await, Vec::<String>::new());
    idp.tamper(json!({ "path": DISCOVERY, "merge": { "issuer": "https://evil.example" } })).await;
    begins(&findings(&idp, None).await, "issuer_mismatch: the discovery document is that of another issuer");
    idp.heal().await;
    for fault in [Fault::Status(503), Fault::Status(404), Fault::Reset, Fault::Garbage, Fault::Hang] {
        idp.fault(DISCOVERY, fault, None).await;
        begins(&findings(&idp, None).await, "provider_unreachable: ");
        idp.heal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redirect_uri_is_tried() {
    for others in ["https://app.test/_portcullis/callback/other", "https://app.test/_portcullis/callback/test/"] {
        let idp = idp_with(&[("IDP_REDIRECT_URIS", others)]).await;
        let expected = "redirect_uri_not_registered: the provider does not take \
                        `https://app.test/_portcullis/callback/test` for `client_id`; register it there";
        assert_eq!(findings(&idp, None).await, [expected], "{others}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_compared() {
    for (skew, found) in [("5", false), ("-5", false), ("90", true), ("-90", true)] {
        let idp = idp_with(&[("IDP_DATE_SKEW", skew)]).await;
        let all = findings(&idp, None).await;
        if found {
            begins(&all, "clock_skew: its clock and ours differ by ");
        } else {
            assert_eq!(all, Vec::<String>::new(), "{skew}");
        }
    }
}

/// Something before the gateway, at an address that `check` believes.
async fn front() -> (Upstream, Authority) {
    portcullis_server::world::install_crypto();
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = SystemTime::now();
    let valid = Validity { from: now - Duration::from_hours(1), until: now + Duration::from_hours(1) };
    let authority = Authority::generate("front authority", valid).unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()].into();
    let leaf = Leaf { subject: "front".to_owned(), names, purposes: vec![Purpose::Server], valid };
    let issued = authority.issue(&leaf).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.pem().as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    (Upstream::recording_tls(Arc::new(config)).await, authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookies_of_a_login_are_looked_at_where_browsers_come() {
    let (front, authority) = front().await;
    let idp = idp_with(&[("IDP_REDIRECT_URIS", &format!("{}/_portcullis/callback/test", front.url()))]).await;
    let good = "__Host-portcullis-flow-0aaaaaaaaaaaaaaa=v; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax";
    let with =
        |cookie: &str| Reply::new(302, "").header("location", "https://idp.example").header("set-cookie", cookie);
    let (mut asked, url) = (0, front.url());
    for (reply, expected) in [
        (with(good), None),
        (with(&good.replace("Path=/", "Path=/app")), Some("`Path=/` of the gateway's cookies gets lost")),
        (with(&good.replace("; Secure", "")), Some("`Secure` of the gateway's cookies gets lost")),
        (with(&good.replace("=Lax", "=None")), Some("`SameSite=Lax` of the gateway's cookies gets lost")),
        (with(&format!("{good}; Domain=localhost")), Some("the gateway's cookies get a `Domain`")),
        (Reply::new(404, "nothing here"), Some("the login there sets no cookie of the gateway's")),
        // A gateway that runs with what was configured before.
        (Reply::new(400, "provider_unknown"), None),
        (Reply::closed(), None),
    ] {
        front.next(reply);
        let found = findings(&idp, Some((&url, authority.pem()))).await;
        asked += 1;
        assert!(front.requests().iter().all(|seen| seen.target == "/_portcullis/login?provider=test"));
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{asked}"),
            Some(told) => begins(&found, &format!("cookie_not_returned: at `{url}` {told}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_for_the_host_where_people_log_in() {
    let idp = idp().await;
    let told = "no certificate is for `other.test`, the host of `public_url`, where people log in";
    for (more, found) in [("", true), ("trusted_proxies = [\"192.0.2.1\"]\n", false)] {
        let ground = setup(&idp, "").server(more).lay().await;
        let (usual, other) = ("public_url = \"https://app.test\"", "public_url = \"https://other.test\"");
        ground.files.edit("config/portcullis.toml", usual, other);
        let ran = binary::run(ground.folder.path(), &["check", "--offline"]).await;
        assert_eq!((ran.code, ran.stdout.contains(told)), (Some(0), found), "{ran:#?}");
    }
}
