//! What was decided, and why: searched, followed, explained, and compared with what is in shadow.

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::upstream::RawUpstream;
use serde_json::{Value, json};

const NEXT: &str = r#"@id("next-readers") permit (principal in Group::"test|readers", action == Action::"other", resource);
    @id("next-writers") permit (principal in Group::"test|writers", action, resource);"#;

fn setup() -> Setup {
    Setup::new().route("page", "GET /page/{id}", "read", "").route("other", "GET /other", "write", "")
}

async fn get(site: &Site, path: &str, authorization: &str) -> u16 {
    site.h1().await.get(path, &[("authorization", authorization)]).await.status.as_u16()
}

async fn asked(admin: &mut Client, site: &Site, path: &str) -> Value {
    let key = format!("Bearer {}", site.admin_key());
    let answer = admin.get(path, &[("authorization", &key)]).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Recorded once the answer is through: asked until it is there.
async fn decisions(site: &Site, query: &str, number: usize) -> Value {
    let mut admin = site.admin().await;
    loop {
        let page = asked(&mut admin, site, &format!("/v1/decisions{query}")).await;
        if page["items"].as_array().unwrap().len() >= number {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_found_by_what_they_say() {
    let site = setup().start().await;
    let (reader, writer) = (site.reader(), site.writer());
    // A decision is recorded when its answer is out: each is waited for before the next is asked for.
    assert_eq!(get(&site, "/page/1", &reader).await, 200);
    decisions(&site, "", 1).await;
    assert_eq!(get(&site, "/other", &reader).await, 403);
    decisions(&site, "", 2).await;
    assert_eq!(get(&site, "/other", &writer).await, 200);
    let all = decisions(&site, "", 3).await;
    let items = all["items"].as_array().unwrap();
    let outcomes: Vec<&Value> = items.iter().map(|item| &item["outcome"]).collect();
    assert_eq!(outcomes, [&json!("permit"), &json!("forbidden"), &json!("permit")], "newest first");
    for (query, number) in [
        ("?route=other", 2),
        ("?code=forbidden", 1),
        ("?code=permit&route=other", 1),
        ("?status=403", 1),
        ("?principal=User::%22test%7Crita%22", 2),
        ("?would_refuse=true", 0),
        ("?until=1", 0),
        ("?since=1", 3),
    ] {
        assert_eq!(decisions(&site, query, number).await["items"].as_array().unwrap().len(), number, "{query}");
    }
    let first = decisions(&site, "?limit=2", 2).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = decisions(&site, &format!("?limit=2&cursor={cursor}"), 1).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    let key = format!("Bearer {}", site.admin_key());
    for wrong in ["/v1/decisions?cursor=x", "/v1/decisions?rout=page", "/v1/decisions?status=many"] {
        assert_eq!(site.admin().await.get(wrong, &[("authorization", &key)]).await.status, 400, "{wrong}");
    }
    assert_eq!(site.admin().await.get("/v1/decisions/none", &[("authorization", &key)]).await.problem().0, 404);
    assert_eq!(site.admin().await.get("/v1/decisions", &[]).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_explained_condition_by_condition_by_the_policies_of_its_time() {
    let site = setup().start().await;
    assert_eq!(get(&site, "/other", &site.reader()).await, 403);
    let id = decisions(&site, "", 1).await["items"][0]["id"].as_str().unwrap().to_owned();
    let told = asked(&mut site.admin().await, &site, &format!("/v1/decisions/{id}")).await;
    assert_eq!((&told["decision"]["route"], &told["resource"]), (&json!("other"), &json!("App::\"app\"")));
    assert_eq!(told["policies"]["decision"], "deny");
    let conditions = told["policies"]["policies"][0]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|condition| condition["verdict"] == "false"), "{told:#}");
    // The same in words, by the program.
    let admin = site.gateway.admin.unwrap().to_string();
    site.files.edit("config/portcullis.toml", "admin = \"127.0.0.1:0\"", &format!("admin = {admin:?}"));
    for arguments in [vec!["explain", &*id], vec!["policy", "explain", &*id]] {
        let ran = binary::run(&site.files.path(""), &arguments).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        for part in
            ["GET /other -> 403 forbidden", "User::\"test|rita\"", "policies: deny: no policy permits it", "  false "]
        {
            assert!(ran.stdout.contains(part), "`{part}` in {}", ran.stdout);
        }
    }
    let ran = binary::run(&site.files.path(""), &["explain", "0123"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(binary::run(&site.files.path(""), &["explain", "../keys"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_attempts_are_explained() {
    let broken = RawUpstream::closing("").await;
    let limits = "limits = [{ by = \"principal\", rate = \"2/h\", name = \"few\" }]\n";
    let site = Setup::new().beside(&broken.url()).route("few", "GET /few", "read", limits).start().await;
    for expected in [200, 200, 429] {
        assert_eq!(get(&site, "/few", &site.reader()).await, expected);
    }
    site.name_admin();
    let items = decisions(&site, "", 3).await["items"].as_array().unwrap().clone();
    let mut failed = 0;
    for decision in &items {
        let left = if decision["status"] == 429 { "few: 0 of 2 in 3600 s left" } else { "few: " };
        let told = site.command(&["explain", decision["id"].as_str().unwrap()]).await.stdout;
        assert!(told.contains(left), "{told}");
        for attempt in decision["failed_attempts"].as_array().into_iter().flatten() {
            let line = format!("{} failed: reset", attempt["target"].as_str().unwrap());
            assert!(told.contains(&line) && told.contains(", 2 attempt(s)"), "{line} in {told}");
            failed += 1;
        }
    }
    assert!(failed > 0, "{items:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_can_be_followed() {
    let site = setup().start().await;
    let key = format!("Bearer {}", site.admin_key());
    let mut admin = site.admin().await;
    let fields = [("authorization", key.as_str()), ("accept", "text/event-stream")];
    let request = admin.request("GET", "/v1/decisions?code=forbidden", &fields, String::new());
    let mut answer = admin.open(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(get(&site, "/page/1", &site.reader()).await, 200);
    assert_eq!(get(&site, "/other", &site.reader()).await, 403);
    let mut heard = String::new();
    while !heard.contains("\n\n") {
        let frame = http_body_util::BodyExt::frame(answer.body_mut()).await.unwrap().unwrap();
        heard.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
    }
    let data = heard.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let decision: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&decision["route"], &decision["status"]), (&json!("other"), &json!(403)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_decisions_does_so_only_as_long_as_they_may() {
    let site = setup().start().await;
    let operator = format!("Bearer {}", site.admin_key());
    let mut admin = site.admin().await;
    let auth = [("authorization", operator.as_str())];
    let wanted = json!({ "name": "k", "roles": ["portcullis:viewer"] });
    let key = admin.post_json("/v1/keys", &auth, &wanted).await.json();
    let viewer = format!("Bearer {}", key["secret"].as_str().unwrap());
    let mut follower = site.admin().await;
    let fields = [("authorization", viewer.as_str()), ("accept", "text/event-stream")];
    let request = follower.request("GET", "/v1/decisions", &fields, String::new());
    let mut answer = follower.open(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(admin.send("DELETE", &path, &auth, "").await.status, 200);
    let ended = async { while let Some(Ok(_)) = http_body_util::BodyExt::frame(answer.body_mut()).await {} };
    portcullis_tests::within("an end of the stream", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_in_shadow_decide_nothing_and_say_where_they_would() {
    let site =
        setup().section("[policies]\nshadow = \"policies-next\"").file("policies-next/next.cedar", NEXT).start().await;
    let (reader, writer) = (site.reader(), site.writer());
    for _ in 0..2 {
        assert_eq!(get(&site, "/page/1", &reader).await, 200, "they would refuse");
    }
    assert_eq!(get(&site, "/other", &reader).await, 403, "they would allow");
    assert_eq!(get(&site, "/other", &writer).await, 200, "of one mind");
    decisions(&site, "", 4).await;
    let differing = decisions(&site, "?would_refuse=true", 3).await;
    let items = differing["items"].as_array().unwrap();
    let (allowing, refusing): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["would_allow"] == true);
    assert_eq!((allowing.len(), refusing.len()), (1, 2));
    assert_eq!(refusing[0]["would_refuse"][0]["stage"], "policies_next");
    let id = allowing[0]["id"].as_str().unwrap();
    let told = asked(&mut site.admin().await, &site, &format!("/v1/decisions/{id}")).await;
    assert_eq!(
        (&told["policies"]["decision"], &told["shadow_policies"]["decision"]),
        (&json!("deny"), &json!("allow"))
    );
    let report = asked(&mut site.admin().await, &site, "/v1/shadow").await;
    let rows: Vec<_> =
        report["items"].as_array().unwrap().iter().map(|row| (&row["route"], &row["would"], &row["count"])).collect();
    assert_eq!(
        rows,
        [(&json!("other"), &json!("would_allow"), &json!(1)), (&json!("page"), &json!("forbidden"), &json!(2))]
    );
    let metrics = site.metrics().await;
    for line in [
        "portcullis_would_refuse_total{code=\"forbidden\",route=\"page\",stage=\"policies_next\"} 2",
        "portcullis_would_allow_total{route=\"other\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let admin = site.gateway.admin.unwrap().to_string();
    site.files.edit("config/portcullis.toml", "admin = \"127.0.0.1:0\"", &format!("admin = {admin:?}"));
    let ran = binary::run(&site.files.path(""), &["shadow", "report"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(
        ran.stdout.contains("       2  page policies_next: would refuse with forbidden\n          portcullis explain "),
        "{}",
        ran.stdout
    );
    let lines = site.log("logs/access.jsonl").await;
    assert_eq!(
        (&lines[0]["portcullis.would_refuse"], &lines[2]["portcullis.would_allow"]),
        (&json!(["forbidden"]), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_check_in_shadow_is_reported_too() {
    let site = setup()
        .section("[validate]\nmode = \"shadow\"\n[limit]\nmode = \"shadow\"")
        .route("few", "GET /few", "read", "limits = [{ by = \"principal\", rate = \"1/h\" }]\n")
        .start()
        .await;
    let reader = site.reader();
    for _ in 0..3 {
        assert_eq!(get(&site, "/few", &reader).await, 200);
    }
    decisions(&site, "", 3).await;
    let report = asked(&mut site.admin().await, &site, "/v1/shadow").await;
    let row = &report["items"][0];
    assert_eq!(
        (&row["route"], &row["stage"], &row["would"], &row["count"]),
        (&json!("few"), &json!("limit"), &json!("rate_limited"), &json!(2))
    );
    assert_eq!(row["examples"].as_array().unwrap().len(), 2);
}
