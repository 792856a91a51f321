//! The disk is full, or cannot be written.

use portcullis_tests::disk::Disk;
use portcullis_tests::program::Program;
use portcullis_tests::site::Setup;
use portcullis_tests::within;
use serde_json::json;

async fn program() -> Program {
    Program::lay(Setup::new().route("home", "GET /", "read", ""), None).await
}

/// Where the store lies.
fn data(program: &Program) -> std::path::PathBuf {
    program.ground.files.path("data")
}

/// The keys that are there, of those that were acknowledged.
async fn kept(program: &Program, acknowledged: &[String]) -> Vec<String> {
    let (mut admin, operator) = (program.admin().await, program.operator());
    let mut kept = Vec::new();
    for id in acknowledged {
        let answer = admin.get(&format!("/v1/keys/{id}"), &[("authorization", &operator)]).await;
        if answer.status == 200 && answer.json()["state"] == "active" {
            kept.push(id.clone());
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_room_again() {
    let program = program().await;
    let disk = Disk::mount(&data(&program), 1024);
    let gateway = program.start().await;
    let (mut admin, operator) = (program.admin().await, program.operator());
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let first = admin.post_json("/v1/keys", auth, &json!({ "name": "first", "roles": ["readers"] })).await;
    assert_eq!(first.status, 201);
    let secret = first.json()["secret"].as_str().unwrap().to_owned();
    let mut acknowledged = vec![first.json()["id"].as_str().unwrap().to_owned()];
    let wanted = json!({ "name": "k", "metadata": { "note": "n".repeat(8_000) } });
    let refused = within("a refusal", async {
        loop {
            let answer = admin.post_json("/v1/keys", auth, &wanted).await;
            if answer.status != 201 {
                return answer;
            }
            acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned());
        }
    })
    .await;
    assert_eq!(refused.problem(), (503, "dependency_unavailable".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));

    let mut client = program.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/", &[("x-api-key", &secret)]).await.status, 200, "serving goes on");
    }
    assert_eq!(admin.get("/readyz", &[]).await.status, 200);
    assert_eq!(admin.get("/v1/keys", auth).await.status, 200, "reading goes on");
    assert_eq!(kept(&program, &acknowledged).await, acknowledged);

    disk.resize(8 * 1024);
    let made = admin.post_json("/v1/keys", auth, &wanted).await;
    assert_eq!(made.status, 201, "there is room again: {made:#?}");
    acknowledged.push(made.json()["id"].as_str().unwrap().to_owned());
    gateway.signal("KILL").await;
    let said = gateway.ended().await.stderr;
    let id = refused.json()["instance"].as_str().unwrap().to_owned();
    let line = said.lines().find(|line| line.contains("store failed") && line.contains(&id));
    assert!(line.is_some_and(|line| line.contains("the disk is full")), "{id}: {said}");

    let _gateway = program.start().await;
    assert_eq!(kept(&program, &acknowledged).await, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_start_where_there_is_no_room_or_nothing_may_be_written_and_says_what_to_do() {
    let program = program().await;
    let disk = Disk::mount(&data(&program), 512);
    disk.fill("filler");
    let ran = program.fails().await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("the disk is full; make room and start again"), "{ran:#?}");

    std::fs::remove_file(data(&program).join("filler")).unwrap();
    let gateway = program.start().await;
    gateway.signal("KILL").await;
    gateway.ended().await;
    disk.protect();
    let ran = program.fails().await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let remedy = "the store cannot be written; let the gateway's user write the file and its folder";
    assert!(ran.stderr.contains(remedy), "{ran:#?}");
}
