//! Whose turn is it? Whatever keeps a processor busy for milliseconds beside the requests does so one after the other: a
//! compilation, the packing of a revision, the freeing of an old configuration. A thread that serves then waits for one
//! of them at most, on a machine that has fewer processors than there are threads.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinError;

/// One turn, for all who share it. Cheap to clone. INVARIANT: whoever has it does not ask for it again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<()>>);

impl Turns {
    /// Waits for the turn, and has it for as long as it keeps what it gets. Blocks.
    pub(crate) fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock()
    }

    /// Does `work` when its turn comes, on a thread that may block.
    ///
    /// # Errors
    /// It panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let turns = self.clone();
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turns.take();
            work()
        });
        working.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::Turns;

    #[tokio::test]
    async fn one_begins_when_the_other_has_ended() {
        let turns = Turns::default();
        let ((say, heard), (begin, begun), (end, ended)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let (holding, told) = (turns.clone(), say.clone());
        let first = std::thread::spawn(move || {
            let _turn = holding.take();
            begin.send(()).unwrap();
            ended.recv().unwrap();
            told.send("first").unwrap();
        });
        begun.recv().unwrap();
        let later = tokio::spawn(async move { turns.run(move || say.send("later").unwrap()).await });
        // It is asked for, and has not begun, however often it is looked at.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        end.send(()).unwrap();
        first.join().unwrap();
        later.await.unwrap().unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["first", "later"]);
    }

    #[tokio::test]
    async fn a_panic_does_not_keep_the_turn() {
        let turns = Turns::default();
        assert!(turns.run(|| panic!("on purpose")).await.is_err());
        assert_eq!(turns.run(|| 1).await.unwrap(), 1);
    }
}
