//! The command line of `wholetrace generate`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use http::{HeaderName, HeaderValue};

/// What to send, how fast, and where to.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// OTLP receiver that takes the spans (http://HOST:PORT). Of several, connections take turns,
    /// and what one does not take is sent to the next.
    #[arg(long, default_value = "http://127.0.0.1:4317")]
    pub endpoint: Vec<String>,

    /// Protocol of that receiver; `http` posts protobuf to /v1/traces.
    #[arg(long, value_enum, default_value_t = Protocol::Grpc)]
    pub protocol: Protocol,

    /// Header of every request, and metadata over gRPC, as NAME=VALUE: for instance
    /// `authorization=Bearer TOKEN`. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    pub header: Vec<(HeaderName, HeaderValue)>,

    /// Traces begun per second; 0 sends as fast as they are taken.
    #[arg(long, default_value_t = 50.0, value_parser = non_negative)]
    pub rate: f64,

    /// Stop after this time (30s, 5m); 0s sends until --traces or Ctrl-C.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub duration: Duration,

    /// Stop after this many traces; 0 sends until --duration or Ctrl-C.
    #[arg(long, default_value_t = 0)]
    pub traces: u64,

    /// Spans per trace: sizes taken in turn.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16, 48], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub spans_per_trace: Vec<u32>,

    /// About this many bytes per span, as OTLP protobuf.
    #[arg(long, default_value_t = 430, value_parser = clap::value_parser!(u32).range(150..=100_000))]
    pub span_bytes: u32,

    /// Services that the spans are spread over; each sends its own requests.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub services: u8,

    /// Connections per service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub connections: u8,

    /// Send each request at its time, whether or not those before it were answered: as many senders
    /// that know nothing of each other do. With a --rate only, and for 4,096 requests at a time at
    /// most; what is beyond them counts as not delivered.
    #[arg(long, requires = "rate")]
    pub open_loop: bool,

    /// Share of the traces with an error in them (0 to 1).
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    pub errors: f64,

    /// Share of the traces that take seconds (0 to 1).
    #[arg(long, default_value_t = 0.02, value_parser = share)]
    pub slow: f64,

    /// Share of the traces with a span that comes late (0 to 1).
    #[arg(long, default_value_t = 0.01, value_parser = share)]
    pub late: f64,

    /// How late those spans come.
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub late_by: Duration,

    /// Most spans in one request.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch: u32,

    /// The same seed plans the same traces, with the same ids; another one each time, if none is given.
    #[arg(long, default_value_t = fastrand::u64(..1 << 32), hide_default_value = true)]
    pub seed: u64,

    /// Take the ids of the traces from this file, 32 hexadecimal digits in each line, and stop after the
    /// last: for traces that are known, or that belong together by their ids.
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,

    /// Give a request up that was not acknowledged for this long; it is repeated until then.
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub give_up_after: Duration,

    /// Write what was acknowledged to this file at the end, a JSON line per trace.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, as protobuf.
    Http,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write NAME=VALUE".to_owned())?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is not the name of a header"))?;
    let mut value: HeaderValue =
        value.trim().parse().map_err(|_| "its value has characters that no header may have")?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(format!("`{text}` is not a share: take a number from 0 to 1"))
    }
}

fn non_negative(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(format!("`{text}` is not a rate: take a number from 0"))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<wholetrace_runtime::units::HumanDuration>()
        .map(Into::into)
        .map_err(|error| error.to_string())
}
