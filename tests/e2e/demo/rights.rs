//! Who may do what, once it is ready?

use std::os::unix::fs::PermissionsExt as _;

use portcullis_tests::client::Client;
use serde_json::json;
use tokio::process::Command;

use super::{Demo, modes};

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_says_where_everything_is_and_everything_answers() {
    let demo = Demo::start(&["--quiet", "--data-dir", "state"]).await;
    let (base, ready) = (demo.base, &demo.ready);
    let mut names: Vec<_> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = ["admin", "admin_key_file", "api_key", "app", "ca", "data_dir", "idp", "pid", "public", "tokens"];
    assert_eq!(names, wanted);
    assert_eq!(ready["public"], format!("https://127.0.0.1:{base}"));
    assert_eq!(ready["admin"], format!("https://127.0.0.1:{}", base + 1));
    assert_eq!(ready["idp"], format!("http://localhost:{}", base + 2));
    assert_eq!(ready["app"], format!("http://127.0.0.1:{}", base + 3));
    assert_eq!(ready["pid"], demo.running.pid());
    assert_eq!(demo.path("data_dir"), demo.folder.path().canonicalize().unwrap().join("state"));
    assert!(ready["api_key"].as_str().unwrap().starts_with("ptcl_"));

    // At once, without waiting for anything.
    let ca = std::fs::read_to_string(demo.path("ca")).unwrap();
    let at = |offset: u16| std::net::SocketAddr::from(([127, 0, 0, 1], base + offset));
    let mut public = Client::h2(at(0), "127.0.0.1", &ca).await.unwrap();
    assert_eq!(public.get("/", &[]).await.status, 200);
    let mut admin = Client::h1(at(1), "127.0.0.1", &ca).await.unwrap();
    assert_eq!(admin.get("/readyz", &[]).await.status, 200);
    let key = format!("Bearer {}", std::fs::read_to_string(demo.path("admin_key_file")).unwrap().trim());
    assert_eq!(admin.get("/v1/status", &[("authorization", &key)]).await.json()["config"]["pending_errors"], json!([]));
    let mut idp = Client::plain(at(2)).await.unwrap();
    assert_eq!(idp.get("/.well-known/openid-configuration", &[]).await.json()["issuer"], ready["idp"]);
    assert_eq!(Client::plain(at(3)).await.unwrap().get("/health", &[]).await.status, 200);
    let moved = Client::plain(at(4)).await.unwrap().get("/api/orders", &[]).await;
    assert_eq!(moved.header("location"), Some(format!("https://127.0.0.1:{base}/api/orders").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_write_readers_read_and_carol_does_nothing() {
    let demo = Demo::start(&["--quiet"]).await;
    let ca = std::fs::read_to_string(demo.path("ca")).unwrap();
    let mut client = Client::h1(([127, 0, 0, 1], demo.base).into(), "127.0.0.1", &ca).await.unwrap();
    let bearer = |user: &str| ("authorization", format!("Bearer {}", demo.ready["tokens"][user].as_str().unwrap()));
    let key = ("x-api-key", demo.ready["api_key"].as_str().unwrap().to_owned());
    let order = json!({ "item": "tea", "quantity": 1, "note": "hot" });
    // Who, and: list, echo, create, the status of a wrong body.
    let table = [
        (Some(bearer("alice")), [200, 200, 201, 422]),
        (Some(bearer("bob")), [200, 200, 403, 403]),
        (Some(bearer("carol")), [403, 403, 403, 403]),
        (Some(key), [200, 200, 403, 403]),
        (None, [401, 401, 401, 401]),
    ];
    for (who, wanted) in table {
        let fields: Vec<_> = who.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bad = json!({ "item": "tea", "quantity": 1, "price": 0 });
        let got = [
            client.get("/api/orders", &fields).await.status.as_u16(),
            client.send("PUT", "/api/echo", &fields, "x").await.status.as_u16(),
            client.post_json("/api/orders", &fields, &order).await.status.as_u16(),
            client.post_json("/api/orders", &fields, &bad).await.status.as_u16(),
        ];
        assert_eq!(got, wanted, "{who:?}");
        assert_eq!(client.get("/health", &fields).await.status, 200, "public is public for all");
    }
    let alice = bearer("alice");
    let alice = [("authorization", alice.1.as_str())];
    let id = client.post_json("/api/orders", &alice, &order).await.json()["id"].to_string();
    let path = format!("/api/orders/{}", id.trim_matches('"'));
    let bob = bearer("bob");
    let bob = [("authorization", bob.1.as_str())];
    assert_eq!(client.get(&path, &bob).await.json()["owner"], "alice");
    assert_eq!(client.send("DELETE", &path, &bob, "").await.status, 403);
    assert!(client.send("DELETE", &path, &alice, "").await.status.is_success());
    assert_eq!(client.get(&path, &bob).await.status, 404);
    // Placed by nobody the gateway knows: not even a writer may delete it, nor what is not there.
    portcullis_server::world::install_crypto();
    let app = reqwest::Client::new();
    let placed = app.post(format!("{}/api/orders", demo.ready["app"].as_str().unwrap()));
    let placed = placed.header("content-type", "application/json").header("x-portcullis-user", "dave");
    let placed: serde_json::Value =
        serde_json::from_str(&placed.body(order.to_string()).send().await.unwrap().text().await.unwrap()).unwrap();
    let path = format!("/api/orders/{}", placed["id"].as_str().unwrap());
    let refused = client.send("DELETE", &path, &alice, "").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["detail"]),
        (403, &json!("Only whoever placed an order may delete it."))
    );
    assert_eq!(client.get(&path, &bob).await.status, 200);
    assert_eq!(client.send("DELETE", "/api/orders/999", &alice, "").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_to_paste_gives_the_status_it_is_shown_with() {
    let mut demo = Demo::start(&[]).await;
    let screen = demo.running.prints("/api/limited; done; curl").await;
    let mut expected = None;
    let mut pasted = Vec::new();
    for line in &screen {
        match (line.get(..5).and_then(|start| start.trim().parse::<u16>().ok()), line.strip_prefix("    ")) {
            (Some(status), _) => expected = Some(status),
            (None, Some(command)) if expected.is_some() => {
                let ran = Command::new("sh").args(["-c", command]).output().await.unwrap();
                let text = String::from_utf8(ran.stdout).unwrap();
                let status = text.lines().last().unwrap_or_default().parse().ok();
                assert_eq!(status, expected.take(), "{command}\n{text}");
                pasted.push(status.unwrap());
            }
            (None, _) => {}
        }
    }
    assert_eq!(pasted, [200, 200, 201, 401, 403, 422, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_tokens_and_the_store_are_for_their_owner_alone() {
    let demo = Demo::start(&["--quiet", "--data-dir", "state"]).await;
    let state = demo.folder.path().join("state");
    let all = modes(&state);
    let private = |path: &std::path::Path| {
        let ending = path.extension().unwrap_or_default();
        ["key", "header", "db", "db-wal", "db-shm"].iter().any(|secret| ending == *secret)
    };
    let (mut secrets, mut open) = (0, Vec::new());
    for (path, mode) in all {
        secrets += usize::from(private(&path));
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        if (path.is_dir() && path.parent() == Some(demo.folder.path()) || private(&path)) && mode != wanted {
            open.push((path, mode));
        }
    }
    assert_eq!(open, Vec::new());
    assert!(secrets >= 6, "{secrets}");
    assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}
