//! A store that stops answering in the midst of something.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use portcullis_core::identify::{Session, SessionHash};
use portcullis_core::ports::RevokedTokens as _;

use super::{at, key, place};
use crate::world::clock::SystemClock;
use crate::world::sqlite::Sqlite;
use crate::world::store::{
    AuditHead, AuditRow, Commit, Hear, Kind, Listing, Page, Record, Revocation, Store, StoreError, Stored, Unmoved,
    migrate,
};

/// As another, but for lists and changes: of those it answers so many more.
struct Deaf {
    store: Arc<dyn Store>,
    lists: AtomicI64,
    commits: AtomicI64,
}

#[async_trait]
impl Store for Deaf {
    async fn read_all(&self, kind: Kind, ids: &[Arc<str>]) -> Result<Vec<Option<Record>>, StoreError> {
        self.store.read_all(kind, ids).await
    }

    async fn list(&self, listing: Listing<'_>) -> Result<Page, StoreError> {
        if self.lists.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::Away("nobody answers".to_owned()));
        }
        self.store.list(listing).await
    }

    async fn commit(&self, commit: Commit) -> Result<u64, StoreError> {
        if self.commits.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::Away("nobody answers".to_owned()));
        }
        self.store.commit(commit).await
    }

    async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.store.audit(after, limit).await
    }

    async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.store.audit_head().await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.store.sweep().await
    }

    fn hear(&self, hear: Hear) {
        self.store.hear(hear);
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

async fn deaf() -> (tempfile::TempDir, Arc<Deaf>, Stored) {
    let (folder, path) = place();
    let store = Arc::new(Sqlite::open(&path, Arc::new(SystemClock::start())).unwrap());
    let deaf = Arc::new(Deaf { store, lists: AtomicI64::new(i64::MAX), commits: AtomicI64::new(i64::MAX) });
    let stored = Stored::open(Arc::clone(&deaf) as _).await.unwrap();
    (folder, deaf, stored)
}

fn entry(id: &str) -> Revocation {
    Revocation {
        id: id.to_owned(),
        issuer: "demo".to_owned(),
        jti: Some(id.to_owned()),
        sub: None,
        before: None,
        reason: String::new(),
        created_at: at(1),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_move_that_is_broken_off_anywhere_is_taken_up_where_it_was() {
    let (_folder, _, from) = super::store().await;
    for number in 0..3 {
        from.keys.create(key(&format!("key{number}"), "a", number), "alice").await.unwrap();
        from.revocations.add(entry(&format!("entry{number}")), "alice").await.unwrap();
    }
    from.keys.revoke("key1", "alice", at(9)).await.unwrap().unwrap();
    let mut broken = 0;
    loop {
        let (_folder, deaf, _) = deaf().await;
        deaf.commits.store(broken, Ordering::SeqCst);
        let first = migrate(&**from.records(), &*deaf).await;
        if first.is_ok() {
            break;
        }
        assert_eq!(first, Err(Unmoved::To(StoreError::Away("nobody answers".to_owned()))), "after {broken}");
        deaf.commits.store(i64::MAX, Ordering::SeqCst);
        if broken > 0 {
            let said = Stored::open(Arc::clone(&deaf) as _).await.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("run `portcullis store migrate` again"), "no gateway starts on half a store: {said}");
        }
        let moved = migrate(&**from.records(), &*deaf).await.unwrap();
        let there = Stored::open(Arc::clone(&deaf) as _).await.unwrap();
        assert_eq!(Ok(moved.audit), from.audit_head().await, "after {broken}");
        assert_eq!(there.keys.list(None, 10, None).await.unwrap().keys.len(), 3);
        assert!(there.keys.find("key1").await.unwrap().unwrap().record.revoked_at.is_some());
        assert_eq!(there.revocations.current().len(), 3);
        assert_eq!(migrate(&**from.records(), &*deaf).await, Err(Unmoved::NotEmpty), "it is whole");
        broken += 1;
    }
    assert!(broken > 8, "the mark, the records, seven rows of the log: {broken}");
}

#[tokio::test]
async fn a_token_that_was_taken_back_stays_so_here_though_the_list_cannot_be_read() {
    let (_folder, deaf, stored) = deaf().await;
    stored.revocations.add(entry("a"), "alice").await.unwrap();
    deaf.lists.store(0, Ordering::SeqCst);
    assert_eq!(stored.revocations.add(entry("b"), "alice").await, Ok(()), "it is written");
    assert_eq!(stored.revocations.current().len(), 2, "and in force here at once");
    assert_eq!(stored.revocations.remove("a", "alice", at(2)).await, Ok(Some(())), "it is written");
    deaf.lists.store(i64::MAX, Ordering::SeqCst);
    assert_eq!(stored.revocations.list(10, None).await.unwrap().entries, [entry("b")]);
    assert_eq!(stored.audit(0, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn where_some_sessions_are_ended_nobody_says_that_nothing_was_written() {
    let (_folder, deaf, stored) = deaf().await;
    let session = Session {
        provider: "demo".into(),
        issuer: "https://idp.test".into(),
        subject: "alice".to_owned(),
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        scopes: Vec::new(),
        email: None,
        authenticated_at: None,
        sid: None,
        nonce: None,
        created_at: at(1),
        // No clock of a test is beyond it.
        ends_at: at(100_000_000_000),
        fresh_until: None,
        read_at: at(1),
        tokens: String::new(),
        address: String::new(),
        agent: String::new(),
    };
    for number in 0..70 {
        stored.sessions.begin(SessionHash([number; 32]), &session, 100).await.unwrap();
    }
    let all = async || stored.sessions.revoke_all(None, at(9), "alice", at(10)).await;
    deaf.lists.store(0, Ordering::SeqCst);
    assert!(matches!(all().await, Err(StoreError::Away(_))), "nothing was written");
    deaf.lists.store(1, Ordering::SeqCst);
    assert!(matches!(all().await, Err(StoreError::Doubtful(_))));
    deaf.lists.store(i64::MAX, Ordering::SeqCst);
    assert_eq!(all().await, Ok(6), "asked again, it is done");
}
