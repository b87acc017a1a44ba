//! What no application does by mistake, because it does not compile.
//!
//! Knows: mistakes, one a file of `illegal`, what the compiler says of each, and the same done rightly in `legal`. Must
//! never know: how the guard prevents them. It stands here and not beside the guard, whose own tests would bring the
//! server along.

#[test]
fn illegal_use_of_the_guard_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/illegal/*.rs");
    cases.pass("tests/legal/*.rs");
}
