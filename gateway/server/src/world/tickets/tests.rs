use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_core::config::Secret;
use rustls::server::ProducesTickets;

use super::{SPAN, SharedTickets};

const PLAIN: &[u8] = b"what a session is made of";

fn spans(count: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(SPAN) * 80_000) + Duration::from_secs(u64::from(SPAN)) * count
}

/// A replica, by a clock of its own.
fn replica(clock: fn() -> SystemTime, secret: &str) -> SharedTickets {
    SharedTickets::by(clock, &Secret::new(secret)).unwrap()
}

#[test]
fn opens_nothing_that_was_sealed_with_another_secret() {
    let sealed = replica(|| spans(0), "one secret of thirty-two letters").encrypt(PLAIN).unwrap();
    assert_eq!(replica(|| spans(0), "another secret that is as long").decrypt(&sealed), None);
}

#[test]
fn opens_nothing_that_was_changed_or_cut_short() {
    let tickets = replica(|| spans(0), "secret");
    let sealed = tickets.encrypt(PLAIN).unwrap();
    for at in 0..sealed.len() {
        let mut bent = sealed.clone();
        bent[at] ^= 1;
        assert_eq!(tickets.decrypt(&bent), None, "{at}");
        assert_eq!(tickets.decrypt(&sealed[..at]), None, "{at}");
    }
}

#[test]
fn replicas_open_each_others_tickets_whose_clocks_differ_by_a_span() {
    let sealed = replica(|| spans(5), "secret").encrypt(PLAIN).unwrap();
    for (clock, expected) in [
        ((|| spans(3)) as fn() -> SystemTime, None),
        (|| spans(4), Some(PLAIN)),
        (|| spans(5), Some(PLAIN)),
        (|| spans(6), Some(PLAIN)),
        (|| spans(7), None),
    ] {
        assert_eq!(replica(clock, "secret").decrypt(&sealed).as_deref(), expected);
    }
}

#[test]
fn the_same_session_is_never_sealed_alike() {
    let tickets = replica(|| spans(0), "secret");
    assert_ne!(tickets.encrypt(PLAIN), tickets.encrypt(PLAIN));
    assert_eq!(format!("{tickets:?}"), "SharedTickets");
}
