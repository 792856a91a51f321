//! The pages of logins: where to log in, and whether to leave.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use portcullis_core::identify::Provider;

use super::wish::Wish;
use crate::respond::{Reply, escape, frame, query};

/// As other pages of ours, but with a form. Where it leads is not restricted: it goes on to the provider.
const WITH_FORM: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// Where several providers fit.
pub(super) fn choose(providers: &[&Arc<Provider>], wish: &Wish) -> Reply {
    let mut list = String::new();
    for provider in providers {
        let age = wish.max_age.map(|age| age.to_string());
        let mut pairs = vec![("provider", &*provider.alias), ("rd", wish.back_to.as_str())];
        pairs.extend(wish.acr_values.as_deref().map(|values| ("acr_values", values)));
        pairs.extend(age.as_deref().map(|age| ("max_age", age)));
        let target = format!("/_portcullis/login?{}", query(&pairs));
        // Writing to a string cannot fail.
        let _ = write!(list, "<li><a href=\"{}\">{}</a></li>", escape(&target), escape(provider.label()));
    }
    html(&frame("Log in", &format!("<h1>Log in</h1><p>Where do you have an account?</p><ul>{list}</ul>")))
}

/// Before somebody leaves.
pub(super) fn confirm_logout() -> Reply {
    html(&frame(
        "Log out",
        "<h1>Log out?</h1><form method=\"post\" action=\"/_portcullis/logout\">\
         <button type=\"submit\">Log out</button></form><p><a href=\"/\">No, go on</a></p>",
    ))
}

fn html(page: &str) -> Reply {
    Reply::new(StatusCode::OK, "text/html; charset=utf-8", page.to_owned())
        .with(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(WITH_FORM))
}
