//! Spans as OTLP/JSON.

/// The JSON of the `TracesData` message in `bytes`.
pub(crate) fn from_protobuf(_bytes: &[u8]) -> Result<Vec<u8>, String> {
    Err("OTLP/JSON cannot be written yet".to_owned())
}
