//! The harness of the black-box tests: the real server between a real database, moto as Amazon EC2 and a double of Slack.
//!
//! A test builds a [`World`], tells its Slack or its cloud to misbehave, and says what people and firewalls must see in the end.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop loudly")]

mod act;
mod axe;
mod chance;
mod chromium;
mod clock;
mod collector;
mod crowd;
mod database;
mod discord;
mod eventually;
mod figure;
mod form;
mod forward_proxy;
mod github;
mod ingress;
mod issuer;
pub mod judges;
mod load;
mod loopback;
mod moto;
mod program;
mod proxy;
mod receiver;
mod records;
mod server;
mod services;
mod slack;
mod small_disk;
mod step;
mod tcp_proxy;
mod unique;
mod watch;
mod world;

pub use act::{Act, ActRan, guide_workflows, readme_workflows};
pub use axe::what_axe_finds;
pub use chance::Chance;
pub use chromium::{Chromium, Look};
pub use clock::{unix_millis, unix_seconds};
pub use collector::{CollectedSpan, Collector};
pub use crowd::Crowd;
pub use database::{Database, OwnDatabase, TakenAway};
pub use discord::{DiscordAnswer, DiscordDouble, DiscordMessage, text_as_sent as text_in_discord};
pub use eventually::{SOON, eventually};
pub use figure::show_figure;
pub use forward_proxy::ForwardProxy;
pub use github::GithubDouble;
pub use ingress::Ingress;
pub use issuer::{Forged, Issuer, Key as SigningKey, WEBHOOK_SECRET, github_signature};
pub use load::{busy, quiet};
pub use loopback::{Listener, free_port};
pub use moto::{Ec2, GroupId, Rule};
pub use program::{Answered, Program};
pub use proxy::{Call, CallId, Fate, Proxy};
pub use receiver::{Delivered, HOOK_SECRET, OLD_HOOK_SECRET, Receiver};
pub use records::{AuditEntry, Records, Wish};
pub use server::{Server, Setup, program};
pub use services::{moto_address, postgres_address, tools as search_path};
pub use slack::{
    Edit, Message, SlackAnswer, SlackDouble, Thread, ToServer, button, buttons, link_in, text_of, what_slack_refuses,
};
pub use small_disk::SmallDisk;
pub use step::{Job, Step, StepRan};
pub use tcp_proxy::TcpProxy;
pub use unique::unique;
pub use watch::{Findings, Watch};
pub use world::{Browser, Form, Page, Ran, Started, World, WorldBuilder};

/// Makes of each `async fn name(database: Database)` two tests: `name::on_sqlite` and `name::on_postgres`.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($database:ident: Database) $body:block)+) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn story($database: $crate::Database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                story($crate::Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                story($crate::Database::Postgres).await;
            }
        }
    )+};
}
