//! Somebody who writes through the admin API, and remembers what was acknowledged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_tests::client::{Answer, Client};
use portcullis_tests::jar::Browser;
use portcullis_tests::random::Random;
use serde_json::{Value, json};
use tokio::sync::watch;

/// A login.
pub(super) struct Visit {
    /// What the admin API calls it.
    pub(super) id: String,
    pub(super) browser: Browser,
    pub(super) alive: bool,
}

struct Key {
    id: String,
    name: String,
    /// `None`: the answer with it was lost.
    secret: Option<String>,
    revoked: bool,
}

struct Taken {
    id: String,
    reason: String,
    /// Whether it is still on the list.
    listed: bool,
}

/// What was asked for last, until its answer is read. Numbers are places in the writer's lists.
#[derive(Clone, Debug)]
enum Asked {
    Create { owner: String },
    Patch { key: usize, name: String },
    Rotate { key: usize },
    Revoke { key: usize },
    TakeBack { reason: String },
    Relent { entry: usize },
    LogOut { visit: usize },
}

pub(super) struct Writer {
    pub(super) at: usize,
    pub(super) visits: Vec<Visit>,
    random: Random,
    credential: String,
    acknowledged: watch::Sender<usize>,
    keys: Vec<Key>,
    taken: Vec<Taken>,
    /// Of each subject, what was done to it.
    told: BTreeMap<String, Vec<&'static str>>,
    /// Creations that were acknowledged, with what they answered, and not asked for again yet.
    created: Vec<(String, Value)>,
    open: Option<Asked>,
    count: u64,
}

/// What became of a request.
enum Fate {
    Done(Option<Value>),
    /// Nothing was written; so it was said.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl Writer {
    pub(super) fn new(at: usize, seed: u64, credential: &str, acknowledged: watch::Sender<usize>) -> Self {
        Self {
            at,
            visits: Vec::new(),
            random: Random(seed + u64::try_from(at).unwrap()),
            credential: credential.to_owned(),
            acknowledged,
            keys: Vec::new(),
            taken: Vec::new(),
            told: BTreeMap::new(),
            created: Vec::new(),
            open: None,
            count: 0,
        }
    }

    pub(super) fn told(&self) -> impl Iterator<Item = (String, Vec<&'static str>)> {
        self.told.iter().map(|(subject, actions)| (subject.clone(), actions.clone()))
    }

    /// Writes until the gateway is gone, or something is in doubt, or it shall stop.
    pub(super) async fn write(&mut self, mut admin: Client, stop: &AtomicBool) {
        assert!(self.open.is_none());
        while !stop.load(Ordering::Acquire) {
            let asked = self.choose();
            self.open = Some(asked.clone());
            match self.ask(&mut admin, &asked).await {
                Fate::Done(told) => {
                    self.open = None;
                    self.done(&asked, told.as_ref());
                    self.acknowledged.send_modify(|told| *told += 1);
                }
                Fate::Refused => self.open = None,
                Fate::Unknown => return,
            }
        }
    }

    fn choose(&mut self) -> Asked {
        self.count += 1;
        let fresh = format!("w{}-{}", self.at, self.count);
        let live = |key: &&(usize, bool)| !key.1;
        let keys: Vec<(usize, bool)> = self.keys.iter().map(|key| key.revoked).enumerate().collect();
        let live: Vec<usize> = keys.iter().filter(live).map(|(at, _)| *at).collect();
        let listed: Vec<usize> =
            self.taken.iter().enumerate().filter(|(_, entry)| entry.listed).map(|(at, _)| at).collect();
        let visit = self.visits.iter().position(|visit| visit.alive);
        let key = if live.is_empty() { None } else { Some(live[self.random.pick(live.len())]) };
        match (self.random.below(8), key, visit) {
            (0 | 1, Some(key), _) => Asked::Patch { key, name: fresh },
            (2 | 3, Some(key), _) => Asked::Rotate { key },
            (4, Some(key), _) => Asked::Revoke { key },
            (5, _, _) => Asked::TakeBack { reason: fresh },
            (6, _, _) if !listed.is_empty() => Asked::Relent { entry: listed[self.random.pick(listed.len())] },
            (7, _, Some(visit)) => Asked::LogOut { visit },
            _ => Asked::Create { owner: fresh },
        }
    }

