//! When is it time to read again? When a file we read, or its folder, changed; or on SIGHUP.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::Publisher;
use crate::shared::Shared;

/// Editors and deployments write several files: they are read once they have been quiet for this long.
const QUIET: Duration = Duration::from_millis(150);
/// But not later than this after the first change.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events that may wait to be looked at.
const LINE: usize = 256;

/// A file that somebody has begun to write and not closed is waited for no longer than this.
const WRITING: Duration = Duration::from_secs(10);

/// What the watcher tells of one event.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Change {
    /// Something is another than before.
    Changed,
    /// This file is being written: what stands in it may be half of what is to come.
    Begun(PathBuf),
    /// This file is no longer being written.
    Closed(PathBuf),
}

/// Watches until `stop` changes. Folders are watched, not files, so that replaced files and swapped links are seen.
pub(crate) async fn watch(publisher: Arc<Publisher>, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let (changed, mut changes) = mpsc::channel::<Change>(LINE);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        for change in told(event) {
            // A full line means that a reload is due anyway; one that waits for a file to be closed gives up in time.
            let _ = changed.try_send(change);
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched; use SIGHUP or the admin API to reload");
            None
        }
    };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut seen = BTreeSet::new();
    loop {
        let folders = shared.current().snapshot.folders();
        if let Some(watcher) = &mut watcher {
            rewatch(watcher, &mut seen, &folders);
        }
        // Read after watching, the first time too: what changed in between is not missed.
        let reloading = Arc::clone(&publisher);
        // Compiling takes a core for a while; requests go on beside it.
        let _ = tokio::task::spawn_blocking(move || reloading.reload()).await;
        if shared.current().snapshot.folders() != folders {
            continue;
        }
        tokio::select! {
            _ = stop.changed() => return,
            _ = hangup.recv() => {}
            Some(change) = changes.recv() => {
                let ours = shared.current().snapshot.file_names();
                settle(change, &mut changes, &ours).await;
            }
        }
    }
}

/// What an event says. Reading is no change.
fn told(event: notify::Result<notify::Event>) -> Vec<Change> {
    let Ok(event) = event else { return vec![Change::Changed] };
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
            event.paths.into_iter().map(Change::Closed).collect()
        }
        EventKind::Access(_) => Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) => event.paths.into_iter().map(Change::Begun).collect(),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
            vec![Change::Changed]
        }
    }
}

/// Waits until nothing has changed for a while and nobody is in the middle of writing a file of ours, but not for ever.
///
/// INVARIANT: the watcher goes on when this gives up, so the rest of a slow file leads to another reload.
async fn settle(first: Change, changes: &mut mpsc::Receiver<Change>, ours: &BTreeSet<OsString>) {
    let mut open = BTreeSet::new();
    note(first, ours, &mut open);
    let mut patience = pin!(tokio::time::sleep(PATIENCE));
    let mut last = pin!(tokio::time::sleep(WRITING));
    loop {
        tokio::select! {
            biased;
            () = &mut last => return,
            () = &mut patience, if open.is_empty() => return,
            change = tokio::time::timeout(QUIET, changes.recv()) => match change {
                Ok(Some(change)) => {
                    let waited = !open.is_empty();
                    note(change, ours, &mut open);
                    if waited && open.is_empty() {
                        patience.set(tokio::time::sleep(PATIENCE));
                    }
                }
                Ok(None) => return,
                Err(_) if open.is_empty() => return,
                Err(_) => {}
            },
        }
    }
}

/// Whatever else lies in the folder may be written for as long as it likes.
fn note(change: Change, ours: &BTreeSet<OsString>, open: &mut BTreeSet<PathBuf>) {
    match change {
        Change::Begun(path) if path.file_name().is_some_and(|name| ours.contains(name)) => {
            open.insert(path);
        }
        Change::Begun(_) | Change::Changed => {}
        Change::Closed(path) => {
            open.remove(&path);
        }
    }
}

/// Watches all of it anew: a folder of the same name may be another one by now.
fn rewatch(watcher: &mut notify::RecommendedWatcher, seen: &mut BTreeSet<PathBuf>, folders: &BTreeSet<PathBuf>) {
    for old in &*seen {
        let _ = watcher.unwatch(old);
    }
    seen.clone_from(folders);
    seen.extend(folders.iter().flat_map(|folder| link_parents(folder)));
    for folder in &*seen {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched");
        }
    }
}

/// Where the links stand that lead to a folder: a release is often put in force by turning one of them.
fn link_parents(folder: &Path) -> Vec<PathBuf> {
    let links = folder.ancestors().filter(|path| path.is_symlink());
    let parent = |link: &Path| match link.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    links.map(parent).collect()
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Change, OsString, PATIENCE, QUIET, WRITING, mpsc, settle};
    use std::time::Duration;

    const OURS: &str = "/a/portcullis.toml";

    fn begun(path: &str) -> Change {
        Change::Begun(path.into())
    }

    fn closed(path: &str) -> Change {
        Change::Closed(path.into())
    }

    /// How long it takes until the files are read, where these changes follow the first at these times.
    async fn waits(first: Change, later: &[(Duration, Change)]) -> Duration {
        let (say, mut changes) = mpsc::channel(16);
        let later = later.to_vec();
        tokio::spawn(async move {
            for (after, change) in later {
                tokio::time::sleep(after).await;
                let _ = say.send(change).await;
            }
            std::future::pending::<()>().await;
        });
        let ours = BTreeSet::from([OsString::from("portcullis.toml")]);
        #[expect(clippy::disallowed_methods, reason = "the runtime's own clock, which stands still in this test")]
        let begin = tokio::time::Instant::now();
        settle(first, &mut changes, &ours).await;
        begin.elapsed()
    }

    fn about(span: Duration, expected: Duration) {
        let off = span.abs_diff(expected);
        assert!(off < Duration::from_millis(20), "{span:?} is not {expected:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_what_has_been_quiet_for_a_while() {
        about(waits(Change::Changed, &[]).await, QUIET);
        let soon = Duration::from_millis(100);
        about(waits(Change::Changed, &[(soon, Change::Changed)]).await, soon + QUIET);
        let busy: Vec<_> = (0..100).map(|_| (soon, Change::Changed)).collect();
        about(waits(Change::Changed, &busy).await, PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_whoever_is_in_the_middle_of_writing() {
        let pause = Duration::from_secs(5);
        about(waits(begun(OURS), &[(pause, begun(OURS)), (pause / 5, closed(OURS))]).await, pause + pause / 5 + QUIET);
        about(waits(begun(OURS), &[]).await, WRITING);
        about(waits(begun("/a/some.log"), &[]).await, QUIET);
    }
}
