//! How does it end, and what does it leave behind?

use std::net::TcpListener;

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use tempfile::TempDir;

use super::Demo;

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_with_0_and_its_temporary_folder_is_gone() {
    let demo = Demo::start(&["--quiet"]).await;
    let data = demo.path("data_dir");
    assert!(data.starts_with(demo.folder.path().canonicalize().unwrap()) && data.exists());
    demo.running.signal("INT").await;
    let ran = demo.running.ended().await;
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    assert!(!data.exists());
    for port in demo.base..demo.base + 5 {
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_was_given_a_place_stays_and_is_taken_up_again() {
    let demo = Demo::start(&["--quiet", "--data-dir", "state"]).await;
    let key = std::fs::read(demo.path("admin_key_file")).unwrap();
    let ca = std::fs::read(demo.path("ca")).unwrap();
    demo.running.signal("TERM").await;
    assert_eq!(demo.running.ended().await.code, Some(0));
    let state = demo.folder.path().join("state");
    let again = Demo::start(&["--quiet", "--data-dir", state.to_str().unwrap()]).await;
    assert_eq!(std::fs::read(again.path("admin_key_file")).unwrap(), key);
    assert_eq!(std::fs::read(again.path("ca")).unwrap(), ca);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_ends_it_with_2_and_nothing_is_left() {
    for taken in 0..5 {
        let base = binary::free_ports(5);
        let holder = TcpListener::bind(("127.0.0.1", base + taken)).unwrap();
        let folder = TempDir::new().unwrap();
        let arguments = ["demo", "--quiet", "--ready-file", "ready.json", "--port-base", &base.to_string()];
        let ran = binary::run(folder.path(), &arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "port {taken}");
        assert!(ran.stderr.contains(&format!("127.0.0.1:{}", base + taken)), "port {taken}: {}", ran.stderr);
        assert!(ran.stderr.contains("stop what holds it, or choose"), "port {taken}: {}", ran.stderr);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "port {taken}: no folder, no ready file");
        drop(holder);
        for port in base..base + 5 {
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_it_cannot_use_is_refused_and_its_password_is_not_shown() {
    let folder = TempDir::new().unwrap();
    let base = binary::free_ports(5).to_string();
    for (store, says) in [
        ("redis://:hunter2@127.0.0.1:1", "cannot use the store at `127.0.0.1:1`: the store cannot be reached"),
        ("postgres://hunter2@db/x", "this names no known store: write `sqlite:…`, `redis://…` or `rediss://…`"),
        ("redis://", "`store.url` names no Redis: write `redis://HOST:PORT`"),
    ] {
        let ran = binary::run(folder.path(), &["demo", "--quiet", "--port-base", &base, "--store", store]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{store}");
        assert!(ran.stderr.contains(says) && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_redis_is_shared_by_two_demos() {
    let server = portcullis_tests::redis::Redis::start().await;
    let url = server.url();
    let (one, two) = (Demo::start(&["--store", &url]).await, Demo::start(&["--store", &url]).await);
    for (demo, key) in [(&one, &two.ready["api_key"]), (&two, &one.ready["api_key"])] {
        let ca = std::fs::read_to_string(demo.path("ca")).unwrap();
        let mut client = Client::h1(([127, 0, 0, 1], demo.base).into(), "127.0.0.1", &ca).await.unwrap();
        let asked = client.get("/api/orders", &[("x-api-key", key.as_str().unwrap())]).await;
        assert_eq!(asked.status, 200, "the key of the other");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_during_the_start_ends_it_with_0() {
    let folder = TempDir::new().unwrap();
    let base = binary::free_ports(5).to_string();
    // Its folder is made right after it began to hear signals, and long before it is ready.
    let mut demo = binary::spawn(folder.path(), &["demo", "--port-base", &base]);
    portcullis_tests::within("its folder", async {
        while std::fs::read_dir(folder.path()).unwrap().count() == 0 {
            assert!(demo.runs());
            tokio::task::yield_now().await;
        }
    })
    .await;
    demo.signal("INT").await;
    assert_eq!(demo.ended().await.code, Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
