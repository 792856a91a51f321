use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Authority, DevCa, Error, Leaf, PrivateKey, Purpose, Validity};

const DAY: u64 = 86_400;

/// The `day`-th day after the moment all tests begin at.
fn day(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + day * DAY)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What a TLS client that trusts `ca` says to the leaf `der` of a server it calls `name`.
fn verify(ca: &[u8], der: &[u8], name: &str, at: SystemTime) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&CertificateDer::from(der.to_vec()), &[], &name, &[], at).map(|_| ())
}

fn leaf(names: &[&str], purposes: &[Purpose]) -> Leaf {
    Leaf {
        subject: "test".to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
        purposes: purposes.to_vec(),
        valid: Validity::days(day(0), 10),
    }
}

#[test]
fn refuses_names_no_certificate_can_carry() {
    let authority = Authority::generate("test CA", Validity::days(day(0), 100)).unwrap();
    for name in ["", " ", "a b", "a..b", "*", "*.*.example", "exa*mple", "/etc", "name\n", "\u{e9}.example", ".."] {
        let refused = authority.issue(&leaf(&[name], &[]));
        assert!(matches!(refused, Err(Error::Name { .. })), "{name:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let ca = DevCa::create(dir.path(), day(0)).unwrap();
    for name in ["", "../ca", "A", "a.b", "a/b"] {
        assert!(matches!(ca.client(name, day(0)), Err(Error::Name { .. })), "{name:?}");
    }
}

#[test]
fn a_tls_client_accepts_the_leaf_for_its_names_purpose_and_time_alone() {
    let authority = Authority::generate("test CA", Validity::days(day(0), 100)).unwrap();
    let other = Authority::generate("test CA", Validity::days(day(0), 100)).unwrap();
    let server = authority.issue(&leaf(&["a.example", "127.0.0.1", "::1"], &[Purpose::Server])).unwrap();
    let client = authority.issue(&leaf(&["a.example"], &[Purpose::Client])).unwrap();

    assert!(verify(authority.der(), &server.der, "b.example", day(1)).is_err());
    assert!(verify(authority.der(), &server.der, "a.example", day(11)).is_err());
    assert!(verify(authority.der(), &server.der, "a.example", day(0) - Duration::from_secs(DAY)).is_err());
    assert!(verify(authority.der(), &client.der, "a.example", day(1)).is_err());
    assert!(verify(other.der(), &server.der, "a.example", day(1)).is_err());
    for name in ["a.example", "127.0.0.1", "::1"] {
        assert_eq!(verify(authority.der(), &server.der, name, day(1)), Ok(()), "{name}");
    }
}

#[test]
fn never_overwrites_what_it_did_not_make() {
    let foreign = Authority::generate("somebody else's CA", Validity::days(day(0), 100)).unwrap();
    for (name, text) in [("ca.pem", foreign.pem()), ("ca.pem", "no PEM"), ("ca.pem", ""), ("ca.key", "a key")] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        match DevCa::create(dir.path(), day(0)) {
            Err(Error::Foreign { path: named }) => assert_eq!(named, path),
            _ => panic!("overwrote {name} {text}"),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let dir = tempfile::tempdir().unwrap();
    let ca = DevCa::create(dir.path(), day(0)).unwrap();
    fs::write(dir.path().join("server.pem"), foreign.pem()).unwrap();
    assert!(matches!(ca.server(&[], day(0)), Err(Error::Foreign { .. })));
}

#[test]
fn says_why_there_is_nothing_to_open() {
    let dir = tempfile::tempdir().unwrap();
    let missing = DevCa::open(dir.path(), day(0)).err().unwrap().to_string();
    assert!(missing.contains("ca.pem` is missing"), "{missing}");
    DevCa::create(dir.path(), day(0)).unwrap();
    assert!(DevCa::open(dir.path(), day(3649)).is_ok());
    let expired = DevCa::open(dir.path(), day(3650)).err().unwrap().to_string();
    assert!(expired.contains("ca.pem` has expired: remove it"), "{expired}");
}

#[test]
fn keeps_what_is_good_and_replaces_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let make = |names: &[&str], now| {
        let ca = DevCa::create(dir.path(), now).unwrap();
        let pair = ca.server(names, now).unwrap();
        (fs::read(ca.path()).unwrap(), fs::read(pair.cert).unwrap(), fs::read(pair.key).unwrap())
    };
    let first = make(&["app.test"], day(0));
    assert_eq!(make(&["APP.test", "0:0:0:0:0:0:0:1"], day(366)), first, "kept while it lasts");

    let renewed = make(&["app.test"], day(367));
    assert_eq!(renewed.0, first.0, "the authority outlives its leaves");
    assert_ne!(renewed.1, first.1, "30 days before its end");
    assert_ne!(make(&["other.test"], day(367)).1, renewed.1, "for other names");

    // A crash between the two writes leaves a new certificate and the old key, or none.
    let ca_key = dir.path().join("ca.key");
    fs::write(&ca_key, PrivateKey::generate().unwrap().pem()).unwrap();
    let healed = make(&["app.test"], day(367));
    assert_ne!(healed.0, first.0);
    fs::remove_file(&ca_key).unwrap();
    let again = make(&["app.test"], day(367));
    assert_ne!(again.0, healed.0);
    assert_ne!(again.1, healed.1, "the leaf of a replaced authority is replaced");

    let found = DevCa::open(dir.path(), day(367)).unwrap();
    let der = x509_parser::pem::parse_x509_pem(&again.1).unwrap().1.contents;
    assert_eq!(verify(found.authority().der(), &der, "app.test", day(367)), Ok(()));
}

#[test]
fn keys_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("made/here");
    let ca = DevCa::create(&folder, day(0)).unwrap();
    let pair = ca.client("robot-1", day(0)).unwrap();
    assert_eq!((mode(&folder), mode(&pair.key), mode(&folder.join("ca.key"))), (0o700, 0o600, 0o600));
    assert_eq!(mode(&pair.cert), 0o644);
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: BTreeSet<_> = names.collect();
    let expected = [".lock", "ca.key", "ca.pem", "client-robot-1.key", "client-robot-1.pem"];
    assert_eq!(left, expected.map(String::from).into());

    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o644)).unwrap();
    ca.client("robot-1", day(0)).unwrap();
    assert_eq!(mode(&pair.key), 0o600, "tightened when found open");
}

#[test]
fn a_signing_key_survives_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/idp.key");
    let made = PrivateKey::open_or_create(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(PrivateKey::open_or_create(&path).unwrap().pem(), made.pem());
    assert_eq!(made.public_point().len(), 65);
    assert_eq!(format!("{made:?}"), "PrivateKey");
    fs::write(&path, "not a key").unwrap();
    assert!(matches!(PrivateKey::open_or_create(&path), Err(Error::Unusable { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
}
