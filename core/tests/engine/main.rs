//! The real use cases, the real reconciler and the real store, under a simulated cloud that misbehaves.
//!
//! [`histories`] tries random histories against a model; [`every_step`] tries every step of a few of them, and every call.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop loudly")]

mod blocked;
mod clocks;
mod database;
mod every_step;
mod found;
mod guards;
mod histories;
mod invariants;
mod links;
mod lost;
mod lying_lists;
mod model;
mod moving;
mod offline;
mod outages;
mod pooled;
mod process;
mod seeded;
mod step;
#[path = "../../../tests/src/tcp_proxy.rs"]
mod tcp_proxy;
mod world;
