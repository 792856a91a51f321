//! What holds of every input, not only of those somebody thought of.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use portcullis_core::framing::{Connection, Framing, Head, Limits, RawFacts, Stream};
use portcullis_core::refusal::Code;
use portcullis_core::request::{Authority, CanonicalPath, Scheme};
use portcullis_core::route::{Entry, HostPattern, MethodSet, Part, Table, Template};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Text full of what makes paths ambiguous.
fn tricky() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "/", "a", "B", ".", "..", "%2e", "%2F", "%25", "%C3%A9", "%c3", "%", "41", ";", "\\", "?", "#", "//", "é",
        "%00", "{", "~", " ", ":", "@", "%3A", "x.y", "*",
    ]);
    vec(pieces, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn canonical() -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "A", "b", "%C3%A9", "%3A", ":", "x.y", "100%25"]);
    (vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let slash = if slash && !segments.is_empty() { "/" } else { "" };
        format!("/{}{slash}", segments.join("/"))
    })
}

proptest! {
    #[test]
    fn a_canonical_path_is_its_segments(path in prop_oneof![tricky(), canonical(), any::<String>()]) {
        if let Ok(parsed) = CanonicalPath::parse(&path) {
            prop_assert_eq!(parsed.as_str(), &path);
            let rejoined = format!("/{}", parsed.segments().collect::<Vec<_>>().join("/"));
            prop_assert_eq!(&rejoined, &path);
            prop_assert_eq!(CanonicalPath::parse(&rejoined), Ok(parsed));
            for segment in parsed.segments() {
                let decoded = CanonicalPath::decode(segment);
                prop_assert!(!matches!(&*decoded, "." | ".."));
                prop_assert!(!decoded.contains(['/', '\\', ';', '?', '#']) && !decoded.chars().any(char::is_control));
                prop_assert!(!decoded.contains(char::REPLACEMENT_CHARACTER) || segment.contains("%EF%BF%BD"));
                // Whoever decodes a second time changes nothing.
                prop_assert_eq!(CanonicalPath::decode(&decoded), &*decoded);
            }
        }
    }

    #[test]
    fn the_generator_of_canonical_paths_makes_such(path in canonical()) {
        prop_assert!(CanonicalPath::parse(&path).is_ok(), "{}", path);
    }

    #[test]
    fn a_host_is_read_the_same_twice(text in "[a-zA-Z0-9_.:@\\[\\],/ -]{0,20}") {
        if let Ok(authority) = Authority::parse(&text) {
            let bare = if authority.host.contains(':') { format!("[{}]", authority.host) } else { authority.host.to_string() };
            let again = Authority::parse(&bare).map(|again| again.host.into_owned());
            prop_assert_eq!(again, Ok(authority.host.into_owned()));
        }
    }

    #[test]
    fn framing_never_panics_and_passes_only_one_reading(head in arbitrary_head()) {
        let framing = Framing::new(Limits::default(), vec!["10.0.0.0/8".parse().unwrap()]);
        let connection = Connection { peer: head.peer, scheme: Scheme::Https };
        let outcome = framing.check(&head.borrow(), &connection);
        if let Ok(request) = outcome {
            prop_assert!(request.headers.get_all("content-length").iter().count() <= 1);
            prop_assert!(!(request.headers.contains_key("content-length") && request.headers.contains_key("transfer-encoding")));
            prop_assert!(head.headers.get_all("host").iter().count() <= 1 && !request.host.is_empty());
            prop_assert!(head.target.ends_with(request.query.unwrap_or(request.path.as_str()).as_bytes()));
            prop_assert_eq!(CanonicalPath::parse(request.path.as_str()), Ok(request.path));
            prop_assert!(head.headers.keys().all(|name| !name.as_str().contains(['_', '.'])));
        }
    }

    #[test]
    fn agrees_with_a_naive_table(
        routes in vec(route(), 1..12),
        host in select(HOSTS.to_vec()),
        method in select(vec![Method::GET, Method::HEAD, Method::POST]),
        path in path(),
    ) {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, entry) in routes.into_iter().enumerate() {
            let mut trial = entries.clone();
            trial.push(Entry { index, ..entry });
            // A tie is the naive table's, too.
            prop_assert_eq!(Table::compile(trial.clone()).is_err(), naive_tie(&trial));
            if Table::compile(trial.clone()).is_ok() {
                entries = trial;
            }
        }
        let table = Table::compile(entries.clone()).unwrap();
        let parsed = CanonicalPath::parse(&path).unwrap();
        let found = table.find(host, &method, parsed).map(|found| found.route).map_err(|refusal| refusal.code);
        prop_assert_eq!(found, naive_find(&entries, host, &method, &path), "{} {} {}", method, host, path);
        let explanation = table.explain(host, &method, parsed);
        let winners = explanation.candidates.iter().filter(|one| one.verdict == portcullis_core::route::Verdict::Wins);
        prop_assert_eq!(winners.map(|winner| winner.route).collect::<Vec<_>>(), found.into_iter().collect::<Vec<_>>());
    }
}

