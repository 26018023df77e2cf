//! The program: see `patchcord help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchcord::cli::main()
}
