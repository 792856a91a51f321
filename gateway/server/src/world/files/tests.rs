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

#[test]
fn lists_what_is_no_file_too_so_that_nothing_is_passed_over_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.cedar"), "").unwrap();
    std::fs::write(at(".b.cedar"), "").unwrap();
    std::fs::create_dir(at("c.cedar")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("d.cedar")).unwrap();
    // What Emacs leaves beside a file that is being edited.
    std::os::unix::fs::symlink("me@here.1", at(".#a.cedar")).unwrap();
    let mut listed = Disk::default().list(folder.path()).unwrap();
    listed.sort();
    assert_eq!(listed, [".b.cedar", "a.cedar", "c.cedar", "d.cedar"].map(at));
    assert_eq!(Disk::default().read(&at("d.cedar")), Err(FileFault::Missing));
}
