//! `demo`: everything at once, with nothing installed.

mod screen;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_certs::DevCa;
use portcullis_core::ports::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::run::Told;
use super::{FINE, complain, runtime, say};
use crate::app::{Gateway, Options};
use crate::demo::idp::{LocalIdp, Person, Settings};
use crate::demo::{app, shipped};
use crate::world::clock::{SystemClock, system_time};
use crate::world::log;
use crate::world::store::NewKey;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print nothing but errors.
    #[arg(long)]
    quiet: bool,
    /// Write what a program needs to know here, as JSON, once everything answers.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Public port N, admin N+1, identity provider N+2, app N+3, plain HTTP N+4.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=65531))]
    port_base: Option<u16>,
    /// Where state goes. Default: a fresh temporary folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A store instead of the embedded one.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The configuration. Default: `config/portcullis.toml` here, else the one in the binary.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The five ports of a demo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    public: u16,
    admin: u16,
    idp: u16,
    app: u16,
    http: u16,
}

impl Ports {
    fn of(base: Option<u16>) -> Self {
        match base {
            None => Self { public: 8443, admin: 9443, idp: 9444, app: 9445, http: 8080 },
            Some(n) => Self { public: n, admin: n + 1, idp: n + 2, app: n + 3, http: n + 4 },
        }
    }
}

/// What was started, for the screen and the ready file.
pub(super) struct Scene {
    ports: Ports,
    ca: PathBuf,
    data: PathBuf,
    tokens: Vec<(String, String)>,
    api_key: String,
    admin_key_file: PathBuf,
    config: PathBuf,
}

pub(super) fn demo(args: Args) -> u8 {
    log::start(log::Voice::Plain);
    let runtime = match runtime(crate::world::cores()) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    runtime.block_on(async {
        let mut told = match Told::listen() {
            Ok(told) => told,
            Err(error) => return complain(&error),
        };
        let data = match data_folder(args.data_dir.as_deref()) {
            Ok(data) => data,
            Err(error) => return complain(&error),
        };
        let code = match perform(&args, &data.path, &mut told).await {
            Ok(()) => FINE,
            Err(error) => complain(&error),
        };
        if data.temporary {
            // What is left of a temporary folder is the system's to sweep.
            let _ = std::fs::remove_dir_all(&data.path);
        }
        code
    })
}

pub(super) struct Folder {
    pub(super) path: PathBuf,
    temporary: bool,
}

pub(super) fn data_folder(wanted: Option<&Path>) -> Result<Folder, String> {
    use std::os::unix::fs::DirBuilderExt as _;
    let (path, temporary) = if let Some(path) = wanted {
        (path.to_owned(), false)
    } else {
        let mut drawn = [0u8; 8];
        crate::world::random::fill(&mut drawn).map_err(|error| error.to_string())?;
        let name = format!("portcullis-demo-{:016x}", u64::from_be_bytes(drawn));
        (std::env::temp_dir().join(name), true)
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|error| format!("`{}` cannot be created: {error}", path.display()))?;
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    Ok(Folder { path, temporary })
}

async fn perform(args: &Args, data: &Path, told: &mut Told) -> Result<(), String> {
    let ports = Ports::of(args.port_base);
    let ca = DevCa::create(&data.join("tls"), system_time()).map_err(|error| error.to_string())?;
    ca.server(&["localhost", "127.0.0.1", "::1"], system_time()).map_err(|error| error.to_string())?;

    let (stop, stopped) = watch::channel(false);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let app_listener = loopback(ports.app, "the demo app").await?;
    let idp_listener = loopback(ports.idp, "the identity provider").await?;
    let issuer = format!("http://localhost:{}", ports.idp);
    let public_url = format!("https://127.0.0.1:{}", ports.public);
    let trust = std::fs::read(ca.path()).map_err(|error| error.to_string())?;
    let settings = Settings { trust: Some(trust), ..Settings::demo(&issuer, &public_url, "demo") };
    let idp = LocalIdp::open(data, settings, clock).map_err(|error| error.to_string())?;
    let mut tokens = Vec::new();
    for person in Person::everyone() {
        let token = idp.token_for(&person).map_err(|error| error.to_string())?;
        tokens.push((person.name, token));
    }
    let app = tokio::spawn(app::serve(app_listener, ended(stopped.clone())));
    let idp = tokio::spawn(idp.serve(idp_listener, ended(stopped)));

    let config = match &args.config {
        Some(config) => config.clone(),
        None if Path::new("config/portcullis.toml").is_file() => PathBuf::from("config/portcullis.toml"),
        None => shipped::unpack(data).map_err(|error| format!("the configuration cannot be written: {error}"))?,
    };
    let options = Options { config: config.clone(), variables: variables(args, ports, data, &issuer, &public_url) };
    let starting = async {
        let gateway = Gateway::start(options).await.map_err(|error| error.to_string())?;
        gateway.warm().await;
        Ok::<_, String>(gateway)
    };
    let gateway = tokio::select! {
        started = starting => started?,
        () = told.until_stop() => return Ok(()),
    };
    let api_key = reader_key(&gateway).await?;
    let scene = Scene {
        ports,
        ca: ca.path(),
        data: data.to_owned(),
        tokens,
        api_key,
        admin_key_file: gateway.admin_key_file.clone(),
        config,
    };
    let tricks = screen::write_headers(&scene).map_err(|error| error.to_string())?;
    if let Some(file) = &args.ready_file {
        write_ready(file, &scene).map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
    }
    if !args.quiet {
        say(&screen::first(&scene, &tricks));
    }
    told.until_stop().await;
    if !args.quiet {
        eprintln!("stopping");
    }
    gateway.stop().await;
    let _ = stop.send(true);
    let (_, _) = tokio::join!(app, idp);
    Ok(())
}

