//! What stands before a body is read and inflated: tenants, process memory, bytes in flight.

pub(crate) mod lease;
pub(crate) mod memory;
pub(crate) mod tenant_metrics;
pub(crate) mod tenants;
pub(crate) mod token;
pub(crate) mod token_files;

use std::time::Duration;

use self::{lease::InFlightBudget, memory::MemoryGate, tenants::Tenants};

/// What stands before a body is read. Shared by all listeners.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) tenants: Tenants,
    pub(crate) memory: MemoryGate,
    pub(crate) in_flight: InFlightBudget,
    /// How long a body may take.
    pub(crate) request_timeout: Duration,
    /// Bytes of a body that must come in a second; 0 for any number.
    pub(crate) body_rate_min: usize,
}
