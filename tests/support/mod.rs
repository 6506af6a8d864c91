//! What the tests of the whole and of the cluster share: the real parts, a backend that
//! answers as it is told, processes, the oracle.

#![allow(dead_code, reason = "each of the two uses a part of it")]

pub(crate) mod collector;
pub(crate) mod explain;
pub(crate) mod gateway_process;
pub(crate) mod jaeger;
pub(crate) mod mock;
pub(crate) mod oracle;
pub(crate) mod parts;
pub(crate) mod process;
pub(crate) mod sender;