/// What moves the shipped configuration.
fn variables(args: &Args, ports: Ports, data: &Path, issuer: &str, public_url: &str) -> HashMap<String, String> {
    let local = |port: u16| format!("127.0.0.1:{port}");
    let store = args.store.clone().unwrap_or_else(|| format!("sqlite:{}", data.join("portcullis.db").display()));
    [
        ("PORTCULLIS_HTTPS", local(ports.public)),
        ("PORTCULLIS_ADMIN", local(ports.admin)),
        ("PORTCULLIS_HTTP", local(ports.http)),
        ("PORTCULLIS_PUBLIC_URL", public_url.to_owned()),
        ("PORTCULLIS_DATA", data.display().to_string()),
        ("PORTCULLIS_STORE", store),
        ("PORTCULLIS_IDP", issuer.to_owned()),
        ("PORTCULLIS_APP", format!("http://{}", local(ports.app))),
        ("PORTCULLIS_ACCESS_LOG", format!("file:{}", data.join("access.jsonl").display())),
        ("PORTCULLIS_DECISION_LOG", format!("file:{}", data.join("decisions.jsonl").display())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

async fn loopback(port: u16, what: &str) -> Result<TcpListener, String> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    TcpListener::bind(address).await.map_err(|error| {
        format!(
            "{what} cannot listen on {address}: {error}; stop what holds it, or choose other ports with `--port-base`"
        )
    })
}

async fn ended(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn reader_key(gateway: &Gateway) -> Result<String, String> {
    let key = crate::admin::mint("demo")?;
    let record = NewKey {
        id: key.id,
        name: "demo reader".to_owned(),
        owner: "demo".to_owned(),
        roles: vec!["readers".to_owned()],
        scopes: Vec::new(),
        metadata: serde_json::Map::new(),
        hash: key.hash,
        created_at: gateway.now(),
        expires_at: Some(gateway.now().plus(std::time::Duration::from_hours(2160))),
        terms: portcullis_core::identify::KeyTerms::default(),
    };
    gateway.store().keys.create(record, "demo").await.map_err(|error| error.to_string())?;
    Ok(key.text.expose().to_owned())
}

fn write_ready(file: &Path, scene: &Scene) -> std::io::Result<()> {
    let tokens: serde_json::Map<String, serde_json::Value> =
        scene.tokens.iter().map(|(name, token)| (name.clone(), json!(token))).collect();
    let ready = json!({
        "public": format!("https://127.0.0.1:{}", scene.ports.public),
        "admin": format!("https://127.0.0.1:{}", scene.ports.admin),
        "idp": format!("http://localhost:{}", scene.ports.idp),
        "app": format!("http://127.0.0.1:{}", scene.ports.app),
        "ca": scene.ca,
        "tokens": tokens,
        "api_key": scene.api_key,
        "admin_key_file": scene.admin_key_file,
        "data_dir": scene.data,
        "pid": std::process::id(),
    });
    // Whoever waits for the file must never read half of it.
    let half = file.with_extension("part");
    std::fs::write(&half, ready.to_string())?;
    std::fs::rename(half, file)
}
