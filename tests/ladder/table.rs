//! What came out? One table, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::peers::Peer;
use crate::{Results, Rung};

/// Medians in microseconds of CPU time for each request, and in brackets how ours compares.
pub(crate) fn print(results: &Results, idle: &BTreeMap<Peer, f64>, peers: &[Peer]) -> String {
    let mut text = String::from("| µs of CPU per request |");
    for peer in peers {
        let _ = write!(text, " {} |", peer.name());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(peers.len()));
    for rung in Rung::ALL {
        let row = |peer: &Peer| results.get(&(rung, *peer)).map(|rounds| median(rounds));
        let _ = write!(text, "\n| {} |", rung.name());
        cells(&mut text, peers, row);
    }
    text.push_str("\n| KiB per idle connection |");
    cells(&mut text, peers, |peer| idle.get(peer).copied());
    text.push('\n');
    text
}

fn cells(text: &mut String, peers: &[Peer], value: impl Fn(&Peer) -> Option<f64>) {
    let ours = value(&Peer::Portcullis);
    for peer in peers {
        let _ = match (value(peer), ours) {
            (Some(theirs), Some(ours)) if *peer != Peer::Portcullis => {
                write!(text, " {theirs:.1} ({:.2}) |", ours / theirs)
            }
            (Some(value), _) => write!(text, " {value:.1} |"),
            (None, _) => write!(text, " |"),
        };
    }
}

fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
