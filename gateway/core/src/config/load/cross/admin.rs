//! Is the admin API open to those who are meant, and to nobody else?

use super::Cross;
use crate::config::AdminConfig;
use crate::config::load::PathPart;

pub(super) fn check(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    let Some(admin) = &draft.admin else { return };
    if let Some(server) = &draft.server
        && let Some(address) = server.admin.address().filter(|address| !address.ip().is_loopback())
        && server.admin_client_certificates.is_none()
        && admin.issuers.is_empty()
    {
        let message = format!(
            "`{address}` is not a loopback address, and neither certificates nor anybody's tokens open the admin API"
        );
        let help = "use `127.0.0.1` or `[::1]` and a tunnel from elsewhere, or set `server.admin_client_certificates` \
                    and `admin.holders`, or `admin.issuers`, `admin.audiences` and `admin.roles`: an admin key alone \
                    opens it from this machine only";
        cross.refuse(&["server".into(), "admin".into()], message, help);
    }
    issuers(cross, admin);
    groups(cross, admin);
}

fn at(key: &'static str) -> [PathPart<'static>; 2] {
    [PathPart::Key("admin"), PathPart::Key(key)]
}

fn issuers(cross: &mut Cross<'_>, admin: &AdminConfig) {
    let draft = cross.draft;
    for (index, alias) in admin.issuers.iter().enumerate() {
        if !draft.tokens.contains_key(alias) && !draft.torn {
            let known: Vec<String> = draft.tokens.keys().map(|alias| format!("`{alias}`")).collect();
            let help = if known.is_empty() {
                format!("add `[tokens.{alias}]` with `issuer` and `audiences`")
            } else {
                format!("known: {}", known.join(", "))
            };
            let [section, key] = at("issuers");
            cross.refuse(&[section, key, index.into()], format!("`{alias}` is no alias of `[tokens.*]`"), help);
        }
    }
    if admin.issuers.is_empty() != admin.audiences.is_empty() {
        let (key, message) = if admin.audiences.is_empty() {
            ("issuers", "`issuers` needs `audiences`")
        } else {
            ("audiences", "`audiences` needs `issuers`")
        };
        let help = "a token that was made for the application must not open the admin API: say for whom tokens are made \
                    that do";
        cross.refuse(&at(key), message, help);
    }
}

fn groups(cross: &mut Cross<'_>, admin: &AdminConfig) {
    for group in admin.roles.keys() {
        let Some((alias, _)) = group.split_once('|') else { continue };
        if !admin.issuers.iter().any(|known| known == alias) {
            let [section, key] = at("roles");
            let help = format!("add `{alias}` to `admin.issuers`, or remove the line");
            let message = format!("`{group}`: tokens of `{alias}` are not taken by the admin API");
            cross.refuse(&[section, key, group.as_str().into()], message, help);
        }
    }
}
