use std::path::Path;

use portcullis_core::config::{FileFault, Source as _};

use super::{Disk, LARGEST};

fn check(path: &Path, expected: &str) {
    let fault = Disk::default().read(path).expect_err("refused");
    assert_eq!(fault, FileFault::Other(expected.to_owned()), "{}", path.display());
}

#[test]
fn refuses_what_has_no_end_and_what_nobody_writes() {
    check(Path::new("/dev/zero"), "it is no regular file");
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), "it is no regular file");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    check(&pipe, "it is no regular file");
}

#[test]
fn refuses_what_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
    check(&path, "it is larger than 64 MiB");
}
