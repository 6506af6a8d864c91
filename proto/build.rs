//! Generates the message types from `proto/`, with a protobuf compiler in Rust.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(
        [
            "proto/opentelemetry/proto/trace/v1/trace.proto",
            "proto/opentelemetry/proto/collector/trace/v1/trace_service.proto",
        ],
        ["proto"],
    )?;
    prost_build::Config::new().include_file("messages.rs").compile_fds(files)?;
    Ok(())
}
