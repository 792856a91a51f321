//! Does one part fit the others? Checks that need more than one value, and no other stage.
//!
//! What a stage alone can say (a policy, a schema, a certificate that does not load) is found when the snapshot is
//! compiled, and reported through [`super::Loaded::error`].

mod addresses;
mod admin;
mod certificates;
mod names;
mod resource;
mod routes;
mod upstreams;

use super::{Draft, Findings, PathPart, Spans};

/// Adds what is found to `findings`. Parts with faults of their own are passed over.
pub(super) fn check(draft: &Draft, spans: &Spans, findings: &mut Findings) {
    let mut cross = Cross { draft, spans, findings };
    addresses::check(&mut cross);
    admin::check(&mut cross);
    certificates::check(&mut cross);
    names::check(&mut cross);
    upstreams::check(&mut cross);
    routes::check(&mut cross);
}

struct Cross<'c> {
    draft: &'c Draft,
    spans: &'c Spans,
    findings: &'c mut Findings,
}

impl Cross<'_> {
    fn refuse(&mut self, path: &[PathPart<'_>], message: impl Into<String>, help: impl Into<String>) {
        let (file, span) = self.spans.find(path);
        let help: String = help.into();
        self.findings.add(file, span, message.into(), (!help.is_empty()).then_some(help));
    }
}
