//! What the tests of the whole and of the cluster share: the real parts, processes, the oracle.

#![allow(dead_code, reason = "each of the two uses a part of it")]

pub(crate) mod gateway_process;
pub(crate) mod jaeger;
pub(crate) mod oracle;
pub(crate) mod parts;
pub(crate) mod process;
