//! What changes while it runs comes into force whole, or not at all.

mod kept;
mod load;
mod noticed;
mod program;

use portcullis_tests::client::Client;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::Value;

/// A policy that turns what readers may do upside down, for a site that has one policy per way.
const NOBODY_READS: &str = r#"@id("nobody") forbid (principal, action, resource);"#;
const READERS_READ: &str =
    r#"@id("noted") permit (principal, action, resource) when { principal in Group::"test|readers" };"#;

/// A site whose `policies/turn.cedar` decides whether readers read.
fn turning() -> Setup {
    asked_often().route("item", "GET /items/{id}", "read", "").file("policies/turn.cedar", READERS_READ)
}

/// Over one connection, for as long as a reload takes beside that.
fn asked_often() -> Setup {
    let setup = Setup::new().server("max_requests_per_connection = 1000000");
    setup.section("[guard]\nrate = \"10000000/min\"\n")
}

/// Asks until the answer is `wanted`.
async fn until_status(site: &Site, target: &str, wanted: u16) {
    let reader = site.reader();
    let mut client = site.h1().await;
    within(&format!("{wanted} for {target}"), async {
        while client.get(target, &[("authorization", &reader)]).await.status != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// `POST /v1/config/reload`.
async fn reload(admin: &mut Client, key: &str) -> (u16, Value) {
    let bearer = format!("Bearer {key}");
    let answer = admin.send("POST", "/v1/config/reload", &[("authorization", &bearer)], "").await;
    (answer.status.as_u16(), answer.json())
}

/// What `/readyz` tells the holder of the admin key is wrong with the newest files.
async fn pending(admin: &mut Client, key: &str) -> Vec<String> {
    let bearer = format!("Bearer {key}");
    let answer = admin.get("/readyz", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "a bad file makes no replica unready");
    serde_json::from_value(answer.json()["config"]["pending_errors"].clone()).unwrap()
}

/// The value of `portcullis_config_last_reload_successful`.
async fn reloaded_well(admin: &mut Client) -> String {
    let metrics = String::from_utf8(admin.get("/metrics", &[]).await.body.to_vec()).unwrap();
    let line = metrics.lines().find(|line| line.starts_with("portcullis_config_last_reload_successful "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}
