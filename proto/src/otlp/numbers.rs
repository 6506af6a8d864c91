//! The number of every field of OTLP traces, by message and name, as `proto/opentelemetry`
//! documents them. What reads or writes OTLP by hand takes them from here.

/// Makes a module of constants for each message, and the table that the test compares with the
/// `.proto` files.
macro_rules! messages {
    ($($module:ident = $message:literal { $($field:ident = $number:literal,)* })*) => {
        $(
            #[doc = concat!("Numbers of the fields of `", $message, "`.")]
            pub mod $module {
                $(
                    #[doc = concat!("`", $message, "`: field ", $number, ".")]
                    pub const $field: u32 = $number;
                )*
            }
        )*

        #[cfg(test)]
        const MESSAGES: &[(&str, &[(&str, u32)])] =
            &[$(($message, &[$((stringify!($field), $number),)*]),)*];
    };
}

messages! {
    traces_data = "TracesData" {
        RESOURCE_SPANS = 1,
    }
    resource_spans = "ResourceSpans" {
        RESOURCE = 1,
        SCOPE_SPANS = 2,
        SCHEMA_URL = 3,
    }
    scope_spans = "ScopeSpans" {
        SCOPE = 1,
        SPANS = 2,
        SCHEMA_URL = 3,
    }
    resource = "Resource" {
        ATTRIBUTES = 1,
        DROPPED_ATTRIBUTES_COUNT = 2,
        ENTITY_REFS = 3,
    }
    entity_ref = "EntityRef" {
        SCHEMA_URL = 1,
        TYPE = 2,
        ID_KEYS = 3,
        DESCRIPTION_KEYS = 4,
    }
    instrumentation_scope = "InstrumentationScope" {
        NAME = 1,
        VERSION = 2,
        ATTRIBUTES = 3,
        DROPPED_ATTRIBUTES_COUNT = 4,
    }
    span = "Span" {
        TRACE_ID = 1,
        SPAN_ID = 2,
        TRACE_STATE = 3,
        PARENT_SPAN_ID = 4,
        NAME = 5,
        KIND = 6,
        START_TIME_UNIX_NANO = 7,
        END_TIME_UNIX_NANO = 8,
        ATTRIBUTES = 9,
        DROPPED_ATTRIBUTES_COUNT = 10,
        EVENTS = 11,
        DROPPED_EVENTS_COUNT = 12,
        LINKS = 13,
        DROPPED_LINKS_COUNT = 14,
        STATUS = 15,
        FLAGS = 16,
    }
    event = "Event" {
        TIME_UNIX_NANO = 1,
        NAME = 2,
        ATTRIBUTES = 3,
        DROPPED_ATTRIBUTES_COUNT = 4,
    }
    link = "Link" {
        TRACE_ID = 1,
        SPAN_ID = 2,
        TRACE_STATE = 3,
        ATTRIBUTES = 4,
        DROPPED_ATTRIBUTES_COUNT = 5,
        FLAGS = 6,
    }
    status = "Status" {
        MESSAGE = 2,
        CODE = 3,
    }
    key_value = "KeyValue" {
        KEY = 1,
        VALUE = 2,
        KEY_STRINDEX = 3,
    }
    any_value = "AnyValue" {
        STRING_VALUE = 1,
        BOOL_VALUE = 2,
        INT_VALUE = 3,
        DOUBLE_VALUE = 4,
        ARRAY_VALUE = 5,
        KVLIST_VALUE = 6,
        BYTES_VALUE = 7,
        STRING_VALUE_STRINDEX = 8,
    }
    array_value = "ArrayValue" {
        VALUES = 1,
    }
    key_value_list = "KeyValueList" {
        VALUES = 1,
    }
    export_trace_service_response = "ExportTraceServiceResponse" {
        PARTIAL_SUCCESS = 1,
    }
    export_trace_partial_success = "ExportTracePartialSuccess" {
        REJECTED_SPANS = 1,
        ERROR_MESSAGE = 2,
    }
}

/// The number that `ResourceSpans.scope_spans` had while they were called instrumentation library
/// spans, before version 0.15 of the protocol. Their bytes have the same form. Counts only where
/// there are no `scope_spans`.
pub const INSTRUMENTATION_LIBRARY_SPANS: u32 = 1000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::MESSAGES;

    const PROTO_FILES: [&str; 4] = [
        include_str!("../../proto/opentelemetry/proto/trace/v1/trace.proto"),
        include_str!("../../proto/opentelemetry/proto/common/v1/common.proto"),
        include_str!("../../proto/opentelemetry/proto/resource/v1/resource.proto"),
        include_str!("../../proto/opentelemetry/proto/collector/trace/v1/trace_service.proto"),
    ];

    type Field = (String, String, u32);

    /// Message, name and number of all fields in a `.proto` file, comments and enumerations left out.
    fn fields(proto: &str) -> Vec<Field> {
        let (mut blocks, mut fields) = (Vec::new(), Vec::new());
        for line in proto.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [kind, name, "{"] => blocks.push((*kind, *name)),
                ["}"] => drop(blocks.pop()),
                [.., name, "=", number]
                    if blocks.last().is_some_and(|(kind, _)| *kind != "enum") =>
                {
                    let message = blocks.iter().rev().find(|(kind, _)| *kind == "message");
                    let message = message.map_or("", |(_, name)| name).to_owned();
                    let number = number.trim_end_matches(';').parse().unwrap();
                    fields.push((message, name.to_uppercase(), number));
                }
                _ => {}
            }
        }
        fields
    }

    #[test]
    fn numbers_are_those_of_the_proto_files() {
        let documented: BTreeSet<Field> =
            PROTO_FILES.iter().flat_map(|proto| fields(proto)).collect();
        let named: BTreeSet<Field> = MESSAGES
            .iter()
            .flat_map(|(message, fields)| {
                fields.iter().map(|(name, number)| ((*message).into(), (*name).into(), *number))
            })
            .collect();
        // An export request has the bytes of `TracesData`.
        let request = ("ExportTraceServiceRequest".into(), "RESOURCE_SPANS".into(), 1);
        assert_eq!(documented.difference(&named).collect::<Vec<_>>(), [&request]);
        assert_eq!(named.difference(&documented).collect::<Vec<_>>(), [] as [&Field; 0]);
    }
}
