//! Where the lines go: bounded queues to writers of their own, so that a slow disk never slows a request.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::{Kept, Metrics, Recording, access, decision};

/// Lines that may wait for the writer; more are dropped and counted.
const QUEUE: usize = 16_384;

/// What a writer writes at once, in bytes.
const AT_ONCE: usize = 64 * 1024;

/// How long lines are gathered after some were written.
const GATHERED: Duration = Duration::from_millis(10);

/// Writes what the queue holds at once, and then lets it fill: to wake the writer for each line costs the request that
/// wrote it more than the line. The first line after a pause is written at once.
struct Gathering<W: Write>(BufWriter<W>);

impl<W: Write> Write for Gathering<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line)
    }

    /// The queue is empty.
    #[expect(clippy::disallowed_methods, reason = "the writer's own thread, which waits for lines to gather")]
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(GATHERED);
        Ok(())
    }
}

/// Where a stream is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    File(PathBuf),
    Off,
    Stderr,
    Stdout,
}

/// The access and the decision stream, and the metrics.
pub(crate) struct Streams {
    access: Option<NonBlocking>,
    decisions: Option<NonBlocking>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) kept: Kept,
    /// Dropped last: flushes the queues.
    _writers: Mutex<Vec<WorkerGuard>>,
}

impl Streams {
    /// Opens both streams. Fails where a file cannot be opened for appending.
    pub(crate) fn open(access: &Target, decisions: &Target, metrics: Arc<Metrics>, kept: Kept) -> io::Result<Self> {
        let mut writers = Vec::new();
        let access = open(access, &mut writers)?;
        let decisions = open(decisions, &mut writers)?;
        Ok(Self { access, decisions, metrics, kept, _writers: Mutex::new(writers) })
    }

    /// Lines lost because the writer could not keep up.
    pub(crate) fn dropped(&self) -> usize {
        let lost = |stream: &Option<NonBlocking>| stream.as_ref().map_or(0, |s| s.error_counter().dropped_lines());
        lost(&self.access) + lost(&self.decisions)
    }

    pub(super) fn record(&self, recording: &mut Recording) {
        self.metrics.request(&*recording);
        if let Some(stream) = &self.access {
            put(stream, &access::line(&*recording));
        }
        if let Some(stream) = &self.decisions {
            put(stream, &decision::record(&recording.view()));
        }
        self.kept.shadow.note(&*recording);
        if self.kept.wanted() {
            self.kept.push(recording.take());
        }
    }
}

fn put(stream: &NonBlocking, line: &impl serde::Serialize) {
    let mut bytes = Vec::with_capacity(1024);
    if serde_json::to_writer(&mut bytes, line).is_ok() {
        bytes.push(b'\n');
        // Only the queue can refuse, and it counts what it drops.
        let _ = stream.clone().write_all(&bytes);
    }
}

fn open(target: &Target, writers: &mut Vec<WorkerGuard>) -> io::Result<Option<NonBlocking>> {
    let sink: Box<dyn Write + Send> = match target {
        Target::Off => return Ok(None),
        Target::Stdout => Box::new(io::stdout()),
        Target::Stderr => Box::new(io::stderr()),
        Target::File(path) => {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            // Names and addresses of people: whoever is to read them beside us is let in by the operator.
            Box::new(OpenOptions::new().create(true).append(true).mode(0o600).open(path)?)
        }
    };
    let sink = Gathering(BufWriter::with_capacity(AT_ONCE, sink));
    let (stream, writer) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(sink);
    writers.push(writer);
    Ok(Some(stream))
}
