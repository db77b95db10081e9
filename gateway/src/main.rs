//! The `fanfare` binary: everything it does is in the library.

use gateway::huge_pages::HugePages;

#[global_allocator]
static HEAP: HugePages = HugePages::new();

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
