//! The engine of EntryGuard: it opens resources for one address for a few hours, and closes them again.
//!
//! A use case ([`engine`]) is one transaction that changes what is *wanted*; the [`reconcile`]r makes the clouds agree with it.
//! [`domain`] holds the values and the rules, without a clock or I/O; [`store`] is the only place that writes SQL;
//! [`provider`] is the door to the clouds. Nothing here names a cloud, a chat or a web framework.

pub mod clock;
pub mod command;
pub mod config;
pub mod crash;
pub mod domain;
pub mod engine;
mod gather;
pub mod provider;
pub mod random;
pub mod reconcile;
pub mod reply;
pub mod serverless;
pub mod store;
pub mod trusted_file;
