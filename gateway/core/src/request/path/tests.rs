use super::{CanonicalPath, PathFault};

fn check(path: &str, expected: Result<(), PathFault>) {
    assert_eq!(CanonicalPath::parse(path).map(|_| ()), expected, "{path:?}");
}

#[test]
fn refuses_every_path_with_two_readings() {
    use PathFault as F;
    for (path, fault) in [
        ("", F::NotRooted),
        ("a", F::NotRooted),
        ("*", F::NotRooted),
        ("http://a/b", F::NotRooted),
        ("//", F::EmptySegment),
        ("//a", F::EmptySegment),
        ("/a//b", F::EmptySegment),
        ("/a//", F::EmptySegment),
        ("/.", F::DotSegment),
        ("/a/..", F::DotSegment),
        ("/a/../b", F::DotSegment),
        ("/a/./b", F::DotSegment),
        ("/a/../", F::DotSegment),
        ("/%2e%2e/a", F::EncodedUnreserved),
        ("/%2E/a", F::EncodedUnreserved),
        ("/.%2e/a", F::EncodedUnreserved),
        ("/%61dmin", F::EncodedUnreserved),
        ("/%41dmin", F::EncodedUnreserved),
        ("/a%30", F::EncodedUnreserved),
        ("/a%2D%5F%7E", F::EncodedUnreserved),
        ("/a%2Fb", F::EncodedDelimiter),
        ("/a%2fb", F::EncodedDelimiter),
        ("/a%5Cb", F::EncodedDelimiter),
        ("/a%5cb", F::EncodedDelimiter),
        ("/a%3Bb", F::EncodedDelimiter),
        ("/a%3Fb", F::EncodedDelimiter),
        ("/a%23b", F::EncodedDelimiter),
        ("/a%00", F::EncodedControl),
        ("/a%0D%0A", F::EncodedControl),
        ("/a%7F", F::EncodedControl),
        ("/a%C2%85", F::EncodedControl),
        ("/a\\b", F::BackSlash),
        ("/a;b", F::Semicolon),
        ("/a;/b", F::Semicolon),
        ("/a%", F::BadEscape),
        ("/a%4", F::BadEscape),
        ("/a%4/1", F::BadEscape),
        ("/a%zz", F::BadEscape),
        ("/a%u002e", F::BadEscape),
        ("/a% 1", F::BadEscape),
        ("/a%+1", F::BadEscape),
        ("/%252e%252e/a", F::DoubleEncoding),
        ("/a%252Fb", F::DoubleEncoding),
        ("/a%25C3", F::DoubleEncoding),
        ("/%c3%a9", F::LowerCaseHex),
        ("/%C3%a9", F::LowerCaseHex),
        ("/a%3a", F::LowerCaseHex),
        ("/%FF", F::NotUtf8),
        ("/%C3", F::NotUtf8),
        ("/%C3/%A9", F::NotUtf8),
        ("/%C0%AE", F::NotUtf8),
        ("/%ED%A0%80", F::NotUtf8),
        ("/é", F::ForbiddenByte),
        ("/a b", F::ForbiddenByte),
        ("/a\tb", F::ForbiddenByte),
        ("/a\0", F::ForbiddenByte),
        ("/a\u{7f}", F::ForbiddenByte),
        ("/a?b", F::ForbiddenByte),
        ("/a#b", F::ForbiddenByte),
        ("/{id}", F::ForbiddenByte),
        ("/[id]", F::ForbiddenByte),
        ("/a|b", F::ForbiddenByte),
        ("/a^b", F::ForbiddenByte),
        ("/a`b", F::ForbiddenByte),
        ("/<a>\"", F::ForbiddenByte),
    ] {
        check(path, Err(fault));
    }
}

#[test]
fn takes_canonical_paths_as_they_are() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/a/b.c",
        "/...",
        "/.well-known/x",
        "/a..b/~c",
        "/caf%C3%A9",
        "/a%20b",
        "/100%25",
        "/100%25/ab",
        "/100%25x1",
        "/a:b@c,d=e+f!$&'()*",
        "/a%3Ab%40c",
        "/%7Bid%7D",
        "/Admin",
    ] {
        check(path, Ok(()));
    }
}

#[test]
fn decodes_and_folds_once() {
    let path = CanonicalPath::parse("/Caf%C3%A9/100%25/a%3Ab/").unwrap();
    let decoded: Vec<_> = path.segments().map(CanonicalPath::decode).collect();
    assert_eq!(decoded, ["Café", "100%", "a:b", ""]);
    assert_eq!(path.folded(), "/café/100%/a:b/");
    assert_eq!(CanonicalPath::parse("/").unwrap().segments().collect::<Vec<_>>(), [""]);
}

#[test]
fn says_what_is_wrong_without_a_full_stop() {
    for fault in [PathFault::BadEscape, PathFault::Semicolon, PathFault::NotRooted] {
        assert!(!fault.to_string().ends_with('.') && fault.to_string().contains(": "), "{fault}");
    }
}
