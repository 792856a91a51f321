//! What is noticed without being told?

use std::os::unix::fs::symlink;

use portcullis_tests::client::tls;
use portcullis_tests::site::Site;
use portcullis_tests::within;
use serde_json::json;

use super::{NOBODY_READS, READERS_READ, asked_often, turning, until_status};

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_policy_that_an_editor_renames_into_its_place() {
    let site = turning().start().await;
    until_status(&site, "/items/1", 200).await;
    site.files.write("policies/turn.cedar", NOBODY_READS);
    until_status(&site, "/items/1", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_policy_that_is_written_over() {
    let site = turning().start().await;
    std::fs::write(site.files.path("policies/turn.cedar"), NOBODY_READS).unwrap();
    until_status(&site, "/items/1", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_policy_file_that_is_new_and_one_that_goes() {
    let site = turning().start().await;
    site.files.write("policies/new.cedar", NOBODY_READS);
    until_status(&site, "/items/1", 403).await;
    std::fs::remove_file(site.files.path("policies/new.cedar")).unwrap();
    until_status(&site, "/items/1", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_body_schema() {
    let least = |least: u8| format!(r#"{{ "type": "object", "properties": {{ "n": {{ "minimum": {least} }} }} }}"#);
    let site = asked_often()
        .route("create", "POST /items", "write", "body_schema = \"item.json\"\n")
        .file("config/item.json", least(1))
        .start()
        .await;
    let (writer, mut client) = (site.writer(), site.h1().await);
    let mut post = async || client.post_json("/items", &[("authorization", &writer)], &json!({ "n": 1 })).await.status;
    assert_eq!(post().await, 200);
    site.files.write("config/item.json", least(2));
    within("the new schema", async { while post().await != 422 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_policy_schema() {
    let site = turning().start().await;
    let before = site.gateway.version();
    site.files.edit("policies/schema.cedarschema", "level?: Long", "level?: Long, team?: String");
    within("the new version", async {
        while site.gateway.version() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_key_set_of_a_file() {
    let site = turning().start().await;
    until_status(&site, "/items/1", 200).await;
    // Without its keys no token of the issuer is good, remembered or not.
    site.files.write("certs/jwks.json", r#"{"keys":[]}"#);
    until_status(&site, "/items/1", 401).await;
    site.files.write("certs/jwks.json", portcullis_tests::keys::jwks([&site.signer]).to_string());
    until_status(&site, "/items/1", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_file_that_begins_to_match_an_include() {
    let route = |name: &str| {
        format!("[[routes]]\nname = {name:?}\nmatch = \"GET /{name}\"\nupstream = \"app\"\nauthenticate = [\"jwt\"]\n")
    };
    let actions = "action \"first\", \"second\" in [\"read\"] appliesTo { principal: [User], resource: [App] };";
    let site = turning().schema(actions).file("config/routes/first.toml", route("first")).start().await;
    // `include` stands before every section.
    let config = site.files.read("config/portcullis.toml");
    site.files.write("config/portcullis.toml", format!("include = [\"routes/*.toml\"]\n{config}"));
    until_status(&site, "/first", 200).await;
    until_status(&site, "/second", 404).await;
    site.files.write("config/routes/second.toml", route("second"));
    until_status(&site, "/second", 200).await;
}

/// The serial-bearing leaf that the public listener shows.
async fn leaf(site: &Site) -> Vec<u8> {
    let stream = tls(site.address(), "app.test", site.ca(), &[b"http/1.1"]).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_renewed_certificate_on_both_listeners() {
    let site = turning().start().await;
    let before = leaf(&site).await;
    site.issue("app", &["app.test", "localhost", "127.0.0.1"]);
    within("the new certificate", async { while leaf(&site).await == before {} }).await;
    let stream = tls(site.gateway.admin.unwrap(), "localhost", site.ca(), &[b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec(), leaf(&site).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_swapped_link_as_kubernetes_does_it() {
    let site = turning().start().await;
    // A volume: each file is a link through `..data`, which is turned in one stroke.
    let volume = site.files.path("policies");
    for (release, policy) in [("..1", READERS_READ), ("..2", NOBODY_READS)] {
        site.files.write(&format!("policies/{release}/turn.cedar"), policy);
    }
    symlink("..1", volume.join("..data")).unwrap();
    symlink("..data/turn.cedar", volume.join("half.link")).unwrap();
    std::fs::rename(volume.join("half.link"), volume.join("turn.cedar")).unwrap();
    until_status(&site, "/items/1", 200).await;
    symlink("..2", volume.join("..half")).unwrap();
    std::fs::rename(volume.join("..half"), volume.join("..data")).unwrap();
    until_status(&site, "/items/1", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_turned_link_to_the_whole_folder_and_then_changes_within() {
    let site = turning().start().await;
    // releases/1 and releases/2 hold all policies; `policies` is a link to one of them.
    std::fs::create_dir(site.files.path("releases")).unwrap();
    std::fs::rename(site.files.path("policies"), site.files.path("releases/1")).unwrap();
    symlink("releases/1", site.files.path("policies")).unwrap();
    site.gateway.reload().await.unwrap();
    for file in ["schema.cedarschema", "test.cedar"] {
        site.files.write(&format!("releases/2/{file}"), site.files.read(&format!("releases/1/{file}")));
    }
    site.files.write("releases/2/turn.cedar", NOBODY_READS);
    // Touched through the link, so that whoever watches has seen it before it turns.
    site.files.write("policies/more.cedar", NOBODY_READS);
    until_status(&site, "/items/1", 403).await;
    std::fs::remove_file(site.files.path("policies/more.cedar")).unwrap();
    until_status(&site, "/items/1", 200).await;
    symlink("releases/2", site.files.path("half.link")).unwrap();
    std::fs::rename(site.files.path("half.link"), site.files.path("policies")).unwrap();
    until_status(&site, "/items/1", 403).await;
    site.files.write("releases/2/turn.cedar", READERS_READ);
    until_status(&site, "/items/1", 200).await;
}
