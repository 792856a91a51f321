//! Keys and health, asked of a gateway that runs.

use portcullis_tests::binary::{self, Ran};
use portcullis_tests::site::{Setup, Site};
use serde_json::json;

/// A gateway, and beside its configuration one that names the port its admin listener got.
async fn site() -> Site {
    let site = Setup::new().route("item", "GET /items/{id}", "read", "").start().await;
    site.name_admin();
    site
}

async fn ask(site: &Site, arguments: &[&str]) -> Ran {
    site.command(arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_used_listed_shown_and_revoked() {
    let site = site().await;
    let made =
        ask(&site, &["keys", "create", "--name", "laptop", "--owner", "me@example.com", "--role", "readers"]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let secret = made.stdout.trim_end();
    assert!(secret.starts_with("ptcl_live_") && !secret.contains('\n'), "stdout is the secret alone: {secret}");
    assert!(!made.stderr.contains(secret), "stderr is no place for it");
    let mut client = site.h1().await;
    assert_eq!(client.get("/items/1", &[("x-api-key", secret)]).await.status, 200);

    let listed = ask(&site, &["keys", "list", "--format", "json"]).await;
    let key = listed.json()["items"][0].clone();
    assert_eq!(
        (&key["name"], &key["owner"], &key["roles"]),
        (&json!("laptop"), &json!("me@example.com"), &json!(["readers"]))
    );
    assert_eq!((&key["state"], &key["secret"]), (&json!("active"), &json!(null)));
    let id = key["id"].as_str().unwrap();
    let listed = ask(&site, &["keys", "list", "--owner", "nobody@example.com"]).await;
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), ""));
    let shown = ask(&site, &["keys", "show", id]).await;
    assert_eq!((shown.code, shown.json()), (Some(0), key.clone()));

    let revoked = ask(&site, &["keys", "revoke", id]).await;
    assert_eq!((revoked.code, &revoked.json()["state"]), (Some(0), &json!("revoked")));
    assert_eq!(client.get("/items/1", &[("x-api-key", secret)]).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_changed() {
    let site = site().await;
    let made = ask(&site, &["keys", "create", "--name", "laptop", "--role", "readers"]).await;
    let before = made.stdout.trim_end();
    let listed = ask(&site, &["keys", "list", "--format", "json"]).await;
    let id = listed.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let mut client = site.h1().await;

    let rotated = ask(&site, &["keys", "rotate", &id, "--overlap", "1h"]).await;
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    assert!(rotated.stderr.contains("the old one holds for 1h") && rotated.stdout.lines().count() == 1, "{rotated:?}");
    let after = rotated.stdout.trim_end();
    for secret in [before, after] {
        assert_eq!(client.get("/items/1", &[("x-api-key", secret)]).await.status, 200);
    }
    let last = ask(&site, &["keys", "rotate", &id]).await;
    assert!(last.stderr.contains("the old one is dead"), "{last:?}");
    for secret in [before, after] {
        assert_eq!(client.get("/items/1", &[("x-api-key", secret)]).await.status, 401);
    }
    assert_eq!(client.get("/items/1", &[("x-api-key", last.stdout.trim_end())]).await.status, 200);

    let changed = ask(&site, &["keys", "patch", &id, r#"{"name": "tower", "roles": []}"#]).await;
    assert_eq!((changed.code, &changed.json()["name"]), (Some(0), &json!("tower")), "{changed:?}");
    assert_eq!(client.get("/items/1", &[("x-api-key", last.stdout.trim_end())]).await.status, 403, "it lost its role");

    let stale = ask(&site, &["keys", "patch", &id, r#"{"name": "x"}"#, "--if-match", "\"1\""]).await;
    assert_eq!((stale.code, stale.stdout.as_str()), (Some(1), ""));
    assert!(stale.stderr.contains("412"), "{}", stale.stderr);
    let wrong = ask(&site, &["keys", "patch", &id, "[]"]).await;
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""));
    assert!(wrong.stderr.contains("a change is a JSON object"), "{}", wrong.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_is_a_finding_with_its_reason() {
    let site = site().await;
    let ran = ask(&site, &["keys", "show", "nosuchkey"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("there is no key with this id"), "{}", ran.stderr);
    let ran = ask(&site, &["keys", "create", "--name", "x", "--role", "not a role"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("/roles: each of 1 to 64 letters"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_can_be_revoked_while_the_policies_on_disk_are_at_fault() {
    let site = site().await;
    site.files.write("policies/test.cedar", "permit (");
    assert_eq!(ask(&site, &["keys", "list"]).await.code, Some(0));
    assert_eq!(ask(&site, &["health"]).await, Ran { code: Some(0), stdout: String::new(), stderr: String::new() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_for_another_name_will_do_for_the_admin_api() {
    let ground = Setup::new().route("item", "GET /items/{id}", "read", "").lay().await;
    // What the README's `openssl req -x509` makes: its own authority, and here not even for the address.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["app.example.com".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ground.files.write("certs/app.pem", parameters.self_signed(&key).unwrap().pem());
    ground.files.write("certs/app.key", key.serialize_pem());
    let port = binary::free_ports(1);
    ground.files.edit("config/portcullis.toml", "admin = \"127.0.0.1:0\"", &format!("admin = \"127.0.0.1:{port}\""));
    let mut gateway = binary::spawn(ground.folder.path(), &["run"]);
    gateway.says("\"ready\"").await;
    let ran = binary::run(ground.folder.path(), &["keys", "list"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);

    // But only that very certificate.
    ground.files.write(
        "config/other.toml",
        ground.files.read("config/portcullis.toml").replace("certs/app.pem", "certs/other.pem"),
    );
    ground.files.write("certs/other.pem", ground.authority.pem());
    let ran = binary::run(ground.folder.path(), &["keys", "list", "--config", "config/other.toml"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("cannot be reached"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_0_while_it_runs_and_1_when_it_is_down() {
    let site = site().await;
    assert_eq!(ask(&site, &["health"]).await, Ran { code: Some(0), stdout: String::new(), stderr: String::new() });
    let port = binary::free_ports(1);
    site.files.edit("config/client.toml", &site.gateway.admin.unwrap().to_string(), &format!("127.0.0.1:{port}"));
    let ran = ask(&site, &["health"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let told = format!("no gateway answers at `127.0.0.1:{port}` (`server.admin`): ");
    assert!(ran.stderr.starts_with(&told), "{}", ran.stderr);
    let told = ask(&site, &["health", "--format", "json"]).await.json();
    assert_eq!((&told["ready"], &told["config_errors"]), (&json!(false), &json!([])), "{told}");
    let ran = ask(&site, &["keys", "list"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(
        ran.stderr.contains(&format!("the admin API at `https://127.0.0.1:{port}` cannot be reached")),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_ask_the_gateway_and_not_the_files_that_were_broken_since() {
    let site = site().await;
    let sound = site.files.read("config/client.toml");
    for broken in [
        format!("{sound}\n[[routes]]\nnme = 1\n"),
        sound.replace("upstream = \"app\"", "upstream = \"ap\""),
        // Not even TOML.
        format!("{sound}\n[[routes]\nname = \"a\n"),
        format!("{sound}\n[providers.a]\nissuer = \"${{NOT_SET_HERE}}\"\n"),
    ] {
        assert_ne!(broken, sound);
        site.files.write("config/client.toml", broken);
        let ran = ask(&site, &["health"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:#?}");
        let told =
            "warning: the files of `config/client.toml` are at fault, and the gateway goes on with what it had: ";
        assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
        let told = ask(&site, &["health", "--format", "json"]).await.json();
        assert_eq!(told["ready"], true);
        assert!(!told["config_errors"].as_array().unwrap().is_empty());
        let ran = ask(&site, &["keys", "list", "--format", "json"]).await;
        assert_eq!((ran.code, &ran.json()["items"]), (Some(0), &json!([])), "{ran:#?}");
        assert!(ran.stderr.starts_with("warning: the files of `config/client.toml` are at fault, "), "{}", ran.stderr);
    }
    // Which certificate is the gateway's cannot be told: the fault is, and no key is shown.
    let bent = format!("{}\n[[routes]\n", sound.replace("cert = \"", "cert = \"gone-"));
    assert!(bent.contains("gone-"));
    site.files.write("config/client.toml", bent);
    let ran = ask(&site, &["keys", "list"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.stderr.starts_with("config/client.toml:"), "{}", ran.stderr);
    // Nothing is left of it: the gateway is looked for where one is by default, and shown no key.
    site.files.write("config/client.toml", "[server");
    let ran = ask(&site, &["health"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("so it was looked for by defaults"), "{}", ran.stderr);
    let ran = ask(&site, &["keys", "list"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.starts_with("config/client.toml:1:"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_admin_key_is_said_with_its_place() {
    let site = site().await;
    std::fs::remove_file(&site.gateway.admin_key_file).unwrap();
    let ran = ask(&site, &["keys", "list"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(
        ran.stderr.starts_with("there is no admin key in `data/admin.key`: start the gateway once"),
        "{}",
        ran.stderr
    );
}
