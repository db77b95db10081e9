//! Owns: the `loadtest` command line.
//! Must never: hold logic that a test could want; each subcommand is a call into the library.
//! Laws: none.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}
