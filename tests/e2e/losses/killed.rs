//! The process dies at any moment while everything is written that can be: what was acknowledged is there, what was not
//! is there whole or not at all, and the audit log tells of exactly what is there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_core::config::StoreConfig;
use portcullis_core::identify::Secret;
use portcullis_core::ports::Clock;
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::store::{AuditVerdict, Kind, Listing, Store, audit};
use portcullis_server::world::{self};
use portcullis_tests::binary;
use portcullis_tests::jar::Browser;
use portcullis_tests::program::Program;
use portcullis_tests::random::Random;
use portcullis_tests::redis::Redis;
use portcullis_tests::within;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::writer::{Visit, Writer};
use crate::login;

/// Acknowledged writes until the test ends.
const WRITES: usize = 1_000;
/// Kills at least.
const KILLS: usize = 8;
const WRITERS: usize = 4;
/// Printed with every failure.
const SEED: u64 = 20_261_125;

const ALICE: &str = "/v1/sessions?user=test%7Cu-alice-0001&limit=200";

/// What dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Victim {
    Gateway,
    Server,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_acknowledged_writes_outlive_every_kill_on_sqlite() {
    survives(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_acknowledged_writes_outlive_every_kill_of_gateway_or_server_on_redis() {
    survives(Some(Redis::durable().await)).await;
}

async fn survives(mut server: Option<Redis>) {
    let idp = login::idp_with(&[("IDP_ID_TTL", "1000000")]).await;
    // Not about time: a loaded machine may take more than 50 ms.
    let store = server.as_ref().map(|server| format!("url = \"{}\"\ntimeout = \"5s\"", server.url()));
    let tokens = "[tokens.other]\nissuer = \"https://idp.test\"\naudiences = [\"https://app.test\"]\njwks = \
                  \"file:certs/jwks.json\"\n";
    let setup = login::setup(&idp, "")
        .tokens(tokens)
        .section("[sessions]\nmax_per_user = 1000\n[guard]\nrate = \"100000/min\"\nfailures = \"100000/min\"\n");
    let setup = setup.route("api", "GET /api", "read", "authenticate = [\"api_key\"]\n");
    let program = Program::lay(setup, store.as_deref()).await;
    let mut random = Random(SEED);
    let (acknowledged, mut told) = watch::channel(0);
    let mut gateway = program.start().await;
    let credential = credential(&program).await;
    let mut writers: Vec<Writer> =
        (0..WRITERS).map(|at| Writer::new(at, SEED, &credential, acknowledged.clone())).collect();
    let mut kills = 0;
    while kills < KILLS || *told.borrow() < WRITES {
        let enough = *told.borrow() + 60 + random.pick(80);
        let mut writing = JoinSet::new();
        let stop = Arc::new(AtomicBool::new(false));
        for mut writer in writers.drain(..) {
            let (admin, stop) = (program.admin().await, Arc::clone(&stop));
            writing.spawn(async move {
                writer.write(admin, &stop).await;
                writer
            });
        }
        let visits = [visit(&program).await, visit(&program).await];
        let reset = binary::run(program.ground.folder.path(), &["admin", "reset-key"]).await;
        assert_eq!(reset.code, Some(0), "{reset:#?}");
        within("enough writes", told.wait_for(|told| *told >= enough)).await.unwrap();
        for _ in 0..random.below(1_000) {
            tokio::task::yield_now().await;
        }
        kills += 1;
        let victim = if server.is_some() && random.below(2) == 1 { Victim::Server } else { Victim::Gateway };
        match (victim, &mut server) {
            (Victim::Server, Some(server)) => {
                server.kill().await;
                server.restart().await;
                stop.store(true, Ordering::Release);
                writers = within("the end of the writers", writing.join_all()).await;
            }
            (Victim::Server, None) | (Victim::Gateway, _) => {
                gateway.signal("KILL").await;
                writers = within("the end of the writers", writing.join_all()).await;
                gateway.ended().await;
                gateway = program.start().await;
            }
        }
        works_again(&program).await;
        writers.sort_by_key(|writer| writer.at);
        for (writer, visit) in writers.iter_mut().zip(visits) {
            writer.visits.push(visit);
        }
        for writer in &mut writers {
            let (mut admin, mut client) = (program.admin().await, program.client().await);
            writer.settle(&mut admin, &mut client).await;
            writer.holds(&mut admin, &mut client).await;
        }
    }
    gateway.signal("TERM").await;
    gateway.ended().await;
    let url = server.as_ref().map_or_else(|| "sqlite:data/portcullis.db".to_owned(), Redis::url);
    log_fits(program.ground.files.root(), &url, &writers, kills).await;
}

/// A key of an administrator: the admin key itself is replaced again and again.
async fn credential(program: &Program) -> String {
    let wanted = json!({ "name": "writers", "owner": "operator", "roles": ["portcullis:admin"] });
    let mut admin = program.admin().await;
    let made = admin.post_json("/v1/keys", &[("authorization", &program.operator())], &wanted).await;
    assert_eq!(made.status, 201, "{made:#?}");
    format!("Bearer {}", made.json()["secret"].as_str().unwrap())
}

/// The gateway answers from its store again; the admin key that was made last is the one that counts.
async fn works_again(program: &Program) {
    within("the gateway to reach its store", async {
        loop {
            let answer = program.admin().await.get("/v1/keys", &[("authorization", &program.operator())]).await;
            match answer.status.as_u16() {
                200 => break,
                503 => {}
                _ => panic!("the admin key that was made last: {answer:#?}"),
            }
        }
    })
    .await;
}

/// Somebody logs in: a session that is acknowledged by its cookie.
async fn visit(program: &Program) -> Visit {
    let operator = program.operator();
    let ids = async || {
        let listed = program.admin().await.get(ALICE, &[("authorization", &operator)]).await.json();
        let items = listed["items"].as_array().unwrap().iter();
        items.map(|session| session["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = ids().await;
    let mut browser = Browser::at(program.https(), program.ground.authority.pem());
    let arrival = browser.follow("https://app.test/page", "alice").await;
    assert_eq!(arrival.answer.status, 200, "{arrival:#?}");
    // Others end some meanwhile; the newest is the last.
    let id = ids().await.into_iter().rfind(|id| !before.contains(id)).unwrap();
    Visit { id, browser, alive: true }
}

/// The audit log is whole, tells of each change once and in order, and of the very state that stands there.
async fn log_fits(root: &Path, url: &str, writers: &[Writer], kills: usize) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let config = StoreConfig { url: Secret::new(url), ..StoreConfig::default() };
    let store = world::open(&config, root, &clock).await.unwrap();
    assert!(matches!(audit::verify(&*store).await, Ok(AuditVerdict::Whole { .. })));
    let mut rows = Vec::new();
    loop {
        let more = store.audit(i64::try_from(rows.len()).unwrap(), Listing::LONGEST).await.unwrap();
        if more.is_empty() {
            break;
        }
        rows.extend(more);
    }
    let mut told = 0;
    for (subject, actions) in writers.iter().flat_map(Writer::told) {
        let of_it: Vec<_> = rows.iter().filter(|row| row.subject == subject).collect();
        let said: Vec<&str> = of_it.iter().map(|row| &*row.action).collect();
        assert_eq!(said, actions, "{subject}, seed {SEED}");
        assert!(of_it.windows(2).all(|pair| pair[0].after == pair[1].before), "{subject}: {of_it:#?}");
        told += said.len();
    }
    // Nobody has written more than they know of.
    let theirs = ["key.", "revocation.", "session."];
    let by_writers = rows.iter().filter(|row| theirs.iter().any(|kind| row.action.starts_with(kind))).count();
    // One made the writers' own key.
    assert_eq!(by_writers, told + 1, "seed {SEED}");
    let resets = rows.iter().filter(|row| row.action == "admin_key.reset").count();
    assert_eq!(resets, kills, "one for each");
    for kind in [Kind::ApiKey, Kind::Revocation] {
        for record in everything(&*store, kind).await {
            let last = rows.iter().rfind(|row| *row.subject == *record.id);
            let vouched = last.and_then(|row| row.after);
            assert_eq!(vouched, Some(audit::hash(&record.body)), "{kind:?} {}", record.id);
        }
    }
}

async fn everything(store: &dyn Store, kind: Kind) -> Vec<portcullis_server::world::store::Record> {
    let (mut records, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(Listing::of(kind).after(cursor.as_deref())).await.unwrap();
        records.extend(page.records);
        cursor = page.next;
        if cursor.is_none() {
            return records;
        }
    }
}
