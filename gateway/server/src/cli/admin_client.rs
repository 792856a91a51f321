//! A client of the running gateway's admin API: found by the configuration, trusted by its certificate.

mod pinned;
mod reach;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_core::config::{CertificateConfig, ConfigError, Doorway, Source as _, doorway, render};
use reqwest::StatusCode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::admin::key_file;
use crate::world::files::Disk;
use crate::world::random::{self, NoRandomness};
use pinned::{Own, Trusted};
pub(super) use reach::{CertificateArg, Reach};

/// How often a call is sent at most, when it may not have been heard or the gateway was not able to.
const TRIES: u32 = 3;
/// Before the second time; longer before the third.
const PAUSE: Duration = Duration::from_millis(300);
/// Until an answer has arrived whole.
const PATIENCE: Duration = Duration::from_secs(15);
/// Until an answer that is as long as a log has arrived whole.
const LONGEST_ANSWER: Duration = Duration::from_hours(1);

/// Speaks to the admin API with the key that lies beside the store.
pub(super) struct AdminClient {
    http: reqwest::Client,
    base: String,
    shows: Shows,
}

/// How the caller is known.
enum Shows {
    Certificate,
    Key(String),
    /// No key was found in this file, where it should lie.
    Nothing(PathBuf),
}

impl AdminClient {
    /// Reads the configuration for the address, the certificate and the key's place. Neither policies nor faults of the
    /// files matter beyond that: a gateway that runs goes on without them, and a key may have to be revoked now.
    pub(super) fn reach(reach: &Reach) -> Result<Self, String> {
        let disk = Disk::default();
        let named = reach.credential.named()?;
        let own = reach.credential.certificate.certificate.as_deref().map(Own::read).transpose()?;
        let Doorway { server, tls, store, root, errors } = doorway(&reach.config.config, &disk);
        let address = server.admin.address();
        let address = reachable(address.ok_or("`server.admin` is off, so nothing can be managed")?);
        let leaf = |pair: &CertificateConfig| {
            let path = root.join(&pair.cert);
            let pem = disk.read(&path).map_err(|fault| format!("`{}` {fault}", path.display()))?;
            let leaf = CertificateDer::pem_slice_iter(&pem).next().and_then(Result::ok);
            leaf.ok_or_else(|| format!("`{}` holds no certificate in PEM", path.display()))
        };
        let leaves = tls.certificates.iter().map(leaf).collect::<Result<Vec<_>, _>>();
        let leaves = match (errors.as_slice(), leaves) {
            ([], leaves) => leaves?,
            ([first, ..], Ok(leaves)) if !leaves.is_empty() => {
                eprintln!("{}", at_fault(&reach.config.config, GOES_ON, first));
                leaves
            }
            // Nothing is shown to a gateway that no certificate of its own tells from another.
            (faults, _) => return Err(render(faults).trim_end().to_owned()),
        };
        let key_file = key_file::place(&store.folder(&root));
        let shows = match (named.or_else(|| std::env::var("PORTCULLIS_ADMIN_KEY").ok()), &own) {
            (Some(key), _) => Shows::Key(key),
            (None, Some(_)) => Shows::Certificate,
            (None, None) => match std::fs::read_to_string(&key_file) {
                Ok(text) => Shows::Key(text.trim().to_owned()),
                Err(_) => Shows::Nothing(key_file),
            },
        };
        let http = client(pinned::client(Trusted::These(leaves), own).map_err(|error| error.to_string())?)?;
        Ok(Self { http, base: format!("https://{address}"), shows })
    }

    /// Every entry of a list, over all its pages.
    pub(super) async fn list(&self, path: &str) -> Result<Value, String> {
        self.list_first(path, usize::MAX).await
    }

    /// The first entries of a list, at most so many; `next_cursor` is where the rest begins, at the end of a page.
    pub(super) async fn list_first(&self, path: &str, most: usize) -> Result<Value, String> {
        let join = if path.contains('?') { '&' } else { '?' };
        let (mut items, mut next) = (Vec::new(), format!("{path}{join}limit={}", most.min(200)));
        loop {
            let mut page = self.call(&Ask::get(&next)).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            let cursor = page.get("next_cursor").and_then(Value::as_str).filter(|_| items.len() < most);
            let Some(cursor) = cursor else {
                return Ok(json!({ "items": items, "next_cursor": page.get("next_cursor") }));
            };
            let cursor = percent_encoding::utf8_percent_encode(cursor, percent_encoding::NON_ALPHANUMERIC);
            next = format!("{path}{join}limit={}&cursor={cursor}", (most - items.len()).min(200));
        }
    }

