//! What does `check` say of everything that is found only when a configuration is compiled?
//!
//! `config/broken/compile/sound` is right. Each other folder there holds what is put over a copy of it, a file `remove`
//! that names what is taken away, and in `expected` what `check` then says, to the letter.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_tests::binary;
use portcullis_tests::keys::{Algorithm, Signer, jwks};
use tempfile::TempDir;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/broken/compile")
}

/// Puts everything below `from` over `to`.
fn lay(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            lay(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// No key is committed, so certificates are made here: `app`, and `expired`.
fn certificates(folder: &Path) {
    let day = Duration::from_hours(24);
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = SystemTime::now();
    let authority = Authority::generate("test", Validity { from: now - 30 * day, until: now + 30 * day }).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    for (name, until) in [("app", now + 30 * day), ("expired", now - day)] {
        let leaf = Leaf {
            subject: name.to_owned(),
            names: ["app.test".to_owned()].into(),
            purposes: vec![Purpose::Server],
            valid: Validity { from: now - 20 * day, until },
        };
        let issued = authority.issue(&leaf).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), &issued.pem).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), issued.key.pem()).unwrap();
    }
    let signer = Signer::new(Algorithm::Es256, "key");
    std::fs::write(folder.join("jwks.json"), jwks([&signer]).to_string()).unwrap();
}

/// The sound project, with a case put over it.
fn project(case: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    certificates(&folder.path().join("certs"));
    lay(&cases().join("sound"), folder.path());
    lay(case, folder.path());
    if let Ok(gone) = std::fs::read_to_string(case.join("remove")) {
        let gone = folder.path().join(gone.trim());
        if gone.is_dir() { std::fs::remove_dir_all(gone) } else { std::fs::remove_file(gone) }.unwrap();
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_nothing_wrong_with_the_sound_one() {
    let folder = project(&cases().join("sound"));
    let ran = binary::run(folder.path(), &["check", "--offline"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(!ran.stdout.contains("warning"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_is_wrong_with_each_broken_project() {
    let mut folders: Vec<_> = std::fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| !folder.ends_with("sound"));
    folders.sort();
    let mut wrong = Vec::new();
    for case in folders {
        let folder = project(&case);
        let ran = binary::run(folder.path(), &["check", "--offline"]).await;
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if (ran.code, ran.stdout.as_str()) != (Some(2), "") || ran.stderr.contains("secret@") {
            wrong.push(format!("{name}: {ran:#?}"));
        }
        let golden = case.join("expected");
        if std::env::var_os("PORTCULLIS_BLESS").is_some() {
            std::fs::write(golden, &ran.stderr).unwrap();
        } else if std::fs::read_to_string(golden).unwrap_or_default() != ran.stderr {
            wrong.push(format!("{name} now says:\n{}", ran.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn warns_of_an_expired_certificate_and_goes_on() {
    let folder = project(&cases().join("sound"));
    for end in ["pem", "key"] {
        std::fs::rename(
            folder.path().join("certs/expired").with_extension(end),
            folder.path().join("certs/app").with_extension(end),
        )
        .unwrap();
    }
    let ran = binary::run(folder.path(), &["check", "--offline"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("warning: certs/app.pem: the certificate has expired: clients will refuse it\n"),
        "{}",
        ran.stdout
    );
}
