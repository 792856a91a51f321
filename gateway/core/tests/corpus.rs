//! Does what was once found stay found? Every file of the fuzz targets' corpus, replayed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../fuzz/targets.rs"]
mod targets;

fn replay(name: &str, target: fn(&[u8])) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    let files: Vec<_> = std::fs::read_dir(format!("{folder}/{name}")).unwrap().collect();
    assert!(files.len() >= 8, "the corpus of `{name}` is there");
    for file in files {
        target(&std::fs::read(file.unwrap().path()).unwrap());
    }
}

#[test]
fn the_corpus_still_holds() {
    replay("config", targets::config);
    replay("cookie", targets::cookie);
    replay("forwarded", targets::forwarded);
    replay("path", targets::path);
    replay("token", targets::token);
}
