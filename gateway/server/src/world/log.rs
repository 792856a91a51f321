//! What the gateway says about itself, on stderr.

use std::io::IsTerminal;
use std::sync::OnceLock;

use portcullis_core::config::Level;
use tracing_subscriber::EnvFilter;

/// For whom it speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Voice {
    /// JSON lines, unless a person is watching.
    Json,
    /// Plain lines, warnings only.
    Plain,
}

/// What overrides every level.
const VARIABLE: &str = "PORTCULLIS_LOG";

/// Changes what is said once the configuration is known.
static TURN: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Starts speaking. `PORTCULLIS_LOG` overrides the level.
pub fn start(voice: Voice) {
    let usual = match voice {
        Voice::Json => filter("info"),
        Voice::Plain => EnvFilter::new("warn,pingora_core=error,pingora_proxy=error"),
    };
    let usual = EnvFilter::try_from_env(VARIABLE).unwrap_or(usual);
    let lines = tracing_subscriber::fmt().with_env_filter(usual).with_writer(std::io::stderr).with_target(false);
    // A second start in one process changes nothing.
    if voice == Voice::Json && !std::io::stderr().is_terminal() {
        let lines = lines.json().flatten_event(true).with_filter_reloading();
        let handle = lines.reload_handle();
        if lines.try_init().is_ok() {
            let _ = TURN.set(Box::new(move |filter| drop(handle.reload(filter))));
        }
    } else {
        let lines = lines.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
        let handle = lines.reload_handle();
        if lines.try_init().is_ok() {
            let _ = TURN.set(Box::new(move |filter| drop(handle.reload(filter))));
        }
    }
}

/// Says as much as `level` from now on, unless `PORTCULLIS_LOG` has its own word.
pub fn level(level: Level) {
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let word = match level {
        Level::Debug => "debug",
        Level::Error => "error",
        Level::Info => "info",
        Level::Warn => "warn",
    };
    if let Some(turn) = TURN.get() {
        turn(filter(word));
    }
}

/// Of the libraries only what concerns operators.
fn filter(level: &str) -> EnvFilter {
    let libraries = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(format!("{libraries},portcullis={level},portcullis_server={level},portcullis_core={level}"))
}
