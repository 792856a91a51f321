use super::{Authority, AuthorityFault};

#[test]
fn refuses_what_is_not_one_host() {
    use AuthorityFault as F;
    for (text, fault) in [
        ("", F::Empty),
        ("user@a", F::UserInfo),
        ("@a", F::UserInfo),
        ("a, b", F::Several),
        ("a,b", F::Several),
        ("a b", F::Several),
        (" a", F::Several),
        ("a/b", F::BadHost),
        ("a\\b", F::BadHost),
        ("a?b", F::BadHost),
        ("a#b", F::BadHost),
        ("a%2eb", F::BadHost),
        ("é", F::BadHost),
        ("a..b", F::BadHost),
        (".a", F::BadHost),
        ("a.", F::BadHost),
        ("-a", F::BadHost),
        ("a-.b", F::BadHost),
        ("*.a", F::BadHost),
        (":80", F::BadHost),
        ("[::1", F::BadHost),
        ("[fe80::1%25eth0]", F::BadHost),
        ("[v1.x]", F::BadHost),
        ("[]", F::BadHost),
        ("[::1]80", F::BadPort),
        ("[::1]:", F::BadPort),
        ("a:", F::BadPort),
        ("a:0", F::BadPort),
        ("a:080", F::BadPort),
        ("a:+80", F::BadPort),
        ("a:80x", F::BadPort),
        ("a:65536", F::BadPort),
        ("a:80:80", F::BadPort),
        ("::1", F::BadPort),
    ] {
        assert_eq!(Authority::parse(text), Err(fault), "{text:?}");
    }
    let label = "a".repeat(64);
    assert_eq!(Authority::parse(&label), Err(F::BadHost));
    let name = vec!["abcdefgh"; 29].join(".");
    assert_eq!(Authority::parse(&name), Err(F::BadHost));
}

#[test]
fn reads_a_host_in_its_one_spelling() {
    for (text, host, port) in [
        ("a", "a", None),
        ("App.Example.com:8443", "app.example.com", Some(8443)),
        ("my_service", "my_service", None),
        ("127.0.0.1:1", "127.0.0.1", Some(1)),
        ("[::1]", "::1", None),
        ("[0:0:0:0:0:0:0:1]:65535", "::1", Some(65535)),
        ("[2001:DB8::A]", "2001:db8::a", None),
    ] {
        assert_eq!(Authority::parse(text), Ok(Authority { host: host.into(), port }), "{text:?}");
    }
}
