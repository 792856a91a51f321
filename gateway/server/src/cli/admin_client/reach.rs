//! Which gateway, and with whose credential? Never one that is typed: arguments are seen by every process of the machine,
//! and kept by shells.

use std::io::Read as _;
use std::path::PathBuf;

use crate::cli::ConfigArg;

/// The gateway of a configuration, and what to show it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reach {
    #[command(flatten)]
    pub(in crate::cli) config: ConfigArg,
    #[command(flatten)]
    pub(in crate::cli) credential: Credential,
}

/// The key or token to show; `PORTCULLIS_ADMIN_KEY`, or `admin.key` beside the store, when neither is given.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Credential {
    /// Show the key or token in this file, instead of `admin.key` beside the store.
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    key_file: Option<PathBuf>,
    /// Show the key or token that comes on standard input.
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    pub(super) certificate: CertificateArg,
}

/// Where `server.admin_client_certificates` vouches for administrators.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CertificateArg {
    /// Show the certificate in this PEM file, which holds its key, too; `admin.key` is then shown only if it is named.
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_ADMIN_CERTIFICATE")]
    pub(in crate::cli) certificate: Option<PathBuf>,
}

/// No credential is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

impl Credential {
    /// What was named; `None`: nothing was.
    pub(super) fn named(&self) -> Result<Option<String>, String> {
        let (mut text, named) = (
            String::new(),
            match &self.key_file {
                Some(file) => format!("`{}`", file.display()),
                None => "standard input".to_owned(),
            },
        );
        let read = match (&self.key_file, self.stdin) {
            (None, false) => return Ok(None),
            (None, true) => std::io::stdin().take(LONGEST).read_to_string(&mut text),
            (Some(file), _) => std::fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text)),
        };
        read.map_err(|error| format!("{named} cannot be read: {error}"))?;
        match text.trim() {
            "" => Err(format!("{named} holds no key")),
            text => Ok(Some(text.to_owned())),
        }
    }
}
