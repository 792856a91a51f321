//! API keys, from their making to their end.

mod command;
mod life;
mod terms;

use portcullis_tests::site::Site;
use serde_json::Value;

/// `Authorization`'s value for the admin API.
pub(crate) fn operator(site: &Site) -> String {
    format!("Bearer {}", site.admin_key())
}

/// Makes a key over the admin API; the whole answer, with its `secret`.
pub(crate) async fn make(site: &Site, wanted: &Value) -> Value {
    let answer = site.admin().await.post_json("/v1/keys", &[("authorization", &operator(site))], wanted).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    answer.json()
}
