//! The files of a site, its certificates and its logs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_certs::{Authority, Leaf, Purpose, Validity};
use portcullis_server::world::clock::SystemClock;
use portcullis_server::world::sqlite::Sqlite;
use portcullis_server::world::store::Stored;
use serde_json::Value;

/// The files of a site.
pub struct Files {
    pub(super) root: PathBuf,
}

impl Files {
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        // Replaced in one stroke, as editors and deployments do: a reload never reads half a file.
        let half = path.with_extension("half");
        std::fs::write(&half, content).expect("a file");
        std::fs::rename(half, path).expect("a file in its place");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Opens the store as another process would.
    pub async fn store(&self) -> Stored {
        let store = Sqlite::open(&self.path("data/portcullis.db"), Arc::new(SystemClock::start())).expect("the store");
        Stored::open(Arc::new(store)).await.expect("the store")
    }

    /// Rewrites a file by replacing `from` with `to`; panics when `from` is not there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.write(name, text.replace(from, to));
    }
}

/// In the order in which the requests began. A line is written once the whole answer is out, so that of the next
/// request, over another connection, may stand before it.
pub(super) fn lines(files: &Files, log: &str) -> Vec<Value> {
    let mut lines: Vec<Value> =
        files.read(log).lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    lines.sort_by_key(|line| line["timestamp"].as_i64().expect("a timestamp"));
    lines
}

pub(super) fn validity() -> Validity {
    let day = Duration::from_hours(24);
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from and until a time of day")]
    let now = SystemTime::now();
    Validity { from: now - day, until: now + 30 * day }
}

pub(super) fn issue(files: &Files, authority: &Authority, name: &str, names: &[&str]) {
    let leaf = Leaf {
        subject: name.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        purposes: vec![Purpose::Server],
        valid: validity(),
    };
    let issued = authority.issue(&leaf).expect("a certificate");
    files.write(&format!("certs/{name}.pem"), format!("{}{}", issued.pem, authority.pem()));
    files.write(&format!("certs/{name}.key"), issued.key.pem());
}
