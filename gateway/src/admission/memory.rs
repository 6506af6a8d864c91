//! The gate on the memory of the whole process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::reject::{RejectReason, Rejection};

/// Refuses requests while the process uses more memory than it may. Cheap to clone; asking costs
/// a load.
#[derive(Clone, Debug)]
pub(crate) struct MemoryGate {
    /// Bytes resident when last looked.
    used: Arc<AtomicU64>,
    limit: u64,
}

impl MemoryGate {
    /// A gate that closes above `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: Arc::new(AtomicU64::new(0)), limit }
    }

    /// States how much the process uses now.
    pub(crate) fn observe(&self, used: u64) {
        self.used.store(used, Relaxed);
    }

    /// Whether requests may pass.
    ///
    /// # Errors
    /// [`RejectReason::Memory`] while they may not.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        let used = self.used.load(Relaxed);
        if used <= self.limit {
            return Ok(());
        }
        let message =
            format!("the gateway uses {used} bytes of {} it may: retry later", self.limit);
        Err(Rejection::new(RejectReason::Memory, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_opens_again() {
        let gate = MemoryGate::new(10);
        assert!(gate.check().is_ok());
        gate.observe(11);
        assert_eq!(gate.check().unwrap_err().reason, RejectReason::Memory);
        gate.observe(10);
        assert!(gate.check().is_ok());
    }
}
