//! `run --upstream`: no configuration at all.

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use portcullis_tests::upstream::Upstream;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn everything_needs_a_key_and_a_key_is_one_command_away() {
    let (folder, app) = (TempDir::new().unwrap(), Upstream::recording().await);
    let port = binary::free_ports(2);
    let (https, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", port + 1));
    let variables = [("PORTCULLIS_HTTPS", https.as_str()), ("PORTCULLIS_ADMIN", admin.as_str())];
    let mut gateway = binary::spawn_with(folder.path(), &["run", "--upstream", &app.url()], &variables);
    gateway.says("everything needs an API key").await;
    let ca = std::fs::read_to_string(folder.path().join("portcullis-data/tls/ca.pem")).unwrap();
    let mut client = Client::h1(https.parse().unwrap(), "127.0.0.1", &ca).await.unwrap();
    for path in ["/", "/anything/at/all"] {
        assert_eq!(client.get(path, &[]).await.problem(), (401, "authentication_required".to_owned()), "{path}");
    }

    let config = "portcullis-data/config/portcullis.toml";
    let create = ["keys", "create", "--config", config, "--name", "me", "--role", "users"];
    let key = binary::run_with(folder.path(), &create, &variables).await;
    assert_eq!(key.code, Some(0), "{}", key.stderr);
    let key = key.stdout.trim_end();
    for (method, path) in [("GET", "/"), ("POST", "/anything/at/all"), ("DELETE", "/x?y=z")] {
        assert_eq!(client.send(method, path, &[("x-api-key", key)], "").await.status, 200, "{method} {path}");
    }
    let create = ["keys", "create", "--config", config, "--name", "other", "--role", "others"];
    let other = binary::run_with(folder.path(), &create, &variables).await;
    let other = other.stdout.trim_end();
    assert_eq!(client.get("/", &[("x-api-key", other)]).await.problem(), (403, "forbidden".to_owned()));
    assert_eq!(app.requests().len(), 3);
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code, Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "all of it lies in one folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_is_refused_and_cannot_add_to_the_configuration() {
    let folder = TempDir::new().unwrap();
    for url in ["app", "http://h:1\"]\nretries = 9\n#", "${HOME}"] {
        let ran = binary::run(folder.path(), &["run", "--upstream", url]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{url}");
        assert!(ran.stderr.contains("portcullis.toml:16:"), "{url}: {}", ran.stderr);
    }
    let both = binary::run(folder.path(), &["run", "--upstream", "http://h:1", "--config", "x.toml"]).await;
    assert_eq!(both.code, Some(2));
}
