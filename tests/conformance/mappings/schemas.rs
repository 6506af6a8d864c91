//! The messages of the formats: names, numbers and types of their fields.

use super::model::{Schema, Type};

pub(super) const ZIPKIN: Schema = &[
    ("trace_id", 1, Type::Bytes),
    ("parent_id", 2, Type::Bytes),
    ("id", 3, Type::Bytes),
    ("kind", 4, Type::Integer),
    ("name", 5, Type::Text),
    ("timestamp", 6, Type::Fixed64),
    ("duration", 7, Type::Integer),
    ("local_endpoint", 8, Type::Message(ZIPKIN_ENDPOINT)),
    ("remote_endpoint", 9, Type::Message(ZIPKIN_ENDPOINT)),
    (
        "annotations",
        10,
        Type::Message(&[("timestamp", 1, Type::Fixed64), ("value", 2, Type::Text)]),
    ),
    ("tags", 11, Type::Map),
    ("debug", 12, Type::Bool),
    ("shared", 13, Type::Bool),
    ("timestamp_as_varint", 6, Type::Integer),
    ("duration_as_text", 7, Type::Text),
    ("unknown", 99, Type::Text),
    ("unknown_number", 98, Type::Integer),
];

const ZIPKIN_ENDPOINT: Schema = &[
    ("service_name", 1, Type::Text),
    ("ipv4", 2, Type::Bytes),
    ("ipv6", 3, Type::Bytes),
    ("port", 4, Type::Integer),
];

pub(super) const ZIPKIN_V1: Schema = &[
    ("trace_id", 1, Type::I64),
    ("name", 3, Type::Text),
    ("id", 4, Type::I64),
    ("parent_id", 5, Type::I64),
    ("annotations", 6, Type::Message(ZIPKIN_V1_ANNOTATION)),
    ("binary_annotations", 8, Type::Message(ZIPKIN_V1_BINARY_ANNOTATION)),
    ("debug", 9, Type::Bool),
    ("timestamp", 10, Type::I64),
    ("duration", 11, Type::I64),
    ("trace_id_high", 12, Type::I64),
    ("name_as_number", 3, Type::I64),
    ("unknown", 99, Type::Text),
];

const ZIPKIN_V1_ANNOTATION: Schema = &[
    ("timestamp", 1, Type::I64),
    ("value", 2, Type::Text),
    ("host", 3, Type::Message(ZIPKIN_V1_ENDPOINT)),
];

const ZIPKIN_V1_BINARY_ANNOTATION: Schema = &[
    ("key", 1, Type::Text),
    ("value", 2, Type::Text),
    ("annotation_type", 3, Type::I32),
    ("host", 4, Type::Message(ZIPKIN_V1_ENDPOINT)),
];

const ZIPKIN_V1_ENDPOINT: Schema = &[
    ("ipv4", 1, Type::I32),
    ("port", 2, Type::I16),
    ("service_name", 3, Type::Text),
    ("ipv6", 4, Type::Bytes),
];

pub(super) const JAEGER_BATCH: Schema =
    &[("spans", 1, Type::Message(JAEGER)), ("process", 2, Type::Message(JAEGER_PROCESS))];

const JAEGER: Schema = &[
    ("trace_id", 1, Type::Bytes),
    ("span_id", 2, Type::Bytes),
    ("operation_name", 3, Type::Text),
    ("references", 4, Type::Message(JAEGER_REFERENCE)),
    ("flags", 5, Type::Integer),
    ("start_time", 6, Type::Message(MOMENT)),
    ("duration", 7, Type::Message(MOMENT)),
    ("tags", 8, Type::Tags(JAEGER_TAG)),
    (
        "logs",
        9,
        Type::Message(&[
            ("timestamp", 1, Type::Message(MOMENT)),
            ("fields", 2, Type::Tags(JAEGER_TAG)),
        ]),
    ),
    ("process", 10, Type::Message(JAEGER_PROCESS)),
    ("process_id", 11, Type::Text),
    ("warnings", 12, Type::Text),
    ("name_as_number", 3, Type::Integer),
    ("unknown", 99, Type::Text),
];

/// `Timestamp` and `Duration`.
const MOMENT: Schema = &[("seconds", 1, Type::Integer), ("nanos", 2, Type::Integer)];

const JAEGER_PROCESS: Schema =
    &[("service_name", 1, Type::Text), ("tags", 2, Type::Tags(JAEGER_TAG))];

const JAEGER_REFERENCE: Schema =
    &[("trace_id", 1, Type::Bytes), ("span_id", 2, Type::Bytes), ("ref_type", 3, Type::Integer)];

const JAEGER_TAG: Schema = &[
    ("key", 1, Type::Text),
    ("v_type", 2, Type::Integer),
    ("v_str", 3, Type::Text),
    ("v_bool", 4, Type::Bool),
    ("v_int64", 5, Type::Integer),
    ("v_float64", 6, Type::Double),
    ("v_binary", 7, Type::Text),
];

pub(super) const JAEGER_THRIFT_BATCH: Schema = &[
    ("process", 1, Type::Message(JAEGER_THRIFT_PROCESS)),
    ("spans", 2, Type::Message(JAEGER_THRIFT)),
    ("seq_no", 3, Type::I64),
];

const JAEGER_THRIFT: Schema = &[
    ("trace_id_low", 1, Type::I64),
    ("trace_id_high", 2, Type::I64),
    ("span_id", 3, Type::I64),
    ("parent_span_id", 4, Type::I64),
    ("operation_name", 5, Type::Text),
    ("references", 6, Type::Message(JAEGER_THRIFT_REFERENCE)),
    ("flags", 7, Type::I32),
    ("start_time", 8, Type::I64),
    ("duration", 9, Type::I64),
    ("tags", 10, Type::Tags(JAEGER_THRIFT_TAG)),
    (
        "logs",
        11,
        Type::Message(&[("timestamp", 1, Type::I64), ("fields", 2, Type::Tags(JAEGER_THRIFT_TAG))]),
    ),
    ("name_as_number", 5, Type::I64),
    ("unknown", 99, Type::Text),
];

const JAEGER_THRIFT_PROCESS: Schema =
    &[("service_name", 1, Type::Text), ("tags", 2, Type::Tags(JAEGER_THRIFT_TAG))];

const JAEGER_THRIFT_REFERENCE: Schema = &[
    ("ref_type", 1, Type::I32),
    ("trace_id_low", 2, Type::I64),
    ("trace_id_high", 3, Type::I64),
    ("span_id", 4, Type::I64),
];

const JAEGER_THRIFT_TAG: Schema = &[
    ("key", 1, Type::Text),
    ("v_type", 2, Type::I32),
    ("v_str", 3, Type::Text),
    ("v_float64", 4, Type::Double),
    ("v_bool", 5, Type::Bool),
    ("v_int64", 6, Type::I64),
    ("v_binary", 7, Type::Text),
];
