//! Protocols of a receiver that are listened on when they are named.

use serde::{Deserialize, Deserializer};

/// Tells a key that is named without a value (`grpc:`) from one that is absent.
pub(super) fn named<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
}
