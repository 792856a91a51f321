//! An authority and its leaves in a folder, made once and used until they are about to expire.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::stored::{self, Stored};
use crate::{Authority, Error, Leaf, PrivateKey, Purpose, Validity, file};

/// By this name a certificate is known as ours.
const NAME: &str = "Portcullis development CA";

/// Trusted by hand where it is trusted at all, so it had better last.
const AUTHORITY_DAYS: u32 = 3650;

/// Below the 398 days that browsers accept.
const LEAF_DAYS: u32 = 397;

/// What would expire sooner is made anew.
const MARGIN: Duration = Duration::from_hours(30 * 24);

/// The development authority in a folder: `ca.pem` and `ca.key`, and the leaves beside them.
///
/// Keys have mode 0600, a folder made here 0700. Files appear whole or not at all, and several processes
/// may use one folder. What was not made here is never overwritten: that is [`Error::Foreign`].
pub struct DevCa {
    dir: PathBuf,
    authority: Authority,
}

/// Where a certificate and its key are, both in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    fn of(dir: &Path, name: &str) -> Self {
        Self { cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) }
    }

    fn paths(&self) -> (&Path, &Path) {
        (&self.cert, &self.key)
    }

    /// The certificate first: see `stored::read_pair`.
    fn write(&self, cert: &str, key: &str) -> Result<(), Error> {
        file::write_public(&self.cert, cert.as_bytes())?;
        file::write_private(&self.key, key.as_bytes())
    }
}

impl DevCa {
    /// The authority in `dir`, made if there is none that lasts another 30 days after `now`.
    pub fn create(dir: &Path, now: SystemTime) -> Result<Self, Error> {
        file::make_dir(dir)?;
        let _lock = file::lock(dir)?;
        let files = Pair::of(dir, "ca");
        let authority = match stored::authority(files.paths(), NAME, now, MARGIN)? {
            Stored::Good(authority) => authority,
            Stored::Replaceable(_) => {
                let key = PrivateKey::generate()?;
                let made = Authority::sign_itself(NAME, key, Validity::days(now, AUTHORITY_DAYS))?;
                files.write(made.pem(), &made.key_pem())?;
                made
            }
        };
        Ok(Self { dir: dir.to_owned(), authority })
    }

    /// The authority in `dir`, which must be there, whole and valid at `now`. Writes nothing.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Self, Error> {
        let files = Pair::of(dir, "ca");
        match stored::authority(files.paths(), NAME, now, Duration::ZERO)? {
            Stored::Good(authority) => Ok(Self { dir: dir.to_owned(), authority }),
            Stored::Replaceable(why) => Err(Error::Unusable { path: files.cert, why }),
        }
    }

    /// The authority's certificate: what `curl --cacert` and trust stores want.
    pub fn path(&self) -> PathBuf {
        Pair::of(&self.dir, "ca").cert
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A server's certificate, `server.pem` and `server.key`, for `localhost`, `127.0.0.1`, `::1` and `names`.
    ///
    /// The one that is there is kept while it is for exactly these names and lasts another 30 days.
    pub fn server(&self, names: &[&str], now: SystemTime) -> Result<Pair, Error> {
        let names = ["localhost", "127.0.0.1", "::1"].iter().chain(names).map(|name| name.to_ascii_lowercase());
        let leaf = Leaf {
            subject: "Portcullis development server".to_owned(),
            names: names.collect(),
            purposes: vec![Purpose::Server],
            valid: Validity::days(now, LEAF_DAYS),
        };
        self.leaf("server", &leaf, now)
    }

    /// A client's certificate, `client-<name>.pem` and `.key`; `name` is lower-case letters, digits and `-`.
    pub fn client(&self, name: &str, now: SystemTime) -> Result<Pair, Error> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
            return Err(Error::Name { name: name.to_owned() });
        }
        let leaf = Leaf {
            subject: name.to_owned(),
            names: [name.to_owned()].into(),
            purposes: vec![Purpose::Client],
            valid: Validity::days(now, LEAF_DAYS),
        };
        self.leaf(&format!("client-{name}"), &leaf, now)
    }

    fn leaf(&self, file_name: &str, wanted: &Leaf, now: SystemTime) -> Result<Pair, Error> {
        let _lock = file::lock(&self.dir)?;
        let files = Pair::of(&self.dir, file_name);
        match stored::leaf(files.paths(), (&self.authority, NAME), wanted, (now, MARGIN))? {
            Stored::Good(()) => {}
            Stored::Replaceable(_) => {
                let issued = self.authority.issue(wanted)?;
                files.write(&issued.pem, &issued.key.pem())?;
            }
        }
        Ok(files)
    }
}
