//! Who may run the gateway: `admin.cedar` in the policy folder, or what is compiled in.

use std::sync::Arc;

use super::Work;
use super::policies::{error, text};
use crate::authorize;
use crate::config::{PathPart, Source};
use crate::govern::{self, Governance};
use crate::identify::{Authenticate, Demands, Identify, Judges, LoginDemands, Method, StepUp};

/// `None`: errors were noted.
pub(super) fn compile(work: &mut Work<'_>, source: &dyn Source, judges: &Arc<Judges>) -> Option<Governance> {
    let config = &work.loaded.config.admin;
    let path = work.loaded.from_root(&work.loaded.config.policies.dir).join(govern::FILE);
    // A folder that cannot be listed is told of by whoever reads the other policies.
    let there = source.list(&work.loaded.from_root(&work.loaded.config.policies.dir)).unwrap_or_default();
    let own = if there.contains(&path) {
        let help = "make it readable, or remove it: then the policies that are compiled in hold";
        Some(text(work, source, &path, help)?)
    } else {
        None
    };
    if !config.holders.is_empty() && work.loaded.config.server.admin_client_certificates.is_none() {
        let message = "nobody vouches for `holders`, so none of them gets in: set `server.admin_client_certificates`";
        work.warn(&[PathPart::Key("admin"), PathPart::Key("holders")], message);
    }
    let identify = identify(work, judges)?;
    match Governance::compile(own.clone(), config, identify) {
        Ok(governance) => Some(governance),
        Err(faults) => {
            let schema = authorize::Source { file: "admin.cedarschema".to_owned(), text: govern::SCHEMA.to_owned() };
            let files: Vec<authorize::Source> = own.into_iter().collect();
            work.errors.extend(faults.iter().map(|fault| error(fault, &schema, &files)));
            None
        }
    }
}

fn identify(work: &mut Work<'_>, judges: &Arc<Judges>) -> Option<Identify> {
    let config = &work.loaded.config.admin;
    let methods = if config.issuers.is_empty() { vec![Method::ApiKey] } else { vec![Method::ApiKey, Method::Jwt] };
    let demands = Demands {
        authenticate: &Authenticate::AnyOf(methods),
        scopes: &[],
        issuers: &config.issuers,
        audiences: &config.audiences,
        step_up: StepUp::default(),
        login: LoginDemands::default(),
    };
    Identify::compile(&demands, judges)
        .map_err(|(key, message)| work.refuse(&[PathPart::Key("admin"), PathPart::Key(key)], message, ""))
        .ok()
}
