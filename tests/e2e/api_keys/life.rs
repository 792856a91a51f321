//! What a key opens, and when it opens nothing any more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::identify::{KeyText, Minted};
use portcullis_server::world::store::AuditVerdict;
use portcullis_tests::clock::TestClock;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::{Value, json};

use super::{make, operator};

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key of form and checksum, with this id and a secret nobody was given.
fn forged(id: &str) -> Minted {
    let id: Vec<u8> = id.chars().map(|c| u8::try_from(ALPHABET.find(c).unwrap()).unwrap()).collect();
    KeyText::mint("live", &id, &[7; 64]).unwrap()
}

async fn start() -> Site {
    Setup::new().route("home", "GET /", "read", "").route("change", "POST /", "write", "").start().await
}

fn secret(key: &Value) -> &str {
    key["secret"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_end_soon_are_counted_before_they_do() {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    for (name, expires_in) in [("hours", "20h"), ("days", "6d"), ("weeks", "29d"), ("usual", "90d"), ("never", "never")]
    {
        make(&site, &json!({ "name": name, "expires_in": expires_in })).await;
    }
    let revoked = make(&site, &json!({ "name": "revoked", "expires_in": "1h" })).await;
    let now = site.gateway.now();
    site.gateway.store().keys.revoke(revoked["id"].as_str().unwrap(), "test", now).await.unwrap().unwrap();
    // They are counted at the start, and every minute.
    let site = site.restart(|_| {}).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    let value = |metrics: &str, name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    };
    let counted = within("a count", async {
        loop {
            let metrics = site.metrics().await;
            let of = |within: &str| value(&metrics, &format!("portcullis_api_keys_expiring{{within=\"{within}\"}}"));
            if let (Some(day), Some(week), Some(month)) = (of("1d"), of("7d"), of("30d")) {
                return ([day, week, month], value(&metrics, "portcullis_api_key_next_expiry_timestamp_seconds"));
            }
        }
    })
    .await;
    assert_eq!(counted.0, ["1", "2", "3"]);
    let next = counted.1.unwrap().parse::<f64>().unwrap() - f64::from(u32::try_from(now.seconds()).unwrap());
    assert!((70_000.0..73_000.0).contains(&next), "in 20 hours: {next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_key_is_refused_in_the_same_words() {
    let clock = Arc::new(TestClock::default());
    let site = Setup::new().route("home", "GET /", "read", "").clock(&clock).start().await;
    let (mut client, mut admin) = (site.h1().await, site.admin().await);
    let good = make(&site, &json!({ "name": "good", "roles": ["readers"], "expires_in": "never" })).await;
    let short = make(&site, &json!({ "name": "short", "roles": ["readers"], "expires_in": "1h" })).await;
    let revoked = make(&site, &json!({ "name": "revoked", "roles": ["readers"] })).await;
    for key in [&good, &short, &revoked] {
        assert_eq!(client.get("/", &[("x-api-key", secret(key))]).await.status, 200);
    }
    let path = format!("/v1/keys/{}", revoked["id"].as_str().unwrap());
    assert_eq!(admin.send("DELETE", &path, &[("authorization", &operator(&site))], "").await.status, 200);
    clock.advance(Duration::from_hours(1));
    let before = site.upstream.heads();

    let id = good["id"].as_str().unwrap();
    let (wrong, unknown) = (forged(id), forged("000000000000"));
    let (cut, last) = secret(&good).split_at(secret(&good).len() - 1);
    let mistyped = format!("{cut}{}", if last == "0" { "1" } else { "0" });
    let mut bodies = Vec::new();
    for (what, text) in [
        ("wrong secret", wrong.text.expose()),
        ("unknown id", unknown.text.expose()),
        ("wrong checksum", &mistyped),
        ("no key at all", "ptcl_"),
        ("another environment's", &secret(&good).replace("_live_", "_test_")),
        ("revoked", secret(&revoked)),
        ("expired", secret(&short)),
    ] {
        for fields in [("x-api-key", text.to_owned()), ("authorization", format!("Bearer {text}"))] {
            let answer = client.get("/", &[(fields.0, &fields.1)]).await;
            assert_eq!(answer.problem(), (401, "invalid_api_key".to_owned()), "{what}");
            let challenge = answer.header("www-authenticate").unwrap().to_owned();
            let mut body = answer.json();
            for own in ["instance", "request_id"] {
                body.as_object_mut().unwrap().remove(own);
            }
            bodies.push((challenge, body));
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    assert_eq!(site.upstream.heads(), before, "only good keys reached the application");
    assert_eq!(client.get("/", &[("x-api-key", secret(&good))]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_its_roles_may_and_no_more() {
    let site = start().await;
    let mut client = site.h1().await;
    for (role, read, write) in [("readers", 200, 403), ("writers", 200, 200), ("others", 403, 403)] {
        let key = make(&site, &json!({ "name": role, "roles": [role] })).await;
        let bearer = format!("Bearer {}", secret(&key));
        for field in [("x-api-key", secret(&key)), ("authorization", bearer.as_str())] {
            assert_eq!(client.get("/", &[field]).await.status, read, "{role}");
            assert_eq!(client.post_json("/", &[field], &json!({})).await.status, write, "{role}");
        }
        if read == 200 {
            let seen = site.upstream.requests().pop().unwrap();
            assert_eq!(seen.header("x-portcullis-user"), key["id"].as_str());
            assert_eq!(seen.header("x-portcullis-auth"), Some("api_key"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_told_whole_once_and_kept_as_a_hash() {
    let clock = Arc::new(TestClock::default());
    let site = Setup::new().route("home", "GET /", "read", "").clock(&clock).start().await;
    let (mut client, mut admin) = (site.h1().await, site.admin().await);
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let wanted =
        json!({ "name": "n", "owner": "o", "roles": ["readers"], "scopes": ["s"], "metadata": { "team": "t" } });
    let made = admin.post_json("/v1/keys", auth, &wanted).await;
    let key = made.json();
    let id = key["id"].as_str().unwrap();
    assert_eq!(made.header("location"), Some(&*format!("/v1/keys/{id}")));
    assert_eq!(made.header("cache-control"), Some("no-store"));
    assert!(secret(&key).starts_with(&format!("ptcl_live_{id}_")));
    let text = secret(&key).to_owned();
    let mut shown = key.clone();
    shown.as_object_mut().unwrap().remove("secret");
    let now = site.gateway.now().seconds();
    let expected = json!({ "id": id, "name": "n", "owner": "o", "roles": ["readers"], "scopes": ["s"],
        "metadata": { "team": "t" }, "created_at": now, "expires_at": now + 90 * 86_400, "revoked_at": null,
        "plan": null, "limits": [], "addresses": [], "routes": [], "last_used_at": null, "uses": 0,
        "old_secret_until": null, "state": "active" });
    assert_eq!(shown, expected);
    assert_eq!(admin.get(&format!("/v1/keys/{id}"), auth).await.json(), expected);
    assert_eq!(admin.get("/v1/keys", auth).await.json(), json!({ "items": [expected], "next_cursor": null }));

    // Used well, used badly, and put where it does not belong.
    let bearer = format!("Bearer {text}");
    assert_eq!(client.get("/", &[("authorization", &bearer)]).await.status, 200);
    assert_eq!(client.get("/", &[("x-api-key", &text), ("authorization", "Bearer ptcl_x")]).await.status, 400);
    assert_eq!(client.get(&format!("/?api_key={text}"), &[]).await.status, 401);
    assert_eq!(client.get(&format!("/nowhere?api_key={text}"), &[("x-other", &text)]).await.status, 404);
    assert!(!site.metrics().await.contains(&text));
    let status = admin.get("/v1/status", auth).await;
    assert!(!String::from_utf8_lossy(&status.body).contains(&text));

    let root = site.files.path("");
    let admin_key = site.admin_key();
    site.gateway.stop().await;
    let (_, secret_part) = text.rsplit_once('_').unwrap();
    let (_, admin_part) = admin_key.rsplit_once('_').unwrap();
    let mut files = 0;
    each_file(&root, &mut |path, bytes| {
        files += 1;
        let holds = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!holds(secret_part), "{} holds the key's secret", path.display());
        assert!(path.ends_with("admin.key") || !holds(admin_part), "{} holds the admin key", path.display());
    });
    assert!(files > 8, "the store, the logs and the configuration were looked at");
}

fn each_file(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, look);
        } else {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_dead_at_once_and_stays_on_record() {
    let site = start().await;
    let (mut client, mut admin) = (site.h1().await, site.admin().await);
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let key = make(&site, &json!({ "name": "k", "roles": ["readers"] })).await;
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    let shown: &[(&str, &str)] = &[("x-api-key", secret(&key))];
    for _ in 0..3 {
        assert_eq!(client.get("/", shown).await.status, 200);
    }
    assert_eq!(admin.send("DELETE", &path, auth, "").await.json()["state"], "revoked");
    assert_eq!(client.get("/", shown).await.problem(), (401, "invalid_api_key".to_owned()));
    let record = admin.get(&path, auth).await.json();
    assert_eq!(record["state"], "revoked");
    // Once more changes nothing.
    assert_eq!(admin.send("DELETE", &path, auth, "").await.json(), record);

    let site = site.restart(|_| {}).await.map_err(|(error, _)| error).unwrap();
    assert_eq!(site.h1().await.get("/", shown).await.problem(), (401, "invalid_api_key".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_the_audit_log_and_no_refused_one() {
    let site = start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let key = make(&site, &json!({ "name": "k" })).await;
    let id = key["id"].as_str().unwrap();
    let path = format!("/v1/keys/{id}");
    assert_eq!(admin.post_json("/v1/keys", auth, &json!({ "name": "" })).await.status, 422);
    assert_eq!(admin.send("DELETE", &path, &[], "").await.status, 401);
    assert_eq!(admin.send("DELETE", &path, auth, "").await.status, 200);
    assert_eq!(admin.send("DELETE", &path, auth, "").await.status, 200);

    let rows = site.gateway.store().audit(0, 100).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.seq, &*row.actor, &*row.action, &*row.subject)).collect();
    let expected = [
        (1, "gateway", "admin_key.create", "admin_key"),
        (2, "files", "config.load", "1"),
        (3, "admin", "key.create", id),
        (4, "admin", "key.revoke", id),
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[3].before, rows[2].after, "what was revoked is what was made");
    let verdict = site.gateway.store().verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Whole { rows: 4, head: rows[3].hash });
}
