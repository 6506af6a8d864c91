//! What stands before a body is read and inflated: tenants, process memory, bytes in flight.

pub(crate) mod lease;
pub(crate) mod memory;
pub(crate) mod tenants;
pub(crate) mod token_files;
