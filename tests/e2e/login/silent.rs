//! What must never stand in any log, however much is logged?

use portcullis_tests::binary;
use portcullis_tests::jar::{Browser, SESSION};
use serde_json::{Value, json};

use super::{idp, setup};

const CALLBACK: &str = "https://app.test/_portcullis/callback/";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_at_any_level() {
    for level in ["debug", "trace"] {
        let idp = idp().await;
        let ground = setup(&idp, "").lay().await;
        let mut gateway = binary::spawn_with(ground.folder.path(), &["run"], &[("PORTCULLIS_LOG", level)]);
        let ready: Value = serde_json::from_str(&gateway.says("\"ready\"").await).unwrap();
        let address = ready["https"].as_str().unwrap().trim_start_matches("Some(").trim_end_matches(')');
        let mut browser = Browser::at(address.parse().unwrap(), ground.authority.pem());
        let arrival = browser.follow("https://app.test/page?secret=in-a-query", "alice").await;
        assert_eq!(arrival.answer.status, 200);
        let session = browser.cookie(SESSION).unwrap().to_owned();
        let bent = json!({ "path": "/token", "token": "id_token", "claims": { "nonce": "x" } });
        idp.tamper(bent).await;
        let mut failing = Browser::at(address.parse().unwrap(), ground.authority.pem());
        assert_eq!(failing.follow("https://app.test/page", "bob").await.answer.status, 400);
        let bearer = [("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.bm90aGluZw"), ("x-api-key", "ptcl_made_up")];
        assert_eq!(browser.send("GET", "https://app.test/perhaps", &bearer, "").await.status, 401);
        browser.submit("https://app.test/_portcullis/logout", "").await;
        let trace = [&browser.trace[..], &failing.trace[..]].concat();
        gateway.signal("TERM").await;
        let ran = gateway.ended().await;
        let kept = ground.files.read("logs/access.jsonl") + &ground.files.read("logs/decisions.jsonl");
        let said = format!("{}{}{kept}", ran.stdout, ran.stderr);
        assert!(said.contains("nonce_mismatch"), "the operator reads why");
        let part = |url: &str, name: &str| {
            let rest = url.split_once(&format!("{name}="))?.1;
            rest.split('&').next().map(str::to_owned)
        };
        let mut secrets =
            vec![session, "gateway-web-secret".into(), "in-a-query".into(), "eyJ".into(), "ptcl_made".into()];
        for (_, url) in trace.iter().filter(|(_, url)| url.starts_with(CALLBACK)) {
            secrets.extend(part(url, "code"));
            secrets.extend(part(url, "state"));
        }
        assert!(secrets.len() > 7, "{trace:?}");
        for secret in secrets {
            let line = said.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{level}: {secret}");
        }
    }
}
