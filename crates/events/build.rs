//! Compiles the protobuf contract. protox is pure Rust, so no protoc is needed.

use std::{env, error::Error, fs, path::Path};

use protox::Compiler;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let contract = root.join("hubbub/v1/event.proto");
    let files = protox::compile([&contract], [&root])?;
    println!("cargo::rerun-if-changed={}", root.display());
    prost_build::Config::new().compile_fds(files)?;

    // The names of fields, for whoever reads bytes that are no event.
    let mut names = Compiler::new([&root])?;
    names.include_source_info(false).include_imports(false).open_file(&contract)?;
    let to = Path::new(&env::var("OUT_DIR")?).join("contract.bin");
    Ok(fs::write(to, names.encode_file_descriptor_set())?)
}
