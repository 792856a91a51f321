//! Does a route's every word fit its others?

use super::{Cross, resource};
use crate::config::load::PathPart;
use crate::config::load::{Draft, nearest};
use crate::config::{
    Authenticate, Cors, LimitBy, Method, ParameterPlace, ProviderConfig, ProviderKind, RouteConfig, TokenToApp, urls,
};
use crate::units::Size;

pub(super) fn check(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    for (at, route) in draft.routes.iter().enumerate() {
        let Some(route) = route else { continue };
        let mut on = Checked { cross, at, route };
        on.upstream(draft);
        on.authentication(draft);
        on.limits();
        on.parameters();
        on.body(draft);
        on.streams();
        on.origins();
    }
}

struct Checked<'r, 'c> {
    cross: &'r mut Cross<'c>,
    at: usize,
    route: &'r RouteConfig,
}

impl Checked<'_, '_> {
    fn refuse(&mut self, path: &[PathPart<'_>], message: impl Into<String>, help: impl Into<String>) {
        let head = [PathPart::Key("routes"), PathPart::Index(self.at)];
        let path: Vec<PathPart<'_>> = head.iter().chain(path).copied().collect();
        self.cross.refuse(&path, message, help);
    }

    fn upstream(&mut self, draft: &Draft) {
        let name = self.route.upstream.as_str();
        if !draft.upstreams.contains_key(name) && !draft.torn {
            let help = match nearest(name, draft.upstreams.keys().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "define it: `[upstreams.NAME]` with `targets = [\"http://…\"]`".to_owned(),
            };
            self.refuse(&["upstream".into()], format!("there is no upstream `{name}`"), help);
        }
        if let Some(template) = &self.route.resource
            && let Err(message) = resource::check(template, &self.route.matches)
        {
            self.refuse(&["resource".into()], message, "");
        }
    }

    fn authentication(&mut self, draft: &Draft) {
        let authenticate = &self.route.authenticate;
        let demands_jwt = match authenticate {
            Authenticate::AllOf(methods) | Authenticate::AnyOf(methods) => methods.contains(&Method::Jwt),
            Authenticate::Optional | Authenticate::Public => false,
        };
        if demands_jwt && draft.tokens.is_empty() && !draft.torn {
            let help = "define one: `[tokens.NAME]` with `issuer` and `audiences`";
            self.refuse(&["authenticate".into()], "no token source is defined, so no `jwt` could be verified", help);
        }
        let demands_session = match authenticate {
            Authenticate::AllOf(methods) | Authenticate::AnyOf(methods) => methods.contains(&Method::Session),
            Authenticate::Optional | Authenticate::Public => false,
        };
        if demands_session && draft.providers.is_empty() && !draft.torn {
            let help = "define one: `[providers.NAME]` with `issuer`, `client_id` and `client_secret`";
            self.refuse(&["authenticate".into()], "no provider is defined, so nobody could log in", help);
        }
        let anywhere = draft.server.as_ref().and_then(|server| server.public_url.as_ref());
        let own = anywhere.and_then(|url| urls::parts(url.as_str())).map(|parts| parts.host.to_ascii_lowercase());
        if let (Some(host), Some(own)) = (&self.route.host, own)
            && demands_session
            && *host != own
        {
            let message = format!(
                "`session` could never be shown at `{host}`: people log in at `{own}`, and the cookie is of that host alone"
            );
            let help = "leave `session` out here, or the route's `host`";
            self.refuse(&["authenticate".into()], message, help);
        }
        let has_token = authenticate.accepts(Method::Session) || authenticate.accepts(Method::Jwt);
        if self.route.token != TokenToApp::None && !has_token {
            let help = "add `session` or `jwt` to `authenticate`, or leave `token` out";
            self.refuse(&["token".into()], "nobody who may come here has a token", help);
        }
        self.exchange(draft);
        if *authenticate == Authenticate::Public && !self.route.scopes.is_empty() {
            self.refuse(&["scopes".into()], "a public route judges no credential, so nobody has scopes", "");
        }
    }

    fn exchange(&mut self, draft: &Draft) {
        let route = self.route;
        let help = "write what is wanted: `exchange = { audience = \"…\" }`, or a `resource`, or `scopes`";
        match (route.token, &route.exchange) {
            (TokenToApp::None | TokenToApp::Relay, None) => return,
            (TokenToApp::None | TokenToApp::Relay, Some(_)) => {
                let message = "nothing is exchanged here: `token` says otherwise";
                return self.refuse(
                    &["exchange".into()],
                    message,
                    "write `token = \"exchange\"`, or leave `exchange` out",
                );
            }
            (TokenToApp::Exchange, None) => self.refuse(&["token".into()], "nothing says what for", help),
            (TokenToApp::Exchange, Some(wish)) if wish.is_empty() => {
                self.refuse(&["exchange".into()], "nothing says what for", help);
            }
            (TokenToApp::Exchange, Some(_)) => {}
        }
        if draft.torn {
            return;
        }
        let named = |all: Vec<&str>, some: &[String]| -> Vec<String> {
            let taken = |alias: &&str| some.is_empty() || some.iter().any(|name| name == alias);
            all.into_iter().filter(taken).map(str::to_owned).collect()
        };
        let mut aliases = Vec::new();
        if route.authenticate.accepts(Method::Session) {
            aliases.extend(named(draft.providers.keys().map(String::as_str).collect(), &route.providers));
        }
        if route.authenticate.accepts(Method::Jwt) {
            aliases.extend(named(draft.tokens.keys().map(String::as_str).collect(), &route.issuers));
        }
        // One with faults of its own is passed over.
        let is_oidc = |provider: &Option<ProviderConfig>| {
            provider.as_ref().is_none_or(|provider| provider.kind == ProviderKind::Oidc)
        };
        let exchanges = |alias: &String| draft.providers.get(alias).is_some_and(is_oidc);
        if let Some(alias) = aliases.into_iter().find(|alias| !exchanges(alias)) {
            let message =
                format!("the tokens of `{alias}` cannot be exchanged: there is no OpenID provider of that name");
            let help = format!(
                "define `[providers.{alias}]`, whose `client_id` does it, or say whose callers come here: `providers`, `issuers`"
            );
            self.refuse(&["token".into()], message, help);
        }
    }

    fn limits(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        for (index, limit) in self.route.limits.iter().enumerate() {
            let at = |key: &'static str| [PathPart::Key("limits"), index.into(), key.into()];
            let name = limit.name.as_deref().unwrap_or(&self.route.name);
            if names.contains(&name) {
                let message = format!("this route has a limit `{name}` already");
                self.refuse(&at("name"), message, "give each limit of a route a `name` of its own");
            }
            names.push(name);
            let needs = match &limit.by {
                LimitBy::Claim(_) => Some(Method::Jwt),
                LimitBy::Key => Some(Method::ApiKey),
                LimitBy::Address | LimitBy::Header(_) | LimitBy::Principal | LimitBy::Route => None,
            };
            if limit.by == LimitBy::Principal && self.route.authenticate == Authenticate::Public {
                let message = "a public route knows no principal: all would be counted as one";
                self.refuse(&at("by"), message, "count by `address`, or by `route` if that is what is meant");
            } else if let Some(method) = needs.filter(|method| !self.route.authenticate.accepts(*method)) {
                let message =
                    format!("`{}` cannot be counted: the route does not accept `{}`", limit.by, method.name());
                self.refuse(&at("by"), message, "");
            }
        }
    }

    fn parameters(&mut self) {
        let parameters = &self.route.parameters;
        for (index, parameter) in parameters.iter().enumerate() {
            let at = |key: &'static str| [PathPart::Key("parameters"), index.into(), key.into()];
            let same = |other: &&crate::config::ParameterConfig| {
                other.place == parameter.place
                    && match parameter.place {
                        ParameterPlace::Header => other.name.eq_ignore_ascii_case(&parameter.name),
                        ParameterPlace::Cookie | ParameterPlace::Path | ParameterPlace::Query => {
                            other.name == parameter.name
                        }
                    }
            };
            if parameters.iter().take(index).any(|other| same(&other)) {
                self.refuse(&at("name"), format!("the parameter `{}` is declared twice", parameter.name), "");
            }
            let in_path = self.route.matches.parameters().any(|name| name == parameter.name);
            if parameter.place == ParameterPlace::Path && !in_path {
                let known: Vec<&str> = self.route.matches.parameters().collect();
                let help = nearest(&parameter.name, known).map(|meant| format!("did you mean `{meant}`?"));
                let message = format!("`{}` is not a parameter of `{}`", parameter.name, self.route.matches);
                self.refuse(&at("name"), message, help.unwrap_or_default());
            }
        }
    }

    fn body(&mut self, draft: &Draft) {
        let route = self.route;
        let (first, judged) = match (&route.body_schema, route.bodies.is_empty()) {
            (Some(_), _) => ("body_schema", true),
            (None, false) => ("bodies", route.bodies.iter().any(|body| body.schema.is_some())),
            (None, true) => ("", false),
        };
        if first.is_empty() {
            for (key, set) in [
                ("body_required", route.body_required == Some(true)),
                ("authorize_body", route.authorize_body),
                ("content_encodings", !route.content_encodings.is_empty()),
            ] {
                if set {
                    self.refuse(&[key.into()], format!("`{key}` has no meaning without `body_schema` or `bodies`"), "");
                }
            }
        } else if route.websocket {
            self.refuse(&[first.into()], "a WebSocket has no body to validate", "");
        } else if !route.matches.is_any_method()
            && route.matches.methods.iter().all(|method| matches!(*method, "GET" | "HEAD"))
        {
            self.refuse(&[first.into()], format!("`{}` takes no body", route.matches), "");
        }
        let memory = draft.server.as_ref().map(|server| server.max_body_memory);
        if let (true, Some(most), Some(memory)) = (judged, route.max_body, memory)
            && most > memory
        {
            let message =
                format!("`{most}` is more than `server.max_body_memory` (`{memory}`): it could never be held");
            self.refuse(&["max_body".into()], message, "");
        }
        self.answers(memory);
    }

    fn answers(&mut self, memory: Option<Size>) {
        let Some(responses) = &self.route.responses else { return };
        if self.route.websocket {
            self.refuse(&["responses".into()], "what a WebSocket carries cannot be validated", "");
        }
        if let (Some(most), Some(memory)) = (responses.max_body, memory)
            && most > memory
        {
            let message =
                format!("`{most}` is more than `server.max_body_memory` (`{memory}`): it could never be held");
            self.refuse(&["responses".into(), "max_body".into()], message, "");
        }
    }

    fn streams(&mut self) {
        let route = self.route;
        if let (Some(timeout), Some(longest)) = (route.timeout, route.max_stream)
            && timeout > longest
        {
            let message = format!("`timeout` (`{timeout}`) is greater than `max_stream` (`{longest}`)");
            self.refuse(&["timeout".into()], message, "");
        }
        if route.websocket && !route.matches.takes("GET") {
            self.refuse(&["websocket".into()], "a WebSocket begins with GET, which this route does not match", "");
        }
    }

    fn origins(&mut self) {
        let Some(Cors::Gateway(cors)) = &self.route.cors else { return };
        for (index, origin) in cors.origins.iter().enumerate() {
            if !origin.is_secure() && !origin.is_loopback() {
                let message = format!("`{origin}` is not `https`: whoever is on the way could speak for it");
                self.refuse(
                    &["cors".into(), "origins".into(), index.into()],
                    message,
                    "plain `http` is for loopback only",
                );
            }
        }
    }
}
