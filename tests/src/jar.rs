//! A browser without a screen: it keeps cookies, follows redirects, and presses the test provider's buttons.

use std::net::SocketAddr;

use hyper::Uri;

use crate::client::{Answer, Client};
use crate::site::Site;

/// One person's browser. It knows one gateway as `app.test`, and every provider by its address.
#[derive(Clone)]
pub struct Browser {
    gateway: SocketAddr,
    ca: String,
    jar: Vec<Cookie>,
    /// Every address it was sent to, with the status it got there.
    pub trace: Vec<(u16, String)>,
}

#[derive(Clone, Debug)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

/// Where a journey ended.
#[derive(Debug)]
pub struct Arrival {
    pub url: String,
    pub answer: Answer,
}

/// The cookie of sessions.
pub const SESSION: &str = "__Host-portcullis";

impl Browser {
    pub fn new(site: &Site) -> Self {
        Self { gateway: site.address(), ca: site.ca().to_owned(), jar: Vec::new(), trace: Vec::new() }
    }

    /// The same before a gateway that runs as a program.
    pub fn at(gateway: SocketAddr, ca: &str) -> Self {
        Self { gateway, ca: ca.to_owned(), jar: Vec::new(), trace: Vec::new() }
    }

    /// The same browser, before another replica.
    pub fn moves_to(&mut self, site: &Site) {
        (self.gateway, self.ca) = (site.address(), site.ca().to_owned());
    }

    /// The same browser, before another replica on the same files.
    pub fn moves_to_replica(&mut self, address: SocketAddr) {
        self.gateway = address;
    }

    /// The value of a cookie of the gateway's.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.iter().find(|cookie| cookie.host == "app.test" && cookie.name == name).map(|cookie| &*cookie.value)
    }

    /// Names of the gateway's cookies that begin with this.
    pub fn cookies(&self, prefix: &str) -> Vec<String> {
        let ours = self.jar.iter().filter(|cookie| cookie.host == "app.test" && cookie.name.starts_with(prefix));
        ours.map(|cookie| cookie.name.clone()).collect()
    }

    /// Puts a cookie there, as somebody else would.
    pub fn toss(&mut self, name: &str, value: &str) {
        let (host, path) = ("app.test".to_owned(), "/".to_owned());
        self.jar.push(Cookie { host, path, name: name.to_owned(), value: value.to_owned() });
    }

    /// Forgets the gateway's cookies whose names begin with this.
    pub fn forget(&mut self, prefix: &str) {
        self.jar.retain(|cookie| cookie.host != "app.test" || !cookie.name.starts_with(prefix));
    }

    /// One navigation, wherever it leads.
    pub async fn navigate(&mut self, url: &str) -> Answer {
        let fields = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];
        self.send("GET", url, &fields, "").await
    }

    /// One form of a page of the gateway's own.
    pub async fn submit(&mut self, url: &str, form: &str) -> Answer {
        let fields = [
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send("POST", url, &fields, form).await
    }

    /// What a page's script asks for.
    pub async fn fetch(&mut self, method: &str, url: &str) -> Answer {
        let fields = [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
        self.send(method, url, &fields, "").await
    }

    pub async fn send(&mut self, method: &str, url: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let uri: Uri = url.parse().expect("a URL");
        let host = uri.authority().expect("an absolute URL").to_string();
        let mut client = if host == "app.test" {
            let mut client = Client::h1(self.gateway, "app.test", &self.ca).await.expect("a connection");
            "app.test".clone_into(&mut client.authority);
            client
        } else {
            Client::plain(host.parse().expect("an address")).await.expect("a connection")
        };
        let path = uri.path();
        let fitting = self.jar.iter().filter(|cookie| cookie.host == host && path.starts_with(&cookie.path));
        let pairs: Vec<String> = fitting.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let line = pairs.join("; ");
        let mut fields = fields.to_vec();
        if !line.is_empty() {
            fields.push(("cookie", &line));
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let answer = client.send(method, target, &fields, body.to_owned()).await;
        self.trace.push((answer.status.as_u16(), url.to_owned()));
        for line in answer.headers.get_all("set-cookie") {
            self.keep(&host, line.to_str().expect("ASCII"));
        }
        answer
    }

    fn keep(&mut self, host: &str, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let attributes: Vec<(String, &str)> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let attribute = |name: &str| attributes.iter().find(|(at, _)| at == name).map(|(_, value)| *value);
        let path = attribute("path").unwrap_or("/").to_owned();
        if name.starts_with("__Host-") {
            // What browsers demand of such a name, and we of a cookie like this.
            assert!(path == "/" && attribute("domain").is_none(), "{line}");
            assert!(attribute("secure").is_some() && attribute("httponly").is_some(), "{line}");
            assert_eq!(attribute("samesite"), Some("Lax"), "{line}");
        }
        self.jar.retain(|cookie| !(cookie.host == host && cookie.name == name && cookie.path == path));
        let past = attribute("expires").is_some_and(|date| date.contains("1970"));
        if attribute("max-age") != Some("0") && !past {
            let (host, name, value) = (host.to_owned(), name.to_owned(), value.to_owned());
            self.jar.push(Cookie { host, path, name, value });
        }
    }

    /// Follows redirects to the end; at the provider it signs in as `user`.
    pub async fn follow(&mut self, url: &str, user: &str) -> Arrival {
        self.follow_until(url, user, |_| false).await
    }

    /// As [`Self::follow`], but not beyond what `enough` says of an address: that one is not asked.
    pub async fn follow_until(&mut self, url: &str, user: &str, enough: impl Fn(&str) -> bool) -> Arrival {
        let mut url = url.to_owned();
        let mut answer = self.navigate(&url).await;
        for _ in 0..20 {
            if let Some(location) = answer.header("location").map(str::to_owned) {
                url = join(&url, &location);
                if enough(&url) {
                    return Arrival { url, answer };
                }
                answer = self.navigate(&url).await;
                continue;
            }
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            if let Some(action) = between(&text, "<form method=\"post\" action=\"/interaction/", "\"") {
                url = join(&url, &format!("/interaction/{action}"));
                let form = if user == "nobody" { "deny=1".to_owned() } else { format!("login={user}") };
                answer = self.submit(&url, &form).await;
                continue;
            }
            if let (Some(action), Some(token)) = (
                between(&text, "id=\"op.logoutForm\" method=\"post\" action=\"", "\""),
                between(&text, "name=\"xsrf\" value=\"", "\""),
            ) {
                let form = format!("xsrf={token}&logout=yes");
                url = join(&url, action);
                answer = self.submit(&url, &form).await;
                continue;
            }
            return Arrival { url, answer };
        }
        panic!("more than 20 hops: {:#?}", self.trace);
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// A reference as browsers resolve it, as far as our pages write any.
fn join(base: &str, reference: &str) -> String {
    if reference.contains("://") {
        return reference.to_owned();
    }
    let uri: Uri = base.parse().expect("a URL");
    format!("{}://{}{reference}", uri.scheme_str().unwrap_or("https"), uri.authority().expect("an authority"))
}
