//! `portcullis keys`, the built program against a running gateway.

use portcullis_tests::binary::{Ran, run, run_fed, run_with};
use portcullis_tests::site::{Setup, Site};
use serde_json::{Value, json};

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

#[tokio::test(flavor = "multi_thread")]
async fn changes_what_is_named_and_takes_away_what_is_cleared() {
    let site = start().await;
    let make = ["create", "--name", "n", "--role", "readers", "--scope", "s", "--metadata", "tier=3", "--metadata"];
    let make =
        [&make[..], &["project=a", "--limit", "60/min:10", "--address", "127.0.0.1", "--route", "home"]].concat();
    let rehearsed = keys(&site, &[&make[..], &["--dry-run"]].concat()).await;
    assert_eq!((rehearsed.code, &rehearsed.json()["secret"]), (Some(0), &Value::Null));
    let made = keys(&site, &[&make[..], &["--format", "json"]].concat()).await.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["metadata"], json!({ "tier": 3, "project": "a" }));
    assert_eq!(made["limits"], json!([{ "rate": "60/min", "burst": 10 }]));

    let patch = ["patch", id, "--name", "m", "--owner", "ops", "--role", "writers", "--clear", "addresses", "--clear"];
    let patch = [&patch[..], &["limits", "--if-match"]].concat();
    let ran = keys(&site, &[&patch[..], &["99"]].concat()).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.starts_with("412 Precondition Failed: "), "{ran:#?}");
    let ran = keys(&site, &["patch", id, "--name", "m", "--dry-run"]).await;
    assert_eq!((ran.code, &ran.json()["name"]), (Some(0), &json!("m")));
    assert_eq!(keys(&site, &["show", id]).await.json()["name"], "n", "it was rehearsed");
    let changed = keys(&site, &[&patch[..patch.len() - 1], &["--expires-in", "never"]].concat()).await;
    let changed = changed.json();
    let told = json!([changed["name"], changed["owner"], changed["roles"], changed["addresses"], changed["limits"]]);
    assert_eq!(told, json!(["m", "ops", ["writers"], [], []]));
    let kept = json!([changed["scopes"], changed["metadata"], changed["routes"], changed["expires_at"]]);
    assert_eq!(kept, json!([["s"], { "tier": 3, "project": "a" }, ["home"], null]));
    assert_eq!(keys(&site, &["revoke", id, "--dry-run"]).await.json()["state"], "revoked");
    assert_eq!(keys(&site, &["show", id]).await.json()["state"], "active", "it was rehearsed");

    let wrong: [(&[&str], &str); 4] = [
        (&[], "nothing is to be changed: name what"),
        (&["--role", "readers", "--clear", "roles"], "`roles` is both given and cleared"),
        (&["--limit", "60/min:few"], "write it as `60/min` or `60/min:10`"),
        (&["--metadata", "tier"], "write it as NAME=JSON"),
    ];
    for (arguments, says) in wrong {
        let ran = keys(&site, &[&["patch", id], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotates_a_secret_on_the_screen_or_into_a_file() {
    let site = start().await;
    let mut client = site.h1().await;
    let made = keys(&site, &["create", "--name", "k", "--role", "readers", "--secret-file", "k.key"]).await;
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:#?}");
    let first = site.files.read("k.key").trim().to_owned();
    assert_eq!(client.get("/", &[("x-api-key", &first)]).await.status, 200);
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(site.files.path("k.key")).unwrap().permissions())
            & 0o777,
        0o600
    );
    let id = first.split('_').nth(2).unwrap();
    assert!(!made.stderr.contains(&first) && made.stderr.contains(id), "{made:#?}");

    let ran = keys(&site, &["rotate", id, "--secret-file", "k.key"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("`k.key` is there already"), "{ran:#?}");
    let ran = keys(&site, &["rotate", "000000000000", "--secret-file", "new.key"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(!site.files.path("new.key").exists(), "no secret, no file");
    let ran = keys(&site, &["rotate", id, "--dry-run"]).await;
    assert_eq!((ran.code, &ran.json()["secret"]), (Some(0), &Value::Null));

    let rotated = keys(&site, &["rotate", id, "--overlap", "1h"]).await;
    assert_eq!((rotated.code, rotated.stdout.lines().count()), (Some(0), 1), "{rotated:#?}");
    let second = rotated.stdout.trim();
    for secret in [&*first, second] {
        assert_eq!(client.get("/", &[("x-api-key", secret)]).await.status, 200);
    }
    let told = keys(&site, &["rotate", id, "--expires-in", "1d", "--format", "json"]).await.json();
    let third = told["secret"].as_str().unwrap();
    for (secret, status) in [(&*first, 401), (second, 401), (third, 200)] {
        assert_eq!(client.get("/", &[("x-api-key", secret)]).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_a_credential_from_a_file_or_standard_input() {
    let site = start().await;
    let secret = std::fs::read_to_string(&site.gateway.admin_key_file).unwrap();
    std::fs::remove_file(&site.gateway.admin_key_file).unwrap();
    let config = site.files.path("config/here.toml");
    let list = ["keys", "list", "--config", config.to_str().unwrap()];
    let fed = [&list[..], &["--stdin"]].concat();
    assert_eq!(run_fed(site.files.root(), &fed, &secret).await.code, Some(0));
    site.files.write("mine.key", &secret);
    let from = |file| [&list[..], &["--key-file", file]].concat();
    assert_eq!(run(site.files.root(), &from("mine.key")).await.code, Some(0));
    for (ran, says) in [
        (run_fed(site.files.root(), &fed, "\n").await, "standard input holds no key"),
        (run(site.files.root(), &from("none.key")).await, "`none.key` cannot be read"),
        (run(site.files.root(), &[&fed[..], &["--key-file", "mine.key"]].concat()).await, "cannot be used with"),
    ] {
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
    }
    let sessions = ["sessions", "list", "--config", config.to_str().unwrap(), "--key-file", "mine.key"];
    assert_eq!(run(site.files.root(), &sessions).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_more_keys_than_stand_on_one_page() {
    let site = start().await;
    for at in 0..201 {
        super::make(&site, &json!({ "name": format!("key{at}") })).await;
    }
    assert_eq!(keys(&site, &["list"]).await.stdout.lines().count(), 201);
    let listed = keys(&site, &["list", "--format", "json"]).await.json();
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["next_cursor"]), (201, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_for_keys_and_shows_none() {
    let site = start().await;
    let made = super::make(&site, &json!({ "name": "k" })).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let hidden = secret.rsplit('_').next().unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let scan = async |arguments: &[&str]| run(folder.path(), &[&["keys", "scan"], arguments].concat()).await;

    write("src/fine.txt", format!("{}{}", &secret[..secret.len() - 1], "!"));
    let ran = scan(&["."]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:#?}");
    write("src/a.env", format!("\nKEY={secret}\n"));
    write("z.bin", format!("\0{secret}"));
    std::os::unix::fs::symlink("..", folder.path().join("src/loop")).unwrap();
    let ran = scan(&["."]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(1), &*format!("./src/a.env:2:5: ptcl_live_{id}_…\n")),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("keys: 1; files: 2; binary files left out: 1; unreadable: 0"), "{ran:#?}");
    let both = scan(&["src", "z.bin", "--binary", "--format", "json"]).await;
    let told = both.json();
    assert_eq!((both.code, told["found"].as_array().unwrap().len()), (Some(1), 2));
    assert_eq!(told["found"][0], json!({ "path": "src/a.env", "line": 2, "column": 5, "env": "live", "id": id }));
    let first = scan(&["src", "z.bin", "--binary", "--most", "1", "--format", "json"]).await;
    assert_eq!((&first.json()["complete"], first.json()["found"].as_array().unwrap().len()), (&json!(false), 1));
    let fed = run_fed(folder.path(), &["keys", "scan", "-"], secret).await;
    assert_eq!((fed.code, fed.stdout.as_str()), (Some(1), &*format!("-:1:1: ptcl_live_{id}_…\n")));
    for ran in [&ran, &both, &first, &fed] {
        assert!(!format!("{ran:?}").contains(hidden), "{ran:#?}");
    }
    // What was not looked at is not clean.
    let ran = scan(&["src/fine.txt", "nowhere"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.stderr.contains("`nowhere` cannot be read"), "{ran:#?}");
}
