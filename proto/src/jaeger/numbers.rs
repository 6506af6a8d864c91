//! The numbers of the fields of Jaeger's `model.proto` and `collector.proto`, by message.

pub(super) mod request {
    pub(in crate::jaeger) const BATCH: u32 = 1;
}

pub(super) mod batch {
    pub(in crate::jaeger) const SPANS: u32 = 1;
    pub(in crate::jaeger) const PROCESS: u32 = 2;
}

pub(super) mod process {
    pub(in crate::jaeger) const SERVICE_NAME: u32 = 1;
    pub(in crate::jaeger) const TAGS: u32 = 2;
}

pub(super) mod span {
    pub(in crate::jaeger) const TRACE_ID: u32 = 1;
    pub(in crate::jaeger) const SPAN_ID: u32 = 2;
    pub(in crate::jaeger) const OPERATION_NAME: u32 = 3;
    pub(in crate::jaeger) const REFERENCES: u32 = 4;
    pub(in crate::jaeger) const FLAGS: u32 = 5;
    pub(in crate::jaeger) const START_TIME: u32 = 6;
    pub(in crate::jaeger) const DURATION: u32 = 7;
    pub(in crate::jaeger) const TAGS: u32 = 8;
    pub(in crate::jaeger) const LOGS: u32 = 9;
    pub(in crate::jaeger) const PROCESS: u32 = 10;
    pub(in crate::jaeger) const PROCESS_ID: u32 = 11;
    pub(in crate::jaeger) const WARNINGS: u32 = 12;
}

pub(super) mod reference {
    pub(in crate::jaeger) const TRACE_ID: u32 = 1;
    pub(in crate::jaeger) const SPAN_ID: u32 = 2;
    pub(in crate::jaeger) const TYPE: u32 = 3;
}

pub(super) mod log {
    pub(in crate::jaeger) const TIMESTAMP: u32 = 1;
    pub(in crate::jaeger) const FIELDS: u32 = 2;
}

pub(super) mod key_value {
    pub(in crate::jaeger) const KEY: u32 = 1;
    pub(in crate::jaeger) const TYPE: u32 = 2;
    pub(in crate::jaeger) const TEXT: u32 = 3;
    pub(in crate::jaeger) const BOOL: u32 = 4;
    pub(in crate::jaeger) const INT: u32 = 5;
    pub(in crate::jaeger) const DOUBLE: u32 = 6;
    pub(in crate::jaeger) const BYTES: u32 = 7;

    pub(in crate::jaeger) const TYPE_BOOL: u64 = 1;
    pub(in crate::jaeger) const TYPE_INT: u64 = 2;
    pub(in crate::jaeger) const TYPE_DOUBLE: u64 = 3;
    pub(in crate::jaeger) const TYPE_BYTES: u64 = 4;
}
