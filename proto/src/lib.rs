//! Trace bytes: OTLP by ranges, JSON, Zipkin, records of the log.
