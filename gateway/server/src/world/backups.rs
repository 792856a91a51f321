//! Copies of the store, made while it is used: one file each, in one declared folder, and so many at most.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_core::config::StoreConfig;
use portcullis_core::moment::Moment;
use portcullis_core::ports::Clock;
use tokio::sync::Mutex;

use super::sqlite::{self, Sqlite};
use super::store::{self, AuditEntry, AuditVerdict, Commit, Store, StoreError, Unmoved, audit};

/// How often a copy of a Redis store is begun anew that a change came across.
const TRIES: u32 = 3;
const END: &str = ".db";
/// Of what is not whole yet, behind a dot, which no name begins with.
const PARTIAL: &str = ".partial";

/// The folder of the copies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backups {
    folder: Arc<Path>,
    most: usize,
    /// Of the embedded store.
    file: Option<Arc<Path>>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// One at a time in this process.
    turn: Arc<Mutex<()>>,
}

/// One copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Backup {
    pub(crate) name: String,
    pub(crate) made_at: Moment,
    pub(crate) bytes: u64,
}

/// What a copy holds, as it was looked at after its making.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Made {
    pub(crate) backup: Backup,
    pub(crate) sha256: [u8; 32],
    pub(crate) log: AuditVerdict,
    /// Older ones that went.
    pub(crate) removed: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum BackupFault {
    /// It was changed again and again while it was copied.
    Disturbed,
    Exists,
    /// The folder holds as many as it may.
    Full(usize),
    Io(io::Error),
    NotFound,
    Store(StoreError),
}

impl From<io::Error> for BackupFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StoreError> for BackupFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Whether this can be the name of a copy: no path, nothing hidden, the same on every file system.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with('.')
}

/// What a copy is called that nobody names.
pub(crate) fn usual_name(now: Moment) -> String {
    format!("portcullis-{}", now.rfc3339().replace(['-', ':'], "").to_ascii_lowercase())
}

