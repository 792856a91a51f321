//! The one binary.

/// A proxied request makes some two hundred small allocations, most of them Pingora's: a sixth of its CPU time less than
/// with the allocator of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    portcullis_server::cli::main()
}
