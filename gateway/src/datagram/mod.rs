//! Datagrams: messages to which there is no answer. What is refused is counted, with its reason; the
//! rest of the way is that of any message.

pub(crate) mod drops;
pub(crate) mod server;
