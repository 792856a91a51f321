//! What the gateway says about itself, on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// For whom it speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Voice {
    /// JSON lines, unless a person is watching.
    Json,
    /// Plain lines, warnings only.
    Plain,
}

/// Starts speaking. `PORTCULLIS_LOG` overrides the level.
pub fn start(voice: Voice) {
    let usual = match voice {
        Voice::Json => "info,pingora_core=warn,pingora_proxy=warn",
        Voice::Plain => "warn,pingora_core=error,pingora_proxy=error",
    };
    let filter = EnvFilter::try_from_env("PORTCULLIS_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start in one process changes nothing.
    let _ = if voice == Voice::Json && !std::io::stderr().is_terminal() {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}
