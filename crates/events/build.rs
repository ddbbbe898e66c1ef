//! Compiles the protobuf contract. protox is pure Rust, so no protoc is needed.

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let files = protox::compile([root.join("hubbub/v1/event.proto")], [&root])?;
    println!("cargo::rerun-if-changed={}", root.display());
    prost_build::Config::new().compile_fds(files)?;
    Ok(())
}
