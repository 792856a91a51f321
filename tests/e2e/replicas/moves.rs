//! The Redis servers change places under load: a server dies and its replica takes over, a cluster moves its slots. Whoever
//! asks gets the right answer or 503, and all of it ends by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_tests::binary::{self, Running};
use portcullis_tests::client::{Answer, Client};
use portcullis_tests::program::Program;
use portcullis_tests::redis::Redis;
use portcullis_tests::redis::topology::{Cluster, Watched};
use portcullis_tests::site::Setup;
use portcullis_tests::within;
use serde_json::json;
use tokio::task::JoinSet;

/// Of the route `counted`, a day, over both replicas.
const LIMIT: usize = 200;

/// How long servers may take to change places: a Sentinel notices, agrees, and tells.
const CHANGE: Duration = Duration::from_secs(30);

/// Writers, each of which may have one answer that it has not noted yet.
const WRITERS: usize = 2;

/// What a writer was told last of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Good,
    /// It was told that nobody knows.
    Perhaps,
    Revoked,
}

/// What all writers were told, in that order: the secret of a key, and what it is.
type Told = Arc<Mutex<Vec<(String, Fate)>>>;

struct Pair {
    one: Program,
    two: Program,
    _running: [Running; 2],
    operator: String,
    stop: Arc<AtomicBool>,
    told: Told,
    asking: JoinSet<usize>,
    counting: JoinSet<usize>,
}

/// Status 200, or what is declared for a store that is away; `None` is the latter.
fn served(answer: &Answer, what: &str) -> Option<u16> {
    match answer.status.as_u16() {
        503 => {
            assert_eq!(answer.problem().1, "dependency_unavailable", "{what}");
            None
        }
        status => Some(status),
    }
}

impl Pair {
    async fn start(store: &str, counters: &str) -> Self {
        let counted = format!(
            "authenticate = [\"api_key\"]\nlimits = [{{ by = \"principal\", rate = \"{LIMIT}/d\", burst = {LIMIT}, \
             on_store_failure = \"deny\" }}]\n"
        );
        let setup = Setup::new()
            .server("max_requests_per_connection = 1000000")
            .section("[guard]\nrate = \"1000000/min\"\nfailures = \"1000000/min\"\n")
            .section(&format!("[counters]\n{counters}\ntimeout = \"1s\"\nreplicas = 2\n"))
            .route("api", "GET /api", "read", "authenticate = [\"api_key\"]\n")
            .route("counted", "GET /counted", "read", &counted);
        let one = Program::lay(setup, Some(&format!("{store}\ntimeout = \"1s\""))).await;
        let two = one.twin("two");
        let running = [one.start().await, two.start().await];
        let (operator, stop) = (one.operator(), Arc::default());
        let (told, asking, counting) = (Told::default(), JoinSet::new(), JoinSet::new());
        Self { one, two, _running: running, operator, stop, told, asking, counting }
    }

    /// Makes a key at the first.
    async fn key(&self) -> (String, String) {
        let made = make(&mut self.one.admin().await, &self.operator).await;
        assert_eq!(made.status, 201, "{made:#?}");
        named(&made)
    }

    /// Asks both all the time: with a key that is good, with one that was revoked, where a limit is, and for changes.
    async fn load(&mut self) {
        let (_, good) = self.key().await;
        let (id, dead) = self.key().await;
        let (_, counted) = self.key().await;
        let revoked = revoke(&mut self.one.admin().await, &self.operator, &id).await;
        assert!(revoked.status.is_success(), "{revoked:#?}");
        for program in [&self.one, &self.two] {
            let mut client = program.client().await;
            let ended = async { while client.get("/api", &[("x-api-key", &dead)]).await.status != 401 {} };
            within("the revocation at both", ended).await;
            for (secret, right) in [(&good, 200), (&dead, 401)] {
                let (mut client, stop, secret) = (program.client().await, Arc::clone(&self.stop), secret.clone());
                self.asking.spawn(async move {
                    let (mut answered, mut pace) = (0, tokio::time::interval(Duration::from_millis(5)));
                    while !stop.load(Ordering::Acquire) {
                        let status = served(&client.get("/api", &[("x-api-key", &secret)]).await, "a key");
                        assert!(status.is_none_or(|status| status == right), "{status:?} for {right}");
                        answered += usize::from(status.is_some());
                        pace.tick().await;
                    }
                    answered
                });
            }
            let (mut client, stop, secret) = (program.client().await, Arc::clone(&self.stop), counted.clone());
            self.counting.spawn(async move {
                let (mut had, mut pace) = (0, tokio::time::interval(Duration::from_millis(40)));
                while !stop.load(Ordering::Acquire) {
                    match served(&client.get("/counted", &[("x-api-key", &secret)]).await, "a limit") {
                        Some(200) => had += 1,
                        None | Some(429) => {}
                        Some(other) => panic!("{other} where a limit is"),
                    }
                    // So that the limit lasts for as long as the servers take.
                    pace.tick().await;
                }
                had
            });
            let (stop, told) = (Arc::clone(&self.stop), Arc::clone(&self.told));
            let writing = write(program.admin().await, program.client().await, self.operator.clone(), stop, told);
            self.asking.spawn(writing);
        }
    }

