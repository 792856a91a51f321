//! Who changed what, as the admin API and the command line tell it.

use portcullis_tests::site::{Setup, Site};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api_keys::{make, operator};

async fn start() -> Site {
    let site = Setup::new().route("home", "GET /", "read", "").start().await;
    for n in 0..5 {
        make(&site, &json!({ "name": format!("key {n}"), "roles": ["portcullis:admin"] })).await;
    }
    site
}

async fn seqs(site: &Site, query: &str) -> Vec<i64> {
    let answer = site.admin().await.get(&format!("/v1/audit{query}"), &[("authorization", &operator(site))]).await;
    assert_eq!(answer.status, 200, "{query}: {answer:#?}");
    answer.json()["items"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_found_by_who_made_them_what_they_did_to_what_and_when() {
    let site = start().await;
    let made = make(&site, &json!({ "name": "auditor", "roles": ["portcullis:admin"] })).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let revoked = site.admin().await.send("DELETE", &format!("/v1/keys/{id}"), &[("x-api-key", secret)], "").await;
    assert_eq!(revoked.status, 200, "{revoked:#?}");

    assert_eq!(seqs(&site, "").await, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(seqs(&site, "?limit=2").await, [9, 8]);
    assert_eq!(seqs(&site, &format!("?subject={id}")).await, [9, 8]);
    assert_eq!(seqs(&site, &format!("?actor=ApiKey%3A%3A%22{id}%22")).await, [9]);
    assert_eq!(seqs(&site, "?action=key.create&limit=3").await, [8, 7, 6]);
    assert_eq!(seqs(&site, "?action=key.&actor=admin&limit=1").await, [8]);
    assert_eq!(seqs(&site, "?action=key").await, [0; 0], "a name is not a beginning");
    let now = site.gateway.now().seconds();
    assert_eq!(seqs(&site, &format!("?since={}", now - 3600)).await.len(), 9);
    assert_eq!(seqs(&site, &format!("?since={}", now + 3600)).await, [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_row_once_and_a_cursor_of_somebody_else_is_refused() {
    let site = start().await;
    let mut admin = site.admin().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = admin.get(&format!("/v1/audit?limit=4{after}"), auth).await.json();
        found.extend(page["items"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()));
        // What comes between two pages moves no row from one to the other.
        make(&site, &json!({ "name": "between" })).await;
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, [7, 6, 5, 4, 3, 2, 1]);
    for query in ["cursor=x", "cursor=-1", "cursor=0", "cursor=99999999999999999999", "since=x", "actors=admin"] {
        let answer = admin.get(&format!("/v1/audit?{query}"), auth).await;
        assert_eq!(answer.problem(), (400, "invalid_parameter".to_owned()), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_the_whole_chain_and_continues_where_another_ended() {
    let site = start().await;
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut admin = site.admin().await;
    let answer = admin.get("/v1/audit/export", auth).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/x-ndjson")));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 7);
    for pair in rows.windows(2) {
        assert_eq!(
            (&pair[1]["previous"], pair[1]["seq"].as_i64()),
            (&pair[0]["hash"], pair[0]["seq"].as_i64().map(|n| n + 1))
        );
    }
    assert!(!text.contains("ptcl_"), "no secret");
    let rest = admin.get("/v1/audit/export?after=4", auth).await;
    let rest = String::from_utf8_lossy(&rest.body).into_owned();
    assert_eq!(rest.lines().collect::<Vec<_>>(), text.lines().skip(4).collect::<Vec<_>>());
    assert_eq!(admin.get("/v1/audit/export?after=7", auth).await.body, "");
    assert_eq!(admin.get("/v1/audit/export?format=csv", auth).await.problem().0, 400);
}

/// 700 rows are more than are read at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_to_its_end_never_looks_whole() {
    let site = start().await;
    let keys = &site.gateway.store().keys;
    let id = keys.list(None, 1, None).await.unwrap().keys[0].record.id.clone();
    for n in 0..700u32 {
        let rename = |before: &portcullis_core::identify::KeyRecord, _| {
            Ok::<_, ()>(Some(portcullis_core::identify::KeyRecord { name: format!("{n}"), ..before.clone() }))
        };
        let word =
            portcullis_server::world::store::Word { at: site.gateway.now(), actor: "test", action: "key.update" };
        keys.change(&id, word, rename).await.unwrap().unwrap();
    }
    let operator = operator(&site);
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let mut admin = site.admin().await;
    let whole = admin.get("/v1/audit/export", auth).await;
    assert_eq!(whole.body.split(|byte| *byte == b'\n').count(), 707 + 1);
    let all = admin.get("/v1/audit?action=key.create&limit=200", auth).await.json();
    assert_eq!((all["items"].as_array().unwrap().len(), &all["next_cursor"]), (5, &Value::Null), "far from the end");

    let other = Connection::open(site.files.path("data/portcullis.db")).unwrap();
    other.execute_batch("DROP TRIGGER audit_stays; PRAGMA ignore_check_constraints = ON; UPDATE audit SET hash = x'00' WHERE seq = 600").unwrap();
    let request = admin.request("GET", "/v1/audit/export", auth, String::new());
    let answer = admin.open(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(portcullis_tests::client::Answer::read(answer).await.is_err(), "it must not end in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_and_exports_it() {
    let site = start().await;
    site.name_admin();
    let ask = async |arguments: &[&str]| site.command(arguments).await;
    let listed = ask(&["audit", "list", "--action", "key.create", "--since", "1h", "--limit", "3"]).await;
    assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 3), "{listed:#?}");
    assert!(
        listed.stdout.starts_with("     7  20") && listed.stdout.contains("  key.create          admin "),
        "{listed:#?}"
    );
    let listed = ask(&["audit", "list", "--format", "json"]).await;
    assert_eq!((listed.json()["items"][6]["seq"].as_i64(), &listed.json()["next_cursor"]), (Some(1), &Value::Null));
    let exported = ask(&["audit", "export"]).await;
    assert_eq!((exported.code, exported.stdout.lines().count()), (Some(0), 7), "{exported:#?}");
    assert_eq!(exported.stdout, ask(&["audit", "export", "--local"]).await.stdout);
    assert_eq!(ask(&["audit", "export", "--after", "6"]).await.stdout.lines().count(), 1);
    let wrong = ask(&["audit", "list", "--since", "yesterday"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
}
