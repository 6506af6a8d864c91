//! Delivers kept traces to the backends.
//!
//! ```text
//!   partition ──pieces──► queue ──jobs──► delivery ──batch──► exporter ──request──► backend
//!       ▲                (bounded)          │  ▲            (otlp, otlphttp, kafka,   │
//!       │                                   │  └── next_step    jaeger, zipkin, file, │
//!       │                                   │        ▲          debug)                │
//!       └──────────── outcomes ◄────────────┘        ▲                                │
//!                                                    └─────────── answer ◄────────────┘
//! ```
//!
//! One piece of kept spans on its way: [`queue`] takes it, if there is room, and puts it into a batch
//! with others. `delivery` sends the batch. The backend answers 503: the batch is sent again after a
//! wait ([`retry`]). It answers 413: the halves of the batch are sent instead (`job`). It answers 200:
//! the partition hears through [`outcomes`] that the piece is delivered, and can commit. What an
//! exporter is not to have (`only`) counts as delivered before it is in the queue. A piece that
//! the backend refuses for good goes to the dead letters; `next_step` says what proves that.
//!
//! [`contract`] says what an exporter takes and answers; a new type of exporter implements
//! [`Exporter`](contract::Exporter) and gets a row in [`build`] and in [`config`].

mod advice;
mod answer;
mod backends;
pub mod build;
pub mod config;
mod connect;
pub mod contract;
mod debug;
mod delivery;
mod file;
mod file_state;
mod grpc;
mod jaeger;
mod job;
mod journal;
#[cfg(feature = "kafka")]
mod kafka;
mod limit;
pub mod metrics;
mod next_step;
mod only;
pub mod options;
mod otlp_grpc;
mod otlp_http;
pub mod outcomes;
mod pace;
mod payload;
mod post;
mod proxy;
pub mod queue;
mod queue_state;
mod refusals;
mod resolve;
pub mod retry;
mod rotation;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
mod text;
mod transport;
mod zipkin;

pub use queue_state::Undelivered;
