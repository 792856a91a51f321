//! The pages that people see: a refusal, and the documentation of a code.

use std::fmt::Write as _;

use portcullis_core::refusal::{LoginFailure, Refusal, Row};

use super::Envelope;

/// The pages load nothing and run nothing.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dfe7;--page:#f6f8fa;--card:#fff;--mark:#a64b00}\
@media(prefers-color-scheme:dark){:root{--ink:#e4e9f0;--soft:#9aa6b5;--line:#2c3542;--page:#11161d;--card:#181f28;\
--mark:#f0883e}}*{box-sizing:border-box}body{margin:0;min-height:100vh;display:flex;align-items:center;\
justify-content:center;padding:1.5rem 1rem;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif}\
main{width:100%;max-width:34rem;padding:2.2rem 2rem;border:1px solid var(--line);border-radius:.9rem;\
background:var(--card);overflow-wrap:anywhere}@media(max-width:30rem){main{padding:1.6rem 1.3rem}}\
p.code{font:600 .85rem ui-monospace,monospace;color:var(--mark);letter-spacing:.02em;margin:0}\
h1{font-size:1.6rem;line-height:1.25;letter-spacing:-.01em;margin:.35rem 0 1rem}p{margin:.6rem 0}\
ul{padding-left:1.2rem}code{font:.9em ui-monospace,monospace}\
dl{border-top:1px solid var(--line);margin:1.8rem 0 0;padding-top:1.1rem;font-size:.85rem;color:var(--soft)}\
dt{float:left;clear:left;width:5.5rem}dd{margin:0 0 .25rem 5.5rem;font-family:ui-monospace,monospace}\
a{color:inherit;text-underline-offset:.2em}a:focus-visible{outline:3px solid var(--mark);outline-offset:2px}";

/// What a person sees who was turned away.
pub(super) fn refusal(refusal: &Refusal, envelope: &Envelope) -> String {
    let row = refusal.code.row();
    let failure = refusal.extra.as_ref().and_then(|extra| extra.failure).map(LoginFailure::row);
    let detail = if refusal.detail.is_empty() { row.detail } else { refusal.detail.as_ref() };
    let faults: String = refusal.extra.iter().flat_map(|extra| &extra.errors).fold(String::new(), |mut list, fault| {
        // Writing to a string cannot fail.
        let _ = write!(list, "<li><code>{}</code>: {}</li>", escape(&fault.pointer), escape(&fault.message));
        list
    });
    let remedy = failure.map_or(row.remedy, |failure| failure.remedy);
    let name = failure.map_or(row.name, |failure| failure.name);
    let faults = if faults.is_empty() { faults } else { format!("<ul>{faults}</ul>") };
    frame(
        row.title,
        &format!(
            "<p class=\"code\">{status} {name}</p><h1>{title}</h1><p>{detail}</p>{faults}<p>{remedy}</p>\
             <dl><dt>decision</dt><dd>{decision}</dd><dt>request</dt><dd>{request}</dd>\
             <dt>more</dt><dd><a href=\"/_portcullis/refusals/{code}\">what this means</a></dd></dl>",
            status = row.status,
            code = row.name,
            title = escape(row.title),
            detail = escape(detail),
            remedy = escape(remedy),
            decision = escape(envelope.decision.as_str()),
            request = escape(envelope.request_id.as_str()),
        ),
    )
}

/// The stable page behind a problem's `type`.
pub(super) fn documentation(row: &Row) -> String {
    frame(
        row.title,
        &format!(
            "<p class=\"code\">{} {}</p><h1>{}</h1><p>{}</p><p><strong>What to do:</strong> {}</p>\
             <dl><dt>status</dt><dd>{}</dd><dt>code</dt><dd>{}</dd></dl>",
            row.status,
            row.name,
            escape(row.title),
            escape(row.detail),
            escape(row.remedy),
            row.status,
            row.name,
        ),
    )
}

pub(crate) fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>",
        escape(title)
    )
}

/// INVARIANT: nothing reaches a page unescaped but our own constants.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
