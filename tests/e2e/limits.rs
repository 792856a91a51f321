//! Who is held back, when, and what are they told?

use std::sync::Arc;

use portcullis_tests::clock::TestClock;
use portcullis_tests::redis::Redis;
use portcullis_tests::site::{Setup, Site};
use portcullis_tests::within;
use serde_json::json;

fn limited(by: &str) -> Setup {
    Setup::new().route("limited", "GET /", "read", &format!("limits = [{{ by = \"{by}\", rate = \"1/h\" }}]\n"))
}

/// The statuses of these requests, one after another.
async fn statuses(site: &Site, requests: &[&[(&str, &str)]]) -> Vec<u16> {
    let mut client = site.h1().await;
    let mut statuses = Vec::new();
    for fields in requests {
        statuses.push(client.get("/", fields).await.status.as_u16());
    }
    statuses
}

async fn new_key(site: &Site) -> String {
    let admin = format!("Bearer {}", site.admin_key());
    let wanted = json!({ "name": "k", "owner": "o", "roles": ["readers"] });
    let made = site.admin().await.post_json("/v1/keys", &[("authorization", &admin)], &wanted).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_principal_has_its_own_count() {
    let site = limited("principal").start().await;
    let (rita, wanda) = (site.reader(), site.writer());
    let (rita, wanda): (&[_], &[_]) = (&[("authorization", rita.as_str())], &[("authorization", wanda.as_str())]);
    assert_eq!(statuses(&site, &[rita, rita, wanda, wanda]).await, [200, 429, 200, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_its_own_count() {
    let site = limited("key").start().await;
    let (one, two) = (new_key(&site).await, new_key(&site).await);
    let (one, two): (&[_], &[_]) = (&[("x-api-key", one.as_str())], &[("x-api-key", two.as_str())]);
    assert_eq!(statuses(&site, &[one, one, two]).await, [200, 429, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_address_has_its_own_count() {
    let site = limited("address").server("trusted_proxies = [\"127.0.0.1\"]").start().await;
    let reader = site.reader();
    let from = |address| [("authorization", reader.as_str()), ("x-forwarded-for", address)];
    let (one, near, far) = (from("2001:db8::1"), from("2001:db8::2"), from("2001:db9::1"));
    assert_eq!(statuses(&site, &[&one, &near, &far]).await, [200, 429, 200], "an IPv6 host has its /64");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_claim_and_each_field_has_its_own_count() {
    let site = limited("claim:plan").start().await;
    let with = |user: &str, plan: &str| {
        let mut claims = site.claims(user, &["readers"]);
        claims["plan"] = plan.into();
        format!("Bearer {}", site.signer.sign(&claims))
    };
    let tokens = [with("a", "free"), with("b", "free"), with("c", "paid"), site.bearer("d", &["readers"])];
    let requests: Vec<Vec<(&str, &str)>> = tokens.iter().map(|token| vec![("authorization", token.as_str())]).collect();
    let requests: Vec<&[(&str, &str)]> = requests.iter().map(Vec::as_slice).collect();
    assert_eq!(statuses(&site, &requests).await, [200, 429, 200, 200]);

    let site = limited("header:x-tenant").start().await;
    let reader = site.reader();
    let of = |tenant| [("authorization", reader.as_str()), ("x-tenant", tenant)];
    assert_eq!(statuses(&site, &[&of("a"), &of("a"), &of("b")]).await, [200, 429, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_have_one_count_for_all() {
    let site = limited("route").start().await;
    let (rita, wanda) = (site.reader(), site.writer());
    assert_eq!(statuses(&site, &[&[("authorization", &rita)], &[("authorization", &wanda)]]).await, [200, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_how_the_limits_stand() {
    let limits = "limits = [{ by = \"principal\", rate = \"10/h\", burst = 2, name = \"calls\" }]\n";
    let site = Setup::new().route("limited", "GET /", "read", limits).start().await;
    let reader = site.reader();
    let mut client = site.h1().await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let answer = client.get("/", &[("authorization", &reader)]).await;
        let field = |name| answer.header(name).map(str::to_owned);
        told.push((answer.status.as_u16(), field("ratelimit"), field("ratelimit-policy"), field("retry-after")));
    }
    let some = |text: &str| Some(text.to_owned());
    let policy = some("\"calls\";q=10;w=3600");
    assert_eq!(
        told,
        [
            (200, some("\"calls\";r=1;t=360"), policy.clone(), None),
            (200, some("\"calls\";r=0;t=720"), policy.clone(), None),
            (429, some("\"calls\";r=0;t=360"), policy, some("360")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_refused_before_anybody_is_asked_who_they_are() {
    for (guard, status, code) in [
        ("deny = [\"127.0.0.0/8\"]", 403, "address_denied"),
        ("allow = [\"192.0.2.0/24\"]", 403, "address_denied"),
        ("rate = \"1/h\"", 429, "rate_limited"),
    ] {
        let site = Setup::new().section(&format!("[guard]\n{guard}")).route("page", "GET /", "read", "").start().await;
        let mut client = site.h1().await;
        client.get("/", &[]).await;
        let refused = client.get("/", &[]).await;
        assert_eq!(refused.problem(), (status, code.to_owned()), "{guard}");
        if status == 429 {
            assert_eq!(refused.header("ratelimit"), Some("\"address\";r=0;t=3600"));
        }
    }
}

/// Limits on one store, for two gateways.
fn shared(redis: &Redis, rate: &str) -> Setup {
    let mut setup =
        Setup::new().section(&format!("[counters]\nurl = \"{}\"\nreplicas = 2\ntimeout = \"200ms\"\n", redis.url()));
    for mode in ["local", "allow", "deny"] {
        let limits = format!("limits = [{{ by = \"route\", rate = \"{rate}\", on_store_failure = \"{mode}\" }}]\n");
        setup = setup.route(mode, &format!("GET /{mode}"), "public", &limits);
    }
    setup
}

async fn codes(site: &Site, path: &str, count: usize) -> Vec<u16> {
    let mut client = site.h1().await;
    let mut codes = Vec::new();
    for _ in 0..count {
        codes.push(client.get(path, &[]).await.status.as_u16());
    }
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_redis_admit_exactly_the_limit() {
    let redis = Redis::start().await;
    let (one, two) = (shared(&redis, "7/h").start().await, shared(&redis, "7/h").start().await);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..20 {
        let mut client = if caller % 2 == 0 { one.h1().await } else { two.h2().await };
        callers.spawn(async move { client.get("/deny", &[]).await.status.as_u16() });
    }
    let statuses = callers.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 7, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 13, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_take_in_advance_seldom_ask_redis_and_never_admit_more() {
    let redis = Redis::start().await;
    // It stands still: all come within a second.
    let clock = Arc::new(TestClock::default());
    let leased = || {
        let limits = "limits = [{ by = \"route\", rate = \"100/h\", on_store_failure = \"deny\", lease = 10 }]\n";
        Setup::new()
            .section(&format!("[counters]\nurl = \"{}\"\ntimeout = \"5s\"\n", redis.url()))
            .route("leased", "GET /leased", "public", limits)
            .clock(&clock)
    };
    let (one, two) = (leased().start().await, leased().start().await);
    let mut admitted = 0;
    for _ in 0..10 {
        for site in [&one, &two] {
            admitted += codes(site, "/leased", 10).await.iter().filter(|status| **status == 200).count();
        }
    }
    assert!((100 - 2 * 9..=100).contains(&admitted), "{admitted}");
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut redis.behind().await).await.unwrap();
    let asked = stats.split_once("cmdstat_evalsha:calls=").unwrap().1.split_once(',').unwrap().0;
    // Each gateway looks for the script once at its start.
    assert!(asked.parse::<usize>().unwrap() < 30, "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_limit_does_what_it_declares_and_redis_may_come_back() {
    let mut redis = Redis::start().await;
    let site = shared(&redis, "4/h").start().await;
    assert_eq!(codes(&site, "/deny", 1).await, [200]);
    redis.kill().await;
    assert_eq!(codes(&site, "/deny", 2).await, [503, 503]);
    assert_eq!(codes(&site, "/allow", 6).await, [200; 6]);
    assert_eq!(codes(&site, "/local", 3).await, [200, 200, 429], "half of the limit: there are two replicas");
    redis.restart().await;
    within("redis to be used again", async { while codes(&site, "/deny", 1).await != [200] {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_costs_one_budget_and_no_more() {
    let redis = Redis::start().await;
    let site = shared(&redis, "4/h").start().await;
    assert_eq!(codes(&site, "/deny", 1).await, [200]);
    redis.pause().await;
    let began = site.gateway.now();
    assert_eq!(codes(&site, "/deny", 1).await, [503]);
    assert_eq!(codes(&site, "/allow", 1).await, [200]);
    assert_eq!(codes(&site, "/local", 3).await, [200, 200, 429]);
    let took = site.gateway.now().since(began).as_millis();
    assert!(took < 5 * 200 + 1_000, "{took} ms");
    redis.resume().await;
    within("redis to be used again", async { while codes(&site, "/deny", 1).await != [200] {} }).await;
}
