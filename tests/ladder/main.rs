//! What does a request cost us, and what does it cost others? Gateways side by side, doing the same job.
//!
//! `tests/ladder/run` builds and starts it; docs/performance.md says how to read the table.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a tool for measuring")]

mod ground;
mod load;
mod peers;
mod process;
mod table;

use std::collections::BTreeMap;

use ground::Ground;
use load::Load;
use peers::Peer;

/// What a gateway is asked to do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rung {
    /// TLS 1.3, HTTP/1.1 keep-alive, 1 KiB from the upstream.
    Forward,
    /// And an ES256 bearer token: signature, issuer, audience, expiry. Of 1,000 in rotation.
    Token,
    /// And a limit for each subject, in memory, that is never reached.
    Limit,
    /// And a role for `POST`.
    Role,
    /// And a body of 1 KiB that must fit a schema.
    Schema,
    /// Turned away for want of a token.
    Refused401,
    /// Turned away for want of the role.
    Refused403,
    /// Turned away by the limit.
    Refused429,
}

impl Rung {
    const ALL: [Self; 8] = [
        Self::Forward,
        Self::Token,
        Self::Limit,
        Self::Role,
        Self::Schema,
        Self::Refused401,
        Self::Refused403,
        Self::Refused429,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forward => "R0 forward",
            Self::Token => "R1 + ES256",
            Self::Limit => "R2 + limit",
            Self::Role => "R3 + role",
            Self::Schema => "R4 + schema",
            Self::Refused401 => "401",
            Self::Refused403 => "403",
            Self::Refused429 => "429",
        }
    }

    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Forward | Self::Token | Self::Limit | Self::Role | Self::Schema => 200,
            Self::Refused401 => 401,
            Self::Refused403 => 403,
            Self::Refused429 => 429,
        }
    }
}

/// CPU time per request in microseconds, of each round.
pub(crate) type Results = BTreeMap<(Rung, Peer), Vec<f64>>;

/// How much is measured.
struct Plan {
    rounds: u32,
    requests: u32,
}

impl Plan {
    /// `--rounds N` (5) and `--requests N` (30,000).
    fn read() -> Self {
        let words: Vec<String> = std::env::args().collect();
        let number = |flag: &str, usual: u32| {
            let at = words.iter().position(|word| word == flag);
            at.and_then(|at| words.get(at + 1)).map_or(usual, |text| text.parse().expect("a number"))
        };
        Self { rounds: number("--rounds", 5), requests: number("--requests", 30_000) }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    portcullis_server::world::install_crypto();
    let plan = Plan::read();
    let ground = Ground::lay().await;
    let peers: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| peer.is_there()).collect();
    let mut results = Results::new();
    let mut idle = BTreeMap::new();
    for round in 1..=plan.rounds {
        // In turns, so that a slow spell of the machine hits all alike.
        for rung in Rung::ALL {
            for peer in peers.iter().copied().filter(|peer| peer.can(rung)) {
                let process = peer.start(&ground, rung).await;
                let load = Load::connect(&ground, rung).await;
                load.run(plan.requests / 10).await;
                let before = process.cpu();
                load.run(plan.requests).await;
                let spent = process.cpu() - before;
                results.entry((rung, peer)).or_default().push(spent / f64::from(plan.requests));
                drop(load);
                if rung == Rung::Forward && round == 1 {
                    idle.insert(peer, load::idle(&ground, &process).await);
                }
            }
        }
        eprintln!("round {round} of {} is over", plan.rounds);
    }
    print!("{}", table::print(&results, &idle, &peers));
}
