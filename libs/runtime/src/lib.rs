//! What a process needs before it knows what a span is.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | wall clock time |
//! | [`units`] | sizes and durations as people write them |
//! | [`secret`] | text that is never printed |
//! | [`problems`] | everything that is wrong with a configuration, at once |
//! | [`budget`] | bytes that are leased and given back |
//! | [`invariant`] | what holds at every moment, for assertions, tests and the documentation |
//! | [`memory`] | what the process uses and what it may use |
//! | [`shutdown`] | the request to stop, and the tasks that must have stopped |
//! | [`metrics`] | declared metrics, their exposition and their documentation |
//! | [`page`] | tables of generated pages |
//! | [`logging`] | the process's own log |
//! | [`tls`] | certificates and keys |
//! | [`listen`] | sockets, with errors that say what to do |
//! | [`unix_socket`] | the same in a file |
//! | [`grpc`] | messages that stay bytes |
//! | [`admin`] | health and metrics for operators |

pub mod admin;
pub mod budget;
pub mod clock;
pub mod grpc;
pub mod invariant;
pub mod listen;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod page;
pub mod problems;
pub mod secret;
pub mod shutdown;
pub mod tls;
pub mod units;
pub mod unix_socket;
