//! The `fanfare` binary: everything it does is in the library.

use gateway::huge_pages::HugePages;

#[global_allocator]
static HEAP: HugePages = HugePages::new();

fn main() -> std::process::ExitCode {
    if let Err(error) = HEAP.touch_ahead() {
        eprintln!("fanfare: no thread to touch memory ahead ({error}); it goes on without");
    }
    gateway::commands::main()
}
