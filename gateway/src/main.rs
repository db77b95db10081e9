//! The `fanfare` binary: everything it does is in the library.

fn main() -> std::process::ExitCode {
    gateway::commands::main()
}
