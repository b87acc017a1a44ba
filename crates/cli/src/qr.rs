//! QR codes as a terminal and as pictures show them.
//!
//! Knows: modules, and the quiet zone around them (ISO/IEC 18004 §5.3.8), without which scanners read nothing. Must
//! never know: what is encoded.

use fast_qr::QRCode;
use fast_qr::convert::Builder;
use fast_qr::convert::svg::SvgBuilder;

use crate::png;

/// Dots of a module in a picture.
const SCALE: usize = 8;
/// Modules of white around a code.
const QUIET: usize = 4;

/// Whether a module is dark, counted from the corner of the quiet zone; what lies beyond is not.
fn is_dark(code: &QRCode, x: usize, y: usize) -> bool {
    let module = |at: usize| at.checked_sub(QUIET).filter(|at| *at < code.size);
    matches!((module(x), module(y)), (Some(x), Some(y)) if code[y][x].value())
}

/// Lines of half blocks, each two modules high. What is light is lit: most terminals are dark.
pub(crate) fn terminal(code: &QRCode) -> String {
    let side = code.size + 2 * QUIET;
    let mut text = String::new();
    for y in (0..side).step_by(2) {
        text.extend(
            (0..side).map(|x| match (is_dark(code, x, y), is_dark(code, x, y + 1)) {
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
                (true, true) => ' ',
            }),
        );
        text.push('\n');
    }
    text
}

/// A PNG picture.
pub(crate) fn picture(code: &QRCode) -> Vec<u8> {
    let side = (code.size + 2 * QUIET) * SCALE;
    png::black_and_white(side, |x, y| is_dark(code, x / SCALE, y / SCALE))
}

/// An SVG picture.
pub(crate) fn svg(code: &QRCode) -> String {
    SvgBuilder::default().margin(QUIET).to_str(code)
}
