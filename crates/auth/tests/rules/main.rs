//! The rules as decision tables: values in, values out, and a time that only the test turns.

mod bounds;
mod budgets;
mod enrolment;
mod recovery;
mod sign_in;
mod standing;
mod table;
mod world;
