//! What does the provider remember? Logins, codes and refresh tokens: in memory, and each kind bounded.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use portcullis_core::moment::Moment;

use crate::world::random::{self, NoRandomness};

/// How many of each kind are kept; the oldest makes room.
pub(super) const MOST: usize = 1000;

const CODE_LIFE: Duration = Duration::from_mins(1);

/// A refresh token that nobody used for this long is worthless.
const REFRESH_LIFE: Duration = Duration::from_hours(24 * 30);

#[derive(Default)]
pub(super) struct Memory(Mutex<Table>);

#[derive(Default)]
struct Table {
    logins: Bounded<Login>,
    codes: Bounded<Code>,
    families: Bounded<Family>,
    disabled: BTreeSet<String>,
}

/// Somebody is logged in with the provider, in one browser.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    /// The session's public name.
    pub(super) sid: String,
    pub(super) at: Moment,
    /// The clients that were told about it, each once.
    clients: Vec<String>,
}

/// What a client was granted.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) user: String,
    pub(super) client: String,
    pub(super) scope: String,
    pub(super) sid: String,
    pub(super) auth_time: Moment,
}

/// What a code stands for.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) granted: Granted,
    pub(super) nonce: Option<String>,
    /// Of PKCE, by S256.
    pub(super) challenge: String,
    pub(super) redirect_uri: String,
    pub(super) issued: Moment,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Fresh,
    /// And this family came of it, where something did.
    Spent(Option<String>),
}

/// Refresh tokens that follow one from the other; the last is good.
struct Family {
    granted: Granted,
    secret: String,
    until: Moment,
}

/// A family's name and its good refresh token.
pub(super) struct Renewal {
    pub(super) family: String,
    pub(super) token: String,
}

impl Memory {
    pub(super) fn login(&self, cookie: &str) -> Option<Login> {
        let table = self.0.lock();
        table.logins.find(cookie).filter(|login| !table.disabled.contains(&login.user)).cloned()
    }

    /// Logs `user` in under a name that nobody has seen before, in the place of `old`.
    pub(super) fn log_in(&self, user: &str, old: Option<&str>, now: Moment) -> Result<(String, Login), NoRandomness> {
        let login = Login { user: user.to_owned(), sid: draw()?, at: now, clients: Vec::new() };
        let cookie = draw()?;
        let mut table = self.0.lock();
        if let Some(old) = old {
            table.logins.remove(old);
        }
        table.logins.put(cookie.clone(), login.clone());
        Ok((cookie, login))
    }

    /// Ends a login with all that came of it; whose it was, and the clients that know of it.
    pub(super) fn end(&self, sid: &str) -> Option<(String, Vec<String>)> {
        let mut table = self.0.lock();
        table.codes.retain(|code| code.granted.sid != sid);
        table.families.retain(|family| family.granted.sid != sid);
        let ended = table.logins.rows.iter().position(|(_, login)| login.sid == sid)?;
        let (_, login) = table.logins.rows.remove(ended)?;
        Some((login.user, login.clients))
    }

    /// A code for one client, good for a minute and for one use.
    pub(super) fn grant(
        &self,
        granted: Granted,
        nonce: Option<String>,
        (challenge, redirect_uri): (String, String),
        now: Moment,
    ) -> Result<String, NoRandomness> {
        let text = draw()?;
        let mut table = self.0.lock();
        let login = table.logins.rows.iter_mut().find(|(_, login)| login.sid == granted.sid);
        if let Some((_, login)) = login
            && !login.clients.contains(&granted.client)
        {
            login.clients.push(granted.client.clone());
        }
        table
            .codes
            .put(text.clone(), Code { granted, nonce, challenge, redirect_uri, issued: now, state: State::Fresh });
        Ok(text)
    }

    /// Takes a code of `client`, which is spent with that, whatever comes of it. A code that comes twice was stolen
    /// from somebody: what came of it the first time ends (RFC 6749 §4.1.2).
    pub(super) fn spend(&self, text: &str, client: &str, now: Moment) -> Option<Code> {
        let mut table = self.0.lock();
        let code = table.codes.find_mut(text).filter(|code| code.granted.client == client)?;
        if let State::Spent(family) = &code.state {
            let family = family.clone();
            if let Some(family) = family {
                table.families.remove(&family);
            }
            return None;
        }
        code.state = State::Spent(None);
        let alive = now >= code.issued && now < code.issued.plus(CODE_LIFE);
        let code = code.clone();
        (alive && !table.disabled.contains(&code.granted.user)).then_some(code)
    }