    async fn ask(&self, admin: &mut Client, asked: &Asked) -> Fate {
        let id = |key: &usize| &self.keys[*key].id;
        let (method, path, body) = match asked {
            Asked::Create { owner } => ("POST", "/v1/keys".to_owned(), wanted(owner)),
            Asked::Patch { key, name } => ("PATCH", format!("/v1/keys/{}", id(key)), json!({ "name": name })),
            Asked::Rotate { key } => ("POST", format!("/v1/keys/{}/rotate", id(key)), json!({})),
            Asked::Revoke { key } => ("DELETE", format!("/v1/keys/{}", id(key)), Value::Null),
            Asked::TakeBack { reason } => {
                let entry = json!({ "issuer": "other", "jti": reason, "reason": reason });
                ("POST", "/v1/revocations".to_owned(), entry)
            }
            Asked::Relent { entry } => ("DELETE", format!("/v1/revocations/{}", self.taken[*entry].id), Value::Null),
            Asked::LogOut { visit } => ("DELETE", format!("/v1/sessions/{}", self.visits[*visit].id), Value::Null),
        };
        let once = match asked {
            Asked::Create { owner } => Some(("idempotency-key", owner.as_str())),
            _ => None,
        };
        let usual = [("authorization", self.credential.as_str()), ("content-type", "application/json")];
        let fields: Vec<(&str, &str)> = usual.into_iter().chain(once).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = admin.request(method, &path, &fields, body);
        let Ok(response) = admin.open(request).await else { return Fate::Unknown };
        let Ok(answer) = Answer::read(response).await else { return Fate::Unknown };
        match answer.status.as_u16() {
            200..300 => Fate::Done((!answer.body.is_empty()).then(|| answer.json())),
            503 => match &*answer.problem().1 {
                "dependency_unavailable" => Fate::Refused,
                "outcome_unknown" => Fate::Unknown,
                other => panic!("{other}: {asked:?}"),
            },
            _ => panic!("{asked:?}: {answer:#?}"),
        }
    }

    /// It is so, and from now on it must stay so.
    fn done(&mut self, asked: &Asked, answer: Option<&Value>) {
        let text = |name: &str| answer.and_then(|answer| answer[name].as_str()).map(str::to_owned);
        let (subject, action) = match asked {
            Asked::Create { owner } => {
                let id = text("id").unwrap();
                let key = Key { id: id.clone(), name: "new".to_owned(), secret: text("secret"), revoked: false };
                self.keys.push(key);
                if let Some(answer) = answer.filter(|answer| answer["secret"].is_string()) {
                    self.created.push((owner.clone(), answer.clone()));
                }
                (id, "key.create")
            }
            Asked::Patch { key, name } => {
                name.clone_into(&mut self.keys[*key].name);
                (self.keys[*key].id.clone(), "key.update")
            }
            Asked::Rotate { key } => {
                self.keys[*key].secret = text("secret");
                (self.keys[*key].id.clone(), "key.rotate")
            }
            Asked::Revoke { key } => {
                self.keys[*key].revoked = true;
                (self.keys[*key].id.clone(), "key.revoke")
            }
            Asked::TakeBack { reason } => {
                let id = text("id").unwrap();
                self.taken.push(Taken { id: id.clone(), reason: reason.clone(), listed: true });
                (id, "revocation.create")
            }
            Asked::Relent { entry } => {
                self.taken[*entry].listed = false;
                (self.taken[*entry].id.clone(), "revocation.delete")
            }
            Asked::LogOut { visit } => {
                self.visits[*visit].alive = false;
                (self.visits[*visit].id.clone(), "session.revoke")
            }
        };
        self.told.entry(subject).or_default().push(action);
    }