    /// One call; `Err` is for the operator to read.
    pub(super) async fn call(&self, ask: &Ask) -> Result<Value, String> {
        self.known()?;
        let again = idempotency_key().map_err(|error| error.to_string())?;
        let mut tries = 1;
        let (status, text) = loop {
            let answer = self.once(&again, ask).await;
            let worth_another = match &answer {
                Ok((status, text)) => {
                    *status == StatusCode::SERVICE_UNAVAILABLE && !text.contains("outcome_unknown")
                        || *status == StatusCode::CONFLICT && text.contains("is under way")
                }
                // Whether it was heard is not known; where nobody is, it was not.
                Err(error) => !error.is_connect(),
            };
            if !worth_another || tries == TRIES {
                break answer.map_err(|error| self.unreachable(&error))?;
            }
            tokio::time::sleep(PAUSE * tries).await;
            tries += 1;
        };
        if !status.is_success() {
            return Err(refusal(status, &text));
        }
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).map_err(|e| e.to_string()) }
    }

    /// The lines of a long answer, as they come; `heard` fails when nobody listens any more, which is no fault.
    pub(super) async fn lines(
        &self,
        target: &str,
        mut heard: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), String> {
        self.known()?;
        let mut asked = self.http.get(format!("{}{target}", self.base)).timeout(LONGEST_ANSWER);
        if let Shows::Key(key) = &self.shows {
            asked = asked.bearer_auth(key);
        }
        let mut answer = asked.send().await.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(refusal(status, &answer.text().await.unwrap_or_default()));
        }
        while let Some(bytes) = answer.chunk().await.map_err(|error| format!("it broke off: {}", root_cause(&error)))? {
            if heard(&bytes).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Fails where nothing says who asks.
    fn known(&self) -> Result<(), String> {
        match &self.shows {
            Shows::Certificate | Shows::Key(_) => Ok(()),
            Shows::Nothing(file) => Err(format!(
                "there is no admin key in `{}`: start the gateway once, which writes it, or set `PORTCULLIS_ADMIN_KEY`",
                file.display()
            )),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> String {
        format!(
            "the admin API at `{}` cannot be reached ({}): is the gateway running, with this configuration?",
            self.base,
            root_cause(error)
        )
    }

    /// Sends it; under the same key as often as need be, for it is done once.
    async fn once(&self, again: &str, ask: &Ask) -> Result<(StatusCode, String), reqwest::Error> {
        let target = format!("{}{}", self.base, ask.target);
        let mut request = self.http.request(ask.method.clone(), target).timeout(ask.patience);
        if let Shows::Key(key) = &self.shows {
            request = request.bearer_auth(key);
        }
        if ask.method != reqwest::Method::GET {
            request = request.header("idempotency-key", again);
        }
        if let Some(tag) = &ask.if_match {
            let tag = if tag == "*" { tag.clone() } else { format!("\"{}\"", tag.trim_matches('"')) };
            request = request.header("if-match", tag);
        }
        if let Some(body) = &ask.body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        Ok((response.status(), response.text().await?))
    }
}

/// What a refusal says, for the operator.
fn refusal(status: StatusCode, text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let detail = value.get("detail").and_then(Value::as_str).unwrap_or("no detail");
    let faults = value.get("errors").and_then(Value::as_array).map_or_else(String::new, |errors| {
        errors.iter().fold(String::new(), |text, e| {
            let part = |name: &str| e.get(name).and_then(Value::as_str).unwrap_or_default();
            let number = |name: &str| e.get(name).and_then(Value::as_u64).unwrap_or_default();
            let place = match (part("file"), number("line")) {
                ("", _) => part("pointer").to_owned(),
                (file, 0) => file.to_owned(),
                (file, line) => format!("{file}:{line}:{}", number("column")),
            };
            let help = match part("help") {
                "" => String::new(),
                help => format!("\n    help: {help}"),
            };
            format!("{text}\n  {place}: {}{help}", part("message"))
        })
    });
    format!("{status}: {detail}{faults}")
}

/// One that nobody else has, as it is sent.
fn idempotency_key() -> Result<String, NoRandomness> {
    let mut drawn = [0; 16];
    random::fill(&mut drawn)?;
    Ok(format!("\"{:032x}\"", u128::from_be_bytes(drawn)))
}

/// What is asked of the admin API.
pub(super) struct Ask {
    pub(super) method: reqwest::Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) body: Option<Value>,
    /// The version that the change is meant for.
    pub(super) if_match: Option<String>,
    /// How long the answer may take.
    pub(super) patience: Duration,
}

impl Ask {
    pub(super) fn new(method: reqwest::Method, target: impl Into<String>, body: Option<Value>) -> Self {
        Self { method, target: target.into(), body, if_match: None, patience: PATIENCE }
    }

    pub(super) fn get(target: &str) -> Self {
        Self::new(reqwest::Method::GET, target, None)
    }
}

/// What files that are at fault mean for a gateway that runs.
pub(super) const GOES_ON: &str = "and the gateway goes on with what it had";

/// The files of a configuration are at fault; `so` says what that means here.
pub(super) fn at_fault(config: &Path, so: &str, first: &ConfigError) -> String {
    let config = config.display();
    format!("warning: the files of `{config}` are at fault, {so}: {}: {}", first.location(), first.message)
}

/// Where the admin listener is, as far as the files still say.
pub(super) struct Door {
    /// `None`: `server.admin` is off.
    pub(super) address: Option<SocketAddr>,
    /// None could be read: then any certificate will do, for nothing secret is said.
    leaves: Vec<CertificateDer<'static>>,
    /// What is wrong with the files.
    pub(super) errors: Vec<ConfigError>,
}

/// Why a gateway is not ready.
#[derive(Debug)]
pub(super) enum Unready {
    /// It answered, with this status and this text.
    Answered(reqwest::StatusCode, String),
    /// There is no admin listener that could be asked.
    Nowhere,
    /// Nobody answered, for this reason.
    Unreachable(String),
}

/// Reads where the gateway is; faults of other parts do not matter.
pub(super) fn door(config: &Path) -> Door {
    let disk = Disk::default();
    let Doorway { server, tls, root, errors, .. } = doorway(config, &disk);
    let leaf = |pair: &CertificateConfig| {
        let pem = disk.read(&root.join(&pair.cert)).ok()?;
        CertificateDer::pem_slice_iter(&pem).next()?.ok()
    };
    let leaves = tls.certificates.iter().filter_map(leaf).collect();
    Door { address: server.admin.address().map(reachable), leaves, errors }
}

impl Door {
    /// Asks `/readyz`, without a credential but for the certificate that the handshake may demand.
    pub(super) async fn ready(&self, own: &CertificateArg) -> Result<(), Unready> {
        let Some(address) = self.address else { return Err(Unready::Nowhere) };
        let unreachable = |error: &dyn std::error::Error| Unready::Unreachable(root_cause(error));
        let trusted = match &*self.leaves {
            [] => Trusted::Anybody,
            leaves => Trusted::These(leaves.to_vec()),
        };
        let own = own.certificate.as_deref().map(Own::read).transpose().map_err(Unready::Unreachable)?;
        let tls = pinned::client(trusted, own).map_err(|error| unreachable(&error))?;
        let http = client(tls).map_err(Unready::Unreachable)?;
        let answer = http.get(format!("https://{address}/readyz")).send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        Err(Unready::Answered(status, text.lines().next().unwrap_or_default().chars().take(200).collect()))
    }

    /// For the operator: what is wrong, and what to do.
    pub(super) fn words(&self, unready: &Unready) -> String {
        let address = self.address.map_or_else(String::new, |address| address.to_string());
        match unready {
            Unready::Answered(status, text) => format!("the gateway at `{address}` is not ready: {status} {text}"),
            Unready::Nowhere => {
                "`server.admin` is off, so nobody can be asked; set it, or use `server.probes` with another prober"
                    .to_owned()
            }
            Unready::Unreachable(why) => format!(
                "no gateway answers at `{address}` (`server.admin`): {why}; is it running, with this configuration?"
            ),
        }
    }
}

/// A loopback address where the configured one stands for every address of this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

fn client(tls: rustls::ClientConfig) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| error.to_string())
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