#[derive(Debug)]
struct OwnedHead {
    method: Method,
    target: Vec<u8>,
    authority: Option<String>,
    scheme: Option<String>,
    version: Version,
    headers: HeaderMap,
    raw: RawFacts,
    stream: Stream,
    peer: IpAddr,
}

impl OwnedHead {
    fn borrow(&self) -> Head<'_> {
        Head {
            method: &self.method,
            target: &self.target,
            authority: self.authority.as_deref(),
            scheme: self.scheme.as_deref(),
            version: self.version,
            headers: &self.headers,
            raw: self.raw,
            stream: self.stream,
        }
    }
}

fn arbitrary_head() -> impl Strategy<Value = OwnedHead> {
    let method = prop_oneof![4 => Just(Method::GET), 1 => Just(Method::POST), 1 => "[A-Za-z!]{1,8}".prop_map(|text| Method::from_bytes(text.as_bytes()).unwrap())];
    let target = prop_oneof![
        3 => (canonical(), option::of("[ -~]{0,8}")).prop_map(|(path, query)| match query {
            Some(query) => format!("{path}?{query}").into_bytes(),
            None => path.into_bytes(),
        }),
        1 => tricky().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..20),
        1 => tricky().prop_map(|path| format!("http://a{path}").into_bytes()),
    ];
    let name = prop_oneof![
        select(vec![
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "cookie",
            "authorization",
            "te",
            "expect",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x_user",
            "x.user",
            "accept",
        ])
        .prop_map(str::to_owned),
        "[a-z_.-]{1,6}",
    ];
    let value = prop_oneof![
        select(vec![
            "a",
            "A",
            "b",
            "0",
            "1",
            "chunked",
            "close",
            "upgrade",
            "websocket",
            "1.2.3.4",
            "https",
            "100-continue",
            "trailers",
            ""
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..10),
    ];
    let headers = vec((name, value), 0..5).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        headers.append("host", HeaderValue::from_static("a"));
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
        }
        headers
    });
    let version = select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3]);
    let pseudo = (option::of("[a-bA:@]{0,3}"), option::of(select(vec!["http", "https", "x"]).prop_map(str::to_owned)));
    let raw = (0..3u8, 0..3u8, 0..3u8).prop_map(|(hosts, content_lengths, transfer_encodings)| RawFacts {
        hosts,
        content_lengths,
        transfer_encodings,
        ..RawFacts::default()
    });
    let raw = prop_oneof![Just(RawFacts::default()), raw];
    let stream = select(vec![Stream::Ended, Stream::Open]);
    (method, target, pseudo, version, headers, raw, stream, any::<IpAddr>()).prop_map(
        |(method, target, (authority, scheme), version, headers, raw, stream, peer)| OwnedHead {
            method,
            target,
            authority,
            scheme,
            version,
            headers,
            raw,
            stream,
            peer,
        },
    )
}

const HOSTS: [&str; 4] = ["b.io", "a.b.io", "c.a.b.io", "x"];
const TEXTS: [&str; 5] = ["a", "A", "b", ":", "%3A"];

