//! How does it stand? Little for everybody, all of it for the operator; and the way to make it read its files again.

use portcullis_tests::client::Client;
use portcullis_tests::redis::Redis;
use portcullis_tests::site::Setup;
use serde_json::{Value, json};

use crate::api_keys::operator;

#[tokio::test(flavor = "multi_thread")]
async fn probes_answer_everybody_and_tell_detail_to_the_operator_alone() {
    let site = Setup::new().route("home", "GET /", "read", "").server("probes = \"127.0.0.1:0\"").start().await;
    let mut admin = site.admin().await;
    let mut probes = Client::plain(site.gateway.probes.unwrap()).await.unwrap();
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let wrong: &[(&str, &str)] = &[("authorization", "Bearer ptcl_x")];
    for shown in [&[][..], wrong] {
        for client in [&mut admin, &mut probes] {
            let alive = client.get("/livez", shown).await;
            assert_eq!((alive.status.as_u16(), &*alive.body), (200, &b"ok\n"[..]));
            let ready = client.get("/readyz", shown).await;
            assert_eq!((ready.status.as_u16(), &*ready.body), (200, &b"ready\n"[..]));
            let metrics = client.get("/metrics", shown).await;
            assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
            assert!(String::from_utf8_lossy(&metrics.body).contains("portcullis_"));
        }
    }
    assert_eq!(admin.get("/readyz", auth).await.json(), admin.get("/v1/status", auth).await.json());
    // In clear text no key is asked for, and none is believed.
    assert_eq!(&*probes.get("/readyz", auth).await.body, b"ready\n");
    assert_eq!(probes.get("/v1/status", auth).await.problem(), (404, "route_not_found".to_owned()));
    assert_eq!(probes.send("POST", "/readyz", &[], "").await.problem(), (405, "method_not_allowed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_each_dependency_and_how_it_fails() {
    let site = Setup::new()
        .route("home", "GET /", "read", "")
        .route("loose", "GET /loose", "read", "authorize = { mode = \"shadow\" }\n")
        .start()
        .await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut admin = site.admin().await;
    let mut status = admin.get("/v1/status", auth).await.json();
    let dependencies = status["dependencies"].take();
    let expected = json!({ "ready": true, "dependencies": null, "unguarded_routes": ["loose"], "config": {
        "version": &*site.gateway.version(), "since": status["config"]["since"], "revision": 1, "source": "files", "pinned": false,
        "hash": status["config"]["hash"], "pending_errors": [] } });
    assert_eq!(status, expected);
    let told: Vec<_> = dependencies.as_array().unwrap().iter().map(|one| (&one["name"], &one["state"])).collect();
    let up = json!("up");
    assert_eq!(told, [(&json!("store"), &up), (&json!("tokens.test"), &up), (&json!("upstreams.app"), &up)]);
    assert!(dependencies.as_array().unwrap().iter().all(|one| one["failure_mode"].as_str().unwrap().len() > 20));

    let routes = admin.get("/v1/routes", auth).await.json();
    assert_eq!(routes["items"][0]["name"], "home");
    assert_eq!(routes["items"][0]["match"], "GET /");
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_counters_that_are_away_are_told_of() {
    let mut redis = Redis::start().await;
    let counters = format!("[counters]\nurl = \"{}\"\n", redis.url());
    let site = Setup::new().route("home", "GET /", "read", "").section(&counters).start().await;
    let operator = operator(&site);
    let told = async || {
        let status = site.admin().await.get("/v1/status", &[("authorization", &operator)]).await.json();
        let one = status["dependencies"].as_array().unwrap().iter().find(|one| one["name"] == "counters").unwrap();
        (one["state"].as_str().unwrap().to_owned(), one["detail"].as_str().unwrap().is_empty())
    };
    assert_eq!(told().await, ("up".to_owned(), true));
    redis.kill().await;
    assert_eq!(told().await, ("down".to_owned(), false));
    redis.restart().await;
    assert_eq!(told().await, ("up".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_applied_or_needless_or_refused_whole() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let reload = "/v1/config/reload";
    let before = site.gateway.version();
    assert_eq!(admin.send("POST", reload, auth, "").await.json(), json!({ "result": "unchanged" }));

    // Read by nobody until it is told to: the watch looks at other folders.
    let config = site.files.read("config/portcullis.toml");
    site.files.write("config/portcullis.toml", format!("{config}\nbroken = \n"));
    let refused = admin.send("POST", reload, auth, "").await;
    assert_eq!(refused.problem(), (422, "config_refused".to_owned()));
    let errors = refused.json()["errors"].clone();
    assert!(errors[0]["line"].as_u64().unwrap() > 1, "{errors:#}");
    assert!(errors[0]["message"].as_str().is_some_and(|message| !message.is_empty()), "{errors:#}");
    assert_eq!(site.gateway.version(), before);
    let status = admin.get("/v1/status", auth).await.json();
    assert_eq!(status["ready"], true);
    assert_eq!(status["config"]["version"], json!(&*before));
    assert_eq!(status["config"]["pending_errors"].as_array().unwrap().len(), errors.as_array().unwrap().len());
    assert_eq!(site.h1().await.get("/", &[("authorization", &site.reader())]).await.status, 200);

    site.files.write("config/portcullis.toml", config.replace("match = \"GET /\"", "match = \"GET /moved\""));
    // The watch may have been quicker.
    let applied = admin.send("POST", reload, auth, "").await;
    assert_eq!(applied.status, 200, "{applied:#?}");
    let result: Value = applied.json();
    let known = result == json!({ "result": "unchanged" })
        || result == json!({ "result": "applied", "version": &*site.gateway.version(), "warnings": [] });
    assert!(known, "{result:#}");
    assert_ne!(site.gateway.version(), before);
    assert_eq!(admin.get("/v1/status", auth).await.json()["config"]["pending_errors"], json!([]));
    assert_eq!(site.h1().await.get("/moved", &[("authorization", &site.reader())]).await.status, 200);
}
