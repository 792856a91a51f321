//! Do the listeners fit each other, and who may reach them?

use super::Cross;
use crate::config::load::PathPart;
use crate::config::{Listener, ServerConfig};

pub(super) fn check(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    if let Some(server) = &draft.server {
        listeners(cross, server);
        exposure(cross, server);
        proxies(cross, server);
        if let (Some(tls), Listener::At(_)) = (&draft.tls, server.https)
            && tls.certificates.is_empty()
        {
            let help = "add `[[tls.certificates]]` with `cert` and `key`, or set `server.https = \"off\"`";
            cross.refuse(&["tls".into(), "certificates".into()], "`https` is on and there is no certificate", help);
        }
    }
}

fn at(key: &'static str) -> [PathPart<'static>; 2] {
    [PathPart::Key("server"), PathPart::Key(key)]
}

fn listeners(cross: &mut Cross<'_>, server: &ServerConfig) {
    let all = [
        ("https", server.https),
        ("http", server.http),
        ("plain", server.plain),
        ("admin", server.admin),
        ("probes", server.probes),
    ];
    for (index, (name, listener)) in all.iter().enumerate() {
        let taken = all.iter().take(index).find(|(_, before)| before.collides(*listener));
        if let Some((before, address)) = taken {
            let message = format!("`{listener}` is taken: `{before}` listens on `{address}`");
            cross.refuse(&at(name), message, "give each listener a port of its own");
        }
    }
    if server.https == Listener::Off && server.plain == Listener::Off {
        let help = "set `https` to an address, or `plain` behind a platform that terminates TLS";
        cross.refuse(&at("https"), "neither `https` nor `plain` listens: nobody could reach the gateway", help);
    }
}

fn exposure(cross: &mut Cross<'_>, server: &ServerConfig) {
    if server.http != Listener::Off && server.https == Listener::Off {
        cross.refuse(
            &at("http"),
            "`http` only redirects to HTTPS, and `https` is off",
            "set `https`, or leave `http` out",
        );
    } else if server.http != Listener::Off && server.public_url.is_none() {
        let help = "set `public_url = \"https://…\"`: what a client sends as `Host` is not believed";
        cross.refuse(&at("http"), "`http` redirects to `public_url`, and there is none", help);
    }
    if let Some(url) = &server.public_url
        && !url.is_secure()
    {
        cross.refuse(&at("public_url"), format!("`{url}` is not `https`"), "clients reach the gateway over HTTPS only");
    }
}

fn proxies(cross: &mut Cross<'_>, server: &ServerConfig) {
    if server.plain != Listener::Off && server.trusted_proxies.is_empty() {
        let help = "list the networks the platform's proxies come from: `trusted_proxies = [\"10.0.0.0/8\"]`";
        cross.refuse(&at("plain"), "`plain` answers `trusted_proxies` only, and there are none", help);
    }
    for (index, network) in server.trusted_proxies.iter().enumerate() {
        if network.is_everyone() {
            let [server, key] = at("trusted_proxies");
            let help = "list the networks your proxies really come from";
            let message = format!("`{network}` is everyone: any client could then say what its address is");
            cross.refuse(&[server, key, index.into()], message, help);
        }
    }
    if server.keepalive_timeout < server.header_timeout {
        let message = format!(
            "`keepalive_timeout` (`{}`) is shorter than `header_timeout` (`{}`)",
            server.keepalive_timeout, server.header_timeout
        );
        cross.refuse(
            &at("keepalive_timeout"),
            message,
            "an idle connection must live as long as a slow request head may",
        );
    }
}