    /// Looks whether what was asked for last was done.
    pub(super) async fn settle(&mut self, admin: &mut Client, client: &mut Client) {
        let Some(asked) = self.open.take() else { return };
        let found = match &asked {
            Asked::Create { owner } => {
                let listed = self.get(admin, &format!("/v1/keys?owner={owner}")).await;
                let items = listed["items"].as_array().unwrap();
                assert!(items.len() <= 1, "made twice: {listed:#}");
                items.first().cloned()
            }
            Asked::Patch { key, name } => {
                let shown = self.get(admin, &format!("/v1/keys/{}", self.keys[*key].id)).await;
                (shown["name"] == **name).then_some(shown)
            }
            Asked::Rotate { key } => {
                let Key { id, secret, .. } = &self.keys[*key];
                let shown = self.get(admin, &format!("/v1/audit?subject={id}&limit=200")).await;
                let done = shown["items"].as_array().unwrap().len() > self.told[id].len();
                if let Some(secret) = secret {
                    let old = client.get("/api", &[("x-api-key", secret)]).await.status;
                    assert_eq!(old == 200, !done, "{id}: the log and the key say the same");
                }
                done.then_some(Value::Null)
            }
            Asked::Revoke { key } => {
                let shown = self.get(admin, &format!("/v1/keys/{}", self.keys[*key].id)).await;
                (shown["state"] == "revoked").then_some(shown)
            }
            Asked::TakeBack { reason } => self.entry(admin, reason).await,
            Asked::Relent { entry } => match self.entry(admin, &self.taken[*entry].reason).await {
                Some(_) => None,
                None => Some(Value::Null),
            },
            Asked::LogOut { visit } => {
                let status = self.visits[*visit].browser.clone().fetch("GET", "https://app.test/page").await.status;
                (status != 200).then_some(Value::Null)
            }
        };
        if let Some(found) = found {
            self.done(&asked, Some(&found));
        }
    }

    /// Looks whether everything stands as it was acknowledged.
    pub(super) async fn holds(&mut self, admin: &mut Client, client: &mut Client) {
        for key in &self.keys {
            let shown = self.get(admin, &format!("/v1/keys/{}", key.id)).await;
            let state = if key.revoked { "revoked" } else { "active" };
            assert_eq!((&shown["name"], &shown["state"]), (&json!(key.name), &json!(state)), "{}", key.id);
            let Some(secret) = &key.secret else { continue };
            let status = client.get("/api", &[("x-api-key", secret)]).await.status.as_u16();
            assert_eq!(status, if key.revoked { 401 } else { 200 }, "{}", key.id);
        }
        let listed = self.entries(admin).await;
        for entry in &self.taken {
            let there = listed.iter().any(|one| one["id"] == *entry.id && one["reason"] == *entry.reason);
            assert_eq!(there, entry.listed, "{}", entry.reason);
        }
        for visit in &mut self.visits {
            let status = visit.browser.fetch("GET", "https://app.test/page").await.status.as_u16();
            assert_eq!(status, if visit.alive { 200 } else { 401 }, "session {}", visit.id);
        }
        // Asked for again, a key is not made again: the answer that was given is given, or that it was lost.
        for (owner, made) in std::mem::take(&mut self.created) {
            let fields = [("authorization", self.credential.as_str()), ("idempotency-key", &owner)];
            let again = admin.post_json("/v1/keys", &fields, &wanted(&owner)).await;
            match again.status.as_u16() {
                201 => assert_eq!(again.json(), made, "{owner}"),
                _ => assert_eq!(again.problem(), (409, "idempotency_conflict".to_owned()), "{owner}"),
            }
        }
    }

    async fn get(&self, admin: &mut Client, path: &str) -> Value {
        let answer = admin.get(path, &[("authorization", &self.credential)]).await;
        assert_eq!(answer.status, 200, "{path}: {answer:#?}");
        answer.json()
    }

    async fn entries(&self, admin: &mut Client) -> Vec<Value> {
        let (mut entries, mut path) = (Vec::new(), "/v1/revocations?limit=200".to_owned());
        loop {
            let page = self.get(admin, &path).await;
            entries.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return entries };
            path = format!("/v1/revocations?limit=200&cursor={cursor}");
        }
    }

    async fn entry(&self, admin: &mut Client, reason: &str) -> Option<Value> {
        self.entries(admin).await.into_iter().find(|entry| entry["reason"] == reason)
    }
}

fn wanted(owner: &str) -> Value {
    json!({ "name": "new", "owner": owner, "roles": ["readers"] })
}
