//! The rules as decision tables: values in, values out, and a time that only the test turns.

mod api_tokens;
mod approvals;
mod authority;
mod bounds;
mod browsers;
mod budgets;
mod by_number;
mod challenges;
mod credentials;
mod elevation;
mod enrolment;
mod hosts;
mod imports;
mod lifting;
mod mail;
mod numbers;
mod people;
mod recovery;
mod sign_in;
mod standing;
mod table;
mod text_messages;
mod tokens;
mod vouching;
mod world;
