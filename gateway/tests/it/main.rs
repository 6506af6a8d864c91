//! The gateway over real sockets, in front of the log in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests: this is how they fail")]

mod bad_input;
mod dialects;
mod grpc;
mod harness;
mod health;
mod jaeger;
mod jaeger_agent;
mod jaeger_sampling;
mod log_faults;
mod senders;
mod served;
mod tenants;
mod tls;
mod traps;
mod unix;
mod zipkin;