    /// How much the writers have been told.
    fn told(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    async fn writes_go_on(&self, what: &str) {
        let before = self.told();
        let more = async {
            while self.told() < before + 4 * WRITERS {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(CHANGE, more).await.is_ok(), "{what}: nothing is written any more");
    }

    /// Ends the load; then both know all that the writers were told, but for what was told between `lost`. How many
    /// requests the limit let pass.
    async fn ends(mut self, lost: std::ops::Range<usize>) -> usize {
        self.stop.store(true, Ordering::Release);
        while let Some(answered) = self.asking.join_next().await {
            assert!(answered.unwrap() > 0, "nobody was answered");
        }
        let had = self.counting.join_all().await.into_iter().sum();
        let told = self.told.lock().unwrap().clone();
        let last: HashMap<_, _> = told.iter().enumerate().map(|(at, (secret, fate))| (secret, (at, *fate))).collect();
        assert!(last.values().any(|(at, fate)| *fate == Fate::Revoked && *at >= lost.end), "{told:?}");
        for program in [&self.one, &self.two] {
            let mut client = program.client().await;
            for (secret, (at, fate)) in &last {
                let asked = async {
                    loop {
                        let answer = client.get("/api", &[("x-api-key", secret)]).await;
                        if let Some(status) = served(&answer, "after all") {
                            break status;
                        }
                    }
                };
                let status = within("an answer after all", asked).await;
                let right = match fate {
                    Fate::Good => status == 200,
                    Fate::Perhaps => [200, 401].contains(&status),
                    Fate::Revoked => status == 401,
                };
                assert!(right || lost.contains(at), "{fate:?} was told as {at}, and {lost:?} may be lost: {status}");
            }
        }
        let ran = binary::run(self.one.ground.folder.path(), &["audit", "verify"]).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        had
    }
}

/// Makes keys and takes every other back, and notes what it is told.
async fn write(mut admin: Client, mut client: Client, operator: String, stop: Arc<AtomicBool>, told: Told) -> usize {
    let mut done = 0;
    let note = |secret: &str, fate| told.lock().unwrap().push((secret.to_owned(), fate));
    while !stop.load(Ordering::Acquire) {
        let made = make(&mut admin, &operator).await;
        if made.status != 201 {
            assert_eq!(made.status, 503, "{made:#?}");
            continue;
        }
        let (id, secret) = named(&made);
        note(&secret, Fate::Good);
        done += 1;
        if done % 2 == 0 {
            continue;
        }
        let revoked = revoke(&mut admin, &operator, &id).await;
        match (revoked.status.as_u16(), revoked.status.is_success()) {
            (_, true) => {
                note(&secret, Fate::Revoked);
                let status = served(&client.get("/api", &[("x-api-key", &secret)]).await, "a key that was taken back");
                assert!(status.is_none_or(|status| status == 401), "{status:?} at once where it was taken back");
            }
            (503, _) => note(&secret, Fate::Perhaps),
            // What the old server had not passed on, the new one has never heard of.
            (404, _) => {}
            _ => panic!("{revoked:#?}"),
        }
    }
    done
}

async fn make(admin: &mut Client, operator: &str) -> Answer {
    let wanted = json!({ "name": "k", "roles": ["readers"] });
    admin.post_json("/v1/keys", &[("authorization", operator)], &wanted).await
}

async fn revoke(admin: &mut Client, operator: &str, id: &str) -> Answer {
    admin.send("DELETE", &format!("/v1/keys/{id}"), &[("authorization", operator)], "").await
}

fn named(made: &Answer) -> (String, String) {
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

async fn role(server: &Redis) -> redis::RedisResult<String> {
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("replication").query_async(&mut connection).await?;
    Ok(info.lines().find_map(|line| line.strip_prefix("role:")).unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_knows_all_that_was_passed_on_and_nobody_gets_a_wrong_answer() {
    let mut watched = Watched::start().await;
    let servers = format!(
        "url = \"redis://127.0.0.1:{}\"\nmode = \"sentinel\"\nmaster = \"{}\"",
        watched.sentinel.port(),
        Watched::NAME
    );
    let mut pair = Pair::start(&servers, &servers).await;
    pair.load().await;
    pair.writes_go_on("before").await;
    let kept = pair.told();
    let number = async |server: &Redis| {
        let mut behind = server.behind().await;
        redis::cmd("GET").arg("ptcl:{store}:seq").query_async::<u64>(&mut behind).await.unwrap()
    };
    let written = number(&watched.server).await;
    within("the replica to have it", async { while number(&watched.replica).await < written {} }).await;
    watched.server.kill().await;
    let taken_over = async {
        loop {
            // Whoever is connected is cut off when it takes over.
            if role(&watched.replica).await.is_ok_and(|role| role == "master") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(CHANGE, taken_over).await.is_ok(), "the replica takes over");
    let lost = kept..pair.told() + WRITERS;
    pair.writes_go_on("after").await;
    let had = pair.ends(lost).await;
    assert!(had > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_slots_move_nothing_is_lost_no_limit_is_exceeded_and_nobody_gets_a_wrong_answer() {
    let cluster = Cluster::start().await;
    let servers = format!(
        "url = \"redis://127.0.0.1:{}\"\nmode = \"cluster\"\nnodes = [\"127.0.0.1:{}\"]",
        cluster.nodes[0].port(),
        cluster.nodes[1].port()
    );
    let mut pair = Pair::start(&servers, &servers).await;
    pair.load().await;
    pair.writes_go_on("before").await;
    for key in ["ptcl:{store}:seq", "ptcl:{limit}:probe", "ptcl:{store}:seq"] {
        cluster.move_slot(key, async || ()).await;
        pair.writes_go_on(key).await;
    }
    let had = pair.ends(0..0).await;
    assert!((1..=LIMIT).contains(&had), "{had} of {LIMIT}");
}
