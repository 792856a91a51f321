use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::snapshot::Texts;

use super::super::tests::{at, store};
use super::super::{Commit, Expect, Kind, StoreError};
use super::{Applied, Force, Origin, Overtaken, Pin, Revision, Revisions, TextsKept};

fn texts(policy: &str) -> Texts {
    let files: [(&str, &str); 2] = [("config/portcullis.toml", ""), ("policies/app.cedar", policy)];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), Arc::from(text))).collect::<BTreeMap<_, _>>();
    Texts { main: "config/portcullis.toml".to_owned(), files }
}

fn applied(texts: &Texts, origin: Origin) -> Applied<'_> {
    Applied { texts, author: "ann", origin, note: "", at: at(1) }
}

async fn note(revisions: &Revisions, policy: &str, lapsed: Option<u64>) -> Revision {
    revisions.note(applied(&texts(policy), Origin::Files), lapsed, 3).await.unwrap()
}

async fn apply(revisions: &Revisions, policy: &str, force: Force) -> Revision {
    revisions.apply(applied(&texts(policy), Origin::Api), force, None, 3).await.unwrap().unwrap()
}

/// What no compression makes smaller, of so many bytes.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + u8::try_from((state >> 33) % 90).unwrap())
    };
    (0..bytes).map(|_| next()).collect()
}

#[tokio::test]
async fn larger_texts_than_are_kept_leave_their_hashes_and_are_applied_by_nobody() {
    let (_folder, _, store) = store().await;
    let (fits, large, huge) = (texts(&noise(700_000)), texts(&noise(1_200_000)), texts(&" ".repeat(9 * 1024 * 1024)));
    let kept = store.revisions.note(applied(&fits, Origin::Files), None, 3).await.unwrap();
    assert_eq!(store.revisions.texts(&kept).await.unwrap(), Some(fits));
    for texts in [large, huge] {
        let kept = store.revisions.note(applied(&texts, Origin::Files), None, 3).await.unwrap();
        assert_eq!((kept.kept, kept.hash.len(), kept.files.len()), (TextsKept::TooLarge, 64, 2));
        assert_eq!(store.revisions.texts(&kept).await.unwrap(), None);
        let refused = store.revisions.apply(applied(&texts, Origin::Api), Force::Everywhere, None, 3).await;
        assert!(matches!(refused, Err(StoreError::Unfit(_))), "{refused:?}");
    }
    assert_eq!(store.revisions.standing().await.unwrap().latest, 3, "what was refused is no revision");
}

#[tokio::test]
async fn texts_that_are_not_those_of_the_revision_are_damage() {
    let (_folder, _, store) = store().await;
    let (one, other) = (note(&store.revisions, "one", None).await, note(&store.revisions, "other", None).await);
    let record = store.records().read(Kind::RevisionText, "2").await.unwrap().unwrap();
    let mut draft = record.with(record.body.clone());
    draft.id = "1".into();
    store.records().commit(Commit::put(draft, Expect::Any)).await.unwrap();
    assert!(matches!(store.revisions.texts(&one).await, Err(StoreError::Damaged(_))));
    assert_eq!(store.revisions.texts(&other).await.unwrap(), Some(texts("other")));
}

#[tokio::test]
async fn of_many_that_apply_to_one_version_one_does() {
    let (_folder, _, store) = store().await;
    note(&store.revisions, "zero", None).await;
    let tries = (0..8).map(|n| {
        let revisions = store.revisions.clone();
        async move {
            let texts = texts(&format!("{n}"));
            revisions.apply(applied(&texts, Origin::Api), Force::Everywhere, Some(1), 3).await.unwrap()
        }
    });
    let done = futures::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(done.iter().all(|done| done.is_ok() || *done == Err(Overtaken(2))), "{done:?}");
    assert_eq!(store.revisions.standing().await.unwrap().current, Some(2));
}

#[tokio::test]
async fn what_decides_is_the_last_word() {
    let (_folder, _, store) = store().await;
    let revisions = &store.revisions;
    let standing = async || {
        let standing = revisions.standing().await.unwrap();
        (standing.current, standing.pin.map(|pin| (pin.revision, pin.files)))
    };
    let seeded = revisions.seed(applied(&texts("one"), Origin::Files), 3).await.unwrap();
    assert_eq!((seeded.number, standing().await), (1, (Some(1), None)));
    let second = revisions.seed(applied(&texts("another"), Origin::Files), 3).await.unwrap();
    assert_eq!(second.number, 1, "whoever comes later gets what is in force");
    let again = apply(revisions, "two", Force::Everywhere).await;
    assert_eq!(standing().await, (Some(again.number), None));

    note(revisions, "files", None).await;
    assert_eq!(standing().await, (None, None), "files decide");
    let pinned = apply(revisions, "one", Force::Over("hash".to_owned())).await.number;
    assert_eq!(standing().await, (None, Some((pinned, "hash".to_owned()))));
    note(revisions, "others", None).await;
    assert_eq!(standing().await, (None, Some((pinned, "hash".to_owned()))), "elsewhere it goes on");
    note(revisions, "new", Some(pinned)).await;
    assert_eq!(standing().await, (None, None));
}

#[tokio::test]
async fn what_is_pinned_and_forgotten_holds_no_more() {
    let (_folder, _, store) = store().await;
    note(&store.revisions, "zero", None).await;
    let pinned = apply(&store.revisions, "one", Force::Over("hash".to_owned())).await.number;
    for policy in ["two", "three"] {
        note(&store.revisions, policy, None).await;
    }
    let pin = Pin { revision: pinned, files: "hash".to_owned() };
    assert_eq!(store.revisions.standing().await.unwrap().pin, Some(pin));
    note(&store.revisions, "four", None).await;
    assert_eq!(store.revisions.standing().await.unwrap().pin, None);
    assert_eq!(store.revisions.show(pinned).await.unwrap(), None);
    let left = store.revisions.list(10, None).await.unwrap();
    assert_eq!(left.revisions.iter().map(|revision| revision.number).collect::<Vec<_>>(), [5, 4, 3]);
}
