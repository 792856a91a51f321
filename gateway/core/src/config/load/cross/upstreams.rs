//! Does an upstream say one thing about how it is spoken to?

use super::Cross;
use crate::config::TargetScheme;

pub(super) fn check(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    for (name, upstream) in &draft.upstreams {
        let Some(upstream) = upstream else { continue };
        let schemes: Vec<TargetScheme> = upstream.targets.iter().map(|target| target.scheme).collect();
        let at = |key: &'static str| ["upstreams".into(), name.as_str().into(), key.into()];
        if let Some(first) = schemes.first()
            && let Some(index) = schemes.iter().position(|scheme| scheme != first)
        {
            let message = format!("the targets are not all spoken to by `{}`", first.as_str());
            let help = "give targets of another scheme an upstream of their own";
            let [upstreams, name, key] = at("targets");
            cross.refuse(&[upstreams, name, key, index.into()], message, help);
        }
        let encrypted = schemes.contains(&TargetScheme::Https);
        for (key, set) in [("ca", upstream.ca.is_some()), ("sni", upstream.sni.is_some()), ("http2", upstream.http2)] {
            if set && !encrypted {
                let help = match key {
                    "http2" => "write the targets as `https://…`, or as `h2c://…` for HTTP/2 without TLS",
                    _ => "write the targets as `https://…`: nothing is verified otherwise",
                };
                cross.refuse(&at(key), format!("`{key}` has no meaning without TLS"), help);
            }
        }
    }
}
