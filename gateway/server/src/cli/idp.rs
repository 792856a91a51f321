//! `idp`: the local identity provider alone, for who develops against one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::ports::Clock;
use portcullis_core::units::Span;
use tokio::net::TcpListener;

use super::demo::data_folder;
use super::run::Told;
use super::{FINE, complain, runtime};
use crate::demo::idp::{Client, LocalIdp, Person, Settings, Uri, refuse_the_outside};
use crate::world::clock::SystemClock;
use crate::world::log;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen; loopback only.
    #[arg(long, default_value = "127.0.0.1:9444")]
    listen: SocketAddr,
    /// The audience of its tokens: the gateway's public URL.
    #[arg(long, default_value = "https://127.0.0.1:8443")]
    audience: String,
    /// The alias of this provider in the gateway's configuration: the end of its callback path.
    #[arg(long, default_value = "demo")]
    alias: String,
    /// Where its key is kept.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Somebody more than alice, bob and carol, or one of them with other groups: `dave:writers,staff`.
    #[arg(long, value_name = "NAME[:GROUP,…]")]
    user: Vec<Person>,
    /// A client more than `portcullis` and `demo-machine`; without a secret it is a public one.
    #[arg(long, value_name = "ID[:SECRET]", value_parser = client)]
    client: Vec<Client>,
    /// Where codes for a client may go, compared character by character.
    #[arg(long, value_name = "CLIENT=URL", value_parser = place)]
    redirect_uri: Vec<(String, Uri)>,
    /// Where a client may send a browser after logout.
    #[arg(long, value_name = "CLIENT=URL", value_parser = place)]
    post_logout_uri: Vec<(String, Uri)>,
    /// Where a client wants to be told of logouts.
    #[arg(long, value_name = "CLIENT=URL", value_parser = place)]
    backchannel_logout_uri: Vec<(String, Uri)>,
    /// How long access tokens are good: `30s`, `1h`.
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = life)]
    token_life: Duration,
    /// A certificate authority, in PEM, to believe besides the system's when clients are told of logouts.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

fn client(text: &str) -> Result<Client, String> {
    let (id, secret) = text.split_once(':').map_or((text, None), |(id, secret)| (id, Some(secret)));
    let plain = |word: &str| !word.is_empty() && word.len() <= 256 && word.bytes().all(|byte| byte.is_ascii_graphic());
    if plain(id) && secret.is_none_or(plain) {
        Ok(Client::new(id, secret))
    } else {
        Err("write `id:secret`, of visible ASCII characters".to_owned())
    }
}

fn place(text: &str) -> Result<(String, Uri), String> {
    let wrong = || "write `client=https://host/path`, without a fragment".to_owned();
    let (client, uri) = text.split_once('=').ok_or_else(wrong)?;
    Ok((client.to_owned(), Uri::new(uri).ok_or_else(wrong)?))
}

fn life(text: &str) -> Result<Duration, String> {
    let Span(span) = text.parse()?;
    if (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&span) {
        Ok(span)
    } else {
        Err("from `1s` to `24h`".to_owned())
    }
}

pub(super) fn idp(args: Args) -> u8 {
    log::start(log::Voice::Plain);
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => FINE,
        Err(error) => complain(&error),
    }
}

async fn serve(args: Args) -> Result<(), String> {
    let mut told = Told::listen()?;
    refuse_the_outside(args.listen).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| format!("{}: {error}", args.listen))?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let issuer = format!("http://localhost:{port}");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let folder = data_folder(Some(&args.data_dir))?;
    let settings = settings(args, &issuer)?;
    let idp = LocalIdp::open(&folder.path, settings, clock).map_err(|error| error.to_string())?;
    say_line!("{issuer}");
    idp.serve(listener, async move { told.until_stop().await }).await.map_err(|error| error.to_string())
}

fn settings(args: Args, issuer: &str) -> Result<Settings, String> {
    let mut settings = Settings::demo(issuer, &args.audience, &args.alias);
    for person in args.user {
        settings.people.retain(|known| known.name != person.name);
        settings.people.push(person);
    }
    for client in args.client {
        settings.clients.retain(|known| known.id != client.id);
        settings.clients.push(client);
    }
    for (id, uri) in args.redirect_uri {
        registered(&mut settings, &id)?.redirect_uris.push(uri);
    }
    for (id, uri) in args.post_logout_uri {
        registered(&mut settings, &id)?.post_logout_uris.push(uri);
    }
    for (id, uri) in args.backchannel_logout_uri {
        registered(&mut settings, &id)?.backchannel_logout_uri = Some(uri);
    }
    settings.token_life = args.token_life;
    if let Some(file) = &args.trust {
        let read = std::fs::read(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
        settings.trust = Some(read);
    }
    Ok(settings)
}

fn registered<'a>(settings: &'a mut Settings, id: &str) -> Result<&'a mut Client, String> {
    let found = settings.clients.iter_mut().find(|client| client.id == id);
    found.ok_or_else(|| format!("`{id}` is no client: add `--client {id}:SECRET`"))
}
