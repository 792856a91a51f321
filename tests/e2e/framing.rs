//! Can an HTTP/1.1 head be read in two ways? Then nobody behind the gateway gets to read it.

mod chunks;
mod heads;
mod passes;

use portcullis_tests::client::RawAnswer;
use portcullis_tests::site::{Setup, Site};

/// One public route takes everything, so that only framing stands between a client and the application.
async fn open() -> Site {
    Setup::new().route("all", "ANY /{*rest}", "public", "").start().await
}

/// A request that is in order but for `fields`, each with its line end.
fn with(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n")
}

/// What becomes of a connection after a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    /// Nobody knows where the next request begins.
    Closed,
    Either,
}

/// Sends `bytes` on a connection of their own.
async fn say(site: &Site, bytes: &[u8], after: After) -> RawAnswer {
    let mut raw = site.raw().await;
    raw.send(bytes).await.unwrap();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
    let answer = raw.answer().await.unwrap_or_else(|ended| panic!("{shown:?}: {ended:?}"));
    if after == After::Closed {
        assert_eq!(raw.answer().await.unwrap_err(), portcullis_tests::client::Ended::Closed, "{shown:?}");
    }
    answer
}

/// Status and code, from a problem document.
fn problem(answer: &RawAnswer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
}

/// Every row is refused as it says, nothing reaches the application, and others are served before and after.
async fn refuses(rows: &[(&[u8], After, u16, &str)]) {
    let site = open().await;
    let mut other = site.h1().await;
    let mut wrong = Vec::new();
    for (bytes, after, status, code) in rows {
        let answer = say(&site, bytes, *after).await;
        let ours = answer.header("content-type") == Some("application/problem+json");
        let got = if ours { problem(&answer) } else { (answer.status, "no problem document".to_owned()) };
        if got != (*status, (*code).to_owned()) {
            wrong.push((String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned(), got));
        }
    }
    assert_eq!(wrong, [], "answered otherwise");
    assert_eq!(site.upstream.connections(), 0, "the application is untouched");
    assert_eq!(other.get("/a", &[]).await.status, 200);
    assert_eq!(site.h1().await.get("/a", &[]).await.status, 200);
}