    /// Begins a family of refresh tokens, which came of the code `text`.
    pub(super) fn begin(&self, text: &str, granted: Granted, now: Moment) -> Result<Renewal, NoRandomness> {
        let (family, secret) = (draw()?, draw()?);
        let token = format!("{family}.{secret}");
        let mut table = self.0.lock();
        if let Some(code) = table.codes.find_mut(text) {
            code.state = State::Spent(Some(family.clone()));
        }
        table.families.put(family.clone(), Family { granted, secret, until: now.plus(REFRESH_LIFE) });
        Ok(Renewal { family, token })
    }

    /// Exchanges a refresh token of `client` for the next. One that comes twice was stolen: its family ends.
    pub(super) fn renew(
        &self,
        token: &str,
        client: &str,
        now: Moment,
    ) -> Result<Option<(Granted, Renewal)>, NoRandomness> {
        let secret = draw()?;
        let mut table = self.0.lock();
        let Some((family, shown)) = token.split_once('.') else { return Ok(None) };
        let disabled = table.disabled.clone();
        let Some(known) = table.families.find_mut(family).filter(|known| known.granted.client == client) else {
            return Ok(None);
        };
        let good = known.secret == shown && now < known.until && !disabled.contains(&known.granted.user);
        if !good {
            table.families.remove(family);
            return Ok(None);
        }
        known.secret.clone_from(&secret);
        known.until = now.plus(REFRESH_LIFE);
        let renewal = Renewal { family: family.to_owned(), token: format!("{family}.{secret}") };
        Ok(Some((known.granted.clone(), renewal)))
    }

    /// What a refresh token stands for, unchanged.
    pub(super) fn look(&self, token: &str, now: Moment) -> Option<Granted> {
        let table = self.0.lock();
        let (family, shown) = token.split_once('.')?;
        let known = table.families.find(family).filter(|known| known.secret == shown && now < known.until)?;
        (!table.disabled.contains(&known.granted.user)).then(|| known.granted.clone())
    }

    /// Ends a family of `client` by one of its refresh tokens.
    pub(super) fn forget(&self, token: &str, client: &str) {
        let family = token.split_once('.').map_or(token, |(family, _)| family);
        let mut table = self.0.lock();
        if table.families.find(family).is_some_and(|known| known.granted.client == client) {
            table.families.remove(family);
        }
    }

    /// Whether tokens of this family still count.
    pub(super) fn lives(&self, family: &str) -> bool {
        self.0.lock().families.find(family).is_some()
    }

    pub(super) fn is_disabled(&self, user: &str) -> bool {
        self.0.lock().disabled.contains(user)
    }

    /// Takes an account away; the name is one of the people's, so that this set is bounded.
    pub(super) fn disable(&self, user: &str) {
        self.0.lock().disabled.insert(user.to_owned());
    }

    pub(super) fn enable(&self, user: &str) {
        self.0.lock().disabled.remove(user);
    }
}

/// The newest [`MOST`], the oldest first. Looked through from the end: there are few.
struct Bounded<V> {
    rows: VecDeque<(String, V)>,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self { rows: VecDeque::new() }
    }
}

impl<V> Bounded<V> {
    fn find(&self, name: &str) -> Option<&V> {
        self.rows.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut V> {
        self.rows.iter_mut().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn put(&mut self, name: String, value: V) {
        if self.rows.len() >= MOST {
            self.rows.pop_front();
        }
        self.rows.push_back((name, value));
    }

    fn remove(&mut self, name: &str) {
        self.rows.retain(|(known, _)| known != name);
    }

    fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.rows.retain(|(_, value)| keep(value));
    }
}

/// 256 random bits as text.
pub(super) fn draw() -> Result<String, NoRandomness> {
    let mut drawn = [0; 32];
    random::fill(&mut drawn)?;
    Ok(URL_SAFE_NO_PAD.encode(drawn))
}
