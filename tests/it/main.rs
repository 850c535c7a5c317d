//! The black-box tests. Run them with `./x test`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop loudly")]

mod action;
mod api;
mod approval;
mod audit;
mod commands;
mod crash_points;
mod discord;
mod discord_roles;
mod double;
mod gateway;
mod guides;
mod harness;
mod link;
mod lint;
mod observability;
mod operations;
mod packaging;
mod read_in_discord;
mod read_in_slack;
mod reading;
mod refusals;
mod release;
mod replicas;
mod serverless;
mod session;
mod shim;
mod site;
mod slack;
mod smoke;
mod soak;
mod socket_mode;
mod speed;
mod steps;
mod trouble;
