//! The signals that the process listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};
use wholetrace_runtime::shutdown::Shutdown;

/// SIGTERM and SIGINT, which end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP, which reloads. Whoever does not listen to it is ended by it: a process of any role listens
/// before it does anything else. A signal that nobody has waited for yet is not forgotten.
///
/// # Errors
/// When the system does not let the process listen, or outside a tokio runtime.
pub(crate) fn hangup() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let the process listen.
    pub(crate) fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The first signal stops in order, the second one at once.
    pub(crate) async fn watch(mut self, stop: Shutdown) {
        let name = self.next().await;
        tracing::info!("{name}: finish what was begun and stop; a second signal stops at once");
        stop.request();
        let name = self.next().await;
        tracing::warn!("{name} again: stop at once; nothing acknowledged is lost");
        std::process::exit(1);
    }

    /// The name of the next signal.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
