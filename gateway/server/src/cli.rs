//! What can be typed? The verbs, their exit codes, and where their output goes.
//!
//! Results go to stdout, talk to stderr. Exit 0: fine. 1: a finding. 2: wrong usage or configuration.

/// One line on stdout, as [`say`].
macro_rules! say_line {
    ($($text:tt)*) => {
        $crate::cli::say(&format!("{}\n", format_args!($($text)*)))
    };
}

mod admin_client;
mod audit;
mod backups;
mod check;
mod config;
mod demo;
mod explain;
mod health;
mod idp;
mod import;
mod init;
mod keys;
mod policy;
mod records;
mod route;
mod run;
mod sessions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Put it in front of your app: TLS, tokens, API keys, policies, validation and limits in one binary.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, disable_help_subcommand = true, propagate_version = false)]
struct Cli {
    /// Form of the results.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Text,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a demo app, a local identity provider and the gateway, and print what to try.
    Demo(demo::Args),
    /// Run the gateway.
    Run(run::Args),
    /// Parse, compile and warm everything `run` would; bind, write and create nothing.
    Check(check::Args),
    /// Begin a project here: configuration, policies and their tests.
    Init(init::Args),
    /// Make routes, schemas, actions and policies of an OpenAPI document, and keep them in step with it.
    Import(import::Args),
    /// Say which route a request would take and what it demands.
    Route(route::Args),
    /// Check, test, explain and compare policies.
    Policy(policy::Args),
    /// Show the recorded journey of one request.
    Explain(explain::Args),
    /// What is in shadow, and what it would do.
    Shadow(explain::ShadowArgs),
    /// Manage API keys through the admin API.
    Keys(Box<keys::Args>),
    /// See who is logged in, and end sessions, through the admin API.
    Sessions(sessions::Args),
    /// The configurations that were applied, and what each changed.
    Config(config::Args),
    /// Copies of the store, made by the running gateway.
    Backups(backups::Args),
    /// Back up, restore or move what is kept.
    Store(records::StoreArgs),
    /// See who changed what, and export or verify the log of it.
    Audit(audit::Args),
    /// The admin key, made anew on the store itself.
    Admin(records::AdminArgs),
    /// Exit 0 if the running gateway is ready (for containers).
    Health(health::Args),
    /// The local identity provider alone (development only; loopback only).
    Idp(idp::Args),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print completions for a shell.
    Completions { shell: clap_complete::Shell },
    /// Print the version.
    Version,
}

/// The configuration to use.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// The configuration file.
    #[arg(long, short, env = "PORTCULLIS_CONFIG", default_value = "config/portcullis.toml")]
    pub(crate) config: PathBuf,
}

/// Fine.
pub(crate) const FINE: u8 = 0;
/// Something was found.
pub(crate) const FINDING: u8 = 1;
/// Wrong usage or configuration.
pub(crate) const WRONG: u8 = 2;

/// Runs what was typed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    crate::world::install_crypto();
    let code = match cli.verb {
        Verb::Demo(args) => demo::demo(args),
        Verb::Run(args) => run::run(args),
        Verb::Check(args) => check::check(&args, cli.format),
        Verb::Init(args) => init::init(&args),
        Verb::Import(args) => import::import(&args, cli.format),
        Verb::Route(args) => route::route(&args, cli.format),
        Verb::Policy(args) => policy::policy(&args, cli.format),
        Verb::Explain(args) => explain::explain(&args, cli.format),
        Verb::Shadow(args) => explain::shadow(&args, cli.format),
        Verb::Keys(args) => keys::keys(*args, cli.format),
        Verb::Sessions(args) => sessions::sessions(args, cli.format),
        Verb::Config(args) => config::config(args, cli.format),
        Verb::Backups(args) => backups::backups(args, cli.format),
        Verb::Store(args) => records::store(args, cli.format),
        Verb::Audit(args) => audit::audit(args, cli.format),
        Verb::Admin(args) => records::admin(args),
        Verb::Health(args) => health::health(&args, cli.format),
        Verb::Idp(args) => idp::idp(args),
        Verb::Schema => {
            say(&format!("{:#}\n", portcullis_core::config::json_schema()));
            FINE
        }
        Verb::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "portcullis", &mut script);
            say(&String::from_utf8_lossy(&script));
            FINE
        }
        Verb::Version => {
            match cli.format {
                Format::Text => say_line!("portcullis {}", env!("CARGO_PKG_VERSION")),
                Format::Json => say_line!("{}", serde_json::json!({ "version": env!("CARGO_PKG_VERSION") })),
            }
            FINE
        }
    };
    ExitCode::from(code)
}

/// The runtime every verb that waits runs on.
pub(crate) fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("portcullis")
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
}

/// Says it on stdout. Whoever stopped listening (`| head`) has heard enough.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// `1 policy`, `2 policies`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Tells the operator what was wrong.
pub(crate) fn complain(what: &dyn std::fmt::Display) -> u8 {
    eprintln!("{what}");
    WRONG
}
