//! Tells the linker where the emulated board has its memory.
//!
//! Knows both boards. Their RAM is as much as small real ones have: 264 KiB like RP2040, 400 KiB like ESP32-C3.

use std::path::PathBuf;
use std::{env, fs};

/// QEMU's mps2-an385. The RAM is the board's PSRAM, because QEMU can keep that one in a file.
const MPS2_AN385: &str = "MEMORY {
    FLASH : ORIGIN = 0x00000000, LENGTH = 4M
    RAM : ORIGIN = 0x21000000, LENGTH = 264K
}
";

/// QEMU's riscv32 virt. It has no flash that programs are started from, so 3 MiB of its RAM stand for one.
const VIRT: &str = "MEMORY {
    FLASH : ORIGIN = 0x80000000, LENGTH = 3M
    RAM : ORIGIN = 0x80300000, LENGTH = 400K
}
REGION_ALIAS(\"REGION_TEXT\", FLASH);
REGION_ALIAS(\"REGION_RODATA\", FLASH);
REGION_ALIAS(\"REGION_DATA\", RAM);
REGION_ALIAS(\"REGION_BSS\", RAM);
REGION_ALIAS(\"REGION_HEAP\", RAM);
REGION_ALIAS(\"REGION_STACK\", RAM);
";

fn main() {
    // The script of cortex-m-rt includes memory.x itself, that of riscv-rt does not.
    let (memory, scripts) = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("arm") => (MPS2_AN385, &["link.x"][..]),
        Ok("riscv32") => (VIRT, &["memory.x", "link.x"][..]),
        _ => return,
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the folder"));
    fs::write(out.join("memory.x"), memory).expect("cargo's folder can be written");
    println!("cargo::rustc-link-search={}", out.display());
    for script in scripts {
        println!("cargo::rustc-link-arg-bins=-T{script}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
