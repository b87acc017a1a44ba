//! What every image begins and ends with: the start of the board, a console, the exit code.
//!
//! Knows semihosting, by which an emulated board writes to its host's standard output and ends with a code. Must never
//! know what is checked.

#![no_std]
#![deny(missing_docs)]

use core::fmt;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
use semihosting::process::ExitCode;

#[cfg(target_arch = "riscv32")]
use riscv as _;

pub mod weighed;

/// The exit code of a panic. Its text is left out: it would weigh more than what is weighed.
const PANIC: i32 = 101;

/// The host's standard output.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        semihosting::print!("{text}");
        Ok(())
    }
}

/// Ends the board: 0 where all was as it is owed, else 1.
pub fn end(met: bool) -> ! {
    let code = if met { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    code.exit_process()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    semihosting::process::exit(PANIC)
}