fn route() -> impl Strategy<Value = Entry> {
    let host = option::of(select(vec!["b.io", "a.b.io", "*.b.io", "*.a.b.io", "*.io"]));
    let methods = select(vec!["GET", "POST", "GET|POST", "HEAD", "ANY"]);
    let segment = prop_oneof![3 => select(TEXTS.to_vec()), 2 => Just("{}")];
    let end = select(vec!["", "", "", "/", "/{*rest}"]);
    (host, methods, vec(segment, 0..4), end).prop_map(|(host, methods, segments, end)| {
        let segments = segments.iter().enumerate().map(|(place, segment)| match *segment {
            "{}" => format!("/{{p{place}}}"),
            text => format!("/{text}"),
        });
        let path = segments.collect::<String>() + end;
        let path = if path.is_empty() { "/".to_owned() } else { path };
        Entry {
            name: path.as_str().into(),
            methods: methods.parse().unwrap(),
            template: path.parse().unwrap(),
            host: host.map(|host| host.parse().unwrap()),
            index: 0,
        }
    })
}

fn path() -> impl Strategy<Value = String> {
    (vec(select(TEXTS.to_vec()), 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let slash = if slash && !segments.is_empty() { "/" } else { "" };
        format!("/{}{slash}", segments.join("/"))
    })
}

fn naive_tie(entries: &[Entry]) -> bool {
    let shape = |template: &Template| template.parts().iter().map(naive_part).collect::<Vec<_>>();
    let ties = |one: &Entry, other: &Entry| {
        one.host == other.host
            && shape(&one.template) == shape(&other.template)
            && one.methods.common(other.methods).is_some()
    };
    entries.iter().enumerate().any(|(place, one)| entries[place + 1..].iter().any(|other| ties(one, other)))
}

/// The place in the order of precedence, and the text.
fn naive_part(part: &Part) -> (u8, String) {
    match part {
        Part::Static(text) => (0, text.to_string()),
        Part::Parameter(_) => (1, String::new()),
        Part::Tail(_) => (2, String::new()),
    }
}

fn naive_ranks(entry: &Entry) -> Vec<u8> {
    entry.template.parts().iter().map(|part| naive_part(part).0).collect()
}

fn naive_fits(template: &Template, path: &str, spell: fn(&str) -> String) -> bool {
    let segments: Vec<_> = path[1..].split('/').collect();
    let parts = template.parts();
    let tail = matches!(parts.last(), Some(Part::Tail(_)));
    if segments.len() < parts.len() || (!tail && segments.len() > parts.len()) {
        return false;
    }
    parts.iter().zip(segments).all(|(part, segment)| match part {
        Part::Static(text) => spell(text) == spell(segment),
        Part::Parameter(_) | Part::Tail(_) => !segment.is_empty(),
    })
}

fn naive_host(pattern: Option<&HostPattern>, host: &str) -> Option<usize> {
    match pattern {
        None => Some(0),
        Some(HostPattern::Exact(exact)) => (**exact == *host).then_some(usize::MAX),
        Some(HostPattern::Under(suffix)) => host.ends_with(&**suffix).then_some(suffix.len()),
    }
}

fn naive_find(entries: &[Entry], host: &str, method: &Method, path: &str) -> Result<usize, Code> {
    let alike = |text: &str| text.replace("%3A", ":").to_ascii_lowercase();
    let mut levels: Vec<_> = entries.iter().filter_map(|entry| naive_host(entry.host.as_ref(), host)).collect();
    levels.sort_unstable();
    levels.dedup();
    for level in levels.into_iter().rev() {
        let here = || entries.iter().filter(|entry| naive_host(entry.host.as_ref(), host) == Some(level));
        let best = here().filter(|entry| naive_fits(&entry.template, path, str::to_owned)).map(naive_ranks).min();
        let best_alike = here().filter(|entry| naive_fits(&entry.template, path, alike)).map(naive_ranks).min();
        if best != best_alike {
            return Err(Code::RouteNotFound);
        }
        let Some(best) = best else { continue };
        let fitting: Vec<_> = here()
            .filter(|entry| naive_ranks(entry) == best && naive_fits(&entry.template, path, str::to_owned))
            .collect();
        let by = |wanted: &Method| fitting.iter().find(|entry| entry.methods.contains(wanted)).map(|entry| entry.index);
        let covering = || if *method == Method::HEAD { by(&Method::GET) } else { None };
        return by(method).or_else(covering).ok_or(Code::MethodNotAllowed);
    }
    Err(Code::RouteNotFound)
}

#[test]
fn any_is_every_registered_method() {
    assert!(MethodSet::ANY.contains(&Method::PATCH) && !MethodSet::ANY.contains(&Method::CONNECT));
}
