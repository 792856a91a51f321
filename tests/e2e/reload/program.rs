//! The program itself, told by a signal.

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use portcullis_tests::site::{AUDIENCE, ISSUER};
use serde_json::{Value, json};

use super::{NOBODY_READS, READERS_READ, turning};

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_what_no_watch_can_see_and_a_bad_file_is_logged() {
    // The policy is a link into a folder that nothing else of the configuration lies in.
    let ground = turning().file("elsewhere/turn.cedar", READERS_READ).lay().await;
    let link = ground.files.path("policies/turn.cedar");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../elsewhere/turn.cedar", &link).unwrap();
    let mut gateway = binary::spawn(ground.folder.path(), &["run"]);
    let ready: Value = serde_json::from_str(&gateway.says("\"ready\"").await).unwrap();

    ground.files.write("elsewhere/turn.cedar", "permit (");
    gateway.signal("HUP").await;
    let refused: Value = serde_json::from_str(&gateway.says("configuration refused").await).unwrap();
    assert_eq!(refused["level"], "ERROR");
    assert!(refused["first"].as_str().unwrap().contains("turn.cedar:1:"), "{refused}");

    ground.files.write("elsewhere/turn.cedar", READERS_READ);
    gateway.signal("HUP").await;
    gateway.says("the files are again what is in force").await;

    ground.files.write("elsewhere/turn.cedar", NOBODY_READS);
    gateway.signal("HUP").await;
    gateway.says("configuration in force").await;
    let https = ready["https"].as_str().unwrap().parse().unwrap();
    assert_eq!((&ready["plain"], &ready["probes"]), (&json!("off"), &json!("off")));
    let mut client = Client::h1(https, "app.test", ground.authority.pem()).await.unwrap();
    client.authority = "app.test".to_owned();
    let claims =
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "rita", "exp": 4_102_444_800_u64, "groups": ["readers"] });
    let reader = format!("Bearer {}", ground.signer.sign(&claims));
    assert_eq!(client.get("/items/1", &[("authorization", &reader)]).await.problem(), (403, "forbidden".to_owned()));
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.code, Some(0));
}
