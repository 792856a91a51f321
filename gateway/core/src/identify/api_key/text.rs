//! How is a key written? `ptcl_<env>_<id>_<secret><crc>`, so that a typo, or a string that only looks like a
//! key, is told from a key without asking anybody.

use std::fmt;

use crate::identify::secret::{Secret, fingerprint};

/// What every key begins with.
pub const PREFIX: &str = "ptcl_";

/// For secret scanners: every key matches, and hardly anything else. Whether the last six characters are the
/// CRC-32 of all that stands before them, in base62, tells the rest.
pub const PATTERN: &str = "ptcl_[a-z0-9]{1,16}_[0-9A-Za-z]{12}_[0-9A-Za-z]{33}";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(super) const MOST_ENV: usize = 16;
pub(super) const ID: usize = 12;
/// 27 characters of base62 are 160 bits.
pub(super) const SECRET: usize = 27;
pub(super) const CHECKSUM: usize = 6;

/// A key as shown, of the right form and with the right checksum. Whether it is good only the store knows.
#[derive(Clone, Copy)]
pub struct KeyText<'a> {
    text: &'a str,
    id: &'a str,
}

/// A new key. The secret is shown once, here, and kept nowhere.
#[derive(Debug)]
pub struct Minted {
    pub id: String,
    pub text: Secret,
    /// What is kept instead of the text.
    pub hash: [u8; 32],
}

/// Why no key could be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MintFault {
    /// `env` is not 1 to 16 of a-z and 0-9.
    Env,
    /// Too few random bytes were usable: give 32 for the id and 64 for the secret.
    Random,
}

impl<'a> KeyText<'a> {
    /// # Errors
    /// Why this is no key, without any of it.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let form = "the text does not have the form of an API key";
        let rest = text.strip_prefix(PREFIX).ok_or(form)?;
        let (env, rest) = rest.split_once('_').ok_or(form)?;
        let (id, secret) = rest.split_once('_').ok_or(form)?;
        let right = env_fits(env)
            && id.len() == ID
            && secret.len() == SECRET + CHECKSUM
            && id.bytes().chain(secret.bytes()).all(|byte| byte.is_ascii_alphanumeric());
        if !right {
            return Err(form);
        }
        let (before, shown) = text.split_at_checked(text.len() - CHECKSUM).ok_or(form)?;
        if checksum(before) != shown {
            return Err("the API key's checksum is wrong: it was mistyped or made up");
        }
        Ok(Self { text, id })
    }

    /// A new key from random bytes, each used at most once; bytes that would make a character likelier than
    /// another are passed over.
    pub fn mint(env: &str, id_random: &[u8], secret_random: &[u8]) -> Result<Minted, MintFault> {
        if !env_fits(env) {
            return Err(MintFault::Env);
        }
        let id = base62(id_random, ID).ok_or(MintFault::Random)?;
        Self::reissue(env, &id, secret_random)
    }

    /// A new secret for the key `id`, from random bytes as in [`Self::mint`].
    pub fn reissue(env: &str, id: &str, secret_random: &[u8]) -> Result<Minted, MintFault> {
        if !env_fits(env) {
            return Err(MintFault::Env);
        }
        let secret = base62(secret_random, SECRET).ok_or(MintFault::Random)?;
        let mut text = format!("{PREFIX}{env}_{id}_{secret}");
        text.push_str(&checksum(&text));
        let hash = fingerprint(&text);
        Ok(Minted { id: id.to_owned(), text: Secret::new(text), hash })
    }

    /// What stands between the prefix and the id.
    pub fn env(&self) -> &'a str {
        self.text.split('_').nth(1).unwrap_or_default()
    }

    /// In bytes.
    #[expect(clippy::len_without_is_empty, reason = "no key is empty")]
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// SHA-256 of the whole text. A plain hash will do: 160 random bits leave nothing to guess.
    pub fn hash(&self) -> [u8; 32] {
        fingerprint(self.text)
    }
}

impl fmt::Debug for KeyText<'_> {
    /// The public part only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({})", self.id)
    }
}

fn env_fits(env: &str) -> bool {
    (1..=MOST_ENV).contains(&env.len()) && env.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn base62(random: &[u8], length: usize) -> Option<String> {
    // 248 is the greatest multiple of 62 in a byte: what lies above would favour the first letters.
    let fair = random.iter().filter(|byte| **byte < 248);
    let text: String = fair.map(|byte| letter(u32::from(*byte))).take(length).collect();
    (text.len() == length).then_some(text)
}

fn checksum(text: &str) -> String {
    let crc = crc32fast::hash(text.as_bytes());
    let powers = [62_u32.pow(5), 62_u32.pow(4), 62_u32.pow(3), 62_u32.pow(2), 62, 1];
    powers.into_iter().map(|power| letter(crc / power)).collect()
}

/// The letter of `number` modulo 62.
fn letter(number: u32) -> char {
    ALPHABET.get((number % 62) as usize).map_or('0', |byte| char::from(*byte))
}
