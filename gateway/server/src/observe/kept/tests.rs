//! How much is kept?

use super::*;

fn decision(weight: usize) -> Decision {
    Decision {
        number: 0,
        trail: Trail::default(),
        ids: Ids::default(),
        head: HeadFacts::default(),
        began: Now::default(),
        took: Duration::ZERO,
        config_version: "v".into(),
        status: 200,
        upstream: None,
        resends: 0,
        failed: Vec::new(),
        error: "",
        weight,
    }
}

fn numbers(kept: &Kept) -> Vec<u64> {
    kept.search(None, 100, |_| true).0.iter().map(|decision| decision.number).collect()
}

#[test]
fn the_oldest_make_room_by_number_and_by_weight() {
    let kept = Kept::new(3, 100);
    for _ in 0..5 {
        kept.push(decision(10));
    }
    assert_eq!(numbers(&kept), [5, 4, 3]);
    kept.push(decision(85));
    assert_eq!(numbers(&kept), [6, 5]);
    // One that is too heavy by itself is not kept, and drives nobody out.
    kept.push(decision(101));
    assert_eq!(numbers(&kept), [6, 5]);
}

#[test]
fn nothing_is_wanted_where_nothing_is_kept_and_nobody_follows() {
    let kept = Kept::new(0, 100);
    assert!(!kept.wanted());
    let mut follower = kept.follow();
    assert!(kept.wanted());
    kept.push(decision(1));
    assert_eq!(follower.try_recv().unwrap().number, 1);
    assert_eq!(numbers(&kept), Vec::<u64>::new());
}

#[test]
fn a_search_goes_on_where_it_ended() {
    let kept = Kept::new(10, 1000);
    for _ in 0..5 {
        kept.push(decision(1));
    }
    let (first, next) = kept.search(None, 2, |decision| decision.number != 4);
    assert_eq!((first.iter().map(|d| d.number).collect::<Vec<_>>(), next), (vec![5, 3], Some(3)));
    let (rest, end) = kept.search(next, 2, |decision| decision.number != 4);
    assert_eq!((rest.iter().map(|d| d.number).collect::<Vec<_>>(), end), (vec![2, 1], None));
}
