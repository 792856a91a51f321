//! Can one authority speak for another's clients, and can the secret of session tickets be guessed?

use super::Cross;
use crate::config::{CertificateName, ClientCertificatesConfig};

/// Characters of `tls.ticket_secret`, at least.
const SHORTEST_SECRET: usize = 32;

/// Where subject alternative names are principals, all of them must come from the same authorities: a name that one
/// authority gave must not be had from another.
pub(super) fn check(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    let Some(tls) = &draft.tls else { return };
    if tls.ticket_secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORTEST_SECRET) {
        let message = "`ticket_secret` is shorter than 32 characters: whoever guesses it reads recorded sessions";
        let help = "draw one with `openssl rand -base64 32`, and give it to all replicas as `${NAME}`";
        cross.refuse(&["tls".into(), "ticket_secret".into()], message, help);
    }
    let mut first: Option<&ClientCertificatesConfig> = None;
    for (index, pair) in tls.certificates.iter().enumerate() {
        let Some(clients) = pair.client_certificates.as_ref().filter(|c| c.name == CertificateName::San) else {
            continue;
        };
        match first {
            None => first = Some(clients),
            Some(first) if first.ca == clients.ca => {}
            Some(_) => {
                let message = "`name = \"san\"` stands beside other authorities than before";
                let help = "give them the same `ca`, or name holders by `spki`: a name must come from one place only";
                let at = ["tls".into(), "certificates".into(), index.into(), "client_certificates".into()];
                cross.refuse(&at, message, help);
            }
        }
    }
}
