//! What does a big configuration cost? The start of the built program on it, one request, and what a reload of it does to
//! requests under way.
//!
//! `cargo run -p portcullis-tests --example big_config -- 10 10 10000 1000` takes pairs: routes, and policies for one
//! action each. The program has to be built before in the same profile; docs/performance.md has the figures.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a tool for measuring"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use portcullis_tests::binary;
use portcullis_tests::client::Client;
use portcullis_tests::program::Program;
use portcullis_tests::site::Setup;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

/// Between two requests.
const PACE: Duration = Duration::from_millis(2);
/// Reloads, one after the other.
const RELOADS: usize = 5;

fn setup(routes: usize, policies: usize) -> Setup {
    let mut setup = Setup::new().server("max_requests_per_connection = 1000000").section("[guard]\nmode = \"off\"\n");
    let mut cedar = String::new();
    for at in 0..routes {
        // One that anybody may ask; policies are for the others.
        let group = if at == 0 { "public" } else { "own" };
        setup = setup.route(&format!("r{at}"), &format!("GET /r{at}/{{id}}"), group, "");
        if (1..=policies).contains(&at) {
            let _ = writeln!(
                cedar,
                "@id(\"p{at}\") permit (principal, action == Action::\"r{at}\", resource) when {{ principal in Group::\"test|g{at}\" }};"
            );
        }
    }
    setup.schema("action \"own\";").policies(&cedar)
}

/// Asks at an even pace until `over`; how long each took.
async fn ask(client: &mut Client, over: impl Future<Output = ()>) -> Vec<Duration> {
    let mut over = std::pin::pin!(over);
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = &mut over => return times,
            _ = pace.tick() => {
                let began = Instant::now();
                let answer = client.get("/r0/1", &[]).await;
                times.push(began.elapsed());
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
    }
}

/// Median, 99th percentile and the longest, in milliseconds.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let ms = |at: usize| times[at.min(times.len() - 1)].as_secs_f64() * 1000.0;
    format!("{:.2} / {:.2} / {:.2} ({})", ms(times.len() / 2), ms(times.len() * 99 / 100), ms(times.len()), times.len())
}

async fn measure(routes: usize, policies: usize) {
    let program = Program::lay(setup(routes, policies), None).await;
    let began = Instant::now();
    let mut running = binary::spawn(program.ground.folder.path(), &["run"]);
    // It listens when it is ready.
    while TcpStream::connect(program.https()).await.is_err() {
        assert!(running.runs(), "it did not start");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let started = began.elapsed();
    let mut client = program.client().await;
    let mut admin = program.admin().await;
    let operator = program.operator();
    ask(&mut client, tokio::time::sleep(Duration::from_secs(1))).await;
    let quiet = ask(&mut client, tokio::time::sleep(Duration::from_secs(5))).await;
    let began = Instant::now();
    let reloading = ask(&mut client, async {
        for at in 0..RELOADS {
            program.ground.files.write("policies/more.cedar", format!("// Change {at}.\n"));
            let answer = admin.send("POST", "/v1/config/reload", &[("authorization", &operator)], "").await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    })
    .await;
    let each = began.elapsed().as_secs_f64() / f64::from(u32::try_from(RELOADS).unwrap());
    println!(
        "| {routes} | {policies} | {:.2} s | {} | {each:.2} s | {} |",
        started.as_secs_f64(),
        spread(quiet),
        spread(reloading)
    );
}

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    println!("| routes | policies | start | request, median / p99 / longest, ms | a reload | requests meanwhile |");
    println!("|---|---|---|---|---|---|");
    for pair in numbers.as_chunks::<2>().0 {
        measure(pair[0], pair[1]).await;
    }
}
