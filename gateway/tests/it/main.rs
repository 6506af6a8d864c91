//! The gateway over real sockets, in front of the log in memory.

mod bad_input;
mod grpc;
mod harness;
mod log_faults;
mod senders;
mod served;
mod tls;
