//! The pages that people see: a refusal, and the documentation of a code.

use std::fmt::Write as _;

use portcullis_core::refusal::{Refusal, Row};

use super::Envelope;

/// The pages load nothing and run nothing.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;--mark:#b35900}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#30363d;--paper:#0d1117;--mark:#f0883e}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);\
font:16px/1.55 system-ui,sans-serif}main{max-width:34rem;padding:2rem}\
p.code{font:600 .85rem ui-monospace,monospace;color:var(--mark);letter-spacing:.04em;margin:0}\
h1{font-size:1.7rem;line-height:1.2;margin:.3rem 0 1rem}p{margin:.6rem 0}\
dl{border-top:1px solid var(--line);margin-top:1.6rem;padding-top:1rem;font-size:.85rem;color:var(--soft)}\
dt{float:left;clear:left;width:6rem}dd{margin:0 0 .2rem 6rem;font-family:ui-monospace,monospace;overflow-wrap:anywhere}\
a{color:inherit}";

/// What a person sees who was turned away.
pub(super) fn refusal(refusal: &Refusal, envelope: &Envelope) -> String {
    let row = refusal.code.row();
    let detail = if refusal.detail.is_empty() { row.detail } else { refusal.detail.as_ref() };
    let faults: String = refusal.extra.iter().flat_map(|extra| &extra.errors).fold(String::new(), |mut list, fault| {
        // Writing to a string cannot fail.
        let _ = write!(list, "<li><code>{}</code>: {}</li>", escape(&fault.pointer), escape(&fault.message));
        list
    });
    let faults = if faults.is_empty() { faults } else { format!("<ul>{faults}</ul>") };
    frame(
        row.title,
        &format!(
            "<p class=\"code\">{status} {name}</p><h1>{title}</h1><p>{detail}</p>{faults}<p>{remedy}</p>\
             <dl><dt>decision</dt><dd>{decision}</dd><dt>request</dt><dd>{request}</dd>\
             <dt>more</dt><dd><a href=\"/_portcullis/refusals/{name}\">what this means</a></dd></dl>",
            status = row.status,
            name = row.name,
            title = escape(row.title),
            detail = escape(detail),
            remedy = escape(row.remedy),
            decision = escape(&envelope.decision),
            request = escape(&envelope.request_id),
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

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>",
        escape(title)
    )
}

/// INVARIANT: nothing reaches a page unescaped but our own constants.
fn escape(text: &str) -> String {
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
