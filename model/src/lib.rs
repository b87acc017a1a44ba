//! What Countersign promises about several nodes, as a specification, a model of its design, and a checker of what
//! real nodes answered.
//!
//! Knows: operations and outcomes. Must never know: the product's code; whoever checks must not share its mistakes.
//! Read [`once`] first, then [`design`] and [`history`].

pub mod design;
pub mod history;
pub mod once;
