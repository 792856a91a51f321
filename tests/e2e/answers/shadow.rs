//! Answers that are looked at in passing.

use http_body_util::BodyExt;
use portcullis_tests::upstream::Reply;
use portcullis_tests::within;
use serde_json::json;

use super::{GOOD, both, judging};

#[tokio::test(flavor = "multi_thread")]
async fn shadow_lets_pass_as_it_comes_and_says_so_in_log_record_and_metric() {
    let site = judging("shadow", ", undeclared = \"strip\", max_body = \"1KiB\"").start().await;
    let large = format!(r#"{{"note":"{}"}}"#, "n".repeat(2_000));
    let mut unfit = 0;
    for mut client in both(&site).await {
        for (body, fits) in
            [(GOOD, true), (r#"{"note":"n","secret":1}"#, true), ("{\"note\":7}", false), (&large, false)]
        {
            site.upstream.next(Reply::json(200, body.to_owned()));
            let answer = client.get("/notes", &[]).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, body.as_bytes()));
            unfit += usize::from(!fits);
        }
        site.upstream.next(Reply::new(200, "<p>").header("content-type", "text/html"));
        assert_eq!(client.get("/notes", &[]).await.body, "<p>");
        unfit += 1;
    }
    let metrics = site.metrics().await;
    let metric = "portcullis_would_refuse_total{code=\"response_violation\",route=\"notes\",stage=\"answer\"}";
    assert!(metrics.contains(&format!("{metric} {unfit}")), "{metrics}");
    let (access, decisions) = site.logs().await;
    let shadowed = decisions.iter().filter(|decision| decision["would_refuse"] != json!([])).count();
    assert_eq!((shadowed, decisions.len()), (unfit, 10));
    assert!(decisions.iter().all(|decision| decision["outcome"] == "permit"));
    assert!(access.iter().any(|line| line["portcullis.would_refuse"] == json!(["response_violation"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_holds_nothing_back() {
    let site = judging("shadow", "").start().await;
    let (reply, feed) = Reply::stream(200);
    site.upstream.next(reply.header("content-type", "application/json"));
    let mut client = site.h2().await;
    let request = client.request("GET", "/notes", &[], "");
    let mut response = within("a head", client.open(request)).await.unwrap();
    feed.send("{\"note\":").await.unwrap();
    let first = within("a beginning", response.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "{\"note\":");
    feed.send("7}").await.unwrap();
    drop(feed);
    while within("the rest", response.frame()).await.is_some() {}
    let (_, decisions) = site.logs().await;
    assert_eq!(decisions.last().unwrap()["would_refuse"][0]["stage"], "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn off_judges_nothing() {
    let site = judging("off", "").start().await;
    site.upstream.next(Reply::json(200, "7"));
    let answer = site.h1().await.get("/notes", &[("accept-encoding", "gzip")]).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"7"[..]));
    assert_eq!(site.upstream.only().header("accept-encoding"), Some("gzip"));
    let (_, decisions) = site.logs().await;
    assert_eq!(decisions.last().unwrap()["would_refuse"], json!([]));
}
