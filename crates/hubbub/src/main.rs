//! The `hubbub` program.

use std::process::ExitCode;

/// It gives memory back after a load, which keeps the process small; how soon is set in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hubbub::cli::main()
}
