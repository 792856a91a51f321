//! The built program as a gateway: on files of its own, on ports that stay the same when it starts again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::binary::{self, Ran, Running};
use crate::client::Client;
use crate::site::{Ground, Setup};

const FIRST: &str = "config/portcullis.toml";

/// A gateway that may run as a process, and everything around it.
pub struct Program {
    pub ground: Arc<Ground>,
    config: String,
    admin: SocketAddr,
    https: SocketAddr,
    /// Where its files are, if not on the ground.
    home: Option<TempDir>,
}

impl Program {
    /// Lays the files of `setup` and starts nothing. `store` is TOML in the place of the usual store's URL.
    pub async fn lay(setup: Setup, store: Option<&str>) -> Self {
        let ground = Arc::new(setup.lay().await);
        if let Some(store) = store {
            ground.files.edit(FIRST, "url = \"sqlite:data/portcullis.db\"", store);
        }
        let text = ground.files.read(FIRST);
        Self::at(ground, FIRST.to_owned(), &text)
    }

    /// Another on the same files and the same store, on ports of its own. Lay all of them before the first starts.
    #[must_use]
    pub fn twin(&self, name: &str) -> Self {
        let text = self.text().replace("logs/", &format!("logs/{name}-"));
        Self::at(Arc::clone(&self.ground), format!("config/{name}.toml"), &text)
    }

    /// The same files under the same names in another folder, as on another machine; on ports of its own.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        for folder in ["certs", "config", "policies"] {
            std::fs::create_dir(home.path().join(folder)).expect("a folder");
            for file in std::fs::read_dir(self.ground.files.path(folder)).expect("the files") {
                let file = file.expect("a file").path();
                let copy = home.path().join(folder).join(file.file_name().expect("a name"));
                std::fs::copy(&file, copy).expect("a copy");
            }
        }
        let (admin, https, text) = placed(&self.text());
        std::fs::write(home.path().join(FIRST), text).expect("the main file");
        Self { ground: Arc::clone(&self.ground), config: FIRST.to_owned(), admin, https, home: Some(home) }
    }

    /// The main file, without ports.
    fn text(&self) -> String {
        let mut text = self.ground.files.read(FIRST);
        for (listener, address) in [("admin", self.admin), ("https", self.https)] {
            let fixed = format!("{listener} = \"{address}\"");
            assert!(text.contains(&fixed), "`{fixed}` is not in {FIRST}");
            text = text.replace(&fixed, &format!("{listener} = \"127.0.0.1:0\""));
        }
        text
    }

    fn root(&self) -> &Path {
        self.home.as_ref().map_or(self.ground.folder.path(), TempDir::path)
    }

    fn at(ground: Arc<Ground>, config: String, text: &str) -> Self {
        let (admin, https, text) = placed(text);
        ground.files.write(&config, text);
        Self { ground, config, admin, https, home: None }
    }

    /// Starts it, and waits until it is ready.
    pub async fn start(&self) -> Running {
        let mut gateway = binary::spawn(self.root(), &["run", "--config", &self.config]);
        gateway.says("\"ready\"").await;
        gateway
    }

    /// Starts it where it cannot start, and waits for its end.
    pub async fn fails(&self) -> Ran {
        binary::run(self.root(), &["run", "--config", &self.config]).await
    }

    pub fn https(&self) -> SocketAddr {
        self.https
    }

    /// A connection to the admin listener.
    pub async fn admin(&self) -> Client {
        let ca = self.ground.authority.pem();
        let mut client = Client::h1(self.admin, "localhost", ca).await.expect("a connection");
        client.authority = format!("localhost:{}", self.admin.port());
        client
    }

    /// A connection made for `app.test`.
    pub async fn client(&self) -> Client {
        let mut client = Client::h1(self.https, "app.test", self.ground.authority.pem()).await.expect("a connection");
        "app.test".clone_into(&mut client.authority);
        client
    }

    /// `Authorization`'s value of the admin key.
    pub fn operator(&self) -> String {
        format!("Bearer {}", self.ground.files.read("data/admin.key").trim())
    }
}

/// Free ports for the listeners of a main file, and the file with them.
fn placed(text: &str) -> (SocketAddr, SocketAddr, String) {
    let port = binary::free_ports(2);
    let [admin, https] = [port, port + 1].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let mut text = text.to_owned();
    for (listener, address) in [("admin", admin), ("https", https)] {
        text = text.replace(&format!("{listener} = \"127.0.0.1:0\""), &format!("{listener} = \"{address}\""));
    }
    (admin, https, text)
}
