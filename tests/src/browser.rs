//! What does a person see? Chromium itself, driven over `WebDriver` (W3C), with a fresh profile for each test.
//!
//! It needs Debian's `chromium` and `chromium-driver`, which `tests/run` installs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::client::Client;
use crate::within;

/// How long an element may take to appear, in milliseconds.
const PATIENCE_MS: u64 = 8_000;

/// More browsers at once, in one process, would only slow each other down.
static PLACES: Semaphore = Semaphore::const_new(2);

/// What the protocol calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. It ends when dropped: it hangs on the driver's pipe.
pub struct Browser {
    session: String,
    address: SocketAddr,
    _place: SemaphorePermit<'static>,
    _driver: Child,
    _profile: TempDir,
}

/// How the window is seen.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    Dark,
    Light,
    /// On a telephone.
    Narrow,
}

impl Browser {
    /// Believes the certificates in the files `leaves` (PEM, the server's own first), and the system's authorities.
    pub async fn start(leaves: &[&Path]) -> Self {
        Self::start_where(leaves, None).await
    }

    /// The same where the name `app.test` leads to this address.
    pub async fn start_before(leaf: &Path, address: SocketAddr) -> Self {
        Self::start_where(&[leaf], Some(address)).await
    }

    async fn start_where(leaves: &[&Path], app: Option<SocketAddr>) -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; apt-get install chromium chromium-driver"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = within("the driver's port", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the driver to start");
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    break port.trim_end_matches('.').parse().unwrap();
                }
            }
        })
        .await;
        // Nobody reads on, and a full pipe would hold the driver up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = TempDir::new().unwrap();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "timeouts": { "implicit": PATIENCE_MS, "pageLoad": PATIENCE_MS, "script": PATIENCE_MS },
            "goog:chromeOptions": { "args": arguments(profile.path(), leaves, app) },
        }}});
        let begun = tell(address, "POST", "/session", Some(wanted)).await;
        let session = begun["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {begun}")).to_owned();
        let browser = Self { session, address, _place: place, _driver: driver, _profile: profile };
        browser.look(Look::Light).await;
        browser
    }

    /// Goes to `url`, and waits until it is there.
    pub async fn open(&self, url: &str) {
        self.done("POST", "/url", json!({ "url": url })).await;
    }

    /// Goes to `url`, which may fail; what the browser says then.
    pub async fn try_open(&self, url: &str) -> Result<(), String> {
        let said = self.command("POST", "/url", Some(json!({ "url": url }))).await;
        if said.get("error").is_some() { Err(said.to_string()) } else { Ok(()) }
    }

    pub async fn back(&self) {
        self.done("POST", "/back", json!({})).await;
    }

    pub async fn reload(&self) {
        self.done("POST", "/refresh", json!({})).await;
    }

    /// What stands in the address bar.
    pub async fn url(&self) -> String {
        self.command("GET", "/url", None).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows `text`, which has no quotes in it.
    pub async fn sees(&self, text: &str) {
        let path = format!("//body//*[contains(normalize-space(.), \"{text}\")]");
        let found = self.command("POST", "/element", Some(json!({ "using": "xpath", "value": path }))).await;
        if found.get(ELEMENT).is_none() {
            let shown = self.text("body").await;
            panic!("`{text}` is not on the page at {}:\n{shown}", self.url().await);
        }
    }

    /// The text a person reads in the first element that `css` selects.
    pub async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        self.command("GET", &format!("/element/{element}/text"), None).await.as_str().unwrap_or_default().to_owned()
    }

    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.done("POST", &format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into an element; `\u{e007}` is Enter.
    pub async fn enter(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.done("POST", &format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Types where the focus is.
    pub async fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] });
        self.done("POST", "/actions", actions).await;
    }

    /// The value of a script's `return`; a promise is waited for.
    pub async fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", Some(json!({ "script": script, "args": [] }))).await
    }

    /// Opens another tab and goes there; the tab that was left.
    pub async fn another_tab(&self) -> Value {
        let left = self.command("GET", "/window", None).await;
        let new = self.command("POST", "/window/new", Some(json!({ "type": "tab" }))).await;
        self.tab(&new["handle"]).await;
        left
    }

    pub async fn tab(&self, handle: &Value) {
        self.done("POST", "/window", json!({ "handle": handle })).await;
    }

    /// The cookies of the page's host, as `WebDriver` tells them.
    pub async fn cookies(&self) -> Vec<Value> {
        self.command("GET", "/cookie", None).await.as_array().cloned().unwrap_or_default()
    }

    pub async fn set_cookie(&self, cookie: Value) {
        self.done("POST", "/cookie", json!({ "cookie": cookie })).await;
    }

    pub async fn delete_cookie(&self, name: &str) {
        self.command("DELETE", &format!("/cookie/{name}"), None).await;
    }

    pub async fn look(&self, look: Look) {
        let (width, scheme) = match look {
            Look::Dark => (1100, "dark"),
            Look::Light => (1100, "light"),
            Look::Narrow => (390, "light"),
        };
        let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Whether the page is wider than its window, so that people must scroll sideways.
    pub async fn overflows(&self) -> bool {
        let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.run(script).await == true
    }

    /// Keeps what is seen as `target/screenshots/NAME.png`, for people to look at.
    pub async fn picture(&self, name: &str) {
        let picture = self.command("GET", "/screenshot", None).await;
        let picture = STANDARD.decode(picture.as_str().expect("a picture")).expect("base64");
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    async fn find(&self, css: &str) -> String {
        let found = self.command("POST", "/element", Some(json!({ "using": "css selector", "value": css }))).await;
        let Some(element) = found.get(ELEMENT).and_then(Value::as_str) else {
            panic!("nothing is `{css}` at {}: {found}", self.url().await);
        };
        element.to_owned()
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.done("POST", "/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    async fn done(&self, method: &str, command: &str, what: Value) {
        let said = self.command(method, command, Some(what)).await;
        assert!(said.get("error").is_none(), "{method} {command}: {said}");
    }

    async fn command(&self, method: &str, command: &str, what: Option<Value>) -> Value {
        tell(self.address, method, &format!("/session/{}{command}", self.session), what).await
    }
}

async fn tell(driver: SocketAddr, method: &str, target: &str, what: Option<Value>) -> Value {
    let mut client = Client::plain(driver).await.expect("the driver");
    let body = what.map(|what| what.to_string()).unwrap_or_default();
    // A browser that starts on a busy machine takes its time.
    let request = client.request(method, target, &[("content-type", "application/json")], body);
    let answer = async {
        let answer = client.open(request).await.expect("an answer of the driver");
        crate::client::Answer::read(answer).await.expect("a whole answer of the driver")
    };
    let answer = tokio::time::timeout(crate::PATIENCE * 4, answer).await;
    answer.unwrap_or_else(|_| panic!("the driver does not answer to {method} {target}")).json()["value"].take()
}

fn arguments(profile: &Path, leaves: &[&Path], app: Option<SocketAddr>) -> Vec<String> {
    let believed: Vec<String> = leaves.iter().map(|leaf| fingerprint(leaf)).collect();
    let fixed = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-crash-reporter",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--remote-debugging-pipe",
    ];
    let own = [
        format!("--user-data-dir={}", profile.display()),
        format!("--ignore-certificate-errors-spki-list={}", believed.join(",")),
    ];
    let mapped = app.map(|address| format!("--host-resolver-rules=MAP app.test:443 {address}"));
    fixed.into_iter().map(str::to_owned).chain(own).chain(mapped).collect()
}

/// The hash of a certificate's public key, as Chromium wants it.
fn fingerprint(leaf: &Path) -> String {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let certificate = CertificateDer::from_pem_file(leaf).unwrap_or_else(|error| panic!("{}: {error}", leaf.display()));
    let (_, read) = x509_parser::parse_x509_certificate(&certificate).expect("a certificate");
    STANDARD.encode(digest(&SHA256, read.public_key().raw))
}
