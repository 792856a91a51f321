//! What would be in force: the files, or a revision that the store says? Read without writing anything.

use std::sync::Arc;

use portcullis_core::config::{ConfigError, ControlSource, Machine};
use portcullis_core::ports::Clock;
use portcullis_core::snapshot::Texts;
use tokio::runtime::Runtime;

use crate::control::begin::WAY_OUT;
use crate::control::{Compiled, Compiler, Text};
use crate::world;
use crate::world::store::{Revisions, Standing, StoreError};

/// What a start would come to.
pub(super) struct Checked {
    pub(super) compiled: Compiled,
    /// Where it is not what stands in the files.
    pub(super) revision: Option<u64>,
    pub(super) warnings: Vec<String>,
    pub(super) left_out: Vec<String>,
}

/// Why it cannot be said.
pub(super) enum Unchecked {
    /// The store decides and was not asked, and these files say no more than what belongs to this machine.
    Machine {
        warnings: Vec<String>,
        left_out: Vec<String>,
    },
    Wrong(Vec<ConfigError>),
}

/// What the store says.
enum Told {
    /// Nothing that would take the place of the files.
    Nothing,
    /// It needs the network.
    NotAsked,
    Standing(Standing, Revisions),
    Unreadable(String),
}

/// Compiles what a start would put in force.
pub(super) fn look(compiler: &Compiler, runtime: &Runtime, offline: bool) -> Result<Checked, Unchecked> {
    let machine = compiler.machine().map_err(|errors| {
        // The rest of the files may say more of what is wrong.
        Unchecked::Wrong(compiler.compile().err().unwrap_or(errors))
    })?;
    let told = runtime.block_on(ask(&machine, &compiler.clock, offline));
    let (warnings, mut left_out) = match machine.control().source {
        ControlSource::Files => return by_files(compiler, runtime, &machine, told),
        ControlSource::Store => match told {
            Told::Standing(Standing { current: Some(number), .. }, revisions) => {
                return revision(compiler, runtime, &machine, (number, &revisions)).map_err(Unchecked::Wrong);
            }
            Told::Nothing | Told::Standing(..) => {
                return Ok(of_files(compiler.compile().map_err(Unchecked::Wrong)?));
            }
            Told::NotAsked => (Vec::new(), vec!["the revision in force, which the store knows".to_owned()]),
            Told::Unreadable(why) => (vec![format!("the revision in force was not compiled: {why}")], Vec::new()),
        },
    };
    let Ok(compiled) = compiler.compile() else {
        left_out.push("routes, policies and schemas, which come from the store".to_owned());
        return Err(Unchecked::Machine { warnings, left_out });
    };
    Ok(Checked { compiled, revision: None, warnings, left_out })
}

/// The files; or a revision that is pinned over these very files.
fn by_files(compiler: &Compiler, runtime: &Runtime, machine: &Machine, told: Told) -> Result<Checked, Unchecked> {
    let compiled = compiler.compile().map_err(Unchecked::Wrong)?;
    if let Told::Standing(Standing { pin: Some(pin), .. }, revisions) = told
        && pin.files == compiled.published.hash
    {
        let number = pin.revision;
        let mut checked = revision(compiler, runtime, machine, (number, &revisions)).map_err(Unchecked::Wrong)?;
        checked.warnings.push(format!("a rollback holds: revision {number} is in force until these files change"));
        return Ok(checked);
    }
    Ok(of_files(compiled))
}

fn of_files(compiled: Compiled) -> Checked {
    Checked { compiled, revision: None, warnings: Vec::new(), left_out: Vec::new() }
}

async fn ask(machine: &Machine, clock: &Arc<dyn Clock>, offline: bool) -> Told {
    if offline && machine.store().file().is_none() {
        return Told::NotAsked;
    }
    match Box::pin(world::open_to_read(machine.store(), machine.root(), clock)).await {
        Ok(None) => Told::Nothing,
        Ok(Some(store)) => {
            let revisions = Revisions::new(store);
            match revisions.standing().await {
                Ok(standing) => Told::Standing(standing, revisions),
                Err(error) => Told::Unreadable(format!("the store: {error}")),
            }
        }
        Err(why) => Told::Unreadable(why),
    }
}

fn revision(
    compiler: &Compiler,
    runtime: &Runtime,
    machine: &Machine,
    (number, revisions): (u64, &Revisions),
) -> Result<Checked, Vec<ConfigError>> {
    let texts = match runtime.block_on(texts(number, revisions)) {
        Ok(Some(texts)) => Ok(texts),
        Ok(None) => Err("the store has it no more".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let wrong = |message: String| {
        let mut error = ConfigError::of_file(&compiler.entry, message);
        error.help = Some(WAY_OUT.to_owned());
        error
    };
    let texts = texts.map_err(|why| vec![wrong(format!("revision {number} should be in force: {why}"))])?;
    match compiler.compile_texts(&texts, machine, Text::Kept) {
        Ok(compiled) => Ok(Checked { compiled, revision: Some(number), warnings: Vec::new(), left_out: Vec::new() }),
        Err(mut errors) => {
            errors.push(wrong(format!("revision {number} of the store does not load")));
            Err(errors)
        }
    }
}

async fn texts(number: u64, revisions: &Revisions) -> Result<Option<Texts>, StoreError> {
    match revisions.show(number).await? {
        None => Ok(None),
        Some(revision) => revisions.texts(&revision).await,
    }
}
