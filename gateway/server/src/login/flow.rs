//! Where is a login between its beginning and its end? In a cookie of its own that only we can read, one for each
//! `state`: two tabs do not disturb each other, and nothing is kept here that a stranger could make grow.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;
use portcullis_core::identify::cookies;
use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

use super::seal::{NotSealed, Sealer};

/// How long a login may take.
pub(crate) const LONGEST: Duration = Duration::from_mins(10);

/// Logins one browser may have begun and not ended; the oldest is given up for one more.
const MOST: usize = 5;

const PREFIX: &str = "__Host-portcullis-flow-";

/// So much of `state` names the cookie.
const NAMED_BY: usize = 16;

/// A login under way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Flow {
    pub(crate) provider: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// Of PKCE.
    pub(crate) verifier: String,
    /// Where it goes on afterwards: a path on our own origin.
    pub(crate) back_to: String,
    pub(crate) begun: Moment,
    /// The session that was there at the beginning.
    pub(crate) before: Option<String>,
    pub(crate) acr_values: Option<String>,
    /// In seconds.
    pub(crate) max_age: Option<u64>,
}

/// What became of the flow that `state` names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Found {
    Flow(Box<Flow>),
    /// It took too long; where it was to go on.
    Late(String),
    /// The browser sent cookies of ours, and none of this flow.
    Lost,
    /// The browser sent no flow at all.
    NoCookie,
}

/// Whether a `Set-Cookie` is that of a flow.
pub(crate) fn is_flow(line: &str) -> bool {
    line.starts_with(PREFIX)
}

/// The name of the cookie.
pub(crate) fn name(state: &str) -> String {
    format!("{PREFIX}{}", state.chars().take(NAMED_BY).filter(char::is_ascii).collect::<String>())
}

impl Flow {
    /// The cookie's value.
    pub(crate) fn seal(&self, sealer: &Sealer) -> Result<String, NotSealed> {
        let plain = serde_json::to_vec(self).map_err(|_| NotSealed)?;
        sealer.seal(&plain, &name(&self.state))
    }

    pub(crate) fn find(state: &str, headers: &HeaderMap, sealer: &Sealer, now: Moment) -> Found {
        let name = name(state);
        let mut any = false;
        for (at, value) in cookies(headers).filter(|(at, _)| at.starts_with(PREFIX)) {
            any = true;
            if at != name {
                continue;
            }
            // A cookie that somebody else has put there does not open, and hides nothing.
            let Some(flow) = open(sealer, at, value) else { continue };
            if verify_slices_are_equal(flow.state.as_bytes(), state.as_bytes()).is_err() {
                continue;
            }
            return if now.since(flow.begun) < LONGEST {
                Found::Flow(Box::new(flow))
            } else {
                Found::Late(flow.back_to)
            };
        }
        if any { Found::Lost } else { Found::NoCookie }
    }
}

/// Names of cookies that make room for one more flow: what we cannot read, then the oldest.
pub(crate) fn surplus(headers: &HeaderMap, sealer: &Sealer) -> Vec<String> {
    let mut all: Vec<(Option<Moment>, &str)> = cookies(headers)
        .filter(|(name, _)| name.starts_with(PREFIX) && name.len() <= PREFIX.len() + NAMED_BY)
        .map(|(name, value)| (open(sealer, name, value).map(|flow| flow.begun), name))
        .collect();
    all.sort_unstable();
    let most = all.len().saturating_sub(MOST - 1);
    all.into_iter().take(most).map(|(_, name)| name.to_owned()).collect()
}

fn open(sealer: &Sealer, name: &str, value: &str) -> Option<Flow> {
    serde_json::from_slice(&sealer.open(value, name)?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use portcullis_core::moment::Moment;

    use super::{Flow, Found, MOST, Sealer, name, surplus};

    fn sealer() -> Sealer {
        Sealer::new(&[3; 32], "flow").ok().unwrap()
    }

    fn flow(state: &str, seconds: i64) -> Flow {
        Flow {
            provider: "demo".into(),
            state: state.into(),
            nonce: "n".into(),
            verifier: "v".into(),
            back_to: "/a".into(),
            begun: Moment::from_seconds(seconds),
            before: None,
            acr_values: None,
            max_age: None,
        }
    }

    fn headers(flows: &[Flow]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for flow in flows {
            let line = format!("{}={}", name(&flow.state), flow.seal(&sealer()).unwrap());
            headers.append("cookie", line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn each_state_has_its_own_flow_until_it_is_late() {
        let (one, other) = (flow("0aaaaaaaaaaaaaaaaaaa", 100), flow("0bbbbbbbbbbbbbbbbbbb", 100));
        let both = headers(&[one.clone(), other.clone()]);
        let find = |state: &str, now: i64| Flow::find(state, &both, &sealer(), Moment::from_seconds(now));
        assert_eq!(find(&one.state, 101), Found::Flow(Box::new(one.clone())));
        assert_eq!(find(&other.state, 699), Found::Flow(Box::new(other)));
        assert_eq!(find(&one.state, 700), Found::Late("/a".into()));
        assert_eq!(find("0aaaaaaaaaaaaaaaXXXX", 101), Found::Lost, "the name is not enough");
        assert_eq!(find("0cccccccccccccccc", 101), Found::Lost);
        let nothing = Flow::find("0a", &HeaderMap::new(), &sealer(), Moment::default());
        assert_eq!(nothing, Found::NoCookie);
    }

    #[test]
    fn a_cookie_that_was_tossed_in_hides_nothing() {
        let good = flow("0aaaaaaaaaaaaaaaaaaa", 100);
        let mut lines = HeaderMap::new();
        for value in ["made-up", &flow("0bbbbbbbbbbbbbbbbbbb", 1).seal(&sealer()).unwrap()] {
            lines.append("cookie", format!("{}={value}", name(&good.state)).parse().unwrap());
        }
        let now = Moment::default().plus(Duration::from_secs(101));
        assert_eq!(Flow::find(&good.state, &lines, &sealer(), now), Found::Lost);
        lines.append("cookie", headers(std::slice::from_ref(&good))["cookie"].clone());
        assert_eq!(Flow::find(&good.state, &lines, &sealer(), now), Found::Flow(Box::new(good)));
    }

    #[test]
    fn the_oldest_flow_makes_room() {
        let flows: Vec<Flow> =
            (0..MOST).map(|at| flow(&format!("{at}aaaaaaaaaaaaaaaaaa"), 500 - i64::try_from(at).unwrap())).collect();
        let oldest = name(&flows[MOST - 1].state);
        assert_eq!(surplus(&headers(&flows), &sealer()), [oldest]);
        assert!(surplus(&headers(&flows[1..]), &sealer()).is_empty());
    }
}
