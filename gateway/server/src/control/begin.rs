//! With what does a gateway begin? Its own files, or what the store says.

use std::sync::Arc;

use portcullis_core::config::{ConfigError, Machine};

use super::{Compiled, Compiler, First, Followed, Last, Text};
use crate::world;
use crate::world::store::{Applied, Origin, Revision, StoreError, Stored};

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The operator's files; all errors at once.
    Config(Vec<ConfigError>),
    /// Something around it: an address in use, a store that is damaged.
    World(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(errors) => f.write_str(portcullis_core::config::render(errors).trim_end()),
            Self::World(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}

/// A configuration to begin with, and the store it was found by.
pub(crate) struct Begun {
    pub(crate) compiled: Compiled,
    pub(crate) store: Stored,
    pub(crate) last: Last,
}

/// How a revision that does not load is left behind.
pub(crate) const WAY_OUT: &str = "mend what it needs of this machine, roll back on a replica that runs, or start with `control.source = \
                       \"files\"`";

pub(crate) async fn begin(compiler: &Arc<Compiler>, first: First) -> Result<Begun, StartError> {
    match first {
        First::Compiled(compiled) => by_files(compiler, *compiled).await,
        First::Machine(machine) => by_store(compiler, *machine).await,
    }
}

/// The files, or what was pinned over these very files.
async fn by_files(compiler: &Arc<Compiler>, mut compiled: Compiled) -> Result<Begun, StartError> {
    let store = open(compiler, &compiled.machine).await?;
    let (machine, files) = (compiled.machine.clone(), compiled.published.hash.clone());
    let standing = store.revisions.standing().await.map_err(|error| failed(&error))?;
    let mut following = None;
    if let Some(pin) = standing.pin {
        if pin.files == files {
            let followed = followed(&store, pin.revision, Some(files.clone())).await?;
            compiled = on_machine(compiler, &followed, &machine).await?;
            tracing::warn!(revision = pin.revision, "a rollback holds: the files are passed over until they change");
            following = Some(followed);
        } else {
            compiled.published.lapsed = Some(pin.revision);
        }
    }
    let asked = following.is_none().then(|| Arc::clone(&compiled.asked));
    Ok(Begun { compiled, store, last: Last { errors: Vec::new(), machine, files, following, asked } })
}

/// What was last applied; the files of this machine where nothing ever was.
async fn by_store(compiler: &Arc<Compiler>, machine: Machine) -> Result<Begun, StartError> {
    let store = open(compiler, &machine).await?;
    let standing = store.revisions.standing().await.map_err(|error| failed(&error))?;
    let (followed, compiled) = if let Some(number) = standing.current {
        let followed = followed(&store, number, None).await?;
        let compiled = on_machine(compiler, &followed, &machine).await?;
        (followed, compiled)
    } else {
        let compiled = blocking(compiler, Compiler::compile).await?;
        let revision = seed(&store, &compiled, compiler).await?;
        let followed = self::followed(&store, revision.number, None).await?;
        // Another replica may have been first, with other files.
        let compiled = if followed.revision.hash == compiled.published.hash {
            let mut compiled = compiled;
            compiled.published.revision = Some(Arc::clone(&followed.revision));
            compiled
        } else {
            on_machine(compiler, &followed, &machine).await?
        };
        (followed, compiled)
    };
    let last = Last { errors: Vec::new(), machine, files: String::new(), following: Some(followed), asked: None };
    Ok(Begun { compiled, store, last })
}

async fn seed(store: &Stored, compiled: &Compiled, compiler: &Compiler) -> Result<Revision, StartError> {
    let at = compiler.clock.now().wall;
    let applied = Applied { texts: &compiled.published.texts, author: "files", origin: Origin::Files, note: "", at };
    let keep = u64::from(compiled.machine.control().revisions);
    store.revisions.seed(applied, keep).await.map_err(|error| failed(&error))
}

async fn open(compiler: &Compiler, machine: &Machine) -> Result<Stored, StartError> {
    Box::pin(world::store(machine.store(), machine.root(), &compiler.clock)).await.map_err(StartError::World)
}

async fn followed(store: &Stored, number: u64, over: Option<String>) -> Result<Followed, StartError> {
    let revision = store.revisions.show(number).await.map_err(|error| failed(&error))?;
    let gone =
        || StartError::World(format!("revision {number} should be in force, and the store has it no more; {WAY_OUT}"));
    let revision = revision.ok_or_else(gone)?;
    let texts = store.revisions.texts(&revision).await.map_err(|error| failed(&error))?.ok_or_else(gone)?;
    Ok(Followed { revision: Arc::new(revision), texts: Arc::new(texts), over })
}

async fn on_machine(compiler: &Arc<Compiler>, followed: &Followed, machine: &Machine) -> Result<Compiled, StartError> {
    let (texts, machine) = (Arc::clone(&followed.texts), machine.clone());
    let compiled = blocking(compiler, move |compiler| compiler.compile_texts(&texts, &machine, Text::Kept)).await;
    let mut compiled = compiled.map_err(|error| match error {
        StartError::Config(mut errors) => {
            let number = followed.revision.number;
            let mut error =
                ConfigError::of_file(&compiler.entry, format!("revision {number} of the store does not load"));
            error.help = Some(WAY_OUT.to_owned());
            errors.push(error);
            StartError::Config(errors)
        }
        StartError::World(_) => error,
    })?;
    compiled.published.revision = Some(Arc::clone(&followed.revision));
    Ok(compiled)
}

async fn blocking<T: Send + 'static>(
    compiler: &Arc<Compiler>,
    work: impl FnOnce(&Compiler) -> Result<T, Vec<ConfigError>> + Send + 'static,
) -> Result<T, StartError> {
    let compiler = Arc::clone(compiler);
    let done = tokio::task::spawn_blocking(move || work(&compiler)).await;
    done.map_err(|error| StartError::World(error.to_string()))?.map_err(StartError::Config)
}

fn failed(error: &StoreError) -> StartError {
    StartError::World(format!("the store: {error}"))
}
