//! What is lost when the disk is full, or the process dies? Nothing that was acknowledged.

use std::net::{Ipv4Addr, SocketAddr};

use portcullis_tests::binary::{self, Running};
use portcullis_tests::client::Client;
use portcullis_tests::site::{Ground, Setup};
use portcullis_tests::within;
use serde_json::json;

struct Program {
    ground: Ground,
    admin: SocketAddr,
    https: SocketAddr,
}

impl Program {
    async fn lay() -> Self {
        let ground = Setup::new().route("home", "GET /", "read", "").lay().await;
        let port = binary::free_ports(2);
        let (admin, https) = ((Ipv4Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port + 1).into());
        for (name, address) in [("admin", admin), ("https", https)] {
            let address: SocketAddr = address;
            let (free, fixed) = (format!("{name} = \"127.0.0.1:0\""), format!("{name} = \"{address}\""));
            ground.files.edit("config/portcullis.toml", &free, &fixed);
        }
        Self { ground, admin, https }
    }

    async fn starts(&self, mut gateway: Running) -> Running {
        gateway.says("\"ready\"").await;
        gateway
    }

    async fn admin(&self) -> Client {
        let mut client = Client::h1(self.admin, "localhost", self.ground.authority.pem()).await.unwrap();
        client.authority = format!("localhost:{}", self.admin.port());
        client
    }

    async fn client(&self) -> Client {
        let mut client = Client::h1(self.https, "app.test", self.ground.authority.pem()).await.unwrap();
        "app.test".clone_into(&mut client.authority);
        client
    }

    fn operator(&self) -> String {
        format!("Bearer {}", self.ground.files.read("data/admin.key").trim())
    }

    /// The keys that are there, of those that were acknowledged.
    async fn kept(&self, acknowledged: &[String]) -> Vec<String> {
        let (mut admin, operator) = (self.admin().await, self.operator());
        let mut kept = Vec::new();
        for id in acknowledged {
            let answer = admin.get(&format!("/v1/keys/{id}"), &[("authorization", &operator)]).await;
            if answer.status == 200 && answer.json()["state"] == "active" {
                kept.push(id.clone());
            }
        }
        kept
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let program = Program::lay().await;
    let folder = program.ground.folder.path();
    let gateway = program.starts(binary::spawn_on_a_small_disk(folder, 192, &["run"])).await;
    let (mut admin, operator) = (program.admin().await, program.operator());
    let auth: &[(&str, &str)] = &[("authorization", &operator)];
    let first = admin.post_json("/v1/keys", auth, &json!({ "name": "first", "roles": ["readers"] })).await;
    assert_eq!(first.status, 201);
    let secret = first.json()["secret"].as_str().unwrap().to_owned();
    let mut acknowledged = vec![first.json()["id"].as_str().unwrap().to_owned()];
    let wanted = json!({ "name": "k", "metadata": { "note": "n".repeat(8_000) } });
    let refused = within("a refusal", async {
        loop {
            let answer = admin.post_json("/v1/keys", auth, &wanted).await;
            if answer.status != 201 {
                return answer;
            }
            acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned());
        }
    })
    .await;
    assert_eq!(refused.problem(), (503, "dependency_unavailable".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));

    let mut client = program.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/", &[("x-api-key", &secret)]).await.status, 200, "serving goes on");
    }
    assert_eq!(admin.get("/readyz", &[]).await.status, 200);
    assert_eq!(admin.get("/v1/keys", auth).await.status, 200, "reading goes on");
    gateway.signal("TERM").await;
    gateway.ended().await;

    // Room again: all that was acknowledged is there, and writes go on.
    let _gateway = program.starts(binary::spawn(folder, &["run"])).await;
    assert_eq!(program.kept(&acknowledged).await, acknowledged);
    assert_eq!(program.admin().await.post_json("/v1/keys", auth, &wanted).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_key_that_was_acknowledged() {
    let program = Program::lay().await;
    let folder = program.ground.folder.path();
    for round in 0..3 {
        let mut gateway = program.starts(binary::spawn(folder, &["run"])).await;
        let operator = program.operator();
        let (say, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (mut admin, operator, say) = (program.admin().await, operator.clone(), say.clone());
            writers.spawn(async move {
                let fields = [("authorization", operator.as_str()), ("content-type", "application/json")];
                loop {
                    let request = admin.request("POST", "/v1/keys", &fields, r#"{"name":"k"}"#);
                    let Ok(response) = admin.open(request).await else { return };
                    let Ok(answer) = portcullis_tests::client::Answer::read(response).await else { return };
                    assert_eq!(answer.status, 201);
                    let _ = say.send(answer.json()["id"].as_str().unwrap().to_owned());
                }
            });
        }
        drop(say);
        let mut ids = Vec::new();
        while ids.len() < 20 {
            ids.push(within("a key", acknowledged.recv()).await.expect("writers"));
        }
        gateway.signal("KILL").await;
        within("the end of the writers", writers.join_all()).await;
        within("the end of the gateway", async {
            while gateway.runs() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        while let Some(id) = acknowledged.recv().await {
            ids.push(id);
        }
        let again = program.starts(binary::spawn(folder, &["run"])).await;
        assert_eq!(program.kept(&ids).await, ids, "round {round}");
        again.signal("TERM").await;
        again.ended().await;
    }
}
