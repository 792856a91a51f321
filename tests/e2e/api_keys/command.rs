//! `portcullis keys`, the built program against a running gateway.

use portcullis_tests::binary::{Ran, run, run_with};
use portcullis_tests::site::{Setup, Site};
use serde_json::Value;

async fn start() -> Site {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    // The tests' listeners take any free port; the command line reads the port from the configuration.
    let address = site.gateway.admin.unwrap();
    let config = site.files.read("config/portcullis.toml");
    site.files.write("config/here.toml", config.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{address}\"")));
    site
}

async fn keys(site: &Site, arguments: &[&str]) -> Ran {
    let config = site.files.path("config/here.toml");
    let arguments = [&["keys"], arguments, &["--config", config.to_str().unwrap()]].concat();
    run(site.files.root(), &arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_lists_shows_and_revokes_keys() {
    let site = start().await;
    let mut client = site.h1().await;

    let made =
        keys(&site, &["create", "--name", "nightly", "--role", "readers", "--owner", "ops", "--expires-in", "1d"])
            .await;
    assert_eq!((made.code, made.stdout.lines().count()), (Some(0), 1), "{made:#?}");
    let secret = made.stdout.trim();
    assert_eq!(client.get("/", &[("x-api-key", secret)]).await.status, 200);

    let listed = keys(&site, &["list", "--format", "json"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    let items: Value = serde_json::from_str(&listed.stdout).unwrap();
    let id = items["items"][0]["id"].as_str().unwrap();
    assert_eq!(items["items"][0]["owner"], "ops");
    assert_eq!(keys(&site, &["list", "--owner", "dev"]).await.stdout, "");
    let listed = keys(&site, &["list", "--owner", "ops"]).await;
    assert!(listed.stdout.starts_with(&format!("{id}  active    nightly ")), "{listed:#?}");
    let shown = keys(&site, &["show", id]).await;
    let record: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(record["expires_at"].as_i64().unwrap() - record["created_at"].as_i64().unwrap(), 86_400);
    assert_eq!(keys(&site, &["revoke", id]).await.code, Some(0));
    assert_eq!(client.get("/", &[("x-api-key", secret)]).await.problem(), (401, "invalid_api_key".to_owned()));
    for ran in [listed, shown, keys(&site, &["list"]).await, keys(&site, &["show", id]).await] {
        assert!(!format!("{ran:?}").contains(secret.rsplit('_').next().unwrap()), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_was_wrong_and_exits_accordingly() {
    let site = start().await;
    let check = |ran: Ran, code: i32, says: &str| {
        assert_eq!(ran.code, Some(code), "{ran:#?}");
        assert!(ran.stderr.contains(says), "`{says}` is not in {ran:#?}");
        assert_eq!(ran.stdout, "");
    };
    check(keys(&site, &["create", "--name", ""]).await, 1, "/name: 1 to 100 characters");
    check(
        keys(&site, &["create", "--name", "k", "--expires-in", "soon"]).await,
        1,
        "/expires_in: `soon` is not a span of time",
    );
    check(keys(&site, &["create", "--name", "k", "--role", "a b"]).await, 1, "/roles: each of 1 to 64 letters");
    check(keys(&site, &["show", "000000000000"]).await, 1, "404 Not Found: there is no key with this id");
    check(keys(&site, &["revoke", "../config"]).await, 2, "an id is letters and digits");
    check(keys(&site, &["create"]).await, 2, "--name <NAME>");
    check(run(site.files.root(), &["keys", "list", "--config", "/nowhere.toml"]).await, 2, "/nowhere.toml");

    let config = site.files.path("config/here.toml");
    let list = ["keys", "list", "--config", config.to_str().unwrap()];
    check(
        run_with(site.files.root(), &list, &[("PORTCULLIS_ADMIN_KEY", "ptcl_x")]).await,
        1,
        "401 Unauthorized: this is not the admin key",
    );
    std::fs::remove_file(&site.gateway.admin_key_file).unwrap();
    check(run(site.files.root(), &list).await, 1, "there is no admin key");
    let address = site.gateway.admin.unwrap();
    let Site { gateway, files, .. } = site;
    gateway.stop().await;
    let config = files.path("config/here.toml");
    let list = ["keys", "list", "--config", config.to_str().unwrap()];
    let ran = run_with(files.root(), &list, &[("PORTCULLIS_ADMIN_KEY", "ptcl_x")]).await;
    check(ran, 1, &format!("the admin API at `https://{address}` cannot be reached"));
}
