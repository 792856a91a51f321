//! Bodies that are too large for the route, or for the memory of all.

use portcullis_tests::site::{Setup, Site};

use super::{NOTE, chunks, head, judging, refusal, valid};

const KIB: usize = 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_body_over_the_bound_is_refused_unread() {
    let site = Setup::new()
        .route("notes", "POST /notes", "public", "body_schema = \"note.json\"\nmax_body = \"4KiB\"\n")
        .route("files", "PUT /files", "public", "max_body = \"4KiB\"\n")
        .file("config/note.json", NOTE)
        .start()
        .await;
    let files = "PUT /files HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4097\r\n\r\n";
    let expecting = head("Content-Length: 4097\r\nExpect: 100-continue\r\n");
    for request in [head("Content-Length: 4097\r\n"), files.to_owned(), expecting] {
        // Not one byte of the body is sent: nobody waits for it.
        let got = refusal(&site, request.as_bytes()).await;
        assert_eq!(got, (413, "body_too_large".to_owned()), "{request}");
    }
    assert_eq!(site.upstream.connections(), 0);
    let body = valid(4096);
    let mut client = site.h1().await;
    let json = [("content-type", "application/json")];
    assert_eq!(client.send("POST", "/notes", &json, body.clone()).await.status, 200);
    assert_eq!(client.send("PUT", "/files", &[], body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_grows_over_the_bound_is_stopped() {
    let site = Setup::new()
        .route("notes", "POST /notes", "public", "body_schema = \"note.json\"\nmax_body = \"4KiB\"\n")
        .route("files", "PUT /files", "public", "max_body = \"4KiB\"\n")
        .file("config/note.json", NOTE)
        .start()
        .await;
    // The last chunk never comes: the answer does not wait for it.
    let body = chunks(&vec![b' '; 8 * KIB], KIB);
    let request = [head("Transfer-Encoding: chunked\r\n").as_bytes(), &body].concat();
    assert_eq!(refusal(&site, &request).await, (413, "body_too_large".to_owned()));
    assert_eq!(site.upstream.connections(), 0);

    let request = b"PUT /files HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refusal(&site, &[&request[..], &body].concat()).await, (413, "body_too_large".to_owned()));
    assert!(site.upstream.requests().iter().all(|request| !request.complete), "what streamed was never whole");
    assert_eq!(site.h1().await.send("PUT", "/files", &[], "small").await.status, 200);
}

/// What the metric says that bodies hold, in bytes.
async fn held(site: &Site) -> usize {
    let metrics = site.admin().await.get("/metrics", &[]).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("portcullis_body_memory_bytes ")).unwrap();
    line.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_memory_of_all_are_shed_while_others_go_on() {
    let site = judging().route("look", "GET /notes", "public", "").server("max_body_memory = \"1MiB\"").start().await;
    // Announcing holds next to nothing.
    let slow = valid(600 * KIB);
    let declared = head(&format!("Content-Length: {}\r\nExpect: 100-continue\r\n", slow.len()));
    let mut announcing = Vec::new();
    for _ in 0..4 {
        let mut raw = site.raw().await;
        raw.send(&declared).await.unwrap();
        assert_eq!(raw.answer().await.unwrap().status, 100);
        announcing.push(raw);
    }
    drop(announcing);
    // Holds 600 KiB until its last byte comes.
    let mut holder = site.raw().await;
    holder.send(&declared).await.unwrap();
    assert_eq!(holder.answer().await.unwrap().status, 100);
    let (most, last) = slow.as_bytes().split_at(slow.len() - 1);
    holder.send(most).await.unwrap();
    portcullis_tests::within("its memory", async { while held(&site).await < 599 * KIB {} }).await;

    let whole = [head(&format!("Content-Length: {}\r\n", slow.len())).as_bytes(), slow.as_bytes()].concat();
    assert_eq!(refusal(&site, &whole).await, (503, "overloaded".to_owned()));
    let unsized_body = chunks(valid(600 * KIB).as_bytes(), 16 * KIB);
    let request = [head("Transfer-Encoding: chunked\r\n").as_bytes(), &unsized_body, b"0\r\n\r\n"].concat();
    assert_eq!(refusal(&site, &request).await, (503, "overloaded".to_owned()));
    assert_eq!(site.upstream.connections(), 0);
    assert_eq!(site.h1().await.get("/notes", &[]).await.status, 200);
    let json = [("content-type", "application/json")];
    assert_eq!(site.h1().await.send("POST", "/notes", &json, valid(100 * KIB)).await.status, 200);

    holder.send(last).await.unwrap();
    assert_eq!(holder.answer().await.unwrap().status, 200, "who had a place is served");
    assert_eq!(site.h1().await.send("POST", "/notes", &json, slow).await.status, 200, "the place is free again");
}