impl Backups {
    pub(crate) fn new(config: &StoreConfig, root: &Path, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: config.backups(root).into(),
            most: usize::try_from(config.max_backups).unwrap_or(1),
            file: config.file().map(|file| root.join(file).into()),
            store,
            clock,
            turn: Arc::default(),
        }
    }

    /// Newest first.
    pub(crate) fn list(&self) -> io::Result<Vec<Backup>> {
        let found = match fs::read_dir(&self.folder) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut list = Vec::new();
        for file in found {
            let file = file?;
            let name = file.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(END)).filter(|name| is_name(name)) else {
                continue;
            };
            let about = file.metadata()?;
            if about.is_file() {
                list.push(Backup { name: name.to_owned(), made_at: time(&about), bytes: about.len() });
            }
        }
        list.sort_by(|one, other| (other.made_at, &other.name).cmp(&(one.made_at, &one.name)));
        Ok(list)
    }

    /// Whether one of this name could be made now.
    pub(crate) fn rehearse(&self, name: &str, keep: Option<usize>) -> Result<(), BackupFault> {
        let list = self.list()?;
        if list.iter().any(|backup| backup.name == name) {
            return Err(BackupFault::Exists);
        }
        // With `keep`, those that are too many go when this one is there: one place more is needed until then.
        if keep.is_none() && list.len() >= self.most {
            return Err(BackupFault::Full(self.most));
        }
        Ok(())
    }

    /// Makes one, looks at it, says so in the audit log, and gives it its name: in this order, so that what has a name is
    /// whole. Then removes the oldest beyond `keep`.
    pub(crate) async fn make(&self, name: &str, keep: Option<usize>, actor: &str) -> Result<Made, BackupFault> {
        let _turn = self.turn.lock().await;
        let folder = Arc::clone(&self.folder);
        let _alone = blocking(move || Ok(alone(&folder)?)).await?;
        self.rehearse(name, keep)?;
        let partial = self.folder.join(format!(".{name}{PARTIAL}"));
        let made = self.copy(name, &partial, actor).await;
        if made.is_err() {
            let _ = remove(&partial);
        }
        let mut made = made?;
        if let Some(keep) = keep {
            for old in self.list()?.into_iter().skip(keep.clamp(1, self.most)) {
                self.forget(&old.name, actor).await?;
                made.removed.push(old.name);
            }
        }
        Ok(made)
    }

    /// Removes one.
    pub(crate) async fn remove(&self, name: &str, actor: &str) -> Result<(), BackupFault> {
        let _turn = self.turn.lock().await;
        if !self.list()?.iter().any(|backup| backup.name == name) {
            return Err(BackupFault::NotFound);
        }
        self.forget(name, actor).await
    }

    async fn copy(&self, name: &str, partial: &Path, actor: &str) -> Result<Made, BackupFault> {
        let log = match &self.file {
            Some(file) => {
                let (file, into) = (Arc::clone(file), partial.to_owned());
                blocking(move || {
                    remove(&into)?;
                    sqlite::backup(&file, &into).map_err(|error| error.error.into())
                })
                .await?;
                let copy = self.open(partial).await?;
                let log = audit::verify(&copy).await;
                copy.close().await;
                log?
            }
            None => self.copy_records(partial).await?,
        };
        let at = partial.to_owned();
        let (sha256, about) = blocking(move || {
            File::open(&at)?.sync_all()?;
            Ok::<_, BackupFault>((hash(&at)?, fs::metadata(&at)?))
        })
        .await?;
        self.say(name, "backup.create", Some(sha256), actor).await?;
        fs::rename(partial, self.folder.join(format!("{name}{END}")))?;
        File::open(&self.folder)?.sync_all()?;
        let backup = Backup { name: name.to_owned(), made_at: time(&about), bytes: about.len() };
        Ok(Made { backup, sha256, log, removed: Vec::new() })
    }

    /// Of another store: record by record, of one state of the audit log.
    async fn copy_records(&self, partial: &Path) -> Result<AuditVerdict, BackupFault> {
        for _ in 0..TRIES {
            remove(partial)?;
            let copy = self.open(partial).await?;
            let (from, runtime) = (Arc::clone(&self.store), tokio::runtime::Handle::current());
            // On a thread of its own: that what it waits for may move between threads cannot be said.
            let copied = blocking(move || {
                Ok(runtime.block_on(async {
                    let copied = store::copy_live(&*from, &copy).await;
                    copy.close().await;
                    copied
                }))
            })
            .await?;
            match copied {
                Ok(moved) => return Ok(AuditVerdict::Whole { rows: moved.audit.seq, head: moved.audit.hash }),
                Err(Unmoved::Changed | Unmoved::Differs(_)) => {}
                Err(Unmoved::From(error) | Unmoved::To(error)) => return Err(error.into()),
                Err(other @ (Unmoved::Log(_) | Unmoved::NotEmpty)) => {
                    return Err(StoreError::Damaged(other.to_string()).into());
                }
            }
        }
        Err(BackupFault::Disturbed)
    }

    async fn open(&self, file: &Path) -> Result<Sqlite, BackupFault> {
        let (file, clock) = (file.to_owned(), Arc::clone(&self.clock));
        blocking(move || Sqlite::open(&file, clock).map_err(|error| error.error.into())).await
    }

    async fn forget(&self, name: &str, actor: &str) -> Result<(), BackupFault> {
        self.say(name, "backup.delete", None, actor).await?;
        remove(&self.folder.join(format!("{name}{END}")))?;
        Ok(())
    }

    async fn say(
        &self,
        name: &str,
        action: &'static str,
        after: Option<[u8; 32]>,
        actor: &str,
    ) -> Result<(), BackupFault> {
        let (at, actor) = (self.clock.now().wall, actor.to_owned());
        let word = AuditEntry { at, actor, action: action.into(), subject: name.to_owned(), before: None, after };
        self.store.commit(Commit { writes: Vec::new(), audit: Some(word) }).await?;
        Ok(())
    }
}

/// Nobody else makes one in this folder until what is returned is dropped, in no process: two are there while one takes
/// over from another. What a process left half made that was killed goes.
fn alone(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let alone = File::open(folder)?;
    alone.lock()?;
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        if name.to_str().is_some_and(|name| name.starts_with('.') && name.contains(PARTIAL)) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(alone)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupFault> + Send + 'static,
) -> Result<T, BackupFault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error.to_string()).into()))
}

/// With what `SQLite` may have left beside it. What is not there need not go.
fn remove(file: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn hash(file: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut context, mut bytes) = (File::open(file)?, Context::new(&SHA256), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut bytes)?;
        let Some(read) = bytes.get(..read).filter(|read| !read.is_empty()) else { break };
        context.update(read);
    }
    // SHA-256 is 32 bytes long; zeros would match nothing.
    Ok(context.finish().as_ref().try_into().unwrap_or([0; 32]))
}

fn time(about: &fs::Metadata) -> Moment {
    let since = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Moment::default().plus(since.unwrap_or_default())
}
